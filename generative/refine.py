"""Make more of a generator: draw several, rank by a surrogate, keep the diverse best."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.generative.examples import like_bonds
from matgym.structures import TubeBatch
from matgym.surrogates import NetworkSurrogate
from matgym.tasks import Decorations, DesignGenerator
from matgym.typing import FloatArray, IntArray, SpeciesArray

CAUTION: Final = 1.0
"""Standard deviations of the surrogate that count against a design: what it is less sure of ranks lower."""

APART: Final = 4
"""Sites in which two designs for the same target must differ while there is a choice. Both are chosen by us."""


@dataclass(frozen=True)
class RankedDesigns:
    """Draws several designs for each target and keeps the one that a surrogate predicts nearest.

    Designs with like bonds come last. Those for the same target differ in `APART` sites and more, as long as there are
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
