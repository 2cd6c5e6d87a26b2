"""A surrogate over time: its networks, their scaling, and its files (see `matgym.learning.store`)."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from pydantic import Field

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.learning.devices import device_of
from matgym.learning.metrics import PropertyMetrics
from matgym.learning.store import Card, Store, ensemble_tensors, filled, part
from matgym.processes.sequences.networks import SequenceNetwork, State, build_sequence_network
from matgym.processes.sequences.runs import Runs
from matgym.typing import FloatArray, IntArray


@dataclass(frozen=True)
class SequenceScaling(ValueObject):
    """The means and standard deviations of the training runs.

    Attributes:
        input_mean: (c + s,) means of controls and start.
        input_scale: (c + s,) standard deviations of controls and start.
        step_mean: (k,) means of the changes of outcomes in one step.
        step_scale: (k,) standard deviations of the changes of outcomes in one step.
        outcome_scale: (k,) standard deviations of outcomes between runs at the same step, the unit of the loss.
    """

    input_mean: FloatArray
    input_scale: FloatArray
    step_mean: FloatArray
    step_scale: FloatArray
    outcome_scale: FloatArray

    @classmethod
    def of(cls, runs: Runs) -> "SequenceScaling":
        """Return the scaling of some runs."""
        inputs = _inputs(runs.controls, runs.start).reshape(-1, runs.controls.shape[2] + runs.start.shape[1])
        changes = np.diff(runs.outcomes, axis=1, prepend=runs.begun[:, None]).reshape(-1, len(runs.outcome_names))
        spread = [inputs.std(axis=0), changes.std(axis=0), np.sqrt(runs.outcomes.var(axis=0).mean(axis=0))]
        first, second, third = (np.where(values > 0.0, values, 1.0) for values in spread)
        return cls(inputs.mean(axis=0), first, changes.mean(axis=0), second, third)


@dataclass
class Memory:
    """The state of a batch of runs between steps.

    Attributes:
        start: (B, s) values that are known before the first step.
        outcomes: (B, k) outcomes after the last step.
        states: the state of each network.
    """

    start: FloatArray
    outcomes: FloatArray
    states: list[State]


@dataclass(frozen=True)
class SequenceSurrogate:
    """An ensemble of networks that predicts the outcomes of runs, step by step or all steps at once.

    Attributes:
        networks: the networks of the ensemble, in evaluation mode.
        network: the architecture, a key of `matgym.processes.sequences.networks.NETWORKS`.
        width: the width of every network.
        depth: the depth of every network.
        control_names: the names of the c controls.
        start_names: the names of the s values that are known before the first step.
        outcome_names: the names of the k outcomes.
        scaling: the scaling of inputs and outcomes.
    """

    networks: tuple[SequenceNetwork, ...]
    network: str
    width: int
    depth: int
    control_names: tuple[str, ...]
    start_names: tuple[str, ...]
    outcome_names: tuple[str, ...]
    scaling: SequenceScaling

    def tensors(self, controls: FloatArray, start: FloatArray) -> torch.Tensor:
        """Return (B, T, c + s) standardised inputs of (B, T, c) controls and (B, s) start, on the networks' device."""
        scaled = (_inputs(controls, start) - self.scaling.input_mean) / self.scaling.input_scale
        return torch.from_numpy(scaled.astype(np.float32)).to(device_of(self.networks[0]))

    def members(self, controls: FloatArray, start: FloatArray, begun: FloatArray) -> FloatArray:
        """Return the (members, B, T, k) outcomes that each network predicts; arguments as of `predict`."""
        with torch.inference_mode():
            inputs = self.tensors(controls, start)
            changes = np.stack([net(inputs)[0].cpu().numpy() for net in self.networks]).astype(np.float64)
        return np.asarray(
            begun[:, None] + np.cumsum(self.scaling.step_mean + changes * self.scaling.step_scale, axis=2)
        )

    def predict(self, controls: FloatArray, start: FloatArray, begun: FloatArray) -> FloatArray:
        """Return the (B, T, k) outcomes that the ensemble predicts in the mean.

        Args:
            controls: (B, T, c) controls of each step.
            start: (B, s) values that are known before the first step.
            begun: (B, k) outcomes before the first step.
        """
        return np.asarray(self.members(controls, start, begun).mean(axis=0))

    def begin(self, start: FloatArray, begun: FloatArray) -> Memory:
        """Return the memory of a batch of runs before its first step."""
        return Memory(np.array(start), np.array(begun), [() for _ in self.networks])

    def forget(self, memory: Memory, rows: IntArray, start: FloatArray, begun: FloatArray | float = 0.0) -> None:
        """Restart some runs of a batch; `memory` is changed in place."""
        memory.start[rows], memory.outcomes[rows] = start, begun
        if len(rows) == len(memory.start):
            memory.states = [() for _ in self.networks]
        with torch.inference_mode():
            for net, state in zip(self.networks, memory.states, strict=True):
                net.forget(state, rows)

    def step(self, memory: Memory, controls: FloatArray, rows: IntArray | slice = slice(None)) -> FloatArray:
        """Advance `memory` by one step of (r, c) controls and return the (r, k) outcomes of (r,) rows.

        The other rows must just have been restarted; they stay before their first step.
        """
        if not isinstance(rows, slice):
            waiting = np.setdiff1d(np.arange(len(memory.start)), rows)
            start, begun = memory.start[waiting], memory.outcomes[waiting]
            every = np.zeros((len(memory.start), controls.shape[1]))
            every[rows] = controls
            self.step(memory, every)
            self.forget(memory, waiting, start, begun)
            return memory.outcomes[rows]
        with torch.inference_mode():
            inputs = self.tensors(controls[:, None], memory.start)
            changes = []
            for index, net in enumerate(self.networks):
                change, memory.states[index] = net(inputs, memory.states[index])
                changes.append(change[:, 0].cpu().numpy().astype(np.float64))
        memory.outcomes = memory.outcomes + self.scaling.step_mean + np.mean(changes, axis=0) * self.scaling.step_scale
        return memory.outcomes


def _inputs(controls: FloatArray, start: FloatArray) -> FloatArray:
    wide = np.broadcast_to(start[:, None], (*controls.shape[:2], start.shape[1]))
    return np.concatenate([controls, wide], axis=2)


def error_by_step(surrogate: SequenceSurrogate, runs: Runs) -> FloatArray:
    """Return the (T, k) root mean square errors in the outcomes' units."""
    predicted = surrogate.predict(runs.controls, runs.start, runs.begun)
    return np.asarray(np.sqrt(((predicted - runs.outcomes) ** 2).mean(axis=0)))


class SequenceCard(Card):
    """The description of a surrogate over time, its training, and its metrics at the last step of test runs."""

    network: str
    width: int
    depth: int
    members: int = Field(ge=1)
    controls: tuple[str, ...] = Field(min_length=1)
    start: tuple[str, ...]
    outcomes: tuple[str, ...] = Field(min_length=1)
    metrics: tuple[PropertyMetrics, ...] = ()


STORE: Final = Store(SequenceCard, "a surrogate over time", Path(__file__).parent / "weights")


def save_sequences(surrogate: SequenceSurrogate, path: Path | str, **facts: object) -> SequenceCard:
    """Write a surrogate to `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    scaling = {f"scaling.{name}": torch.from_numpy(np.array(v)) for name, v in vars(surrogate.scaling).items()}
    return STORE.save(
        path,
        ensemble_tensors(surrogate.networks) | scaling,
        {
            "network": surrogate.network,
            "width": surrogate.width,
            "depth": surrogate.depth,
            "members": len(surrogate.networks),
            "controls": surrogate.control_names,
            "start": surrogate.start_names,
            "outcomes": surrogate.outcome_names,
            **facts,
        },
    )


def load_sequences(path: Path | str) -> SequenceSurrogate:
    """Return a surrogate over time: from a .safetensors file with its card beside it, or by the name of a shipped one.

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return STORE.load(path, _built)


def _built(card: SequenceCard, tensors: dict[str, torch.Tensor]) -> SequenceSurrogate:
    networks = []
    for member in range(card.members):
        inputs = len(card.controls) + len(card.start)
        build = partial(build_sequence_network, card.network, inputs, len(card.outcomes), card.width, card.depth)
        networks.append(filled(build, part(tensors, f"network.{member}"), f"network {member}").eval())
    scaling = SequenceScaling(**{name: value.numpy() for name, value in part(tensors, "scaling").items()})
    for name, value in vars(scaling).items():
        count = len(card.controls) + len(card.start) if name.startswith("input") else len(card.outcomes)
        if value.shape != (count,):
            raise ConfigurationError(f"scaling.{name} is {value.shape}, and ({count},) by the names of the card")
    return SequenceSurrogate(
        tuple(networks), card.network, card.width, card.depth, card.controls, card.start, card.outcomes, scaling
    )
