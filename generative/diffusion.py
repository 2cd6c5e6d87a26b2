"""Masked diffusion, a baseline: sites are uncovered in random order, each conditioned on those uncovered before.

Austin et al., *Structured denoising diffusion models in discrete state-spaces* (NeurIPS 2021), with the absorbing
state; trained as an order-agnostic autoregressive model (Hoogeboom et al., ICLR 2022), to which it is equivalent.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from matgym.generative.base import ConditionalGenerator
from matgym.generative.config import LikelihoodConfig
from matgym.generative.examples import COLUMNS
from matgym.generative.geometry import Geometry
from matgym.generative.likelihood import Likelihood
from matgym.generative.networks import Conditioned
from matgym.learning.config import check_counts
from matgym.learning.sizes import check_sizes
from matgym.typing import FloatArray, IntArray

FAINT: Final = 1e-12
"""The smallest probability of any species, so that the remaining atoms can be placed whatever the network predicts."""

COVERED: Final = -1
"""The index of a covered site. Uncovered sites have the index of their dopant, or of carbon, which comes last."""


@dataclass(frozen=True)
class DiffusionSize:
    """The size of the network.

    Attributes:
        width: the number of channels of every convolution.
        blocks: the number of residual blocks, of two convolutions each.
        steps: the number of passes in which a tube of carbon is uncovered; every dopant takes one more pass. It may be
            changed after the training. With as many steps as sites the draws are exactly those of the autoregressive
            model.
    """

    width: int = 32
    blocks: int = 4
    steps: int = 32

    def __post_init__(self) -> None:
        check_sizes(width=self.width, blocks=self.blocks)
        check_counts(self, "steps")


@dataclass(frozen=True)
class DiffusionConfig(LikelihoodConfig):
    """The settings of the training of the masked diffusion; see `LikelihoodConfig`."""

    size: DiffusionSize = field(default_factory=DiffusionSize)


class DiffusionNetwork(Likelihood):
    """The network that predicts the species of covered sites from uncovered sites, condition and remaining atoms.

    Its output is added to the logarithms of the remaining composition, so that an untrained network draws at random
    without replacement.
    """

    def __init__(self, size: DiffusionSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        self.trunk = Conditioned(2 * (kinds + 1), len(COLUMNS) + kinds + 1, size.width, size.blocks, 2 * (kinds + 1))

    def forward(self, shape: Geometry, known: Tensor, covered: Tensor, left: Tensor, condition: Tensor) -> Tensor:
        """Return the logarithms of the probabilities of every species on every site.

        Args:
            shape: the geometry that all tubes share.
            known: (B, K, S) ones where an uncovered site holds a dopant.
            covered: (B, 1, S) ones where a site is covered.
            left: (B, K) number of dopants that remain to be placed.
            condition: (B, columns) standardised conditions.

        Returns:
            (B, K + 1, S), carbon last.
        """
        count = covered.sum(dim=2)
        shares = torch.cat([left, count - left.sum(dim=1, keepdim=True)], dim=1) / count.clamp(min=1.0)
        numbers = torch.cat([condition, shares[:, :-1], count / covered.shape[2]], dim=1)
        raster = shape.raster(torch.cat([known, covered], dim=1))
        out: Tensor = self.trunk(raster, numbers, shape.shift).reshape(len(known), -1, covered.shape[2])
        chances: Tensor = (out + shares.clamp(min=FAINT).log()[:, :, None]).log_softmax(dim=1)
        return chances

    @override
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        batch, _, sites = real.shape
        order = torch.from_numpy(rng.permuted(np.tile(np.arange(sites), (batch, 1)), axis=1))
        covered = (order < torch.from_numpy(rng.integers(1, sites + 1, (batch, 1)))).float()[:, None].to(real.device)
        known = real * (1.0 - covered)
        chances = self(shape, known, covered, (real * covered).sum(dim=2), condition)
        whole = torch.cat([real, 1.0 - real.sum(dim=1, keepdim=True)], dim=1)
        surprise = -(whole * chances).sum(dim=1, keepdim=True) * covered
        # Divided by the number of covered sites, so that tubes count alike however many of their sites are covered.
        a_site: Tensor = surprise.sum(dim=2) / covered.sum(dim=2)
        return a_site.mean()


@dataclass(frozen=True)
class MaskedDiffusion(ConditionalGenerator):
    """The generator that draws tubes from a trained masked diffusion.

    The composition is exact: probabilities are weighted by the remaining atoms, so that a species with no atoms left is
    never drawn, and neither is carbon when every covered site is needed for a dopant. Like bonds are not drawn: if a
    site allows no remaining species, the dopant goes to a random carbon site without a like neighbour, if there is one.
    """

    @override
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        atoms = budget.cpu().numpy()
        batch, sites, kinds = len(atoms), shape.lattice.n_sites, len(self.kinds)
        most = math.ceil(sites / self.network.size.steps)
        order = rng.permuted(np.tile(np.arange(sites), (batch, 1)), axis=1)
        held = np.full((batch, sites), COVERED)
        free = np.ones((batch, kinds, sites), dtype=bool)  # beside no atom of the kind
        left, done = np.column_stack([atoms, sites - atoms.sum(axis=1)]), np.zeros(batch, dtype=np.int64)
        neighbours = shape.neighbours.cpu().numpy()
        while len(going := np.flatnonzero(left[:, :kinds].any(axis=1))):
            before = left[going]
            chances = self._chances(shape, held[going], before, condition[torch.from_numpy(going).to(condition.device)])
            here = np.arange(len(going))
            for _ in range(most):
                rows = going[here]
                place = order[rows, done[rows]]
                # Without replacement, a species' probability changes with the share of its atoms that remain.
                weight = chances[here, :, place] * left[rows] / np.maximum(before[here], 1)
                allowed = weight * np.column_stack([free[rows, :, place], np.ones(len(rows))])
                stuck = ~allowed.any(axis=1)
                drawn = _pick(np.where(stuck[:, None], weight, allowed), rng)
                site = place.copy()
                for i in np.flatnonzero(stuck):
                    fitting = np.flatnonzero((held[rows[i]] == kinds) & free[rows[i], drawn[i]])
                    if len(fitting):
                        held[rows[i], place[i]], site[i] = kinds, rng.choice(fitting)
                held[rows, site] = drawn
                left[rows, drawn] -= 1
                done[rows] += 1
                dopants = drawn < kinds
                free[rows[dopants, None], drawn[dopants, None], neighbours[site[dopants]]] = False
                here = here[~dopants]  # a placed dopant changes the probabilities: evaluate the network again
        return shape.tensor(np.stack([held == kind for kind in range(kinds)], axis=1))

    def _chances(self, shape: Geometry, held: IntArray, left: IntArray, condition: Tensor) -> FloatArray:
        """Return (B, K + 1, S) probabilities from (B, S) species' indices and (B, K + 1) remaining atoms."""
        kinds = len(self.kinds)
        known = np.stack([held == kind for kind in range(kinds)], axis=1)
        inputs = (known, (held == COVERED)[:, None], left[:, :kinds])
        out: Tensor = self.network(shape, *(shape.tensor(x) for x in inputs), condition)
        return out.exp().cpu().numpy().astype(np.float64).clip(min=FAINT)


def _pick(weight: FloatArray, rng: np.random.Generator) -> IntArray:
    """Draw (B,) indices, one for each row of weights."""
    total = weight.cumsum(axis=1)
    return np.asarray((rng.random(len(total))[:, None] * total[:, -1:] >= total).sum(axis=1))
