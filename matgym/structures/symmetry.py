"""Symmetry operations of a tube's lattice, as permutations of its sites.

An operation is an array `sources` of shape (n_sites,): `species[sources]` is the transformed tube. Every tube has its
lattice translations (rotations and screws) and the two-fold rotation across the axis; achiral tubes also have mirrors.

Source: Damnjanović et al., Phys. Rev. B 60, 2728 (1999).
"""

from typing import TypeAlias

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import cached_by_bytes, returns_read_only
from matgym.structures.lattice import TubeLattice
from matgym.structures.memory import check_memory
from matgym.typing import IntArray, SpeciesArray

Pairs: TypeAlias = tuple[tuple[int, int], ...]
"""Stone-Wales pairs: the (A site, B site) of each bond that is turned by 90°."""


def translation(lattice: TubeLattice, p: int, q: int) -> IntArray:
    """Return the (n_sites,) operation that moves all sites by p a₁ + q a₂."""
    return lattice.sites_at(lattice.site_cells - np.array([p, q]), _sublattice(lattice))


def flip(lattice: TubeLattice) -> IntArray:
    """Return the (n_sites,) rotation by 180° about an axis across the tube, through the middle of a bond.

    It maps r to δ - r with δ = (a₁ + a₂)/3, the bond from an A site to the B site of its cell, and exchanges the two
    sublattices.
    """
    return lattice.sites_at(-lattice.site_cells, 1 - _sublattice(lattice))


def mirror(lattice: TubeLattice) -> IntArray:
    """Return the (n_sites,) reflection of an achiral tube in a plane.

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
            f"({lattice.n}, {lattice.m}) is chiral and has no mirror plane: give a zigzag or an armchair tube"
        )
    return lattice.sites_at(image, sublattice)


@cached_by_bytes()
@returns_read_only
def symmetry_group(lattice: TubeLattice) -> IntArray:
    """Return the (operations, n_sites) symmetry operations of the undecorated lattice.

    Raises:
        StructureError: if the tube is so large that they would not fit into memory.
    """
    operations = lattice.n_sites * (1 + lattice.is_achiral)
    what = f"({lattice.n}, {lattice.m}) tube of {lattice.cells} cells: the comparison with its symmetric copies"
    check_memory(what, 24 * operations * lattice.n_sites)
    cells = lattice.site_cells[: lattice.n_cells]
    translations = np.stack([translation(lattice, int(p), int(q)) for p, q in cells])
    group = np.concatenate([translations, flip(lattice)[translations]])
    if lattice.is_achiral:
        group = np.concatenate([group, mirror(lattice)[group]])
    return group


@cached_by_bytes()
@returns_read_only
def symmetry_between_leads(lattice: TubeLattice, *, mirrors: bool = True) -> IntArray:
    """Return the (operations, n_sites) symmetry operations of a tube between two leads.

    These are rotations about the axis, rotations that exchange the two ends, and mirrors; none moves a site across an
    end.
    """
    group = symmetry_group(lattice)
    if lattice.is_achiral and not mirrors:
        group = group[: len(group) // 2]
    height = lattice.axial_thirds(lattice.home_cells, np.repeat([0, 1], lattice.n_cells))
    kept = (height[group] == height).all(axis=1)
    turned = np.ptp(height[group] + height, axis=1) == 0
    operations: IntArray = group[kept | turned]
    return operations


def canonical_form(
    lattice: TubeLattice, species: SpeciesArray, pairs: Pairs = (), *, mirrors: bool = True
) -> tuple[SpeciesArray, Pairs]:
    """Return the symmetric copy of a tube that is first in lexicographic order, by pairs and then by codes.

    Args:
        lattice: lattice whose symmetry operations make the copies.
        species: (n_sites,) codes.
        pairs: Stone-Wales pairs (A site, B site).
        mirrors: whether mirror images are copies, too; the mirror image of a twisted tube is twisted the other way.
    """
    group = symmetry_group(lattice)
    proper = len(group) // 2 if lattice.is_achiral else len(group)
    if not mirrors:
        group = group[:proper]
    copies = species[group]  # (operations, n_sites)
    if pairs:
        moved = np.argsort(group, axis=1)[:, np.array(pairs)]  # (operations, pairs, 2): new sites of the pairs
        for pair in range(len(pairs)):
            _exchange(copies[proper:], moved[proper:, pair])
        moved = np.sort(moved, axis=2)  # A sites come before B sites
        order = np.argsort(moved[:, :, 0], axis=1)
        moved = np.take_along_axis(moved, order[:, :, None], axis=1).reshape(len(group), -1)
        copies = np.concatenate([moved, copies], axis=1)
    for column in range(copies.shape[1]):
        values = copies[:, column]
        least = values == values.min()
        if least.all():  # in most columns of a tube with few dopants: a copy of all would take the cube of its sites
            continue
        copies = copies[least]
        if len(copies) == 1:
            break
    first = copies[0]
    first_pairs = tuple((int(a), int(b)) for a, b in first[: 2 * len(pairs)].reshape(-1, 2))
    return np.asarray(first[2 * len(pairs) :], dtype=np.uint8), first_pairs


def moved_pairs(sources: IntArray, pairs: Pairs) -> Pairs:
    """Return Stone-Wales pairs after an operation."""
    target = np.argsort(sources)
    moved = [sorted((int(target[a]), int(target[b]))) for a, b in pairs]
    return tuple((a, b) for a, b in sorted(moved))


def _exchange(copies: SpeciesArray, pair: IntArray) -> None:
    """Exchange, in place and row by row, the species on the two sites of a pair.

    A mirror reverses the sense of rotation of a Stone-Wales pair, which is equivalent to the same rotation with its two
    atoms exchanged.
    """
    rows = np.arange(len(copies))[:, None]
    copies[rows, pair] = copies[rows, pair[:, ::-1]]


def _sublattice(lattice: TubeLattice) -> IntArray:
    return np.repeat(np.array([0, 1]), lattice.n_cells)
