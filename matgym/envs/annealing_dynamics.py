"""A batch of films that are annealed, two minutes a step."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Dynamics, Transition
from matgym.envs.films import Films
from matgym.errors import ConfigurationError
from matgym.structures.schedule import COLDEST_C, HOTTEST_C
from matgym.tasks.annealing import AnnealingTask
from matgym.typing import FloatArray, IntArray
from matgym.units import CELSIUS_K

LARGEST_RADIUS: Final = 20.0
MOST_KWH: Final = 30.0
"""Ranges on which observations are scaled."""

OBSERVATIONS: Final = ("statistics", "image")


class AnnealingDynamics(Dynamics):
    """State of a batch of runs.

    Attributes:
        task: what is wanted.
        films: that are annealed.
        targets: (B,) mean radii wanted.
        elapsed: (B,) steps done.
    """

    choices: ClassVar[tuple[str, ...]] = ("target",)

    def __init__(self, task: AnnealingTask, films: Films, size: int, observation: str) -> None:
        if observation not in OBSERVATIONS:
            raise ConfigurationError(f"observation={observation!r} is unknown; there are {' and '.join(OBSERVATIONS)}")
        self.task, self.films, self.size, self.observation = task, films, size, observation
        self.targets = np.full(size, sum(task.targets) / 2.0)
        self.elapsed = np.zeros(size, dtype=np.int64)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        if observation == "image":
            self.observation_space = spaces.Box(0, 255, (6, task.size, task.size), np.uint8)
        else:
            self.observation_space = spaces.Box(-1.0, 1.0, (6,), np.float32)

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Fresh films."""
        starts = [self.task.draw(rng) for rng in generators]
        targets = chosen.get("target", [start.target for start in starts])
        targets = np.broadcast_to(np.asarray(targets, dtype=np.float64), (len(rows),))
        if not ((targets > 0.0) & (targets < LARGEST_RADIUS)).all():
            raise ConfigurationError(f"target={targets} must lie between 0 and {LARGEST_RADIUS:g} lattice constants")
        self.films.load(rows, np.stack([start.labels for start in starts]), generators)
        self.targets[rows] = targets
        self.elapsed[rows] = 0

    def begun(self) -> Mapping[str, Any]:
        """The targets."""
        return {"target": self.targets.copy()}

    def step(self, actions: FloatArray) -> Transition:
        """Two minutes."""
        celsius = COLDEST_C + 0.5 * (np.asarray(actions, dtype=np.float64)[:, 0] + 1.0) * (HOTTEST_C - COLDEST_C)
        before = self.films.energy_kwh
        self.films.hold(celsius + CELSIUS_K)
        self.elapsed += 1
        terminated = self.elapsed >= self.task.steps
        measures, energy = self.films.measures, self.films.energy_kwh
        worth = self.task.objective(measures, energy, self.targets)
        reward = -self.task.per_kwh * (energy - before)
        reward[terminated] += worth[terminated] + self.task.per_kwh * energy[terminated]
        return Transition(
            reward,
            terminated,
            {
                "target": self.targets.copy(),
                "objectives": {
                    "objective": worth,
                    "radius": measures[:, 0].copy(),
                    "defects": measures[:, 1].copy(),
                    "energy_kwh": energy.copy(),
                },
            },
        )

    def observe(self, rows: IntArray | slice = slice(None)) -> Any:
        """(rows, 6) float32 in [-1, 1], or (rows, 6, H, W) uint8: the micrograph above five such numbers."""
        films = self.films
        seen = np.column_stack(
            [
                films.measures[rows, 0] / LARGEST_RADIUS,
                films.measures[rows, 1],
                (films.temperature_k[rows] - CELSIUS_K - COLDEST_C) / (HOTTEST_C - COLDEST_C),
                films.energy_kwh[rows] / MOST_KWH,
                self.elapsed[rows] / self.task.steps,
                self.targets[rows] / LARGEST_RADIUS,
            ]
        ).clip(0.0, 1.0)
        if self.observation == "statistics":
            return (2.0 * seen - 1.0).astype(np.float32)
        shape = (len(seen), 6, self.task.size, self.task.size)
        image = np.broadcast_to(np.round(255.0 * seen)[:, :, None, None], shape).astype(np.uint8)
        image[:, 0] = np.round(255.0 * films.pictures(rows))
        return image
