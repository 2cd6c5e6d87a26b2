"""Train a network that finds defects, calibrate it, measure it and store it with a card."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from matgym.characterization.recognition.defects import DefectsFromImages
from matgym.characterization.recognition.detection import TOLERANCE_NM, Places, best_threshold, right, scores
from matgym.characterization.recognition.locators import (
    LOCATORS,
    RIM_NM,
    Locator,
    LocatorCalibration,
    LocatorCard,
    found_peaks,
    save_locator,
)
from matgym.characterization.recognition.measures import expected_calibration_error
from matgym.characterization.recognition.registry import PLACE_TASKS
from matgym.characterization.recognition.tasks import Samples
from matgym.characterization.recognition.training import (
    FitSettings,
    OnChunk,
    Pools,
    TrainingConfig,
    feature_rows,
    fit_weights,
)
from matgym.characterization.recognition.unet import STRIDE, UNet
from matgym.errors import ConfigurationError
from matgym.learning.metrics import distance_model
from matgym.learning.sizes import bounded
from matgym.learning.trainer import Options
from matgym.typing import BoolArray, FloatArray

SPREAD: Final = 1.0
"""Standard deviation of a defect in the map that is learned, points of 0.09 nm; a choice of ours."""

SHALLOW: Final = 1e-2
"""Smallest slope of the logistic function: more certain peaks are never less probable. A choice of ours."""


@dataclass(frozen=True)
class LocatorFit(FitSettings):
    """The settings of the fit of a U-Net; see `FitSettings` for the others.

    Attributes:
        width: channels of the finest stage.
    """

    width: int = 24


@dataclass(frozen=True)
class LocatorConfig(TrainingConfig):
    """The settings of a training of a network that finds defects; see `TrainingConfig` for the others.

    Attributes:
        fit: settings of the fit.
    """

    task: str = "defects-hrtem"
    fit: LocatorFit = field(default_factory=LocatorFit)

    def __post_init__(self) -> None:
        if self.task not in PLACE_TASKS:
            raise ConfigurationError(f"there is no task {self.task!r}; there are {', '.join(PLACE_TASKS)}")
        super().__post_init__()


# ---- the map that is learned


def target_maps(labels: Tensor, kinds: int, points: tuple[int, int]) -> Tensor:
    """Return (B, kinds, H, W) maps with a Gaussian at each defect, 1 at the nearest point.

    Args:
        labels: (B, D, 3) rows, columns and kinds in pixels of the input, with NaN for none.
        kinds: number of kinds.
        points: rows and columns of the maps.
    """
    there = torch.isfinite(labels[..., 0])
    places = torch.nan_to_num(labels[..., :2].float() - (STRIDE - 1) / 2.0, nan=-1e6) / STRIDE
    down = (torch.arange(points[0], device=labels.device)[:, None] - places[..., 0, None, None]) ** 2
    across = (torch.arange(points[1], device=labels.device) - places[..., 1, None, None]) ** 2
    bumps = torch.exp((down + across) / (-2.0 * SPREAD**2))  # (B, D, H, W)
    nearest = (down <= 0.25) & (across <= 0.25)
    bumps = torch.where(nearest, 1.0, bumps) * there[..., None, None]
    own = [torch.where((labels[..., 2] == kind)[..., None, None], bumps, 0.0).amax(dim=1) for kind in range(kinds)]
    return torch.stack(own, dim=1)


def focal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of (B, kinds, H, W) logits: the focal loss with less weight around true places.

    Source: Law and Deng, ECCV 2018 (CornerNet), with its exponents 2 and 4.
    """
    targets = target_maps(labels, logits.shape[1], (logits.shape[2], logits.shape[3]))
    centre = targets == 1.0
    probability = torch.sigmoid(logits)
    hit = (1.0 - probability) ** 2 * logsigmoid(logits)
    miss = (1.0 - targets) ** 4 * probability**2 * logsigmoid(-logits)
    return -torch.where(centre, hit, miss).sum() / centre.sum().clamp(min=1)


def mirrored(inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs and labels of which some are mirrored along rows, along columns, or both."""
    labels = labels.clone()
    for axis in range(2):
        chosen = torch.from_numpy(rng.uniform(size=len(inputs)) < 0.5)
        inputs = torch.where(chosen[:, None, None, None], inputs.flip(2 + axis), inputs)
        turned = inputs.shape[2 + axis] - 1.0 - labels[..., axis]
        labels[..., axis] = torch.where(chosen[:, None], turned, labels[..., axis])
    return inputs, labels


# ---- fit and calibration


def within(places: Places, task: DefectsFromImages) -> Places:
    """Return the places in inputs of training that are no nearer to the edge than `RIM_NM`."""
    rim = RIM_NM / task.pipeline.pixel_nm
    edge = task.pipeline.pixels - 1.0 - rim
    return places.take(np.asarray(((places.places >= rim) & (places.places <= edge)).all(axis=1)))


def correct(found: Places, samples: Samples, task: DefectsFromImages) -> BoolArray:
    """Return which found places are right, in inputs of training."""
    return right(found, within(Places.of_labels(samples.labels), task), TOLERANCE_NM / task.pipeline.pixel_nm)


def fit_unet(
    task: DefectsFromImages, learned: Samples, validation: Samples, config: LocatorFit, **options: Unpack[Options]
) -> UNet:
    """Train a U-Net and return it with the weights of the epoch of the smallest loss on validation samples."""
    torch.manual_seed(config.seed)
    net = bounded(lambda: UNet(len(task.kinds), config.width))

    def measure() -> dict[str, float]:
        losses = []
        for start in range(0, len(validation), config.batch_size):
            rows = slice(start, start + config.batch_size)
            inputs = torch.from_numpy(validation.inputs[rows].astype(np.float32))
            device = next(net.parameters()).device
            labels = torch.from_numpy(np.array(validation.labels[rows]))
            losses.append(float(focal_loss(net(inputs.to(device)), labels.to(device))))
        found = within(found_peaks(net, validation.inputs, task.pipeline.pixels)[0], task)
        hits, true = correct(found, validation, task), within(Places.of_labels(validation.labels), task)
        told = found.scores >= best_threshold(found.scores, hits, len(true))
        f1 = 2.0 * float((hits & told).sum()) / max(float(told.sum() + len(true)), 1.0)
        return {"error": float(np.mean(losses)), "f1": f1}

    fit_weights(
        net, learned, validation, config, loss=focal_loss, measure=measure, augment=mirrored, stage="locator", **options
    )
    return net


def calibrated_locator(network: UNet, task: DefectsFromImages, learned: Samples, validation: Samples) -> Locator:
    """Return a network with its probabilities, its threshold and its distances fitted on validation samples."""
    found, features = found_peaks(network, validation.inputs, task.pipeline.pixels)
    found = within(found, task)
    hits, true = correct(found, validation, task), within(Places.of_labels(validation.labels), task)
    slope, offset = logistic(found.scores, hits)
    rows = feature_rows(learned)
    known = found_peaks(network, learned.inputs[rows], task.pipeline.pixels)[1]
    distances = distance_model(known[:, 0], features[:, 0])
    calibration = LocatorCalibration(slope, offset, 1.0, distances)
    threshold = min(best_threshold(calibration.probabilities(found.scores), hits, len(true)), 1.0)
    return Locator(network, task.kinds, task.pipeline, LocatorCalibration(slope, offset, threshold, distances))


def logistic(scores: FloatArray, hits: BoolArray) -> tuple[float, float]:
    """Return slope and offset of the logistic function that gives the probability of a hit by its score.

    Source: Platt, *Advances in Large Margin Classifiers*, 1999, with his targets, which keep the slope finite.
    """
    from scipy.optimize import minimize

    positive, negative = int(hits.sum()), int((~hits).sum())
    targets = np.where(hits, (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0))

    def loss(parameters: FloatArray) -> float:
        logits = parameters[0] * scores + parameters[1]
        return float((np.logaddexp(0.0, logits) - targets * logits).mean()) if len(scores) else 0.0

    found = minimize(loss, np.array([1.0, 0.0]), bounds=[(SHALLOW, 1e2), (-1e2, 1e2)]).x
    return float(found[0]), float(found[1])


def place_figures(locator: Locator, samples: Samples, task: DefectsFromImages) -> dict[str, float]:
    """Return precision, recall and F1 by kind and together, the calibration error and the share of refusals."""
    told, far = locator.search(samples.inputs)
    found, true = within(told, task), within(Places.of_labels(samples.labels), task)
    figures = {
        f"{measure} {name}": float(getattr(score, measure))
        for name, score in scores(found, true, TOLERANCE_NM / task.pipeline.pixel_nm, task.kinds).items()
        for measure in ("precision", "recall", "f1")
    }
    hits = correct(found, samples, task)
    both = np.stack([1.0 - found.scores, found.scores], axis=1)
    return figures | {
        "calibration_error": expected_calibration_error(both, hits.astype(np.int64)) if len(found) else 0.0,
        "refused": float((far > 1.0).mean()),
        "samples": float(len(samples)),
    }


def train_locator(
    config: LocatorConfig,
    output: Path,
    *,
    command: str = "",
    force: bool = False,
    workers: int = 1,
    inputs: Iterable[Path] = (),
    on_chunk: OnChunk = lambda _pool, _job, _before: None,
    **options: Unpack[Options],
) -> LocatorCard:
    """Draw images, train a network, calibrate and measure it, and store it at `output` with a card.

    An interrupted call continues; see `matgym.characterization.recognition.fitting.train_recognizer` for arguments.
    """
    task, start = PLACE_TASKS[config.task], time.monotonic()
    with LOCATORS.training(output, force=force, inputs=inputs, pieces=("pool-*/*",)) as work:
        options["checkpoints"] = work.folder / "checkpoints"
        pools = Pools(task, work.folder, config.seed, workers, on_chunk)
        learned, validation = pools.draw("training", config.samples), pools.draw("validation", config.validation)
        net = fit_unet(task, learned, validation, config.fit, **options)
        locator = calibrated_locator(net, task, learned, validation)
        metrics = {
            "training": place_figures(locator, pools.draw("test", config.test), task),
            "unseen": place_figures(locator, pools.draw("unseen", config.test), task),
        }
        work.begin_output()
        return save_locator(
            locator,
            output,
            width=config.fit.width,
            tolerance_nm=TOLERANCE_NM,
            **config.facts(task, command, start, metrics),
        )
