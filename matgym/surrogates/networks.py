"""The network: a residual CNN on the periodic raster."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from matgym.surrogates.raster import CHANNELS, GLOBALS, circular_pad


@dataclass(frozen=True)
class NetworkSettings:
    """Size of the network.

    Attributes:
        width: channels of every convolution.
        blocks: residual blocks of two convolutions; each block sees four pixels further across.
        hidden: units of the head.
    """

    width: int = 48
    blocks: int = 3
    hidden: int = 64

    def as_dict(self) -> dict[str, Any]:
        """Plain form for the card."""
        return asdict(self)


class CircularConv(nn.Module):
    """A 3x3 convolution whose padding is the tube's own periodicity."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, raster: Tensor, shift: int) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        out: Tensor = self.norm(self.conv(circular_pad(raster, shift)))
        return out


class ResidualRaster(nn.Module):
    """Residual CNN, pooled over the tube: invariant to rotations and screws by construction.

    Mean and mean-square pooling let one network serve tubes of any size; the head adds composition and
    length, which pooling over a repeated cell cannot tell.
    """

    def __init__(self, settings: NetworkSettings, properties: int) -> None:
        super().__init__()
        width = settings.width
        self.stem = CircularConv(CHANNELS, width)
        self.convs = nn.ModuleList([CircularConv(width, width) for _ in range(2 * settings.blocks)])
        self.head = nn.Sequential(
            nn.Linear(2 * width + GLOBALS, settings.hidden), nn.SiLU(), nn.Linear(settings.hidden, properties)
        )

    def features(self, raster: Tensor, globals_: Tensor, shift: int) -> Tensor:
        """(B, 2 width + GLOBALS): what the head sees, and what out-of-distribution scores are made of."""
        x = torch.relu(self.stem(raster, shift))  # (B, width, H, W)
        for first, second in zip(self.convs[::2], self.convs[1::2], strict=True):
            x = torch.relu(x + second(torch.relu(first(x, shift)), shift))
        pooled = torch.cat([x.mean(dim=(2, 3)), (x * x).mean(dim=(2, 3))], dim=1)
        return torch.cat([pooled, globals_], dim=1)

    def forward(self, raster: Tensor, globals_: Tensor, shift: int) -> Tensor:
        """(B, CHANNELS, H, W), (B, GLOBALS), shift → (B, properties), standardised."""
        out: Tensor = self.head(self.features(raster, globals_, shift))
        return out
