"""Recognition of the nanotube that a set of atoms forms.

The unrolled tube is a honeycomb sheet. On it, an atom with an angle and a height, as fractions of a turn and of the
axial period, is at

    (p, q) = angle (n, m) + height cells (t₁, t₂)

in units of a₁ and a₂: whole numbers on A sites, whole numbers plus 1/3 on B sites, up to one offset for all
atoms. A chirality fits if an offset puts every atom on a site of its own. The remaining atoms must be the two ends of
Stone-Wales bonds: around the middle of a bond whose sites are empty, and turned by 90° from it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import RecognitionError, StructureError
from matgym.structures.atoms import check_numbers
from matgym.structures.lattice import MAX_SITES, TubeLattice, tube_lattice, unit_sites
from matgym.structures.nanotube import MAX_STRAIN, Nanotube
from matgym.structures.shape import EXACT, IDEAL_ANGSTROM, Seated, scales
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.structures.symmetry import Pairs
from matgym.structures.walk import BOND_ANGSTROM, Walked, components, walk
from matgym.typing import BoolArray, FloatArray, IntArray, SpeciesArray
from matgym.units import CARBON_BOND_ANGSTROM, POISSON_RATIO

if TYPE_CHECKING:
    from ase import Atoms

SITE_TOLERANCE_ANGSTROM: Final = 0.4
"""Largest distance of an atom from its site, along the wall; two sites are 1.42 Å apart."""

TURNED_ANGSTROM: Final = 0.65
"""Largest distance from their sites of atoms next to a turned bond. After a relaxation by LAMMPS (REBO) the neighbours
of a turned bond are up to 0.47 Å from their sites (0.6 Å in a (4, 2) tube), and the turned atoms 0.93 to 1.03 Å."""

TURNED_TOLERANCE_ANGSTROM: Final = 0.5
"""Largest distance of the middle and of the vector of a turned bond from those of a Stone-Wales pair; two pairs differ
by 1.2 Å."""

NEIGHBOUR_ANGSTROM: Final = 2.9
"""Largest distance of neighbours. Steps of this length connect the atoms of a wall, also across vacancies, but not two
walls, which are 3.4 Å apart."""

ROUNDNESS_ANGSTROM: Final = 0.5
"""Largest distance of an atom from the mean wall, inside or outside it."""

RADIUS_TOLERANCE: Final = 0.12
"""Largest relative deviation of the radius: relaxation widens the thinnest tubes by 6 %, and B-N bonds are 2 % longer
than C-C bonds."""

MIN_DENSITY_PER_ANGSTROM2: Final = 0.12
"""Smallest number of atoms per area of the wall; graphene has 0.38."""

MAX_EMPTY: Final = 0.2
"""Largest share of vacant sites; with more, the chirality is uncertain."""

CLOSEST_ANGSTROM: Final = 0.7
"""Smallest distance of two atoms; bonds are 1.0 Å long at least, at a strain of -30 %."""

SMALLEST_WALL: Final = 12
"""Smallest number of atoms of a wall: the cell of a (3, 0) tube. Smaller parts are atoms among vacancies."""

CONTACT_ANGSTROM: Final = 3.0
"""Smallest gap between a finite tube and its image; layers of graphite are 3.35 Å apart."""

BENT_ANGSTROM: Final = 0.05
FLATTENED: Final = 0.02
DISPLACED_ANGSTROM: Final = 0.05
"""Smallest bend, flattening and displacement that are said: what relaxation causes without defects is below them."""

STRAIN_DECIMALS: Final = 6
"""Number of decimals of a recognised strain: the precision of a CIF or of a relaxation."""

MAX_RADIUS_ANGSTROM: Final = 400.0
"""Largest radius of a recognised wall: single-walled tubes wider than 5 nm collapse, and the number of candidates grows
with the square of the radius. This limit is our choice. It does not apply to tubes that matgym recorded in a file."""

_LATTICE_CONSTANT: Final = math.sqrt(3.0) * CARBON_BOND_ANGSTROM


@dataclass(frozen=True, eq=False)
class Recognised:
    """A nanotube that atoms form.

    Attributes:
        tube: the tube, on its ideal lattice; of a finite tube, the cells that it reaches into, with carbon on sites
            beyond its ends.
        atoms: (A,) indices of its atoms, in the order of the file.
        sites: (A,) site of each of them.
        positions: (A, 3) positions, Å, in which neighbours are next to each other also across the cell's faces.
        period: (3,) vector of the period, Å; of a finite tube, that of the same number of cells.
        bond_length_angstrom: bond length of the file, Å.
        is_finite: whether the tube ends; it then is no periodic tube, but may be a device between leads.
        notes: what was assumed, or differs from `tube`.
    """

    tube: Nanotube
    atoms: IntArray
    sites: IntArray
    positions: FloatArray
    period: FloatArray
    bond_length_angstrom: float
    is_finite: bool
    notes: tuple[str, ...]


def recognise(atoms: "Atoms", wall: int | None = None) -> Nanotube:
    """Return the nanotube that periodic atoms form.

    The axis may be any periodic cell vector. Atoms may be shifted, rotated about the axis, wrapped into the cell,
    displaced and in any order; the wall may be bent, flattened or heated. For a file that matgym wrote, sites are the
    original ones; any other tube is recognised up to its symmetry operations, and a left-handed tube as its mirror
    image. Stone-Wales pairs are recognised if their bonds are turned by about 90°.

    Args:
        atoms: B, C and N atoms of a tube, Å. Masses identify carbon isotopes.
        wall: number of the wall of a tube of several walls, from 1, the innermost one.

    Returns:
        The tube; sites without an atom hold vacancies. Its strain is the difference of the axial and the radial scale
        of the atoms: see `matgym.structures.shape`.

    Raises:
        RecognitionError: if the atoms form no such tube; the message says why.
    """
    found = survey(atoms, wall)
    if found.is_finite:
        raise RecognitionError(finite_reason(found.tube, atoms))
    return found.tube


def finite_reason(tube: Nanotube, atoms: "Atoms") -> str:
    """Return why a finite tube is no periodic one, as the end of a message."""
    if not atoms.pbc.any():
        return (
            f"the atoms are periodic in no direction: they form {_finite_name(tube)}; give the period of a periodic "
            "tube (--period, in Å), or pbc and a cell"
        )
    return (
        f"the atoms form {_finite_name(tube)}, not a periodic one; only properties between leads are defined, with "
        "the tube as the device"
    )


def _finite_name(tube: Nanotube) -> str:
    return f"a finite tube of {tube.cells} cell{'s' * (tube.cells > 1)} of ({tube.n}, {tube.m})"


def displaced_note(rms_angstrom: float) -> str:
    """Return the note on atoms that are not on their ideal sites."""
    return f"atoms {rms_angstrom:.2f} Å (rms) from the ideal geometry, which is computed instead of the file's"


def survey(atoms: "Atoms", wall: int | None = None) -> Recognised:
    """Return the nanotube that atoms form, with what was read beside it; a finite tube is no error.

    Raises:
        RecognitionError: if the atoms form no tube, or several of which none is chosen.
    """
    check_atoms(atoms)
    if atoms.pbc.any() and not (atoms.pbc & (atoms.cell.lengths() > 0)).any():
        raise RecognitionError("the atoms are periodic along vectors of no length: give the cell or --period, in Å")
    species = species_of(atoms)
    cell = np.asarray(atoms.cell.complete())
    periodic = atoms.pbc & (atoms.cell.lengths() > 0)
    i, j, vectors = _neighbours(atoms.positions, cell, periodic)
    _check_distances(i, j, vectors)
    chosen = np.arange(len(atoms))
    notes: list[str] = []
    walls = _walls(len(atoms), i, j, vectors)
    if len(walls) > 1 or wall is not None:
        chosen, note = _choose(atoms, walls, wall)
        notes.append(note)
        i, j, vectors = _neighbours(atoms.positions[chosen], cell, periodic)
    found = _recognise_wall(atoms.positions[chosen], species[chosen], cell, periodic, (i, j, vectors))
    if len(walls) > 1:
        found = replace(found, atoms=chosen[found.atoms])
    return replace(found, notes=(*(note for note in notes if note), *found.notes))


def _check_distances(i: IntArray, j: IntArray, vectors: FloatArray) -> None:
    """Check that no two atoms are in one place.

    Raises:
        RecognitionError: if two are; often the first atoms are repeated at the cell's end.
    """
    distance = np.linalg.norm(vectors, axis=1)
    if not len(distance) or distance.min() >= CLOSEST_ANGSTROM:
        return
    k = int(distance.argmin())
    close = len(np.unique(np.sort(np.stack([i, j])[:, distance < CLOSEST_ANGSTROM], axis=0), axis=1).T)
    raise RecognitionError(
        f"atoms {min(i[k], j[k])} and {max(i[k], j[k])} are {distance[k]:.1f} Å apart, as are {close} pairs in all: "
        "remove duplicated atoms, often the ring at the cell's end that repeats the one at its start"
        if close > 1
        else f"atoms {min(i[k], j[k])} and {max(i[k], j[k])} are {distance[k]:.1f} Å apart: remove one of them"
    )


def _walls(count: int, i: IntArray, j: IntArray, vectors: FloatArray) -> list[IntArray]:
    """Return the atoms of each wall: parts that no step of `NEIGHBOUR_ANGSTROM`, or else no bond, connects."""
    whole = [np.arange(count)]
    for reach in (NEIGHBOUR_ANGSTROM, BOND_ANGSTROM):
        near = np.linalg.norm(vectors, axis=1) < reach
        n_parts, labels = components(count, i[near], j[near])
        sizes = np.bincount(labels, minlength=n_parts)
        large = np.flatnonzero(sizes >= max(SMALLEST_WALL, count // 20))
        if len(large) > 1 and sizes[large].sum() == count:
            return [np.flatnonzero(labels == part) for part in large]
    return whole


def _choose(atoms: "Atoms", walls: list[IntArray], wall: int | None) -> tuple[IntArray, str]:
    """Return the atoms of the chosen wall, and a note.

    Raises:
        RecognitionError: if no wall is chosen, or there is no such wall.
    """
    found: list[tuple[float, IntArray, str]] = []
    for part in walls if len(walls) > 1 else ():
        try:
            one = survey(atoms[part])
            radius = one.tube.lattice.diameter_nm * 5.0
            found.append((radius, part, f"({one.tube.n}, {one.tube.m})" + " (finite)" * one.is_finite))
        except RecognitionError as error:
            found.append((math.inf, part, f"one that is not recognised ({error})"))
    found.sort(key=lambda row: row[0])
    if wall is None:
        names = ", ".join(name for _, _, name in found[:-1]) + f" and {found[-1][2]}"
        count = {2: "two", 3: "three", 4: "four"}.get(len(found), str(len(found)))
        raise RecognitionError(
            f"the atoms form {count} walls: {names}; choose one by its number from the innermost (--wall 1)"
        )
    if not found and wall == 1:
        return walls[0], ""
    if not 1 <= wall <= len(found):
        raise RecognitionError(f"there is no wall {wall}: give a number from 1 to {max(len(found), 1)}")
    return found[wall - 1][1], f"wall {wall} of {len(found)}, {found[wall - 1][2]}, without the others"


def _recognise_wall(
    positions: FloatArray,
    species: SpeciesArray,
    cell: FloatArray,
    periodic: BoolArray,
    bonds: tuple[IntArray, IntArray, FloatArray],
) -> Recognised:
    """Return the tube that the atoms of one wall form.

    A straight, round wall is fitted to all lattices of about its size. A wall of any other shape is walked along.
    """
    joined = _joined(positions, *bonds)
    common = species == np.bincount(species).argmax()
    walls = [
        (wall, cell[axis]) for axis in (2, 0, 1) if periodic[axis] and (wall := _wall(joined, cell[axis])) is not None
    ]
    failed = ""
    for turn in (1.0, -1.0):
        fits = [
            (fit, period)
            for wall, period in walls
            for fit in _fits(_Wall(turn * wall.angle, wall.height, wall.radius, wall.length))
        ]
        for fit, period in sorted(fits, key=lambda one: (one[0].n_empty, len(one[0].pairs), one[0].rms_angstrom)):
            seated = Seated(fit.lattice, fit.sites, joined, period, fit.pairs)
            if seated.has_whole_bonds and seated.check_period(common):
                if fit.n_empty > MAX_EMPTY * fit.lattice.n_sites:
                    failed = failed or _too_empty(fit)
                    continue
                return _read_off(seated, species, mirrored=turn < 0.0, ideal_rms=fit.rms_angstrom)
    walked = walk(joined, bonds, cell)
    if walked is None:
        raise RecognitionError(failed or _why_nothing_fits(joined, [wall for wall, _ in walls], periodic))
    if walked.twist:
        raise RecognitionError(
            f"the atoms form a ({walked.lattice.n}, {walked.lattice.m}) tube that is twisted by {walked.twist:.2f} "
            "turns over the cell, which has no period along its axis: give an untwisted one"
        )
    return _read_walk(walked, species, common, joined, cell, periodic)


def _too_empty(fit: "_Fit") -> str:
    lattice = fit.lattice
    return (
        f"a ({lattice.n}, {lattice.m}) tube of {lattice.cells} cells fits, but {fit.n_empty} of its "
        f"{lattice.n_sites} sites are empty: with more than {MAX_EMPTY:.0%} the chirality is uncertain"
    )


def _read_walk(
    walked: Walked, species: SpeciesArray, common: BoolArray, joined: FloatArray, cell: FloatArray, periodic: BoolArray
) -> Recognised:
    """Return the tube of a walk along the bonds.

    Raises:
        RecognitionError: if its bonds differ.
    """
    lattice = walked.lattice
    if walked.is_finite:
        length = lattice.length_angstrom * walked.axial_scale
        seated = Seated(lattice, walked.sites, joined, walked.along * length, walked.pairs)
        _check_gap(seated, cell, periodic)
        return _read_off(seated, species, mirrored=walked.is_mirrored, finite=True)
    axis = int(np.argmax(np.abs(np.linalg.solve(cell.T, walked.along))))
    period = cell[axis] * np.sign(cell[axis] @ walked.along)
    seated = Seated(lattice, walked.sites, joined, period, walked.pairs)
    if lattice.n_sites - len(walked.sites) > MAX_EMPTY * lattice.n_sites:
        raise RecognitionError(_too_empty(_Fit(lattice, 0.0, walked.sites, 0.0, walked.pairs)))
    seated.check_period(common)
    if not seated.has_whole_bonds:
        shortest, longest = seated.bond_lengths.min(), seated.bond_lengths.max()
        raise RecognitionError(
            f"a ({lattice.n}, {lattice.m}) tube of {lattice.cells} cells fits, but its bonds are {shortest:.2f} to "
            f"{longest:.2f} Å long: relax the atoms"
        )
    return _read_off(seated, species, mirrored=walked.is_mirrored)


def _check_gap(seated: Seated, cell: FloatArray, periodic: BoolArray) -> None:
    """Check that a finite tube does not end just before its own image.

    Raises:
        RecognitionError: if its ends are closer than two layers of graphite, but no bond connects them.
    """
    along = seated.period / seated.length
    for axis in np.flatnonzero(periodic):
        length = float(np.linalg.norm(cell[axis]))
        if abs(cell[axis] @ along) < 0.9 * length:
            continue
        gap = length - float(np.ptp(seated.heights))
        if gap < CONTACT_ANGSTROM:
            raise RecognitionError(
                f"the atoms at the cell's end are {gap:.2f} Å apart along the axis, and all bonds are "
                f"{np.median(seated.bond_lengths):.2f} Å long: the cell is {length:.2f} Å long, and the period that "
                f"fits {seated.lattice.cells} cells of ({seated.lattice.n}, {seated.lattice.m}) is "
                f"{seated.length:.2f} Å"
            )


def _read_off(
    seated: Seated, species: SpeciesArray, *, mirrored: bool, finite: bool = False, ideal_rms: float | None = None
) -> Recognised:
    """Return the tube of atoms on sites of a lattice."""
    lattice = seated.lattice
    shape = seated.shape
    rms = max(shape.rms_angstrom, ideal_rms or 0.0)
    radius = lattice.diameter_nm * 5.0
    read = scales(
        lattice.n,
        lattice.m,
        axial=seated.axial_scale,
        radial=shape.radius_angstrom / radius,
        is_ideal=rms < IDEAL_ANGSTROM and shape.is_round_and_straight,
        rms_angstrom=rms,
        radial_error=rms / radius / math.sqrt(len(species)),
        changed=(lattice.n_sites - len(species) + 2 * len(seated.pairs)) / lattice.n_sites,
    )
    codes = np.full(lattice.n_sites, Species.C12 if finite else Species.VACANCY, dtype=np.uint8)
    codes[seated.sites] = species
    strain = round(read.strain, STRAIN_DECIMALS) + 0.0
    notes = []
    if mirrored:
        notes.append(
            f"left-handed ({lattice.m}, {lattice.n}) tube, read as its mirror image, which has the same properties"
        )
    if abs(read.bond_angstrom / CARBON_BOND_ANGSTROM - 1.0) > EXACT:
        notes.append(
            f"bond length {read.bond_angstrom:.3f} Å in the file; computed at the model's own {CARBON_BOND_ANGSTROM} Å"
        )
    if shape.bend_angstrom > BENT_ANGSTROM:
        notes.append(f"bent by {shape.bend_angstrom:.2f} Å in the file; computed as a straight tube")
    if shape.flattening > FLATTENED:
        notes.append(f"cross-section {shape.flattening:.0%} from round in the file; computed as a round tube")
    if rms > DISPLACED_ANGSTROM:
        notes.append(displaced_note(rms))
    if read.note:
        notes.append(read.note)
    try:
        tube = Nanotube(lattice.n, lattice.m, lattice.cells, codes, strain, stone_wales=seated.pairs)
    except StructureError as error:
        raise RecognitionError(f"a ({lattice.n}, {lattice.m}) tube with turned bonds fits, but {error}") from None
    found = Recognised(
        tube, np.arange(len(species)), seated.sites, seated.positions, seated.period, read.bond_angstrom, finite,
        tuple(notes),
    )  # fmt: skip
    return replace(found, notes=(_finite_name(tube), *notes)) if finite else found


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
    """Return the (atoms,) species codes of atoms, by element and, for carbon, by mass; natural carbon becomes 12C.

    Raises:
        RecognitionError: if there is an element other than B, C and N, or carbon of an unknown isotope.
    """
    codes = {"B": Species.B, "N": Species.N}
    found = []
    for symbol, mass in zip(atoms.get_chemical_symbols(), atoms.get_masses(), strict=True):
        if symbol not in {"B", "C", "N"}:
            raise RecognitionError(f"element {symbol} is not possible in a nanotube: give atoms of B, C and N")
        nearest = min(CARBONS, key=lambda isotope: abs(SPECIES_DATA[isotope].mass_amu - mass))
        if symbol == "C" and abs(SPECIES_DATA[nearest].mass_amu - mass) > 0.1:
            raise RecognitionError(f"a carbon atom has a mass of {mass:g} u: give the mass of 12C, 13C or 14C")
        found.append(codes.get(symbol, nearest))
    return np.array(found, dtype=np.uint8)


@dataclass(frozen=True)
class _Wall:
    """Atoms on a cylinder.

    Attributes:
        angle: (atoms,) angles, as fractions of a turn.
        height: (atoms,) heights, as fractions of the period.
        radius: mean radius, Å.
        length: axial period, Å.
    """

    angle: FloatArray
    height: FloatArray
    radius: float
    length: float


@dataclass(frozen=True)
class _Fit:
    """A lattice that fits the atoms.

    Attributes:
        lattice: the lattice.
        strain: axial strain, a fraction.
        sites: (atoms,) site of each atom, before bonds are turned.
        rms_angstrom: root mean square distance of atoms from their sites, without turned atoms, Å.
        pairs: Stone-Wales pairs.
    """

    lattice: TubeLattice
    strain: float
    sites: IntArray
    rms_angstrom: float
    pairs: Pairs

    @property
    def n_empty(self) -> int:
        return self.lattice.n_sites - len(self.sites)


def _joined(positions: FloatArray, i: IntArray, j: IntArray, vector: FloatArray) -> FloatArray:
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


def _neighbours(positions: FloatArray, cell: FloatArray, periodic: BoolArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return (P,) atoms i, (P,) atoms j, and (P, 3) vectors from i to the image of j for pairs of neighbours.

    Memory is proportional to the number of pairs. The neighbour list of ASE is not used, because it allocates the
    largest number of atoms in any part of the cell for every part.

    Raises:
        RecognitionError: if the cell is so thin that atoms have too many images within `NEIGHBOUR_ANGSTROM`.
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
            raise RecognitionError(f"the cell is too thin for a tube: its {count:,} atoms have too many images")
        index, points, fractions = (np.concatenate(parts) for parts in zip(*copies, strict=True))
    pairs = cKDTree(points).query_pairs(NEIGHBOUR_ANGSTROM, output_type="ndarray")
    pairs = pairs[pairs[:, 0] < count]  # the atoms of the cell come first; so does the first atom of a pair
    a, b = np.concatenate([pairs, pairs[pairs[:, 1] < count][:, ::-1]]).T
    return index[a], index[b], points[b] - points[a]


def _wall(positions: FloatArray, period: FloatArray) -> _Wall | None:
    """Return the cylinder along a (3,) cell vector on which all atoms are; None if there is none."""
    length = float(np.linalg.norm(period))
    along = period / length
    across = np.eye(3)[np.argmin(np.abs(along).round(6))]  # x for a tube along z: angles start there
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
    """Return (2,) centre and radius of the least-squares circle (Kåsa 1976) through (atoms, 2) points; None if none."""
    if len(points) < 3:
        return None
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    design = np.stack([2.0 * x, 2.0 * y, np.ones(len(x))], axis=1)
    (u, v, rest), _, rank, _ = np.linalg.lstsq(design, x * x + y * y, rcond=1e-9)
    return (middle + np.array([u, v]), math.sqrt(u * u + v * v + rest)) if rank == 3 else None


def _fits(wall: _Wall) -> Iterator[_Fit]:
    """Yield the lattices on which every atom of the wall has a site of its own."""
    for lattice in _candidates(wall):
        cells = np.outer(wall.angle, [lattice.n, lattice.m])
        cells += np.outer(wall.height * lattice.cells, lattice.translation)
        # A sites have phase 0 and B sites 1/3, on average 1/6; the offset of tubes that matgym made is therefore 0.
        offset = np.angle(np.exp(2j * np.pi * cells).mean(axis=0)) / (2.0 * np.pi) - 1.0 / 6.0
        offset += _nearest_sites(lattice, cells - offset)[1].mean(axis=0)
        sites, residual = _nearest_sites(lattice, cells - offset)
        distance = _sheet_angstrom(residual)
        pairs: Pairs = ()
        astray = distance > TURNED_ANGSTROM
        if distance.max() > SITE_TOLERANCE_ANGSTROM:
            if not 0 < astray.sum() <= len(sites) / 3:  # each turned bond has four neighbours of its own
                continue
            offset += residual[~astray].mean(axis=0)  # without the turned atoms, which shifted the mean
            sites, residual = _nearest_sites(lattice, cells - offset)
            distance = _sheet_angstrom(residual)
            pairs = _seat_turned(lattice, wall, cells - offset, np.flatnonzero(astray), sites)
            if not pairs:
                continue
        if len(np.unique(sites)) == len(sites):
            strain = wall.length / lattice.length_angstrom - 1.0
            yield _Fit(lattice, strain, sites, float(np.sqrt((distance[~astray] ** 2).mean())), pairs)


def _seat_turned(lattice: TubeLattice, wall: _Wall, cells: FloatArray, astray: IntArray, sites: IntArray) -> Pairs:
    """Return the Stone-Wales pairs that atoms far from their sites form; none if an atom is not in exactly one pair.

    Args:
        lattice: the lattice.
        wall: the atoms.
        cells: (atoms, 2) coordinates of the atoms in units of a₁ and a₂.
        astray: (S,) indices of the atoms that are far from their sites.
        sites: (atoms,) site of each atom; set in place to the sites of the pairs.
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
    """Return the (...) lengths, Å, of (..., 2) vectors in units of a₁ and a₂."""
    return np.asarray(_LATTICE_CONSTANT * np.sqrt((cells**2).sum(axis=-1) + cells.prod(axis=-1)))


def _candidates(wall: _Wall) -> Iterator[TubeLattice]:
    """Yield the lattices with about the radius and length of the wall, and with atoms on at least half of the sites."""
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
    """Return (atoms,) nearest sites, and (atoms, 2) distances from them in units of a₁ and a₂."""
    shifted = cells - np.array([0.0, 1.0 / 3.0])[:, None, None]  # (2, atoms, 2), from A and from B sites
    whole = np.rint(shifted)
    residual = shifted - whole
    sublattice = np.argmin((residual**2).sum(axis=2) + residual.prod(axis=2), axis=0)
    rows = np.arange(len(cells))
    return lattice.sites_at(whole[sublattice, rows].astype(np.int64), sublattice), residual[sublattice, rows]


def _why_nothing_fits(positions: FloatArray, walls: list[_Wall], periodic: BoolArray) -> str:
    if not periodic.any():
        return "the atoms are periodic in no direction: set pbc along the axis of the nanotube (--period, --axis)"
    if not walls:
        return (
            f"the {len(positions)} atoms do not form one cylinder about a periodic axis, and their bonds no tube: "
            "give a single-walled nanotube, not a sheet, a molecule or a crystal"
        )
    return (
        f"no chirality fits {len(walls[0].angle)} atoms on a wall of radius {walls[0].radius:.2f} Å "
        f"and period {walls[0].length:.2f} Å within {SITE_TOLERANCE_ANGSTROM} Å of its sites"
    )
