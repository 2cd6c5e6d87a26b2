"""Batches of tubes of any lattices as flat arrays, which models, data sets and tasks exchange."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from matgym.errors import SpeciesError, StructureError
from matgym.frozen import ValueObject, read_only, returns_read_only
from matgym.structures.lattice import TubeLattice
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import Species
from matgym.typing import BoolArray, FloatArray, IntArray, SpeciesArray


class LatticeGroup(NamedTuple):
    """The tubes of a batch that share a lattice.

    Attributes:
        lattice: the shared lattice.
        rows: (b,) indices of the tubes in the batch, ascending, read-only.
        species: (b, n_sites) species codes, read-only.
        turned: (b, 3 n_cells) whether each bond is turned, read-only; None if the batch has no turned bond.
    """

    lattice: TubeLattice
    rows: IntArray
    species: SpeciesArray
    turned: BoolArray | None


class TubeDomain(NamedTuple):
    """The tubes of a design space, from which a model decides whether it supports the space.

    Attributes:
        lattices: lattices of the tubes.
        species: species on their sites, including 12C.
        turned: whether bonds can be turned.
        strained: whether tubes can be strained.
        twisted: whether tubes can be twisted.
    """

    lattices: tuple[TubeLattice, ...]
    species: frozenset[Species]
    turned: bool = False
    strained: bool = False
    twisted: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class TubeBatch(Sequence[Nanotube], ValueObject):
    """A ragged batch of tubes.

    A batch is a sequence of `Nanotube` objects: a function of a list of tubes accepts it. `of` and `uniform` make
    batches. The arrays of a batch are read-only views of the given arrays.

    Attributes:
        lattices: L different lattices.
        lattice_index: (B,) index of the lattice of each tube.
        species: (sites,) species codes of all tubes, one tube after the other.
        turned: (bonds,) whether each bond of each tube's lattice is turned to a Stone-Wales pair; None if no bond is
            turned.
        strain: (B,) axial strain, a fraction.
        torsion: (B,) shear strain of the twist, a fraction.

    Raises:
        SpeciesError: if the number of species differs from the number of sites.
        StructureError: if another array has a wrong shape, or the index of a lattice is out of range.
    """

    lattices: tuple[TubeLattice, ...]
    lattice_index: IntArray
    species: SpeciesArray
    turned: BoolArray | None
    strain: FloatArray
    torsion: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        count, known = len(self.lattice_index), len(self.lattices)
        unsure = bool(count) and (not known or bool(self.lattice_index.any()))  # fast for batches of one lattice
        if unsure and not 0 <= self.lattice_index.min() <= self.lattice_index.max() < known:
            reason = f"is out of range: give 0 to {known - 1}" if known else "does not fit a batch without lattices"
            raise StructureError(f"lattice_index {self.lattice_index} {reason}")
        sites = int(self.offsets[-1])
        if self.species.shape != (sites,):
            raise SpeciesError(f"species has shape {self.species.shape}: give ({sites},) codes, one for each site")
        if self.turned is not None and self.turned.shape != (3 * sites // 2,):
            raise StructureError(
                f"turned has shape {self.turned.shape}: give ({3 * sites // 2},) booleans, one for each bond"
            )
        for name, array in (("strain", self.strain), ("torsion", self.torsion)):
            if array.shape != (count,):
                raise StructureError(f"{name} has shape {array.shape}: give ({count},) numbers, one for each tube")

    # ---- constructors

    @classmethod
    def of(cls, tubes: Iterable[Nanotube]) -> "TubeBatch":
        """Return tubes as a batch; a batch is returned unchanged."""
        if isinstance(tubes, TubeBatch):
            return tubes
        listed = list(tubes)
        number: dict[TubeLattice, int] = {}
        index = [number.setdefault(tube.lattice, len(number)) for tube in listed]
        turned = None
        if any(tube.stone_wales for tube in listed):
            turned = np.concatenate([tube.lattice.bond_mask(tube.stone_wales) for tube in listed])
        return cls(
            tuple(number),
            np.array(index, dtype=np.int64),
            np.concatenate([tube.species for tube in listed]) if listed else np.zeros(0, dtype=np.uint8),
            turned,
            np.array([tube.strain for tube in listed], dtype=np.float64),
            np.array([tube.torsion for tube in listed], dtype=np.float64),
        )

    @classmethod
    def uniform(
        cls, lattice: TubeLattice, species: SpeciesArray, turned: NDArray[np.uint8] | None = None
    ) -> "TubeBatch":
        """Return a batch of undeformed tubes of one lattice; arrays are not copied.

        Args:
            lattice: the lattice of all tubes.
            species: (B, n_sites) species codes.
            turned: (B, 3 n_cells), 1 for each turned bond; None if no bond is turned.

        Raises:
            SpeciesError: if `species` has another shape.
            StructureError: if `turned` has another shape.
        """
        if species.ndim != 2 or species.shape[1] != lattice.n_sites:
            raise SpeciesError(f"species has shape {species.shape}: give {lattice.n_sites} codes for each tube")
        if turned is not None and turned.shape != (len(species), 3 * lattice.n_cells):
            raise StructureError(
                f"turned has shape {turned.shape}: give {(len(species), 3 * lattice.n_cells)}, one entry for each bond"
            )
        none = np.zeros(len(species))
        bonds = None if turned is None or not turned.any() else turned.reshape(-1).astype(bool)
        return cls((lattice,), np.zeros(len(species), dtype=np.int64), species.reshape(-1), bonds, none, none)

    # ---- as a sequence

    @override
    def __len__(self) -> int:
        return len(self.lattice_index)

    @overload
    def __getitem__(self, index: int) -> Nanotube: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @override
    def __getitem__(self, index: int | slice) -> "Nanotube | Self":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        row = range(len(self))[index]
        lattice = self.lattices[self.lattice_index[row]]
        start, stop = self.offsets[row : row + 2].tolist()
        pairs = () if self.turned is None else lattice.bond_pairs(self.turned[3 * start // 2 : 3 * stop // 2])
        return Nanotube(
            lattice.n, lattice.m, lattice.cells, self.species[start:stop],
            strain=float(self.strain[row]), torsion=float(self.torsion[row]), stone_wales=pairs,
        )  # fmt: skip

    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Self:
        """Return a batch of the tubes with (b,) indices, in that order, or of the tubes in a (B,) mask."""
        rows = np.arange(len(self))[np.asarray(rows) if len(rows) else np.zeros(0, dtype=np.int64)]
        sites = _ranges(self.offsets[rows], self.n_sites[rows])
        turned = None
        if self.turned is not None:
            turned = self.turned[_ranges(3 * self.offsets[rows] // 2, 3 * self.n_sites[rows] // 2)]
        return type(self)(
            self.lattices, self.lattice_index[rows], self.species[sites], turned, self.strain[rows], self.torsion[rows]
        )

    def __repr__(self) -> str:
        return f"TubeBatch of {len(self)} tubes of {len(self.lattices)} lattices"

    # ---- views

    @cached_property
    @returns_read_only
    def n_sites(self) -> IntArray:
        """(B,) number of sites of each tube."""
        return np.array([lattice.n_sites for lattice in self.lattices], dtype=np.int64)[self.lattice_index]

    @cached_property
    @returns_read_only
    def offsets(self) -> IntArray:
        """(B + 1,) index of each tube's first site in `species`, followed by the total number of sites."""
        if len(self.lattices) == 1:
            return np.arange(len(self) + 1) * self.lattices[0].n_sites
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.n_sites)])

    @cached_property
    @returns_read_only
    def deformed(self) -> BoolArray:
        """(B,) whether each tube is strained or twisted."""
        return np.asarray((self.strain != 0.0) | (self.torsion != 0.0))

    @cached_property
    @returns_read_only
    def reconstructed(self) -> BoolArray:
        """(B,) whether each tube has turned bonds."""
        if self.turned is None:
            return np.zeros(len(self), dtype=bool)
        ends = 3 * self.offsets // 2
        counts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.turned)])
        return np.asarray(counts[ends[1:]] > counts[ends[:-1]], dtype=np.bool_)

    def by_lattice(self) -> Iterator[LatticeGroup]:
        """Yield the tubes of each lattice as two-dimensional arrays, in the order in which lattices first appear."""
        if len(self.lattices) == 1 or (len(self) and (self.lattice_index == self.lattice_index[0]).all()):
            if len(self):
                yield self._group(int(self.lattice_index[0]), np.arange(len(self)), self.species, self.turned)
            return
        present, first = np.unique(self.lattice_index, return_index=True)
        for number in present[np.argsort(first)].tolist():
            rows = np.flatnonzero(self.lattice_index == number)
            part = self.take(rows)
            yield self._group(number, rows, part.species, part.turned)

    def _group(self, number: int, rows: IntArray, species: SpeciesArray, turned: BoolArray | None) -> LatticeGroup:
        bonds = None if turned is None else turned.reshape(len(rows), -1)
        return LatticeGroup(self.lattices[number], read_only(rows), species.reshape(len(rows), -1), bonds)


def _ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """Return ranges of whole numbers, given their (B,) starts and lengths, as one array."""
    ends = np.cumsum(lengths)
    every = np.arange(int(ends[-1]) if len(ends) else 0)
    return np.asarray(every + np.repeat(starts - (ends - lengths), lengths), dtype=np.int64)
