"""Atoms under a microscope: tubes and ASE structures as positions and atomic numbers, repeated along the axis."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import ValueObject
from matgym.structures import SPECIES_DATA, Nanotube, Species
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

ATOMIC_NUMBERS: Final = {"": 0, "B": 5, "C": 6, "N": 7}

MOST_ATOMS: Final = 1_000_000
"""Most atoms of one specimen; a choice of ours."""

_NUMBERS: Final = np.array([ATOMIC_NUMBERS[SPECIES_DATA[species].symbol] for species in Species], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Specimen(ValueObject):
    """Atoms, and the period along z.

    Attributes:
        positions: (A, 3) positions, Å; the axis of a tube is z, through the origin.
        numbers: (A,) atomic numbers.
        period_angstrom: length of the period along z, Å; 0 for structures without one.
        twist_rad: rotation from one period to the next, radians.
    """

    positions: FloatArray
    numbers: IntArray
    period_angstrom: float = 0.0
    twist_rad: float = 0.0

    @classmethod
    def of(cls, structure: "Nanotube | Atoms | Specimen") -> "Specimen":
        """Return the atoms of a tube without its vacancies, of ASE atoms as they are, or a specimen itself.

        ASE atoms are periodic if they are so along z, with a cell vector along z; the axis is the middle of their
        extent.

        Raises:
            StructureError: if there are no atoms, a cell vector along z is oblique, or it is no structure.
        """
        if isinstance(structure, Specimen):
            return structure
        if isinstance(structure, Nanotube):
            numbers = _NUMBERS[structure.species]
            held = numbers > 0
            length = structure.length_angstrom
            twist = structure.torsion * length / (5.0 * structure.diameter_nm)
            return cls(structure.positions_angstrom[held], numbers[held], length, twist)
        if not hasattr(structure, "get_positions"):
            raise StructureError(f"{structure!r:.60} is no structure: give a Nanotube or ase.Atoms")
        if not len(structure):
            raise StructureError("a structure without atoms has no image: give one or more atoms")
        positions, period = structure.get_positions(), 0.0
        if structure.pbc[2]:
            vector = np.asarray(structure.cell[2])
            period = float(vector[2])
            if np.abs(vector[:2]).max() > 1e-6 or period <= 0.0:
                raise StructureError(f"the period {vector} is not along z: turn the structure until it is")
        low, high = positions[:, :2].min(axis=0), positions[:, :2].max(axis=0)
        positions = positions - np.append((low + high) / 2.0, 0.0 if period else positions[:, 2].mean())
        return cls(positions, np.asarray(structure.numbers, dtype=np.int64), period)


def along_axis(specimen: Specimen, half_angstrom: float, shift_angstrom: float = 0.0) -> Specimen:
    """Return the atoms between ± half a length along z, after a shift; periodic specimens are repeated to fill it.

    Raises:
        StructureError: if there are more than `MOST_ATOMS`.
    """
    positions = specimen.positions + np.array([0.0, 0.0, shift_angstrom])
    numbers = specimen.numbers
    if specimen.period_angstrom:
        period = specimen.period_angstrom
        first = int(np.floor((-half_angstrom - positions[:, 2].max()) / period))
        last = int(np.ceil((half_angstrom - positions[:, 2].min()) / period))
        copies = np.arange(first, last + 1)
        if len(copies) * len(numbers) > MOST_ATOMS:
            raise StructureError(
                f"{len(copies) * len(numbers):,} atoms are in view: give a smaller field; at most {MOST_ATOMS:,}"
            )
        x, y, z = positions.T
        turn = copies[:, None] * specimen.twist_rad
        cos, sin = np.cos(turn), np.sin(turn)
        repeated = (cos * x - sin * y, sin * x + cos * y, z + copies[:, None] * period)
        positions = np.stack(repeated, axis=-1).reshape(-1, 3)
        numbers = np.tile(numbers, len(copies))
    inside = np.abs(positions[:, 2]) <= half_angstrom
    return Specimen(positions[inside], numbers[inside])
