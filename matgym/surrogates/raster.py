"""What a network sees of a tube: a periodic raster, and padding that knows how it wraps."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from matgym.structures import Species, TubeLattice
from matgym.typing import Float32Array, SpeciesArray

SEEN_SPECIES: Final = (Species.B, Species.N, Species.VACANCY)
"""Species with a channel of their own on each sublattice, unless a network asks for others; carbon, of any isotope
that has no channel, is where all are zero."""

CHANNELS: Final = 2 * len(SEEN_SPECIES)
"""Channels of a raster as users' modules get it."""


def encode(lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES) -> Float32Array:
    """Species as a raster of one-hot channels.

    Args:
        lattice: shared by all tubes of the batch.
        species: (B, n_sites) codes.
        seen: species that have channels.

    Returns:
        (B, 2 len(seen), H, W), channel `2 * k + sublattice` being the k-th seen species.
    """
    channels = np.empty((len(species), len(seen), species.shape[1]), dtype=np.float32)
    for k, code in enumerate(seen):
        np.equal(species, code, out=channels[:, k], casting="unsafe")
    return channels.reshape(len(species), 2 * len(seen), *lattice.raster_shape)


def global_features(
    lattice: TubeLattice, species: SpeciesArray, seen: Sequence[Species] = SEEN_SPECIES
) -> Float32Array:
    """(B, len(seen) + 1): share of each seen species, and the inverse length in 1/nm."""
    shares = np.stack([(species == code).mean(axis=1) for code in seen], axis=1)
    inverse_length = np.full((len(species), 1), 10.0 / lattice.length_angstrom)
    return np.concatenate([shares, inverse_length], axis=1).astype(np.float32)


def circular_pad(raster: Tensor, shift: int, width: int = 1) -> Tensor:
    """Pad a raster on every side with the pixels that are bonded there.

    Walking off the last row comes back on the first, `shift` columns further on; columns wrap plainly. By
    concatenation: `padding_mode="circular"` knows no shift, is slower, and was exported wrongly to ONNX
    (pytorch/pytorch#86690).

    Args:
        raster: (B, C, H, W).
        shift: `TubeLattice.raster_shift`.
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
