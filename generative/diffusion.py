"""Masked diffusion, a baseline: sites are uncovered in random order, each given those that are known.

Austin et al., *Structured denoising diffusion models in discrete state-spaces* (NeurIPS 2021), with the absorbing
state; trained as an order-agnostic autoregressive model (Hoogeboom et al., ICLR 2022), which it amounts to.
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
from matgym.typing import FloatArray, IntArray

FAINT: Final = 1e-12
"""Least chance of anything: what is left to place can be placed, whatever the network thinks of it."""

COVERED: Final = -1
"""Stands for a dopant's index, or carbon's, which follows theirs, where it is not known."""


@dataclass(frozen=True)
class DiffusionSize:
    """Size of the network.

    Attributes:
        width: channels of every convolution.
        blocks: residual blocks of two convolutions each.
        steps: passes in which a tube of carbon is uncovered; every dopant takes another one. May be changed after the
            training; with as many as sites the draws are those of the autoregressive model, without approximation.
    """

    width: int = 32
    blocks: int = 4
    steps: int = 32


@dataclass(frozen=True)
class DiffusionConfig(LikelihoodConfig):
    """See `LikelihoodConfig`."""

    size: DiffusionSize = field(default_factory=DiffusionSize)


class DiffusionNetwork(Likelihood):
    """Known sites, a condition, and what is left to place → what every covered site may hold.

    What it gives is added to what the composition alone tells: a fresh one draws without replacement, at random.
    """

    def __init__(self, size: DiffusionSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        self.trunk = Conditioned(2 * (kinds + 1), len(COLUMNS) + kinds + 1, size.width, size.blocks, 2 * (kinds + 1))

    def forward(self, shape: Geometry, known: Tensor, covered: Tensor, left: Tensor, condition: Tensor) -> Tensor:
        """(B, K + 1, S) logarithms of chances, carbon last.

        Of (B, K, S) dopants known on uncovered sites, (B, 1, S) ones where a site is covered, and (B, K) dopants left.
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
        a_site: Tensor = surprise.sum(dim=2) / covered.sum(dim=2)  # so that every number of covered ones counts alike
        return a_site.mean()


@dataclass(frozen=True)
class MaskedDiffusion(ConditionalGenerator):
    """A trained masked diffusion, as a generator.

    The composition is exact: chances follow what is left, so that nothing is drawn of which none is, nor carbon where
    all that is covered is needed. Like bonds are not drawn; where nothing else is left to do, the atom goes to a site
    of carbon, any that has no such neighbour.
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
                # Of draws without replacement, exactly what became of the chances since the network was asked.
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
                here = here[~dopants]  # an atom tells much about the others: the network is asked anew
        return shape.tensor(np.stack([held == kind for kind in range(kinds)], axis=1))

    def _chances(self, shape: Geometry, held: IntArray, left: IntArray, condition: Tensor) -> FloatArray:
        """(B, K + 1, S) of what every site may hold, from (B, S) what is known and (B, K + 1) what is left."""
        kinds = len(self.kinds)
        known = np.stack([held == kind for kind in range(kinds)], axis=1)
        seen = (known, (held == COVERED)[:, None], left[:, :kinds])
        out: Tensor = self.network(shape, *(shape.tensor(x) for x in seen), condition)
        return out.exp().cpu().numpy().astype(np.float64).clip(min=FAINT)


def _pick(weight: FloatArray, rng: np.random.Generator) -> IntArray:
    """(B,) one index for each row of weights."""
    total = weight.cumsum(axis=1)
    return np.asarray((rng.random(len(total))[:, None] * total[:, -1:] >= total).sum(axis=1))
