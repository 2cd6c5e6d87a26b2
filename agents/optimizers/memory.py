"""What a search has asked already, so that it pays for no design twice."""

from collections.abc import Callable, Hashable

import numpy as np

from matgym.errors import ConfigurationError
from matgym.tasks import Designs, DesignSpace
from matgym.typing import BoolArray, FloatArray

TRIES = 32
"""Number of draws, and then of mutations, after which a search takes a design that it has asked before."""


class Memory:
    """Designs that were asked, with their rewards; symmetric copies count as the same design.

    Args:
        space: the design space.
    """

    def __init__(self, space: DesignSpace) -> None:
        self._space = space
        self._rewards: dict[Hashable, float] = {}

    def keys(self, designs: Designs) -> list[Hashable]:
        """Return the key of each design."""
        try:
            return [int(key) for key in self._space.key(designs)]
        except ConfigurationError:  # numbers, which hardly repeat
            return [row.tobytes() for row in np.ascontiguousarray(designs)]

    def add(self, designs: Designs, rewards: FloatArray) -> None:
        """Remember the rewards of designs."""
        self._rewards.update(zip(self.keys(designs), map(float, rewards), strict=True))

    def excluding(self, designs: Designs) -> "Memory":
        """Return a memory that also knows designs whose rewards are not known yet."""
        if not len(designs):
            return self
        other = Memory(self._space)
        other._rewards = self._rewards | dict.fromkeys(self.keys(designs), np.nan)
        return other

    def has(self, key: Hashable) -> bool:
        """Return whether a design with this key was asked."""
        return key in self._rewards

    def known(self, designs: Designs) -> BoolArray:
        """Return (B,) whether each design was asked."""
        return np.array([key in self._rewards for key in self.keys(designs)], dtype=np.bool_)

    def reward(self, design: Designs) -> float | None:
        """Return the reward of one design, given as (1, width); None if it was not asked."""
        return self._rewards.get(self.keys(design)[0])

    def new(self, draw: Callable[[], Designs], rng: np.random.Generator) -> Designs:
        """Return designs that were not asked, one for each row of what `draw` gives.

        Rows that were asked are drawn again, `TRIES` times at most, and then mutated as often: the neighbours of a
        design may all be known. Only a space that is used up gives designs that were asked.
        """
        designs = draw()
        for turn in range(2 * TRIES):
            again = self.old(designs)
            if not again.any():
                break
            designs[again] = draw()[again] if turn < TRIES else self._space.mutate(designs[again], rng)
        return designs

    def old(self, designs: Designs) -> BoolArray:
        """Return (B,) whether a design was asked, or is the same as one before it in the batch."""
        first: dict[Hashable, int] = {}
        keys = enumerate(self.keys(designs))
        return np.array(
            [key in self._rewards or first.setdefault(key, row) != row for row, key in keys], dtype=np.bool_
        )
