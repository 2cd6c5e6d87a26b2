"""Spaces of designs: designs are rows of one array, with operations for sampling and variation.

A search algorithm does not depend on the kind of design. It samples designs, mutates one, recombines two, or, if it
searches a cube of numbers, converts a point of the cube to a design; the space implements these operations.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures import TubeDomain
from matgym.tasks.variables import Variable
from matgym.typing import BoolArray, FloatArray

Designs: TypeAlias = NDArray[Any]
"""(B, width): one design a row; whole numbers, or floats in [-1, 1]."""

KeyArray: TypeAlias = NDArray[np.uint64]


class DesignSpace(ABC):
    """The designs that a task allows."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The number of entries of a design."""

    @property
    @abstractmethod
    def choices(self) -> tuple[int, ...]:
        """(d,) number of values of each coordinate of the unit cube; 0 for any number in [0, 1]."""

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Draw (count, width) designs uniformly."""

    @abstractmethod
    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Return a neighbour of each design."""

    @abstractmethod
    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """Return a child of each pair of designs."""

    @abstractmethod
    def from_points(self, points: FloatArray) -> Designs:
        """Return (B, width) designs of (B, d) points in [0, 1]: each point is one design, each design has points."""

    @abstractmethod
    def valid(self, designs: Designs) -> BoolArray:
        """Return (B,) whether each row is a design of this space."""

    def turned(self, rng: np.random.Generator) -> Self:
        """Return a space of the same designs whose unit cube is turned at random: its centre is another design.

        By default the space is returned as it is, because the coordinates of a cube have ends.
        """
        del rng
        return self

    # ---- meaning of a row

    def decode(self, designs: Designs) -> Any:
        """Return designs as the batch that models take: a `TubeBatch` if designs are tubes."""
        return designs

    def encode(self, batch: Any) -> Designs:
        """Return the rows of a batch: the inverse of `decode`.

        Raises:
            ConfigurationError: if structures of this kind cannot be written as rows.
        """
        del batch
        raise ConfigurationError(f"{type(self).__name__} cannot write structures as designs: give designs as rows")

    @property
    def domain(self) -> TubeDomain | None:
        """The domain of the tubes of this space; None if designs are not tubes."""
        return None

    def describe(self, design: Designs) -> str:
        """Return a description of one row in words."""
        return str(next(iter(self.decode(design[None]))))

    def features(self, designs: Designs) -> FloatArray:
        """Return (B, F) numbers that a model of a search learns from; by default one for each entry of a design.

        They are the same for designs that a symmetry of the space maps onto each other.
        """
        return np.asarray(designs, dtype=np.float64)

    # ---- coordinates, symmetry, enumeration

    @property
    def variables(self) -> tuple[Variable, ...]:
        """(d,) variables of the coordinates of the unit cube; by default without names of their own."""
        return tuple(
            Variable.of(f"x{place}", range(count)) if count else Variable(f"x{place}")
            for place, count in enumerate(self.choices)
        )

    @cached_property
    @returns_read_only
    def _ends(self) -> FloatArray:
        """(2, d) least and largest number of each variable."""
        return np.array([(each.low, each.high) for each in self.variables]).T

    def from_numbers(self, numbers: FloatArray) -> Designs:
        """Return (B, width) designs of (B, d) numbers of the variables; see `Variable`.

        Numbers of variables that are not continuous are rounded. All numbers are clipped to their bounds.
        """
        low, high = self._ends
        counts, inside = np.array(self.choices), np.clip(numbers, low, high)
        share = (inside - low) / np.where(high > low, high - low, 1.0)
        return self.from_points(np.where(counts > 0, (np.rint(inside) - low + 0.5) / np.maximum(counts, 1), share))

    def to_numbers(self, designs: Designs) -> FloatArray:
        """Return (B, d) numbers of the variables from which `from_numbers` makes these designs.

        Raises:
            ConfigurationError: if the space cannot tell.
        """
        del designs
        raise ConfigurationError(f"{type(self).__name__} cannot write designs as numbers of its variables")

    @property
    def size(self) -> int | None:
        """The number of designs, with symmetric copies; None if they cannot be counted."""
        return None

    def key(self, designs: Designs) -> KeyArray:
        """Return (B,) keys, which are the same for designs that a symmetry of the space maps onto each other.

        Raises:
            ConfigurationError: if the space has no keys.
        """
        del designs
        raise ConfigurationError(f"designs of {type(self).__name__} cannot be told apart by a key")

    def property_key(self, designs: Designs) -> KeyArray:
        """Return (B,) keys for tables, the same only for designs with the same properties; `key` by default."""
        return self.key(designs)

    def enumerate(self, rows: int = 65_536) -> Iterator[Designs]:
        """Yield every design, up to symmetry, in batches of at most `rows`.

        Raises:
            ConfigurationError: if there are too many designs.
        """
        del rows
        raise ConfigurationError(f"designs of {type(self).__name__} cannot be enumerated")


MOST_ENUMERATED: Final = 20_000_000
"""Largest number of designs that can be enumerated; more raise an error."""


@dataclass(frozen=True, eq=False)
class Choices(ValueObject, DesignSpace):
    """Designs made of choices, each from a few values; the values allowed may depend on the choices before.

    Attributes:
        counts: (d,) number of values of each choice.
        ordered: whether neighbouring values are similar.
    """

    counts: tuple[int, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.counts or min(self.counts) < 1:
            raise ConfigurationError(f"counts={self.counts} must hold a number of values, at least 1, for each choice")

    @property
    def width(self) -> int:
        """The number of entries of a design: one per choice."""
        return len(self.counts)

    @property
    def choices(self) -> tuple[int, ...]:
        """The number of values of each choice: `counts`."""
        return self.counts

    def allowed(self, designs: Designs, place: int) -> BoolArray:
        """Return (B, counts[place]) whether each value of a choice is allowed after the choices before it."""
        return np.ones((len(designs), self.counts[place]), dtype=bool)

    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Draw designs with each choice uniform among the allowed values."""
        return self.from_points(rng.random((count, self.width)))

    def from_points(self, points: FloatArray) -> Designs:
        """Return designs of points: each coordinate is divided into one interval for each allowed value."""
        designs = np.zeros((len(points), self.width), dtype=np.int64)
        for place in range(self.width):
            allowed = self.allowed(designs, place)
            count = allowed.sum(axis=1)
            nth = np.minimum((points[:, place] * count).astype(np.int64), count - 1)
            designs[:, place] = (allowed.cumsum(axis=1) <= nth[:, None]).sum(axis=1)
        return designs

    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Change one choice of each design: to the next value up or down if values are ordered, else to any other."""
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
        """Combine pairs of designs: the choices between two cuts come from the second parent."""
        low, high = np.sort(rng.integers(0, self.width + 1, (2, len(first))), axis=0)
        place = np.arange(self.width)
        inside = (place >= low[:, None]) & (place < high[:, None])
        return self._mended(np.where(inside, second, first), rng)

    def _mended(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Return designs in which choices that are not allowed are replaced by allowed ones."""
        designs, rows = designs.copy(), np.arange(len(designs))
        for place in range(self.width):
            allowed = self.allowed(designs, place)
            for row in rows[~allowed[rows, designs[:, place]]]:
                there = np.flatnonzero(allowed[row])
                apart = np.abs(there - designs[row, place]) if self.ordered else rng.random(len(there))
                designs[row, place] = there[apart.argmin()]
        return designs

    def features(self, designs: Designs) -> FloatArray:
        """Return (B, F): ordered choices scaled to [0, 1]; a column for each value of the others."""
        counts = np.array(self.counts)
        if self.ordered:
            return np.asarray(designs / np.maximum(counts - 1, 1), dtype=np.float64)
        return (
            np.concatenate([designs[:, [i]] == np.arange(count) for i, count in enumerate(self.counts)], axis=1) * 1.0
        )

    @property
    def variables(self) -> tuple[Variable, ...]:
        """One variable for each choice.

        Where the values allowed depend on the choices before, the number of a value is divided among those allowed: the
        least number is the first value allowed, and the largest is the last.
        """
        return tuple(
            Variable.of(f"x{place}", range(count), ordered=self.ordered) for place, count in enumerate(self.counts)
        )

    def to_numbers(self, designs: Designs) -> FloatArray:
        """Return (B, d) numbers of the variables from which `from_numbers` makes these designs."""
        numbers = np.zeros((len(designs), self.width))
        for place, count in enumerate(self.counts):
            allowed = self.allowed(designs, place)
            nth = allowed.cumsum(axis=1)[np.arange(len(designs)), designs[:, place]] - 1
            numbers[:, place] = np.maximum(np.ceil(nth * count / allowed.sum(axis=1) - 0.5), 0.0)
        return np.asarray(numbers + self._ends[0])

    def valid(self, designs: Designs) -> BoolArray:
        """Return (B,) whether all choices of each row are allowed."""
        good = np.asarray(((designs >= 0) & (designs < np.array(self.counts))).all(axis=1))
        inside = np.where(good[:, None], designs, 0)
        for place in range(self.width):
            good &= self.allowed(inside, place)[np.arange(len(designs)), inside[:, place]]
        return np.asarray(good)

    @cached_property
    @returns_read_only
    def _all(self) -> Designs:
        """(size, width) all designs."""
        product = np.prod(np.array(self.counts, dtype=float))
        if product > MOST_ENUMERATED:
            raise ConfigurationError(
                f"about {product:.2g} designs cannot be enumerated: give choices of at most {MOST_ENUMERATED:,} designs"
            )
        designs = np.zeros((1, self.width), dtype=np.int64)
        for place in range(self.width):
            row, value = np.nonzero(self.allowed(designs, place))
            designs = designs[row]
            designs[:, place] = value
        return designs

    @property
    def size(self) -> int | None:
        """The number of allowed designs, with symmetric copies; None if there are too many to count."""
        return len(self._all) if np.prod(np.array(self.counts, dtype=float)) <= MOST_ENUMERATED else None

    def key(self, designs: Designs) -> KeyArray:
        """Return (B,) keys: each design as one mixed-radix number whose last digit is the last choice."""
        keys = np.zeros(len(designs), dtype=np.uint64)
        for place, count in enumerate(self.counts):
            keys = keys * np.uint64(count) + designs[:, place].astype(np.uint64)
        return keys

    def enumerate(self, rows: int = 65_536) -> Iterator[Designs]:
        """Yield every design in the order of the choices, and only the first of those that share a key."""
        every = self._all
        if type(self).key is not Choices.key:
            every = every[np.sort(np.unique(self.key(every), return_index=True)[1])]
        for start in range(0, len(every), rows):
            yield every[start : start + rows]


@dataclass(frozen=True)
class Cube(DesignSpace):
    """Designs made of numbers in [-1, 1].

    Attributes:
        numbers: number of entries of a design.
        step: standard deviation of a mutation. A choice of ours.
    """

    numbers: int
    step: float = 0.2

    @property
    def width(self) -> int:
        """The number of entries of a design."""
        return self.numbers

    @property
    def choices(self) -> tuple[int, ...]:
        """0, any number in [0, 1], for each coordinate."""
        return (0,) * self.numbers

    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Draw designs uniformly."""
        return rng.uniform(-1.0, 1.0, (count, self.width))

    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Add a normal step to about a third of the coordinates, at least one; steps are reflected at the ends."""
        chosen = rng.random(designs.shape) < 1.0 / 3.0
        chosen[np.arange(len(designs)), rng.integers(self.width, size=len(designs))] = True
        moved = designs + chosen * rng.normal(0.0, self.step, designs.shape)
        return np.clip(np.where(np.abs(moved) > 1.0, 2.0 * np.sign(moved) - moved, moved), -1.0, 1.0)

    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """Return blends of pairs of designs (BLX-0.5: Eshelman and Schaffer, FOGA 2, 187 (1993))."""
        share = rng.uniform(-0.5, 1.5, first.shape)
        return np.asarray(np.clip(first + share * (second - first), -1.0, 1.0))

    def from_points(self, points: FloatArray) -> Designs:
        """Return points of [0, 1] scaled to [-1, 1]."""
        return np.asarray(2.0 * points - 1.0)

    def to_numbers(self, designs: Designs) -> FloatArray:
        """Return (B, d) numbers of the variables from which `from_numbers` makes these designs."""
        low, high = self._ends
        return np.asarray(low + 0.5 * (np.asarray(designs) + 1.0) * (high - low))

    def valid(self, designs: Designs) -> BoolArray:
        """Return (B,) whether all numbers of each row lie in [-1, 1]."""
        return np.asarray((np.abs(designs) <= 1.0).all(axis=1))
