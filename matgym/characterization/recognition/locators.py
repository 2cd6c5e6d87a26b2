"""A trained network that finds defects in images: its answers with calibrated probabilities or a refusal; its files."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch.nn.functional import avg_pool2d

from matgym.characterization.fields import FieldPipeline
from matgym.characterization.files import Micrograph
from matgym.characterization.recognition.detection import Places, peaks
from matgym.characterization.recognition.learned import distance_tensors, stored_distances
from matgym.characterization.recognition.unet import DEEPEST, STRIDE, UNet
from matgym.frozen import ValueObject
from matgym.learning.devices import device_of
from matgym.learning.metrics import distance
from matgym.learning.store import Card, Store, filled, module_tensors, part
from matgym.typing import FloatArray

BATCH: Final = 64
"""Inputs that are computed at once."""

LOWEST: Final = -5.0
"""Logit below which a peak of a map is left out; a choice of ours, far below all thresholds."""

RADIUS: Final = 2
"""Half the width of the square of points, 0.09 nm each, that has one defect at most; a choice of ours."""

RIM_NM: Final = 0.15
"""Distance from the edge within which no defects are looked for: about half of one lies outside. A choice of ours."""


@dataclass(frozen=True)
class Defect:
    """One defect in an image.

    Attributes:
        x_nm: distance from the middle of the first column, nm.
        y_nm: distance from the middle of the first row, nm.
        kind: "vacancy" or "Stone-Wales".
        probability: calibrated probability that there is a defect of this kind within the tolerance.
    """

    x_nm: float
    y_nm: float
    kind: str
    probability: float


@dataclass(frozen=True)
class DefectAnswer:
    """What a network says of one image.

    Attributes:
        defects: the defects, the most probable one first.
        refusal: why there is no answer, in one sentence; empty otherwise.
    """

    defects: tuple[Defect, ...]
    refusal: str = ""


@dataclass(frozen=True, eq=False)
class LocatorCalibration(ValueObject):
    """How logits become probabilities, which defects are told, and when there is no answer.

    Attributes:
        slope: slope of the logistic function by which the logit of a peak becomes a probability (Platt, 1999).
        offset: its offset.
        threshold: probability from which on a defect is told.
        distances: arrays of `matgym.learning.metrics.distance_model` of the features of training inputs.
    """

    slope: float
    offset: float
    threshold: float
    distances: dict[str, FloatArray]

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return (P,) probabilities of (P,) logits of peaks."""
        from scipy.special import expit

        return np.asarray(expit(self.slope * logits + self.offset))


@dataclass(frozen=True)
class Locator:
    """A network that finds defects, the steps before it, and its calibration.

    Attributes:
        network: the network in evaluation mode.
        kinds: names of the kinds of defects.
        pipeline: steps from an image to the input.
        calibration: see `LocatorCalibration`.
    """

    network: UNet
    kinds: tuple[str, ...]
    pipeline: FieldPipeline
    calibration: LocatorCalibration

    def search(self, inputs: NDArray[Any]) -> tuple[Places, FloatArray]:
        """Find the defects in (B, 1, H, W) inputs.

        Returns:
            The defects whose probability reaches the threshold, in pixels of the inputs, with probabilities as scores;
            and the (B,) distances of the inputs from those of training, of which 1 is the limit. The distance of a
            large input is that of its nearest part of the size of training.
        """
        found, features = found_peaks(self.network, inputs, self.pipeline.pixels)
        probabilities = self.calibration.probabilities(found.scores)
        told = probabilities >= self.calibration.threshold
        far = distance(features.reshape(-1, features.shape[2]), self.calibration.distances)
        places = Places(found.image, found.places, found.kinds, probabilities).take(told)
        return places, np.asarray(far.reshape(features.shape[:2]).min(axis=1))

    def locate(self, measured: Micrograph) -> DefectAnswer:
        """Find the defects in an image.

        Raises:
            RefusalError: if the image cannot be brought to the scale of the network.
        """
        inputs, frame = self.pipeline.of(measured)
        found, far = self.search(inputs)
        if far[0] > 1.0:
            reason = f"it differs from all training images: its distance is {far[0]:.2f}, and 1 is the limit"
            return DefectAnswer((), reason)
        found = found.take(frame.shown(found.places[None], RIM_NM / self.pipeline.pixel_nm)[0])
        own = frame.in_images(found.places[None])[0] * measured.pixel_size
        defects = [
            Defect(float(x), float(y), self.kinds[kind], float(probability))
            for (y, x), kind, probability in zip(own, found.kinds.tolist(), found.scores, strict=True)
        ]
        return DefectAnswer(tuple(sorted(defects, key=lambda each: -each.probability)))


def found_peaks(network: UNet, inputs: NDArray[Any], window: int) -> tuple[Places, FloatArray]:
    """Return the peaks of the maps of (B, 1, H, W) inputs, and features by window.

    Args:
        network: network in evaluation mode.
        inputs: the inputs.
        window: width of a window, pixels; windows overlap by half.

    Returns:
        Peaks in pixels of the inputs with logits as scores, and (B, windows, F) means of the deepest features.
    """
    parts: list[Places] = []
    features: list[FloatArray] = []
    device = device_of(network)
    with torch.inference_mode():
        for start in range(0, len(inputs), BATCH):
            batch = torch.from_numpy(np.asarray(inputs[start : start + BATCH], dtype=np.float32)).to(device)
            maps, deepest = network.both(batch)
            size = window // DEEPEST
            means = avg_pool2d(deepest, size, max(size // 2, 1)).flatten(2).transpose(1, 2)
            features.append(means.cpu().numpy().astype(np.float64))
            found = peaks(maps.cpu().numpy().astype(np.float64), LOWEST, RADIUS)
            pixels = STRIDE * found.places + (STRIDE - 1) / 2.0
            parts.append(Places(found.image + start, pixels, found.kinds, found.scores))
    joined = (np.concatenate([getattr(each, name) for each in parts])
              for name in ("image", "places", "kinds", "scores"))  # fmt: skip
    return Places(*joined), np.concatenate(features)


class LocatorCard(Card):
    """The description of a network that finds defects.

    Attributes:
        task: name of the task.
        width: channels of the finest stage of the network.
        kinds: names of the kinds of defects.
        pipeline: steps from an image to the input.
        tolerance_nm: largest distance of a found defect from the true one, nm.
        slope: see `LocatorCalibration`.
        offset: see `LocatorCalibration`.
        threshold: see `LocatorCalibration`.
        metrics: metrics on samples under the conditions of training, and under unseen ones.
    """

    task: str
    width: int = Field(ge=1, le=256)
    kinds: tuple[str, ...] = Field(min_length=1, max_length=16)
    pipeline: FieldPipeline
    tolerance_nm: float = Field(gt=0.0)
    slope: float = Field(ge=-1e3, le=1e3)
    offset: float = Field(ge=-1e3, le=1e3)
    threshold: float = Field(ge=0.0, le=1.0)
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)


LOCATORS: Final = Store(LocatorCard, "a network that finds defects", Path(__file__).parent / "weights" / "defects")


def save_locator(locator: Locator, path: Path | str, **facts: object) -> LocatorCard:
    """Write a network to `path` (.safetensors) and its card beside it (.json).

    Args:
        locator: network and calibration.
        path: the file.
        facts: task, width and other fields of the card.

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    calibration = locator.calibration
    tensors = module_tensors("network", locator.network)
    return LOCATORS.save(
        path,
        tensors | distance_tensors(calibration.distances),
        {
            "kinds": locator.kinds,
            "pipeline": locator.pipeline,
            "slope": calibration.slope,
            "offset": calibration.offset,
            "threshold": calibration.threshold,
            **facts,
        },
    )


def load_locator(path: Path | str) -> Locator:
    """Return a network: from a .safetensors file with its card beside it, or by the name of a shipped one.

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return LOCATORS.load(path, _built)


def _built(card: LocatorCard, tensors: dict[str, torch.Tensor]) -> Locator:
    network = filled(partial(UNet, len(card.kinds), card.width), part(tensors, "network")).eval()
    distances = stored_distances(tensors, network.features)
    calibration = LocatorCalibration(card.slope, card.offset, card.threshold, distances)
    return Locator(network, card.kinds, card.pipeline, calibration)
