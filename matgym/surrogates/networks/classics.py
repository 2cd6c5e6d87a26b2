"""LeNet-5, AlexNet and VGG, adapted to the periodic raster.

All have circular padding, averaging without stride, batch norm, and pooling over the tube in place of flattening.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

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

    LeCun et al., Proc. IEEE 86, 2278 (1998).
    """

    def __init__(self, settings: LeNetSettings, channels: int, globals_: int, outputs: int) -> None:
        first, second = settings.channels
        super().__init__(second, globals_, settings.hidden, outputs)
        self.convs = nn.ModuleList([CircularConv(channels, first, 5), CircularConv(first, second, 5)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Convolutions and averages."""
        for conv in self.convs:
            raster = circular_mean(torch.tanh(conv(raster, shift)), shift)
        return raster


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

    Krizhevsky, Sutskever and Hinton, NeurIPS 2012; 5x5 in place of 11x11 with stride 4, on rasters of some eight
    pixels, and batch norm in place of local response normalisation.
    """

    def __init__(self, settings: AlexNetSettings, channels: int, globals_: int, outputs: int) -> None:
        super().__init__(settings.channels[-1], globals_, settings.hidden, outputs, settings.dropout)
        inputs = (channels, *settings.channels[:-1])
        sizes = (5, 5, 3, 3, 3)
        self.convs = nn.ModuleList(
            [CircularConv(*shape) for shape in zip(inputs, settings.channels, sizes, strict=True)]
        )

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Convolutions, the first two averaged."""
        for number, conv in enumerate(self.convs):
            raster = torch.relu(conv(raster, shift))
            if number < 2:
                raster = circular_mean(raster, shift)
        return raster


@dataclass(frozen=True)
class VggSettings:
    """Size of the network.

    Attributes:
        channels: of the blocks, each of two 3x3 convolutions; they double from block to block as in the original.
        hidden: units of the fully connected layers.
    """

    channels: tuple[int, ...] = (24, 48, 96)
    hidden: tuple[int, ...] = (128, 128)


class Vgg(RasterNetwork):
    """Blocks of two 3x3 convolutions, averaged after each block, and fully connected layers.

    Simonyan and Zisserman, ICLR 2015, as VGG-BN.
    """

    def __init__(self, settings: VggSettings, channels: int, globals_: int, outputs: int) -> None:
        super().__init__(settings.channels[-1], globals_, settings.hidden, outputs)
        inputs = (channels, *settings.channels[:-1])
        self.convs = nn.ModuleList(
            conv
            for before, after in zip(inputs, settings.channels, strict=True)
            for conv in (CircularConv(before, after), CircularConv(after, after))
        )

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Blocks, all but the last averaged."""
        for number, conv in enumerate(self.convs, start=1):
            raster = torch.relu(conv(raster, shift))
            if number % 2 == 0 and number < len(self.convs):
                raster = circular_mean(raster, shift)
        return raster
