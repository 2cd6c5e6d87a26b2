"""`matgym/Annealing-v0`: anneal a film of nanotube crystallites to a wanted size, and heal its defects."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matgym.envs.annealing_dynamics import AnnealingDynamics
from matgym.envs.batch import BatchEnv, BatchVectorEnv, checked_count
from matgym.processes.annealing.films import Films, films_of
from matgym.tasks.annealing import AnnealingTask


def make_films(task: AnnealingTask, dynamics: Any, observation: str, batch: int) -> Films:
    """Films by the arguments of an environment."""
    return films_of(task.film, task.size, batch, task.start_c, dynamics, pictured=observation == "image")


class AnnealingEnv(BatchEnv):
    """Anneal a film of nanotube crystallites.

    ## Description
    A film of crystallites with catalyst particles between them is told, every two minutes for an hour, how hot to be.
    Heat lets crystallites grow and defects heal, and drives the particles away, which hold boundaries back: a film that
    was hot early grows on where another stands still, so that order matters. How many particles there are is not
    observed but in the image. See `matgym.processes.annealing.film`.

    ## Action Space
    `Box(-1, 1, (1,), float32)`: set point, from 1000 to 2400 °C. The furnace follows at 3 K/s.

    ## Observation Space
    `observation="statistics"`: `Box(-1, 1, (6,), float32)`, scaled from

    | Num | Observation                              | Min  | Max  |
    |-----|------------------------------------------|------|------|
    | 0   | mean radius, lattice constants           | 0    | 20   |
    | 1   | share of the defects left                | 0    | 1    |
    | 2   | temperature, °C                          | 1000 | 2400 |
    | 3   | energy drawn, kWh                        | 0    | 30   |
    | 4   | time, share of the run                   | 0    | 1    |
    | 5   | wanted mean radius                       | 0    | 20   |

    `observation="image"`: `Box(0, 255, (6, 64, 64), uint8)`, the micrograph (boundaries bright, particles white) in
    place of the radius, the other numbers as planes of one value: what SB3's `CnnPolicy` takes.

    ## Rewards
    Each step costs 0.01 a kWh; the last earns tolerance(ln(radius / wanted), 0.2) × (1 - share of defects left).
    `info["objectives"]` holds the parts.

    ## Starting State
    120 to 200 crystallites, particles on 4 to 12 % of the sites, a wanted radius of 4 to 9, at 1000 °C;
    `reset(options={"target": 6.0})` sets the wanted radius.

    ## Episode End
    Termination: after 30 steps. There is no truncation.

    ## Arguments
    - `observation`: "statistics" or "image".
    - `dynamics`: "simulator"; "network", a recurrent network that learned from it, of statistics or of
      micrographs by what is observed; or the file of one of your own.
    - `variant`: "vector", whose components are the size met, the share healed, and energy; or "goal", in which goals
      are (radius, defects left, whether the run is over), scaled, and energy costs nothing.
    - `task`: an `AnnealingTask`.

    ## Version History
    - v0: first release.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    dynamics: AnnealingDynamics

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        observation: str = "statistics",
        dynamics: Any = "simulator",
        variant: str = "plain",
        task: AnnealingTask | None = None,
    ) -> None:
        self.task = task or AnnealingTask()
        films = make_films(self.task, dynamics, observation, 1)
        super().__init__(AnnealingDynamics(self.task, films, 1, observation, variant), render_mode)

    def render(self) -> NDArray[np.uint8] | None:
        """The micrograph, as an (H, W, 3) uint8 picture."""
        if self.render_mode is None:
            return None
        picture = self.dynamics.films.pictures(slice(None))[0]
        grey = np.round(255.0 * np.kron(picture, np.ones((6, 6)))).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)


class AnnealingVectorEnv(BatchVectorEnv):
    """Many `AnnealingEnv` stepped as one batch; see there."""

    dynamics: AnnealingDynamics

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        *,
        observation: str = "statistics",
        dynamics: Any = "simulator",
        variant: str = "plain",
        task: AnnealingTask | None = None,
    ) -> None:
        self.task = task or AnnealingTask()
        films = make_films(self.task, dynamics, observation, checked_count(num_envs))
        super().__init__(AnnealingDynamics(self.task, films, num_envs, observation, variant), max_episode_steps)
