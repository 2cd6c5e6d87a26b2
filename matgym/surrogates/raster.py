"""What a network sees of a tube: a periodic raster, and padding that knows how it wraps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from matgym.structures import Species, TubeLattice, tube_lattice
from matgym.surrogates.descriptors import composition
from matgym.surrogates.domain import SEEN_SPECIES
from matgym.typing import Float32Array, IntArray, SpeciesArray

CHANNELS: Final = 2 * len(SEEN_SPECIES)
"""Channels of a raster as users' modules get it."""

LEAD_ANGSTROM: Final = 4.0
"""Least length of lead that is seen between the two ends of a tube between leads. A choice of ours."""


def encode(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> Float32Array:
    """(B, n_sites) species of one lattice as a raster of one-hot channels, pixels as in `Nanotube.image`.

    Returns:
        (B, 2 len(seen), H, W), channel `2 * k + sublattice` being the k-th seen species.
    """
    return _one_hot(species, seen).reshape(len(species), 2 * len(seen), *lattice.raster_shape)


def _one_hot(species: SpeciesArray, seen: Sequence[Species]) -> Float32Array:
    channels = np.empty((len(species), len(seen), species.shape[1]), dtype=np.float32)
    for k, code in enumerate(seen):
        np.equal(species, code, out=channels[:, k], casting="unsafe")
    return channels


@dataclass(frozen=True, eq=False)
class RasterView:
    """A raster in which all tubes lie alike: columns run along a₁, rows along a₂.

    The raster of `TubeLattice` is the one nearest to a square, and turned against the axis in some tubes; a network
    would have to learn both. A tube between leads is followed by a piece of lead, marked as such, so that its ends
    do not look as if they were bonded to each other.

    Attributes:
        height: rows.
        width: columns.
        shift: columns by which the last row is shifted against the first, as `TubeLattice.raster_shift`.
        sites: (2 height width,) the tube's site at each place, sublattice A first; -1 in the lead.
        leads: whether there is a lead.
    """

    height: int
    width: int
    shift: int
    sites: IntArray
    leads: bool

    def encode(self, species: SpeciesArray, seen: Sequence[Species]) -> Float32Array:
        """(B, n_sites) codes as (B, channels, height, width), one-hot; the lead has the last two channels."""
        placed = np.where(self.sites >= 0, species[:, self.sites], Species.C12)
        raster = _one_hot(placed, seen)
        if self.leads:
            lead = np.broadcast_to((self.sites < 0).astype(np.float32), (len(species), 1, len(self.sites)))
            raster = np.concatenate([raster, lead], axis=1)
        return raster.reshape(len(species), 2 * (len(seen) + self.leads), self.height, self.width)


@lru_cache(maxsize=256)
def raster_view(lattice: TubeLattice, *, leads: bool = False) -> RasterView:
    """The view of a tube, or of a tube between leads."""
    length = lattice.length_angstrom / lattice.cells
    seen = lattice
    if leads:
        seen = tube_lattice(lattice.n, lattice.m, lattice.cells + math.ceil(LEAD_ANGSTROM / length))
    width = next(w for w in range(1, seen.n_cells + 1) if seen.is_period((w, 0)))
    height = seen.n_cells // width
    shift = next(s for s in range(width) if seen.is_period((-s, height)))
    rows, columns = np.divmod(np.arange(height * width), width)
    cells = np.tile(np.stack([columns, rows], axis=1), (2, 1))
    sublattice = np.repeat([0, 1], height * width)
    # The same places, moved along the axis to heights from zero to the length: those of the tube come first.
    home = seen.home_cells[seen.sites_at(cells, sublattice)]
    heights = lattice.axial_thirds(home, sublattice)
    sites = np.where(heights < 3 * lattice.n_cells, lattice.sites_at(home, sublattice), -1)
    return RasterView(height, width, shift, sites, leads)


def global_features(
    lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES
) -> Float32Array:
    """(B, len(seen) + 1): share of each seen species, and the inverse length in 1/nm."""
    return composition(lattice, species, seen)[:, : len(seen) + 1].astype(np.float32)


def circular_pad(raster: Tensor, shift: int, width: int = 1) -> Tensor:
    """Pad a raster on every side with the pixels that are bonded there.

    Walking off the last row comes back on the first, `shift` columns further on; columns wrap plainly. By
    concatenation: `padding_mode="circular"` knows no shift, is slower, and was exported wrongly to ONNX
    (pytorch/pytorch#86690).

    Args:
        raster: (B, C, H, W).
        shift: columns, as `TubeLattice.raster_shift`.
        width: pixels a side; it may exceed H or W.

    Returns:
        (B, C, H + 2 width, W + 2 width).
    """
    height, columns = raster.shape[2], raster.shape[3]
    above: list[Tensor] = []
    below: list[Tensor] = []
    for step in range(math.ceil(width / height)):  # whole turns around, but for thin rasters only one
        rows = min(height, width - step * height)
        turn = (step + 1) * shift % columns
        above.insert(0, raster[:, :, height - rows :].roll(turn, dims=3) if turn else raster[:, :, height - rows :])
        below.append(raster[:, :, :rows].roll(-turn, dims=3) if turn else raster[:, :, :rows])
    tall = torch.cat([*above, raster, *below], dim=2)
    copies = math.ceil(width / columns)
    beside = tall if copies == 1 else torch.cat([tall] * copies, dim=3)
    return torch.cat([beside[..., beside.shape[3] - width :], tall, beside[..., :width]], dim=3)
