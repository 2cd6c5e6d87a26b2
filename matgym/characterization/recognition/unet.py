"""A small U-Net for maps of places: fully convolutional, for images of any size.

Source: Ronneberger, Fischer and Brox, MICCAI 2015, with half the resolution of the input at its finest stage, which
takes a quarter of the time, and with batch normalisation.
"""

from typing import Final

import torch
from torch import Tensor, nn

from matgym.learning.sizes import check_sizes

STRIDE: Final = 2
"""Pixels of the input for each point of a map, along rows and columns."""

DEEPEST: Final = 8
"""Pixels of the input for each point of the deepest stage."""

RARE: Final = -4.0
"""First bias of the maps: most points have no defect (Lin et al., ICCV 2017)."""


class UNet(nn.Module):
    """An encoder and a decoder of three stages, with the outputs of each stage of the encoder kept for the decoder.

    Args:
        kinds: number of maps.
        width: channels of the finest stage; each further one has twice as many.

    Raises:
        ConfigurationError: if a size is out of range.
    """

    def __init__(self, kinds: int, width: int = 24) -> None:
        check_sizes(kinds=kinds, width=width)
        super().__init__()
        self.features = 4 * width  # channels of the deepest stage
        self.first = nn.Sequential(_conv(1, width, 4, STRIDE, 1), _conv(width, width))
        self.middle = nn.Sequential(nn.MaxPool2d(2), _conv(width, 2 * width), _conv(2 * width, 2 * width))
        self.deepest = nn.Sequential(nn.MaxPool2d(2), _conv(2 * width, 4 * width), _conv(4 * width, 4 * width))
        self.up_middle = nn.Sequential(_conv(6 * width, 2 * width), _conv(2 * width, 2 * width))
        self.up_first = nn.Sequential(_conv(3 * width, width), _conv(width, width))
        self.maps = nn.Conv2d(width, kinds, 1)
        nn.init.constant_(self.maps.bias, RARE)  # type: ignore[arg-type]  # it has one
        self.larger = nn.Upsample(scale_factor=2, mode="nearest")

    def both(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, kinds, H/2, W/2) logits and (B, F, H/8, W/8) features of (B, 1, H, W) inputs."""
        first = self.first(inputs)
        middle = self.middle(first)
        deepest = self.deepest(middle)
        middle = self.up_middle(torch.cat([middle, self.larger(deepest)], dim=1))
        return self.maps(self.up_first(torch.cat([first, self.larger(middle)], dim=1))), deepest

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, kinds, H/2, W/2) logits of (B, 1, H, W) inputs; H and W are multiples of `DEEPEST`."""
        return self.both(inputs)[0]


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
