"""Descriptors of decorated tubes: composition, and the pairs of a cluster expansion.

Source: cluster expansion of Sanchez, Ducastelle and Gratias, Physica A 128, 334 (1984), up to pairs. Carbon of any
isotope that is not among the given species is the host; its pairs follow from the others.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import cached_by_bytes, returns_read_only
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.structures.lattice import A, B
from matgym.surrogates.domain import SEEN_SPECIES
from matgym.typing import Float32Array, FloatArray, IntArray, SpeciesArray
from matgym.units import CARBON_BOND_ANGSTROM

Descriptor: TypeAlias = Callable[[TubeLattice, SpeciesArray, Sequence[Species]], FloatArray]
"""A function from (lattice, (B, n_sites) species, species to describe) to (B, F) features."""

PAIR_ANGSTROM: Final = 5.2
"""Largest distance of a pair on the sheet, Å: seven shells of neighbours. A choice of ours."""

_CELLS: Final = 3  # no pair within PAIR_ANGSTROM is further apart
_BATCH: Final = 512  # tubes at a time, so that the indicators of all partners stay small


def composition(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> FloatArray:
    """Return the features of (B, n_sites) codes of one lattice that do not depend on the positions of atoms.

    Returns:
        (B, len(seen) + 3): the share of sites of each species, then of the tube: inverse length (1/nm), inverse
        diameter (1/nm), and cos 6θ of the chiral angle: 1 for zigzag, -1 for armchair.
    """
    shares = np.stack([(species == code).mean(axis=1) for code in seen], axis=1)
    n, m = lattice.n, lattice.m
    chirality = np.cos(6.0 * np.arctan2(np.sqrt(3.0) * m, 2 * n + m))
    tube = np.array([10.0 / lattice.length_angstrom, 1.0 / lattice.diameter_nm, chirality])
    return np.concatenate([shares, np.broadcast_to(tube, (len(species), 3))], axis=1)


def pairs(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> FloatArray:
    """Return the composition, and the number of pairs of the species `seen` at each offset on the sheet.

    Pairs on two A sites and pairs on two B sites are counted together, the latter by the opposite offset. So are pairs
    of s on A with t on B and of t on A with s on B: the two-fold rotation across the axis exchanges them. So rotations,
    screws and this two-fold rotation do not change the numbers. On short or thin tubes a site may form pairs with
    several images of another site, or with images of itself, as in the infinite tube.

    Returns:
        (B, F): `composition`, then per site, for every offset of `like_offsets`, the number of pairs (s, t) on one
        sublattice; then, for every offset of `unlike_offsets`, the number of pairs {s, t}, s no later than t, on two.
    """
    one, other = np.triu_indices(len(seen))
    like, unlike = like_offsets(), unlike_offsets()
    a_like, a_unlike, b_like = (
        _partners(lattice, *case) for case in ((A, A, like), (A, B, unlike), (B, B, tuple((-p, -q) for p, q in like)))
    )
    parts = []
    for start in range(0, len(species), _BATCH):
        codes = species[start : start + _BATCH]
        marks = np.stack([codes == kind for kind in seen], axis=1).astype(np.float32)  # (b, k, n_sites)
        same = _counts(marks, A, a_like) + _counts(marks, B, b_like)  # (b, offsets, k, k)
        across = _counts(marks, A, a_unlike)
        across = (across + across.swapaxes(2, 3))[:, :, one, other] / (1.0 + (one == other))
        parts.append(np.concatenate([same.reshape(len(codes), -1), across.reshape(len(codes), -1)], axis=1))
    counts = np.concatenate(parts) if parts else np.zeros((0, len(like) * len(seen) ** 2 + len(unlike) * len(one)))
    return np.concatenate([composition(lattice, species, seen), counts / lattice.n_sites], axis=1)


def of(tubes: Sequence[Nanotube], descriptor: Descriptor = pairs, seen: Sequence[Species] = SEEN_SPECIES) -> FloatArray:
    """Return (len(tubes), F) descriptors of tubes of any lattices, for example to fit your own regressor.

    Raises:
        StructureError: if a tube is strained, twisted or has turned bonds, which the descriptors do not represent.
    """
    batch = TubeBatch.of(tubes)
    for row in np.flatnonzero(batch.deformed | batch.reconstructed)[:1].tolist():
        raise StructureError(f"{batch[row]} is deformed, which descriptors do not represent: give the undeformed tube")
    parts = [(group.rows, descriptor(group.lattice, group.species, seen)) for group in batch.by_lattice()]
    features = np.empty((len(batch), parts[0][1].shape[1] if parts else 0))
    for rows, values in parts:
        features[rows] = values
    return features


@lru_cache(maxsize=1)
def like_offsets() -> tuple[tuple[int, int], ...]:
    """Return offsets (p, q) in a₁ and a₂ between sites of one sublattice, one of each (p, q) and (-p, -q)."""
    return tuple((p, q) for p, q in _within(0.0) if (p, q) > (0, 0))


@lru_cache(maxsize=1)
def unlike_offsets() -> tuple[tuple[int, int], ...]:
    """Return offsets (p, q) in a₁ and a₂ from the unit cell of an A site to those of B sites."""
    return tuple(_within(1.0 / 3.0))


def _within(shift: float) -> list[tuple[int, int]]:
    """Return the offsets whose length, after a shift by (shift, shift), is at most `PAIR_ANGSTROM`."""
    constant = np.sqrt(3.0) * CARBON_BOND_ANGSTROM
    span = range(-_CELLS, _CELLS + 1)
    places = [(p, q, p + shift, q + shift) for p in span for q in span]
    return [(p, q) for p, q, x, y in places if constant * np.sqrt(x * x + x * y + y * y) <= PAIR_ANGSTROM]


@cached_by_bytes()
@returns_read_only
def _partners(lattice: TubeLattice, start: int, end: int, offsets: tuple[tuple[int, int], ...]) -> IntArray:
    """Return (offsets, n_cells) sites: the site at each offset from each site of a sublattice."""
    cells = lattice.site_cells[: lattice.n_cells] if start == A else lattice.site_cells[lattice.n_cells :]
    moved = cells + np.array(offsets)[:, None]  # (offsets, n_cells, 2)
    return lattice.sites_at(moved, np.full(moved.shape[:2], end))


def _counts(marks: Float32Array, start: int, partners: IntArray) -> FloatArray:
    """Return (b, offsets, k, k) counts of species s at a site with species t at its partner."""
    half = marks.shape[2] // 2
    here = marks[:, :, start * half : (start + 1) * half]  # (b, k, n_cells)
    there = marks[:, :, partners]  # (b, k, offsets, n_cells)
    b, k, offsets, cells = there.shape
    met = here @ there.reshape(b, k * offsets, cells).swapaxes(1, 2)  # (b, k, k * offsets)
    return met.reshape(b, k, k, offsets).transpose(0, 3, 1, 2).astype(np.float64)
