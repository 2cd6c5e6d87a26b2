"""A conditional variational autoencoder, a baseline: Kingma and Welling, ICLR 2014; Sohn, Lee and Yan, NeurIPS 2015."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from matgym.generative.base import ConditionalGenerator
from matgym.generative.config import LikelihoodConfig
from matgym.generative.examples import COLUMNS
from matgym.generative.geometry import Geometry
from matgym.generative.likelihood import Likelihood
from matgym.generative.networks import Conditioned
from matgym.generative.placement import place

WARM_UP: Final = 0.25
"""Share of the training over which the divergence's weight rises to one (Bowman et al., CoNLL 2016)."""

FREE: Final = 4.0
"""Nats a tube that its numbers may hold at no cost (free bits: Kingma et al., NeurIPS 2016). With latents a pixel alone
all of them were given up within 70 steps, and atoms came out as if they knew nothing of each other."""


@dataclass(frozen=True)
class VaeSize:
    """Size of the network.

    Attributes:
        width: channels of every convolution.
        blocks: residual blocks of encoder and decoder.
        latent: latent channels a pixel.
        whole: latent numbers for the tube as a whole.
    """

    width: int = 32
    blocks: int = 2
    latent: int = 4
    whole: int = 8


@dataclass(frozen=True)
class VaeConfig(LikelihoodConfig):
    """See `LikelihoodConfig`."""

    size: VaeSize = field(default_factory=VaeSize)


class VaeNetwork(Likelihood):
    """Encoder and decoder, both on the tube's raster: latents a pixel, and some for the tube, whatever its size."""

    def __init__(self, size: VaeSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        both = size.latent + size.whole
        self.encoder = Conditioned(2 * kinds, len(COLUMNS), size.width, size.blocks, 2 * both)
        for parameter in self.encoder.last.parameters():  # from zero, a decoder would see noise alone, and not listen
            nn.init.uniform_(parameter, -(size.width**-0.5), size.width**-0.5)
        self.decoder = Conditioned(both, len(COLUMNS), size.width, size.blocks, 2 * (kinds + 1))

    def scores(self, shape: Geometry, latent: Tensor, whole: Tensor, condition: Tensor) -> Tensor:
        """(B, K + 1, S) logarithms of chances of what a site holds, carbon last; whole is (B, whole)."""
        everywhere = whole[:, :, None, None].expand(-1, -1, *latent.shape[2:])
        out: Tensor = self.decoder(torch.cat([latent, everywhere], dim=1), condition, shape.shift)
        chances: Tensor = out.reshape(len(latent), -1, shape.lattice.n_sites).log_softmax(dim=1)
        return chances

    @override
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        seen = self.encoder(shape.raster(real), condition, shape.shift)
        split = [2 * self.size.latent, 2 * self.size.whole]
        latent, pooled = seen.split(split, dim=1)
        whole = pooled.sum(dim=(2, 3)) / (shape.height * shape.width) ** 0.5  # a mean of so few atoms would be faint
        drawn = [_draw(moments, rng) for moments in (latent, whole)]
        chances = self.scores(shape, drawn[0], drawn[1], condition)
        held = torch.cat([real, 1.0 - real.sum(dim=1, keepdim=True)], dim=1)
        surprise = -(held * chances).sum(dim=(1, 2)).mean()
        divergence = _divergence(latent) + _divergence(whole).clamp(min=FREE)
        bound: Tensor = (surprise + min(1.0, progress / WARM_UP) * divergence) / real.shape[2]
        return bound


def _draw(moments: Tensor, rng: np.random.Generator) -> Tensor:
    """From normal distributions; (B, 2 C, ...) means and logarithms of variances → (B, C, ...)."""
    mean, spread = moments.chunk(2, dim=1)
    noise = torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32)).to(mean.device)
    return mean + noise * (0.5 * spread).exp()


def _divergence(moments: Tensor) -> Tensor:
    """Of such distributions from the standard normal one, nats a tube, mean of the batch."""
    mean, spread = moments.chunk(2, dim=1)
    return 0.5 * (mean**2 + spread.exp() - 1.0 - spread).flatten(1).sum(dim=1).mean()


@dataclass(frozen=True)
class VariationalAutoencoder(ConditionalGenerator):
    """A trained autoencoder, as a generator: a latent from its prior, decoded, placed as the GAN's scores are."""

    @override
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        size = (len(budget), self.network.size.latent, shape.height, shape.width)
        latent = shape.tensor(rng.standard_normal(size, dtype=np.float32))
        whole = shape.tensor(rng.standard_normal((len(budget), self.network.size.whole), dtype=np.float32))
        chances = self.network.scores(shape, latent, whole, condition)
        odds = chances[:, :-1] - chances[:, -1:]  # of a dopant against carbon
        noise = shape.tensor(rng.gumbel(size=tuple(odds.shape)))
        return place(odds + noise, budget, shape.neighbours)
