"""Train a network that reads, calibrate its uncertainties, measure it beside the baseline, and store it with a card.

The loss is the negative log-likelihood of normal distributions with predicted means and variances (Nix and Weigend,
1994). The standard deviations are then multiplied by one factor for each quantity, for which the squared errors of
validation samples are as large as predicted (Laves et al., MIDL 2020).
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.characterization.reading.learned import LOGARITHMS, STORE, Reader, ReadingCard, save_reader
from matgym.characterization.reading.registry import reading_of
from matgym.characterization.reading.tasks import Characterizer, Quantity, ReadingTask, Scale
from matgym.characterization.recognition.fitting import RecognitionFit
from matgym.characterization.recognition.learned import outputs
from matgym.characterization.recognition.networks import make_network, settings_of
from matgym.characterization.recognition.tasks import Samples
from matgym.characterization.recognition.training import TrainingConfig, changed_inputs, feature_rows, fit_weights
from matgym.learning.metrics import DISTANCE_QUANTILE, distance_model
from matgym.learning.trainer import Options
from matgym.typing import FloatArray

LIKELY: Final = 1.6448536
"""Standard deviations of the 90 % interval of a normal distribution."""


@dataclass(frozen=True)
class ReadingConfig(TrainingConfig):
    """The settings of a training for a task of reading; see `TrainingConfig` for the others.

    Attributes:
        fit: settings of the fit.
    """

    fit: RecognitionFit = field(default_factory=RecognitionFit)

    def __post_init__(self) -> None:
        reading_of(self.task)
        super().__post_init__()


def fit_reader(
    task: ReadingTask, learned: Samples, validation: Samples, config: RecognitionFit, **options: Unpack[Options]
) -> Reader:
    """Return a network with the weights of the best epoch, and calibrated.

    One factor for each quantity brings its standard deviations to the errors of validation samples that are changed as
    in training; see `changed_inputs`. The best epoch is that of the smallest loss on them with these factors.
    It gives no answer if its features are farther from those of training than those of 99 % of the validation samples,
    or if a simulation of the answer resembles the measurement less than those of 99 %.
    """
    torch.manual_seed(config.seed)
    net = make_network(config.network, config.settings, task.pipeline.shape, 2 * len(task.quantities))
    size = net.last.in_features
    anywhere = {"centre": np.zeros(size), "whitening": np.zeros((size, size)), "threshold": np.ones(1)}
    reader = Reader(net, task.quantities, task.pipeline, np.ones(len(task.quantities)), anywhere)
    truth = Scale(task.quantities).scaled(validation.labels)

    seen, held_out = prepared(task, learned), prepared(task, validation)
    changed = changed_inputs(task, held_out.inputs)

    def measured() -> tuple[FloatArray, FloatArray, FloatArray]:
        means, deviations, _ = reader.of_inputs(changed)
        return truth - means, deviations, np.sqrt((((truth - means) / deviations) ** 2).mean(axis=0))

    def measure() -> dict[str, float]:
        errors, deviations, factors = measured()
        losses = np.log(factors * deviations) + 0.5 * (errors / (factors * deviations)) ** 2
        return {"error": float(losses.mean()), "rms": float(np.sqrt((errors**2).mean()))}

    fit_weights(
        net, seen, held_out, config, loss=_likelihood, measure=measure,
        augment=lambda inputs, labels, rng: (task.augmented(inputs, rng), labels), stage="reader", **options,
    )  # fmt: skip
    factors = measured()[2]
    features = (outputs(net, inputs)[1] for inputs in (seen.inputs[feature_rows(seen)], held_out.inputs))
    found = Reader(net.eval(), task.quantities, task.pipeline, factors, distance_model(*features))
    alike = task.resemblance(validation.inputs, found.read(validation.inputs).values)
    least = 0.0 if alike is None else max(float(np.quantile(alike, 1.0 - DISTANCE_QUANTILE)), 0.0)
    return replace(found, resemblance=least)


def prepared(task: ReadingTask, samples: Samples) -> Samples:
    """Return samples with the inputs of the network, in half precision, and the values on its scale."""
    inputs = task.pipeline.apply(samples.inputs).astype(np.float16)
    return Samples(inputs, Scale(task.quantities).scaled(samples.labels).astype(np.float32), samples.levels)


def _likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of (B, Q) targets by (B, 2Q) means and logarithms of deviations."""
    means, logarithms = outputs.chunk(2, dim=1)
    logarithms = logarithms.clamp(*LOGARITHMS)
    return (logarithms + 0.5 * ((targets - means) * torch.exp(-logarithms)) ** 2).mean()


def reading_figures(characterizer: Characterizer, samples: Samples) -> dict[str, float]:
    """Return the figures of each quantity: R², errors, and how well the uncertainties fit the errors.

    `NAME_rms` is the root mean square error, relative for logarithmic quantities (of the logarithm); `NAME_r2` is R² on
    the same scale; `NAME_covered` is the share of true values within 1.645 standard uncertainties, which should be 0.9;
    `NAME_spread` the root mean square of error over standard uncertainty, which should be 1.
    """
    readings, found = characterizer.read(samples.inputs.astype(np.float64)), dict[str, float]()
    for column, quantity in enumerate(characterizer.quantities):
        value, sd = readings.values[:, column], readings.uncertainties[:, column]
        found |= _of_quantity(quantity, value, np.maximum(sd, 1e-12), samples.labels[:, column])
    return found | {"samples": float(len(samples))}


def _of_quantity(quantity: Quantity, value: FloatArray, sd: FloatArray, truth: FloatArray) -> dict[str, float]:
    if quantity.logarithmic:
        sd = sd / np.maximum(value, quantity.low)
        value, truth = (np.log(np.clip(each, quantity.low, quantity.high)) for each in (value, truth))
    error = value - truth
    return {
        f"{quantity.name}_rms": float(np.sqrt((error**2).mean())),
        f"{quantity.name}_bias": float(error.mean()),
        f"{quantity.name}_r2": float(1.0 - (error**2).mean() / max(float(truth.var()), 1e-12)),
        f"{quantity.name}_covered": float((np.abs(error) <= LIKELY * sd).mean()),
        f"{quantity.name}_spread": float(np.sqrt(((error / sd) ** 2).mean())),
    }


def train_reader(
    config: ReadingConfig,
    output: Path,
    *,
    command: str = "",
    force: bool = False,
    inputs: Iterable[Path] = (),
    **options: Unpack[Options],
) -> ReadingCard:
    """Draw samples, train a network, calibrate and measure it, and store it at `output` with a card.

    An interrupted call draws the same samples again and continues after the last epoch.

    Args:
        config: the settings.
        output: file of the weights; the card is beside it.
        command: command that repeats the training, for the card.
        force: whether files that exist are replaced.
        inputs: files that are read, and never replaced.
        options: see `matgym.learning.trainer.Options`.
    """
    task, start = reading_of(config.task), time.monotonic()
    with STORE.training(output, force=force, inputs=inputs) as work:
        options["checkpoints"] = work.folder / "checkpoints"
        generators = np.random.default_rng(config.seed).spawn(4)
        learned, validation = (
            task.draw(count, rng)
            for count, rng in zip((config.samples, config.validation), generators[:2], strict=True)
        )
        reader = fit_reader(task, learned, validation, config.fit, **options)
        metrics: dict[str, Mapping[str, float]] = {}
        test, unseen = task.draw(config.test, generators[2]), task.draw(config.test, generators[3], "unseen")
        for name, samples in (("training", test), ("unseen", unseen)):
            metrics[name] = reading_figures(reader, samples)
            metrics[f"{name}, baseline"] = reading_figures(task.baseline(), samples)
        work.begin_output()
        return save_reader(
            reader,
            output,
            network=config.fit.network,
            settings=settings_of(config.fit.network, config.fit.settings),
            **config.facts(task, command, start, metrics),
        )
