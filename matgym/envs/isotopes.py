"""`matgym/NanotubeIsotopes-v0`: place heavy isotopes so that a tube conducts little heat."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from matgym.envs.arguments import Index, given_alone, require_sites
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, Observed, OnForbidden, Variant, made_task
from matgym.envs.rewards import RewardType
from matgym.errors import ConfigurationError
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PristinePhonons
from matgym.registration import ISOTOPE_STEPS
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks import DesignTask, Direction, RewardFunction, rings_task
from matgym.tasks.instances import isotope_sites
from matgym.tasks.objective import Scale


class NanotubeIsotopes(DesignEpisodes):
    """Place carbon isotopes in a nanotube to minimize its thermal conductance.

    ## Description
    An isotope changes only the mass of an atom. It scatters phonons and leaves the electrons unchanged. The design is a
    (10, 0) tube of sixteen rings between leads of pure 12C; the agent chooses 12C or 14C for each ring. With
    `instance="isotope-sites"` it places three 14C atoms on the 56 sites of a (7, 0) tube. Level of physics: the thermal
    conductance at 300 K from phonon transmission, by Green's functions on the Tersoff potential of Lindsay and Broido,
    with 256 frequencies; see `matgym.physics.phonons.conductance`. A table holds the exact value of all 65,536 rings
    and 27,720 placements, so that looking up the optimum is the cheapest method.

    ## Action Space
    Rings: `Discrete(2)`, 0 for 12C and 1 for 14C in the next ring, from one end. Sites: `Discrete(56)`, the site of the
    next 14C; `action_masks()` and `info["action_mask"]` give the free sites.

    ## Observation Space
    Rings: `Box(0, 1, (48,), float32)`:

    | Num   | Observation                                              | Min | Max |
    |-------|----------------------------------------------------------|-----|-----|
    | 0–31  | two per ring, one-hot: 12C, 14C                         | 0   | 1   |
    | 32–47 | 1 for the ring that is next                             | 0   | 1   |

    Sites: `Box(0, 1, (57,), float32)`: 1 where the site holds 14C, and the share of the budget that is left.

    ## Rewards
    The reward is 0 until the design is finished, and then (high - K) / (high - low), clipped to [0, 1], where K is the
    thermal conductance. (low, high) is (2.6, 3.4) nW/K for rings and (2.270, 2.282) nW/K for sites, because the designs
    of sites differ little. `info["objectives"]` holds K, `info["design"]` the design.

    ## Starting State
    The tube of pure 12C.

    ## Episode End
    Termination: after the last ring or atom. Truncation: after 64 steps, which only happens with
    `on_forbidden="penalty"`.

    ## Arguments
    - `instance`: "isotope-rings" (default) or "isotope-sites".
    - `model`: predicts K instead of the table: "oracle", a model, or anything that `matgym.surrogates.as_model`
      accepts. A function predicts a property with its own name.
    - `direction`: "minimize" (default), "maximize", or "target": the design shall meet a target that each episode
      draws.
    - `values`: (low, high), the values with the rewards 0 and 1; with "minimize", 1 and 0. Default: the range above. A
      property of your own needs this argument.
    - `targets`, `margin`: for direction "target", the range of targets and the error with reward 0.1.
    - `reward`: a function of predictions and targets that returns rewards in [0, 1].
    - `n`, `cells`: another zigzag tube (n, 0). With a `budget`, such as `{"13C": 20}`, the agent places atoms on sites;
      without one it chooses rings. The other defaults are (10, 0) of 8 cells for rings, and (7, 0) of 2 cells for
      sites. The oracle then predicts K unless `model` is given, and `values` are 0.7 and 1 times the conductance of the
      pristine tube. For 64 rings or atoms or more, also give `gymnasium.make` a `max_episode_steps` above their number.
    - `variant`: "goal", whose targets are conductances from the range above; or, for rings only, "multi-objective",
      whose second component is the share of 12C rings.
    - `task`: a task of your own instead of the arguments above.
    - `on_forbidden`: what happens after a forbidden action. "resample" (default) draws an allowed action instead.
      "penalty" leaves the design unchanged and gives a reward of -0.1; the goal variant does not have it. "terminate"
      ends the episode with reward 0. For rings, where every action is allowed, this argument raises an error.
    - `observation`: "flat" (default), the table above; or "honeycomb", a dictionary with the graph of the tube, for
      policies that take tubes of any lattices: see `matgym.envs.honeycomb_observation`. It needs a budget.
    - `reward_type`: "sparse" (default), the reward above; or "dense": in each step the change of the reward that the
      unfinished design would get, so that the return is the same. Rings that are not chosen yet count as 12C. The goal
      variant has no dense rewards, nor has "isotope-sites", whose table holds finished designs only.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    time_limit = ISOTOPE_STEPS

    def __init__(
        self,
        size: int,
        *,
        instance: str | None = None,
        n: Index | None = None,
        cells: Index | None = None,
        budget: Mapping[str, int] | None = None,
        model: Any = None,
        direction: Direction | None = None,
        values: tuple[float, float] | None = None,
        targets: tuple[float, float] | None = None,
        margin: float | None = None,
        reward: RewardFunction | None = None,
        task: DesignTask | None = None,
        variant: Variant = "plain",
        on_forbidden: OnForbidden | None = None,
        observation: Observed | None = None,
        reward_type: RewardType | None = None,
    ) -> None:
        more = {"direction": "target"} if variant == "goal" else {}

        def make(given: dict[str, Any]) -> DesignTask:
            # A tube of one's own has no table: physics rewards it, unless something else is given.
            given = {"model": "oracle"} | given | more
            default = (10, 8) if budget is None else (7, 2)
            zigzag, long = default[0] if n is None else n, default[1] if cells is None else cells
            require_sites(zigzag, 0, long)
            given["scale"] = conductances(zigzag)
            if budget is None:
                return rings_task(n=zigzag, rings=2 * long, **given)
            return isotope_sites(lattice=tube_lattice(zigzag, 0, long), budget=budget, **given)

        tube: dict[str, Any] = {"n": n, "cells": cells, "budget": budget}
        settings = {"model": model, "reward": reward}
        if variant == "goal":
            given_alone('variant="goal"', {"direction": direction})
        usual: Direction = "target" if variant == "goal" else "minimize"
        scale = {"direction": direction, "targets": targets, "values": values, "margin": margin}
        names = ("isotope-rings", "isotope-sites")
        task = made_task(task, instance, names, tube, settings, scale, make, usual=usual, by_default=True, **more)
        super().__init__(
            size, task=task, variant=variant, on_forbidden=on_forbidden, observation=observation,
            reward_type=reward_type,
        )  # fmt: skip


def conductances(n: int) -> Scale:
    """Return the scale for tubes without a table: from 0.7 of the pristine tube's conductance up to it, nW/K."""
    predictions = PristinePhonons().predict([Nanotube(n, 0)])
    pristine = float(predictions[THERMAL_CONDUCTANCE_NW_K][0])
    if not np.isfinite(pristine):
        reason = next(iter(predictions.failures[THERMAL_CONDUCTANCE_NW_K.key].values()))
        raise ConfigurationError(f"n={n}: the tube's thermal conductance could not be computed: {reason}")
    return Scale((0.7 * pristine, pristine), (0.7 * pristine, pristine), 0.05)


class NanotubeIsotopesEnv(DesignEnv):
    """See `NanotubeIsotopes`."""

    episodes_class = NanotubeIsotopes


class NanotubeIsotopesVectorEnv(DesignVectorEnv):
    """Many `NanotubeIsotopesEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeIsotopes
