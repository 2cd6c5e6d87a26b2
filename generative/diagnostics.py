"""How a generator is doing while it trains, seen by numbers that notice mode collapse."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from matgym.generative.examples import Examples
from matgym.generative.metrics import coverage, pair_correlation, pair_correlation_error
from matgym.generative.regressor import Regressor
from matgym.structures import TubeLattice
from matgym.structures.species import Species
from matgym.typing import FloatArray, IntArray, SpeciesArray

SAMPLES: Final = 256
"""Held-out structures of a lattice whose conditions are asked for, at most."""

SCALE_EV: Final = 0.05
"""Property error that weighs as much as the loss of all coverage: the accuracy that is wanted. A choice of ours."""

SCALE_PAIRS: Final = 0.5
"""Likewise of the error of pair correlations."""


class Draws(Protocol):
    """Anything that draws tubes of given targets and compositions."""

    def draw(
        self, lattice: TubeLattice, targets: FloatArray, budget: IntArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """(B, n_sites) codes."""
        ...


@dataclass(frozen=True)
class Diagnosis:
    """How generated tubes compare with held-out ones of the same conditions.

    Attributes:
        error: median distance from the target, by the regressor, in the property's unit.
        coverage: share of held-out structures with a generated one in their neighbourhood (Naeem et al., ICML 2020):
            falls when modes are lost.
        distinct: share of different tubes.
        pairs: error of pair correlations.
    """

    error: float
    coverage: float
    distinct: float
    pairs: float

    @property
    def score(self) -> float:
        """What early stopping minimises: a generator that forgets modes does not improve by hitting targets."""
        return self.error / SCALE_EV + (1.0 - self.coverage) + (1.0 - self.distinct) + self.pairs / SCALE_PAIRS

    @property
    def note(self) -> str:
        """In a line."""
        return f"error {self.error:.3f}, coverage {self.coverage:.2f}, pairs {self.pairs:.3f}"

    def as_dict(self) -> dict[str, float]:
        """For TensorBoard."""
        return {
            "error": self.error,
            "coverage": self.coverage,
            "distinct": self.distinct,
            "pairs": self.pairs,
            "score": self.score,
        }


def diagnose(
    generator: Draws, regressor: Regressor, held_out: list[Examples], kinds: tuple[Species, ...],
    rng: np.random.Generator,
) -> Diagnosis:  # fmt: skip
    """Draw tubes for the conditions of held-out structures.

    Args:
        generator: to be judged.
        regressor: gives properties and features.
        held_out: structures that training does not see.
        kinds: dopants.
        rng: of the draws.
    """
    errors, rows = [], []
    for group in held_out:
        asked = group.take(rng.permutation(len(group.species))[:SAMPLES])
        drawn = generator.draw(group.lattice, asked.values, asked.budget, rng)
        predicted = regressor.surrogate.mean(group.lattice, drawn)[:, 0]
        errors.append(np.abs(predicted - asked.values))
        real, fake = (regressor.surrogate.features(group.lattice, species) for species in (asked.species, drawn))
        spread = real.std(axis=0)
        spread[spread == 0.0] = 1.0
        correlations = [pair_correlation(group.lattice, species, kinds) for species in (asked.species, drawn)]
        rows.append(
            (
                len(drawn),
                coverage(real / spread, fake / spread),
                len(np.unique(drawn, axis=0)) / len(drawn),
                pair_correlation_error(*correlations),
            )
        )
    counts, covered, distinct, pairs = np.array(rows).T
    weights = counts / counts.sum()
    return Diagnosis(
        float(np.median(np.concatenate(errors))),
        float(weights @ covered),
        float(weights @ distinct),
        float(weights @ pairs),
    )
