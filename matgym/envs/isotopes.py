"""`matgym/NanotubeIsotopes-v0`: place heavy isotopes so that a tube conducts little heat."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from matgym.envs.arguments import Index, given_alone, require_sites
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, OnForbidden, Variant, made_task
from matgym.errors import ConfigurationError
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PristinePhonons
from matgym.registration import ISOTOPE_STEPS
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks import DesignTask, Direction, RewardFunction, rings_task
from matgym.tasks.instances import isotope_sites
from matgym.tasks.objective import Scale, scale_settings


class NanotubeIsotopes(DesignEpisodes):
    """Place carbon isotopes in a nanotube so that it conducts as little heat as can be.

    ## Description
    Isotopes change the mass of atoms and nothing else, so electrons do not notice them, but phonons scatter. Between
    pristine leads of 12C stands a (10, 0) tube of sixteen rings, each of which is to be made of 12C or of 14C: of
    the 65,536 ways all are known (`instance="isotope-rings"`), as of the 27,720 ways to place three 14C on the 56 sites
    of a (7, 0) tube (`"isotope-sites"`). Thermal conductance at 300 K, by Green's functions on the Tersoff potential of
    Lindsay and Broido, with 256 frequencies; see `matgym.physics.phonons.conductance`.

    ## Action Space
    Rings: `Discrete(2)`, whether the next ring, from one end, is heavy. Sites: `Discrete(56)`, the site that the next
    14C takes; `action_masks()` and `info["action_mask"]` tell which are free.

    ## Observation Space
    Rings: `Box(0, 1, (48,), float32)`:

    | Num   | Observation                                              | Min | Max |
    |-------|----------------------------------------------------------|-----|-----|
    | 0–31  | two a ring: 1 for what it was chosen to be, light, heavy | 0   | 1   |
    | 32–47 | 1 for the ring at hand                                   | 0   | 1   |

    Sites: `Box(0, 1, (57,), float32)`: 1 where a site is heavy, and the share of the budget left.

    ## Rewards
    Zero until the design is finished; then (high - K) / (high - low) for the thermal conductance K, within [0, 1]: from
    2.6 to 3.4 nW/K for rings, 2.270 to 2.282 nW/K for sites, all of whose designs lie close together.
    `info["objectives"]` holds K, `info["design"]` the design.

    ## Starting State
    The tube of 12C.

    ## Episode End
    Termination: the last ring is chosen, or the last atom placed. Truncation: after 64 steps, by the time limit,
    which only `on_forbidden="penalty"` can reach.

    ## Arguments
    - `instance`: "isotope-rings", the default, or "isotope-sites".
    - `model`: that predicts K in place of the table of all designs: "oracle", a model, or whatever
      `matgym.surrogates.as_model` takes. A function of tubes predicts a property of its own name.
    - `direction`: "minimize", the default, "maximize", or "target": a value drawn from a range is to be met.
    - `values`: that earn 0 and 1, or 1 and 0 where it is to be small, the lower first; those above by default. A
      property of your own needs them.
    - `targets`, `margin`: of the direction "target": their range, and the error at which the reward is a tenth.
    - `reward`: a function of predictions and targets to rewards in [0, 1].
    - `n`, `cells`: another zigzag tube; with `budget`, such as `{"13C": 20}`, sites, without it rings. Physics predicts
      K then, unless `model` says otherwise; rewards are scaled from 0.7 of the pristine tube's conductance up to that.
    - `variant`: "goal", in which a conductance drawn from the range above is to be met; or "multi-objective", whose
      second component, for rings, is the share that stays light.
    - `task`: a task of your own in place of all of these.
    - `on_forbidden`: what becomes of a forbidden action: "resample", the default, draws an allowed one in its place;
      "penalty" lets it change nothing and costs 0.1; "terminate" ends the episode without a reward.
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
    ) -> None:
        more = {"direction": "target"} if variant == "goal" else {}

        def make(given: dict[str, Any]) -> DesignTask:
            # A tube of one's own has no table: physics rewards it, unless something else is given.
            given = {"model": "oracle"} | given | more
            if budget is None:
                zigzag = 10 if n is None else n
                long = 8 if cells is None else cells
                require_sites(zigzag, 0, long)
                return rings_task(n=zigzag, rings=2 * long, **given, scale=conductances(zigzag))
            zigzag = 7 if n is None else n
            require_sites(zigzag, 0, 2 if cells is None else cells)
            lattice = tube_lattice(zigzag, 0, 2 if cells is None else cells)
            return isotope_sites(lattice=lattice, budget=budget, **given, scale=conductances(zigzag))

        tube: dict[str, Any] = {"n": n, "cells": cells, "budget": budget}
        settings: dict[str, Any] = {"model": model, "reward": reward}
        if variant == "goal":
            given_alone('variant="goal"', {"direction": direction})
        usual: Direction = "target" if variant == "goal" else "minimize"
        scale: dict[str, Any] = {"direction": direction, "targets": targets, "values": values, "margin": margin}
        settings |= scale if task is not None else scale_settings(**scale, reward=reward, default=usual)
        names = ("isotope-rings", "isotope-sites")
        task = made_task(task, instance, names, tube, settings, make, by_default=True, **more)
        super().__init__(size, task=task, variant=variant, on_forbidden=on_forbidden)


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
