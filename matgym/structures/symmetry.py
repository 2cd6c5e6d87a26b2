"""Symmetry operations of a tube's lattice, as permutations of its sites.

An operation is an array `sources` of shape (n_sites,): `species[sources]` is the transformed tube. Every
tube has its lattice translations (rotations and screws) and the two-fold turn across the axis; achiral
tubes have mirrors besides (Damnjanović et al., Phys. Rev. B 60, 2728 (1999)).
"""

from functools import lru_cache

import numpy as np

from matgym.errors import StructureError
from matgym.structures.lattice import TubeLattice
from matgym.typing import IntArray, SpeciesArray


def translation(lattice: TubeLattice, p: int, q: int) -> IntArray:
    """(n_sites,): move everything by p a₁ + q a₂."""
    return lattice.sites_at(lattice.site_cells - np.array([p, q]), _sublattice(lattice))


def flip(lattice: TubeLattice) -> IntArray:
    """(n_sites,): turn by 180° about an axis across the tube, through the middle of a bond.

    r → δ - r with δ = (a₁ + a₂)/3, the bond from an A to the B of its cell, swaps the two sublattices.
    """
    return lattice.sites_at(-lattice.site_cells, 1 - _sublattice(lattice))


def mirror(lattice: TubeLattice) -> IntArray:
    """(n_sites,): reflect an achiral tube in a plane.

    Raises:
        StructureError: if the tube is chiral.
    """
    p, q = lattice.site_cells.T
    sublattice = _sublattice(lattice)
    if lattice.m == 0:  # a₁ → -a₁, which keeps T; the B atom at (a₁ + a₂)/3 goes to that of cell -a₁
        image = np.stack([-p - q - sublattice, q], axis=1)
    elif lattice.m == lattice.n:  # a₁ ↔ a₂, which keeps C
        image = np.stack([q, p], axis=1)
    else:
        raise StructureError(
            f"({lattice.n}, {lattice.m}) is chiral and has no mirror: its image is ({lattice.m}, {lattice.n})"
        )
    return lattice.sites_at(image, sublattice)


@lru_cache(maxsize=64)
def symmetry_group(lattice: TubeLattice) -> IntArray:
    """(operations, n_sites): all symmetry operations of the empty lattice."""
    cells = lattice.site_cells[: lattice.n_cells]
    translations = np.stack([translation(lattice, int(p), int(q)) for p, q in cells])
    group = np.concatenate([translations, flip(lattice)[translations]])
    if lattice.is_achiral:
        group = np.concatenate([group, mirror(lattice)[group]])
    group.setflags(write=False)
    return group


def canonical_species(lattice: TubeLattice, species: SpeciesArray) -> SpeciesArray:
    """The one among all symmetric copies whose codes come first in lexicographic order."""
    copies = species[symmetry_group(lattice)]  # (operations, n_sites)
    for site in range(copies.shape[1]):
        column = copies[:, site]
        copies = copies[column == column.min()]
        if len(copies) == 1:
            break
    return np.asarray(copies[0])


def _sublattice(lattice: TubeLattice) -> IntArray:
    return np.repeat(np.array([0, 1]), lattice.n_cells)
