"""Spaces of designs: rows of one array, and how to move among them.

A search need not know what a design is. It samples designs, mutates one, recombines two, or, if it searches a cube of
numbers, has a point of the cube made into a design; what these mean for a nanotube stands in the space.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgym.errors import ConfigurationError
from matgym.structures import TubeDomain
from matgym.typing import BoolArray, FloatArray, IntArray

Designs: TypeAlias = NDArray[Any]
"""(B, width): one design a row; whole numbers, or floats in [-1, 1]."""

KeyArray: TypeAlias = NDArray[np.uint64]


class DesignSpace(ABC):
    """The designs that a task allows."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Entries of a design."""

    @property
    @abstractmethod
    def choices(self) -> tuple[int, ...]:
        """(d,) how many values each coordinate of the unit cube can take; 0 for any number in [0, 1]."""

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """(count, width) designs drawn uniformly."""

    @abstractmethod
    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """A neighbour of each design."""

    @abstractmethod
    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """A child of each pair."""

    @abstractmethod
    def from_points(self, points: FloatArray) -> Designs:
        """(B, width) designs of (B, d) points in [0, 1]: every point is one, and every design has some."""

    @abstractmethod
    def valid(self, designs: Designs) -> BoolArray:
        """(B,) whether each row is a design of this space."""

    # ---- what a row stands for

    def decode(self, designs: Designs) -> Any:
        """The batch that models predict: a `TubeBatch`, where designs are tubes."""
        return designs

    def encode(self, batch: Any) -> Designs:
        """Rows of a batch: the inverse of `decode`.

        Raises:
            ConfigurationError: if structures of this kind cannot be written as rows.
        """
        del batch
        raise ConfigurationError(f"{type(self).__name__} cannot write structures as designs")

    @property
    def domain(self) -> TubeDomain | None:
        """What its tubes may be; None where designs are no tubes."""
        return None

    def describe(self, design: Designs) -> str:
        """One row in words."""
        return str(next(iter(self.decode(design[None]))))

    # ---- coordinates, symmetry, enumeration

    def points(self, values: IntArray | FloatArray) -> FloatArray:
        """(B, d) points from (B, d) values: numbers in [0, 1], or whole ones from 0 where `choices` limits them."""
        counts = np.array(self.choices)
        return np.where(counts > 0, (np.asarray(values) + 0.5) / np.maximum(counts, 1), values)

    @property
    def size(self) -> int | None:
        """How many designs there are, symmetric copies counted apart; None where they cannot be counted."""
        return None

    def key(self, designs: Designs) -> KeyArray:
        """(B,) a number that designs share if they count as one: if a symmetry of the space maps one onto the other.

        Raises:
            ConfigurationError: if there are no such numbers.
        """
        del designs
        raise ConfigurationError(f"designs of {type(self).__name__} cannot be told apart by a key")

    def property_key(self, designs: Designs) -> KeyArray:
        """(B,) a number that designs share only if their tabulated properties are the same: the key by default."""
        return self.key(designs)

    def enumerate(self, rows: int = 65_536) -> Iterator[Designs]:
        """Every design, up to symmetry, in batches of at most `rows`.

        Raises:
            ConfigurationError: if there are too many.
        """
        del rows
        raise ConfigurationError(f"designs of {type(self).__name__} cannot be enumerated")


MOST_ENUMERATED: Final = 20_000_000
"""Designs beyond which enumeration raises an error."""


@dataclass(frozen=True, eq=False)
class Choices(DesignSpace):
    """One choice after the other, each from a few: what the next may be can depend on those before.

    Attributes:
        counts: (d,) values of each choice.
        ordered: whether neighbouring values are alike.
    """

    counts: tuple[int, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 1:
            raise ConfigurationError(f"counts={self.counts} must hold a number of values, at least 1, for each choice")

    @property
    def width(self) -> int:
        """One entry a choice."""
        return len(self.counts)

    @property
    def choices(self) -> tuple[int, ...]:
        """As `counts`."""
        return self.counts

    def allowed(self, designs: Designs, place: int) -> BoolArray:
        """(B, counts[place]) which values a choice may take after those before it."""
        return np.ones((len(designs), self.counts[place]), dtype=bool)

    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Each choice uniform among what is allowed."""
        return self.from_points(rng.random((count, self.width)))

    def from_points(self, points: FloatArray) -> Designs:
        """Each coordinate cut into as many parts as there are allowed values."""
        designs = np.zeros((len(points), self.width), dtype=np.int64)
        for place in range(self.width):
            allowed = self.allowed(designs, place)
            count = allowed.sum(axis=1)
            nth = np.minimum((points[:, place] * count).astype(np.int64), count - 1)
            designs[:, place] = (allowed.cumsum(axis=1) <= nth[:, None]).sum(axis=1)
        return designs

    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """One choice made anew: the next value up or down where they are ordered, any other where not."""
        varied, rows = designs.copy(), np.arange(len(designs))
        free = np.flatnonzero(np.array(self.counts) > 1)
        place = rng.choice(free, len(designs))
        counts = np.array(self.counts)[place]
        if self.ordered:
            step = rng.choice([-1, 1], len(designs))
            varied[rows, place] = np.clip(designs[rows, place] + step, 0, counts - 1)
        else:
            varied[rows, place] = (designs[rows, place] + rng.integers(1, counts)) % counts
        return self._mended(varied, rng)

    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """Two cuts: what lies between them comes from the second parent."""
        low, high = np.sort(rng.integers(0, self.width + 1, (2, len(first))), axis=0)
        place = np.arange(self.width)
        inside = (place >= low[:, None]) & (place < high[:, None])
        return self._mended(np.where(inside, second, first), rng)

    def _mended(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Choices that those before do not allow, made anew."""
        designs, rows = designs.copy(), np.arange(len(designs))
        for place in range(self.width):
            allowed = self.allowed(designs, place)
            for row in rows[~allowed[rows, designs[:, place]]]:
                there = np.flatnonzero(allowed[row])
                apart = np.abs(there - designs[row, place]) if self.ordered else rng.random(len(there))
                designs[row, place] = there[apart.argmin()]
        return designs

    def valid(self, designs: Designs) -> BoolArray:
        """Whether each choice is allowed."""
        good = np.asarray(((designs >= 0) & (designs < np.array(self.counts))).all(axis=1))
        inside = np.where(good[:, None], designs, 0)
        for place in range(self.width):
            good &= self.allowed(inside, place)[np.arange(len(designs)), inside[:, place]]
        return np.asarray(good)

    @cached_property
    def _all(self) -> Designs:
        """(size, width): all designs."""
        if np.prod(np.array(self.counts, dtype=float)) > MOST_ENUMERATED:
            raise ConfigurationError(f"more than {MOST_ENUMERATED:,} designs cannot be enumerated")
        designs = np.zeros((1, self.width), dtype=np.int64)
        for place in range(self.width):
            row, value = np.nonzero(self.allowed(designs, place))
            designs = designs[row]
            designs[:, place] = value
        return designs

    @property
    def size(self) -> int | None:
        """All that is allowed, symmetric copies counted apart."""
        return len(self._all) if np.prod(np.array(self.counts, dtype=float)) <= MOST_ENUMERATED else None

    def key(self, designs: Designs) -> KeyArray:
        """The design as one number, the last choice counting least."""
        keys = np.zeros(len(designs), dtype=np.uint64)
        for place, count in enumerate(self.counts):
            keys = keys * np.uint64(count) + designs[:, place].astype(np.uint64)
        return keys

    def enumerate(self, rows: int = 65_536) -> Iterator[Designs]:
        """In the order of their choices; of designs that share a key, the first."""
        every = self._all
        if type(self).key is not Choices.key:
            every = every[np.sort(np.unique(self.key(every), return_index=True)[1])]
        for start in range(0, len(every), rows):
            yield every[start : start + rows]


@dataclass(frozen=True)
class Cube(DesignSpace):
    """Numbers in [-1, 1].

    Attributes:
        numbers: how many.
        step: standard deviation of a mutation. Chosen by us.
    """

    numbers: int
    step: float = 0.2

    @property
    def width(self) -> int:
        """One entry a number."""
        return self.numbers

    @property
    def choices(self) -> tuple[int, ...]:
        """Any number, everywhere."""
        return (0,) * self.numbers

    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Uniform."""
        return rng.uniform(-1.0, 1.0, (count, self.width))

    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """A normal step in about a third of the coordinates, in one at least; reflected at the ends."""
        chosen = rng.random(designs.shape) < 1.0 / 3.0
        chosen[np.arange(len(designs)), rng.integers(self.width, size=len(designs))] = True
        moved = designs + chosen * rng.normal(0.0, self.step, designs.shape)
        return np.clip(np.where(np.abs(moved) > 1.0, 2.0 * np.sign(moved) - moved, moved), -1.0, 1.0)

    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """Blends (BLX-0.5: Eshelman and Schaffer, FOGA 2, 187 (1993))."""
        share = rng.uniform(-0.5, 1.5, first.shape)
        return np.asarray(np.clip(first + share * (second - first), -1.0, 1.0))

    def from_points(self, points: FloatArray) -> Designs:
        """Stretched from [0, 1]."""
        return np.asarray(2.0 * points - 1.0)

    def valid(self, designs: Designs) -> BoolArray:
        """Whether all numbers lie in [-1, 1]."""
        return np.asarray((np.abs(designs) <= 1.0).all(axis=1))
