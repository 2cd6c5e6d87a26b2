"""A trained network for one task: its answers with calibrated probabilities or a refusal, and its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from matgym.characterization.files import Measured
from matgym.characterization.preprocessing import Pipeline
from matgym.characterization.recognition.measures import softmax
from matgym.characterization.recognition.metallicity import metallic_share
from matgym.characterization.recognition.networks import Classifier, build_network
from matgym.characterization.recognition.resemblance import resemblance
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.learning.devices import device_of
from matgym.learning.metrics import distance
from matgym.learning.store import Card, Store, filled, module_tensors, part
from matgym.typing import BoolArray, FloatArray

BATCH: Final = 256
"""Inputs that are computed at once."""

MOST_CLASSES: Final = 10_000
"""Most classes of a card; a choice of ours."""


@dataclass(frozen=True)
class Answer:
    """What a network says of one measurement.

    Attributes:
        best: the most probable classes with their calibrated probabilities, the first one first.
        refusal: why there is no answer, in one sentence; empty if the first class is the answer.
        metallic: probability, or share in a mixture, of metallic tubes; None if classes are no tubes.
    """

    best: tuple[tuple[str, float], ...]
    refusal: str = ""
    metallic: float | None = None


@dataclass(frozen=True, eq=False)
class Calibration(ValueObject):
    """How logits become probabilities, and when a network gives no answer.

    Attributes:
        temperature: the temperature of the softmax.
        threshold: the confidence below which there is no answer.
        distances: arrays of `matgym.learning.metrics.distance_model` of the features of training inputs.
        resemblance: the cosine between an input and the simulation of the answer below which there is no answer
            (`matgym.characterization.recognition.resemblance`); 0 if it is not asked.
    """

    temperature: float
    threshold: float
    distances: dict[str, FloatArray]
    resemblance: float = 0.0


@dataclass(frozen=True)
class Recognizer:
    """A network, its classes, the steps before it, and its calibration.

    Attributes:
        network: the network in evaluation mode.
        classes: names of the classes.
        pipeline: steps from a measurement to the input.
        calibration: temperature, threshold and distances.
    """

    network: Classifier
    classes: tuple[str, ...]
    pipeline: Pipeline
    calibration: Calibration

    def probabilities(self, inputs: NDArray[Any]) -> tuple[FloatArray, BoolArray]:
        """Return the (B, classes) calibrated probabilities of inputs, and the (B,) inputs that are refused."""
        found, far, alike = self._judged(inputs)
        strange = (far > 1.0) | (alike < self.calibration.resemblance)
        return found, np.asarray(strange | (found.max(axis=1) < self.calibration.threshold))

    def _judged(self, inputs: NDArray[Any]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (B, classes) probabilities, (B,) distances, and (B,) resemblances, which are 1 if none is asked."""
        logits, features = outputs(self.network, inputs)
        found = softmax(logits, self.calibration.temperature)
        alike = None
        if self.calibration.resemblance:
            alike = resemblance(self.pipeline, self.classes, inputs, found)
        far = distance(features, self.calibration.distances)
        return found, far, np.ones(len(found)) if alike is None else alike

    def recognize(self, measured: Measured, best: int = 3) -> Answer:
        """Answer for one measurement.

        Args:
            measured: micrograph, diffraction pattern, powder pattern, spectrum or structure.
            best: number of classes in the answer.

        Raises:
            RefusalError: if the measurement cannot be brought to the scale or the grid of the network.
        """
        return self.answer(self.pipeline.of(measured), best)  # type: ignore[arg-type]  # it says which

    def answer(self, inputs: NDArray[Any], best: int = 3) -> Answer:
        """Answer for one measurement that the pipeline has brought to a (1, channels, …) input; see `recognize`."""
        (probabilities,), (far,), (alike,) = self._judged(inputs)
        order = np.argsort(-probabilities, kind="stable")[:best].tolist()
        confidence, refusal = float(probabilities.max()), ""
        if far > 1.0:
            refusal = f"it differs from all training measurements: its distance is {far:.2f}, and 1 is the limit"
        elif alike < self.calibration.resemblance:
            refusal = (
                f"no answer explains it: the simulation of the best one resembles it by {alike:.2f}, and "
                f"{self.calibration.resemblance:.2f} is the limit"
            )
        elif confidence < self.calibration.threshold:
            refusal = (
                f"no class is probable enough: the best has {confidence:.2f}, and {self.calibration.threshold:.2f} is "
                "the limit"
            )
        metallic = metallic_share(self.classes, probabilities[None])
        return Answer(
            tuple((self.classes[row], float(probabilities[row])) for row in order),
            refusal,
            None if metallic is None else float(metallic[0]),
        )


def outputs(network: Classifier, inputs: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    """Return (B, classes) logits and (B, F) features of (B, channels, …) inputs by a network in evaluation mode."""
    logits, features, device = [], [], device_of(network)
    with torch.inference_mode():
        for start in range(0, len(inputs), BATCH):
            batch = torch.from_numpy(np.array(inputs[start : start + BATCH], dtype=np.float32)).to(device)
            found = network.features(batch)
            features.append(found.cpu().numpy())
            logits.append(network.last(found).cpu().numpy())
    return np.concatenate(logits).astype(np.float64), np.concatenate(features).astype(np.float64)


class RecognitionCard(Card):
    """The description of a network for a task.

    Attributes:
        task: name of the task.
        network: name of the network.
        settings: its settings.
        classes: names of the classes.
        pipeline: steps from a measurement to the input.
        temperature: temperature of the softmax.
        threshold: confidence below which there is no answer.
        resemblance: see `Calibration`.
        metrics: metrics on samples under the conditions of training, and under unseen ones.
    """

    task: str
    network: str
    settings: dict[str, Any]
    classes: tuple[str, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    pipeline: Pipeline
    temperature: float = Field(gt=0.0, le=1e3)
    threshold: float = Field(ge=0.0, le=1.0)
    resemblance: float = Field(default=0.0, ge=0.0, le=1.0)
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_classes(self) -> "RecognitionCard":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes has the same name twice")
        return self


STORE: Final = Store(RecognitionCard, "a network that recognises", Path(__file__).parent / "weights")


def save_recognizer(recognizer: Recognizer, path: Path | str, **facts: object) -> RecognitionCard:
    """Write a network to `path` (.safetensors) and its card beside it (.json).

    Args:
        recognizer: network and calibration.
        path: the file.
        facts: task, network, settings and other fields of the card.

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    calibration = recognizer.calibration
    tensors = module_tensors("network", recognizer.network)
    tensors |= distance_tensors(calibration.distances)
    return STORE.save(
        path,
        tensors,
        {
            "classes": recognizer.classes,
            "pipeline": recognizer.pipeline,
            "temperature": calibration.temperature,
            "threshold": calibration.threshold,
            "resemblance": calibration.resemblance,
            **facts,
        },
    )


def stored_distances(tensors: Mapping[str, torch.Tensor], size: int) -> dict[str, FloatArray]:
    """Return the arrays of a `distance_model` of a number of features that are stored as `distances.…`.

    Raises:
        ConfigurationError: if they do not fit the features.
    """
    distances = {name: value.numpy() for name, value in part(tensors, "distances").items()}
    wanted = {"centre": (size,), "whitening": (size, size), "threshold": (1,)}
    if {name: value.shape for name, value in distances.items()} != wanted:
        raise ConfigurationError(
            f"distances are {sorted(distances)}, and {sorted(wanted)} of {size} features are needed"
        )
    return distances


def distance_tensors(distances: Mapping[str, FloatArray]) -> dict[str, torch.Tensor]:
    """Return the arrays of a `distance_model` by the names under which they are stored."""
    return {f"distances.{name}": torch.from_numpy(np.array(value)) for name, value in distances.items()}


def load_recognizer(path: Path | str) -> Recognizer:
    """Return a network: from a .safetensors file with its card beside it, or by the name of a shipped one.

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return STORE.load(path, _built)


def _built(card: RecognitionCard, tensors: dict[str, torch.Tensor]) -> Recognizer:
    outputs, beside = len(card.classes), card.pipeline.beside
    build = partial(build_network, card.network, card.settings, card.pipeline.shape, outputs, beside)
    network = filled(build, part(tensors, "network")).eval()
    distances = stored_distances(tensors, network.last.in_features)
    calibration = Calibration(card.temperature, card.threshold, distances, card.resemblance)
    return Recognizer(network, card.classes, card.pipeline, calibration)
