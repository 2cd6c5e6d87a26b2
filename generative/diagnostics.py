"""How a generator is doing while it trains, seen by numbers that notice mode collapse."""

from typing import Final

import numpy as np

from matgym.generative.base import ConditionalGenerator
from matgym.generative.examples import Examples
from matgym.generative.metrics import coverage, pair_correlation, pair_correlation_error
from matgym.generative.regressor import Regressor
from matgym.structures.species import Species

SAMPLES: Final = 256
"""Held-out structures of a lattice whose conditions are asked for, at most."""

SCALE_EV: Final = 0.05
"""Property error that weighs as much as the loss of all coverage: the accuracy that is wanted. A choice of ours."""

SCALE_PAIRS: Final = 0.5
"""Likewise of the error of pair correlations."""


def diagnose(
    generator: ConditionalGenerator, regressor: Regressor, held_out: list[Examples], kinds: tuple[Species, ...],
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Draw tubes for the conditions of held-out structures.

    Args:
        generator: to be judged.
        regressor: gives properties and features.
        held_out: structures that training does not see.
        kinds: dopants.
        rng: of the draws.

    Returns:
        How what was drawn compares with held-out structures of the same conditions: "error", median distance from the
        target, by the regressor, in the property's unit; "coverage", share of held-out structures with a generated one
        in their neighbourhood (Naeem et al., ICML 2020), which falls when modes are lost; "distinct", share of
        different tubes; "pairs", error of pair correlations; "score", what early stopping minimises: a generator that
        forgets modes does not improve by hitting targets.
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
    found = {
        "error": float(np.median(np.concatenate(errors))),
        "coverage": float(weights @ covered),
        "distinct": float(weights @ distinct),
        "pairs": float(weights @ pairs),
    }
    score = found["error"] / SCALE_EV + (1.0 - found["coverage"]) + (1.0 - found["distinct"])
    return found | {"score": score + found["pairs"] / SCALE_PAIRS}
