"""A batch of films that are annealed, two minutes a step."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Dynamics, Transition, checked_variant
from matgym.errors import ConfigurationError
from matgym.processes.annealing.films import Films
from matgym.processes.annealing.schedule import COLDEST_C, HOTTEST_C, celsius_of
from matgym.tasks.annealing import AnnealingTask
from matgym.typing import Float32Array, FloatArray, IntArray
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
    reward_names = ("size", "healing", "energy")
    reward_low = -1.0

    def __init__(self, task: AnnealingTask, films: Films, size: int, observation: str, variant: str = "plain") -> None:
        if observation not in OBSERVATIONS:
            raise ConfigurationError(f"observation={observation!r} is unknown; there are {' and '.join(OBSERVATIONS)}")
        self.task, self.films, self.size, self.observation = task, films, size, observation
        self.variant = checked_variant(variant, "goal", "vector")
        if variant == "goal" and observation == "image":
            raise ConfigurationError('the goal variant observes statistics: give observation="statistics"')
        self.targets = np.full(size, sum(task.targets) / 2.0)
        self.elapsed = np.zeros(size, dtype=np.int64)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        if observation == "image":
            self.observation_space = spaces.Box(0, 255, (6, task.size, task.size), np.uint8)
        else:
            self.observation_space = spaces.Box(-1.0, 1.0, (6,), np.float32)
        if variant == "goal":
            goal = spaces.Box(-1.0, 1.0, (3,), np.float32)
            seen = spaces.Box(-1.0, 1.0, (5,), np.float32)
            self.observation_space = spaces.Dict({"observation": seen, "achieved_goal": goal, "desired_goal": goal})

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
        before = self.films.state.energy_kwh
        with self.task.ledger.charge(self.films.charged, self.size):
            self.films.hold(celsius_of(actions)[:, 0] + CELSIUS_K)
        self.elapsed += 1
        terminated = self.elapsed >= self.task.steps
        measures, energy = self.films.measures, self.films.state.energy_kwh
        worth = self.task.objective(measures, energy, self.targets)
        reward = -self.task.per_kwh * (energy - before)
        reward[terminated] += worth[terminated] + self.task.per_kwh * energy[terminated]
        if self.variant == "vector":
            ends = np.stack([self.task.met(measures, self.targets), 1.0 - measures[:, 1]], axis=1) * terminated[:, None]
            reward = np.concatenate([ends, -self.task.per_kwh * (energy - before)[:, None]], axis=1)
        elif self.variant == "goal":
            reward = self.compute_reward(self._achieved(), self._desired(), None)
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

    def _achieved(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """(rows, 3) radius, share of defects left, both scaled, and 1 where the run is over, else -1."""
        measures, over = self.films.measures[rows], self.elapsed[rows] >= self.task.steps
        seen = np.column_stack([measures[:, 0] / LARGEST_RADIUS, measures[:, 1], over]).clip(0.0, 1.0)
        return (2.0 * seen - 1.0).astype(np.float32)

    def _desired(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """(rows, 3) the wanted radius, no defects, the run over."""
        wanted = 2.0 * self.targets[rows] / LARGEST_RADIUS - 1.0
        return np.column_stack([wanted, np.full_like(wanted, -1.0), np.ones_like(wanted)]).astype(np.float32)

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Reward of what was achieved, for any goal, without the price of energy: what `HerReplayBuffer` asks.

        Args:
            achieved: (..., 3) as in observations.
            desired: (..., 3).
            info: is not looked at.

        Returns:
            (...) rewards; 0 before the run is over.
        """
        del info
        found, wanted = (np.asarray(side, dtype=np.float64).reshape(-1, 3) for side in (achieved, desired))
        radius, target = ((side[:, 0] + 1.0) / 2.0 * LARGEST_RADIUS for side in (found, wanted))
        missed = np.abs(found[:, 1] - wanted[:, 1]) / 2.0
        radii = np.maximum(radius, 1e-3)[:, None]
        reward = self.task.met(radii, np.maximum(target, 1e-3)) * (1.0 - missed) * (found[:, 2] > 0.0)
        return reward.reshape(np.shape(achieved)[:-1]) if np.ndim(achieved) > 1 else float(reward[0])

    def observe(self, rows: IntArray | slice = slice(None)) -> Any:
        """(rows, 6) float32 in [-1, 1], or (rows, 6, H, W) uint8: the micrograph above five such numbers."""
        films = self.films
        seen = np.column_stack(
            [
                films.measures[rows, 0] / LARGEST_RADIUS,
                films.measures[rows, 1],
                (films.state.temperature_k[rows] - CELSIUS_K - COLDEST_C) / (HOTTEST_C - COLDEST_C),
                films.state.energy_kwh[rows] / MOST_KWH,
                self.elapsed[rows] / self.task.steps,
                self.targets[rows] / LARGEST_RADIUS,
            ]
        ).clip(0.0, 1.0)
        if self.observation == "statistics":
            statistics = (2.0 * seen - 1.0).astype(np.float32)
            if self.variant != "goal":
                return statistics
            return {
                "observation": statistics[:, :5],
                "achieved_goal": self._achieved(rows),
                "desired_goal": self._desired(rows),
            }
        shape = (len(seen), 6, self.task.size, self.task.size)
        image = np.broadcast_to(np.round(255.0 * seen)[:, :, None, None], shape).astype(np.uint8)
        image[:, 0] = np.round(255.0 * films.pictures(rows))
        return image
