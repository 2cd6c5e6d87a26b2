"""Neighbours of atoms across the faces of their cell."""

import math
from typing import Final

import numpy as np

from matgym.errors import RecognitionError
from matgym.structures.lattice import MAX_SITES
from matgym.typing import BoolArray, FloatArray, IntArray

NEIGHBOUR_ANGSTROM: Final = 2.9
"""Largest distance of neighbours. Steps of this length connect the atoms of a wall, also across vacancies, but not two
walls, which are 3.4 Å apart."""


def find_neighbours(
    positions: FloatArray, cell: FloatArray, periodic: BoolArray, reach_angstrom: float = NEIGHBOUR_ANGSTROM
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return (P,) atoms i, (P,) atoms j, and (P, 3) vectors from i to the image of j for pairs of neighbours.

    Memory is proportional to the number of pairs. The neighbour list of ASE is not used, because it allocates the
    largest number of atoms in any part of the cell for every part.

    Raises:
        RecognitionError: if the cell is so thin that atoms have too many images within reach.
    """
    from scipy.spatial import cKDTree

    count = len(positions)
    fractions = np.linalg.solve(cell.T, positions.T).T
    inside = positions - np.where(periodic, np.floor(fractions), 0.0) @ cell
    fractions -= np.where(periodic, np.floor(fractions), 0.0)
    index, points = np.arange(count), inside
    for axis in np.flatnonzero(periodic).tolist():
        area = np.linalg.norm(np.cross(cell[axis - 2], cell[axis - 1]))
        reach = reach_angstrom * float(area) / abs(float(np.linalg.det(cell)))
        copies = [(index, points, fractions)]
        for image in range(-math.ceil(reach), math.ceil(reach) + 1):
            moved = fractions[:, axis] + image
            near = (moved >= -reach) & (moved <= 1.0 + reach) if image else np.zeros(len(moved), dtype=bool)
            shifted = fractions[near].copy()
            shifted[:, axis] += image
            copies.append((index[near], points[near] + image * cell[axis], shifted))
        if sum(len(part[0]) for part in copies) > 4 * MAX_SITES:
            raise RecognitionError(f"the cell is too thin: its {count:,} atoms have too many images")
        index, points, fractions = (np.concatenate(parts) for parts in zip(*copies, strict=True))
    pairs = cKDTree(points).query_pairs(reach_angstrom, output_type="ndarray")
    pairs = pairs[pairs[:, 0] < count]  # the atoms of the cell come first; so does the first atom of a pair
    a, b = np.concatenate([pairs, pairs[pairs[:, 1] < count][:, ::-1]]).T
    return index[a], index[b], points[b] - points[a]


def join_neighbours(positions: FloatArray, i: IntArray, j: IntArray, vector: FloatArray) -> FloatArray:
    """Return (atoms, 3) positions in which neighbours are close to each other, also across the faces of the cell."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    nearest = np.lexsort(((vector**2).sum(axis=1), j, i))  # the nearest image of each atom comes first
    i, j, vector = i[nearest], j[nearest], vector[nearest]
    first = np.append(True, (np.diff(i) != 0) | (np.diff(j) != 0)) if len(i) else np.zeros(0, dtype=bool)
    i, j, vector = i[first], j[first], vector[first]
    graph = csr_array((np.arange(1, len(i) + 1), (i, j)), shape=(len(positions), len(positions)))
    order, before = breadth_first_order(graph, 0)
    reached = order[1:]
    if not len(reached):  # an atom without neighbours; SciPy would give an empty sparse array
        return positions.copy()
    steps = vector[np.asarray(graph[before[reached], reached]) - 1]
    joined = positions.copy()
    for atom, beside, step in zip(reached.tolist(), before[reached].tolist(), steps, strict=True):
        joined[atom] = joined[beside] + step
    return joined
