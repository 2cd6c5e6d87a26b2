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
from matgym.learning.sizes import check_sizes

WARM_UP: Final = 0.25
"""The share of the training over which the weight of the divergence rises to one (Bowman et al., CoNLL 2016)."""

FREE: Final = 4.0
"""Divergence of a tube's global latents that adds nothing to the loss, in nats a tube (free bits: Kingma et al.,
NeurIPS 2016). With latents per pixel only, all of them collapsed to the prior within 70 steps, and the network placed
the atoms independently of each other."""


@dataclass(frozen=True)
class VaeSize:
    """The size of the network.

    Attributes:
        width: the number of channels of every convolution.
        blocks: the number of residual blocks of the encoder, and of the decoder.
        latent: the number of latent channels per pixel.
        whole: the number of global latents of a tube.
    """

    width: int = 32
    blocks: int = 2
    latent: int = 4
    whole: int = 8

    def __post_init__(self) -> None:
        check_sizes(**vars(self))


@dataclass(frozen=True)
class VaeConfig(LikelihoodConfig):
    """The settings of the training of the autoencoder; see `LikelihoodConfig`."""

    size: VaeSize = field(default_factory=VaeSize)


class VaeNetwork(Likelihood):
    """An encoder and a decoder on the tube's raster, with latents per pixel and global latents of the tube."""

    def __init__(self, size: VaeSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        both = size.latent + size.whole
        self.encoder = Conditioned(2 * kinds, len(COLUMNS), size.width, size.blocks, 2 * both)
        # Zero weights would give the decoder noise alone, and it would learn to ignore the latents.
        for parameter in self.encoder.last.parameters():
            nn.init.uniform_(parameter, -(size.width**-0.5), size.width**-0.5)
        self.decoder = Conditioned(both, len(COLUMNS), size.width, size.blocks, 2 * (kinds + 1))

    def scores(self, shape: Geometry, latent: Tensor, whole: Tensor, condition: Tensor) -> Tensor:
        """Return the logarithms of the probabilities of every species on every site.

        Args:
            shape: the geometry that all tubes share.
            latent: (B, latent, H, W) latents per pixel.
            whole: (B, whole) global latents.
            condition: (B, columns) standardised conditions.

        Returns:
            (B, K + 1, S), carbon last.
        """
        everywhere = whole[:, :, None, None].expand(-1, -1, *latent.shape[2:])
        out: Tensor = self.decoder(torch.cat([latent, everywhere], dim=1), condition, shape.shift)
        chances: Tensor = out.reshape(len(latent), -1, shape.lattice.n_sites).log_softmax(dim=1)
        return chances

    @override
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        encoded = self.encoder(shape.raster(real), condition, shape.shift)
        split = [2 * self.size.latent, 2 * self.size.whole]
        latent, pooled = encoded.split(split, dim=1)
        # Divided by the root of the number of pixels: few pixels hold atoms, so that a mean would be close to zero.
        whole = pooled.sum(dim=(2, 3)) / (shape.height * shape.width) ** 0.5
        drawn = [_draw(moments, rng) for moments in (latent, whole)]
        chances = self.scores(shape, drawn[0], drawn[1], condition)
        held = torch.cat([real, 1.0 - real.sum(dim=1, keepdim=True)], dim=1)
        surprise = -(held * chances).sum(dim=(1, 2)).mean()
        divergence = _divergence(latent) + _divergence(whole).clamp(min=FREE)
        bound: Tensor = (surprise + min(1.0, progress / WARM_UP) * divergence) / real.shape[2]
        return bound


def _draw(moments: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw (B, C, ...) values of normal distributions, from (B, 2 C, ...) means and logarithms of variances."""
    mean, spread = moments.chunk(2, dim=1)
    noise = torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32)).to(mean.device)
    return mean + noise * (0.5 * spread).exp()


def _divergence(moments: Tensor) -> Tensor:
    """Return the mean divergence of such distributions from the standard normal distribution, in nats a tube."""
    mean, spread = moments.chunk(2, dim=1)
    return 0.5 * (mean**2 + spread.exp() - 1.0 - spread).flatten(1).sum(dim=1).mean()


@dataclass(frozen=True)
class VariationalAutoencoder(ConditionalGenerator):
    """The generator that decodes latents from the prior and places atoms with `matgym.generative.placement`."""

    @override
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        size = (len(budget), self.network.size.latent, shape.height, shape.width)
        latent = shape.tensor(rng.standard_normal(size, dtype=np.float32))
        whole = shape.tensor(rng.standard_normal((len(budget), self.network.size.whole), dtype=np.float32))
        chances = self.network.scores(shape, latent, whole, condition)
        odds = chances[:, :-1] - chances[:, -1:]  # logarithm of the odds of a dopant against carbon
        noise = shape.tensor(rng.gumbel(size=tuple(odds.shape)))
        return place(odds + noise, budget, shape.neighbours)
