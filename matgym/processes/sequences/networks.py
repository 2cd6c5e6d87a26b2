"""Networks over time: what is done at each step, and how it began, in; the outcomes' increments out.

None looks ahead: what comes out at a step depends on the controls up to it, so that one network serves any horizon and
an environment that goes step by step.
"""

from abc import ABC, abstractmethod
from typing import Any, Final

import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError
from matgym.typing import IntArray

State = tuple[Tensor, ...]
"""What a network remembers between steps."""


class SequenceNetwork(nn.Module, ABC):
    """The face of every network over time."""

    @abstractmethod
    def forward(self, x: Tensor, state: State = ()) -> tuple[Tensor, State]:
        """(B, T, inputs), what is remembered → (B, T, outputs), what is remembered for the next call."""

    @abstractmethod
    def forget(self, state: State, rows: IntArray) -> None:
        """Let some of the runs begin anew, in place."""


class CausalCnn(SequenceNetwork):
    """Convolutions over the past with doubling dilation: WaveNet's (van den Oord et al., arXiv:1609.03499), residual.

    Args:
        inputs: controls and start values, which every step is given.
        outputs: outcomes.
        width: channels.
        depth: of dilations 1, 2, 4 …: reaches back 2^(depth + 1) - 2 steps.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.inward = nn.Conv1d(inputs, width, 1)
        self.filters = nn.ModuleList(nn.Conv1d(width, 2 * width, 3, dilation=2**level) for level in range(depth))
        self.across = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(depth))
        self.outward = nn.Sequential(nn.Conv1d(width, width, 1), nn.SiLU(), nn.Conv1d(width, outputs, 1))

    def forward(self, x: Tensor, state: State = ()) -> tuple[Tensor, State]:
        """(B, T, inputs), all inputs so far and where there were any → (B, T, outputs), the same for the next call."""
        there = torch.ones_like(x[:, :, :1])
        if state:
            inputs, there = torch.cat([state[0], x], dim=1), torch.cat([state[1], there], dim=1)
        else:
            inputs = x
        mask = there.transpose(1, 2)
        y = self.inward(inputs.transpose(1, 2)) * mask
        for level, (filters, across) in enumerate(zip(self.filters, self.across, strict=True)):
            values, gate = filters(nn.functional.pad(y, (2 * 2**level, 0))).chunk(2, dim=1)
            y = (y + across(torch.tanh(values) * torch.sigmoid(gate))) * mask
        out: Tensor = self.outward(y).transpose(1, 2)[:, -x.shape[1] :]
        return out, (inputs, there)

    def forget(self, state: State, rows: IntArray) -> None:
        """Nothing was before."""
        for part in state:
            part[rows] = 0.0


class Lstm(SequenceNetwork):
    """Long short-term memory (Hochreiter and Schmidhuber, Neural Comput. 9, 1735 (1997))."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.cells = nn.LSTM(inputs, width, depth, batch_first=True)
        self.outward = nn.Sequential(nn.Linear(width + inputs, width), nn.SiLU(), nn.Linear(width, outputs))

    def forward(self, x: Tensor, state: State = ()) -> tuple[Tensor, State]:
        """(B, T, inputs), hidden state and cells → (B, T, outputs), the same for the next call."""
        hidden, memory = self.cells(x, state or None)
        return self.outward(torch.cat([hidden, x], dim=2)), memory

    def forget(self, state: State, rows: IntArray) -> None:
        """Empty cells."""
        for part in state:
            part[:, rows] = 0.0


NETWORKS: Final[dict[str, Any]] = {"causal-cnn": CausalCnn, "lstm": Lstm}


def make_sequence_network(name: str, inputs: int, outputs: int, width: int, depth: int) -> SequenceNetwork:
    """A network with fresh weights.

    Raises:
        ConfigurationError: if there is none of that name, or a size is not positive.
    """
    if name not in NETWORKS:
        raise ConfigurationError(f"there is no network {name!r} over time; there are {' and '.join(NETWORKS)}")
    if width < 1 or depth < 1:
        raise ConfigurationError(f"width={width} and depth={depth} must be 1 or more")
    network: SequenceNetwork = NETWORKS[name](inputs, outputs, width, depth)
    return network
