"""Recognition of the nanotube that a set of atoms forms.

A straight, round wall is fitted to all lattices of about its size (`matgym.structures.fitting`); a wall of any other
shape is walked along its bonds (`matgym.structures.walk`). In either case every bond is then checked, those across the
cell's end included (`matgym.structures.shape`).
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import RecognitionError, StructureError
from matgym.frozen import ValueObject
from matgym.structures.atoms import check_numbers
from matgym.structures.fitting import SITE_TOLERANCE_ANGSTROM, Fit, Wall, lattice_fits, round_wall
from matgym.structures.nanotube import MAX_STRAIN, Nanotube
from matgym.structures.neighbours import NEIGHBOUR_ANGSTROM, find_neighbours, join_neighbours
from matgym.structures.shape import EXACT, IDEAL_ANGSTROM, Scales, Seated, scales
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.structures.walk import BOND_ANGSTROM, Walked, components, walk
from matgym.typing import BoolArray, FloatArray, IntArray, SpeciesArray
from matgym.units import CARBON_BOND_ANGSTROM

if TYPE_CHECKING:
    from ase import Atoms

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


@dataclass(frozen=True, eq=False)
class Recognised(ValueObject):
    """A nanotube that atoms form.

    Attributes:
        tube: the tube, on its ideal lattice; of a finite tube, the cells that it reaches into, with carbon on sites
            beyond its ends.
        atoms: (A,) indices of its atoms, in the order of the file.
        sites: (A,) site of each of them.
        positions: (A, 3) positions, Å, in which neighbours are next to each other also across the cell's faces.
        period: (3,) vector of the period, Å; of a finite tube, that of the same number of cells.
        scales: strain and bond length, with what was assumed for them.
        is_finite: whether the tube ends; it then is no periodic tube, but may be a device between leads.
        own_notes: what was assumed, and holds for the atoms themselves, too.
        shape_notes: in what the shape of the atoms differs from that of `tube`.
    """

    tube: Nanotube
    atoms: IntArray
    sites: IntArray
    positions: FloatArray
    period: FloatArray
    scales: Scales
    is_finite: bool
    own_notes: tuple[str, ...] = ()
    shape_notes: tuple[str, ...] = ()

    @property
    def bond_length_angstrom(self) -> float:
        """Bond length of the file, Å."""
        return self.scales.bond_angstrom

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, or differs from `tube`."""
        bond = (
            f"bond length {self.bond_length_angstrom:.3f} Å in the file; computed at the model's own "
            f"{CARBON_BOND_ANGSTROM} Å"
            if abs(self.bond_length_angstrom / CARBON_BOND_ANGSTROM - 1.0) > EXACT
            else ""
        )
        return tuple(filter(None, (*self.own_notes, bond, *self.shape_notes, self.scales.note)))

    def relative_to_rest(self, period_angstrom: float, origin: str) -> "Recognised":
        """Return the tube with its strain relative to its period at rest.

        Args:
            period_angstrom: period of the same tube under no load, Å.
            origin: where the period at rest is from, for the note.

        Raises:
            RecognitionError: if the tube has no period, or the strain is out of range.
        """
        if self.is_finite:
            raise RecognitionError(f"{self.own_notes[0]} has no period, so that a period at rest gives no strain")
        length = float(np.linalg.norm(self.period))
        strain = round(length / period_angstrom - 1.0, STRAIN_DECIMALS) + 0.0
        if abs(strain) > MAX_STRAIN:
            raise RecognitionError(
                f"the period {length:.3f} Å is a strain of {strain:+.0%} of the period at rest, {period_angstrom:g} Å: "
                "give that of the same number of cells"
            )
        bond = self.scales.bond_angstrom * (1.0 + self.scales.strain) / (1.0 + strain)
        note = f"strain relative to a period at rest of {period_angstrom:.4f} Å, {origin}"
        return replace(self, tube=self.tube.strained(strain), scales=Scales(strain, bond, note))


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
    i, j, vectors = find_neighbours(atoms.positions, cell, periodic)
    _check_distances(i, j, vectors)
    notes: list[str] = []
    bonds = (i, j, vectors)
    walls = _walls(len(atoms), i, j, vectors)
    if len(walls) > 1 and wall is None:
        # Vacancies can cut one wall into parts that share no bond; walls inside one another fit no single lattice.
        with suppress(RecognitionError):
            return _recognise_wall(atoms.positions, species, cell, periodic, bonds)
    chosen = np.arange(len(atoms))
    if len(walls) > 1 or wall is not None:
        chosen, note = _choose(atoms, walls, wall)
        notes.append(note)
        bonds = find_neighbours(atoms.positions[chosen], cell, periodic)
    found = _recognise_wall(atoms.positions[chosen], species[chosen], cell, periodic, bonds)
    if len(walls) > 1:
        found = replace(found, atoms=chosen[found.atoms])
    return replace(found, own_notes=(*(note for note in notes if note), *found.own_notes))


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
    joined = join_neighbours(positions, *bonds)
    common = species == np.bincount(species).argmax()
    walls = [
        (wall, cell[axis])
        for axis in (2, 0, 1)
        if periodic[axis] and (wall := round_wall(joined, cell[axis])) is not None
    ]
    failed = ""
    for turn in (1.0, -1.0):
        fits = [
            (fit, period)
            for wall, period in walls
            for fit in lattice_fits(Wall(turn * wall.angle, wall.height, wall.radius, wall.length))
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


def _too_empty(fit: "Fit") -> str:
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
        raise RecognitionError(_too_empty(Fit(lattice, 0.0, walked.sites, 0.0, walked.pairs)))
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
        radial_error=shape.noise_angstrom / radius / math.sqrt(len(species)),
        changed=(lattice.n_sites - len(species) + 2 * len(seated.pairs)) / lattice.n_sites,
    )
    codes = np.full(lattice.n_sites, Species.C12 if finite else Species.VACANCY, dtype=np.uint8)
    codes[seated.sites] = species
    strain = round(read.strain, STRAIN_DECIMALS) + 0.0
    own, notes = [], []
    if mirrored:
        own.append(
            f"left-handed ({lattice.m}, {lattice.n}) tube, read as its mirror image, which has the same properties"
        )
    if shape.bend_angstrom > BENT_ANGSTROM:
        notes.append(f"bent by {shape.bend_angstrom:.2f} Å in the file; computed as a straight tube")
    if shape.flattening > FLATTENED:
        notes.append(f"cross-section {shape.flattening:.0%} from round in the file; computed as a round tube")
    if rms > DISPLACED_ANGSTROM:
        notes.append(displaced_note(rms))
    try:
        tube = Nanotube(lattice.n, lattice.m, lattice.cells, codes, strain, stone_wales=seated.pairs)
    except StructureError as error:
        raise RecognitionError(f"a ({lattice.n}, {lattice.m}) tube with turned bonds fits, but {error}") from None
    if finite:
        own.insert(0, _finite_name(tube))
    return Recognised(
        tube, np.arange(len(species)), seated.sites, seated.positions, seated.period, read, finite, tuple(own),
        tuple(notes),
    )  # fmt: skip


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


def _why_nothing_fits(positions: FloatArray, walls: list[Wall], periodic: BoolArray) -> str:
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
