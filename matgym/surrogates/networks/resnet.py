"""Residual CNNs: ours, which respects every symmetry that all tubes have, and a plain one to compare it with.

Beside rotations and screws, which circular convolutions respect, each tube has the two-fold axes across it: the turn
that takes pixel (i, j) to (-i, -j) and exchanges the sublattices. Features come in pairs that this turn exchanges,
and kernels are tied accordingly (group convolutions: Cohen and Welling, ICML 2016), so that the network is exactly
invariant, with half the weights and no more work than a plain one. Mirror planes are for achiral tubes only and are
learned from mirrored copies (see `fit`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from matgym.surrogates.networks.base import CircularConv, RasterNetwork
from matgym.surrogates.raster import circular_pad


@dataclass(frozen=True)
class ResidualSettings:
    """Size of the network.

    Attributes:
        width: channels of every convolution; of a `ResNet` an even number: half are the turned twins of the others.
        blocks: residual blocks of two convolutions; each block sees four pixels further across.
        hidden: units of the head.
    """

    width: int = 48
    blocks: int = 3
    hidden: tuple[int, ...] = (64,)


class TurnConv(nn.Module):
    """A 3x3 convolution between features of which the second half are the twins of the first, in the same order.

    Attributes:
        adjacent: whether the input's twins lie side by side instead, as a raster's sublattices do.
    """

    def __init__(self, inputs: int, outputs: int, *, adjacent: bool = False) -> None:
        super().__init__()
        self.adjacent = adjacent
        self.weight = nn.Parameter(torch.empty(outputs // 2, inputs, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Conv2d does
        self.norm = nn.BatchNorm2d(outputs // 2)

    def kernel(self) -> Tensor:
        """(outputs, inputs, 3, 3) with the twins: inputs exchanged, and turned by 180 degrees."""
        half, inputs = self.weight.shape[:2]
        pairs = (inputs // 2, 2) if self.adjacent else (2, inputs // 2)
        twins = self.weight.view(half, *pairs, 3, 3).flip(2 if self.adjacent else 1, 3, 4)
        return torch.cat([self.weight, twins.reshape_as(self.weight)])

    def forward(self, raster: Tensor, shift: int) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        kernel = self.kernel()
        if not self.norm.training:
            # Normalisation by constants is a scale and an offset: folded into the kernel, nothing is left to do.
            mean, variance = self.norm.get_buffer("running_mean"), self.norm.get_buffer("running_var")
            scale = self.norm.weight / torch.sqrt(variance + self.norm.eps)
            offset = self.norm.bias - mean * scale
            kernel = kernel * scale.repeat(2)[:, None, None, None]
            return nn.functional.conv2d(circular_pad(raster, shift), kernel, offset.repeat(2))
        out = nn.functional.conv2d(circular_pad(raster, shift), kernel)
        batch, channels, height, width = out.shape
        # A pair shares its statistics, or the twins would not stay twins. Channels come last in memory: no copies.
        paired = out.permute(0, 2, 3, 1).reshape(batch, height, 2 * width, channels // 2).permute(0, 3, 1, 2)
        normed: Tensor = self.norm(paired)
        return normed.permute(0, 2, 3, 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def residual_blocks(stem: nn.Module, convs: nn.ModuleList, raster: Tensor, shift: int) -> Tensor:
    """(B, channels, H, W) → (B, width, H, W): pairs of convolutions, each added to what goes into it."""
    x = torch.relu(stem(raster, shift))
    for first, second in zip(convs[::2], convs[1::2], strict=True):
        x = torch.relu(x + second(torch.relu(first(x, shift)), shift))
    return x


class Plain(RasterNetwork):
    """Residual blocks of two 3x3 convolutions, without the turn symmetry: what matgym shipped first."""

    def __init__(self, settings: ResidualSettings, channels: int, globals_: int, outputs: int) -> None:
        width = settings.width
        super().__init__(width, globals_, settings.hidden, outputs)
        self.stem = CircularConv(channels, width)
        self.convs = nn.ModuleList([CircularConv(width, width) for _ in range(2 * settings.blocks)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Residual blocks."""
        return residual_blocks(self.stem, self.convs, raster, shift)


class ResNet(RasterNetwork):
    """Residual blocks of turn-symmetric convolutions."""

    def __init__(self, settings: ResidualSettings, channels: int, globals_: int, outputs: int) -> None:
        width = settings.width
        super().__init__(width // 2, globals_, settings.hidden, outputs)
        self.stem = TurnConv(channels, width, adjacent=True)
        self.convs = nn.ModuleList([TurnConv(width, width) for _ in range(2 * settings.blocks)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Residual blocks."""
        return residual_blocks(self.stem, self.convs, raster, shift)

    def pooled(self, x: Tensor) -> Tensor:
        """(B, width, H, W) → (B, width): moments over the tube and over each pair of twins."""
        moments = super().pooled(x)
        return moments.reshape(len(x), 2, 2, -1).mean(dim=2).flatten(1)
