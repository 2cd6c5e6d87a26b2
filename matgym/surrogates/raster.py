"""The input of a network: a periodic raster of a tube, and padding that follows its periodicity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from matgym.frozen import ValueObject, cached_by_bytes
from matgym.structures import Species, TubeLattice, tube_lattice
from matgym.surrogates.descriptors import composition
from matgym.surrogates.domain import SEEN_SPECIES
from matgym.typing import Float32Array, IntArray, SpeciesArray

CHANNELS: Final = 2 * len(SEEN_SPECIES)
"""Number of channels of the rasters that users' modules get."""

LEAD_ANGSTROM: Final = 4.0
"""Least length of lead, Å, in the raster of a tube between leads. A choice of ours."""


def encode(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> Float32Array:
    """Return (B, n_sites) species of one lattice as rasters of one-hot channels, with the pixels of `Nanotube.image`.

    Returns:
        (B, 2 len(seen), H, W); channel `2 * k + sublattice` is that of the k-th species of `seen`.
    """
    return _one_hot(species, seen).reshape(len(species), 2 * len(seen), *lattice.raster_shape)


def _one_hot(species: SpeciesArray, seen: Sequence[Species]) -> Float32Array:
    channels = np.empty((len(species), len(seen), species.shape[1]), dtype=np.float32)
    for k, code in enumerate(seen):
        np.equal(species, code, out=channels[:, k], casting="unsafe")
    return channels


@dataclass(frozen=True, eq=False)
class RasterView(ValueObject):
    """A raster with the same orientation for all tubes: columns run along a₁, rows along a₂.

    The raster of `TubeLattice` is the one nearest to a square, and its orientation differs between tubes; a network
    would have to learn both. The raster of a tube between leads ends with a piece of lead, marked as such, so that the
    two ends of the tube are not adjacent, as bonded atoms are.

    Attributes:
        height: number of rows.
        width: number of columns.
        shift: columns by which the last row is shifted relative to the first, as `TubeLattice.raster_shift`.
        sites: (2 height width,) the tube's site at each place, sublattice A first; -1 in the lead.
        leads: whether the raster holds a lead.
    """

    height: int
    width: int
    shift: int
    sites: IntArray
    leads: bool

    def encode(self, species: SpeciesArray, seen: Sequence[Species]) -> Float32Array:
        """Return (B, n_sites) codes as one-hot (B, channels, height, width); the last two channels mark the lead."""
        placed = np.where(self.sites >= 0, species[:, self.sites], Species.C12)
        raster = _one_hot(placed, seen)
        if self.leads:
            lead = np.broadcast_to((self.sites < 0).astype(np.float32), (len(species), 1, len(self.sites)))
            raster = np.concatenate([raster, lead], axis=1)
        return raster.reshape(len(species), 2 * (len(seen) + self.leads), self.height, self.width)


@cached_by_bytes()
def raster_view(lattice: TubeLattice, *, leads: bool = False) -> RasterView:
    """Return the raster layout of a tube, or of a tube between leads."""
    length = lattice.length_angstrom / lattice.cells
    whole = lattice
    if leads:
        whole = tube_lattice(lattice.n, lattice.m, lattice.cells + math.ceil(LEAD_ANGSTROM / length))
    width = next(w for w in range(1, whole.n_cells + 1) if whole.is_period((w, 0)))
    height = whole.n_cells // width
    shift = next(s for s in range(width) if whole.is_period((-s, height)))
    rows, columns = np.divmod(np.arange(height * width), width)
    cells = np.tile(np.stack([columns, rows], axis=1), (2, 1))
    sublattice = np.repeat([0, 1], height * width)
    # The same places, moved along the axis to heights from zero to the length: the tube is below the lead.
    home = whole.home_cells[whole.sites_at(cells, sublattice)]
    heights = lattice.axial_thirds(home, sublattice)
    sites = np.where(heights < 3 * lattice.n_cells, lattice.sites_at(home, sublattice), -1)
    return RasterView(height, width, shift, sites, leads)


def global_features(
    lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES
) -> Float32Array:
    """Return (B, len(seen) + 1) features: the share of each species of `seen`, and the inverse length in 1/nm."""
    return composition(lattice, species, seen)[:, : len(seen) + 1].astype(np.float32)


def circular_pad(raster: Tensor, shift: int, width: int = 1) -> Tensor:
    """Pad a raster on every side with the pixels that are bonded to that side.

    The row after the last one is the first, moved by `shift` columns; columns are periodic without a shift. The padding
    is by concatenation: `padding_mode="circular"` has no shift, is slower, and was exported wrongly to ONNX
    (pytorch/pytorch#86690).

    Args:
        raster: (B, C, H, W) raster.
        shift: columns, as `TubeLattice.raster_shift`.
        width: pixels on each side; it may exceed H or W.

    Returns:
        (B, C, H + 2 width, W + 2 width) raster.
    """
    height, columns = raster.shape[2], raster.shape[3]
    above: list[Tensor] = []
    below: list[Tensor] = []
    for step in range(math.ceil(width / height)):  # periods of the raster; more than one only if H < width
        rows = min(height, width - step * height)
        turn = (step + 1) * shift % columns
        above.insert(0, raster[:, :, height - rows :].roll(turn, dims=3) if turn else raster[:, :, height - rows :])
        below.append(raster[:, :, :rows].roll(-turn, dims=3) if turn else raster[:, :, :rows])
    tall = torch.cat([*above, raster, *below], dim=2)
    copies = math.ceil(width / columns)
    beside = tall if copies == 1 else torch.cat([tall] * copies, dim=3)
    return torch.cat([beside[..., beside.shape[3] - width :], tall, beside[..., :width]], dim=3)
