"""Train a network for a task, calibrate it, measure it and store it with a card; cross-validation; baselines."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch

from matgym.characterization.recognition.learned import (
    STORE,
    Calibration,
    RecognitionCard,
    Recognizer,
    outputs,
    save_recognizer,
)
from matgym.characterization.recognition.measures import (
    Labels,
    cross_entropy,
    expected_calibration_error,
    fit_temperature,
    hits,
    least_value,
    softmax,
    top_accuracy,
)
from matgym.characterization.recognition.metallicity import species_errors
from matgym.characterization.recognition.networks import Classifier, make_network, settings_of
from matgym.characterization.recognition.registry import task_of
from matgym.characterization.recognition.resemblance import resemblance
from matgym.characterization.recognition.tasks import RecognitionTask, Samples
from matgym.characterization.recognition.training import (
    FitSettings,
    OnChunk,
    Pools,
    TrainingConfig,
    changed_inputs,
    feature_rows,
    fit_weights,
)
from matgym.errors import ConfigurationError
from matgym.learning.metrics import DISTANCE_QUANTILE, distance_model
from matgym.learning.trainer import Options
from matgym.typing import IntArray


@dataclass(frozen=True)
class RecognitionFit(FitSettings):
    """The settings of the fit of a network; see `FitSettings` for the others.

    Attributes:
        network: name of the network; see `matgym.characterization.recognition.networks`.
        settings: its settings; those that are left out have their defaults.
    """

    network: str = "resnet"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        settings_of(self.network, self.settings)


@dataclass(frozen=True)
class RecognitionConfig(TrainingConfig):
    """The settings of a training for a task; see `TrainingConfig` for the others.

    Attributes:
        accuracy: accuracy that answers are to have under the conditions of training; it sets the threshold.
        fit: settings of the fit.
    """

    samples: int = 40_000
    validation: int = 4_000
    test: int = 4_000
    accuracy: float = 0.95
    fit: RecognitionFit = field(default_factory=RecognitionFit)

    def __post_init__(self) -> None:
        task_of(self.task)
        super().__post_init__()
        if not 0.0 < self.accuracy < 1.0:
            raise ConfigurationError(f"accuracy={self.accuracy} must be between 0 and 1")


def fit_network(
    task: RecognitionTask, learned: Samples, validation: Samples, config: RecognitionFit, *, stage: str = "network",
    **options: Unpack[Options],
) -> Classifier:  # fmt: skip
    """Train a network and return it with the weights of the best epoch.

    It is the one with the smallest loss on validation samples that are changed as in training, at the temperature that
    fits them best: a temperature is fitted in any case, and without it a network that becomes too sure seems to worsen.
    """
    torch.manual_seed(config.seed)
    shape, beside = learned.inputs.shape[1:], task.pipeline.beside
    net = make_network(config.network, config.settings, shape, len(task.classes), beside)

    changed = changed_inputs(task, validation.inputs) if config.augmented else validation.inputs

    def measure() -> dict[str, float]:
        logits = outputs(net, changed)[0]
        return {
            "error": cross_entropy(logits / fit_temperature(logits, validation.labels), validation.labels),
            "accuracy": top_accuracy(logits, validation.labels),
        }

    fit_weights(
        net, learned, validation, config, loss=torch.nn.functional.cross_entropy, measure=measure,
        augment=lambda inputs, labels, rng: (task.augmented(inputs, rng), labels), stage=stage, **options,
    )  # fmt: skip
    return net


def calibrated(
    network: Classifier, task: RecognitionTask, learned: Samples, validation: Samples, accuracy: float
) -> Recognizer:
    """Return a network with temperature, thresholds and distances fitted on validation samples.

    For temperature and threshold the samples are changed as in training; see `changed_inputs`. Above the threshold of
    the confidence answers have the accuracy. Where an answer has a simulation, it must resemble the measurement as it
    does for 99 % of these samples that are answered rightly.

    The threshold is 0 for mixtures: the largest share of a mixture says nothing about how sure an answer is. There the
    simulation of the answer must resemble the measurement as it does for 99 % of the samples as they were drawn.
    """
    logits, features = outputs(network, validation.inputs)
    changed = changed_inputs(task, validation.inputs)
    changed_logits = outputs(network, changed)[0]
    temperature = fit_temperature(changed_logits, validation.labels)
    sure = softmax(changed_logits, temperature)
    rows = feature_rows(learned)
    distances = distance_model(outputs(network, learned.inputs[rows])[1], features)
    if task.mixed:
        found = resemblance(task.pipeline, task.classes, validation.inputs, softmax(logits, temperature))
        threshold, alike = 0.0, 0.0 if found is None else float(np.quantile(found, 1.0 - DISTANCE_QUANTILE))
    else:
        right = hits(sure.argmax(axis=1)[:, None], validation.labels)
        found = resemblance(task.pipeline, task.classes, changed, sure)
        threshold = least_value(sure.max(axis=1), right, accuracy)
        usual = np.empty(0) if found is None else found[right > 0.0]
        alike = float(np.quantile(usual, 1.0 - DISTANCE_QUANTILE)) if len(usual) else 0.0
    calibration = Calibration(temperature, threshold, distances, max(alike, 0.0))
    return Recognizer(network, task.classes, task.pipeline, calibration)


def figures(recognizer: Recognizer, samples: Samples) -> dict[str, float]:
    """Return accuracy, top-3 accuracy, calibration error, share of refusals and accuracy of the answers.

    For tubes, the error of the metallic share is among them; for mixtures, the error of all shares.
    """
    probabilities, refused = recognizer.probabilities(samples.inputs)
    answered = ~refused
    right = hits(probabilities.argmax(axis=1)[:, None], samples.labels)
    return {
        "accuracy": top_accuracy(probabilities, samples.labels),
        "top_3": top_accuracy(probabilities, samples.labels, 3),
        "calibration_error": expected_calibration_error(probabilities, samples.labels),
        "refused": float(refused.mean()),
        **({"accuracy_of_answers": float(right[answered].mean())} if answered.any() else {}),
        **species_errors(recognizer.classes, probabilities, samples.labels),
        "samples": float(len(samples)),
    }


def train_recognizer(
    config: RecognitionConfig,
    output: Path,
    *,
    command: str = "",
    force: bool = False,
    workers: int = 1,
    inputs: Iterable[Path] = (),
    on_chunk: OnChunk = lambda _pool, _job, _before: None,
    **options: Unpack[Options],
) -> RecognitionCard:
    """Draw samples, train a network, calibrate and measure it, and store it at `output` with a card.

    An interrupted call continues: samples are stored in chunks, and the training after each epoch.

    Args:
        config: the settings.
        output: file of the weights; the card is beside it.
        command: command that repeats the training, for the card.
        force: whether files that exist are replaced.
        workers: number of processes that draw samples.
        inputs: files that are read, and never replaced.
        on_chunk: function that is called with the name of a pool and a finished job of it.
        options: see `matgym.learning.trainer.Options`.
    """
    task, start = task_of(config.task), time.monotonic()
    with STORE.training(output, force=force, inputs=inputs, pieces=("pool-*/*",)) as work:
        options["checkpoints"] = work.folder / "checkpoints"

        pools = Pools(task, work.folder, config.seed, workers, on_chunk)
        learned, validation = pools.draw("training", config.samples), pools.draw("validation", config.validation)
        net = fit_network(task, learned, validation, config.fit, **options)
        recognizer = calibrated(net, task, learned, validation, config.accuracy)
        metrics = {
            "training": figures(recognizer, pools.draw("test", config.test)),
            "unseen": figures(recognizer, pools.draw("unseen", config.test)),
        }
        work.begin_output()
        return save_recognizer(
            recognizer,
            output,
            network=config.fit.network,
            settings=settings_of(config.fit.network, config.fit.settings),
            **config.facts(task, command, start, metrics),
        )


def folds(labels: Labels, count: int, seed: int) -> list[tuple[IntArray, IntArray]]:
    """Return training and test rows of each fold of a cross-validation; classes are drawn evenly in any case."""
    from sklearn.model_selection import KFold

    split = KFold(count, shuffle=True, random_state=seed).split(labels)
    return [(np.asarray(first), np.asarray(second)) for first, second in split]


def cross_validated(task: RecognitionTask, samples: Samples, config: RecognitionFit, count: int, fold: int) -> float:
    """Return the accuracy on one fold of a network that was trained on the others.

    A tenth of the training rows chooses the epoch, so that the fold itself chooses nothing.

    Args:
        task: the task.
        samples: all samples.
        config: settings of the fit.
        count: number of folds.
        fold: number of the fold, from 0.
    """
    rest, held_out = folds(samples.labels, count, config.seed)[fold]
    rest = np.random.default_rng(config.seed).permutation(rest)
    cut = max(1, len(rest) // 10)
    net = fit_network(task, samples.take(rest[cut:]), samples.take(rest[:cut]), config)
    test = samples.take(held_out)
    return top_accuracy(outputs(net, test.inputs)[0], test.labels)


def nearest_labels(learned: Samples, inputs: Any) -> Labels:
    """Return the labels of the nearest training inputs by the cosine: the baseline without learning."""
    known = torch.from_numpy(_unit(learned.inputs))
    found = [known.matmul(torch.from_numpy(_unit(inputs[start : start + 256])).T).argmax(dim=0).numpy()
             for start in range(0, len(inputs), 256)]  # fmt: skip
    return np.asarray(learned.labels[np.concatenate(found)])


def _unit(inputs: Any) -> Any:
    flat = np.asarray(inputs, dtype=np.float32).reshape(len(inputs), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
