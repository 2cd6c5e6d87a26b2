"""Finding the nanotube in a set of atoms.

Rolled out, a tube is a honeycomb sheet on which an atom at some angle and height, taken as fractions of a
turn and of the axial period, lies at

    (p, q) = angle (n, m) + height cells (t₁, t₂)

in units of a₁ and a₂: whole numbers on A sites, whole numbers plus 1/3 on B sites, up to one offset that all
atoms share. A chirality is the right one if such an offset brings every atom to a site of its own. Atoms that
are left over must be the two ends of Stone-Wales bonds: about the middle of a bond whose sites are empty, and
turned by 90° against it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import RecognitionError, StructureError
from matgym.structures.atoms import check_numbers
from matgym.structures.lattice import MAX_SITES, TubeLattice, tube_lattice, unit_sites
from matgym.structures.nanotube import MAX_STRAIN, Nanotube
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.structures.symmetry import Pairs
from matgym.typing import BoolArray, FloatArray, IntArray, SpeciesArray
from matgym.units import CARBON_BOND_ANGSTROM, POISSON_RATIO

if TYPE_CHECKING:
    from ase import Atoms

SITE_TOLERANCE_ANGSTROM: Final = 0.4
"""How far along the wall an atom may lie from its site; two sites are 1.42 Å apart."""

TURNED_ANGSTROM: Final = 0.65
"""Beside a turned bond atoms may lie this far from their sites. Relaxed by LAMMPS (REBO), the neighbours of a turned
bond lie up to 0.47 Å from theirs (0.6 Å in a (4, 2) tube), the turned atoms 0.93 to 1.03 Å."""

TURNED_TOLERANCE_ANGSTROM: Final = 0.5
"""How far a turned bond, its middle and its vector, may lie from a Stone-Wales pair; two such differ by 1.2 Å."""

NEIGHBOUR_ANGSTROM: Final = 2.9
"""Atoms of one wall reach each other in such steps, past vacancies too; two walls, 3.4 Å apart, do not."""

ROUNDNESS_ANGSTROM: Final = 0.5
"""How far an atom may lie inside or outside the mean wall."""

RADIUS_TOLERANCE: Final = 0.12
"""Relative: relaxation widens the thinnest tubes by 6 %, and B-N bonds are 2 % longer than C-C bonds."""

MIN_DENSITY_PER_ANGSTROM2: Final = 0.12
"""Atoms per area of the wall; graphene has 0.38."""

MAX_EMPTY: Final = 0.2
"""Share of sites that may be vacant; with more, the chirality is a guess."""

STRAIN_DECIMALS: Final = 6
"""Decimals of a recognised strain, as many as a CIF or a relaxation can tell."""

MAX_RADIUS_ANGSTROM: Final = 400.0
"""Wider walls are not recognised: single-walled tubes wider than 5 nm collapse, and candidates grow with the square of
the radius. A choice of ours; tubes that matgym itself recorded in a file are read whatever their radius."""

_LATTICE_CONSTANT: Final = math.sqrt(3.0) * CARBON_BOND_ANGSTROM


def recognise(atoms: "Atoms") -> Nanotube:
    """The nanotube that periodic atoms form.

    The axis may be any periodic cell vector. Atoms may be shifted, turned about the axis, wrapped into the
    cell, somewhat displaced and in any order. The sites of a tube as matgym writes it are found
    again; any other tube is found up to its symmetry operations. Stone-Wales pairs are found where the
    bonds are turned by about 90° and all other atoms are near their sites.

    Args:
        atoms: B, C and N atoms of one single-walled tube, Å. Carbon isotopes are known by their masses.

    Returns:
        The tube; sites that no atom occupies hold vacancies, and strain is that of the axial period.

    Raises:
        RecognitionError: if the atoms form no such tube, with the reason.
    """
    check_atoms(atoms)
    species = species_of(atoms)
    cell = np.asarray(atoms.cell.complete())
    periodic = atoms.pbc & (atoms.cell.lengths() > 0)
    if not periodic.any():
        raise RecognitionError("the atoms are periodic in no direction; a nanotube needs pbc along its axis")
    positions = _joined(atoms.positions, cell, periodic)
    walls = [wall for axis in (2, 0, 1) if periodic[axis] and (wall := _wall(positions, cell[axis])) is not None]
    if not walls:
        raise RecognitionError(
            f"the {len(atoms)} atoms do not form one cylinder about a periodic axis: "
            "a sheet, a molecule, bulk or a tube of several walls is no single-walled nanotube"
        )
    fits = [fit for wall in walls for fit in _fits(wall)]
    if not fits:
        raise RecognitionError(_why_nothing_fits(walls))
    best = min(fits, key=lambda fit: (fit.n_empty, len(fit.pairs), fit.rms_angstrom))
    lattice = best.lattice
    if best.n_empty > MAX_EMPTY * lattice.n_sites:
        raise RecognitionError(
            f"a ({lattice.n}, {lattice.m}) tube of {lattice.cells} cells fits, but {best.n_empty} of its "
            f"{lattice.n_sites} sites are empty: more than {MAX_EMPTY:.0%} cannot be told from another tube"
        )
    codes = np.full(lattice.n_sites, Species.VACANCY, dtype=np.uint8)
    codes[best.sites] = species
    strain = round(best.strain, STRAIN_DECIMALS) + 0.0
    try:
        return Nanotube(lattice.n, lattice.m, lattice.cells, codes, strain, stone_wales=best.pairs)
    except StructureError as error:
        raise RecognitionError(f"a ({lattice.n}, {lattice.m}) tube with turned bonds fits, but {error}") from None


def check_atoms(atoms: "Atoms") -> None:
    """Check that a structure's numbers are those of atoms.

    Raises:
        RecognitionError: if they are not.
    """
    try:
        check_numbers(atoms)
    except ValueError as error:
        raise RecognitionError(f"the structure holds no tube: {error}") from None


def species_of(atoms: "Atoms") -> SpeciesArray:
    """(atoms,): species codes by element, and for carbon by mass; natural carbon counts as 12C.

    Raises:
        RecognitionError: if there is an element other than B, C, N, or carbon of no known isotope.
    """
    codes = {"B": Species.B, "N": Species.N}
    found = []
    for symbol, mass in zip(atoms.get_chemical_symbols(), atoms.get_masses(), strict=True):
        if symbol not in {"B", "C", "N"}:
            raise RecognitionError(f"element {symbol} cannot stand in a nanotube: matgym knows B, C and N")
        nearest = min(CARBONS, key=lambda isotope: abs(SPECIES_DATA[isotope].mass_amu - mass))
        if symbol == "C" and abs(SPECIES_DATA[nearest].mass_amu - mass) > 0.1:
            raise RecognitionError(f"a carbon atom of mass {mass:g} u is none of 12C, 13C and 14C")
        found.append(codes.get(symbol, nearest))
    return np.array(found, dtype=np.uint8)


@dataclass(frozen=True)
class _Wall:
    """Atoms on a cylinder: (atoms,) angles and heights, fractions of a turn and of the period; radius and length, Å."""

    angle: FloatArray
    height: FloatArray
    radius: float
    length: float


@dataclass(frozen=True)
class _Fit:
    """A lattice, with the site that each atom sits on, or has left for a Stone-Wales pair."""

    lattice: TubeLattice
    strain: float
    sites: IntArray
    rms_angstrom: float
    pairs: Pairs

    @property
    def n_empty(self) -> int:
        return self.lattice.n_sites - len(self.sites)


def _joined(positions: FloatArray, cell: FloatArray, periodic: BoolArray) -> FloatArray:
    """Return positions with every atom beside its neighbours, however the cell cuts the tube."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    if not len(positions):
        return positions
    i, j, vector = _neighbours(positions, cell, periodic)
    nearest = np.lexsort(((vector**2).sum(axis=1), j, i))  # of the images of an atom, the nearest one
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


def _neighbours(positions: FloatArray, cell: FloatArray, periodic: BoolArray) -> tuple[IntArray, IntArray, FloatArray]:
    """(P,) atoms i and j and (P, 3) vectors from i to the image of j, of all pairs within `NEIGHBOUR_ANGSTROM`.

    Memory grows with the number of pairs alone; ASE's list makes room for as many atoms in each part of the cell as
    there are in the fullest.

    Raises:
        RecognitionError: if the cell is so thin that an atom has too many images within that distance.
    """
    from scipy.spatial import cKDTree

    count = len(positions)
    fractions = np.linalg.solve(cell.T, positions.T).T
    inside = positions - np.where(periodic, np.floor(fractions), 0.0) @ cell
    fractions -= np.where(periodic, np.floor(fractions), 0.0)
    index, points = np.arange(count), inside
    for axis in np.flatnonzero(periodic).tolist():
        area = np.linalg.norm(np.cross(cell[axis - 2], cell[axis - 1]))
        reach = NEIGHBOUR_ANGSTROM * float(area) / abs(float(np.linalg.det(cell)))
        copies = [(index, points, fractions)]
        for image in range(-math.ceil(reach), math.ceil(reach) + 1):
            moved = fractions[:, axis] + image
            near = (moved >= -reach) & (moved <= 1.0 + reach) if image else np.zeros(len(moved), dtype=bool)
            shifted = fractions[near].copy()
            shifted[:, axis] += image
            copies.append((index[near], points[near] + image * cell[axis], shifted))
        if sum(len(part[0]) for part in copies) > 4 * MAX_SITES:
            raise RecognitionError(f"the {count:,} atoms have too many images in their cell: it is too thin for a tube")
        index, points, fractions = (np.concatenate(parts) for parts in zip(*copies, strict=True))
    pairs = cKDTree(points).query_pairs(NEIGHBOUR_ANGSTROM, output_type="ndarray")
    pairs = pairs[pairs[:, 0] < count]  # the atoms themselves come first, and so does the first of a pair
    a, b = np.concatenate([pairs, pairs[pairs[:, 1] < count][:, ::-1]]).T
    return index[a], index[b], points[b] - points[a]


def _wall(positions: FloatArray, period: FloatArray) -> _Wall | None:
    """The cylinder along a cell vector (3,) on which all atoms lie, if there is one."""
    length = float(np.linalg.norm(period))
    along = period / length
    across = np.eye(3)[np.argmin(np.abs(along).round(6))]  # x for a tube along z, so that angles start there
    across = across - (across @ along) * along
    across /= np.linalg.norm(across)
    plane = np.stack([across, np.cross(along, across)], axis=1)  # (3, 2)
    circle = _circle(positions @ plane)
    if circle is None:
        return None
    centre, radius = circle
    x, y = (positions @ plane - centre).T
    if radius > MAX_RADIUS_ANGSTROM or np.abs(np.hypot(x, y) - radius).max() > ROUNDNESS_ANGSTROM:
        return None
    if len(positions) < MIN_DENSITY_PER_ANGSTROM2 * 2.0 * math.pi * radius * length:
        return None
    return _Wall(np.arctan2(y, x) / (2.0 * np.pi), positions @ along / length, radius, length)


def _circle(points: FloatArray) -> tuple[FloatArray, float] | None:
    """Centre (2,) and radius of the least-squares circle (Kåsa 1976) through points (atoms, 2)."""
    if len(points) < 3:
        return None
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    design = np.stack([2.0 * x, 2.0 * y, np.ones(len(x))], axis=1)
    (u, v, rest), _, rank, _ = np.linalg.lstsq(design, x * x + y * y, rcond=1e-9)
    return (middle + np.array([u, v]), math.sqrt(u * u + v * v + rest)) if rank == 3 else None


def _fits(wall: _Wall) -> Iterator[_Fit]:
    """All lattices on which every atom of the wall has a site of its own."""
    for lattice in _candidates(wall):
        cells = np.outer(wall.angle, [lattice.n, lattice.m])
        cells += np.outer(wall.height * lattice.cells, lattice.translation)
        # A sites have phase 0 and B sites 1/3, on average 1/6; our own tubes so find their offset 0 again.
        offset = np.angle(np.exp(2j * np.pi * cells).mean(axis=0)) / (2.0 * np.pi) - 1.0 / 6.0
        offset += _nearest_sites(lattice, cells - offset)[1].mean(axis=0)
        sites, residual = _nearest_sites(lattice, cells - offset)
        distance = _sheet_angstrom(residual)
        pairs: Pairs = ()
        astray = distance > TURNED_ANGSTROM
        if distance.max() > SITE_TOLERANCE_ANGSTROM:
            if not 0 < astray.sum() <= len(sites) / 3:  # a turned bond needs four neighbours of its own
                continue
            offset += residual[~astray].mean(axis=0)  # the strays have pulled it aside
            sites, residual = _nearest_sites(lattice, cells - offset)
            distance = _sheet_angstrom(residual)
            pairs = _seat_turned(lattice, wall, cells - offset, np.flatnonzero(astray), sites)
            if not pairs:
                continue
        if len(np.unique(sites)) == len(sites):
            strain = wall.length / lattice.length_angstrom - 1.0
            yield _Fit(lattice, strain, sites, float(np.sqrt((distance[~astray] ** 2).mean())), pairs)


def _seat_turned(lattice: TubeLattice, wall: _Wall, cells: FloatArray, astray: IntArray, sites: IntArray) -> Pairs:
    """Stone-Wales pairs that (S,) stray atoms form; `sites` (atoms,) is set to the sites that these have left.

    There are none if they do not take in each stray atom once.
    """
    step = np.stack([wall.angle[astray], wall.height[astray]], axis=1)
    step = step - step[:, None]  # (S, S, 2), from the first to the second atom, as fractions
    step -= np.rint(step)
    bond = np.outer(step[..., 0], [lattice.n, lattice.m]) + np.outer(step[..., 1] * lattice.cells, lattice.translation)
    bond = bond.reshape(*step.shape)
    middle = cells[astray][:, None] + bond / 2.0
    found, seated = [], []
    for towards in lattice.bond_steps:
        p, q = towards + 1.0 / 3.0  # of the bond from A to B; turned by 90° it is (p + 2 q, -2 p - q)/√3
        turned = np.array([p + 2.0 * q, -2.0 * p - q]) / math.sqrt(3.0)
        corner = np.rint(middle - np.array([p, q]) / 2.0)  # the cell of the A site
        aside = _sheet_angstrom(middle - np.array([p, q]) / 2.0 - corner)
        fits = np.maximum(aside, _sheet_angstrom(bond - turned)) < TURNED_TOLERANCE_ANGSTROM
        for i, j in np.argwhere(fits):
            cell = corner[i, j].astype(np.int64)
            a, b = lattice.sites_at(np.stack([cell, cell + towards]), np.array([0, 1])).tolist()
            sites[astray[[i, j]]] = a, b
            found.append((a, b))
            seated += [i, j]
    return tuple(found) if sorted(seated) == list(range(len(astray))) else ()


def _sheet_angstrom(cells: FloatArray) -> FloatArray:
    """(...): lengths of vectors (..., 2) in units of a₁ and a₂, Å."""
    return np.asarray(_LATTICE_CONSTANT * np.sqrt((cells**2).sum(axis=-1) + cells.prod(axis=-1)))


def _candidates(wall: _Wall) -> Iterator[TubeLattice]:
    """Lattices of about the wall's radius and length, with at least half of their sites taken."""
    n_atoms = len(wall.angle)
    circumference = 2.0 * math.pi * wall.radius / _LATTICE_CONSTANT
    n, m = np.tril_indices(math.ceil(1.2 * circumference) + 2)
    ratio = circumference / np.sqrt(np.maximum(n * n + n * m + m * m, 1))
    near = (n > 0) & (np.abs(ratio - 1.0) < RADIUS_TOLERANCE + POISSON_RATIO * MAX_STRAIN)
    for i in np.flatnonzero(near):
        shape = int(n[i]), int(m[i])
        if unit_sites(*shape) > 2 * n_atoms:
            continue
        unit = tube_lattice(*shape, 1)
        for cells in range(math.ceil(n_atoms / unit.n_sites), 2 * n_atoms // unit.n_sites + 1):
            strain = wall.length / (cells * unit.length_angstrom) - 1.0
            widening = ratio[i] / (1.0 - POISSON_RATIO * strain) - 1.0
            if abs(strain) <= MAX_STRAIN and abs(widening) <= RADIUS_TOLERANCE:
                yield tube_lattice(unit.n, unit.m, cells)


def _nearest_sites(lattice: TubeLattice, cells: FloatArray) -> tuple[IntArray, FloatArray]:
    """(atoms,) nearest sites, and (atoms, 2) what is left of coordinates in units of a₁ and a₂."""
    shifted = cells - np.array([0.0, 1.0 / 3.0])[:, None, None]  # (2, atoms, 2), from A and from B sites
    whole = np.rint(shifted)
    residual = shifted - whole
    sublattice = np.argmin((residual**2).sum(axis=2) + residual.prod(axis=2), axis=0)
    rows = np.arange(len(cells))
    return lattice.sites_at(whole[sublattice, rows].astype(np.int64), sublattice), residual[sublattice, rows]


def _why_nothing_fits(walls: list[_Wall]) -> str:
    for wall in walls:
        mirrored = _Wall(-wall.angle, wall.height, wall.radius, wall.length)
        for fit in _fits(mirrored):
            n, m = fit.lattice.n, fit.lattice.m
            return (
                f"this is a left-handed ({m}, {n}) tube; its mirror image, ({n}, {m}), is canonical: "
                "negate one coordinate across the axis"
            )
    return (
        f"no chirality fits {len(walls[0].angle)} atoms on a wall of radius {walls[0].radius:.2f} Å "
        f"and period {walls[0].length:.2f} Å within {SITE_TOLERANCE_ANGSTROM} Å of its sites"
    )
