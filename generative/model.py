"""A trained generator: what it draws, and the noise it draws from."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from matgym.generative.base import ConditionalSeeder
from matgym.generative.geometry import Geometry, geometry
from matgym.generative.networks import Generator, NetworkSize
from matgym.generative.placement import place
from matgym.structures import TubeLattice
from matgym.typing import FloatArray, IntArray, SpeciesArray

BATCH: Final = 512
"""Tubes that are drawn at once."""


@dataclass(frozen=True)
class Noise:
    """What a draw depends on besides its condition.

    Attributes:
        gumbel: (B, K, S) standard Gumbel noise: the scores of a draft, whose placement is a random valid tube.
        waves: (B, 2 waves, H, W) of random period and phase.
        latent: (B, latent) for the tube as a whole.
    """

    gumbel: Tensor
    waves: Tensor
    latent: Tensor


def draw_noise(size: NetworkSize, shape: Geometry, count: int, kinds: int, rng: np.random.Generator) -> Noise:
    """Noise for `count` tubes of one lattice."""
    uniform = rng.random((count, kinds, shape.lattice.n_sites), dtype=np.float32)
    gumbel = -torch.from_numpy(-np.log(np.maximum(uniform, np.float32(1e-12)))).clamp(min=1e-12).log()
    latent = torch.from_numpy(rng.standard_normal((count, size.latent), dtype=np.float32))
    return Noise(gumbel, shape.waves(count, size.waves, rng), latent)


def scores(network: Generator, shape: Geometry, condition: Tensor, budget: Tensor, noise: Noise) -> Tensor:
    """(B, K, S) the draft's scores, changed by the network.

    Args:
        network: a generator.
        shape: of the tubes.
        condition: (B, columns) standardised.
        budget: (B, K) atoms of each species.
        noise: of the draws.
    """
    draft = place(noise.gumbel, budget, shape.neighbours)
    beside = torch.cat([shape.raster(noise.gumbel), noise.waves], dim=1)
    change: Tensor = network(shape.raster(draft), beside, shape.numbers(draft), noise.latent, condition, shape.shift)
    return noise.gumbel + change.reshape(noise.gumbel.shape)


@dataclass(frozen=True)
class TubeGenerator(ConditionalSeeder):
    """The generator of a trained GAN."""

    @override
    def draw(
        self, lattice: TubeLattice, targets: FloatArray, budget: IntArray, rng: np.random.Generator
    ) -> SpeciesArray:
        shape, parts = geometry(lattice), []
        with torch.inference_mode():
            for start in range(0, len(targets), BATCH):
                part = slice(start, start + BATCH)
                noise = draw_noise(self.network.size, shape, len(targets[part]), len(self.kinds), rng)
                asked = self.condition(lattice, targets[part], budget[part])
                atoms = torch.from_numpy(budget[part])
                parts.append(place(scores(self.network, shape, asked, atoms, noise), atoms, shape.neighbours))
            return shape.species(torch.cat(parts), self.kinds)
