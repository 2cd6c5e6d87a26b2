"""Model-predictive control of growth with the physics model of the furnace and an unknown reactor.

The controller draws reactors from their distribution. Every minute it weights them by the likelihood of the heights
observed so far. This is a particle filter without resampling, because a run is short. It then plans the rest of the
schedule with the cross-entropy method on a few of these reactors.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.envs.growth import TALLEST_UM
from matgym.errors import ConfigurationError
from matgym.processes.growth.furnace import Controls, Reactor, State
from matgym.processes.growth.recipe import STEP_S, scaled_controls
from matgym.tasks.growth import GrowthTask
from matgym.typing import Float32Array, FloatArray

HEIGHT: Final = 4
"""Column of the height in the observation."""

TRUSTED_UM: Final = 2.0
"""Standard deviation of the heights. It includes the noise of the instrument and the error of the drawn reactors."""


@dataclass
class PredictiveController:
    """A controller of one run of `matgym/CVDGrowth-v0` from its observations.

    Attributes:
        task: the task; its variation is the distribution of reactors.
        plan: (minutes, 4) initial actions, such as the best open-loop schedule.
        rng: the only source of randomness.
        believed: number of reactors that are drawn.
        planned: number of these reactors that the plan is made for.
        population: number of schedules per generation.
        generations: number of generations per minute.

    Raises:
        ConfigurationError: if the reactors of the task do not vary, or the plan has the wrong shape.
    """

    task: GrowthTask
    plan: FloatArray
    rng: np.random.Generator
    believed: int = 256
    planned: int = 4
    population: int = 48
    generations: int = 3

    def __post_init__(self) -> None:
        if self.task.variation is None:
            raise ConfigurationError("a predictive controller needs a task whose reactors vary: set its variation")
        if self.plan.shape != (self.task.minutes, 4):
            raise ConfigurationError(f"plan of shape {self.plan.shape} must be {(self.task.minutes, 4)}")
        drawn = np.array([self.task.variation.draw(self.rng) for _ in range(self.believed)])
        self._reactor = Reactor(*drawn.T.copy())
        self._state = self.task.loaded(self._reactor)
        self._doubt = np.zeros(self.believed)
        self._minute = 0
        self._action: FloatArray | None = None

    def act(self, observation: Float32Array) -> Float32Array:
        """Return the (4,) action of the next minute after an observation."""
        if self._action is not None:
            self._watch(observation)
        plan = self._replanned() if self._minute else self.plan
        self.plan = plan
        self._action = plan[self._minute]
        self._minute += 1
        return np.asarray(self._action, dtype=np.float32)

    def _watch(self, observation: Float32Array) -> None:
        """Apply the last action to the drawn reactors and compare their heights with the observation."""
        controls = np.broadcast_to(scaled_controls(np.asarray(self._action)), (self.believed, 4))
        self._state = self.task.furnace.hold(self._state, Controls.of(controls), self._reactor, STEP_S)
        seen = 0.5 * (float(observation[HEIGHT]) + 1.0) * TALLEST_UM
        self._doubt += 0.5 * ((self._state.length_um - seen) / TRUSTED_UM) ** 2

    def _replanned(self) -> FloatArray:
        weights = np.exp(self._doubt.min() - self._doubt)
        rows = self.rng.choice(self.believed, self.planned, p=weights / weights.sum())
        state = State(*(column[rows] for column in self._state))
        reactor = Reactor(*(column[rows] for column in self._reactor))

        def score(points: FloatArray) -> FloatArray:
            copies = len(points)
            wide = State(*(np.tile(column, copies) for column in state))
            there = Reactor(*(np.tile(column, copies) for column in reactor))
            controls = np.repeat(scaled_controls(points), self.planned, axis=0)
            for minute in range(controls.shape[1]):
                wide = self.task.furnace.hold(wide, Controls.of(controls[:, minute]), there, STEP_S)
            worth = self.task.objective(wide, there).reshape(copies, self.planned)
            return np.asarray(worth.mean(axis=1))

        rest = self.plan[self._minute :]
        elite = max(1, math.ceil(self.population / 8))
        found = cross_entropy(
            score, rest, self.rng, spread=0.15, population=self.population, elite=elite, generations=self.generations
        )
        return np.concatenate([self.plan[: self._minute], found.point])
