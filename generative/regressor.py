"""The auxiliary regressor, a surrogate that gradients pass through, and what it says of a generator that trains."""

from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.generative.base import ConditionalGenerator
from matgym.generative.config import GanConfig
from matgym.generative.examples import ConditionScaling, Examples
from matgym.generative.geometry import Geometry
from matgym.generative.metrics import coverage, pair_correlation, pair_correlation_error
from matgym.learning.trainer import Options
from matgym.structures import Species
from matgym.surrogates.fitting import FitConfig, fit
from matgym.surrogates.learned import NetworkSurrogate
from matgym.typing import FloatArray

SAMPLES: Final = 256
"""Held-out structures of a lattice whose conditions are asked for, at most."""

SCALE_EV: Final = 0.05
"""Property error that weighs as much as the loss of all coverage: the accuracy that is wanted. A choice of ours."""

SCALE_PAIRS: Final = 0.5
"""Likewise of the error of pair correlations."""


@dataclass(frozen=True)
class Regressor:
    """How far generated tubes are from their targets.

    Attributes:
        surrogate: of the property, the first that it predicts.
    """

    surrogate: NetworkSurrogate

    def calibration(self, scaling: ConditionScaling) -> Tensor:
        """(2,) scale and offset from the network's output to the target's column of a condition."""
        own = self.surrogate.scaling
        return torch.tensor([own.scale[0] / scaling.scale[0], (own.mean[0] - scaling.centre[0]) / scaling.scale[0]])

    def error(self, shape: Geometry, placed: Tensor, targets: FloatArray) -> Tensor:
        """(B,) distance of (B, K, S) placed atoms from the targets, in standard deviations, with a gradient."""
        surrogate, lattice = self.surrogate, shape.lattice
        offset = surrogate.known(lattice, np.zeros((1, 0)))[0][0]
        wanted = (targets - offset - surrogate.scaling.mean[0]) / surrogate.scaling.scale[0]
        numbers = shape.numbers(placed.detach())
        predicted: Tensor = surrogate.networks[0](shape.raster(placed), numbers, shape.shift)
        return (predicted[:, 0] - shape.tensor(wanted)).abs()


def fit_regressor(data: Dataset, config: GanConfig, **options: Unpack[Options]) -> Regressor:
    """Fit it to the train split, less what is left out.

    Structures that break the rules are kept: their labels are as good as any, and the generator's are to be told apart
    from them.
    """
    if config.left_out is not None:
        values = data.values(config.key)
        low, high = config.left_out
        data = Dataset(data.table.filter(pa.array(~((values >= low) & (values <= high)))))
    how = FitConfig(
        properties=(config.key,),
        species=config.species,
        size=config.size.guide,
        epochs=config.regressor_epochs,
        seed=config.seed,
    )
    surrogate = fit(data, how, stage="regressor", **options)
    surrogate.networks[0].requires_grad_(requires_grad=False)
    return Regressor(surrogate)


def diagnose(
    generator: ConditionalGenerator, regressor: Regressor, held_out: list[Examples], kinds: tuple[Species, ...],
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Draw tubes for the conditions of held-out structures; the regressor gives properties and features.

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
