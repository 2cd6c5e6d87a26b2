"""The search for the symmetry of crystals by spglib, which comes with pymatgen (`pip install 'matgym[pymatgen]'`).

A search needs a tolerance: the largest distance, Å, between an atom and the place that symmetry gives it. No tolerance
fits all noise, so that `systems_by_tolerance` answers for several.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from matgym.errors import MissingExtraError
from matgym.structures.crystals import Crystal
from matgym.typing import FloatArray, IntArray

SYSTEMS: Final = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
"""Crystal systems in the order of their space groups."""

LAST_GROUPS: Final = (2, 15, 74, 142, 167, 194, 230)
"""Number of the last space group of each system."""

TOLERANCES: Final[tuple[float, ...]] = tuple(np.geomspace(0.001, 1.0, 13).tolist())
"""Tolerances of searches, Å; a choice of ours."""


def symmetry_finder() -> Any:
    """Return the module spglib.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import spglib
    except ModuleNotFoundError:
        raise MissingExtraError("spglib", "pymatgen") from None
    return spglib


def crystal_system(group: int) -> int:
    """Return the number of the crystal system of a space group, 0 for triclinic to 6 for cubic."""
    return int(np.searchsorted(LAST_GROUPS, group))


def systems_of_structures(crystals: Sequence[Crystal], tolerance_angstrom: float) -> IntArray:
    """Return the (B,) crystal systems that spglib finds, at the largest of halved tolerances at which it finds any.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    return np.array(
        [_system((crystal.cell, crystal.fractional, crystal.numbers), tolerance_angstrom) for crystal in crystals],
        dtype=np.int64,
    )


def systems_of_lattices(crystals: Sequence[Crystal], tolerance_angstrom: float) -> IntArray:
    """Return the (B,) crystal systems that spglib finds for lattices without their atoms.

    A hexagonal lattice, which trigonal crystals have as well, counts as hexagonal.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    return np.array([_system((crystal.cell, np.zeros((1, 3)), [1]), tolerance_angstrom) for crystal in crystals])


def systems_by_tolerance(crystals: Sequence[Crystal]) -> IntArray:
    """Return the (B, tolerances) crystal systems that spglib finds at each of `TOLERANCES`; -1 for none.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    return np.stack([systems_of_structures(crystals, tolerance) for tolerance in TOLERANCES], axis=1)


def _system(cell: tuple[FloatArray, FloatArray, Any], tolerance: float) -> int:
    spglib = symmetry_finder()
    while tolerance > 0.1 * TOLERANCES[0]:
        found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
        if found is not None:
            return crystal_system(found.number)
        tolerance /= 2.0
    return -1
