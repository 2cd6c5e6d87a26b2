"""pymatgen's AFLOW prototypes: real structure types that no training sees, and variations of them."""

from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from matgym.characterization.recognition.random_crystals import HEAVIEST, TOLERANCE
from matgym.characterization.symmetry import symmetry_finder
from matgym.errors import MissingExtraError
from matgym.structures.crystals import Crystal
from matgym.typing import IntArray

STRAIN: Final = 0.03
"""Largest strain of the cell of a variation; this number and the next one are ours."""

FURTHER: Final = 2
"""Largest difference of the atomic numbers of a species and of its substitute."""


@cache
def prototypes() -> tuple[tuple[Crystal, ...], IntArray]:
    """Return pymatgen's AFLOW prototypes in primitive cells, and the numbers of their space groups by spglib.

    Raises:
        MissingExtraError: if pymatgen is not installed.
    """
    try:
        from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
    except ImportError:
        raise MissingExtraError("pymatgen", "pymatgen") from None
    crystals, groups = list[Crystal](), list[int]()
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        structure = entry["snl"].structure
        crystals.append(Crystal.of(structure.get_primitive_structure()))
        groups.append(structure.get_space_group_info(symprec=0.01)[1])
    return tuple(crystals), np.array(groups, dtype=np.int64)


def varied(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Return a crystal of the same structure type with a strained cell and other, chemically near, species.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    found = strained(crystal, rng)
    species = np.unique(crystal.numbers)
    others = species
    while (others == species).all() or len(np.unique(others)) < len(species):
        others = np.clip(species + rng.integers(-FURTHER, FURTHER + 1, len(species)), 1, max(HEAVIEST, species[-1]))
    return replace(found, numbers=others[np.searchsorted(species, crystal.numbers)])


def strained(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Return a crystal with a strain of up to `STRAIN`, averaged over the point group, so that it keeps the symmetry.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    strain = rng.uniform(-STRAIN, STRAIN, (3, 3))
    spglib_cell = (crystal.cell, crystal.fractional, crystal.numbers)
    rotations = symmetry_finder().get_symmetry(spglib_cell, symprec=10.0 * TOLERANCE)["rotations"]
    turns = np.linalg.inv(crystal.cell) @ rotations.transpose(0, 2, 1) @ crystal.cell  # of Cartesian rows
    strain = (turns.transpose(0, 2, 1) @ (0.5 * (strain + strain.T)) @ turns).mean(axis=0)
    return replace(crystal, cell=crystal.cell @ (np.eye(3) + strain))
