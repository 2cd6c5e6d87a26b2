"""`matgym/NanotubeThermoelectric-v0`: place defects, dopants or isotopes so that heat becomes current."""

from collections.abc import Mapping
from typing import Any

from matgym.envs.arguments import Index, given_alone, require_sites
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, OnForbidden, Variant, made_task
from matgym.registration import THERMOELECTRIC_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import DesignTask, Direction, RewardFunction
from matgym.tasks.instances import thermoelectric
from matgym.tasks.objective import scale_settings


class NanotubeThermoelectric(DesignEpisodes):
    """Decorate a nanotube so that its thermoelectric figure of merit is large.

    ## Description
    ZT = S²GT / (κ_e + κ_ph) at 300 K, at the chemical potential that makes it largest, of a tube between pristine
    leads. What scatters phonons raises it, what scatters electrons lowers it, and most defects do both. By default four
    boron and four nitrogen atoms go on three cells of (8, 0) (96 sites), and the shipped network rewards; `budget` may
    name turned bonds (Stone-Wales pairs, "SW"), vacancies and isotopes as well, which physics then rewards.

    ## Action Space
    `Discrete(192)`: action `k * 96 + site` puts species k (0 boron, 1 nitrogen) on `site`. With "SW" in the budget,
    as many actions follow as there are bonds, each of which turns one. `action_masks()` tells which are allowed: on
    carbon, within the budget, and no turned bond that touches another, crosses an end, or holds a vacancy.

    ## Observation Space
    `Box(0, 1, (194,), float32)`:

    | Num     | Observation                        | Min | Max |
    |---------|------------------------------------|-----|-----|
    | 0–191   | 1 for every edit that was done     | 0   | 1   |
    | 192–193 | share of boron, nitrogen left      | 0   | 1   |

    ## Rewards
    Zero until the last edit; then ZT / 0.4, within [0, 1] (0.2 in the easy instance). `info["objectives"]` holds ZT,
    `info["design"]` the design, `info["uncertainty"]` how certain the network is. `info["cost"]` is the
    constraint's: by how much of the bound Young's modulus falls short of 885 GPa, or, in the easy instance, the power
    factor of 0.6 pW/K².

    ## Starting State
    The undecorated tube.

    ## Episode End
    Termination: after the last edit, or where no edit is possible any more. Truncation: after 32 steps, by the time
    limit, which only `on_forbidden="penalty"` can reach.

    ## Arguments
    - `instance`: "thermoelectric", the default, or "thermoelectric-easy": two Stone-Wales pairs in three cells of
      (10, 0), of which physics knows every design.
    - `model`: that predicts ZT: "oracle", a surrogate, or whatever `matgym.surrogates.as_model` takes. A
      function of tubes predicts a property of its own name.
    - `direction`: "maximize", the default, "minimize", or "target": a value drawn from a range is to be met.
    - `values`: that earn 0 and 1, or 1 and 0 where it is to be small, the lower first; those above by default. A
      property of your own needs them.
    - `targets`, `margin`: of the direction "target": their range, and the error at which the reward is a tenth.
    - `reward`: a function of predictions and targets to rewards in [0, 1].
    - `n`, `m`, `cells`, `budget`: another tube, another budget, such as `{"SW": 1, "14C": 8}`. The shipped networks
      know B and N on (8, 0); otherwise physics predicts ZT, unless `model` says otherwise, and there is no constraint.
    - `variant`: "goal", in which a ZT between 0 and 0.4 is to be met; or "multi-objective", whose second component is a
      low thermal conductance of the lattice.
    - `task`: a task of your own in place of all of these.
    - `on_forbidden`: what becomes of a forbidden action: "resample", the default, draws an allowed one in its place;
      "penalty" lets it change nothing and costs 0.1; "terminate" ends the episode without a reward.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    time_limit = THERMOELECTRIC_STEPS

    def __init__(
        self,
        size: int,
        *,
        instance: str | None = None,
        n: Index | None = None,
        m: Index | None = None,
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
        more: dict[str, Any] = {"direction": "target"} if variant == "goal" else {}
        if variant != "multi-objective":
            more["others"] = ()

        def make(given: dict[str, Any]) -> DesignTask:
            given = given | more
            size_of = (8 if n is None else n, m or 0, 3 if cells is None else cells)
            require_sites(*size_of)
            lattice = tube_lattice(*size_of)
            if set(budget or ()) - {"B", "N"} or (lattice.n, lattice.m) != (8, 0):
                given = {"model": "oracle", "others": (), "constraint": None} | given
            return thermoelectric(lattice=lattice, budget=budget or {"B": 4, "N": 4}, **given)

        tube = {"n": n, "m": m, "cells": cells, "budget": budget}
        settings: dict[str, Any] = {"model": model, "reward": reward}
        if variant == "goal":
            given_alone('variant="goal"', {"direction": direction})
        usual: Direction = "target" if variant == "goal" else "maximize"
        scale: dict[str, Any] = {"direction": direction, "targets": targets, "values": values, "margin": margin}
        settings |= scale if task is not None else scale_settings(**scale, reward=reward, default=usual)
        names = ("thermoelectric", "thermoelectric-easy")
        task = made_task(task, instance, names, tube, settings, make, by_default=True, **more)
        super().__init__(size, task=task, variant=variant, on_forbidden=on_forbidden)


class NanotubeThermoelectricEnv(DesignEnv):
    """See `NanotubeThermoelectric`."""

    episodes_class = NanotubeThermoelectric


class NanotubeThermoelectricVectorEnv(DesignVectorEnv):
    """Many `NanotubeThermoelectricEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeThermoelectric
