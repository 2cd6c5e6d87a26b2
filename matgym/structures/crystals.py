"""Crystals: periodic cells and their atoms as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import ValueObject, returns_read_only
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

LAST_ELEMENT: Final = 118
"""Atomic number of the last known element."""

MOST_CRYSTAL_ATOMS: Final = 5000
"""Most atoms in a cell; a choice of ours."""


@dataclass(frozen=True, eq=False)
class Crystal(ValueObject, copies=True):
    """A crystal. Sites of mixed occupancy are several atoms at one place.

    Attributes:
        cell: (3, 3) cell vectors in rows, Å.
        fractional: (A, 3) coordinates in units of the cell vectors.
        numbers: (A,) atomic numbers.
        occupancies: (A,) occupancies, 0 to 1.

    Raises:
        StructureError: if shapes differ, numbers are not finite, the cell is flat, or there are no or too many atoms.
    """

    cell: FloatArray
    fractional: FloatArray
    numbers: IntArray
    occupancies: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.numbers)
        shapes = (self.cell.shape, self.fractional.shape, self.occupancies.shape)
        if shapes != ((3, 3), (count, 3), (count,)):
            raise StructureError(f"cell, fractional and occupancies have shapes {shapes}: give {count} atoms in a cell")
        if not 1 <= count <= MOST_CRYSTAL_ATOMS:
            raise StructureError(f"a crystal of {count} atoms: give 1 to {MOST_CRYSTAL_ATOMS:,}")
        if not (np.isfinite(self.cell).all() and np.isfinite(self.fractional).all() and self.volume > 1.0):
            raise StructureError(
                f"a cell of {self.volume:g} Å³: give finite vectors of more than 1 Å³, and coordinates"
            )

    @property
    def volume(self) -> float:
        """Volume of the cell, Å³."""
        return abs(float(np.linalg.det(self.cell)))

    @property
    @returns_read_only
    def reciprocal(self) -> FloatArray:
        """(3, 3) reciprocal vectors in rows, without 2π, 1/Å."""
        return np.asarray(np.linalg.inv(self.cell).T)

    @classmethod
    def of(cls, structure: "Crystal | Atoms | Structure") -> "Crystal":
        """Return a crystal from ASE atoms, a pymatgen structure with any occupancies, or as it is.

        Raises:
            StructureError: if it is none of them, or is not periodic.
        """
        if isinstance(structure, Crystal):
            return structure
        if hasattr(structure, "get_scaled_positions"):
            if not structure.pbc.all():
                raise StructureError(f"{structure} is not periodic in three directions: give a crystal")
            return cls(
                np.asarray(structure.cell.array, dtype=float),
                structure.get_scaled_positions(),
                np.asarray(structure.numbers, dtype=np.int64),
                np.ones(len(structure)),
            )
        if hasattr(structure, "lattice"):
            atoms = [
                (site.frac_coords, element.Z, share) for site in structure for element, share in site.species.items()
            ]
            places, numbers, shares = zip(*atoms, strict=True)
            return cls(np.array(structure.lattice.matrix), np.array(places), np.array(numbers), np.array(shares))
        raise StructureError(f"{structure!r:.60} is no crystal: give ase.Atoms, a pymatgen Structure or a Crystal")

    def to_atoms(self) -> "Atoms":
        """Return the crystal as ASE atoms, periodic in three directions.

        Raises:
            StructureError: if sites are partly occupied.
        """
        from ase import Atoms

        if (self.occupancies != 1.0).any():
            raise StructureError(f"an occupancy is {self.occupancies.min():g}: ASE's atoms are whole ones")
        return Atoms(self.numbers, scaled_positions=self.fractional, cell=self.cell, pbc=True)

    @classmethod
    def of_lists(
        cls,
        cell: Sequence[float],
        fractional: Sequence[float],
        numbers: Sequence[int],
        occupancies: Sequence[float] | None = None,
    ) -> Self:
        """Return a crystal of flat lists, as columns of tables hold them.

        Args:
            cell: (9,) the three cell vectors in turn, Å.
            fractional: (3A,) three coordinates for each atom.
            numbers: (A,) atomic numbers.
            occupancies: (A,) occupancies; None for whole atoms.

        Raises:
            StructureError: if they are no crystal.
            ValueError: if there are too few or too many numbers, or values of another kind.
        """
        atoms = np.asarray(numbers, dtype=np.int64)
        return cls(
            np.asarray(cell, dtype=np.float64).reshape(3, 3),
            np.asarray(fractional, dtype=np.float64).reshape(-1, 3),
            atoms,
            np.ones(len(atoms)) if occupancies is None else np.asarray(occupancies, dtype=np.float64),
        )

    def strained(self, factors: FloatArray) -> Self:
        """Return the crystal with cell vectors of other lengths, by (3,) factors."""
        return type(self)(self.cell * np.asarray(factors)[:, None], self.fractional, self.numbers, self.occupancies)
