"""`matgym/NanotubeChirality-v0`: choose chirality, length and strain for a target gap, diameter and length."""

from typing import Any

from matgym.envs.arguments import given_alone
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, OnForbidden, Variant
from matgym.envs.rewards import RewardType
from matgym.errors import ConfigurationError
from matgym.registration import CHIRALITY_STEPS
from matgym.tasks import DesignTask, Direction, RewardFunction, chirality_task
from matgym.tasks.chirality import MARGINS


class NanotubeChirality(DesignEpisodes):
    """Choose the chirality, length and strain of a nanotube to meet a band gap, a diameter and a length.

    ## Description
    The agent chooses a pristine tube in four steps: n, m, the number of unit cells, and a strain from -5 to 5 %. All
    three targets depend on the chirality. Of the 119 chiralities, the 42 whose n - m is a multiple of three have a gap
    below 0.1 eV without strain. The gap of the others decreases with the diameter; one per cent of strain changes it by
    0.01 to 0.1 eV, with a sign that depends on n - m. A unit cell is 0.25 to 8.6 nm long. Level of physics:
    curvature-corrected π tight binding (`matgym.physics.PiElectrons`); a table holds the gap of all 15,708 tubes, so
    that looking up the best tube is the cheapest method. This environment is a good start, because every answer can be
    checked by hand. There is one level.

    ## Action Space
    `Discrete(21)`: the value of the next choice; `action_masks()` and `info["action_mask"]` give the allowed values.

    | Step | Choice            | Actions                      |
    |------|-------------------|------------------------------|
    | 0    | n                 | n - 1                        |
    | 1    | m, at most n      | m                            |
    | 2    | unit cells        | 0 to 11, for 1 to 12         |
    | 3    | strain            | 0 to 10, for -5 to 5 %       |

    Diameters without strain stay within 0.6 to 1.6 nm.

    ## Observation Space
    `Box(-1, 1, (71,), float32)`:

    | Num   | Observation                                       | Min | Max |
    |-------|---------------------------------------------------|-----|-----|
    | 0–63  | one-hot values chosen: n, m, cells, strain        | 0   | 1   |
    | 64–67 | 1 for the choice that is next                     | 0   | 1   |
    | 68–70 | target gap, diameter, length, scaled              | -1  | 1   |

    ## Rewards
    The reward is 0 until the last choice, and then the mean of three tolerances 1 / (1 + 9 (error / margin)²), with
    margins of 0.1 eV, 0.1 nm and 0.5 nm. `info["objectives"]` holds gap, diameter and length.

    ## Starting State
    No choice made, and targets that are uniform from 0 to 1.2 eV, 0.6 to 1.6 nm and 0.5 to 8 nm.
    `reset(options={"target": (0.8, 1.1, 4.0)})` sets them.

    ## Episode End
    Termination: after the last choice. Truncation: after 16 steps, which only happens with `on_forbidden="penalty"`.

    ## Arguments
    - `model`: predicts the gap instead of the table: "oracle", a model, or anything that `matgym.surrogates.as_model`
      accepts. A function predicts a property with its own name; `FunctionModel(function, "gap_ev")` predicts the gap.
    - `margins`: the errors of gap (eV), diameter (nm) and length (nm) with tolerance 0.1. Default: (0.1, 0.1, 0.5).
    - `direction`: "target" (default), "maximize" or "minimize". With the last two, the reward depends on the predicted
      property alone, and observations hold no targets.
    - `values`: (low, high), with "maximize" the values with the rewards 0 and 1, with "minimize" 1 and 0. Default:
      (0, 1.2) eV. A property of your own needs this argument.
    - `reward`: a function of predictions and (B, 3) targets that returns (B,) rewards in [0, 1].
    - `variant`: "goal", or "multi-objective", whose components are the three tolerances.
    - `task`: a task of your own instead of model and reward; see `matgym.tasks.chirality_task`.
    - `on_forbidden`: what happens after a forbidden action. "resample" (default) draws an allowed action instead.
      "penalty" leaves the design unchanged and gives a reward of -0.1; the goal variant does not have it. "terminate"
      ends the episode with reward 0.
    - `reward_type`: "sparse" (default), the reward above; or "dense": in each step the change of the reward that the
      unfinished design would get, so that the return is the same. Open choices count as the middle one of the allowed
      values. The goal variant has no dense rewards.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    time_limit = CHIRALITY_STEPS

    def __init__(
        self,
        size: int,
        *,
        model: Any = None,
        margins: tuple[float, float, float] | None = None,
        direction: Direction | None = None,
        values: tuple[float, float] | None = None,
        reward: RewardFunction | None = None,
        task: DesignTask | None = None,
        variant: Variant = "plain",
        on_forbidden: OnForbidden | None = None,
        reward_type: RewardType | None = None,
    ) -> None:
        if task is not None:
            given = {"model": model, "margins": margins, "direction": direction, "values": values, "reward": reward}
            given_alone("task", given)
        else:
            if reward is not None:
                given_alone("reward", {"margins": margins, "values": values})
            if margins is not None and direction not in (None, "target"):
                raise ConfigurationError(f"margins have no effect with {direction=}: leave them out")
            task = chirality_task(
                model="solved:chirality" if model is None else model,
                margins=margins or MARGINS,
                direction=direction or "target",
                values=values,
                reward=reward,
            )
        super().__init__(size, task=task, variant=variant, on_forbidden=on_forbidden, reward_type=reward_type)


class NanotubeChiralityEnv(DesignEnv):
    """See `NanotubeChirality`."""

    episodes_class = NanotubeChirality


class NanotubeChiralityVectorEnv(DesignVectorEnv):
    """Many `NanotubeChiralityEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeChirality
