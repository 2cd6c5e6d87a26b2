"""From a crystal to the input of a network: its cell, its atoms and its symmetry as one array of fixed shape."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matgym.characterization.files import Structure
from matgym.characterization.steps import Steps
from matgym.characterization.symmetry import TOLERANCES, systems_by_tolerance
from matgym.errors import RefusalError
from matgym.structures.crystals import Crystal
from matgym.typing import Float32Array


class CrystalPipeline(Steps):
    """The steps for crystals: their arrays, filled up with places without an atom, and what spglib finds.

    The columns of an input are the three cell vectors (Å, with 0 below), then the fractional coordinates of the atoms
    with their atomic numbers below, where an atomic number of 0 means none, and last, in the first row, the numbers of
    the crystal systems that spglib finds at each of `TOLERANCES`; -1 means none.

    Attributes:
        kind: "crystal".
        most_atoms: largest number of atoms in the cell.
    """

    kind: Literal["crystal"] = "crystal"
    most_atoms: int = Field(default=96, ge=1, le=1000)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (4, 3 + most_atoms + tolerances) of one input of the network."""
        return 4, 3 + self.most_atoms + len(TOLERANCES)

    def apply(self, crystals: Sequence[Crystal]) -> Float32Array:
        """Return (B, 4, 3 + most_atoms + tolerances) inputs of crystals.

        Raises:
            RefusalError: if a crystal has too many atoms or partial occupancies.
            MissingExtraError: if spglib is not installed.
        """
        inputs = np.zeros((len(crystals), *self.shape), dtype=np.float32)
        for row, crystal in zip(inputs, crystals, strict=True):
            count = len(crystal.numbers)
            if count > self.most_atoms:
                raise RefusalError(
                    f"the crystal has {count} atoms in its cell: the network takes {self.most_atoms}; give its "
                    "primitive cell"
                )
            if (crystal.occupancies < 1.0).any():
                raise RefusalError("the crystal has places of mixed occupancy: the network takes full ones")
            row[:3, :3] = crystal.cell.T
            row[:3, 3 : 3 + count] = (crystal.fractional % 1.0).T
            row[3, 3 : 3 + count] = crystal.numbers
        inputs[:, 0, -len(TOLERANCES) :] = systems_by_tolerance(crystals)
        return inputs

    def of(self, measured: Structure) -> Float32Array:
        """Return the (1, 4, 3 + most_atoms + tolerances) input of one structure.

        Raises:
            RefusalError: if it is no structure, or has too many atoms or partial occupancies.
        """
        if not isinstance(measured, Structure):
            raise RefusalError(f"a {type(measured).__name__.lower()} is no structure: give a cell and its atoms")
        return self.apply([measured.crystal])


def crystals_of(inputs: NDArray[Any]) -> list[Crystal]:
    """Return the crystals of (B, 4, 3 + most_atoms + tolerances) inputs."""
    values = np.asarray(inputs, dtype=np.float64)
    found = []
    for row in values:
        there = row[3, 3:] > 0.0
        numbers = row[3, 3:][there].astype(np.int64)
        found.append(Crystal(row[:3, :3].T, row[:3, 3:].T[there], numbers, np.ones(len(numbers))))
    return found
