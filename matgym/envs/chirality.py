"""`matgym/NanotubeChirality-v0`: choose chirality, length and strain for a wanted gap, diameter and length."""

from typing import Any

from matgym.envs.design import DesignEnv, DesignVectorEnv
from matgym.envs.design_dynamics import Variant
from matgym.errors import ConfigurationError
from matgym.registration import CHIRALITY_STEPS
from matgym.tasks.chirality import ChiralityTask


def make_task(*, reward: Any = None, task: ChiralityTask | None = None) -> ChiralityTask:
    """The task from an environment's arguments; see `NanotubeChiralityEnv`."""
    if task is not None:
        if reward is not None:
            raise ConfigurationError("a task says all about the reward: give it alone, or not at all")
        return task
    return ChiralityTask() if reward is None else ChiralityTask(source=reward)


class NanotubeChiralityEnv(DesignEnv):
    """Choose a nanotube of a wanted band gap, diameter and length.

    ## Description
    A pristine tube is chosen in four steps: n, m, the number of unit cells, and a strain from -5 to 5 %. All three
    wanted numbers hang on the chirality, and pull at it differently: a third of the tubes conducts, the gap of the
    others falls with the diameter and moves by 0.1 eV with a per cent of strain, up or down by the family that n - m is
    of, and a cell may be 0.4 or 8 nm long. There are 15,708 tubes, and all their gaps are known, by curvature-corrected
    tight binding (`matgym.physics.PiElectrons`). The place to begin: every answer can be checked by hand.

    ## Action Space
    `Discrete(21)`: the value of the choice at hand; `action_masks()` tells which it may take.

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
    | 68–70 | wanted gap, diameter, length, scaled              | -1  | 1   |

    ## Rewards
    Zero until the last choice; then the mean of three tolerances 1 / (1 + 9 (error / margin)²), with margins of 0.1 eV,
    0.1 nm and 0.5 nm. `info["objectives"]` holds gap, diameter and length.

    ## Starting State
    Nothing chosen, and targets drawn uniformly from 0 to 1.2 eV, 0.6 to 1.6 nm, 0.5 to 8 nm;
    `reset(options={"target": (0.8, 1.1, 4.0)})` sets them.

    ## Episode End
    Termination: after the last choice. Truncation: after 16 steps, by the time limit, as forbidden choices change
    nothing.

    ## Arguments
    - `reward`: what gives the gap in place of the table: "oracle", an oracle, or a function of a list of tubes.
    - `variant`: "goal", or "vector", whose components are the three tolerances.
    - `task`: a `ChiralityTask` in place of these.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    def __init__(self, *, render_mode: str | None = None, variant: Variant = "plain", **arguments: Any) -> None:
        super().__init__(make_task(**arguments), render_mode=render_mode, variant=variant)


class NanotubeChiralityVectorEnv(DesignVectorEnv):
    """Many `NanotubeChiralityEnv` at once; see there and `BatchVectorEnv`."""

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = CHIRALITY_STEPS,
        variant: Variant = "plain",
        **arguments: Any,
    ) -> None:
        super().__init__(make_task(**arguments), num_envs, max_episode_steps, variant=variant)
