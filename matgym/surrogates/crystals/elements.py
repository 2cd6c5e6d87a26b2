"""Numbers that describe the composition and the density of a crystal, for linear models and for distances.

Element data are those that every crystal has: period and group of the periodic table, atomic mass (IUPAC 2016) and
covalent radius (Cordero et al., Dalton Trans. 2008, 2832) as ASE holds them, and Pauling's electronegativity as
pymatgen holds it. Mean, mean deviation and range over atoms describe a composition, as in Ward et al., npj Comput.
Mater. 2, 16028 (2016).
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from matgym.frozen import returns_read_only
from matgym.structures.crystals import LAST_ELEMENT, Crystal
from matgym.typing import FloatArray

PAULING: Final = (
    2.20, 0.00, 0.98, 1.57, 2.04, 2.55, 3.04, 3.44, 3.98, 0.00, 0.93, 1.31, 1.61, 1.90, 2.19, 2.58, 3.16, 0.00, 0.82,
    1.00, 1.36, 1.54, 1.63, 1.66, 1.55, 1.83, 1.88, 1.91, 1.90, 1.65, 1.81, 2.01, 2.18, 2.55, 2.96, 3.00, 0.82, 0.95,
    1.22, 1.33, 1.60, 2.16, 1.90, 2.20, 2.28, 2.20, 1.93, 1.69, 1.78, 1.96, 2.05, 2.10, 2.66, 2.60, 0.79, 0.89, 1.10,
    1.12, 1.13, 1.14, 1.13, 1.17, 1.20, 1.20, 1.10, 1.22, 1.23, 1.24, 1.25, 1.10, 1.27, 1.30, 1.50, 2.36, 1.90, 2.20,
    2.20, 2.28, 2.54, 2.00, 1.62, 2.33, 2.02, 2.00, 2.20, 2.20, 0.70, 0.90, 1.10, 1.30, 1.50, 1.38, 1.36, 1.28, 1.30,
    1.30, 1.30, 1.30, 1.30, 1.30, 1.30, 1.30, 1.30,
)  # fmt: skip
"""Electronegativities on Pauling's scale by atomic number, from pymatgen 2026.10; 0 for elements without one."""

NOBLE: Final = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic numbers at which the periods of the table end."""

COLUMNS: Final = ("period", "group", "atomic mass", "covalent radius", "electronegativity")
"""The data of an element."""

STATISTICS: Final = 3
"""Mean, mean deviation and range."""

DENSITIES: Final = 3
"""Volume per atom, its third root, and the share of it that spheres of covalent radii fill."""

DESCRIPTORS: Final = DENSITIES + STATISTICS * len(COLUMNS) + LAST_ELEMENT
"""Number of descriptors of a crystal: densities, statistics of element data, and the share of each element."""


def period_and_group(number: int) -> tuple[int, int]:
    """Return the period and the group of an element; lanthanides and actinides have the group 3."""
    period = next(k for k, last in enumerate(NOBLE) if number <= last)
    place, length = number - NOBLE[period - 1], NOBLE[period] - NOBLE[period - 1]
    if place <= 2 and place < length:  # not helium
        return period, place
    return period, max(3, 18 - (length - place))


@cache
@returns_read_only
def element_data() -> FloatArray:
    """Return the (119, columns) data of the elements by atomic number; the row 0 is of no element."""
    from ase.data import atomic_masses, covalent_radii

    found = np.zeros((LAST_ELEMENT + 1, len(COLUMNS)))
    for number in range(1, LAST_ELEMENT + 1):
        found[number, :2] = period_and_group(number)
    found[1:, 2] = atomic_masses[1 : LAST_ELEMENT + 1]
    found[1:, 3] = covalent_radii[1 : LAST_ELEMENT + 1]
    found[1 : len(PAULING) + 1, 4] = PAULING
    return found


def descriptors(crystals: Sequence[Crystal], *, has_volume: bool) -> FloatArray:
    """Return the (B, `DESCRIPTORS`) descriptors of crystals, whose occupancies are not used.

    They do not depend on the choice of the cell, on turns or on the order of atoms.

    Args:
        crystals: B crystals.
        has_volume: whether the volume of a cell means something, which that of a sheet with vacuum does not; without,
            densities are zero.
    """
    return np.stack([_described(crystal, has_volume=has_volume) for crystal in crystals])


def _described(crystal: Crystal, *, has_volume: bool) -> FloatArray:
    elements, counts = np.unique(crystal.numbers, return_counts=True)  # in one order, whatever that of the atoms is
    share, data = counts / counts.sum(), element_data()[elements]
    mean = share @ data
    shares = np.zeros(LAST_ELEMENT)
    shares[elements - 1] = share
    spheres = 4.0 / 3.0 * np.pi * float(share @ data[:, 3] ** 3)
    volume = crystal.volume / len(crystal.numbers)
    density = np.array([volume, volume ** (1.0 / 3.0), spheres / volume]) if has_volume else np.zeros(DENSITIES)
    return np.concatenate([density, mean, share @ np.abs(data - mean), np.ptp(data, axis=0), shares])
