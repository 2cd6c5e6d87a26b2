"""A conditional variational autoencoder, a baseline: Kingma and Welling, ICLR 2014; Sohn, Lee and Yan, NeurIPS 2015."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from matgym.datasets import Dataset
from matgym.generative.base import ConditionalSeeder
from matgym.generative.conditions import COLUMNS
from matgym.generative.geometry import Geometry, geometry
from matgym.generative.likelihood import Fitted, Likelihood, LikelihoodSettings, train_likelihood
from matgym.generative.networks import Conditioned
from matgym.generative.placement import place
from matgym.generative.training import OnEpoch
from matgym.structures import TubeLattice
from matgym.typing import FloatArray, IntArray, SpeciesArray

BATCH: Final = 512
"""Tubes that are drawn at once."""

WARM_UP: Final = 0.5
"""Share of the training over which the divergence's weight rises to one (Bowman et al., CoNLL 2016): at full weight
from the start, the latent is never used."""


@dataclass(frozen=True)
class VaeSize:
    """Size of the network.

    Attributes:
        width: channels of every convolution.
        blocks: residual blocks of encoder and decoder.
        latent: latent channels a pixel.
    """

    width: int = 32
    blocks: int = 2
    latent: int = 4


@dataclass(frozen=True)
class VaeSettings(LikelihoodSettings):
    """See `LikelihoodSettings`.

    Attributes:
        size: of the network.
    """

    size: VaeSize = field(default_factory=VaeSize)


class VaeNetwork(Likelihood):
    """Encoder and decoder, both on the tube's raster, so that tubes of any size have a latent of their own size."""

    def __init__(self, size: VaeSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        self.encoder = Conditioned(2 * kinds, len(COLUMNS), size.width, size.blocks, 2 * size.latent)
        self.decoder = Conditioned(size.latent, len(COLUMNS), size.width, size.blocks, 2 * (kinds + 1))

    def scores(self, shape: Geometry, latent: Tensor, condition: Tensor) -> Tensor:
        """(B, K + 1, S) logarithms of chances of what a site holds, carbon last."""
        out: Tensor = self.decoder(latent, condition, shape.shift).reshape(len(latent), -1, shape.lattice.n_sites)
        chances: Tensor = out.log_softmax(dim=1)
        return chances

    @override
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        mean, spread = self.encoder(shape.raster(real), condition, shape.shift).chunk(2, dim=1)
        noise = torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32))
        chances = self.scores(shape, mean + noise * (0.5 * spread).exp(), condition)
        whole = torch.cat([real, 1.0 - real.sum(dim=1, keepdim=True)], dim=1)
        surprise = -(whole * chances).sum(dim=(1, 2)).mean()
        divergence = 0.5 * (mean**2 + spread.exp() - 1.0 - spread).sum(dim=(1, 2, 3)).mean()
        bound: Tensor = (surprise + min(1.0, progress / WARM_UP) * divergence) / real.shape[2]
        return bound


@dataclass(frozen=True)
class VariationalAutoencoder(ConditionalSeeder):
    """A trained autoencoder, as a seeder: a latent from its prior, decoded, placed as the GAN's scores are."""

    @override
    def draw(
        self, lattice: TubeLattice, targets: FloatArray, budget: IntArray, rng: np.random.Generator
    ) -> SpeciesArray:
        shape, parts = geometry(lattice), []
        with torch.inference_mode():
            for start in range(0, len(targets), BATCH):
                part = slice(start, start + BATCH)
                count = len(targets[part])
                size = (count, self.network.size.latent, shape.height, shape.width)
                latent = torch.from_numpy(rng.standard_normal(size, dtype=np.float32))
                chances = self.network.scores(shape, latent, self.condition(lattice, targets[part], budget[part]))
                odds = chances[:, :-1] - chances[:, -1:]  # of a dopant against carbon
                noise = torch.from_numpy(rng.gumbel(size=tuple(odds.shape)).astype(np.float32))
                parts.append(place(odds + noise, torch.from_numpy(budget[part]), shape.neighbours))
            return shape.species(torch.cat(parts), self.kinds)


def train_vae(
    data: Dataset, settings: VaeSettings, *, checkpoints: Path | None = None, log: Path | None = None,
    on_epoch: OnEpoch = lambda _stage, _epoch, _note: None,
) -> Fitted:  # fmt: skip
    """Train; see `matgym.generative.training.train_gan`."""
    torch.manual_seed(settings.seed)
    network = VaeNetwork(settings.size, len(settings.kinds))
    return train_likelihood(data, settings, network, VariationalAutoencoder, "vae", checkpoints, log, on_epoch)
