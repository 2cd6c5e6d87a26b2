"""`matgym/NanotubeChirality-v0`: choose chirality, length and strain for a target gap, diameter and length."""

from typing import Any

from matgym.envs.arguments import given_alone
from matgym.envs.design import DesignEnv, DesignEpisodes, DesignVectorEnv, OnForbidden, Variant
from matgym.errors import ConfigurationError
from matgym.registration import CHIRALITY_STEPS
from matgym.tasks import DesignTask, Direction, RewardFunction, chirality_task
from matgym.tasks.chirality import MARGINS


class NanotubeChirality(DesignEpisodes):
    """Choose a nanotube of a target band gap, diameter and length.

    ## Description
    A pristine tube is chosen in four steps: n, m, the number of unit cells, and a strain from -5 to 5 %. All three
    targets hang on the chirality, and pull at it differently: a third of the tubes conducts, the gap of the
    others falls with the diameter and moves by 0.1 eV with a per cent of strain, up or down by the family that n - m is
    of, and a cell may be 0.4 or 8 nm long. There are 15,708 tubes, and all their gaps are known, by curvature-corrected
    tight binding (`matgym.physics.PiElectrons`). The place to begin: every answer can be checked by hand.

    ## Action Space
    `Discrete(21)`: the value of the choice at hand; `action_masks()` and `info["action_mask"]` tell which it may take.

    | Step | Choice            | Actions                      |
    |------|-------------------|------------------------------|
    | 0    | n                 | n - 1                        |
    | 1    | m, at most n      | m                            |
    | 2    | unit cells        | 0 to 11, for 1 to 12         |
    | 3    | strain            | 0 to 10, for -5 to 5 %       |

    Diameters stay within 0.6 to 1.6 nm.

    ## Observation Space
    `Box(-1, 1, (71,), float32)`:

    | Num   | Observation                                       | Min | Max |
    |-------|---------------------------------------------------|-----|-----|
    | 0–63  | 1 for every value chosen: n, m, cells, strain     | 0   | 1   |
    | 64–67 | 1 for the choice at hand                          | 0   | 1   |
    | 68–70 | target gap, diameter, length, scaled              | -1  | 1   |

    ## Rewards
    Zero until the last choice; then the mean of three tolerances 1 / (1 + 9 (error / margin)²), with margins of 0.1 eV,
    0.1 nm and 0.5 nm. `info["objectives"]` holds gap, diameter and length.

    ## Starting State
    Nothing chosen, and targets drawn uniformly from 0 to 1.2 eV, 0.6 to 1.6 nm, 0.5 to 8 nm;
    `reset(options={"target": (0.8, 1.1, 4.0)})` sets them.

    ## Episode End
    Termination: after the last choice. Truncation: after 16 steps, by the time limit, which only
    `on_forbidden="penalty"` can reach.

    ## Arguments
    - `model`: that predicts the gap in place of the table: "oracle", a model, or whatever `matgym.surrogates.as_model`
      takes. A function of tubes predicts a property of its own name, unless it is wrapped:
      `FunctionModel(function, "gap_ev")`.
    - `margins`: of gap, diameter and length: errors at which a tolerance has fallen to a tenth; (0.1, 0.1, 0.5) by
      default, in eV and nm.
    - `direction`: "target", the default; or "maximize" or "minimize": what the model predicts is to be as large or as
      small as can be, diameter and length may be any, and observations hold no targets.
    - `values`: of an extreme: those that earn 0 and 1, or 1 and 0 where it is to be small, the lower first; (0, 1.2) eV
      by default. A property of your own needs them.
    - `reward`: a function of predictions and (B, 3) targets to (B,) rewards in [0, 1].
    - `variant`: "goal", or "multi-objective", whose components are the three tolerances.
    - `task`: a task of your own in place of model and reward; see `matgym.tasks.chirality_task`.
    - `on_forbidden`: what becomes of a forbidden action: "resample", the default, draws an allowed one in its place;
      "penalty" lets it change nothing and costs 0.1; "terminate" ends the episode without a reward.
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
    ) -> None:
        if task is not None:
            given = {"model": model, "margins": margins, "direction": direction, "values": values, "reward": reward}
            given_alone("task", given)
        else:
            if reward is not None:
                given_alone("reward", {"margins": margins, "values": values})
            if margins is not None and direction not in (None, "target"):
                raise ConfigurationError(f"margins would be without effect beside {direction=}: leave them out")
            task = chirality_task(
                model="solved:chirality" if model is None else model,
                margins=margins or MARGINS,
                direction=direction or "target",
                values=values,
                reward=reward,
            )
        super().__init__(size, task=task, variant=variant, on_forbidden=on_forbidden)


class NanotubeChiralityEnv(DesignEnv):
    """See `NanotubeChirality`."""

    episodes_class = NanotubeChirality


class NanotubeChiralityVectorEnv(DesignVectorEnv):
    """Many `NanotubeChiralityEnv` at once; see there and `matgym.envs.batch.BatchedEnv`."""

    episodes_class = NanotubeChirality
