"""Descriptors of decorated tubes: composition, and the pairs of a cluster expansion.

Cluster expansion: Sanchez, Ducastelle and Gratias, Physica A 128, 334 (1984), to pairs. Carbon of any isotope that is
not asked for is the host: its pairs follow from the others.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np

from matgym.errors import StructureError
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.structures.lattice import A, B
from matgym.surrogates.domain import SEEN_SPECIES
from matgym.typing import Float32Array, FloatArray, IntArray, SpeciesArray
from matgym.units import CARBON_BOND_ANGSTROM

Descriptor: TypeAlias = Callable[[TubeLattice, SpeciesArray, Sequence[Species]], FloatArray]
"""(lattice, (B, n_sites) species, species asked for) to (B, F)."""

PAIR_ANGSTROM: Final = 5.2
"""Pairs up to this far apart on the sheet count: seven shells of neighbours. A choice of ours."""

_CELLS: Final = 3  # no pair within PAIR_ANGSTROM is further apart
_BATCH: Final = 512  # tubes at a time, so that the indicators of all partners stay small


def composition(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> FloatArray:
    """What is known of (B, n_sites) codes of one lattice without looking at where atoms stand.

    Returns:
        (B, len(seen) + 3): share of the sites that each species holds, then of the tube: inverse length (1/nm), inverse
        diameter (1/nm), and cos 6θ of the chiral angle: 1 if zigzag, -1 if armchair.
    """
    shares = np.stack([(species == code).mean(axis=1) for code in seen], axis=1)
    n, m = lattice.n, lattice.m
    chirality = np.cos(6.0 * np.arctan2(np.sqrt(3.0) * m, 2 * n + m))
    tube = np.array([10.0 / lattice.length_angstrom, 1.0 / lattice.diameter_nm, chirality])
    return np.concatenate([shares, np.broadcast_to(tube, (len(species), 3))], axis=1)


def pairs(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> FloatArray:
    """Composition, and how often each pair of the species `seen` stands at each offset on the sheet.

    Pairs on two A sites or two B sites are counted together, the latter by the opposite offset, and so are s on A with
    t on B and t on A with s on B: the two-fold turn across the axis exchanges them. Rotations, screws and that turn
    therefore leave the numbers as they are. On short or thin tubes a site may pair with images of one other, or of
    itself, as in the endless tube.

    Returns:
        (B, F): `composition`, then per site, for every offset of `like_offsets`, the number of pairs (s, t) on one
        sublattice; then, for every offset of `unlike_offsets`, the number of pairs {s, t}, s no later than t, on two.
    """
    one, other = np.triu_indices(len(seen))
    like, unlike = like_offsets(), unlike_offsets()
    a_like, a_unlike, b_like = (
        _partners(lattice, *case) for case in ((A, A, like), (A, B, unlike), (B, B, tuple((-p, -q) for p, q in like)))
    )
    found = []
    for start in range(0, len(species), _BATCH):
        codes = species[start : start + _BATCH]
        marks = np.stack([codes == kind for kind in seen], axis=1).astype(np.float32)  # (b, k, n_sites)
        same = _counts(marks, A, a_like) + _counts(marks, B, b_like)  # (b, offsets, k, k)
        across = _counts(marks, A, a_unlike)
        across = (across + across.swapaxes(2, 3))[:, :, one, other] / (1.0 + (one == other))
        found.append(np.concatenate([same.reshape(len(codes), -1), across.reshape(len(codes), -1)], axis=1))
    counts = np.concatenate(found) if found else np.zeros((0, len(like) * len(seen) ** 2 + len(unlike) * len(one)))
    return np.concatenate([composition(lattice, species, seen), counts / lattice.n_sites], axis=1)


def of(tubes: Sequence[Nanotube], descriptor: Descriptor = pairs, seen: Sequence[Species] = SEEN_SPECIES) -> FloatArray:
    """(len(tubes), F) descriptors of tubes of any lattices, for example to fit a regressor of one's own.

    Raises:
        StructureError: if a tube is strained, twisted or has turned bonds, which the descriptors do not see.
    """
    batch = TubeBatch.of(tubes)
    for row in np.flatnonzero(batch.deformed | batch.reconstructed)[:1].tolist():
        raise StructureError(f"{batch[row]} is deformed, which descriptors do not see: give it as it was before")
    found = [(group.rows, descriptor(group.lattice, group.species, seen)) for group in batch.by_lattice()]
    features = np.empty((len(batch), found[0][1].shape[1] if found else 0))
    for rows, values in found:
        features[rows] = values
    return features


@lru_cache(maxsize=1)
def like_offsets() -> tuple[tuple[int, int], ...]:
    """(p, q) in a₁ and a₂ from a site to others of its sublattice, one of each (p, q) and (-p, -q)."""
    return tuple((p, q) for p, q in _within(0.0) if (p, q) > (0, 0))


@lru_cache(maxsize=1)
def unlike_offsets() -> tuple[tuple[int, int], ...]:
    """(p, q) in a₁ and a₂ from the unit cell of an A site to those of B sites."""
    return tuple(_within(1.0 / 3.0))


def _within(shift: float) -> list[tuple[int, int]]:
    """Offsets whose places, moved by (shift, shift), are near enough."""
    constant = np.sqrt(3.0) * CARBON_BOND_ANGSTROM
    span = range(-_CELLS, _CELLS + 1)
    places = [(p, q, p + shift, q + shift) for p in span for q in span]
    return [(p, q) for p, q, x, y in places if constant * np.sqrt(x * x + x * y + y * y) <= PAIR_ANGSTROM]


@lru_cache(maxsize=256)
def _partners(lattice: TubeLattice, start: int, end: int, offsets: tuple[tuple[int, int], ...]) -> IntArray:
    """(offsets, n_cells): the site at each offset from each site of a sublattice."""
    cells = lattice.site_cells[: lattice.n_cells] if start == A else lattice.site_cells[lattice.n_cells :]
    moved = cells + np.array(offsets)[:, None]  # (offsets, n_cells, 2)
    return lattice.sites_at(moved, np.full(moved.shape[:2], end))


def _counts(marks: Float32Array, start: int, partners: IntArray) -> FloatArray:
    """(b, offsets, k, k): how often s at a site meets t at its partner."""
    half = marks.shape[2] // 2
    here = marks[:, :, start * half : (start + 1) * half]  # (b, k, n_cells)
    there = marks[:, :, partners]  # (b, k, offsets, n_cells)
    b, k, offsets, cells = there.shape
    met = here @ there.reshape(b, k * offsets, cells).swapaxes(1, 2)  # (b, k, k * offsets)
    return met.reshape(b, k, k, offsets).transpose(0, 3, 1, 2).astype(np.float64)
