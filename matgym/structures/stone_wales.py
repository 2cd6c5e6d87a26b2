"""Stone-Wales pairs: bonds of the honeycomb turned by 90°, which convert four hexagons into rings 5-7-7-5.

Source: Stone and Wales, Chem. Phys. Lett. 128, 501 (1986). The bond A-B is turned counter-clockwise, seen from
outside. Let v_left be the bond vector of A to the left of A → B. The turn cuts the bonds A—(A + v_left) and
B—(B - v_left), and makes the bonds A—(B - v_left) and B—(A + v_left).
"""

import numpy as np

from matgym.errors import SiteError, StructureError, is_whole
from matgym.structures.lattice import TubeLattice
from matgym.structures.symmetry import Pairs
from matgym.typing import FloatArray, IntArray


def _listed(pairs: object) -> list[tuple[int, int]]:
    """Return pairs of whole numbers; a flat sequence of them counts two by two.

    Raises:
        SiteError: if they are something else.
    """
    try:
        array = np.asarray(pairs, dtype=object).reshape(-1, 2)
    except ValueError:  # ragged, or an odd number of sites
        array = np.array([[pairs, None]], dtype=object)
    for pair in array:
        if not all(is_whole(site) for site in pair):
            raise SiteError(f"stone_wales={pairs!r:.80} must be pairs of sites, whole numbers: ((0, 32),)")
    return [(int(a), int(b)) for a, b in array]


def validated_pairs(lattice: TubeLattice, pairs: object) -> Pairs:
    """Return pairs as sorted (A site, B site) tuples.

    Raises:
        SiteError: if a pair is not a bond of the lattice.
        StructureError: if two pairs share or touch an atom, or the tube is so thin or short that the six atoms around a
            bond are not distinct.
    """
    valid = []
    for pair in _listed(pairs):
        a, b = sorted(pair)
        if not 0 <= a < lattice.n_cells <= b < lattice.n_sites or b not in lattice.neighbours[a]:
            raise SiteError(f"sites {pair[0]} and {pair[1]} are not bonded: give the two sites of a bond")
        valid.append((a, b))
    valid.sort()
    taken: set[int] = set()
    for a, b in valid:
        touched = set(lattice.neighbours[[a, b]].ravel().tolist())
        if len(touched) < 6:
            raise StructureError(
                f"{lattice.cells} cells of a ({lattice.n}, {lattice.m}) tube are too few to turn a bond: give more "
                "cells or a wider tube"
            )
        if touched & taken:
            raise StructureError(f"the Stone-Wales pair ({a}, {b}) touches another pair: turn bonds further apart")
        taken |= touched
    turned_bonds(lattice, tuple(valid))  # raises an error if the tube is too short
    return tuple(valid)


def turned_bonds(lattice: TubeLattice, pairs: Pairs) -> IntArray:
    """Return the (3 n_cells, 3) bonds after the turns, as (site, site, image of the second site).

    Raises:
        StructureError: if the tube is so short that a new bond would reach past the next cell.
    """
    bonds = lattice.bonds.copy()
    n_cells = lattice.n_cells
    for a, b in pairs:
        turned = direction(lattice, a, b)
        left = left_of(lattice, turned)
        of_a = left * n_cells + a
        of_b = left * n_cells + int(np.flatnonzero(lattice.bonds[left * n_cells :][:n_cells, 1] == b)[0])
        image = lattice.bonds[turned * n_cells + a, 2]
        _, x, x_image = lattice.bonds[of_a]
        y, _, y_image = lattice.bonds[of_b]
        bonds[of_a] = a, y, image - y_image
        bonds[of_b] = b, x, x_image - image
    if np.abs(bonds[:, 2]).max() > 1:
        raise StructureError(f"{lattice.cells} cells are too few to turn a bond: repeat the tube")
    return bonds


def direction(lattice: TubeLattice, a: int, b: int) -> int:
    """Return the index of the bond from A site `a` to B site `b` among the three bonds of `a`."""
    return int(np.flatnonzero(lattice.neighbours[a] == b)[0])


def left_of(lattice: TubeLattice, turned: int) -> int:
    """Return the index of the bond of an A atom that points to the left of its turned bond."""
    x, y = lattice.bond_vectors[turned]
    across = lattice.bond_vectors @ np.array([-y, x])  # components along the bond turned by +90°
    return int(across.argmax())


def sheet_moves(lattice: TubeLattice, pairs: Pairs, scale: FloatArray) -> FloatArray:
    """Return the (n_sites, 2) displacements of atoms on the sheet by turns of bonds about their middles, Å.

    `scale` are the factors of the sheet's strain, around and along.
    """
    moves = np.zeros((lattice.n_sites, 2))
    for a, b in pairs:
        x, y = lattice.bond_vectors[direction(lattice, a, b)] * scale
        turned = np.array([-y, x])
        half = (np.array([x, y]) - turned) / 2.0
        moves[a], moves[b] = half, -half  # A goes from -v/2 to -v_turned/2
    return moves
