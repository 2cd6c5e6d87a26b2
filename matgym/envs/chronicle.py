"""What pictures tell of episodes besides their state: what was paid, and how some numbers went."""

import numpy as np

from matgym.typing import FloatArray, IntArray


class Chronicle:
    """Rewards of a batch of episodes, and the course of what is charted where pictures are drawn.

    Attributes:
        begun: (B,) whether an episode was begun.
        steps: (B,) steps taken.
        last: (B, k) components of the last step's reward; one where it is a number.
        total: (B, k) their sums.
    """

    def __init__(self, size: int, components: int) -> None:
        self.begun = np.zeros(size, dtype=bool)
        self.steps = np.zeros(size, dtype=np.int64)
        self.last, self.total = np.zeros((size, components)), np.zeros((size, components))
        self._courses: dict[int, list[FloatArray]] = {}  # of rows, from where their episodes began

    def begin(self, rows: IntArray, charted: FloatArray | None) -> None:
        """Clear some rows; (B, c) numbers are charted, or nothing if there are none."""
        self.begun[rows] = True
        for values in (self.steps, self.last, self.total):
            values[rows] = 0
        if charted is not None:
            self._courses.update({row: [charted[row]] for row in rows.tolist()})
        elif self._courses:
            self._courses.clear()  # drawing was given up

    def add(self, rows: IntArray | slice, reward: FloatArray, charted: FloatArray | None) -> None:
        """Take note of a step of (k,) rows: (k,) or (k, n) rewards, and (B, c) numbers that are charted."""
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
