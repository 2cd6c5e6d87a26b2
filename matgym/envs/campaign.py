"""A batch of campaigns: one experiment a step, a budget of experiments, and the whole record to see."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Episodes, Transition
from matgym.errors import require_counts
from matgym.typing import Float32Array, FloatArray, IntArray

EXPERIMENTS: Final = 20
"""Budget of a campaign."""


class Campaign(Episodes):
    """Campaigns; a subclass says what an experiment gives.

    Attributes:
        history: (B, experiments, d + 1) what was tried, and what was measured, scaled.
        done: (B,) experiments made.
        best: (B,) largest true score so far, 0 at first.
    """

    def __init__(self, size: int, inputs: int, experiments: int) -> None:
        """Make room for `size` campaigns of experiments of d `inputs`.

        Raises:
            ConfigurationError: if the budget is empty.
        """
        require_counts(experiments=experiments)
        self.size, self.experiments = size, experiments
        self.action_space = spaces.Box(-1.0, 1.0, (inputs,), np.float32)
        self.observation_space = spaces.Box(-1.0, 1.0, (experiments * (inputs + 1) + 1,), np.float32)
        self.history = np.zeros((size, experiments, inputs + 1))
        self.done = np.zeros(size, dtype=np.int64)
        self.best = np.zeros(size)
        self._deviates = np.zeros((size, experiments))

    @abstractmethod
    def carry_out(self, actions: FloatArray, deviates: FloatArray) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
        """Carry out experiments.

        Args:
            actions: (B, d) in [-1, 1].
            deviates: (B,) standard normal, of which measurements' noise is made.

        Returns:
            (B,) true scores, about 1 for a good one; (B,) measured ones; what `info["objectives"]` is to hold besides.
        """

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Begin with nothing tried."""
        del options
        self.history[rows], self.done[rows], self.best[rows] = 0.0, 0, 0.0
        for row, rng in zip(rows, generators, strict=True):
            self._deviates[row] = rng.standard_normal(self.experiments)

    def step(self, actions: FloatArray) -> Transition:
        """Carry out one experiment."""
        actions, row = np.asarray(actions, dtype=np.float64), np.arange(self.size)
        at = np.minimum(self.done, self.experiments - 1)
        score, measured, facts = self.carry_out(actions, self._deviates[row, at])
        self.history[row, at] = np.column_stack([actions, np.clip(measured, -1.0, 1.0)])
        self.done += 1
        better = np.maximum(self.best, score)
        reward, self.best = np.clip(better - self.best, -1.0, 1.0), better
        objectives = {"score": score, "best": better.copy(), **facts}
        return Transition(reward, self.done >= self.experiments, {"objectives": objectives})

    def observe(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """Return (rows, (d + 1) experiments + 1) float32 in [-1, 1]."""
        share = 2.0 * self.done[rows] / self.experiments - 1.0
        return np.asarray(np.column_stack([self.history[rows].reshape(len(share), -1), share]), dtype=np.float32)
