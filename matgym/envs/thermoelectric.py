"""`matgym/NanotubeThermoelectric-v0`: place defects, dopants or isotopes so that heat becomes current."""

from collections.abc import Mapping
from typing import Any

from matgym.envs.arguments import Index, given_alone, require_sites
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, Observed, OnForbidden, Variant, made_task
from matgym.envs.rewards import RewardType
from matgym.registration import THERMOELECTRIC_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import DesignTask, Direction, RewardFunction
from matgym.tasks.instances import thermoelectric


class NanotubeThermoelectric(DesignEpisodes):
    """Place dopants and defects in a nanotube to maximize its thermoelectric figure of merit.

    ## Description
    The figure of merit is ZT = S²GT / (κ_e + κ_ph) of a tube between pristine leads, at 300 K and at the chemical
    potential with the largest ZT. Scattering of phonons raises ZT and scattering of electrons lowers it; most defects
    scatter both. By default the agent places four boron and four nitrogen atoms on two cells of (11, 0) (88 sites).
    Level of physics: the surrogate `nanotube-zt` predicts ZT. A network predicts the potentials of the electrons, their
    transmission in these is computed by Green's functions, and a ridge regression predicts the heat of the phonons.
    Physics that verifies computes all three, with charges of self-consistent π tight binding.

    ## What it costs
    The surrogate takes half a second for a design, physics five seconds (one core of an Intel Xeon at 2.8 GHz). No
    network that answers at once is good enough: on unseen tubes of this lattice a network on the raster reaches R² =
    0.34 after 4,365 tubes, and the surrogate 0.93. So this environment is for agents that learn from some thousand
    designs; the instance "thermoelectric-easy", whose table answers at once, is for the others.

    ## Action Space
    `Discrete(176)`: action `k * 88 + site` puts species k (0 boron, 1 nitrogen) on `site`. With "SW" in the budget,
    one further action per bond turns that bond. `action_masks()` and `info["action_mask"]` give the allowed actions:
    sites that hold carbon, species within the budget, and bonds that cross no end of the tube, touch no turned bond and
    hold no vacancy.

    ## Observation Space
    `Box(0, 1, (178,), float32)`:

    | Num     | Observation                        | Min | Max |
    |---------|------------------------------------|-----|-----|
    | 0–175   | 1 for each edit that was made      | 0   | 1   |
    | 176–177 | share of boron, nitrogen left      | 0   | 1   |

    ## Rewards
    The reward is 0 until the last edit, and then ZT / 0.15 (easy instance: ZT / 0.2), clipped to [0, 1].
    `info["objectives"]` holds ZT, `info["design"]` the design, `info["uncertainty"]` the standard deviation of ZT and
    the distance from the training data. `info["cost"]` is the cost of a constraint: the relative shortfall of Young's
    modulus below 915 GPa, or, in the easy instance, of the power factor below 0.6 pW/K².

    ## Starting State
    The pristine tube.

    ## Episode End
    Termination: after the last edit, or when no edit is possible. Truncation: after 32 steps, which only happens with
    `on_forbidden="penalty"`.

    ## Arguments
    - `instance`: "thermoelectric" (default), or "thermoelectric-easy": two Stone-Wales pairs in three cells of (10, 0),
      of which a table holds the exact ZT of every design.
    - `model`: predicts ZT: "oracle", a surrogate, or anything that `matgym.surrogates.as_model` accepts. A function
      predicts a property with its own name.
    - `direction`: "maximize" (default), "minimize", or "target": the design shall meet a target that each episode
      draws.
    - `values`: (low, high), the values with the rewards 0 and 1; with "minimize", 1 and 0. Default: the range above. A
      property of your own needs this argument.
    - `targets`, `margin`: for direction "target", the range of targets and the error with reward 0.1.
    - `reward`: a function of predictions and targets that returns rewards in [0, 1].
    - `n`, `m`, `cells`, `budget`: another tube or budget, such as `{"SW": 1, "14C": 8}` or `{"vacancy": 2}`. The
      surrogate covers B and N on any tube of 0.6 to 1.4 nm; for other budgets the oracle predicts ZT unless `model` is
      given. There is no constraint on other tubes and budgets. For 32 edits or more, also give `gymnasium.make` a
      `max_episode_steps` above their number.
    - `variant`: "goal", whose targets are ZT between 0.03 and 0.10 (easy instance: 0 to 0.2); or "multi-objective",
      whose second component is for a low lattice thermal conductance. The latter needs B and N on (11, 0), or an
      instance.
    - `task`: a task of your own instead of the arguments above.
    - `on_forbidden`: what happens after a forbidden action. "resample" (default) draws an allowed action instead.
      "penalty" leaves the design unchanged and gives a reward of -0.1; the goal variant does not have it. "terminate"
      ends the episode with reward 0.
    - `observation`: "flat" (default), the table above; or "honeycomb", a dictionary with the graph of the tube, for
      policies that take tubes of any lattices: see `matgym.envs.honeycomb_observation`. It shows no turned bonds.
    - `reward_type`: "sparse" (default), the reward above; or "dense": in each step the change of the reward that the
      unfinished design would get, so that the return is the same. The model then takes half a second in each step. The
      goal variant has no dense rewards, nor has "thermoelectric-easy", whose table holds finished designs only.
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
        observation: Observed | None = None,
        reward_type: RewardType | None = None,
    ) -> None:
        more: dict[str, Any] = {"direction": "target"} if variant == "goal" else {}
        if variant != "multi-objective":
            more["others"] = ()

        def make(given: dict[str, Any]) -> DesignTask:
            given = given | more
            size_of = (11 if n is None else n, m or 0, 2 if cells is None else cells)
            require_sites(*size_of)
            lattice = tube_lattice(*size_of)
            if set(budget or ()) - {"B", "N"}:
                given = {"model": "oracle"} | given
            if set(budget or ()) - {"B", "N"} or (lattice.n, lattice.m) != (11, 0):
                given = {"others": (), "constraint": None} | given
            return thermoelectric(lattice=lattice, budget=budget or {"B": 4, "N": 4}, **given)

        tube = {"n": n, "m": m, "cells": cells, "budget": budget}
        settings = {"model": model, "reward": reward}
        if variant == "goal":
            given_alone('variant="goal"', {"direction": direction})
        usual: Direction = "target" if variant == "goal" else "maximize"
        scale = {"direction": direction, "targets": targets, "values": values, "margin": margin}
        names = ("thermoelectric", "thermoelectric-easy")
        task = made_task(task, instance, names, tube, settings, scale, make, usual=usual, by_default=True, **more)
        super().__init__(
            size, task=task, variant=variant, on_forbidden=on_forbidden, observation=observation,
            reward_type=reward_type,
        )  # fmt: skip


class NanotubeThermoelectricEnv(DesignEnv):
    """See `NanotubeThermoelectric`."""

    episodes_class = NanotubeThermoelectric


class NanotubeThermoelectricVectorEnv(DesignVectorEnv):
    """Many `NanotubeThermoelectricEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeThermoelectric
