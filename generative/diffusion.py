"""Masked diffusion, a baseline: sites are uncovered in random order, each given those that are known.

Austin et al., *Structured denoising diffusion models in discrete state-spaces* (NeurIPS 2021), with the absorbing
state; trained as an order-agnostic autoregressive model (Hoogeboom et al., ICLR 2022), which it amounts to.
"""

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
from matgym.generative.training import OnEpoch
from matgym.structures import TubeLattice
from matgym.typing import FloatArray, IntArray, SpeciesArray

BATCH: Final = 512
"""Tubes that are drawn at once."""


@dataclass(frozen=True)
class DiffusionSize:
    """Size of the network.

    Attributes:
        width: channels of every convolution.
        blocks: residual blocks of two convolutions each.
        steps: passes in which a tube is uncovered.
    """

    width: int = 32
    blocks: int = 4
    steps: int = 32


@dataclass(frozen=True)
class DiffusionSettings(LikelihoodSettings):
    """See `LikelihoodSettings`.

    Attributes:
        size: of the network.
    """

    size: DiffusionSize = field(default_factory=DiffusionSize)


class DiffusionNetwork(Likelihood):
    """Known sites, a condition, and what is left to place → what every covered site may hold."""

    def __init__(self, size: DiffusionSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        self.trunk = Conditioned(2 * (kinds + 1), len(COLUMNS) + kinds + 1, size.width, size.blocks, 2 * (kinds + 1))

    def forward(self, shape: Geometry, known: Tensor, covered: Tensor, left: Tensor, condition: Tensor) -> Tensor:
        """(B, K + 1, S) logarithms of chances, carbon last.

        Args:
            shape: of the tubes.
            known: (B, K, S) dopants on uncovered sites.
            covered: (B, 1, S) one where a site is covered.
            left: (B, K) dopants not yet placed.
            condition: (B, columns).
        """
        count = covered.sum(dim=2)
        numbers = torch.cat([condition, left / count.clamp(min=1.0), count / covered.shape[2]], dim=1)
        raster = shape.raster(torch.cat([known, covered], dim=1))
        out: Tensor = self.trunk(raster, numbers, shape.shift).reshape(len(known), -1, covered.shape[2])
        chances: Tensor = out.log_softmax(dim=1)
        return chances

    @override
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        batch, _, sites = real.shape
        order = torch.from_numpy(rng.permuted(np.tile(np.arange(sites), (batch, 1)), axis=1))
        covered = (order < torch.from_numpy(rng.integers(1, sites + 1, (batch, 1)))).float()[:, None]
        known = real * (1.0 - covered)
        chances = self(shape, known, covered, (real * covered).sum(dim=2), condition)
        whole = torch.cat([real, 1.0 - real.sum(dim=1, keepdim=True)], dim=1)
        surprise = -(whole * chances).sum(dim=1, keepdim=True) * covered
        a_site: Tensor = surprise.sum(dim=2) / covered.sum(dim=2)  # so that every number of covered ones counts alike
        return a_site.mean()


@dataclass(frozen=True)
class MaskedDiffusion(ConditionalSeeder):
    """A trained masked diffusion, as a seeder.

    The composition is exact: a dopant of which none is left is not drawn, nor carbon where all that is covered is
    needed. Like bonds are not drawn either, unless nothing else is left.
    """

    @override
    def draw(
        self, lattice: TubeLattice, targets: FloatArray, budget: IntArray, rng: np.random.Generator
    ) -> SpeciesArray:
        shape, parts = geometry(lattice), []
        for start in range(0, len(targets), BATCH):
            part = slice(start, start + BATCH)
            condition = self.condition(lattice, targets[part], budget[part])
            with torch.inference_mode():
                parts.append(self._uncover(shape, condition, budget[part], rng))
        return np.concatenate(parts)

    def _uncover(self, shape: Geometry, condition: Tensor, budget: IntArray, rng: np.random.Generator) -> SpeciesArray:
        batch, sites, kinds = len(budget), shape.lattice.n_sites, len(self.kinds)
        held = np.full((batch, sites), kinds)  # index of the kind; `kinds` is carbon
        covered, left = np.ones((batch, sites), dtype=bool), budget.copy()
        order = rng.permuted(np.tile(np.arange(sites), (batch, 1)), axis=1)
        rows, neighbours = np.arange(batch), shape.neighbours.numpy()
        for places in np.array_split(order, min(self.network.size.steps, sites), axis=1):
            known = np.stack([(held == kind) & ~covered for kind in range(kinds)], axis=1)
            tensors = [torch.from_numpy(x.astype(np.float32)) for x in (known, covered[:, None], left)]
            chances = self.network(shape, *tensors, condition).exp().numpy().astype(np.float64)
            for place in places.T:
                weight = chances[rows, :, place]  # (B, K + 1)
                weight[:, :kinds] *= left > 0
                weight[:, kinds] *= covered.sum(axis=1) > left.sum(axis=1)
                beside = held[rows[:, None], neighbours[place]]  # (B, 3); covered ones count as carbon
                like = (beside[:, :, None] == np.arange(kinds)).any(axis=1)
                allowed = weight.copy()
                allowed[:, :kinds] *= ~like
                stuck = allowed.sum(axis=1) <= 0.0
                allowed[stuck] = weight[stuck] + 1e-12 * (weight[stuck] > 0.0)
                total = allowed.cumsum(axis=1)
                drawn = (rng.random(batch)[:, None] * total[:, -1:] >= total).sum(axis=1).clip(max=kinds)
                held[rows, place], covered[rows, place] = drawn, False
                placed = drawn < kinds
                left[rows[placed], drawn[placed]] -= 1
        found = torch.from_numpy(np.stack([held == kind for kind in range(kinds)], axis=1).astype(np.float32))
        return shape.species(found, self.kinds)


def train_diffusion(
    data: Dataset, settings: DiffusionSettings, *, checkpoints: Path | None = None, log: Path | None = None,
    on_epoch: OnEpoch = lambda _stage, _epoch, _note: None,
) -> Fitted:  # fmt: skip
    """Train; see `matgym.generative.training.train_gan`."""
    torch.manual_seed(settings.seed)
    network = DiffusionNetwork(settings.size, len(settings.kinds))
    return train_likelihood(data, settings, network, MaskedDiffusion, "diffusion", checkpoints, log, on_epoch)
