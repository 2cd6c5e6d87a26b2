"""`matgym/NanotubeDesign-v0`: choose a tube, strain it, and place atoms on it, so that it meets a brief."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from typing_extensions import override

from matgym.envs.arguments import checked_option, given_alone
from matgym.envs.assembly import Assembly
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, Observed, OnForbidden, Variant
from matgym.envs.rewards import RewardType
from matgym.errors import ConfigurationError
from matgym.registration import NANOTUBE_DESIGN_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import BriefTask, Estimate, Scores
from matgym.tasks.brief import LevelName, brief_task
from matgym.typing import FloatArray, Info, IntArray


class NanotubeDesign(DesignEpisodes):
    """Design any carbon nanotube to a brief.

    ## Description
    Each episode draws a brief: ranges for two to four of thermal conductance, Young's modulus, formation energy and
    diameter. The agent chooses a tube, may strain it by 1, 2 or 3 %, places B, N, vacancies and 14C, and stops. A
    finished tube holds as many B as N atoms. Its length counts: it lies between pristine leads of 12C.
    Level of physics: ridge regressions on pairs of atoms predict conductance (trained on exact phonon transmission by a
    classical potential), modulus and formation energy (the same potential, relaxed); R² is 0.985 and more within tubes
    of chiralities that they did not see. The physics that they were trained on verifies designs. The diameter is
    computed from the lattice and the strain.
    What makes it hard: atoms act on several properties at once, briefs are rare, and tubes differ. Each brief is drawn
    about the properties of a random design, its anchor, so that a design meets it, and its ranges are as narrow as the
    level says:

    | Level   | Sites | Atoms | Properties asked | Random designs that meet a brief |
    |---------|-------|-------|------------------|----------------------------------|
    | easy    | 160   | 8     | 2                | 10 %                             |
    | medium  | 256   | 16    | 3                | 1 %                              |
    | hard    | 256   | 32    | 4                | 0.01 %                           |
    | extreme | 560   | 200   | 4                | none of a million                |

    Three briefs in ten bound one property on one side, beyond most of the designs. At level extreme, anchors are
    designs that were improved away from random ones. On a given tube 0.1 % of random designs meet a brief of level
    hard: its bands are at the errors of the surrogates.

    ## Action Space
    `Discrete(664)` at level easy, `Discrete(4 S + 4 + L)` for S sites and L tubes: action `k S + site` places kind k (0
    B, 1 N, 2 vacancy, 3 14C) on a site; then follow stop, strains of 1, 2 and 3 %, and the choice of each tube, which
    comes first. With `tube="given"` the choices of tubes are left out. `action_masks()` and `info["action_mask"]` give
    the allowed actions. B and N atoms are allowed as long as the other kind can follow; the last atom ends the episode.

    ## Observation Space
    With `observation="honeycomb"`, the graph of the tube: see `matgym.envs.honeycomb_observation`; `HoneycombPolicy`
    reads it. By default, and at level easy, `Box(-1, 1, (663,), float32)`:

    | Num     | Observation                                                         | Min | Max |
    |---------|---------------------------------------------------------------------|-----|-----|
    | 0–639   | 1 where a site holds each kind: 160 sites for B, N, vacancies, 14C  | 0   | 1   |
    | 640–643 | diameter / 2 nm, (1 + cos 6θ)/2, length / 4 nm, sites / 160         | 0   | 1   |
    | 644–647 | strain of 0, 1, 2, 3 %, one-hot                                     | 0   | 1   |
    | 648–649 | whether a tube, whether a strain was chosen                         | 0   | 1   |
    | 650–654 | share of the atoms that are placed, of all and of each kind         | 0   | 1   |
    | 655–662 | least and largest value of each property, scaled over its range     | -1  | 1   |

    What a brief does not ask is observed as the whole range, -1 and 1.

    ## Rewards
    The reward is 0 until the tube is finished, and then the mean over the properties that the brief asks for of
    1 / (1 + 9 (d / margin)²), where d is the distance to the range; it is 1 if the brief is met. The margin is two
    standard deviations of a property among random designs on one tube. `info["met"]` says whether the brief is met,
    `info["objectives"]` holds the properties.

    ## Starting State
    No tube, or with `tube="given"` a random one, undecorated; and a random brief. `reset(options={"target": bounds})`
    sets it: least and largest value of each property, one after the other, with infinities for no bound; see
    `BriefTask.brief`. `options={"tube": index}` sets the given tube.

    ## Episode End
    Termination: when the agent stops, and after the last atom. Truncation: after 256 steps.

    ## Arguments
    - `level`: "easy" (default), "medium", "hard" or "extreme".
    - `tube`: "chosen" (default) by the agent, or "given", a random one of `tubes` in each episode.
    - `tubes`: the tubes, each (n, m, cells). Default: two lengths of every chirality of 0.63 to 1.35 nm that fits.
    - `properties`: names of the properties. Default: "thermal_conductance", "young", "formation", "diameter"; a given
      tube has no choice of diameter.
    - `models`: sources of models by name of property, such as `{"young": "oracle"}`; see `matgym.surrogates.as_model`.
    - `estimate`: how an uncertain prediction becomes a reward: "mean" (default), or "lcb", a lower confidence bound.
    - `briefs`: seed of the anchors. Default: 0. Another seed gives briefs about other designs, for tests.
    - `task`: a task of your own instead of the arguments above; see `matgym.tasks.brief_task`.
    - `observation`: "flat" (default) or "honeycomb".
    - `reward_type`: "sparse" (default), the reward above; or "dense": in each step the change of the reward that the
      unfinished tube would get, so that the return is the same; the models then predict a tube in each step. The goal
      variant has no dense rewards.
    - `variant`: "goal", in which a bound that is not asked is the end of the property's range; or "multi-objective",
      with one component for each property, 1 where nothing is asked.
    - `on_forbidden`: what happens after a forbidden action. "resample" (default) draws an allowed action instead.
      "penalty" leaves the design unchanged and gives a reward of -0.1; the goal variant does not have it. "terminate"
      ends the episode with reward 0.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    time_limit = NANOTUBE_DESIGN_STEPS
    task: BriefTask
    builder: Assembly

    def __init__(
        self,
        size: int,
        *,
        level: LevelName | None = None,
        tube: Literal["chosen", "given"] | None = None,
        tubes: Sequence[tuple[int, int, int]] | None = None,
        properties: Sequence[str] | None = None,
        models: Mapping[str, Any] | None = None,
        estimate: Estimate | None = None,
        briefs: int | None = None,
        task: BriefTask | None = None,
        variant: Variant = "plain",
        on_forbidden: OnForbidden | None = None,
        observation: Observed | None = None,
        reward_type: RewardType | None = None,
    ) -> None:
        if task is not None:
            given = {"level": level, "tube": tube, "tubes": tubes, "properties": properties, "models": models}
            given_alone("task", {**given, "estimate": estimate, "briefs": briefs})
            if not isinstance(task, BriefTask):
                raise ConfigurationError(f"task={task!r:.80} must be a BriefTask: see matgym.tasks.brief_task")
        else:
            if tube not in (None, "chosen", "given"):
                raise ConfigurationError(f"tube={tube!r} is neither 'chosen' nor 'given'")
            task = brief_task(
                level or "easy",
                lattices=None if tubes is None else [tube_lattice(*each) for each in tubes],
                properties=properties,
                models=models,
                given=tube == "given",
                seed=briefs or 0,
                estimate=estimate or "mean",
            )
        super().__init__(
            size, task=task, variant=variant, on_forbidden=on_forbidden, observation=observation,
            reward_type=reward_type,
        )  # fmt: skip
        self._told["met"] = np.zeros(size, dtype=bool)
        if task.space.given:
            self.options = (*self.options, "tube")

    @override
    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        super().restart(rows, generators, options)
        if options.get("tube") is not None:
            index = checked_option("tube", options["tube"], len(rows))
            count = len(self.task.space.lattices)
            if not (np.isin(index, np.arange(count))).all():
                raise ConfigurationError(f"tube={options['tube']!r} must be the index of a tube, from 0 to {count - 1}")
            self.builder.give(rows, index.astype(np.int64))

    @override
    def info(self) -> Info:
        info = super().info()
        if self.task.space.given:
            info["tube"] = self.builder.designs[:, 0].astype(np.int64)
        return info

    @override
    def _recorded(self, rows: IntArray, scores: Scores) -> FloatArray:
        self._told["met"][rows] = self.task.met(scores, self.targets[rows])
        return super()._recorded(rows, scores)


class NanotubeDesignEnv(DesignEnv):
    """See `NanotubeDesign`."""

    episodes_class = NanotubeDesign


class NanotubeDesignVectorEnv(DesignVectorEnv):
    """Many `NanotubeDesignEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeDesign
