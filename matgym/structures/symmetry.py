"""Symmetry operations of a tube's lattice, as permutations of its sites.

An operation is an array `sources` of shape (n_sites,): `species[sources]` is the transformed tube. Every
tube has its lattice translations (rotations and screws) and the two-fold turn across the axis; achiral
tubes have mirrors besides (Damnjanović et al., Phys. Rev. B 60, 2728 (1999)).
"""

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from matgym.errors import StructureError
from matgym.structures.lattice import TubeLattice
from matgym.typing import IntArray, SpeciesArray

Pairs: TypeAlias = tuple[tuple[int, int], ...]
"""Stone-Wales pairs: the (A site, B site) of each bond that is turned by 90°."""


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


@lru_cache(maxsize=256)
def symmetry_between_leads(lattice: TubeLattice, *, mirrors: bool = True) -> IntArray:
    """(operations, n_sites): those that take the tube between two leads to itself.

    Turns about the axis, end for end, and mirror images; nothing that carries a site across an end.
    """
    group = symmetry_group(lattice)
    if lattice.is_achiral and not mirrors:
        group = group[: len(group) // 2]
    height = lattice.axial_thirds(lattice.home_cells, np.repeat([0, 1], lattice.n_cells))
    kept = (height[group] == height).all(axis=1)
    turned = np.ptp(height[group] + height, axis=1) == 0
    operations: IntArray = group[kept | turned]
    operations.setflags(write=False)
    return operations


def canonical_form(
    lattice: TubeLattice, species: SpeciesArray, pairs: Pairs = (), *, mirrors: bool = True
) -> tuple[SpeciesArray, Pairs]:
    """The one among all symmetric copies that comes first in lexicographic order, by pairs and then by codes.

    Args:
        lattice: whose symmetry counts.
        species: (n_sites,) codes.
        pairs: Stone-Wales pairs (A site, B site).
        mirrors: whether mirror images count as copies; those of a twisted tube are twisted the other way.
    """
    group = symmetry_group(lattice)
    proper = len(group) // 2 if lattice.is_achiral else len(group)
    if not mirrors:
        group = group[:proper]
    copies = species[group]  # (operations, n_sites)
    if pairs:
        moved = np.argsort(group, axis=1)[:, np.array(pairs)]  # (operations, pairs, 2): where the sites go
        for pair in range(len(pairs)):
            _exchange(copies[proper:], moved[proper:, pair])
        moved = np.sort(moved, axis=2)  # A sites come before B sites
        order = np.argsort(moved[:, :, 0], axis=1)
        moved = np.take_along_axis(moved, order[:, :, None], axis=1).reshape(len(group), -1)
        copies = np.concatenate([moved, copies], axis=1)
    for column in range(copies.shape[1]):
        values = copies[:, column]
        copies = copies[values == values.min()]
        if len(copies) == 1:
            break
    first = copies[0]
    found = tuple((int(a), int(b)) for a, b in first[: 2 * len(pairs)].reshape(-1, 2))
    return np.asarray(first[2 * len(pairs) :], dtype=np.uint8), found


def moved_pairs(sources: IntArray, pairs: Pairs) -> Pairs:
    """Stone-Wales pairs after an operation."""
    target = np.argsort(sources)
    found = [sorted((int(target[a]), int(target[b]))) for a, b in pairs]
    return tuple((a, b) for a, b in sorted(found))


def _exchange(copies: SpeciesArray, pair: IntArray) -> None:
    """Exchange, in place and row by row, what the two sites of a pair hold.

    A mirror turns the sense in which a Stone-Wales pair was turned about, and that is as good as the same turn with
    its two atoms exchanged.
    """
    rows = np.arange(len(copies))[:, None]
    copies[rows, pair] = copies[rows, pair[:, ::-1]]


def _sublattice(lattice: TubeLattice) -> IntArray:
    return np.repeat(np.array([0, 1]), lattice.n_cells)
