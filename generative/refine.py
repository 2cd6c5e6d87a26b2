"""Improve a generator: draw several designs, rank them with a surrogate, return diverse ones among the best."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.generative.examples import like_bonds
from matgym.structures import TubeBatch
from matgym.surrogates import NetworkSurrogate
from matgym.tasks import Decorations, DesignGenerator
from matgym.typing import FloatArray, IntArray, SpeciesArray

CAUTION: Final = 1.0
"""The number of predicted standard deviations that are added to a design's error, so that designs with a higher
uncertainty rank lower. We chose it."""

APART: Final = 4
"""The number of sites in which two designs for the same target must differ, if there are such designs. We chose it."""


@dataclass(frozen=True)
class RankedDesigns:
    """A generator that draws several designs for each target and returns the nearest one by a surrogate.

    Designs with like bonds rank last. Designs for the same target differ in at least `APART` sites, as long as there
    are such designs. Every design drawn costs one evaluation of the surrogate, which the caller has to count.

    Attributes:
        generator: the generator that draws the designs.
        surrogate: the surrogate that ranks the designs.
        key: the property of the targets.
        candidates: the number of designs drawn for each design that is returned.
    """

    generator: DesignGenerator
    surrogate: NetworkSurrogate
    key: str = "gap_ev"
    candidates: int = 8

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """Return one design for each target; see `matgym.tasks.DesignGenerator`."""
        repeated = np.repeat(targets, self.candidates)
        batch, lattice = self.generator.sample(space, repeated, rng), space.lattice
        drawn, predictions = batch.species.reshape(len(repeated), -1), self.surrogate.predict(batch)
        error = np.abs(predictions[self.key] - repeated) + CAUTION * predictions.sd_of(self.key)
        cost = error + 1e3 * like_bonds(lattice, drawn)
        best = np.empty((len(targets), lattice.n_sites), dtype=np.uint8)
        for target in np.unique(targets):
            rows = np.flatnonzero(repeated == target)
            order = rows[np.argsort(cost[rows], kind="stable")]
            places = np.flatnonzero(targets == target)
            best[places] = drawn[_diverse(drawn[order], order, len(places))]
        return TubeBatch.uniform(lattice, best)


def _diverse(species: SpeciesArray, rows: IntArray, count: int) -> IntArray:
    """Return (count,) of the rows, best first; rows too similar to an earlier one come after all others."""
    kept: list[int] = []
    passed: list[int] = []
    for index, codes in enumerate(species):
        near = kept and ((species[kept] != codes).sum(axis=1) < APART).any()
        (passed if near else kept).append(index)
        if len(kept) == count:
            break
    return np.asarray(rows[(kept + passed)[:count]])
