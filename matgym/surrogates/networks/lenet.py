"""LeNet-5 (LeCun et al., Proc. IEEE 86, 2278 (1998)), adapted to the periodic raster."""

from dataclasses import dataclass

import torch
from torch import Tensor

from matgym.surrogates.networks.base import CircularConv, RasterNetwork, circular_mean


@dataclass(frozen=True)
class LeNetSettings:
    """Size of the network.

    Attributes:
        channels: of the two 5x5 convolutions.
        hidden: units of the fully connected layers.
    """

    channels: tuple[int, int] = (6, 16)
    hidden: tuple[int, ...] = (120, 84)


class LeNet(RasterNetwork):
    """Two 5x5 convolutions with tanh, each followed by averaging, and two fully connected layers.

    Adapted: circular padding, averaging without stride, batch norm, and pooling over the tube in place of
    flattening.
    """

    def __init__(self, settings: LeNetSettings, channels: int, globals_: int, outputs: int) -> None:
        first, second = settings.channels
        super().__init__(second, globals_, settings.hidden, outputs)
        self.convs = torch.nn.ModuleList([CircularConv(channels, first, 5), CircularConv(first, second, 5)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Convolutions and averages."""
        for conv in self.convs:
            raster = circular_mean(torch.tanh(conv(raster, shift)), shift)
        return raster
