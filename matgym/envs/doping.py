"""`matgym/NanotubeDoping-v0`: place boron and nitrogen so that the band gap meets a target."""

from collections.abc import Mapping
from typing import Any

from matgym.envs.arguments import Index, require_sites
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, OnForbidden, Variant, made_task
from matgym.envs.initial_designs import InitialDesigns
from matgym.registration import DOPING_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import DesignGeneratorLike, DesignTask, Direction, Estimate, RewardFunction, decoration_task
from matgym.tasks.instances import stability
from matgym.tasks.objective import scale_settings


class NanotubeDoping(DesignEpisodes):
    """Design a co-doped carbon nanotube with a given band gap.

    ## Description
    A periodic (8, 0) carbon nanotube of four cells (128 sites) is to be decorated with 8 boron and 8
    nitrogen atoms, one a step, so that its band gap meets a target that is drawn anew every episode. Boron
    and nitrogen shift the gap by where they sit: by sublattice, by distance, and by their order around and
    along the tube. A convolutional network, trained on tight-binding gaps, gives the gap of the finished
    design; any other surrogate, or the physics itself, can take its place (`model`).

    ## Action Space
    `Discrete(256)`: action `k * 128 + site` puts species k (0 boron, 1 nitrogen) on `site`. Sites are
    numbered in raster order (see `matgym.structures.TubeLattice`). Edits of sites that do not hold carbon,
    or of a species of which none is left, are forbidden; `action_masks()` and
    `info["action_mask"]` tell which are allowed, and `on_forbidden` what becomes of the others.

    ## Observation Space
    `Box(-1, 1, (259,), float32)`:

    | Num     | Observation                        | Min | Max |
    |---------|------------------------------------|-----|-----|
    | 0–127   | 1 where the site holds boron       | 0   | 1   |
    | 128–255 | 1 where the site holds nitrogen    | 0   | 1   |
    | 256–257 | share of boron, nitrogen left      | 0   | 1   |
    | 258     | target gap, scaled over its range  | -1  | 1   |

    ## Rewards
    Zero until the last atom is placed; then 1 / (1 + 9 (error / 0.15 eV)²), which is 1 on target, 0.5 at
    0.05 eV and 0.1 at 0.15 eV. Then, too, `info["design"]` holds the design, `info["objectives"]` its gap and
    error, `info["uncertainty"]` the standard deviation of the gap and the design's distance from the training
    data, above 1 where it lies outside.

    ## Starting State
    The undecorated tube, and a target gap uniform over 0.55 to 1.20 eV. With `initial_designs`, a finished design for
    about that target instead, `removed` random atoms of which are taken off for the agent to place.

    ## Episode End
    Termination: the last atom is placed. Truncation: after 32 steps, by the time limit, which only
    `on_forbidden="penalty"` can reach.

    ## Arguments
    - `n`, `m`, `cells`: the tube, (8, 0) of four cells by default.
    - `budget`: atoms of each species, `{"B": 8, "N": 8}` by default. Where it exceeds 32 atoms, give
      `gymnasium.make` a longer `max_episode_steps` as well.
    - `targets`: range of targets, in the property's unit; (0.55, 1.20) eV by default. A property of your own needs one.
    - `margin`: error at which the reward has fallen to a tenth; 0.15 eV by default, a quarter of the range of targets
      for a property of your own.
    - `direction`: "target", the default; or "maximize" or "minimize": the property is to be as large or as small as can
      be, and observations hold no target.
    - `values`: of an extreme: the value that earns 0 and the one that earns 1, or 1 and 0 where it is to be small, the
      lower first; (0.4, 2.0) eV by default.
    - `model`: that predicts the gap: the name or path of a stored surrogate, "oracle" for the physics itself, a model,
      a torch module, a regressor; see `matgym.surrogates.as_model`. A function of tubes predicts a property of its own
      name, which no oracle verifies, unless it is wrapped: `FunctionModel(function, "gap_ev")`.
    - `reward`: a function of predictions and targets to rewards in [0, 1].
    - `estimate`: how an uncertain prediction is turned into a reward: "mean"; "lcb", a lower confidence bound of the
      reward; or "worst", the least that any network of an ensemble would give.
    - `instance`: "doping" or "doping-easy", on which optimizers are compared: the gap is to be largest there, and
      observations hold no target; the easy one has 3,517 different designs, of which physics knows the best.
    - `variant`: "goal" or "multi-objective"; see `matgym.envs.design.Variant`. The second component of the reward is a
      low π formation energy.
    - `task`: a task of your own in place of all of these; see `matgym.tasks.decoration_task`. Environments of one
      process that share it share its ledger.
    - `initial_designs`: what episodes begin on: "gan", "diffusion", "vae", "nearest", "swap", "random", a stored
      generator, or an object of your own; see `matgym.tasks.DesignGenerator`.
    - `removed`: atoms of an initial design that are taken off, 4 by default.
    - `on_forbidden`: what becomes of a forbidden action: "resample", the default, draws an allowed one in its place;
      "penalty" lets it change nothing and costs 0.1; "terminate" ends the episode without a reward.
    - `render_mode`: "rgb_array" or "ansi".

    `reset(options={"target_ev": 0.8})` sets the target.

    ## Version History
    - v0: first release.
    """

    time_limit = DOPING_STEPS

    def __init__(
        self,
        size: int,
        *,
        n: Index | None = None,
        m: Index | None = None,
        cells: Index | None = None,
        budget: Mapping[str, int] | None = None,
        targets: tuple[float, float] | None = None,
        margin: float | None = None,
        direction: Direction | None = None,
        values: tuple[float, float] | None = None,
        model: Any = None,
        reward: RewardFunction | None = None,
        estimate: Estimate | None = None,
        instance: str | None = None,
        task: DesignTask | None = None,
        initial_designs: DesignGeneratorLike | None = None,
        removed: int | None = None,
        variant: Variant = "plain",
        on_forbidden: OnForbidden | None = None,
    ) -> None:
        vector = variant == "multi-objective"

        def make(given: dict[str, Any]) -> DesignTask:
            if vector:
                given["others"] = (stability(sum((budget or {"B": 8, "N": 8}).values())),)
            size_of = (8 if n is None else n, m or 0, 4 if cells is None else cells)
            require_sites(*size_of)
            lattice = tube_lattice(*size_of)
            return decoration_task(lattice=lattice, budget=budget, **given)

        tube = {"n": n, "m": m, "cells": cells, "budget": budget}
        usual: Direction = "target" if instance is None else "maximize"
        scale: dict[str, Any] = {"direction": direction, "targets": targets, "values": values, "margin": margin}
        scale = scale if task is not None else scale_settings(**scale, reward=reward, default=usual)
        settings = {"model": model, "reward": reward, "estimate": estimate, **scale}
        more = {} if vector else {"others": ()}
        names = ("doping", "doping-easy")
        task = made_task(task, instance, names, tube, settings, make, by_default=False, **more)
        initial = InitialDesigns.of(task, initial_designs, removed)
        super().__init__(size, task=task, variant=variant, initial=initial, on_forbidden=on_forbidden)


class NanotubeDopingEnv(DesignEnv):
    """See `NanotubeDoping`."""

    episodes_class = NanotubeDoping


class NanotubeDopingVectorEnv(DesignVectorEnv):
    """Many `NanotubeDopingEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeDoping
