"""The auxiliary regressor: a surrogate, fitted to the generator's own structures, that gradients pass through."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.generative.conditions import ConditionScaling
from matgym.generative.geometry import Geometry
from matgym.generative.settings import GanSettings
from matgym.surrogates.fitting import OnEpoch, fit
from matgym.surrogates.learned import NetworkSurrogate
from matgym.surrogates.settings import FitSettings
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
        return (predicted[:, 0] - torch.from_numpy(wanted.astype(np.float32))).abs()


def fit_regressor(data: Dataset, settings: GanSettings, folder: Path | None, on_epoch: OnEpoch) -> Regressor:
    """Fit it to the train split, less what the settings leave out.

    Structures that break the rules are kept: their labels are as good as any, and the generator's are to be told apart
    from them.
    """
    if settings.left_out is not None:
        values = data.values(settings.key)
        low, high = settings.left_out
        data = Dataset(data.table.filter(pa.array(~((values >= low) & (values <= high)))))
    how = FitSettings(
        properties=(settings.key,),
        species=settings.species,
        size=settings.size.guide,
        epochs=settings.regressor_epochs,
        seed=settings.seed,
    )
    surrogate = fit(data, how, checkpoints=folder and folder / "regressor", on_epoch=on_epoch)
    surrogate.networks[0].requires_grad_(requires_grad=False)
    return Regressor(surrogate)
