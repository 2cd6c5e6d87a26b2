"""What a network sees of a tube: a periodic raster, and padding that knows how it wraps."""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from matgym.structures import Species, TubeLattice
from matgym.typing import Float32Array, SpeciesArray

SEEN_SPECIES: Final = (Species.B, Species.N, Species.VACANCY)
"""Species with a channel of their own on each sublattice; carbon, of any isotope, is where all are zero."""

CHANNELS: Final = 2 * len(SEEN_SPECIES)
GLOBALS: Final = len(SEEN_SPECIES) + 1

_CHANNEL_TABLE = np.eye(len(Species), dtype=np.float32)[:, list(SEEN_SPECIES)]  # (codes, seen)


def encode(lattice: TubeLattice, species: SpeciesArray) -> Float32Array:
    """Species as a raster of one-hot channels.

    Args:
        lattice: shared by all tubes of the batch.
        species: (B, n_sites) codes.

    Returns:
        (B, CHANNELS, H, W), channel `2 * k + sublattice` being the k-th seen species.
    """
    batch = len(species)
    channels = np.empty((batch, len(SEEN_SPECIES), species.shape[1]), dtype=np.float32)
    for k, code in enumerate(SEEN_SPECIES):
        np.equal(species, code, out=channels[:, k], casting="unsafe")
    return channels.reshape(batch, CHANNELS, *lattice.raster_shape)


def global_features(lattice: TubeLattice, species: SpeciesArray) -> Float32Array:
    """(B, GLOBALS): share of each seen species, and the inverse length in 1/nm."""
    shares = np.stack([(species == code).mean(axis=1) for code in SEEN_SPECIES], axis=1)
    inverse_length = np.full((len(species), 1), 10.0 / lattice.length_angstrom)
    return np.concatenate([shares, inverse_length], axis=1).astype(np.float32)


def circular_pad(raster: Tensor, shift: int) -> Tensor:
    """Pad a raster by one pixel on every side with the pixels that are bonded there.

    Walking off the last row comes back on the first, `shift` columns further on; columns wrap plainly. By
    concatenation: `padding_mode="circular"` knows no shift, is slower, and was exported wrongly to ONNX
    (pytorch/pytorch#86690).

    Args:
        raster: (B, C, H, W).
        shift: `TubeLattice.raster_shift`.

    Returns:
        (B, C, H + 2, W + 2).
    """
    above, below = raster[:, :, -1:], raster[:, :, :1]
    if shift:
        above, below = above.roll(shift, dims=3), below.roll(-shift, dims=3)
    tall = torch.cat([above, raster, below], dim=2)
    return torch.cat([tall[..., -1:], tall, tall[..., :1]], dim=3)
