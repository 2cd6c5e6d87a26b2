"""The auxiliary regressor, a differentiable surrogate, and its figures of a generator during training."""

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
"""The largest number of held-out structures of a lattice whose conditions are used."""

SCALE_EV: Final = 0.05
"""The property error that weighs as much as the loss of all coverage. We chose it as the accuracy to aim for."""

SCALE_PAIRS: Final = 0.5
"""The error of pair correlations that weighs as much as the loss of all coverage. We chose it."""


@dataclass(frozen=True)
class Regressor:
    """A differentiable estimate of the distance of generated tubes from their targets.

    Attributes:
        surrogate: the surrogate, whose first property is the one of the targets.
    """

    surrogate: NetworkSurrogate

    def calibration(self, scaling: ConditionScaling) -> Tensor:
        """Return the (2,) scale and offset that turn the network's output into the target's column of a condition."""
        own = self.surrogate.scaling
        return torch.tensor([own.scale[0] / scaling.scale[0], (own.mean[0] - scaling.centre[0]) / scaling.scale[0]])

    def error(self, shape: Geometry, placed: Tensor, targets: FloatArray) -> Tensor:
        """Return the (B,) differentiable distances of (B, K, S) tubes from the targets, in standard deviations."""
        surrogate, lattice = self.surrogate, shape.lattice
        offset = surrogate.known(lattice, np.zeros((1, 0)))[0][0]
        scaled_targets = (targets - offset - surrogate.scaling.mean[0]) / surrogate.scaling.scale[0]
        numbers = shape.numbers(placed.detach())
        predicted: Tensor = surrogate.networks[0](shape.raster(placed), numbers, shape.shift)
        return (predicted[:, 0] - shape.tensor(scaled_targets)).abs()


def fit_regressor(data: Dataset, config: GanConfig, **options: Unpack[Options]) -> Regressor:
    """Fit the regressor to the train split, without the band `config.left_out`.

    Structures with bonds between like dopants are kept: their labels are just as accurate, and the regressor also has
    to predict the generator's tubes correctly where they have such bonds.
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
    """Compare tubes drawn for the conditions of held-out structures with these structures.

    The regressor predicts the properties and gives the features.

    Returns:
        "error", the median distance from the target by the regressor, in the property's unit; "coverage", the share of
        held-out structures with a generated one in their neighbourhood (Naeem et al., ICML 2020), which falls when the
        generator loses modes; "distinct", the share of different tubes; "pairs", the error of pair correlations; and
        "score", which early stopping minimises and which combines them, so that a lower error does not improve a
        generator that loses modes.
    """
    errors, rows = [], []
    for group in held_out:
        references = group.take(rng.permutation(len(group.species))[:SAMPLES])
        drawn = generator.draw(group.lattice, references.values, references.budget, rng)
        predicted = regressor.surrogate.mean(group.lattice, drawn)[:, 0]
        errors.append(np.abs(predicted - references.values))
        real, fake = (regressor.surrogate.features(group.lattice, species) for species in (references.species, drawn))
        spread = real.std(axis=0)
        spread[spread == 0.0] = 1.0
        correlations = [pair_correlation(group.lattice, species, kinds) for species in (references.species, drawn)]
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
    figures = {
        "error": float(np.median(np.concatenate(errors))),
        "coverage": float(weights @ covered),
        "distinct": float(weights @ distinct),
        "pairs": float(weights @ pairs),
    }
    score = figures["error"] / SCALE_EV + (1.0 - figures["coverage"]) + (1.0 - figures["distinct"])
    return figures | {"score": score + figures["pairs"] / SCALE_PAIRS}
