"""Networks over time, which predict the changes of outcomes from the controls of each step and the start values.

All of them are causal: the output of a step depends on the controls up to that step. A network can therefore be used
for any horizon, and in an environment that advances step by step.
"""

from abc import ABC, abstractmethod
from typing import Any, Final

import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError
from matgym.learning.sizes import MAX_UNITS, bounded
from matgym.typing import IntArray

State = tuple[Tensor, ...]
"""The state of a network between steps."""


class SequenceNetwork(nn.Module, ABC):
    """The base class of networks over time."""

    @abstractmethod
    def forward(self, x: Tensor, state: State = ()) -> tuple[Tensor, State]:
        """Return (B, T, outputs) for (B, T, inputs) after a state, and the state for the next call."""

    @abstractmethod
    def forget(self, state: State, rows: IntArray) -> None:
        """Reset the state of some of the runs, in place."""


class CausalCnn(SequenceNetwork):
    """A residual network of causal convolutions with doubling dilation.

    The convolutions are those of WaveNet (van den Oord et al., arXiv:1609.03499).

    Args:
        inputs: the number of controls and start values, which are inputs of every step.
        outputs: the number of outcomes.
        width: the number of channels.
        depth: the number of dilations 1, 2, 4 …; an output depends on the 2^(depth + 1) - 2 steps before it.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.inward = nn.Conv1d(inputs, width, 1)
        self.filters = nn.ModuleList(nn.Conv1d(width, 2 * width, 3, dilation=2**level) for level in range(depth))
        self.across = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(depth))
        self.outward = nn.Sequential(nn.Conv1d(width, width, 1), nn.SiLU(), nn.Conv1d(width, outputs, 1))

    def forward(self, x: Tensor, state: State = ()) -> tuple[Tensor, State]:
        """Return (B, T, outputs) and the new state; a state holds all inputs so far and a mask of the steps taken."""
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
        """Reset the state of some of the runs, in place: no step was taken."""
        for part in state:
            part[rows] = 0.0


class Lstm(SequenceNetwork):
    """Long short-term memory (Hochreiter and Schmidhuber, Neural Comput. 9, 1735 (1997))."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.cells = nn.LSTM(inputs, width, depth, batch_first=True)
        self.outward = nn.Sequential(nn.Linear(width + inputs, width), nn.SiLU(), nn.Linear(width, outputs))

    def forward(self, x: Tensor, state: State = ()) -> tuple[Tensor, State]:
        """Return (B, T, outputs) and the new state; a state holds the hidden state and the cells."""
        hidden, memory = self.cells(x, state or None)
        return self.outward(torch.cat([hidden, x], dim=2)), memory

    def forget(self, state: State, rows: IntArray) -> None:
        """Reset the hidden state and the cells of some of the runs, in place."""
        for part in state:
            part[:, rows] = 0.0


MAX_DEPTH: Final = 13
"""Layers of the deepest network: as many dilations reach over the longest recipe, a week of minutes. We chose it."""

NETWORKS: Final[dict[str, Any]] = {"causal-cnn": CausalCnn, "lstm": Lstm}


def make_sequence_network(name: str, inputs: int, outputs: int, width: int, depth: int) -> SequenceNetwork:
    """Return a network with initial weights, which are counted before memory is taken.

    Raises:
        ConfigurationError: if there is no network of that name, a size is not within its limits, or there are too many
            weights.
    """
    return bounded(lambda: build_sequence_network(name, inputs, outputs, width, depth))


def build_sequence_network(name: str, inputs: int, outputs: int, width: int, depth: int) -> SequenceNetwork:
    """Return a network with initial weights, of any number: for callers that bound it themselves.

    Raises:
        ConfigurationError: if there is no network of that name, or a size is not within its limits.
    """
    if name not in NETWORKS:
        raise ConfigurationError(f"there is no network {name!r} over time: choose among {', '.join(NETWORKS)}")
    if not 1 <= width <= MAX_UNITS or not 1 <= depth <= MAX_DEPTH:
        raise ConfigurationError(
            f"width={width} must be from 1 to {MAX_UNITS:,}, and depth={depth} from 1 to {MAX_DEPTH}"
        )
    network: SequenceNetwork = NETWORKS[name](inputs, outputs, width, depth)
    return network
