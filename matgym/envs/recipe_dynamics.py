"""A batch of campaigns of growth experiments, one experiment a step."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Dynamics, Transition
from matgym.envs.growth_dynamics import REWARD_SCALE, checked_reactors
from matgym.structures.recipe import TWO_STAGES, two_stages
from matgym.tasks.growth import GrowthTask
from matgym.typing import Float32Array, FloatArray, IntArray

MEASURING: Final = 2.0
"""Standard deviation with which J is measured. A choice of ours: about 2 % of a good run's."""

SEEN: Final = 200.0
"""J that is observed as 1."""


class RecipeDynamics(Dynamics):
    """State of a batch of campaigns.

    Attributes:
        task: what is wanted of a run.
        experiments: of a campaign.
        reactors: (B, 5) one a campaign, which nobody sees.
        history: (B, experiments, 9) recipes tried and what was measured.
        done: (B,) experiments made.
        best: (B,) largest true J so far, 0 at first.
    """

    choices: ClassVar[tuple[str, ...]] = ("reactor",)

    def __init__(self, task: GrowthTask, experiments: int, size: int) -> None:
        self.task, self.experiments, self.size = task, experiments, size
        self.action_space = spaces.Box(-1.0, 1.0, (len(TWO_STAGES),), np.float32)
        self.observation_space = spaces.Box(-1.0, 1.0, (experiments * (len(TWO_STAGES) + 1) + 1,), np.float32)
        self.reactors = np.ones((size, 5))
        self.history = np.zeros((size, experiments, len(TWO_STAGES) + 1))
        self.done = np.zeros(size, dtype=np.int64)
        self.best = np.zeros(size)
        self._noise = np.zeros((size, experiments))

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Another reactor, nothing tried."""
        drawn = np.array([self.task.draw(rng) for rng in generators])
        self.reactors[rows] = checked_reactors(chosen.get("reactor"), drawn)
        self.history[rows], self.done[rows], self.best[rows] = 0.0, 0, 0.0
        for row, rng in zip(rows, generators, strict=True):
            self._noise[row] = MEASURING * rng.standard_normal(self.experiments)

    def step(self, actions: FloatArray) -> Transition:
        """One experiment."""
        actions = np.asarray(actions, dtype=np.float64)
        worth = self.task.run(two_stages(actions, self.task.minutes), self.reactors)
        row = np.arange(self.size)
        at = np.minimum(self.done, self.experiments - 1)
        measured = worth + self._noise[row, at]
        self.history[row, at] = np.column_stack([actions, np.clip(measured / SEEN, -1.0, 1.0)])
        self.done += 1
        better = np.maximum(self.best, worth)
        reward, self.best = (better - self.best) / REWARD_SCALE, better
        return Transition(
            np.clip(reward, -1.0, 1.0),
            self.done >= self.experiments,
            {"objectives": {"objective": worth, "measured": measured, "best": better.copy()}},
        )

    def observe(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """(rows, 9 experiments + 1) float32 in [-1, 1]."""
        share = 2.0 * self.done[rows] / self.experiments - 1.0
        table = self.history[rows].reshape(len(share), -1)
        return np.asarray(np.column_stack([table, share]), dtype=np.float32)
