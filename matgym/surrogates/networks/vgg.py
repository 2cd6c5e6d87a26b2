"""VGG (Simonyan and Zisserman, ICLR 2015), adapted to the periodic raster."""

from dataclasses import dataclass

import torch
from torch import Tensor

from matgym.surrogates.networks.base import CircularConv, RasterNetwork, circular_mean


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

    Adapted: circular padding, averaging without stride, batch norm (VGG-BN), pooling over the tube.
    """

    def __init__(self, settings: VggSettings, channels: int, globals_: int, outputs: int) -> None:
        super().__init__(settings.channels[-1], globals_, settings.hidden, outputs)
        inputs = (channels, *settings.channels[:-1])
        self.convs = torch.nn.ModuleList(
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
