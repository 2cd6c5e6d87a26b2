"""`matgym/NanotubeDoping-v0`: place boron and nitrogen so that the band gap meets a target."""

from collections.abc import Mapping
from typing import Any

from matgym.envs.arguments import Index, require_sites
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, Observed, OnForbidden, Variant, made_task
from matgym.envs.initial_designs import InitialDesigns
from matgym.envs.rewards import RewardType
from matgym.models import Level, Model
from matgym.registration import DOPING_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import DesignGeneratorLike, DesignTask, Direction, Estimate, RewardFunction, decoration_task
from matgym.tasks.instances import stability


class NanotubeDoping(DesignEpisodes):
    """Design a co-doped carbon nanotube with a given band gap.

    ## Description
    The agent places 8 boron and 8 nitrogen atoms in a periodic (11, 0) carbon nanotube of three cells (132 sites, 0.87
    nm across), one atom per step. The band gap of the finished tube shall meet a target, which each episode draws anew.
    The gap depends on the positions of the atoms: on their sublattices, their distances, and their order around and
    along the tube.
    Level of physics: a convolutional network predicts the gap; it was trained on gaps of self-consistent π tight
    binding, which also verifies designs. `model` replaces it, for example by that model itself, and `oracle` says who
    verifies.

    ## Action Space
    `Discrete(264)`: action `k * 132 + site` puts species k (0 boron, 1 nitrogen) on `site`. Sites are
    numbered in raster order (see `matgym.structures.TubeLattice`). An action is forbidden if its site holds no
    carbon, or if no atom of its species is left. `action_masks()` and `info["action_mask"]` give the allowed actions.

    ## Observation Space
    `Box(-1, 1, (267,), float32)`:

    | Num     | Observation                        | Min | Max |
    |---------|------------------------------------|-----|-----|
    | 0–131   | 1 where the site holds boron       | 0   | 1   |
    | 132–263 | 1 where the site holds nitrogen    | 0   | 1   |
    | 264–265 | share of boron, nitrogen left      | 0   | 1   |
    | 266     | target gap, scaled over its range  | -1  | 1   |

    ## Rewards
    The reward is 0 until the last atom is placed, and then 1 / (1 + 9 (error / 0.15 eV)²): 1 on target, 0.5 at an error
    of 0.05 eV, 0.1 at 0.15 eV. At the end `info["objectives"]` holds the gap and the error. `info["uncertainty"]` holds
    the standard deviation of the gap and the distance of the design from the training data; a distance above 1 means
    out of distribution. `info["design"]` always holds the design.

    ## Starting State
    The tube without boron and nitrogen, and a target gap, uniform from 0.10 to 0.50 eV. `reset(options={"target_ev":
    0.3})` sets the target. With `initial_designs` the episode begins with a finished design for about that target, from
    which `removed` random atoms were removed.

    ## Episode End
    Termination: after the last atom. Truncation: after 32 steps, which only happens with `on_forbidden="penalty"`.

    ## Arguments
    - `n`, `m`, `cells`: the tube. Default: (11, 0), three cells.
    - `budget`: number of atoms of each species. Default: `{"B": 8, "N": 8}`. For 32 atoms or more, also give
      `gymnasium.make` a `max_episode_steps` above their number.
    - `targets`: (low, high), the range of targets in the unit of the property. Default: (0.10, 0.50) eV. A property of
      your own needs this argument.
    - `margin`: the error with reward 0.1. Default: 0.15 eV; for a property of your own, a quarter of the range.
    - `direction`: "target" (default), "maximize" or "minimize". With the last two, observations hold no target.
    - `values`: (low, high), with "maximize" the values with the rewards 0 and 1, with "minimize" 1 and 0. Default:
      (0.0, 0.8) eV; (0.0, 1.0) eV for the instance "doping-easy".
    - `model`: predicts the gap. The name or path of a stored surrogate ("nanotube-gap" knows every tube), "oracle" for
      self-consistent tight binding, a model, a torch module, a regressor, or a function; see
      `matgym.surrogates.as_model`. A function predicts a property with its own name, which matgym does not verify;
      `FunctionModel(function, "gap_ev")` predicts the gap.
    - `oracle`: verifies designs: a level such as "pi", "scc-pi" (default) or "xtb", or an oracle of your own.
    - `reward`: a function of predictions and targets that returns rewards in [0, 1].
    - `estimate`: how an uncertain prediction becomes a reward: "mean" (default); "lcb", a lower confidence bound of the
      reward; "worst", the lowest reward over the networks of the ensemble.
    - `instance`: "doping" or "doping-easy", on which optimizers are compared. The gap is maximized, and observations
      hold no target. "doping-easy" has 9,523 different designs, all computed by the self-consistent level.
    - `variant`: "goal" or "multi-objective"; see `matgym.envs.design.Variant`. The second component of the vector
      reward is for a low formation energy. "goal" needs targets, and "doping-easy" has no vector reward.
    - `task`: a task of your own instead of the arguments above; see `matgym.tasks.decoration_task`. Environments that
      share a task share its ledger.
    - `initial_designs`: the generator of the designs that episodes begin with: "gan", "diffusion", "vae", "nearest",
      "swap", "random", a stored generator, or an object of your own; see `matgym.tasks.DesignGenerator`.
    - `removed`: number of atoms that are removed from an initial design. Default: 4.
    - `on_forbidden`: what happens after a forbidden action. "resample" (default) draws an allowed action instead.
      "penalty" leaves the design unchanged and gives a reward of -0.1; the goal variant does not have it. "terminate"
      ends the episode with reward 0.
    - `observation`: "flat" (default), the table above; or "honeycomb", a dictionary with the graph of the tube, for
      policies that take tubes of any lattices: see `matgym.envs.honeycomb_observation`.
    - `reward_type`: "sparse" (default), the reward above; or "dense": in each step the change of the reward that the
      unfinished design would get, so that the return is the same. The model then predicts 16 designs an episode instead
      of one. The goal variant has no dense rewards, nor has "doping-easy", whose table holds finished designs only.
    - `render_mode`: "rgb_array" or "ansi".

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
        oracle: Model[Any] | Level | str | None = None,
        reward: RewardFunction | None = None,
        estimate: Estimate | None = None,
        instance: str | None = None,
        task: DesignTask | None = None,
        initial_designs: DesignGeneratorLike | None = None,
        removed: int | None = None,
        variant: Variant = "plain",
        on_forbidden: OnForbidden | None = None,
        observation: Observed | None = None,
        reward_type: RewardType | None = None,
    ) -> None:
        vector = variant == "multi-objective"

        def make(given: dict[str, Any]) -> DesignTask:
            if vector:
                given["others"] = (stability(sum((budget or {"B": 8, "N": 8}).values())),)
            size_of = (11 if n is None else n, m or 0, 3 if cells is None else cells)
            require_sites(*size_of)
            lattice = tube_lattice(*size_of)
            return decoration_task(lattice=lattice, budget=budget, **given)

        tube = {"n": n, "m": m, "cells": cells, "budget": budget}
        usual: Direction = "target" if instance is None else "maximize"
        scale = {"direction": direction, "targets": targets, "values": values, "margin": margin}
        settings = {"model": model, "oracle": oracle, "reward": reward, "estimate": estimate}
        more = {} if vector else {"others": ()}
        names = ("doping", "doping-easy")
        task = made_task(task, instance, names, tube, settings, scale, make, usual=usual, by_default=False, **more)
        initial = InitialDesigns.of(task, initial_designs, removed)
        super().__init__(
            size,
            task=task,
            variant=variant,
            initial=initial,
            on_forbidden=on_forbidden,
            observation=observation,
            reward_type=reward_type,
        )


class NanotubeDopingEnv(DesignEnv):
    """See `NanotubeDoping`."""

    episodes_class = NanotubeDoping


class NanotubeDopingVectorEnv(DesignVectorEnv):
    """Many `NanotubeDopingEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeDoping
