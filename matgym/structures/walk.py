"""Chirality of a wall of any smooth shape, by a walk along its bonds.

On the sheet, every bond has one of six directions, and two bonds that are neighbours in a hexagon differ by 60°. So
directions, and with them the places of the atoms on the sheet, follow from the hexagons alone, however the wall is
bent, flattened or heated. A walk that comes back to its first atom around the wall gives C, and one that comes back
across the cell's end gives the period. Walks pass by pentagons and heptagons, between which directions are undefined.
"""

from collections import Counter, deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.structures.lattice import TubeLattice, tube_lattice
from matgym.structures.symmetry import Pairs
from matgym.typing import BoolArray, FloatArray, IntArray

BOND_ANGSTROM: Final = 2.0
"""Largest length of a bond; next neighbours are at least 2.2 Å apart. Steps of this length connect no two walls."""

MAX_WALKED: Final = 100_000
"""Largest number of atoms of a walk, which takes 0.1 ms an atom. This limit is our choice."""

_STEPS: Final = np.array([(1, 1), (2, -1), (1, -2), (-1, -1), (-2, 1), (-1, 2)])
"""Bond vectors in thirds of a₁ and a₂, counter-clockwise as seen from outside; even ones lead from A to B."""

_HEXAGON: Final = 6
_RIM: Final = 9
"""Smallest ring around a vacancy: with one bond closed across it, it is a ring of nine and a pentagon."""

_LONGEST_RING: Final = 40


@dataclass(frozen=True)
class Walked(ValueObject):
    """A wall of known chirality.

    Attributes:
        lattice: lattice of the wall; for a finite tube, of all cells that it reaches into.
        sites: (atoms,) site of each atom.
        pairs: Stone-Wales pairs.
        is_mirrored: whether the wall is the mirror image of the lattice.
        is_finite: whether the wall has no period.
        along: (3,) vector of unit length along the axis.
        axial_scale: of a finite tube, its length relative to that of the rolled sheet; 1 for any other.
        twist: share of a turn by which a period that is none of the lattice turns it; 0 for a tube without torsion.
    """

    lattice: TubeLattice
    sites: IntArray
    pairs: Pairs
    is_mirrored: bool
    is_finite: bool
    along: FloatArray
    axial_scale: float = 1.0
    twist: float = 0.0


@dataclass(frozen=True)
class _Net(ValueObject):
    """The directed bonds of a wall, each atom's in counter-clockwise order as seen from outside.

    Attributes:
        start: (H,) first atom of each directed bond.
        end: (H,) second atom.
        vector: (H, 3) vector, Å.
        reverse: (H,) the same bond in the other direction.
        onward: (H,) next bond of the ring to the right.
        ring: (H,) number of bonds of the ring to the right.
    """

    start: IntArray
    end: IntArray
    vector: FloatArray
    reverse: IntArray
    onward: IntArray
    ring: IntArray


def walk(positions: FloatArray, bonds: tuple[IntArray, IntArray, FloatArray], cell: FloatArray) -> Walked | None:
    """Return the lattice of a wall and the site of each of its atoms; None if its bonds form no tube.

    Args:
        positions: (atoms, 3) positions, in which neighbours are next to each other also across the cell's faces.
        bonds: (P,) atoms i, (P,) atoms j and (P, 3) vectors from i to j, of both directions of each pair of neighbours.
        cell: (3, 3) vectors of the cell.
    """
    if not 3 <= len(positions) <= MAX_WALKED:
        return None
    net = _net(positions, *bonds)
    if net is None:
        return None
    directions, places, spots = _places(net, positions)
    seen = (directions >= 0) & (places[net.start, 2] > 0) & (places[net.end, 2] > 0)
    known = np.flatnonzero(seen & ((net.ring == _HEXAGON) | (net.ring[net.reverse] == _HEXAGON)))
    if not len(known):
        return None
    start, end = net.start[known], net.end[known]
    gaps = places[start, :2] + _STEPS[directions[known]] - places[end, :2]
    images = np.rint(np.linalg.solve(cell.T, (spots[start] + net.vector[known] - spots[end]).T).T).astype(int)
    if (gaps % 3).any():
        return None
    around, period, image = _periods(gaps // 3, images)
    if around is None:
        return None
    return _canonical(net, spots, places, around, period, image, cell)


def _net(positions: FloatArray, i: IntArray, j: IntArray, vectors: FloatArray) -> _Net | None:
    """Return the net of the three nearest mutual neighbours of each atom; None if it has no inside and outside."""
    count = len(positions)
    lengths = np.linalg.norm(vectors, axis=1)
    order = np.lexsort((lengths, i))
    order = order[lengths[order] < BOND_ANGSTROM]
    i, j, vectors = i[order], j[order], vectors[order]
    first = np.searchsorted(i, np.arange(count))
    near = np.arange(len(i)) - first[i] < 3
    i, j, vectors = i[near], j[near], vectors[near]
    rounded = np.rint(vectors * 100.0).astype(int).tolist()
    keys = [(a, b, *v) for a, b, v in zip(i.tolist(), j.tolist(), rounded, strict=True)]
    index = {key: e for e, key in enumerate(keys)}
    reverse = np.array([index.get((b, a, -x, -y, -z), -1) for a, b, x, y, z in keys], dtype=np.int64)
    mutual = np.flatnonzero(reverse >= 0)
    if not len(mutual):
        return None
    renumbered = np.full(len(i), -1)
    renumbered[mutual] = np.arange(len(mutual))
    i, j, vectors, reverse = i[mutual], j[mutual], vectors[mutual], renumbered[reverse[mutual]]
    around = np.split(np.arange(len(i)), np.searchsorted(i, np.arange(1, count)))
    normals = _normals(positions, around, j, vectors)
    follows = np.empty(len(i), dtype=np.int64)  # counter-clockwise, at the same atom
    for atom, edges in enumerate(around):
        if not len(edges):
            continue
        normal = normals[atom] / max(float(np.linalg.norm(normals[atom])), 1e-12)
        across = vectors[edges[0]] - (vectors[edges[0]] @ normal) * normal
        angle = np.arctan2(vectors[edges] @ np.cross(normal, across), vectors[edges] @ across)
        ordered = edges[np.argsort(angle)]
        follows[ordered] = np.roll(ordered, -1)
    onward = np.asarray(follows[reverse])
    return _Net(i, j, vectors, reverse, onward, _rings(onward, vectors))


def _rings(onward: IntArray, vectors: FloatArray) -> IntArray:
    """Return the (H,) number of bonds of the ring to the right of each bond; `_LONGEST_RING` if it is not closed."""
    ring = np.zeros(len(onward), dtype=np.int64)
    following = onward.tolist()
    for edge in range(len(onward)):
        if ring[edge]:
            continue
        face = [edge]
        while following[face[-1]] != edge and len(face) < _LONGEST_RING:
            face.append(following[face[-1]])
        ring[face] = len(face) if np.linalg.norm(vectors[face].sum(axis=0)) < 0.1 else _LONGEST_RING
    return ring


def _normals(positions: FloatArray, around: list[IntArray], j: IntArray, vectors: FloatArray) -> FloatArray:
    """Return (atoms, 3) unit vectors across the wall, outwards; zero for an atom on the line of its bonds."""
    normals = np.zeros_like(positions)
    for atom, edges in enumerate(around):
        if len(edges) == 3:
            a, b, c = vectors[edges]
            normals[atom] = np.cross(b - a, c - a)
        elif len(edges) == 2:
            normals[atom] = np.cross(*vectors[edges])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    known = np.zeros(len(positions), dtype=bool)
    for root in range(len(positions)):
        if not known[root]:
            part = _align(root, normals, known, around, j)
            if (normals[part] * (positions[part] - positions.mean(axis=0))).sum() < 0.0:
                normals[part] *= -1.0
    return normals


def _align(root: int, normals: FloatArray, known: BoolArray, around: list[IntArray], j: IntArray) -> list[int]:
    """Give the normals of all atoms that bonds connect to a root its side of the wall, in place; return the atoms.

    The most parallel normals are compared first. That of an atom with two bonds between two vacancies may lie in the
    wall, where its sign means nothing.
    """
    part: list[int] = []
    waiting = [(0.0, root, root)]
    while waiting:
        _, atom, before = heappop(waiting)
        if known[atom]:
            continue
        known[atom] = True
        part.append(atom)
        if not normals[atom].any():
            normals[atom] = normals[before]
        elif normals[atom] @ normals[before] < 0.0:
            normals[atom] *= -1.0
        for other in j[around[atom]].tolist():
            if not known[other]:
                heappush(waiting, (-abs(float(normals[atom] @ normals[other])), other, atom))
    return part


def _places(net: _Net, positions: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return directions of bonds, places of atoms on the sheet, and positions along one and the same walk.

    Returns:
        (H,) directions, -1 where unknown; (atoms, 3) places in thirds of a₁ and a₂, and 1 where they are known;
        (atoms, 3) positions, Å.
    """
    count, spots = len(positions), positions.copy()
    places = np.zeros((count, 3), dtype=np.int64)
    directions = _directions(net, count)
    leaving: list[list[int]] = [[] for _ in range(count)]
    for edge in np.flatnonzero(directions >= 0).tolist():
        leaving[int(net.start[edge])].append(edge)
    root = next((atom for atom, edges in enumerate(leaving) if len(edges) > 1), None)
    if root is None:
        return directions, places, spots
    if directions[leaving[root][0]] % 2:  # begin on an A site
        directions = np.where(directions >= 0, (directions + 3) % 6, -1)
    places[root, 2] = 1
    proven = ((net.ring == _HEXAGON) | (net.ring[net.reverse] == _HEXAGON)).tolist()
    waiting, later = deque([root]), deque[int]()
    while waiting or later:
        atom = waiting.popleft() if waiting else None
        steps = [later.popleft()] if atom is None else leaving[atom]
        for edge in steps:
            other = int(net.end[edge])
            if places[other, 2]:
                continue
            if atom is not None and not proven[edge]:  # along the rim of a vacancy: it may close a broken bond
                later.append(edge)
                continue
            places[other, :2] = places[net.start[edge], :2] + _STEPS[directions[edge]]
            places[other, 2] = 1
            spots[other] = spots[net.start[edge]] + net.vector[edge]
            waiting.append(other)
    return directions, places, spots


def _directions(net: _Net, count: int) -> IntArray:
    """Return the (H,) directions of the bonds that hexagons connect, -1 for all others, in the largest such part."""
    best = np.full(len(net.start), -1)
    before = np.empty_like(net.onward)
    before[net.onward] = np.arange(len(net.onward))
    full = (np.bincount(net.start, minlength=count) == 3)[net.end]
    tried = np.zeros(len(net.start), dtype=bool)
    for root in np.flatnonzero(net.ring == _HEXAGON).tolist():
        if tried[root]:
            continue
        found = np.full(len(net.start), -1)
        found[root] = 0
        _spread(net, before, found, np.zeros(len(full), dtype=bool))  # hexagons first, then the rims of vacancies,
        _spread(net, before, found, full & (net.ring >= _RIM))  # where the three bonds of an atom are 120° apart
        tried |= found >= 0
        if (found >= 0).sum() > (best >= 0).sum():
            best = found
        if (best >= 0).sum() > len(best) / 2:
            break
    return best


def _spread(net: _Net, before: IntArray, found: IntArray, rim: BoolArray) -> None:
    """Find the directions of all bonds that known ones determine, in place."""
    onward, reverse, back = net.onward.tolist(), net.reverse.tolist(), before.tolist()
    waiting = deque(np.flatnonzero(found >= 0).tolist())
    while waiting:
        edge = waiting.popleft()
        moves = [(reverse[edge], 3)]
        if net.ring[edge] == _HEXAGON:
            moves += [(onward[edge], -1), (back[edge], 1)]
        elif rim[edge]:
            moves.append((onward[edge], -1))
        for other, turn in moves:
            if found[other] < 0:
                found[other] = (found[edge] + turn) % 6
                waiting.append(other)


def _periods(gaps: IntArray, images: IntArray) -> tuple[IntArray | None, IntArray | None, IntArray | None]:
    """Return C, the period and its cell vector's image, from what closed walks miss; None where there is none."""
    period, step, rest = None, None, gaps
    outside = images.any(axis=1)
    if outside.any():
        single = outside & (np.abs(images).sum(axis=1) == 1)
        if not single.any():
            return None, None, None
        image, _ = Counter(map(tuple, images[single].tolist())).most_common(1)[0]
        there = (images == image).all(axis=1)
        crossing, _ = Counter(map(tuple, gaps[there].tolist())).most_common(1)[0]
        period, step = np.array(crossing), np.array(image)
        times = images @ step
        if (times[:, None] * step != images).any():  # periods in two directions: a sheet
            return None, None, None
        rest = gaps - times[:, None] * period
    turns = rest[rest.any(axis=1)]
    if not len(turns):
        return None, None, None
    around = turns[np.argmin((turns**2).sum(axis=1) + turns.prod(axis=1))]
    largest = int(np.argmax(np.abs(around)))
    count = np.rint(rest[:, largest] / around[largest]).astype(int)
    return (around, period, step) if (count[:, None] * around == rest).all() else (None, None, None)


def _canonical(
    net: _Net,
    positions: FloatArray,
    places: IntArray,
    around: IntArray,
    period: IntArray | None,
    image: IntArray | None,
    cell: FloatArray,
) -> Walked | None:
    """Return the wall on the lattice of its chirality, n >= m >= 0."""
    known = places[:, 2] > 0
    thirds, vectors = places[:, :2], [around] if period is None else [around, period]
    for _ in range(6):
        if vectors[0][0] > 0 and vectors[0][1] >= 0:
            break
        vectors = [_turned(vector) for vector in vectors]
        thirds = _turned(thirds)
    mirrored = bool(vectors[0][1] > vectors[0][0])
    if mirrored:
        vectors, thirds = [v[::-1] for v in vectors], thirds[:, ::-1]
    n, m = vectors[0].tolist()
    unit = tube_lattice(n, m, 1)
    twist, scale = 0.0, 1.0
    if period is not None and image is not None:
        cells, twist = _cells(unit, vectors[1])
        along = image @ cell
        thirds = _on_lattice(thirds * (-1 if cells < 0 else 1), known)
        fewest = most = abs(cells)
    else:
        along = _axis(positions[known], thirds[known], unit)
        scale = float(np.linalg.norm(along)) / unit.length_angstrom
        thirds = _on_lattice(thirds, known)
        heights = (unit.m * thirds[:, 0] - unit.n * thirds[:, 1])[known]
        thirds = thirds - 3 * (int(heights.min()) // (3 * unit.folds)) * unit.screw  # the lowest atoms come first
        most = int(np.ptp(heights)) // (3 * unit.n_cells) + 1
        fewest = min(-(-int(known.sum()) // unit.n_sites), most)
    along = along / np.linalg.norm(along)
    for count in sorted({fewest, most}):  # the atoms of one ring may be at both ends of a finite tube
        lattice = tube_lattice(unit.n, unit.m, count)
        sites = np.where(
            known, lattice.sites_at(np.asarray(thirds // 3), np.asarray((thirds % 3).any(axis=1), dtype=np.int64)), -1
        )
        if len(np.unique(sites[known])) == known.sum():
            pairs = _seat(net, lattice, sites, mirrored=mirrored)
            if pairs is None:
                return None
            return Walked(lattice, sites, pairs, mirrored, period is None, along, scale, twist)
    return None


def _turned(places: IntArray) -> IntArray:
    """Return (..., 2) vectors on the sheet turned by 60°."""
    return np.stack([places.sum(axis=-1), -places[..., 0]], axis=-1)


def _on_lattice(thirds: IntArray, known: BoolArray) -> IntArray:
    """Return places moved so that B sites are at 1/3: turned by 60°, A sites are B sites."""
    seconds = np.flatnonzero(known & (thirds % 3).any(axis=1))
    return thirds - thirds[seconds[0]] if len(seconds) and (thirds[seconds] % 3 != 1).any() else thirds


def _cells(unit: TubeLattice, period: IntArray) -> tuple[int, float]:
    """Return the number of cells of a period, negative if it points down, and by what share of a turn it is off."""
    (p, q), (t1, t2) = period.tolist(), unit.translation
    turns, cells = (p * t2 - q * t1) / -unit.n_cells, (unit.n * q - unit.m * p) / -unit.n_cells
    if round(cells) == 0 or abs(cells - round(cells)) > 1e-9:
        return 1, abs(turns) % 1.0 or 1.0
    return round(cells), turns - round(turns) if abs(turns - round(turns)) > 1e-9 else 0.0


def _axis(positions: FloatArray, thirds: IntArray, unit: TubeLattice) -> FloatArray:
    """Return the (3,) direction in which the atoms of a finite tube rise with their heights on the sheet."""
    n, m = unit.n, unit.m
    height = (m * thirds[:, 0] - n * thirds[:, 1]) / (3.0 * unit.n_cells)
    norm = n * n + n * m + m * m
    angle = 2.0 * np.pi * (thirds[:, 0] * (n + m / 2) + thirds[:, 1] * (m + n / 2)) / (3.0 * norm)
    design = np.stack([height, np.cos(angle), np.sin(angle), np.ones(len(height))], axis=1)
    return np.asarray(np.linalg.lstsq(design, positions, rcond=None)[0][0])


def _seat(net: _Net, lattice: TubeLattice, sites: IntArray, *, mirrored: bool) -> Pairs | None:
    """Return the Stone-Wales pairs of the atoms that have no site yet, and set their sites; None if one is in none.

    The atom of the A site of a pair is bonded to the neighbours to the right of the bond from A to B: see `Nanotube`.
    """
    left = np.flatnonzero(sites < 0)
    if not len(left):
        return ()
    taken = set(sites[sites >= 0].tolist())
    beside = [set(sites[net.end[net.start == atom]].tolist()) - {-1} for atom in left]
    pairs, seated = [], set()
    for a, b, _ in lattice.bonds[:, :3].tolist():
        if a in taken or b in taken:
            continue
        flanks = _flanks(lattice, a, b)
        if mirrored:
            flanks = flanks[::-1]
        at = [[k for k, ends in enumerate(beside) if ends and ends == flank and k not in seated] for flank in flanks]
        if len(at[0]) == len(at[1]) == 1 and at[0] != at[1]:
            sites[left[at[0][0]]], sites[left[at[1][0]]] = a, b
            seated |= {at[0][0], at[1][0]}
            taken |= {a, b}
            pairs.append((int(a), int(b)))
    return tuple(pairs) if len(seated) == len(left) else None


def _flanks(lattice: TubeLattice, a: int, b: int) -> list[set[int]]:
    """Return the neighbours of a bond from A to B to its right and to its left, as seen from outside."""
    cell = lattice.site_cells[a]
    steps = {(1, 1): 0, (1, -2): 2, (-2, 1): 4}
    by_direction = {}
    for step in lattice.bond_steps:
        by_direction[steps[tuple((3 * step + 1).tolist())]] = int(lattice.sites_at(cell + step, np.array(1)))
    direction = next(d for d, site in by_direction.items() if site == b)
    of_b = {}
    b_cell = next(cell + step for step in lattice.bond_steps if int(lattice.sites_at(cell + step, np.array(1))) == b)
    for step in lattice.bond_steps:
        of_b[(steps[tuple((3 * step + 1).tolist())] + 3) % 6] = int(lattice.sites_at(b_cell - step, np.array(0)))
    right = {by_direction[(direction + 4) % 6], of_b[(direction + 5) % 6]}
    left = {by_direction[(direction + 2) % 6], of_b[(direction + 1) % 6]}
    return [right, left]


def components(count: int, i: IntArray, j: IntArray) -> tuple[int, IntArray]:
    """Return the number of connected parts of atoms, and the (atoms,) part of each atom."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array((np.ones(len(i)), (i, j)), shape=(count, count))
    parts, labels = connected_components(graph, directed=False)
    return int(parts), np.asarray(labels)
