"""The nanotube: a frozen value object."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import SiteError, SpeciesError, StructureError
from matgym.structures.lattice import TubeLattice, tube_lattice
from matgym.structures.species import SPECIES_DATA, Species, parse_species
from matgym.structures.symmetry import canonical_species, flip, mirror, translation
from matgym.typing import FloatArray, SpeciesArray
from matgym.units import POISSON_RATIO

MAX_STRAIN = 0.3
"""Beyond this a carbon nanotube has failed: Ogata and Shibutani, Phys. Rev. B 68, 165409 (2003)."""


@dataclass(frozen=True, eq=False)
class Nanotube:
    """One single-walled tube: chirality, length, what every site holds, and axial strain.

    Equal tubes hold the same species on the same sites; tubes that a symmetry operation maps onto each
    other differ, but share their `key`.

    Attributes:
        n: first chiral index, n >= 1.
        m: second chiral index, 0 <= m <= n.
        cells: translational unit cells along the axis; the tube is periodic.
        species: (n_sites,) species codes, read-only, in raster order (see `TubeLattice`); accepts any
            sequence of codes, and defaults to all 12C.
        strain: axial strain, a fraction; positive is stretched. The radius shrinks by Poisson's ratio.

    Raises:
        ChiralityError: if (n, m) is not canonical.
        SpeciesError: if `species` has the wrong length or an unknown code.
        StructureError: if cells or strain are out of range.
    """

    n: int
    m: int
    cells: int = 1
    species: SpeciesArray = field(default=None, repr=False)  # type: ignore[arg-type]  # filled below
    strain: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n", "m", "cells"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise StructureError(f"{name}={value!r} is not a whole number")
            object.__setattr__(self, name, int(value))
        strain = float(self.strain)
        if not math.isfinite(strain) or abs(strain) > MAX_STRAIN:
            raise StructureError(f"strain {self.strain} is out of range: -{MAX_STRAIN} to {MAX_STRAIN}, as a fraction")
        object.__setattr__(self, "strain", strain)
        codes = self._validated_codes()
        codes.setflags(write=False)
        object.__setattr__(self, "species", codes)

    def _validated_codes(self) -> SpeciesArray:
        n_sites = self.lattice.n_sites
        if self.species is None:
            return np.zeros(n_sites, dtype=np.uint8)
        given = np.asarray(self.species)
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
    def _identity(self) -> tuple[int, int, int, float, bytes]:
        return self.n, self.m, self.cells, self.strain, self.species.tobytes()

    @cached_property
    def key(self) -> str:
        """Hash of the structure up to symmetry: equal for all rotated, screwed and mirrored copies.

        Chiral tubes are told from others of the same handedness only, since (m, n) is not canonical.
        """
        canonical = canonical_species(self.lattice, self.species).tobytes()
        head = f"{self.n},{self.m},{self.cells},{self.strain:.9f};".encode()
        return hashlib.blake2b(head + canonical, digest_size=12).hexdigest()

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
        """Whether every site holds 12C."""
        return not self.species.any()

    @property
    def diameter_nm(self) -> float:
        """Diameter, nm, shrunk or widened by strain."""
        return self.lattice.diameter_nm * (1.0 - POISSON_RATIO * self.strain)

    @property
    def length_angstrom(self) -> float:
        """Axial period, Å."""
        return self.lattice.length_angstrom * (1.0 + self.strain)

    @property
    def positions_angstrom(self) -> FloatArray:
        """(n_sites, 3): every site, vacancies included, Å; the axis is z, through the origin."""
        angle, axial = self.lattice.site_fractions.T
        radius = self.diameter_nm * 10.0 / 2.0
        phi = 2.0 * np.pi * angle
        return np.stack([radius * np.cos(phi), radius * np.sin(phi), axial * self.length_angstrom], axis=1)

    @property
    def bond_lengths_angstrom(self) -> FloatArray:
        """(3,): lengths of the three bonds of an A atom on the unrolled, strained sheet, Å."""
        scale = np.array([1.0 - POISSON_RATIO * self.strain, 1.0 + self.strain])
        return np.asarray(np.linalg.norm(self.lattice.bond_vectors * scale, axis=1))

    # ---- other tubes

    def with_species(self, species: ArrayLike) -> Self:
        """The same tube with all its sites' species replaced."""
        return type(self)(self.n, self.m, self.cells, np.asarray(species), self.strain)

    def decorated(self, sites: Mapping[int, str | int | Species]) -> Self:
        """The same tube with some sites replaced: `tube.decorated({0: "B", 5: "N", 9: "vacancy"})`.

        Raises:
            SiteError: if a site does not exist.
            SpeciesError: if a species is unknown.
        """
        codes = self.species.copy()
        for site, name in sites.items():
            if not 0 <= site < self.n_sites:
                raise SiteError(
                    f"site {site} does not exist: the tube has {self.n_sites} sites (0 to {self.n_sites - 1})"
                )
            codes[site] = parse_species(name)
        return self.with_species(codes)

    def strained(self, strain: float) -> Self:
        """The same tube at another axial strain."""
        return type(self)(self.n, self.m, self.cells, self.species, strain)

    def repeated(self, times: int) -> Self:
        """The tube repeated along its axis.

        Raises:
            StructureError: if `times` is below 1.
        """
        if times < 1:
            raise StructureError(f"a tube cannot be repeated {times} times: give 1 or more")
        longer = tube_lattice(self.n, self.m, self.cells * times)
        sublattice = np.repeat([0, 1], longer.n_cells)
        return type(self)(
            self.n,
            self.m,
            longer.cells,
            self.species[self.lattice.sites_at(longer.site_cells, sublattice)],
            self.strain,
        )

    # ---- symmetry

    def rotated(self, steps: int = 1) -> Self:
        """Turned about the axis by steps of 360°/gcd(n, m)."""
        d = math.gcd(self.n, self.m)
        return self.with_species(self.species[translation(self.lattice, steps * self.n // d, steps * self.m // d)])

    def screwed(self, p: int, q: int) -> Self:
        """Moved along the sheet by p a₁ + q a₂: a screw operation about the axis."""
        return self.with_species(self.species[translation(self.lattice, p, q)])

    def flipped(self) -> Self:
        """Turned by 180° about an axis across the tube, which swaps its ends and its sublattices."""
        return self.with_species(self.species[flip(self.lattice)])

    def mirrored(self) -> Self:
        """The mirror image.

        Raises:
            StructureError: if the tube is chiral, whose mirror image is the (m, n) tube.
        """
        return self.with_species(self.species[mirror(self.lattice)])

    def __str__(self) -> str:
        held = ", ".join(
            f"{count} {SPECIES_DATA[species].label}" for species, count in self.counts.items() if species and count
        )
        strain = f" at {self.strain:+.1%} strain" if self.strain else ""
        return f"({self.n},{self.m})x{self.cells} nanotube{strain}" + (f" with {held}" if held else "")


def tubes_on(lattice: TubeLattice, species: SpeciesArray) -> list[Nanotube]:
    """(B, n_sites) species of one lattice as B unstrained tubes."""
    return [Nanotube(lattice.n, lattice.m, lattice.cells, codes) for codes in species]
