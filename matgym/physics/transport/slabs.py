"""Slabs of a tube across its axis; each slab is bonded to the next one only.

The unit cells of a tube are the group Z x Z_d with d = gcd(n, m): a screw moves a ring of d cells to the next ring, and
a rotation by 360°/d moves a cell to its neighbour in the ring. Slabs of `width` rings are therefore all equal for every
chirality, although a translational cell may contain hundreds of rings: the leads of a (6, 5) tube have 12 sites per
slab, not 364. Within a slab, sites are sorted by their place in the ring first, so that every pristine matrix is
block-circulant in d blocks. A tube between leads is one copy of the tube between pristine tubes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Final, TypeAlias

import numpy as np

from matgym.frozen import ValueObject, cached_by_bytes, returns_read_only
from matgym.physics.oracles import cut_in_two, rows_by
from matgym.structures import Nanotube, Species, TubeLattice
from matgym.structures.memory import MAX_DENSE_BYTES, too_large
from matgym.typing import IntArray, SpeciesArray

Deformation: TypeAlias = tuple[int, int, float, float]


@dataclass(frozen=True)
class Slabs(ValueObject):
    """The slabs of a lattice.

    Attributes:
        lattice: lattice that is cut into slabs.
        hops: range of the interaction in bonds: 1 for hopping, more for force constants or turned bonds.
    """

    lattice: TubeLattice
    hops: int = 1

    @property
    def folds(self) -> int:
        """The number of cells in a ring: d, the order of the rotation axis."""
        return self.lattice.folds

    @cached_property
    def width(self) -> int:
        """The number of rings in a slab, large enough that the interaction ends in the next slab."""
        n, m = self.lattice.n, self.lattice.m
        # Axial extent of bonds in thirds of a unit in which a ring is 3 d thick: see `TubeLattice._axial`.
        bonds = np.array([n - m, n + 2 * m, -(2 * n + m)])
        reach = {0}
        for hop in range(self.hops):  # bonds from A and from B alternate
            reach = {r + (b if hop % 2 == 0 else -b) for r in reach for b in bonds.tolist()}
        longest = max(abs(r) for r in reach)
        if self.hops > 1:
            longest = max(longest, int(np.abs(bonds).max()))
        return max(1, ceil(longest / (3 * self.folds)))

    @property
    def n_sites(self) -> int:
        """The number of sites in a slab."""
        return 2 * self.folds * self.width

    @cached_property
    def rings(self) -> int:
        """The number of rings in the tube."""
        return self.lattice.n_cells // self.folds

    @cached_property
    def count(self) -> int:
        """The number of slabs that contain the tube; the last one may also contain sites beyond the tube."""
        return ceil(self.rings / self.width)

    def ring(self, cells: IntArray) -> tuple[IntArray, IntArray]:
        """Return the ring (any integer) and the place in the ring (0 to d - 1) of unwrapped cells (..., 2)."""
        n, m, d = self.lattice.n, self.lattice.m, self.folds
        ring = (m * cells[..., 0] - n * cells[..., 1]) // d  # divisible without a remainder
        return ring, ((cells - ring[..., None] * self.lattice.screw)[..., 0] // (n // d)) % d

    def cell(self, ring: IntArray, around: IntArray) -> IntArray:
        """Return the (..., 2) cell at a place of a ring; the inverse of `ring`."""
        turn = np.array([self.lattice.n, self.lattice.m]) // self.folds
        return np.asarray(np.asarray(ring)[..., None] * self.lattice.screw + np.asarray(around)[..., None] * turn)

    def place(self, cells: IntArray, sublattice: IntArray) -> tuple[IntArray, IntArray]:
        """Return the slab (any integer) and the index in it of sites: unwrapped cells (..., 2), sublattices (...)."""
        ring, around = self.ring(cells)
        # A ring is a range of heights: B atoms, (m - n)/3 above their cells' A atoms, may lie in another ring.
        ring = ring + np.where(sublattice == 1, (self.lattice.m - self.lattice.n) // (3 * self.folds), 0)
        slab, within = np.divmod(ring, self.width)
        return slab, (around * self.width + within) * 2 + sublattice

    @cached_property
    @returns_read_only
    def sites(self) -> tuple[IntArray, IntArray]:
        """The slab and the index in it of every site of the tube, each (n_sites,)."""
        return self.place(self.lattice.home_cells, np.repeat([0, 1], self.lattice.n_cells))

    def place_of(self, site: int, image: int) -> tuple[int, int]:
        """Return the slab and the index in it of a site in the image-th repeat of the tube."""
        cell = self.lattice.home_cells[site] + image * self.lattice.cells * np.array(self.lattice.translation)
        slab, index = self.place(cell, np.asarray(int(site >= self.lattice.n_cells)))
        return int(slab), int(index)

    @cached_property
    @returns_read_only
    def bonds(self) -> IntArray:
        """The (3 sites/2, 4) bonds of the A sites of a slab: index, index of the B site, slabs up, direction."""
        around, ring, k = np.indices((self.folds, self.width, 3)).reshape(3, -1)
        cells = self.cell(ring, around)
        _, a = self.place(cells, np.zeros_like(ring))
        slab, b = self.place(cells + self.lattice.bond_steps[k], np.ones_like(ring))
        return np.stack([a, b, slab, k], axis=1)


_DEVICE_COPIES: Final = 6
"""Matrices that are alive at once for each slab and coupling of a device; counted in the code."""

_SURFACE_COPIES: Final = 16
"""Matrices that are alive at once for each energy and angular momentum of a lead; counted in the code."""

_BYTES_PER_SITE: Final = 16
"""Bytes of `Slabs.sites` for each site of the tube."""


@cached_by_bytes(lambda slabs: _BYTES_PER_SITE * slabs.lattice.n_sites)
def slabs_of(lattice: TubeLattice, hops: int = 1) -> Slabs:
    """Return the slabs of a lattice, the same object for all callers."""
    return Slabs(lattice, hops)


# ---- tubes between leads


def not_between_leads(tube: Nanotube) -> str | None:
    """Return why a tube cannot be computed between leads, or None if it can."""
    one, other, image = tube.bonds.T
    for a, b in tube.stone_wales:
        touching = np.isin(one, (a, b)) & np.isin(other, (a, b))
        if image[touching].any():
            return f"{tube}: the turned bond ({a}, {b}) crosses the end of the tube; move it inside with screwed()"
    return cut_in_two(tube)


def by_lead(tubes: Sequence[Nanotube]) -> list[list[int]]:
    """Return groups of rows whose tubes are between the same leads."""
    return rows_by(map(deformation, tubes))


def deformation(tube: Nanotube) -> Deformation:
    """Return n, m, strain and torsion, which define the pristine tube."""
    return tube.n, tube.m, tube.strain, tube.torsion


def alike(tubes: Sequence[Nanotube], hops: tuple[int, int], orbitals: int = 1) -> Iterator[tuple[list[int], Slabs]]:
    """Yield groups of rows whose tubes share lattice, deformation and range of the interaction, with their slabs.

    The matrices of a group take no more than `MAX_DENSE_BYTES`, unless those of one tube do.

    Args:
        tubes: B tubes.
        hops: range of the interaction in bonds of the intact lattice, without and with turned bonds.
        orbitals: number of rows of a matrix for each site.
    """
    for rows in rows_by((tube.lattice, tube.strain, tube.torsion, bool(tube.stone_wales)) for tube in tubes):
        first = tubes[rows[0]]
        slabs = slabs_of(first.lattice, hops[bool(first.stone_wales)])
        most = max(1, MAX_DENSE_BYTES // device_bytes(slabs, orbitals))
        for start in range(0, len(rows), most):
            yield rows[start : start + most], slabs


def device_bytes(slabs: Slabs, orbitals: int = 1) -> int:
    """Return about how many bytes the matrices of a device take, its intermediate results included."""
    return 8 * _DEVICE_COPIES * (slabs.count + 2) * (orbitals * slabs.n_sites) ** 2


def too_large_between_leads(tube: Nanotube, slabs: Slabs, energies: int, orbitals: int = 1) -> str:
    """Return why the transmission of a tube is not computed: its matrices take too much memory; empty otherwise.

    Args:
        tube: any tube.
        slabs: its slabs.
        energies: number of energies or frequencies.
        orbitals: number of rows of a matrix for each site.
    """
    surfaces = 16 * _SURFACE_COPIES * energies * (orbitals * slabs.n_sites) ** 2 // slabs.folds
    return too_large(f"{tube}: its transmission", device_bytes(slabs, orbitals) + surfaces)


def stacked_species(tubes: Sequence[Nanotube], slabs: Slabs) -> SpeciesArray:
    """Return the (B, S + 2, M) species of the slabs of tubes, with one slab of each lead at the ends."""
    slab, index = slabs.sites
    species = np.full((len(tubes), slabs.count + 2, slabs.n_sites), Species.C12, dtype=np.uint8)
    species[:, slab + 1, index] = np.stack([tube.species for tube in tubes])
    return species
