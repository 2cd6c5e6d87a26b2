"""AlexNet (Krizhevsky, Sutskever and Hinton, NeurIPS 2012), adapted to the periodic raster."""

from dataclasses import dataclass

import torch
from torch import Tensor

from matgym.surrogates.networks.base import CircularConv, RasterNetwork, circular_mean


@dataclass(frozen=True)
class AlexNetSettings:
    """Size of the network.

    Attributes:
        channels: of the five convolutions, in the original's proportions at an eighth of its width.
        hidden: units of the fully connected layers.
        dropout: of the fully connected layers; the original's 0.5 is for classes, and blurs a regression.
    """

    channels: tuple[int, int, int, int, int] = (12, 32, 48, 32, 32)
    hidden: tuple[int, ...] = (128, 128)
    dropout: float = 0.05


class AlexNet(RasterNetwork):
    """Two 5x5 and three 3x3 convolutions with ReLU, and two fully connected layers with dropout.

    Adapted: circular padding; 5x5 in place of 11x11 with stride 4, on rasters of some eight pixels; averaging
    without stride; batch norm in place of local response normalisation; pooling over the tube.
    """

    def __init__(self, settings: AlexNetSettings, channels: int, globals_: int, outputs: int) -> None:
        super().__init__(settings.channels[-1], globals_, settings.hidden, outputs, settings.dropout)
        inputs = (channels, *settings.channels[:-1])
        sizes = (5, 5, 3, 3, 3)
        self.convs = torch.nn.ModuleList(
            [CircularConv(*shape) for shape in zip(inputs, settings.channels, sizes, strict=True)]
        )

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Convolutions, the first two averaged."""
        for number, conv in enumerate(self.convs):
            raster = torch.relu(conv(raster, shift))
            if number < 2:
                raster = circular_mean(raster, shift)
        return raster
