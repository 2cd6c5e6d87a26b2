"""Records of episodes for pictures: the rewards, and the course of some numbers."""

import numpy as np

from matgym.typing import FloatArray, IntArray


class Chronicle:
    """The rewards of a batch of episodes, and the course of charted numbers if pictures are drawn.

    Attributes:
        begun: (B,) whether an episode has begun.
        steps: (B,) number of steps.
        last: (B, k) components of the last reward; k is 1 for a scalar reward.
        total: (B, k) sums of the rewards of the episode.
    """

    def __init__(self, size: int, components: int) -> None:
        self.begun = np.zeros(size, dtype=bool)
        self.steps = np.zeros(size, dtype=np.int64)
        self.last, self.total = np.zeros((size, components)), np.zeros((size, components))
        self._courses: dict[int, list[FloatArray]] = {}  # by row, since the start of the episode

    def begin(self, rows: IntArray, charted: FloatArray | None) -> None:
        """Clear some rows; (B, c) numbers are charted, or nothing if there are none."""
        self.begun[rows] = True
        for values in (self.steps, self.last, self.total):
            values[rows] = 0
        if charted is not None:
            self._courses.update({row: [charted[row]] for row in rows.tolist()})
        elif self._courses:
            self._courses.clear()  # pictures are no longer drawn

    def add(self, rows: IntArray | slice, reward: FloatArray, charted: FloatArray | None) -> None:
        """Record a step of (k,) rows: (k,) or (k, n) rewards, and (B, c) numbers for the charts."""
        self.steps[rows] += 1
        self.last[rows] = reward.reshape(len(reward), -1)
        self.total[rows] += self.last[rows]
        if charted is not None:
            for row in np.arange(len(self.steps))[rows].tolist():
                self._courses.setdefault(row, []).append(charted[row])

    def course(self, row: int, now: FloatArray) -> FloatArray:
        """Return (t, c) numbers from the first to the (c,) present ones; the present ones alone if none were noted."""
        noted = self._courses.get(row, [])
        return np.array(noted) if len(noted) == self.steps[row] + 1 else now[None]
