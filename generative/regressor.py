"""The auxiliary regressor: a surrogate, fitted to the generator's own structures, that gradients pass through."""

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.generative.conditions import ConditionScaling
from matgym.generative.config import GanConfig
from matgym.generative.geometry import Geometry
from matgym.learning.trainer import Options
from matgym.surrogates.fitting import FitConfig, fit
from matgym.surrogates.learned import NetworkSurrogate
from matgym.typing import FloatArray


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
        """(B,) distance from the targets in the property's standard deviations, with a gradient.

        Args:
            shape: of the tubes.
            placed: (B, K, S) zeros and ones, through which gradients pass.
            targets: (B,) in the property's unit.
        """
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
