"""The nanotube: a frozen value object."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import SiteError, SpeciesError, StructureError, is_whole
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures.lattice import TubeLattice, tube_lattice
from matgym.structures.species import CARBONS, SPECIES_DATA, Species, parse_species
from matgym.structures.stone_wales import direction, sheet_moves, turned_bonds, validated_pairs
from matgym.structures.symmetry import Pairs, canonical_form, flip, mirror, moved_pairs, translation
from matgym.typing import FloatArray, IntArray, SpeciesArray
from matgym.units import POISSON_RATIO

MAX_STRAIN = 0.3
"""Beyond this a carbon nanotube has failed: Ogata and Shibutani, Phys. Rev. B 68, 165409 (2003)."""

MAX_TORSION = 0.3
"""The same bound for shear."""


@dataclass(frozen=True, eq=False)
class Nanotube(ValueObject):
    """One single-walled tube: chirality, length, what every site holds, turned bonds, and strain.

    Equal tubes hold the same species on the same sites; tubes that a symmetry operation maps onto each
    other differ, but share their `key`.

    Attributes:
        n: first chiral index, n >= 1.
        m: second chiral index, 0 <= m <= n.
        cells: translational unit cells along the axis; the tube is periodic.
        species: (n_sites,) species codes, read-only, in raster order (see `TubeLattice`); accepts any
            sequence of codes, and defaults to all 12C.
        strain: axial strain, a fraction; positive is stretched. The radius shrinks by Poisson's ratio.
        torsion: shear strain R dφ/dz of a twist about the axis, a fraction; positive winds to the right.
        stone_wales: (A site, B site) of each bond that is turned by 90°, counter-clockwise seen from outside.

    Raises:
        ChiralityError: if (n, m) is not canonical.
        SpeciesError: if `species` has the wrong length or an unknown code.
        SiteError: if a Stone-Wales pair is no bond.
        StructureError: if cells, strain or torsion are out of range, or Stone-Wales pairs touch.
    """

    n: int
    m: int
    cells: int = 1
    species: SpeciesArray = field(default=None, repr=False)  # type: ignore[arg-type]  # filled below
    strain: float = 0.0
    torsion: float = 0.0
    stone_wales: Pairs = ()

    def __post_init__(self) -> None:
        for name in ("n", "m", "cells"):
            value = getattr(self, name)
            object.__setattr__(self, name, _whole(name, value))
        for name, limit in (("strain", MAX_STRAIN), ("torsion", MAX_TORSION)):
            value = _number(name, getattr(self, name))
            if not math.isfinite(value) or abs(value) > limit:
                raise StructureError(f"{name} {value} is out of range: -{limit} to {limit}, as a fraction")
            object.__setattr__(self, name, value + 0.0)  # no -0.0, which would print and hash apart
        codes = self._validated_codes()
        object.__setattr__(self, "species", codes)
        super().__post_init__()
        if len(self.stone_wales):
            pairs = validated_pairs(self.lattice, self.stone_wales)
            if (codes[np.array(pairs)] == Species.VACANCY).any():
                raise StructureError(f"the Stone-Wales pairs {pairs} hold a vacancy: there is no bond to turn")
            object.__setattr__(self, "stone_wales", pairs)

    def _validated_codes(self) -> SpeciesArray:
        n_sites = self.lattice.n_sites
        if self.species is None:
            return np.zeros(n_sites, dtype=np.uint8)
        try:
            given = np.asarray(self.species)
        except ValueError as error:  # ragged
            raise SpeciesError(f"species are no sequence of codes: {error}") from None
        if given.dtype == bool:
            raise SpeciesError("species are True and False: give codes or `decorated({site: name})`")
        if given.shape != (n_sites,):
            raise SpeciesError(
                f"species of shape {given.shape} do not fit: "
                f"a ({self.n}, {self.m}) tube of {self.cells} cells has {n_sites} sites"
            )
        unknown = given[~np.isin(given, list(Species))]
        if unknown.size:
            raise SpeciesError(f"unknown species code {unknown[0]}; known are 0 to {len(Species) - 1}")
        return given.astype(np.uint8)

    # ---- identity

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Nanotube):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[int, int, int, float, float, Pairs, bytes]:
        return self.n, self.m, self.cells, self.strain, self.torsion, self.stone_wales, self.species.tobytes()

    @property
    def digest(self) -> str:
        """Hash of the structure as it stands: symmetric copies differ."""
        return hashlib.blake2b(repr(self._identity).encode(), digest_size=12).hexdigest()

    @cached_property
    def key(self) -> str:
        """Hash of the structure up to symmetry: equal for all rotated, screwed and mirrored copies.

        Chiral tubes are compared with others of the same handedness only, since (m, n) is not canonical.
        """
        species, pairs = canonical_form(self.lattice, self.species, self.stone_wales, mirrors=not self.torsion)
        head = f"{self.n},{self.m},{self.cells},{self.strain:.9f};"
        if self.torsion or pairs:  # tubes without keep the keys that data sets were split by
            head += f"{self.torsion:.9f};{pairs};"
        return hashlib.blake2b(head.encode() + species.tobytes(), digest_size=12).hexdigest()

    # ---- views

    @property
    def lattice(self) -> TubeLattice:
        """Sites, bonds and geometry."""
        return tube_lattice(self.n, self.m, self.cells)

    @property
    def n_sites(self) -> int:
        """Lattice sites, vacancies included."""
        return self.lattice.n_sites

    @property
    def image(self) -> SpeciesArray:
        """(2, H, W): the species as a periodic raster, a view of `species` and so lossless.

        A pixel is a unit cell with its A and its B atom; rows wrap with `lattice.raster_shift`.
        """
        return self.species.reshape(2, *self.lattice.raster_shape)

    @property
    def counts(self) -> dict[Species, int]:
        """How many sites hold each species."""
        counted = np.bincount(self.species, minlength=len(Species))
        return {species: int(counted[species]) for species in Species}

    @property
    def is_pristine(self) -> bool:
        """Whether every site holds 12C and no bond is turned."""
        return not self.species.any() and not self.stone_wales

    @property
    def is_carbon(self) -> bool:
        """Whether every site holds carbon, of any isotope, and no bond is turned."""
        return bool(np.isin(self.species, CARBONS).all()) and not self.stone_wales

    @property
    def diameter_nm(self) -> float:
        """Diameter, nm, shrunk or widened by strain."""
        return self.lattice.diameter_nm * (1.0 - POISSON_RATIO * self.strain)

    @property
    def length_angstrom(self) -> float:
        """Axial period, Å."""
        return self.lattice.length_angstrom * (1.0 + self.strain)

    @property
    @returns_read_only
    def positions_angstrom(self) -> FloatArray:
        """(n_sites, 3): every site, vacancies included, Å; the axis is z, through the origin.

        Atoms of Stone-Wales pairs stand where the turn of their bond on the sheet takes them, not relaxed.
        """
        radius = self.diameter_nm * 10.0 / 2.0
        angle, axial = self.lattice.site_fractions.T
        around, along = 2.0 * np.pi * radius * angle, axial * self.length_angstrom
        if self.stone_wales:
            around, along = np.stack([around, along]) + sheet_moves(self.lattice, self.stone_wales, self._sheet_scale).T
        phi = (around + self.torsion * along) / radius
        return np.stack([radius * np.cos(phi), radius * np.sin(phi), along], axis=1)

    @property
    @returns_read_only
    def bonds(self) -> IntArray:
        """(3 n_cells, 3): site, site, and the periodic image (0 or ±1) of the second; vacancies are not left out.

        Without Stone-Wales pairs these are `lattice.bonds`.
        """
        return turned_bonds(self.lattice, self.stone_wales) if self.stone_wales else self.lattice.bonds

    @property
    @returns_read_only
    def bond_vectors_angstrom(self) -> FloatArray:
        """(3, 2): the three bonds of an A atom on the unrolled, strained sheet, around and along the tube, Å."""
        around, along = (self.lattice.bond_vectors * self._sheet_scale).T
        return np.stack([around + self.torsion * along, along], axis=1)

    @property
    @returns_read_only
    def bond_lengths_angstrom(self) -> FloatArray:
        """(3,): lengths of the three bonds of an A atom on the unrolled, strained sheet, Å."""
        return np.asarray(np.linalg.norm(self.bond_vectors_angstrom, axis=1))

    @property
    @returns_read_only
    def _sheet_scale(self) -> FloatArray:
        return np.array([1.0 - POISSON_RATIO * self.strain, 1.0 + self.strain])

    # ---- other tubes

    def with_species(self, species: ArrayLike) -> Self:
        """The same tube with all its sites' species replaced."""
        return replace(self, species=np.asarray(species))

    def decorated(self, sites: Mapping[int, str | int | Species]) -> Self:
        """The same tube with some sites replaced: `tube.decorated({0: "B", 5: "N", 9: "vacancy"})`.

        Raises:
            SiteError: if a site does not exist.
            SpeciesError: if a species is unknown.
        """
        codes = self.species.copy()
        if not isinstance(sites, Mapping):
            raise SiteError(f"sites={sites!r:.80} must be a dictionary, such as {{0: 'B'}}")
        for site, name in sites.items():
            if not is_whole(site):
                raise SiteError(f"site {site!r} is not a whole number")
            if not 0 <= site < self.n_sites:
                raise SiteError(
                    f"site {site} does not exist: the tube has {self.n_sites} sites (0 to {self.n_sites - 1})"
                )
            codes[site] = parse_species(name)
        return self.with_species(codes)

    def strained(self, strain: float) -> Self:
        """The same tube at another axial strain."""
        return replace(self, strain=strain)

    def twisted(self, torsion: float) -> Self:
        """The same tube at another torsion."""
        return replace(self, torsion=torsion)

    def turned(self, *pairs: tuple[int, int]) -> Self:
        """The same tube with more of its bonds turned by 90° into Stone-Wales pairs: `tube.turned((0, 32))`.

        Raises:
            SiteError: if a pair is no bond of the lattice.
            StructureError: if two pairs touch.
        """
        return replace(self, stone_wales=(*self.stone_wales, *pairs))

    def repeated(self, times: int) -> Self:
        """The tube repeated along its axis.

        Raises:
            StructureError: if `times` is below 1.
        """
        times = _whole("times", times)
        if times < 1:
            raise StructureError(f"a tube cannot be repeated {times} times: give 1 or more")
        longer = tube_lattice(self.n, self.m, self.cells * times)
        sublattice = np.repeat([0, 1], longer.n_cells)
        species = self.species[self.lattice.sites_at(longer.site_cells, sublattice)]
        pairs = [pair for copy in range(times) for pair in self._pairs_in(longer, copy * self.cells)]
        return replace(self, cells=longer.cells, species=species, stone_wales=tuple(pairs))

    def extended(self, cells: int) -> Self:
        """The tube with pristine cells added at either end.

        Raises:
            StructureError: if `cells` is negative.
        """
        cells = _whole("cells", cells)
        if cells < 0:
            raise StructureError(f"a tube cannot be extended by {cells} cells: give 0 or more")
        longer = tube_lattice(self.n, self.m, self.cells + 2 * cells)
        sublattice = np.repeat([0, 1], self.lattice.n_cells)
        species = np.full(longer.n_sites, Species.C12, dtype=np.uint8)
        moved = self.lattice.home_cells + cells * np.array(self.lattice.translation)
        species[longer.sites_at(moved, sublattice)] = self.species
        return replace(self, cells=longer.cells, species=species, stone_wales=tuple(self._pairs_in(longer, cells)))

    def _pairs_in(self, longer: TubeLattice, cells: int) -> list[tuple[int, int]]:
        """The Stone-Wales pairs in a longer tube, moved up by some cells."""
        pairs = []
        for a, b in self.stone_wales:
            cell = self.lattice.home_cells[a] + cells * np.array(self.lattice.translation)
            step = self.lattice.bond_steps[direction(self.lattice, a, b)]
            first, second = longer.sites_at(np.stack([cell, cell + step]), np.array([0, 1])).tolist()
            pairs.append((first, second))
        return pairs

    # ---- symmetry

    def rotated(self, steps: int = 1) -> Self:
        """Turned about the axis by steps of 360°/gcd(n, m)."""
        d = math.gcd(self.n, self.m)
        steps = _whole("steps", steps) % d
        return self._moved(translation(self.lattice, steps * self.n // d, steps * self.m // d))

    def screwed(self, p: int, q: int) -> Self:
        """Moved along the sheet by p a₁ + q a₂: a screw operation about the axis."""
        p, q = (_whole(name, value) % self.lattice.n_cells for name, value in (("p", p), ("q", q)))
        return self._moved(translation(self.lattice, p, q))

    def flipped(self) -> Self:
        """Turned by 180° about an axis across the tube, which swaps its ends and its sublattices."""
        return self._moved(flip(self.lattice))

    def reversed(self) -> Self:
        """Turned end to end within its cell: a flip that carries no site across an end.

        What stands at a height z of a tube of length L then stands at a height of about L - z, which makes it the
        same device between leads, seen from the other one.
        """
        n, m, d = self.n, self.m, self.lattice.folds
        rings = self.lattice.n_cells // d
        # A flip takes A sites at k d to B sites at (m - n)/3 - k d; those of the cell begin below d.
        p, q = (rings - 1 - (m - n) // (3 * d)) * self.lattice.screw
        return self.flipped().screwed(int(p), int(q))

    def mirrored(self) -> Self:
        """The mirror image.

        Raises:
            StructureError: if the tube is chiral, whose mirror image is the (m, n) tube.
        """
        image = self._moved(mirror(self.lattice))
        pairs = np.array(image.stone_wales, dtype=np.int64).reshape(-1, 2)
        species = image.species.copy()
        species[pairs] = species[pairs[:, ::-1]]  # see `symmetry.canonical_form`
        return replace(image, species=species, torsion=-self.torsion)

    def _moved(self, sources: IntArray) -> Self:
        pairs = moved_pairs(sources, self.stone_wales)
        return replace(self, species=self.species[sources], stone_wales=pairs)

    def __str__(self) -> str:
        held = ", ".join(
            f"{count} {SPECIES_DATA[species].label}" for species, count in self.counts.items() if species and count
        )
        if self.stone_wales:
            held += f"{', ' if held else ''}{len(self.stone_wales)} Stone-Wales"
        strain = f" at {self.strain:+.1%} strain" if self.strain else ""
        torsion = f" at {self.torsion:+.1%} torsion" if self.torsion else ""
        return f"({self.n},{self.m})x{self.cells} nanotube{strain}{torsion}" + (f" with {held}" if held else "")


def _whole(name: str, value: object) -> int:
    """Return a setting of a tube as a whole number.

    Raises:
        StructureError: if it is none.
    """
    if not is_whole(value):
        raise StructureError(f"{name}={value!r} is not a whole number")
    return int(value)  # type: ignore[call-overload,no-any-return]  # as was checked


def _number(name: str, value: object) -> float:
    """Return a setting of a tube as a number.

    Raises:
        StructureError: if it is none.
    """
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        raise StructureError(f"{name}={value!r} is not a number") from None
