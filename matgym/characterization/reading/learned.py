"""A trained network that reads quantities with standard uncertainties, and its files."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from matgym.characterization.reading.inputs import ReadingInputs
from matgym.characterization.reading.tasks import Characterizer, Quantity, Readings, Scale
from matgym.characterization.recognition.networks import build_network
from matgym.errors import ConfigurationError, WeightsError
from matgym.frozen import ValueObject
from matgym.learning.devices import device_of
from matgym.learning.store import Card, Store, filled, module_tensors, part
from matgym.typing import Float32Array, FloatArray

BATCH: Final = 256
"""Inputs that are computed at once."""

LOGARITHMS: Final = (-7.0, 2.0)
"""Range of the logarithm of a standard deviation on the scale of 0 to 1; a choice of ours."""


@dataclass(frozen=True, eq=False)
class Reader(ValueObject, Characterizer):
    """A network with two outputs for each quantity: mean, and logarithm of the standard deviation, on a scale.

    Attributes:
        network: the network in evaluation mode.
        quantities: the quantities.
        inputs: steps from a measurement to the input.
        factors: (Q,) factors on the standard deviations, fitted on validation samples.
    """

    network: nn.Module
    quantities: tuple[Quantity, ...]
    inputs: ReadingInputs
    factors: FloatArray

    def outputs(self, measured: FloatArray | Float32Array) -> tuple[FloatArray, FloatArray]:
        """Return (B, Q) means and standard deviations of (B, …) measurements on the scale of the quantities."""
        found, device = [], device_of(self.network)
        inputs = self.inputs.apply(measured)
        with torch.inference_mode():
            for start in range(0, len(inputs), BATCH):
                batch = torch.from_numpy(inputs[start : start + BATCH]).to(device)
                found.append(self.network(batch).cpu().numpy().astype(np.float64))
        means, logarithms = np.split(np.concatenate(found), 2, axis=1)
        return means, self.factors * np.exp(np.clip(logarithms, *LOGARITHMS))

    def read(self, measured: FloatArray) -> Readings:
        """Return the readings of (B, …) measurements; see `Characterizer`.

        Raises:
            RefusalError: if they cannot be brought to the form of the network's input.
        """
        return Scale(self.quantities).readings(*self.outputs(measured))


class ReadingCard(Card):
    """The description of a network that reads.

    Attributes:
        task: name of the task.
        network: name of the network.
        settings: its settings.
        quantities: name, lowest value, highest value, and whether the logarithm is read, of each quantity.
        inputs: steps from a measurement to the input.
        factors: factors on the standard deviations.
        metrics: metrics under the conditions of training and unseen ones, of the network and of the baseline.
    """

    task: str
    network: str
    settings: dict[str, Any]
    quantities: tuple[tuple[str, float, float, bool], ...] = Field(min_length=1, max_length=100)
    inputs: ReadingInputs
    factors: tuple[float, ...]
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_factors(self) -> "ReadingCard":
        if len(self.factors) != len(self.quantities) or not all(0.0 < each < 1e6 for each in self.factors):
            raise ValueError(f"factors={self.factors} must be a positive number for each quantity")
        return self


STORE: Final = Store(ReadingCard, "a network that reads", Path(__file__).parent / "weights")


def save_reader(reader: Reader, path: Path | str, **facts: object) -> ReadingCard:
    """Write a network to `path` (.safetensors) and its card beside it (.json).

    Args:
        reader: network and calibration.
        path: the file.
        facts: task, network, settings and other fields of the card.

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    tensors = module_tensors("network", reader.network)
    quantities = [(each.name, each.low, each.high, each.logarithmic) for each in reader.quantities]
    own = {"quantities": quantities, "inputs": reader.inputs, "factors": reader.factors.tolist()}
    return STORE.save(path, tensors, own | facts)


def load_reader(path: Path | str) -> Reader:
    """Return a network: from a .safetensors file with its card beside it, or by the name of a task.

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return STORE.load(path, _built)


def shipped_reader(task: str) -> Reader:
    """Return the shipped network of a task.

    Raises:
        WeightsError: if none was trained yet.
    """
    if task not in STORE.names():
        raise WeightsError(
            f"{task} has no trained network yet: run python -m scripts.studies.characterization.train {task}, or give "
            "characterizer=..."
        )
    return load_reader(task)


def _built(card: ReadingCard, tensors: dict[str, torch.Tensor]) -> Reader:
    build = partial(build_network, card.network, card.settings, card.inputs.shape, 2 * len(card.quantities))
    network = filled(build, part(tensors, "network")).eval()
    quantities = tuple(Quantity(*each) for each in card.quantities)
    return Reader(network, quantities, card.inputs, np.array(card.factors))


def reader_of(given: Any, task: str, quantities: tuple[Quantity, ...]) -> Characterizer:
    """Return the estimator that an argument stands for.

    Args:
        given: an estimator, a .safetensors file, or None for the shipped network of the task.
        task: name of the task.
        quantities: quantities that are needed.

    Raises:
        WeightsError: if there is no such network.
        ConfigurationError: if it reads other quantities.
    """
    found = given
    if not isinstance(given, Characterizer):
        found = shipped_reader(task) if given is None else load_reader(given)
    names, needed = ([each.name for each in every] for every in (found.quantities, quantities))
    if names != needed:
        raise ConfigurationError(f"the characterizer reads {', '.join(names)}: give one of {', '.join(needed)}")
    return found  # type: ignore[no-any-return]  # a Characterizer
