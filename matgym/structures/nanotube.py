"""The nanotube, an immutable value object."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import SiteError, SpeciesError, StructureError, is_whole
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures.arguments import number, whole
from matgym.structures.honeycombs import decorated_lattice
from matgym.structures.lattice import TubeLattice, tube_lattice
from matgym.structures.sheets import Sheet
from matgym.structures.species import CARBONS, SPECIES_DATA, Species, parse_species
from matgym.structures.stone_wales import direction, sheet_moves, turned_bonds, validated_pairs
from matgym.structures.symmetry import Pairs, canonical_form, flip, mirror, moved_pairs, translation
from matgym.typing import FloatArray, IntArray, SpeciesArray
from matgym.units import POISSON_RATIO

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

    from matgym.structures.crystals import Crystal

MAX_STRAIN = 0.3
"""Largest axial strain; a carbon nanotube fails at larger ones: Ogata and Shibutani, Phys. Rev. B 68, 165409 (2003)."""

MAX_TORSION = 0.3
"""Largest shear strain: the same bound."""


@dataclass(frozen=True, eq=False)
class Nanotube(ValueObject):
    """A single-walled nanotube: chirality, length, species of the sites, turned bonds, and strain.

    Two tubes are equal if they have the same species on the same sites. Symmetric copies of a tube are not equal, but
    have the same `key`.

    Attributes:
        n: first chiral index, n >= 1.
        m: second chiral index, 0 <= m <= n.
        cells: number of translational unit cells along the axis; the tube is periodic.
        species: (n_sites,) species codes, read-only, in raster order (see `TubeLattice`). The constructor accepts any
            sequence of codes. Default: 12C on all sites.
        strain: axial strain, a fraction; positive for a stretched tube. The radius shrinks by Poisson's ratio.
        torsion: shear strain R dφ/dz of a twist about the axis, a fraction; positive for a right-handed
            twist.
        stone_wales: (A site, B site) of each bond that is turned by 90°, counter-clockwise as seen from outside.

    Raises:
        ChiralityError: if (n, m) is not canonical.
        SpeciesError: if `species` has the wrong length or an unknown code.
        SiteError: if a Stone-Wales pair is not a bond.
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
            object.__setattr__(self, name, whole(name, value))
        for name, limit in (("strain", MAX_STRAIN), ("torsion", MAX_TORSION)):
            value = number(name, getattr(self, name))
            if not math.isfinite(value) or abs(value) > limit:
                raise StructureError(f"{name}={value} is out of range: give a fraction from -{limit} to {limit}")
            object.__setattr__(self, name, value + 0.0)  # -0.0 would print and hash differently from 0.0
        codes = self._validated_codes()
        object.__setattr__(self, "species", codes)
        super().__post_init__()
        if len(self.stone_wales):
            pairs = validated_pairs(self.lattice, self.stone_wales)
            if (codes[np.array(pairs)] == Species.VACANCY).any():
                raise StructureError(f"one of the Stone-Wales pairs {pairs} holds a vacancy: turn bonds between atoms")
            object.__setattr__(self, "stone_wales", pairs)

    def _validated_codes(self) -> SpeciesArray:
        n_sites = self.lattice.n_sites
        if self.species is None:
            return np.zeros(n_sites, dtype=np.uint8)
        try:
            given = np.asarray(self.species)
        except ValueError as error:  # ragged
            raise SpeciesError(f"species must be a sequence of species codes: {error}") from None
        if given.dtype == bool:
            raise SpeciesError("species are True and False: give codes or `decorated({site: name})`")
        if given.shape != (n_sites,):
            raise SpeciesError(
                f"species has shape {given.shape}, but a ({self.n}, {self.m}) tube of {self.cells} cells has {n_sites} "
                f"sites: give {n_sites} species codes"
            )
        unknown = given[~np.isin(given, list(Species))]
        if unknown.size:
            raise SpeciesError(f"unknown species code {unknown[0]}: give codes from 0 to {len(Species) - 1}")
        return given.astype(np.uint8)

    @classmethod
    def from_sheet(cls, sheet: "Sheet | Crystal | Atoms | Structure", n: int, m: int, cells: int = 1) -> Self:
        """Return the tube that a honeycomb sheet of C, B and N is rolled into, unstrained.

        Args:
            sheet: the sheet: see `Sheet.of`. Its own bond lengths are not kept; `Sheet.rolled` keeps them.
            n: first chiral index, in units of the sheet's own cell vectors.
            m: second chiral index. A left-handed tube is returned as its mirror image.
            cells: number of periods of the decorated tube.

        Raises:
            StructureError: if the sheet is no honeycomb of C, B and N, or n and m are both 0.
        """
        n, m, cells = (whole(name, value) for name, value in (("n", n), ("m", m), ("cells", cells)))
        lattice, species = decorated_lattice(Sheet.of(sheet), n, m, cells)
        return cls(lattice.n, lattice.m, lattice.cells, species)

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
        """Hash of the structure; symmetric copies have different hashes."""
        return hashlib.blake2b(repr(self._identity).encode(), digest_size=12).hexdigest()

    @cached_property
    def key(self) -> str:
        """Hash of the structure up to symmetry: equal for all rotated, screwed and mirrored copies.

        A chiral tube has no mirrored copy, because (m, n) is not canonical.
        """
        species, pairs = canonical_form(self.lattice, self.species, self.stone_wales, mirrors=not self.torsion)
        head = f"{self.n},{self.m},{self.cells},{self.strain:.9f};"
        if self.torsion or pairs:  # other tubes keep the keys by which existing data sets are split
            head += f"{self.torsion:.9f};{pairs};"
        return hashlib.blake2b(head.encode() + species.tobytes(), digest_size=12).hexdigest()

    # ---- views

    @property
    def lattice(self) -> TubeLattice:
        """Lattice of the tube: its sites, bonds and geometry."""
        return tube_lattice(self.n, self.m, self.cells)

    @property
    def n_sites(self) -> int:
        """Number of lattice sites, including vacancies."""
        return self.lattice.n_sites

    @property
    def image(self) -> SpeciesArray:
        """(2, H, W) species codes as a periodic raster, which is a view of `species`.

        A pixel is a unit cell with its A and its B site. The last row is followed by the first one, shifted by
        `lattice.raster_shift`.
        """
        return self.species.reshape(2, *self.lattice.raster_shape)

    @property
    def counts(self) -> dict[Species, int]:
        """Number of sites of each species."""
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
        """Diameter of the strained tube, nm."""
        return self.lattice.diameter_nm * (1.0 - POISSON_RATIO * self.strain)

    @property
    def length_angstrom(self) -> float:
        """Axial period of the strained tube, Å."""
        return self.lattice.length_angstrom * (1.0 + self.strain)

    @property
    @returns_read_only
    def positions_angstrom(self) -> FloatArray:
        """(n_sites, 3) positions of all sites, including vacancies, Å; the axis of the tube is z, through the origin.

        The positions of the atoms of Stone-Wales pairs follow from the turn of the bond on the sheet; they are not
        relaxed.
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
        """(3 n_cells, 3) first site, second site and periodic image (0 or ±1) of the second site of each bond.

        Bonds to vacancies are included. Without Stone-Wales pairs these are `lattice.bonds`.
        """
        return turned_bonds(self.lattice, self.stone_wales) if self.stone_wales else self.lattice.bonds

    @property
    @returns_read_only
    def bond_vectors_angstrom(self) -> FloatArray:
        """(3, 2) vectors of the three bonds of an A atom on the unrolled, strained sheet, around and along it, Å."""
        around, along = (self.lattice.bond_vectors * self._sheet_scale).T
        return np.stack([around + self.torsion * along, along], axis=1)

    @property
    @returns_read_only
    def bond_lengths_angstrom(self) -> FloatArray:
        """(3,) lengths of the three bonds of an A atom on the unrolled, strained sheet, Å."""
        return np.asarray(np.linalg.norm(self.bond_vectors_angstrom, axis=1))

    @property
    @returns_read_only
    def _sheet_scale(self) -> FloatArray:
        return np.array([1.0 - POISSON_RATIO * self.strain, 1.0 + self.strain])

    # ---- other tubes

    def with_species(self, species: ArrayLike) -> Self:
        """Return the tube with other (n_sites,) species codes."""
        return replace(self, species=np.asarray(species))

    def decorated(self, sites: Mapping[int, str | int | Species]) -> Self:
        """Return the tube with other species on some sites: `tube.decorated({0: "B", 5: "N", 9: "vacancy"})`.

        Args:
            sites: species by site; see `parse_species`.

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
                raise SiteError(f"site {site} does not exist: give sites from 0 to {self.n_sites - 1}")
            codes[site] = parse_species(name)
        return self.with_species(codes)

    def strained(self, strain: float) -> Self:
        """Return the tube with another axial strain, a fraction."""
        return replace(self, strain=strain)

    def twisted(self, torsion: float) -> Self:
        """Return the tube with another torsion, a fraction."""
        return replace(self, torsion=torsion)

    def turned(self, *pairs: tuple[int, int]) -> Self:
        """Return the tube with further bonds turned by 90° to Stone-Wales pairs: `tube.turned((0, 32))`.

        Args:
            pairs: (A site, B site) of each bond.

        Raises:
            SiteError: if a pair is not a bond of the lattice.
            StructureError: if two pairs touch.
        """
        return replace(self, stone_wales=(*self.stone_wales, *pairs))

    def repeated(self, times: int) -> Self:
        """Return the tube repeated along its axis.

        Args:
            times: number of copies.

        Raises:
            StructureError: if `times` is below 1.
        """
        times = whole("times", times)
        if times < 1:
            raise StructureError(f"a tube cannot be repeated {times} times: give 1 or more")
        longer = tube_lattice(self.n, self.m, self.cells * times)
        sublattice = np.repeat([0, 1], longer.n_cells)
        species = self.species[self.lattice.sites_at(longer.site_cells, sublattice)]
        pairs = [pair for copy in range(times) for pair in self._pairs_in(longer, copy * self.cells)]
        return replace(self, cells=longer.cells, species=species, stone_wales=tuple(pairs))

    def extended(self, cells: int) -> Self:
        """Return the tube with pristine cells added at both ends.

        Args:
            cells: number of cells at each end.

        Raises:
            StructureError: if `cells` is negative.
        """
        cells = whole("cells", cells)
        if cells < 0:
            raise StructureError(f"a tube cannot be extended by {cells} cells: give 0 or more")
        longer = tube_lattice(self.n, self.m, self.cells + 2 * cells)
        sublattice = np.repeat([0, 1], self.lattice.n_cells)
        species = np.full(longer.n_sites, Species.C12, dtype=np.uint8)
        moved = self.lattice.home_cells + cells * np.array(self.lattice.translation)
        species[longer.sites_at(moved, sublattice)] = self.species
        return replace(self, cells=longer.cells, species=species, stone_wales=tuple(self._pairs_in(longer, cells)))

    def _pairs_in(self, longer: TubeLattice, cells: int) -> list[tuple[int, int]]:
        """Return the Stone-Wales pairs as sites of a longer tube, moved along the axis by a number of cells."""
        pairs = []
        for a, b in self.stone_wales:
            cell = self.lattice.home_cells[a] + cells * np.array(self.lattice.translation)
            step = self.lattice.bond_steps[direction(self.lattice, a, b)]
            first, second = longer.sites_at(np.stack([cell, cell + step]), np.array([0, 1])).tolist()
            pairs.append((first, second))
        return pairs

    # ---- symmetry

    def rotated(self, steps: int = 1) -> Self:
        """Return the tube rotated about its axis by a number of steps of 360°/gcd(n, m)."""
        d = math.gcd(self.n, self.m)
        steps = whole("steps", steps) % d
        return self._moved(translation(self.lattice, steps * self.n // d, steps * self.m // d))

    def screwed(self, p: int, q: int) -> Self:
        """Return the tube moved by p a₁ + q a₂ on the sheet, which is a screw operation about the axis."""
        p, q = (whole(name, value) % self.lattice.n_cells for name, value in (("p", p), ("q", q)))
        return self._moved(translation(self.lattice, p, q))

    def flipped(self) -> Self:
        """Return the tube rotated by 180° about an axis across it, which exchanges its ends and its sublattices."""
        return self._moved(flip(self.lattice))

    def reversed(self) -> Self:
        """Return the tube with its ends exchanged within its cell: a flip that moves no site across an end.

        A site at height z of a tube of length L moves to a height of about L - z. The result is the same device
        between leads, as seen from the other lead.
        """
        n, m, d = self.n, self.m, self.lattice.folds
        rings = self.lattice.n_cells // d
        # A flip moves A sites at k d to B sites at (m - n)/3 - k d; the lowest sites of the cell are below d.
        p, q = (rings - 1 - (m - n) // (3 * d)) * self.lattice.screw
        return self.flipped().screwed(int(p), int(q))

    def mirrored(self) -> Self:
        """Return the mirror image of the tube.

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
