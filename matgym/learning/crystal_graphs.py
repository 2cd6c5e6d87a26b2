"""Graphs of periodic crystals: atoms, their nearest neighbours within a cut-off, and the lattice, in batches.

A batch is ragged: atoms of all crystals lie in one array. Every atom has the same number of places for neighbours, as
in CGCNN (Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)). Neighbours lie nearer than the first one that has no
place: of several at equal distances, as symmetry makes them, either all are kept or none. Features of the
lattice do not depend on the choice of the cell vectors, and change continuously with the cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import ValueObject
from matgym.structures.crystals import Crystal
from matgym.typing import BoolArray, FloatArray, IntArray

SHORTEST: Final = 16
"""Number of the shortest lattice vectors, up to three cell vectors long in each direction, whose lengths describe a
lattice; v and -v count once. A choice of ours."""

CLOSE: Final = (0.01, 0.03, 0.1)
"""Relative differences of successive lengths that count as close; a choice of ours, from small strains on."""

LATTICE_FEATURES: Final = 1 + SHORTEST + len(CLOSE) * (SHORTEST - 1)
"""Number of features of a lattice."""

MOST_PAIRS: Final = 2e7
"""Most pairs of atoms and images of one crystal, for memory; ours."""

TIE: Final = 1e-6
"""Relative difference of distances that count as equal."""

_REACH: Final = 3
_COMBINATIONS: Final = np.stack(np.meshgrid(*[np.arange(-_REACH, _REACH + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
_HALF: Final = _COMBINATIONS[len(_COMBINATIONS) // 2 + 1 :]  # one of v and -v


@dataclass(frozen=True, eq=False)
class CrystalGraphs(ValueObject):
    """A batch of B crystals with A atoms in all and K places for neighbours.

    Attributes:
        numbers: (A,) atomic numbers.
        crystal: (A,) crystal of each atom.
        neighbours: (A, K) atoms of the batch that are near each atom; the atom itself where there are fewer.
        vectors: (A, K, 3) vectors to them, Å, also across cell boundaries; zero where there are fewer.
        inside: (A, K) whether there is a neighbour.
        reach_angstrom: (A,) distance below which neighbours of an atom are kept, Å.
        lattice: (B, `LATTICE_FEATURES`) features of lattices; see `lattice_features`.
    """

    numbers: IntArray
    crystal: IntArray
    neighbours: IntArray
    vectors: FloatArray
    inside: BoolArray
    reach_angstrom: FloatArray
    lattice: FloatArray

    @classmethod
    def of(cls, crystals: Sequence[Crystal], *, cutoff_angstrom: float = 6.0, neighbours: int = 16) -> "CrystalGraphs":
        """Return the graphs of crystals.

        Args:
            crystals: crystals, whose occupancies are not used.
            cutoff_angstrom: largest distance of a neighbour, Å.
            neighbours: largest number of neighbours of an atom; the nearest ones are kept.
        """
        return cls.joined([cls._single(reduced(crystal), cutoff_angstrom, neighbours) for crystal in crystals])

    @classmethod
    def joined(cls, parts: "Sequence[CrystalGraphs]") -> "CrystalGraphs":
        """Return one batch of the crystals of several batches, which have as many places for neighbours each."""
        atoms = np.array([len(part.numbers) for part in parts])
        crystals = np.array([len(part.lattice) for part in parts])
        first, firsts = np.cumsum(atoms) - atoms, np.cumsum(crystals) - crystals
        return cls(
            numbers=np.concatenate([part.numbers for part in parts]),
            crystal=np.concatenate([part.crystal + start for part, start in zip(parts, firsts, strict=True)]),
            neighbours=np.concatenate([part.neighbours + start for part, start in zip(parts, first, strict=True)]),
            vectors=np.concatenate([part.vectors for part in parts]),
            inside=np.concatenate([part.inside for part in parts]),
            reach_angstrom=np.concatenate([part.reach_angstrom for part in parts]),
            lattice=np.concatenate([part.lattice for part in parts]),
        )

    @classmethod
    def _single(cls, crystal: Crystal, cutoff_angstrom: float, most: int) -> "CrystalGraphs":
        """Return the graph of one crystal with a reduced cell."""
        near, vectors, inside, reach = nearest_neighbours(crystal, cutoff_angstrom, most)
        belongs = np.zeros(len(crystal.numbers), dtype=np.int64)
        return cls(crystal.numbers, belongs, near, vectors, inside, reach, lattice_features(crystal)[None])


def reduced(crystal: Crystal) -> Crystal:
    """Return the same crystal with the shortest cell vectors (Minkowski's reduction by ASE)."""
    from ase.geometry import minkowski_reduce

    cell = np.asarray(minkowski_reduce(np.array(crystal.cell))[0])
    places = crystal.fractional @ crystal.cell @ np.linalg.inv(cell)
    return Crystal(cell, places, crystal.numbers, crystal.occupancies)


def nearest_neighbours(
    crystal: Crystal, cutoff_angstrom: float, most: int
) -> tuple[IntArray, FloatArray, BoolArray, FloatArray]:
    """Return the nearest atoms of each atom of a crystal within a distance.

    All pairs are made at once. In the small cells of crystals this takes a quarter of the time of
    `matgym.structures.neighbours.find_neighbours`, which is for many atoms.

    Args:
        crystal: crystal of A atoms; a reduced cell needs the least memory.
        cutoff_angstrom: largest distance, Å.
        most: largest number of neighbours of an atom, K.

    Returns:
        (A, K) atoms, the nearest first; (A, K, 3) vectors to them, Å; (A, K) whether there is one; (A,) distances below
        which neighbours are kept, Å.

    Raises:
        StructureError: if there are too many pairs of atoms and images.
    """
    count = len(crystal.numbers)
    cell = crystal.cell
    apart = crystal.fractional - crystal.fractional[:, None]  # from the first atom to the second
    apart -= np.round(apart)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)  # distances of the faces of the cell
    images = np.floor(cutoff_angstrom / heights + 0.5).astype(np.int64)
    pairs = count**2 * float(np.prod(2 * images + 1))
    if pairs > MOST_PAIRS:
        raise StructureError(
            f"{count} atoms in a cell of {crystal.volume:.3g} Å³ have {pairs:.2g} pairs within {cutoff_angstrom:g} Å: "
            f"give a smaller cell or a shorter cut-off, at most {MOST_PAIRS:.0e} pairs"
        )
    shifts = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in images], indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = (apart @ cell)[:, :, None] + shifts @ cell  # (A, A, images, 3)
    squares = np.square(vectors).sum(axis=-1)
    squares[np.arange(count), np.arange(count), len(shifts) // 2] = np.inf  # the atom itself
    vectors, squares = vectors.reshape(count, -1, 3), squares.reshape(count, -1)
    kept = min(most + 1, squares.shape[1])
    nearest = np.argpartition(squares, kept - 1, axis=1)[:, :kept]
    nearest = np.take_along_axis(nearest, np.argsort(np.take_along_axis(squares, nearest, 1), axis=1, kind="stable"), 1)
    squares = np.take_along_axis(squares, nearest, axis=1)
    reach = np.full(count, cutoff_angstrom)
    if kept > most:
        reach = np.minimum(reach, (1.0 - TIE) * np.sqrt(squares[:, most]))
        nearest, squares = nearest[:, :most], squares[:, :most]
    inside = squares < reach[:, None] ** 2
    chosen = np.take_along_axis(vectors, nearest[..., None], axis=1) * inside[..., None]
    missing = ((0, 0), (0, most - nearest.shape[1]))
    inside = np.pad(inside, missing)
    atoms = np.where(inside, np.pad(nearest // len(shifts), missing), np.arange(count)[:, None])
    return atoms, np.pad(chosen, (*missing, (0, 0))), inside, reach


def lattice_features(crystal: Crystal) -> FloatArray:
    """Return (`LATTICE_FEATURES`,) features of the lattice of a crystal with a reduced cell.

    They are the logarithm of the volume for each atom, the lengths of the shortest lattice vectors in units of the
    third root of the volume, and how close successive ones are: symmetry makes lengths equal.
    """
    cell = crystal.cell / crystal.volume ** (1.0 / 3.0)
    lengths = np.sort(np.linalg.norm(_HALF @ cell, axis=1))[:SHORTEST]
    steps = np.diff(lengths) / lengths[1:]
    close = [np.exp(-np.square(steps / scale)) for scale in CLOSE]
    return np.concatenate([[np.log(crystal.volume / len(crystal.numbers))], lengths, *close])
