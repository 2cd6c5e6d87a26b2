"""Make more of a generator: draw several, rank by a surrogate, keep the diverse best; or search its latent space."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from matgym.generative.examples import like_bonds
from matgym.generative.geometry import geometry
from matgym.generative.networks import Noise, TubeGenerator, draw_noise, scores
from matgym.generative.placement import straight_through
from matgym.generative.regressor import Regressor
from matgym.learning.devices import device_of
from matgym.structures import TubeBatch, TubeLattice
from matgym.surrogates import NetworkSurrogate
from matgym.tasks import Decorations, DesignGenerator
from matgym.typing import FloatArray, IntArray, SpeciesArray

CAUTION: Final = 1.0
"""Standard deviations of the surrogate that count against a design: what it is less sure of ranks lower."""

APART: Final = 4
"""Sites in which two seeds for the same target must differ while there is a choice. Both are chosen by us."""


@dataclass(frozen=True)
class RankedDesigns:
    """Draws several designs for each target and keeps the one that a surrogate predicts nearest.

    Designs with like bonds come last. Seeds for the same target differ in `APART` sites and more, as long as there are
    such. Every design drawn costs an evaluation of the surrogate, which the caller has to count.

    Attributes:
        generator: draws.
        surrogate: ranks.
        key: the property.
        candidates: designs drawn for each that is kept.
    """

    generator: DesignGenerator
    surrogate: NetworkSurrogate
    key: str = "gap_ev"
    candidates: int = 8

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """See `matgym.tasks.DesignGenerator`."""
        wanted = np.repeat(targets, self.candidates)
        batch, lattice = self.generator.sample(space, wanted, rng), space.lattice
        drawn, found_by = batch.species.reshape(len(wanted), -1), self.surrogate.predict(batch)
        error = np.abs(found_by[self.key] - wanted) + CAUTION * found_by.sd_of(self.key)
        worth = error + 1e3 * like_bonds(lattice, drawn)
        found = np.empty((len(targets), lattice.n_sites), dtype=np.uint8)
        for target in np.unique(targets):
            rows = np.flatnonzero(wanted == target)
            order = rows[np.argsort(worth[rows], kind="stable")]
            places = np.flatnonzero(targets == target)
            found[places] = drawn[_diverse(drawn[order], order, len(places))]
        return TubeBatch.uniform(lattice, found)


def _diverse(species: SpeciesArray, rows: IntArray, count: int) -> IntArray:
    """(count,) of the rows, best first, leaving out those too like an earlier one until nothing else is left."""
    kept: list[int] = []
    passed: list[int] = []
    for index, codes in enumerate(species):
        near = kept and ((species[kept] != codes).sum(axis=1) < APART).any()
        (passed if near else kept).append(index)
        if len(kept) == count:
            break
    return np.asarray(rows[(kept + passed)[:count]])


def latent_search(
    generator: TubeGenerator,
    surrogate: NetworkSurrogate,
    lattice: TubeLattice,
    targets: FloatArray,
    budget: IntArray,
    rng: np.random.Generator,
    *,
    steps: int = 20,
    rate: float = 0.05,
) -> tuple[SpeciesArray, FloatArray]:
    """Move through the generator's noise, along the gradient of the surrogate, towards the target.

    Gradients pass from the surrogate through the straight-through placement into the noise (Gómez-Bombarelli et al.,
    ACS Cent. Sci. 4, 268 (2018), search the latent space of an autoencoder likewise).

    Args:
        generator: of tubes.
        surrogate: of the property.
        lattice: of all tubes.
        targets: (B,) in the property's unit.
        budget: (B, K) atoms of each species.
        rng: of the first noise.
        steps: of Adam; each costs an evaluation of the surrogate a tube.
        rate: its learning rate.

    Returns:
        (B, n_sites) the best tube on each path, and (steps, B) distances from the target as the surrogate has it, in
        its standard deviations.
    """
    device = device_of(generator.network)
    shape, regressor = geometry(lattice, device), Regressor(surrogate)
    first = draw_noise(generator.network.size, shape, len(targets), len(generator.kinds), rng)
    noise = Noise(*(tensor.clone().requires_grad_() for tensor in (first.gumbel, first.waves, first.latent)))
    condition, wanted = generator.condition(lattice, targets, budget), torch.from_numpy(budget).to(device)
    optimizer = torch.optim.Adam([noise.gumbel, noise.waves, noise.latent], lr=rate)
    best, found = torch.full((len(targets),), torch.inf, device=device), torch.zeros_like(first.gumbel)
    path = []
    for _ in range(steps):
        scored = scores(generator.network, shape, condition, wanted, noise)
        placed = straight_through(scored, wanted, shape.neighbours, 1.0)
        error = regressor.error(shape, placed, targets)
        with torch.no_grad():
            better = error < best
            best[better] = error[better]
            found[better] = placed[better].round()
        path.append(error.detach().cpu().numpy().copy())
        optimizer.zero_grad(set_to_none=True)
        error.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return shape.species(found, generator.kinds), np.stack(path).astype(np.float64)
