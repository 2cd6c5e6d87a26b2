"""Normalisation whose training and use agree: batch renormalisation (Ioffe, NeurIPS 2017).

A batch holds tubes of one lattice, and what their features are like differs from another lattice's: between leads, by
how much of the raster is lead. Plain batch normalisation takes such differences away in training and leaves them in
use; measured on the thermal conductance, predictions were then off by +0.24 and -0.45 standard deviations on two
lengths of tube, and by nothing else.
"""

from typing import Final

import torch
from torch import Tensor, nn

LARGEST_RATIO: Final = 3.0
LARGEST_SHIFT: Final = 5.0
"""Bounds of the correction, as in the paper."""


class SteadyNorm(nn.BatchNorm2d):
    """Normalises features by the kept statistics, in training as in use; gradients go through the batch's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, features, ...) → the same shape."""
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        if not self.training:
            return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)
        rows = x.movedim(1, -1)
        batch_variance, batch_mean = torch.var_mean(rows.flatten(0, -2), dim=0, unbiased=False)
        deviation, kept = torch.sqrt(batch_variance + self.eps), torch.sqrt(variance + self.eps)
        ratio = (deviation / kept).detach().clamp(1.0 / LARGEST_RATIO, LARGEST_RATIO)
        shift = ((batch_mean - mean) / kept).detach().clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
        with torch.no_grad():
            momentum = self.momentum or 0.0
            mean.lerp_(batch_mean, momentum)
            variance.lerp_(batch_variance, momentum)
        normed = (rows - batch_mean) / deviation * ratio + shift
        return (normed * self.weight + self.bias).movedim(-1, 1)
