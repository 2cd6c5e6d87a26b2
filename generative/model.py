"""A trained generator: what it draws, and the noise it draws from."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from matgym.generative.base import ConditionalGenerator
from matgym.generative.geometry import Geometry
from matgym.generative.networks import Generator, NetworkSize
from matgym.generative.placement import place

CLOSE: Final = 0.15
"""Distance from the target, in standard deviations of the data's, about the guide's own error: 20 meV. Chosen by us."""


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
    return Noise(gumbel.to(shape.device), shape.waves(count, size.waves, rng), latent.to(shape.device))


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
class TubeGenerator(ConditionalGenerator):
    """The generator of a trained GAN.

    Its guide looks at what was drawn: a tube that it believes further from the target than `CLOSE` is drawn again, and
    the nearer of the two kept (rejection by an own critic, as Azadi et al., ICLR 2019, do by the discriminator).

    Attributes:
        draws: most draws for a tube; 1 keeps the first.
    """

    draws: int = 2

    @override
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        kept = self._once(shape, condition, budget, rng)
        if self.draws == 1:
            return kept
        missed, rows = self._missed(shape, kept, condition), torch.arange(len(kept), device=shape.device)
        for _ in range(self.draws - 1):
            rows = rows[missed[rows] > CLOSE]
            if not len(rows):
                break
            again = self._once(shape, condition[rows], budget[rows], rng)
            found = self._missed(shape, again, condition[rows])
            better = found < missed[rows]
            kept[rows[better]], missed[rows[better]] = again[better], found[better]
        return kept

    def _once(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        noise = draw_noise(self.network.size, shape, len(condition), len(self.kinds), rng)
        return place(scores(self.network, shape, condition, budget, noise), budget, shape.neighbours)

    def _missed(self, shape: Geometry, placed: Tensor, condition: Tensor) -> Tensor:
        """(B,) distance from the target as the guide has it, in standard deviations of the data's."""
        _, miss = self.network.look(shape.raster(placed), shape.numbers(placed), condition, shape.shift)
        distance: Tensor = miss[:, 0].abs()
        return distance
