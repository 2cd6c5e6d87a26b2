"""A trained network that reads quantities with standard uncertainties, and its files."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from matgym.characterization.reading.inputs import ReadingInputs
from matgym.characterization.reading.tasks import Characterizer, Quantity, Readings, Scale
from matgym.characterization.recognition.learned import distance_tensors, outputs, stored_distances
from matgym.characterization.recognition.networks import Classifier, build_network
from matgym.characterization.untrained import require_trained
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.learning.metrics import distance
from matgym.learning.store import Card, Store, filled, module_tensors, part
from matgym.typing import Float32Array, FloatArray

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
        distances: arrays of `matgym.learning.metrics.distance_model` of the features of training inputs.
        resemblance: the cosine between a measurement and the simulation of the answer below which there is no answer
            (`ReadingTask.resemblance`); 0 if it is not asked.
    """

    network: Classifier
    quantities: tuple[Quantity, ...]
    inputs: ReadingInputs
    factors: FloatArray
    distances: dict[str, FloatArray]
    resemblance: float = 0.0

    def outputs(self, measured: FloatArray | Float32Array) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the outputs of the network for (B, …) measurements.

        Returns:
            (B, Q) means and standard deviations on the scale of the quantities, and the (B,) distances of the
            measurements from those of training, of which 1 is the limit.
        """
        return self.of_inputs(self.inputs.apply(measured))

    def of_inputs(self, inputs: NDArray[Any]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the outputs of the network for (B, …) inputs; see `outputs`."""
        raw, features = outputs(self.network, inputs)
        means, logarithms = np.split(raw, 2, axis=1)
        return means, self.factors * np.exp(np.clip(logarithms, *LOGARITHMS)), distance(features, self.distances)

    def read(self, measured: FloatArray) -> Readings:
        """Return the readings of (B, …) measurements; see `Characterizer`.

        Raises:
            RefusalError: if they cannot be brought to the form of the network's input.
        """
        return Scale(self.quantities).readings(*self.outputs(measured)[:2])


class ReadingCard(Card):
    """The description of a network that reads.

    Attributes:
        task: name of the task.
        network: name of the network.
        settings: its settings.
        quantities: name, lowest value, highest value, and whether the logarithm is read, of each quantity.
        inputs: steps from a measurement to the input.
        factors: factors on the standard deviations.
        resemblance: see `Reader`.
        metrics: metrics under the conditions of training and unseen ones, of the network and of the baseline.
    """

    task: str
    network: str
    settings: dict[str, Any]
    quantities: tuple[tuple[str, float, float, bool], ...] = Field(min_length=1, max_length=100)
    inputs: ReadingInputs
    factors: tuple[float, ...]
    resemblance: float = Field(default=0.0, ge=0.0, le=1.0)
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
    tensors = module_tensors("network", reader.network) | distance_tensors(reader.distances)
    quantities = [(each.name, each.low, each.high, each.logarithmic) for each in reader.quantities]
    own = {"quantities": quantities, "inputs": reader.inputs, "factors": reader.factors.tolist()}
    return STORE.save(path, tensors, own | {"resemblance": reader.resemblance} | facts)


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
    require_trained(STORE, task, "characterizer")
    return load_reader(task)


def _built(card: ReadingCard, tensors: dict[str, torch.Tensor]) -> Reader:
    build = partial(build_network, card.network, card.settings, card.inputs.shape, 2 * len(card.quantities))
    network = filled(build, part(tensors, "network")).eval()
    quantities = tuple(Quantity(*each) for each in card.quantities)
    distances = stored_distances(tensors, network.last.in_features)
    return Reader(network, quantities, card.inputs, np.array(card.factors), distances, card.resemblance)


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
