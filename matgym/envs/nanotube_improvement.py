"""`matgym/NanotubeImprovement-v0`: change a complete tube, atom by atom, until it meets a brief."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from typing_extensions import override

from matgym.envs.arguments import checked_option, given_alone
from matgym.envs.batch import ALL, Rows
from matgym.envs.design import PENALTY, DesignEnv, DesignEpisodes, DesignVectorEnv, Observed, OnForbidden
from matgym.envs.honeycomb_observation import honeycomb_space, observe_honeycomb
from matgym.envs.mutation import NUMBERS, PUT, Mutation
from matgym.envs.rewards import RewardType
from matgym.errors import ConfigurationError, require_counts
from matgym.registration import NANOTUBE_IMPROVEMENT_STEPS
from matgym.structures import tube_lattice
from matgym.surrogates.honeycomb.edits import SingleEdits
from matgym.tasks import BriefTask
from matgym.tasks.any_tube import STRAINS
from matgym.tasks.brief import LevelName, brief_task
from matgym.typing import BoolArray, Float32Array, FloatArray, Info, IntArray

STEPS: Final[Mapping[str, int]] = {"easy": 32, "medium": 64, "hard": 128, "extreme": 256}
"""Changes of an episode by level: four for each atom that may be placed, but at level extreme. A choice of ours."""


LEAST: Final = 1e-6
"""Gain of the worth below which no change counts: rounding is below. A choice of ours."""


class NanotubeImprovement(DesignEpisodes):
    """Improve a decorated carbon nanotube until it meets a brief.

    ## Description
    Each episode draws a tube, a random design on it, and a brief: ranges for two to three of thermal conductance,
    Young's modulus and formation energy. A step changes one thing: it puts B, N, a vacancy, 14C or 12C on a site,
    whatever the site holds, or changes the strain. The agent stops when it is content. A finished tube holds as many B
    as N atoms; meanwhile one B or N atom may lack its partner.
    The agent sees the predicted properties of the present tube, and what *every* single change would make of the
    reward. The surrogates are ridge regressions on pairs of atoms, so that all changes are predicted in one pass,
    exactly and not only to first order: see `matgym.surrogates.honeycomb.edits`.
    Level of physics: that of NanotubeDesign.
    What makes it hard: the best single change is shown, the best sequence is not. Atoms act on each other and on
    several properties at once, a B atom pays only with the N atom that follows, and greedy changes end where no single
    change helps. Levels are those of NanotubeDesign with given tubes; episodes have up to 32, 64, 128 and 256 changes.

    ## Action Space
    `Discrete(805)` at level easy, `Discrete(5 S + 5)` for at most S sites: action `k S + site` puts kind k (0 B, 1 N,
    2 vacancy, 3 14C, 4 12C) on a site; then follow stop, and strains of 0, 1, 2 and 3 %. `action_masks()` and
    `info["action_mask"]` give the allowed actions. Kinds may not exceed their largest shares, nor all atoms their
    largest number. Stop needs as many B as N atoms, and so does the tube after the last change.

    ## Observation Space
    With `observation="honeycomb"`, the graph of the tube with effects: see `matgym.envs.honeycomb_observation`;
    `HoneycombPolicy` reads it. By default, and at level easy, `Box(-1, 1, (1474,), float32)`:

    | Num       | Observation                                                               | Min | Max |
    |-----------|---------------------------------------------------------------------------|-----|-----|
    | 0–639     | 1 where a site holds each kind: 160 sites for B, N, vacancies, 14C        | 0   | 1   |
    | 640       | share of the changes that are left                                        | 0   | 1   |
    | 641       | 1 or 0 if a B or an N atom is missing, 0.5 if none is                     | 0   | 1   |
    | 642–646   | share of the atoms that are placed, of all and of each kind               | 0   | 1   |
    | 647–650   | strain of 0, 1, 2, 3 %, one-hot                                           | 0   | 1   |
    | 651–653   | each property, scaled over its range                                      | -1  | 1   |
    | 654–656   | by how much each property misses what is asked, in margins                | -1  | 1   |
    | 657       | worth of the present tube                                                 | 0   | 1   |
    | 658       | 1 + log₁₀(g) / 6 for the largest gain g of an allowed change, 0 for none  | 0   | 1   |
    | 659–662   | effect of each strain                                                     | -1  | 1   |
    | 663–667   | largest effect of each kind that is allowed                               | -1  | 1   |
    | 668–1467  | effect of each kind on each of 160 sites                                  | -1  | 1   |
    | 1468–1473 | least and largest value of each property, scaled over its range           | -1  | 1   |

    What a brief does not ask is observed as the whole range, -1 and 1. The flat observation does not name the tube. An
    effect is c / g for the change c of the worth by an action and the largest gain g of all that are allowed, at least
    10⁻⁶, clipped to [-1, 1]: near the end gains are a thousandth of those at the beginning, and choices as fine. It is
    0 beyond the tube, and also given for forbidden actions.

    ## Rewards
    The worth of a tube is the mean over the properties that the brief asks for of 1 / (1 + 9 (d / margin)²), where d is
    the distance to the range; see NanotubeDesign. With `reward_type="dense"` (default) each step is rewarded by the
    change of the worth; with "sparse" the last step is rewarded by the sum. The return is final minus initial worth in
    both, plus `met_bonus` if the last tube meets the brief: a tube just outside a range has a worth of nearly 1. A tube
    with a B or N atom too many has a worth as well, though the surrogates extrapolate there. `info["met"]` says whether
    the present tube meets the brief. The ledger counts one evaluation by each surrogate for the initial tube and for
    each step but stop; the effects follow from the same features and are not counted.

    ## Starting State
    A random tube of `tubes` with a random design, and a random brief about another design on it.
    `reset(options={"target": bounds})` sets the brief, and `options={"design": row}` the initial design.

    ## Episode End
    Termination: when the agent stops, and after the last change. Truncation: after 512 steps.

    ## Arguments
    - `level`: "easy" (default), "medium", "hard" or "extreme".
    - `tubes`: the tubes, each (n, m, cells). Default: two lengths of every chirality of 0.63 to 1.35 nm that fits.
    - `properties`: names of the properties. Default: "thermal_conductance", "young", "formation".
    - `models`: sources of models by name of property; they must be ridge regressions on pairs.
    - `vacancies`: False leaves vacancies out of all designs, so that the oracles can verify all of them: the potentials
      do not describe vacancies beside B and N. Default: True.
    - `briefs`: seed of the anchors. Default: 0. Another seed gives briefs about other designs, for tests.
    - `task`: a task of your own instead of the arguments above; see `matgym.tasks.brief_task`, with `given=True`.
    - `steps`: the largest number of changes. Default: that of the level; 64 for a task of your own.
    - `reward_type`: "dense" (default) or "sparse".
    - `met_bonus`: what the last step earns if the last tube meets the brief. Default: 0.
    - `observation`: "flat" (default) or "honeycomb".
    - `on_forbidden`: what happens after a forbidden action. "resample" (default) draws an allowed action instead.
      "penalty" leaves the tube unchanged and gives a reward of -0.1. "terminate" ends the episode
      with the present tube.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.

    Attributes:
        changes: (B, n_actions) changes of the worth by each action, allowed or not; 0 for stop and beyond the tube.
        worth: (B,) worth of the present tubes.
    """

    time_limit = NANOTUBE_IMPROVEMENT_STEPS
    task: BriefTask
    builder: Mutation

    def __init__(
        self,
        size: int,
        *,
        level: LevelName | None = None,
        tubes: Sequence[tuple[int, int, int]] | None = None,
        properties: Sequence[str] | None = None,
        models: Mapping[str, Any] | None = None,
        vacancies: bool | None = None,
        briefs: int | None = None,
        task: BriefTask | None = None,
        steps: int | None = None,
        reward_type: RewardType | None = None,
        met_bonus: float | None = None,
        on_forbidden: OnForbidden | None = None,
        observation: Observed | None = None,
    ) -> None:
        if steps is not None:
            require_counts(steps=steps)
        if task is not None:
            alone = {"level": level, "tubes": tubes, "properties": properties, "models": models, "briefs": briefs}
            given_alone("task", alone | {"vacancies": vacancies})
            if not isinstance(task, BriefTask) or not task.space.given or task.estimate != "mean":
                raise ConfigurationError(
                    f"task={task!r:.80} must be a BriefTask of given tubes: see matgym.tasks.brief_task"
                )
        else:
            task = brief_task(
                level or "easy",
                lattices=None if tubes is None else [tube_lattice(*each) for each in tubes],
                properties=properties,
                models=models,
                given=True,
                vacancies=vacancies is not False,
                seed=briefs or 0,
            )
            steps = steps or STEPS[level or "easy"]
        self.dense, self.met_bonus = reward_type != "sparse", float(met_bonus or 0.0)
        if not 0.0 <= self.met_bonus < np.inf:
            raise ConfigurationError(f"met_bonus={met_bonus} must be a number of at least 0")
        self._edits = SingleEdits([(each.model, each.key) for each in task.objectives], PUT, STRAINS)
        builder = Mutation(task.space, size, steps or STEPS["medium"])
        self.changes = np.zeros((size, int(builder.action_space.n)), dtype=np.float32)
        self._state = np.zeros((size, 2 * len(task.objectives) + 2 + len(STRAINS) + len(PUT)), dtype=np.float32)
        self.worth, self._initial, self._gain = np.zeros(size), np.zeros(size), np.full(size, LEAST)
        super().__init__(size, task=task, on_forbidden=on_forbidden, observation=observation, builder=builder)
        self.reward_low = -1.0
        self._told["met"] = np.zeros(size, dtype=bool)
        self.options = (*self.options, "design")

    # ---- observations

    @override
    def _make_space(self) -> spaces.Space[Any]:
        sites, briefs = self.task.space.sites, len(self.task.target_names)
        if self.on_honeycomb:
            return honeycomb_space(sites, len(PUT), NUMBERS + self._state.shape[1] + briefs, effects=len(PUT))
        low = np.full(self.builder.width + self._state.shape[1] + len(PUT) * sites + briefs, -1.0, dtype=np.float32)
        low[: self.builder.width] = 0.0
        return spaces.Box(low, np.ones_like(low), dtype=np.float32)

    @override
    def observe(self, rows: Rows = ALL) -> Any:
        """Return (rows, n) float32, or a dictionary of arrays on the honeycomb."""
        state, briefs = self._state[rows], self._scaled[rows]
        effects = self._effects(self.changes[rows, : self.builder.stop], rows)
        if self.on_honeycomb:
            graph = self.builder.graph(rows)
            numbers = np.concatenate([graph.numbers, state, briefs], axis=1)
            wide = effects.reshape(graph.allowed.shape)
            return observe_honeycomb(graph.batch, graph.allowed, numbers, open_ends=graph.open_ends, effects=wide)
        return np.concatenate([self.builder.look(rows), state, effects, briefs], axis=1)

    # ---- episodes

    @override
    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        if options.get("design") is not None:
            self.builder.give(self._checked_design(options["design"], len(rows)))
        super().restart(rows, generators, options)
        self._initial[rows] = self._evaluate(rows)

    def _checked_design(self, design: Any, count: int) -> Any:
        space = self.task.space
        found = checked_option("design", design, count, space.width)
        if not space.valid(found).all():
            raise ConfigurationError(f"design={design!r:.80} holds a row that is no design: see AnyTube.valid")
        return found.astype(np.uint8)

    @override
    def info(self) -> Info:
        return {**super().info(), "tube": self.builder.designs[:, 0].astype(np.int64)}

    @override
    def step(self, actions: IntArray, rows: Rows = ALL) -> tuple[FloatArray, BoolArray]:
        """Carry out changes, and reward what they make of the tubes."""
        which = np.arange(self.size)[rows]
        actions, allowed = self.resample(actions, which)
        before = self.worth[which]
        finished, carried_out = self.builder.advance(actions, rows)
        changed = carried_out & (actions != self.builder.stop)
        if changed.any():
            self._evaluate(which[changed])
        ended = finished if self.on_forbidden == "penalty" else finished | ~carried_out
        reward = self.worth[which] - (before if self.dense else self._initial[which])
        if not self.dense:
            reward[~ended] = 0.0
        reward = reward + self.met_bonus * (ended & self._told["met"][which])
        self._told["allowed"][which] = allowed & carried_out
        if self.on_forbidden == "penalty":
            reward[~allowed] = -PENALTY
        return reward, ended

    def _evaluate(self, rows: IntArray) -> FloatArray:
        """Score the present designs of (k,) rows, predict all their changes, and return their worth."""
        designs, targets = self.builder.designs[rows], self.targets[rows]
        scores = self.task.score(designs, targets)
        worth = self.worth[rows] = self._recorded(rows, scores)
        self._told["met"][rows] = self.task.met(scores, targets) & (self.builder.excess(rows) == 0)
        batch = self.task.space.decode(designs)
        edited = self._edits.predict(batch)
        present = self.task.rewards_at(edited.values, targets)
        tube = np.repeat(np.arange(len(rows)), batch.n_sites)
        inside = np.arange(self.task.space.sites) < batch.n_sites[:, None]
        placed = np.zeros((*inside.shape, len(PUT)), dtype=np.float32)
        placed[inside] = self._changed(edited.placed, targets[tube], present[tube])
        self.changes[rows, : self.builder.stop] = placed.transpose(0, 2, 1).reshape(len(rows), -1)
        self.changes[rows, self.builder.stop + 1 :] = self._changed(edited.strained, targets, present)
        self._gain[rows] = np.where(self.builder.masks()[rows], self.changes[rows], 0.0).max(axis=1).clip(LEAST)
        self._state[rows] = self._look(edited.values, worth, rows)
        return worth

    def _changed(self, values: FloatArray, targets: FloatArray, present: FloatArray) -> FloatArray:
        """Return the (n, k) changes of n present worths by changes that lead to (n, k, P) properties."""
        count, ways, parts = values.shape
        after = self.task.rewards_at(values.reshape(-1, parts), np.repeat(targets, ways, axis=0))
        return after.reshape(count, ways) - present[:, None]

    def _look(self, values: FloatArray, worth: FloatArray, rows: IntArray) -> Float32Array:
        """Return the (k, n) numbers of the state of the brief: see the class."""
        low, high = self.task.target_ranges[::2].T
        scaled = np.clip((2.0 * values - low - high) / (high - low), -1.0, 1.0)
        outside = np.clip(self.task.outside(values, self.targets[rows]), -1.0, 1.0)
        strains = self._effects(self.changes[rows, self.builder.stop + 1 :], rows)
        free = self.builder.changeable(rows)
        puts = self.changes[rows, : self.builder.stop].reshape(free.shape)
        best = self._effects(np.where(free, puts, -1.0).max(axis=2), rows)
        gain = 1.0 - np.log(self._gain[rows]) / np.log(LEAST)
        parts = (scaled, outside, worth[:, None], gain[:, None], strains, best)
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _effects(self, changes: FloatArray | Float32Array, rows: Rows) -> Float32Array:
        """Return (k, n) changes of the worths of rows as they are observed: see the class."""
        return np.asarray(np.clip(changes / self._gain[rows, None], -1.0, 1.0), dtype=np.float32)


class NanotubeImprovementEnv(DesignEnv):
    """See `NanotubeImprovement`."""

    episodes_class = NanotubeImprovement


class NanotubeImprovementVectorEnv(DesignVectorEnv):
    """Many `NanotubeImprovementEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeImprovement
