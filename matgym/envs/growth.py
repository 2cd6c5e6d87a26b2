"""`matgym/CVDGrowth-v0`: run a furnace so that long, clean nanotubes grow on a catalyst that nobody sees."""

from typing import Any

from matgym.envs.batch import BatchEnv, BatchVectorEnv, checked_count
from matgym.envs.growth_dynamics import GrowthDynamics
from matgym.errors import ConfigurationError
from matgym.processes.growth.reactors import Variation
from matgym.registration import GROWTH_MINUTES
from matgym.tasks.growth import GrowthTask


def make_task(
    minutes: int = GROWTH_MINUTES, *, randomised: bool = True, reward: Any = "oracle", task: GrowthTask | None = None
) -> GrowthTask:
    """The task from an environment's arguments; see `CVDGrowthEnv`."""
    if task is not None:
        if (minutes, randomised, reward) != (GROWTH_MINUTES, True, "oracle"):
            raise ConfigurationError("a task says all about the run: give it alone, or not at all")
        return task
    variation = Variation() if randomised else None
    return GrowthTask(minutes=minutes, variation=variation, source=reward)


class CVDGrowthEnv(BatchEnv):
    """Grow carbon nanotubes by chemical vapour deposition.

    ## Description
    A furnace with iron particles on a wafer is told, once a minute for half an hour, how hot to be and how much
    acetylene, hydrogen and water to let in. Acetylene grows tubes and slowly buries the catalyst under carbon, the
    faster the hotter; water cleans it, and oxidises it meanwhile; hydrogen keeps amorphous carbon away, and makes the
    particles ripen. The rates are those of Puretzky et al. (2005); see `matgym.processes.growth.furnace`.
    Each run has another catalyst, another leak and another thermocouple, of which the agent sees only what a furnace
    shows.

    ## Action Space
    `Box(-1, 1, (4,), float32)`, scaled:

    | Num | Action              | Min | Max   | Unit |
    |-----|---------------------|-----|-------|------|
    | 0   | set point           | 400 | 950   | °C   |
    | 1   | acetylene           | 0   | 1000  | Pa   |
    | 2   | hydrogen            | 0   | 40000 | Pa   |
    | 3   | water vapour        | 0   | 100   | Pa   |

    ## Observation Space
    `Box(-1, 1, (11,), float32)`:

    | Num | Observation                                   | Min | Max  | Noise  |
    |-----|-----------------------------------------------|-----|------|--------|
    | 0   | thermocouple, °C                              | 25  | 1273 | 2 K, and an offset that lasts |
    | 1–3 | flow meters of acetylene, hydrogen, water     | 0   | as above | 2 % of the range |
    | 4   | height of the tubes by reflected light, µm    | 0   | 300  | 1 µm   |
    | 5   | what it gained since the last minute, µm      | -30 | 30   | that of both |
    | 6   | time, min                                     | 0   | 30   |        |
    | 7–10 | controls as last set                         | -1  | 1    |        |

    ## Rewards
    What the minute added to J = yield [µm] - 8 (D/G + amorphous monolayers / 10) - 20 energy [kWh], over 150, where the
    yield is the tubes' carbon on the wafer, as length on particles that did not ripen. `info["objectives"]` holds J
    and its parts, always the oracle's. `info["cost"]` says by how much the minute was unsafe: heat above 900 °C,
    soot beyond 5 monolayers a minute.

    ## Starting State
    A furnace at 600 °C, no gas, and a reactor drawn anew: `reset(options={"reactor": (diameter_nm, covering, pyrolysis,
    leak_pa, offset_k)})` sets it.

    ## Episode End
    Termination: after 30 minutes. There is no truncation.

    ## Arguments
    - `minutes`: how long a run takes.
    - `randomised`: whether reactors differ; otherwise all are the one that the kinetics were measured on.
    - `reward`: what gives J: "oracle", or a network over the time series: "cvd-growth", or a file of your own.
    - `variant`: "vector": the reward has three components, yield, disorder and energy, whose sum is the plain one.
    - `task`: a `GrowthTask` in place of all of these.

    ## Version History
    - v0: first release.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    dynamics: GrowthDynamics

    def __init__(self, *, render_mode: str | None = None, variant: str = "plain", **arguments: Any) -> None:
        self.task = make_task(**arguments)
        super().__init__(GrowthDynamics(self.task, 1, variant), render_mode)


class CVDGrowthVectorEnv(BatchVectorEnv):
    """Many `CVDGrowthEnv` stepped as one batch; see there."""

    dynamics: GrowthDynamics

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int | None = None, *, variant: str = "plain", **arguments: Any
    ) -> None:
        self.task = make_task(**arguments)
        super().__init__(GrowthDynamics(self.task, checked_count(num_envs), variant), max_episode_steps)
