"""A residual CNN without the turn symmetry: what matgym shipped first, and what `resnet` is to be compared with."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from matgym.surrogates.networks.base import CircularConv, RasterNetwork


@dataclass(frozen=True)
class PlainSettings:
    """Size of the network.

    Attributes:
        width: channels of every convolution.
        blocks: residual blocks of two convolutions; each block sees four pixels further across.
        hidden: units of the head.
    """

    width: int = 48
    blocks: int = 3
    hidden: tuple[int, ...] = (64,)


class Plain(RasterNetwork):
    """Residual blocks of two 3x3 convolutions."""

    def __init__(self, settings: PlainSettings, channels: int, globals_: int, outputs: int) -> None:
        width = settings.width
        super().__init__(width, globals_, settings.hidden, outputs)
        self.stem = CircularConv(channels, width)
        self.convs = nn.ModuleList([CircularConv(width, width) for _ in range(2 * settings.blocks)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Residual blocks."""
        x = torch.relu(self.stem(raster, shift))
        for first, second in zip(self.convs[::2], self.convs[1::2], strict=True):
            x = torch.relu(x + second(torch.relu(first(x, shift)), shift))
        return x
