"""Crystals for powder diffraction: cells and atoms as arrays, and the X-ray scattering factors of atoms."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from matgym.errors import MissingExtraError, StructureError
from matgym.files import parse_json
from matgym.frozen import ValueObject
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

MOTT_BETHE: Final = 41.78214
"""8π² times the Bohr radius, Å: the factor in the formula of Mott and Bethe, which turns electron into X-ray scattering
factors; the value that pymatgen uses."""

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

    def strained(self, factors: FloatArray) -> Self:
        """Return the crystal with cell vectors of other lengths, by (3,) factors."""
        return type(self)(self.cell * np.asarray(factors)[:, None], self.fractional, self.numbers, self.occupancies)


def xray_factors(number: int, squared: FloatArray) -> FloatArray:
    """Return the X-ray scattering factors of an element, without anomalous dispersion.

    Args:
        number: atomic number.
        squared: (...) squares of s = sin(θ)/λ, 1/Å².

    Returns:
        (...) factors, electrons: Z - 41.78 s² Σ a exp(-b s²), with the electron scattering factors of De Graef and
        McHenry, *Structure of Materials* (2007), as in pymatgen, whose file is read.

    Raises:
        StructureError: if the table does not have the element.
        MissingExtraError: if pymatgen is not installed.
    """
    table = _table()
    if number not in table:
        raise StructureError(f"no X-ray scattering factor for atomic number {number}: give an element up to 98")
    electron = np.zeros(np.shape(squared))
    for a, b in table[number]:
        electron += a * np.exp(-b * squared)
    return np.asarray(number - MOTT_BETHE * squared * electron)


@cache
def _table() -> dict[int, list[tuple[float, float]]]:
    from ase.data import atomic_numbers

    try:
        file = resources.files("pymatgen.analysis.diffraction") / "atomic_scattering_params.json"
    except ModuleNotFoundError:
        raise MissingExtraError("pymatgen", "pymatgen") from None
    listed = parse_json(file.read_text(encoding="utf-8"), str(file))
    known = {symbol: atomic_numbers[symbol] for symbol in listed if symbol in atomic_numbers}  # not deuterium
    return {number: [(pair[0], pair[1]) for pair in listed[symbol]] for symbol, number in known.items()}
