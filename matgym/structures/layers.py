"""The layer or the chain that a crystal holds, found by its bonds.

Two atoms are bonded if they are closer than 1.25 times the sum of their covalent radii. Loops of bonds that come back
to an image of their first atom give the directions in which the bonded atoms are periodic: two for a layer, one for a
chain such as a tube. The other cell vectors then leave it, and neither their lengths nor their angles matter.
"""

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import StructureError
from matgym.structures.crystals import Crystal
from matgym.structures.neighbours import find_neighbours, join_neighbours
from matgym.structures.walk import components
from matgym.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

BOND_FACTOR: Final = 1.25
"""Largest length of a bond relative to the sum of the covalent radii; a choice of ours. Bonds of the sheets in
`scripts/studies/sheets.py` are below 1.07, and atoms of two layers of graphite are 2.2 radii apart."""

_FOUND: Final = {
    0: "no crystal but a molecule",
    1: "a chain",
    2: "a layer",
    3: "a crystal that bonds connect in three directions",
}


def find_layer(structure: "Crystal | Atoms | Structure") -> tuple[FloatArray, FloatArray, IntArray]:
    """Return the layer that a structure holds, in one piece.

    Args:
        structure: one layer; periodic in two or in three directions.

    Returns:
        (2, 3) vectors of the period, right-handed about the third cell vector, Å; (A, 3) positions, Å; (A,) atomic
        numbers.

    Raises:
        StructureError: if the bonds do not connect the atoms to one layer, the layer is not parallel to two cell
            vectors, or sites are partly occupied.
    """
    joined, cell, loops, numbers = _joined(structure, "layer", 2)
    free = np.flatnonzero(~loops.any(axis=0))
    if len(free) != 1:
        raise StructureError("the layer is not parallel to two of the cell vectors: give a cell in which it is")
    axis = int(free[0])
    return cell[[(axis + 1) % 3, (axis + 2) % 3]], joined, numbers


def find_chain(structure: "Crystal | Atoms | Structure") -> tuple[FloatArray, FloatArray, IntArray]:
    """Return the chain, such as a tube, that a structure holds, in one piece.

    Args:
        structure: one chain, in any direction of the cell.

    Returns:
        (3,) vector of the period, Å; (A, 3) positions, Å; (A,) atomic numbers.

    Raises:
        StructureError: if the bonds do not connect the atoms to one chain, or sites are partly occupied.
    """
    joined, cell, loops, numbers = _joined(structure, "chain", 1)
    first = loops[np.flatnonzero(loops.any(axis=1))[0]]
    step = first // math.gcd(*first.tolist())
    periods = math.gcd(*(loops @ step // (step @ step)).tolist())
    return periods * step @ cell, joined, numbers


def _joined(
    structure: "Crystal | Atoms | Structure", name: str, directions: int
) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Return (A, 3) positions of bonded atoms in one piece, the cell, (P, 3) loops in whole cells, and atomic numbers.

    Args:
        structure: the structure.
        name: what it has to be.
        directions: number of directions in which that is periodic.

    Raises:
        StructureError: if it is something else.
    """
    positions, cell, periodic, numbers = _atoms_of(structure)
    i, j, vectors = bonds(positions, cell, periodic, numbers)
    parts, _ = components(len(numbers), i, j)
    if parts > 1:
        raise StructureError(f"bonds connect the atoms to {parts} parts, not to one {name}: give a single {name}")
    joined = join_neighbours(positions, i, j, vectors)
    loops = np.rint(np.linalg.solve(cell.T, (vectors - (joined[j] - joined[i])).T)).T.astype(np.int64)
    rank = int(np.linalg.matrix_rank(loops)) if len(loops) else 0
    if rank != directions:
        raise StructureError(f"the atoms form {_FOUND[rank]}: give a {name} with empty space around it")
    return joined, cell, loops, numbers


def bonds(
    positions: FloatArray, cell: FloatArray, periodic: BoolArray, numbers: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return (P,) atoms i, (P,) atoms j, and (P, 3) vectors from i to j, Å, of bonds by covalent radii.

    The radii are those of Cordero et al., Dalton Trans. 2008, 2832, as ASE holds them.
    """
    from ase.data import covalent_radii

    radii = BOND_FACTOR * covalent_radii[numbers]
    i, j, vectors = find_neighbours(positions, cell, periodic, 2.0 * float(radii.max()))
    bonded = np.linalg.norm(vectors, axis=1) <= radii[i] + radii[j]
    return i[bonded], j[bonded], vectors[bonded]


def _atoms_of(structure: "Crystal | Atoms | Structure") -> tuple[FloatArray, FloatArray, BoolArray, IntArray]:
    """Return (A, 3) positions, (3, 3) cell, (3,) whether it is periodic, and (A,) atomic numbers.

    Raises:
        StructureError: if it is no structure, or sites are partly occupied.
    """
    if not isinstance(structure, Crystal) and hasattr(structure, "get_scaled_positions"):
        cell = np.asarray(structure.cell.complete())  # ASE's layers are often periodic in two directions only
        return structure.positions, cell, np.asarray(structure.pbc), np.asarray(structure.numbers, dtype=np.int64)
    periodic = np.array(structure.lattice.pbc) if hasattr(structure, "lattice") else np.ones(3, dtype=bool)
    crystal = Crystal.of(structure)
    if (crystal.occupancies != 1.0).any():
        raise StructureError(f"an occupancy is {crystal.occupancies.min():g}: give one whole atom for each site")
    return crystal.fractional @ crystal.cell, crystal.cell, periodic, crystal.numbers
