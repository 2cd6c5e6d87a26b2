"""A graph neural network on the tube's bonds: messages along three kinds of bond, with weights of their own.

A relational graph convolution (Schlichtkrull et al., ESWC 2018): on an infinite sheet the three bonds of an atom are
alike, on a tube they differ by their angle with the axis. Both sublattices share all weights, so that the two-fold
axes across the tube are respected, too. The graph is the raster's: an A atom at (i, j) is bonded to the B atoms at
(i, j), (i - 1, j) and (i, j - 1), on tubes of any chirality, and messages are shifts of the raster.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from matgym.surrogates.networks.base import RasterNetwork
from matgym.surrogates.raster import circular_pad


@dataclass(frozen=True)
class GraphSettings:
    """Features of an atom, rounds of messages, each reaching one bond further, and units of the head."""

    width: int = 32
    layers: int = 6
    hidden: tuple[int, ...] = (64,)


class BondMessages(nn.Module):
    """One round: every atom adds what its three neighbours tell it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Linear(4 * inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, atoms: Tensor, shift: int) -> Tensor:
        """(B, 2, inputs, H, W) by sublattice → (B, 2, outputs, H, W)."""
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
    """Rounds of messages with residual connections, pooled over all atoms."""

    def __init__(self, settings: GraphSettings, channels: int, globals_: int, outputs: int) -> None:
        super().__init__(settings.width, globals_, settings.hidden, outputs)
        self.stem = BondMessages(channels // 2, settings.width)
        self.rounds = nn.ModuleList([BondMessages(settings.width, settings.width) for _ in range(settings.layers)])

    def body(self, raster: Tensor, shift: int) -> Tensor:
        """Rounds of messages; the sublattices lie one above the other."""
        batch, channels, height, width = raster.shape
        atoms = raster.reshape(batch, channels // 2, 2, height, width).transpose(1, 2)
        atoms = torch.relu(self.stem(atoms, shift))
        for messages in self.rounds:
            atoms = torch.relu(atoms + messages(atoms, shift))
        return atoms.transpose(1, 2).flatten(2, 3)  # (B, width, 2 H, W)
