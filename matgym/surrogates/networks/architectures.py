"""The networks: LeNet-5, AlexNet and VGG, adapted to the periodic raster; residual networks; and a graph network.

All have circular padding, averaging without stride, batch norm, and pooling over the tube instead of flattening.

`ResNet` is invariant under every symmetry that all tubes have; `Plain` is its counterpart for comparison. In addition
to rotations and screws, under which circular convolutions are equivariant, each tube has two-fold axes across it: the
rotation by 180° that takes pixel (i, j) to (-i, -j) and exchanges the sublattices. Features are in pairs that this
rotation exchanges, and kernels are tied accordingly (group convolutions: Cohen and Welling, ICML 2016), so that the
network is exactly invariant, with half the weights of a plain one and the same amount of computation. Only achiral
tubes have mirror planes; networks learn them from mirrored copies (see `fit`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from matgym.surrogates.raster import circular_pad

SUM_PIXELS: Final = 64.0
"""Unit of sums over pixels: about the number of pixels of the usual tubes, so that inputs of the head are near one."""


class RasterNetwork(nn.Module, ABC):
    """A network on the periodic raster of a tube, invariant under rotations and screws by construction.

    A subclass implements `body`. Pooling over the tube makes one network applicable to tubes of any size. The head also
    gets composition and length, since pooling over repeated cells loses the length.

    Attributes:
        sums: whether pooling sums over the tube, as resistances between leads add up, instead of averaging.
    """

    sums: bool = False

    def __init__(self, width: int, globals_: int, hidden: tuple[int, ...], outputs: int, dropout: float = 0.0) -> None:
        """Make the head, from the pooled channels of `body` and the input numbers to the properties.

        Args:
            width: number of channels that `body` returns.
            globals_: number of input numbers in addition to the raster.
            hidden: units of each hidden layer of the head.
            outputs: number of properties.
            dropout: share of the units that is left out in training.
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
        """Return (B, width, H, W) features of (B, channels, H, W) rasters with `TubeLattice.raster_shift`."""

    def features(self, raster: Tensor, globals_: Tensor, shift: int) -> Tensor:
        """Return (B, 2 width + globals) features: the input of the head and of out-of-distribution scores."""
        return torch.cat([self.pooled(self.body(raster, shift)), globals_], dim=1)

    def pooled(self, x: Tensor) -> Tensor:
        """Return the (B, 2 width) first and second moments of (B, width, H, W) features over the tube."""
        size = x.shape[2] * x.shape[3] / SUM_PIXELS if self.sums else 1.0
        return torch.cat([x.mean(dim=(2, 3)) * size, (x * x).mean(dim=(2, 3)) * size], dim=1)

    def forward(self, raster: Tensor, globals_: Tensor, shift: int) -> Tensor:
        """Return (B, properties) standardised values of (B, channels, H, W) rasters and (B, globals) numbers."""
        out: Tensor = self.head(self.features(raster, globals_, shift))
        return out


class CircularConv(nn.Module):
    """A convolution with the periodic padding of the tube, followed by batch normalisation."""

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.reach = size // 2

    def forward(self, raster: Tensor, shift: int) -> Tensor:
        """Return (B, outputs, H, W) features of (B, inputs, H, W) rasters."""
        out: Tensor = self.norm(self.conv(circular_pad(raster, shift, self.reach)))
        return out


def circular_mean(raster: Tensor, shift: int, size: int = 3) -> Tensor:
    """Average over windows with stride one; with a longer stride, a tube and its rotated copy would differ."""
    return nn.functional.avg_pool2d(circular_pad(raster, shift, size // 2), size, stride=1)


class _Stack(RasterNetwork):
    """A sequence of convolutions, some followed by averaging, and fully connected layers."""

    def __init__(
        self, sizes: Sequence[int], channels: Sequence[int], averaged: Sequence[int],
        activation: Callable[[Tensor], Tensor], head: tuple[int, tuple[int, ...], int], dropout: float = 0.0,
    ) -> None:  # fmt: skip
        """Make the layers.

        Args:
            sizes: kernel size of each convolution.
            channels: channels of the raster and of each convolution.
            averaged: indices of the convolutions, from 0, that averaging follows.
            activation: activation function after each convolution.
            head: number of input numbers, hidden units and outputs of the head.
            dropout: share of the head's units that is left out in training.
        """
        super().__init__(channels[-1], *head, dropout)
        shapes = zip(channels[:-1], channels[1:], sizes, strict=True)
        self.convs = nn.ModuleList([CircularConv(*shape) for shape in shapes])
        self.averaged, self.activation = frozenset(averaged), activation

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Return the raster after all convolutions and averages."""
        for number, conv in enumerate(self.convs):
            raster = self.activation(conv(raster, shift))
            if number in self.averaged:
                raster = circular_mean(raster, shift)
        return raster


@dataclass(frozen=True)
class LeNetSettings:
    """Settings: channels of the two 5x5 convolutions, and units of the fully connected layers."""

    channels: tuple[int, int] = (6, 16)
    hidden: tuple[int, ...] = (120, 84)


class LeNet(_Stack):
    """Two 5x5 convolutions with tanh, each followed by averaging, and two fully connected layers.

    Source: LeCun et al., Proc. IEEE 86, 2278 (1998).
    """

    def __init__(self, settings: LeNetSettings, channels: int, globals_: int, outputs: int) -> None:
        head = globals_, settings.hidden, outputs
        super().__init__((5, 5), (channels, *settings.channels), (0, 1), torch.tanh, head)


@dataclass(frozen=True)
class AlexNetSettings:
    """Settings: channels of the five convolutions, units of the fully connected layers, and their dropout.

    The channels have the proportions of the original at an eighth of its width. The original's dropout of 0.5 is for
    classification; in regression it lowers the accuracy.
    """

    channels: tuple[int, int, int, int, int] = (12, 32, 48, 32, 32)
    hidden: tuple[int, ...] = (128, 128)
    dropout: float = 0.05


class AlexNet(_Stack):
    """Two 5x5 and three 3x3 convolutions with ReLU, and two fully connected layers with dropout.

    Source: Krizhevsky, Sutskever and Hinton, NeurIPS 2012; with 5x5 instead of 11x11 with stride 4, since rasters have
    some eight pixels a side, and batch norm instead of local response normalisation.
    """

    def __init__(self, settings: AlexNetSettings, channels: int, globals_: int, outputs: int) -> None:
        head, widths = (globals_, settings.hidden, outputs), (channels, *settings.channels)
        super().__init__((5, 5, 3, 3, 3), widths, (0, 1), torch.relu, head, settings.dropout)


@dataclass(frozen=True)
class VggSettings:
    """Settings: channels of the blocks, doubled from block to block as in the original, and units of the head."""

    channels: tuple[int, ...] = (24, 48, 96)
    hidden: tuple[int, ...] = (128, 128)


class Vgg(_Stack):
    """Blocks of two 3x3 convolutions, averaged after each block, and fully connected layers.

    Source: Simonyan and Zisserman, ICLR 2015, as VGG-BN.
    """

    def __init__(self, settings: VggSettings, channels: int, globals_: int, outputs: int) -> None:
        widths = [width for width in settings.channels for _ in range(2)]
        averaged = range(1, len(widths) - 1, 2)  # the last convolution of each block except the last block
        head = globals_, settings.hidden, outputs
        super().__init__([3] * len(widths), (channels, *widths), averaged, torch.relu, head)


@dataclass(frozen=True)
class ResidualSettings:
    """Settings of a residual network.

    Attributes:
        width: channels of every convolution; even for a `ResNet`, where half are the rotated twins of the others.
        blocks: number of residual blocks of two convolutions; each widens the receptive field by four pixels.
        hidden: units of each hidden layer of the head.
    """

    width: int = 48
    blocks: int = 3
    hidden: tuple[int, ...] = (64,)


class TurnConv(nn.Module):
    """A 3x3 convolution that is equivariant under the two-fold rotation across the tube.

    The second half of its features are the twins of the first half, in the same order: the rotation exchanges them.

    Attributes:
        adjacent: whether twins are next to each other in the input instead, as the sublattices of a raster are.
    """

    def __init__(self, inputs: int, outputs: int, *, adjacent: bool = False) -> None:
        super().__init__()
        self.adjacent = adjacent
        self.weight = nn.Parameter(torch.empty(outputs // 2, inputs, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Conv2d does
        self.norm = nn.BatchNorm2d(outputs // 2)

    def kernel(self) -> Tensor:
        """Return the (outputs, inputs, 3, 3) kernel; twins have exchanged inputs and are rotated by 180 degrees."""
        half, inputs = self.weight.shape[:2]
        pairs = (inputs // 2, 2) if self.adjacent else (2, inputs // 2)
        twins = self.weight.view(half, *pairs, 3, 3).flip(2 if self.adjacent else 1, 3, 4)
        return torch.cat([self.weight, twins.reshape_as(self.weight)])

    def forward(self, raster: Tensor, shift: int) -> Tensor:
        """Return (B, outputs, H, W) features of (B, inputs, H, W) features."""
        kernel = self.kernel()
        if not self.norm.training:
            # Normalisation by constants is a scale and an offset, which the kernel and a bias can hold.
            mean, variance = self.norm.get_buffer("running_mean"), self.norm.get_buffer("running_var")
            scale = self.norm.weight / torch.sqrt(variance + self.norm.eps)
            offset = self.norm.bias - mean * scale
            kernel = kernel * scale.repeat(2)[:, None, None, None]
            return nn.functional.conv2d(circular_pad(raster, shift), kernel, offset.repeat(2))
        out = nn.functional.conv2d(circular_pad(raster, shift), kernel)
        batch, channels, height, width = out.shape
        # Both twins of a pair share their statistics to stay twins. Channels are last in memory, so nothing is copied.
        paired = out.permute(0, 2, 3, 1).reshape(batch, height, 2 * width, channels // 2).permute(0, 3, 1, 2)
        normed: Tensor = self.norm(paired)
        return normed.permute(0, 2, 3, 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class _Residual(RasterNetwork):
    """Pairs of convolutions with residual connections."""

    stem: nn.Module
    convs: nn.ModuleList

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Return the features after all residual blocks."""
        x = torch.relu(self.stem(raster, shift))
        for first, second in zip(self.convs[::2], self.convs[1::2], strict=True):
            x = torch.relu(x + second(torch.relu(first(x, shift)), shift))
        return x


class Plain(_Residual):
    """Residual blocks of two 3x3 convolutions, without the symmetry of the two-fold rotation."""

    def __init__(self, settings: ResidualSettings, channels: int, globals_: int, outputs: int) -> None:
        width = settings.width
        super().__init__(width, globals_, settings.hidden, outputs)
        self.stem = CircularConv(channels, width)
        self.convs = nn.ModuleList([CircularConv(width, width) for _ in range(2 * settings.blocks)])


class ResNet(_Residual):
    """Residual blocks of convolutions that are equivariant under the two-fold rotation; see `TurnConv`."""

    def __init__(self, settings: ResidualSettings, channels: int, globals_: int, outputs: int) -> None:
        width = settings.width
        super().__init__(width // 2, globals_, settings.hidden, outputs)
        self.stem = TurnConv(channels, width, adjacent=True)
        self.convs = nn.ModuleList([TurnConv(width, width) for _ in range(2 * settings.blocks)])

    def pooled(self, x: Tensor) -> Tensor:
        """Return (B, width) moments of (B, width, H, W) features over the tube and over each pair of twins."""
        moments = super().pooled(x)
        return moments.reshape(len(x), 2, 2, -1).mean(dim=2).flatten(1)


@dataclass(frozen=True)
class GraphSettings:
    """Settings: features per atom, rounds of messages (each reaches one bond further), and units of the head."""

    width: int = 32
    layers: int = 6
    hidden: tuple[int, ...] = (64,)


class BondMessages(nn.Module):
    """One round of messages: a linear map of the features of each atom and of its three neighbours."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Linear(4 * inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, atoms: Tensor, shift: int) -> Tensor:
        """Return (B, 2, outputs, H, W) features of (B, 2, inputs, H, W) features; axis 1 is the sublattice."""
        batch, _, inputs, height, width = atoms.shape
        padded = circular_pad(atoms.reshape(batch, 2 * inputs, height, width), shift)
        padded = padded.reshape(batch, 2, inputs, height + 2, width + 2)
        inner, above, left = padded[..., 1:-1, 1:-1], padded[..., :-2, 1:-1], padded[..., 1:-1, :-2]
        below, right = padded[..., 2:, 1:-1], padded[..., 1:-1, 2:]
        a = torch.cat([inner[:, 0], inner[:, 1], above[:, 1], left[:, 1]], dim=1)
        b = torch.cat([inner[:, 1], inner[:, 0], below[:, 0], right[:, 0]], dim=1)
        rows = torch.stack([a, b], dim=1).permute(0, 1, 3, 4, 2)  # (B, 2, H, W, 4 inputs)
        mixed = self.mix(rows)
        normed: Tensor = self.norm(mixed.flatten(0, 3)).reshape(mixed.shape)
        return normed.permute(0, 1, 4, 2, 3)


class Graph(RasterNetwork):
    """Rounds of messages along the three kinds of bond, with residual connections, pooled over all atoms.

    It is a relational graph convolution (Schlichtkrull et al., ESWC 2018): on an infinite sheet the three bonds of an
    atom are equivalent, on a tube they differ by their angle with the axis. Both sublattices share all weights, so that
    the network is also invariant under two-fold rotations across the tube. The graph is the raster's: an A atom
    at (i, j) is bonded to the B atoms at (i, j), (i - 1, j) and (i, j - 1), on tubes of any chirality, and messages
    are shifts of the raster.
    """

    def __init__(self, settings: GraphSettings, channels: int, globals_: int, outputs: int) -> None:
        super().__init__(settings.width, globals_, settings.hidden, outputs)
        self.stem = BondMessages(channels // 2, settings.width)
        self.rounds = nn.ModuleList([BondMessages(settings.width, settings.width) for _ in range(settings.layers)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Return (B, width, 2 H, W) features after all rounds of messages; sublattice B follows A along the rows."""
        batch, channels, height, width = raster.shape
        atoms = raster.reshape(batch, channels // 2, 2, height, width).transpose(1, 2)
        atoms = torch.relu(self.stem(atoms, shift))
        for messages in self.rounds:
            atoms = torch.relu(atoms + messages(atoms, shift))
        return atoms.transpose(1, 2).flatten(2, 3)  # (B, width, 2 H, W)
