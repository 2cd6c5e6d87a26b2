"""The face of every network: a raster and a few numbers in, standardised properties out."""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from matgym.surrogates.raster import circular_pad

SUM_PIXELS: Final = 64.0
"""Pixels that sums are counted in: as many as the usual tubes have, so that inputs of the head are of order one."""


class RasterNetwork(nn.Module, ABC):
    """A network on the periodic raster of a tube, invariant to rotations and screws by construction.

    A subclass gives `body`; pooling over the tube lets one network serve tubes of any size, and the head adds
    composition and length, which pooling over a repeated cell cannot tell.

    Attributes:
        sums: whether pooling adds up over the tube, as resistances do between leads, rather than averages.
    """

    sums: bool = False

    def __init__(self, width: int, globals_: int, hidden: tuple[int, ...], outputs: int, dropout: float = 0.0) -> None:
        """Make the head.

        Args:
            width: channels that `body` ends in.
            globals_: numbers that are given beside the raster.
            hidden: units of the head's layers.
            outputs: properties.
            dropout: share of the head's units that are left out in training.
        """
        super().__init__()
        sizes = (2 * width + globals_, *hidden)
        layers: list[nn.Module] = []
        for inputs, units in pairwise(sizes):
            layers += [nn.Linear(inputs, units), nn.SiLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    @abstractmethod
    def body(self, raster: Tensor, shift: int) -> Tensor:
        """(B, channels, H, W), `TubeLattice.raster_shift` → (B, width, H, W)."""

    def features(self, raster: Tensor, globals_: Tensor, shift: int) -> Tensor:
        """(B, 2 width + globals): what the head sees, and what out-of-distribution scores are made of."""
        return torch.cat([self.pooled(self.body(raster, shift)), globals_], dim=1)

    def pooled(self, x: Tensor) -> Tensor:
        """(B, width, H, W) → (B, 2 width): first and second moments over the tube."""
        size = x.shape[2] * x.shape[3] / SUM_PIXELS if self.sums else 1.0
        return torch.cat([x.mean(dim=(2, 3)) * size, (x * x).mean(dim=(2, 3)) * size], dim=1)

    def forward(self, raster: Tensor, globals_: Tensor, shift: int) -> Tensor:
        """(B, channels, H, W), (B, globals), shift → (B, properties), standardised."""
        out: Tensor = self.head(self.features(raster, globals_, shift))
        return out


class CircularConv(nn.Module):
    """A convolution whose padding is the tube's own periodicity, and its normalisation."""

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.reach = size // 2

    def forward(self, raster: Tensor, shift: int) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        out: Tensor = self.norm(self.conv(circular_pad(raster, shift, self.reach)))
        return out


def circular_mean(raster: Tensor, shift: int, size: int = 3) -> Tensor:
    """Average over windows, the stride being one: a longer one would see a tube and its turned copy differently."""
    return nn.functional.avg_pool2d(circular_pad(raster, shift, size // 2), size, stride=1)
