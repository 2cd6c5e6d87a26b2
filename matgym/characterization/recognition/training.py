"""What the trainings of all tasks of recognition share: pools of samples, settings, and the fit of weights."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matgym.characterization.recognition.registry import draw_pool
from matgym.characterization.recognition.tasks import DrawnTask, Samples, Situation
from matgym.execution import Job
from matgym.learning.config import check_counts, check_not_negative, check_positive
from matgym.learning.devices import device_of, fast_in_half_precision
from matgym.learning.trainer import Options, Training, digest, one_cycle, train
from matgym.typing import IntArray

FEATURE_ROWS: Final = 5000
"""Training samples by which distances are measured; a choice of ours."""

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Inputs and labels."""

OnChunk: TypeAlias = Callable[[str, Job, bool], None]
"""Function that is called with the name of a pool, a finished job of it, and whether it was finished before."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """The settings of a fit that do not depend on the network.

    Attributes:
        epochs: passes over the samples.
        batch_size: samples in a step.
        learning_rate: highest learning rate of the one-cycle schedule.
        weight_decay: weight decay of AdamW.
        augmented: whether inputs are changed at random in what does not change the answer, or changes it as well.
        mixed: whether layers compute in bfloat16 during training, with weights and sums of single precision, where that
            is faster: processors with AVX-512 BF16 train networks of convolutions in half of the time.
        seed: random seed.
    """

    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    augmented: bool = True
    mixed: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "batch_size")
        check_positive(self, "learning_rate")
        check_not_negative(self, "weight_decay")


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of a training that do not depend on what its task asks.

    Attributes:
        task: name of the task.
        samples: number of training samples.
        validation: number of samples by which the best epoch and the calibration are chosen.
        test: number of samples of each test, under the conditions of training and under unseen ones.
        seed: random seed of the samples.
    """

    task: str
    samples: int = 20_000
    validation: int = 2_000
    test: int = 2_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(self, "samples", "validation", "test")

    def facts(self, task: DrawnTask, command: str, began: float, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a card holds of a training.

        Args:
            task: the task.
            command: command that repeats the training.
            began: `time.monotonic` at its beginning.
            metrics: metrics by the conditions of the test.
        """
        own = asdict(self)
        fit = own.pop("fit")
        return {
            "task": task.name,
            "data": task.facts() | own,
            "fit": fit,
            "command": command,
            "seconds": time.monotonic() - began,
            "metrics": metrics,
        }


def feature_rows(samples: Samples) -> IntArray:
    """Return up to `FEATURE_ROWS` rows of training samples, evenly spread, by which distances are measured."""
    return np.linspace(0, len(samples) - 1, min(FEATURE_ROWS, len(samples))).astype(np.int64)


def changed_inputs(task: DrawnTask, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return inputs that are changed as in training, always in the same way, for calibrations.

    Real instruments differ from simulated ones: on inputs as they were drawn, a network is too sure of itself under
    other conditions.
    """
    return task.augmented(torch.from_numpy(inputs.astype(np.float32)), np.random.default_rng(0)).numpy()


@dataclass(frozen=True)
class Pools:
    """The pools of samples of one training, stored in chunks.

    Attributes:
        task: the task.
        folder: folder of the pools.
        seed: random seed of the configuration; each pool has its own.
        workers: number of processes that draw samples.
        on_chunk: see `OnChunk`.
    """

    task: DrawnTask
    folder: Path
    seed: int
    workers: int
    on_chunk: OnChunk

    def draw(self, name: str, count: int) -> Samples:
        """Return the samples of a pool: "training", "validation", "test", or "unseen", the test under other conditions.

        Chunks that are in the folder already are read.
        """

        def on_done(job: Job, before: bool) -> None:
            self.on_chunk(name, job, before)

        # Seeds of pools that no other pool has: 4 for each seed of the configuration.
        seed = 4 * self.seed + ("training", "validation", "test", "unseen").index(name)
        situation: Situation = "unseen" if name == "unseen" else "training"
        folder = self.folder / f"pool-{name}"
        return draw_pool(self.task, count, seed, folder, situation=situation, workers=self.workers, on_done=on_done)


def fit_weights(
    net: nn.Module,
    learned: Samples,
    validation: Samples,
    settings: FitSettings,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    measure: Callable[[], Mapping[str, float]],
    augment: Callable[[Tensor, Tensor, np.random.Generator], Batch],
    stage: str = "network",
    **options: Unpack[Options],
) -> None:
    """Train a network, and load the weights of the epoch of the smallest error on validation samples into it.

    Args:
        net: network with fresh weights.
        learned: samples of training.
        validation: samples on which `measure` depends.
        settings: the settings.
        loss: function of the outputs of the network and the labels.
        measure: function that returns metrics of the network on the validation samples, with "error".
        augment: function that changes inputs and labels at random.
        stage: name of the stage.
        options: see `matgym.learning.trainer.Options`.
    """
    rng = np.random.default_rng(settings.seed)
    steps = -(-len(learned) // settings.batch_size)

    def batches(_progress: float) -> Iterator[Batch]:
        device = device_of(net)
        for rows in np.array_split(rng.permutation(len(learned)), steps):
            inputs = torch.from_numpy(learned.inputs[rows].astype(np.float32))
            labels = torch.from_numpy(learned.labels[rows])
            if settings.augmented:
                inputs, labels = augment(inputs, labels, rng)
            if inputs.dim() == 4:  # images: convolutions take two thirds of the time with the channels last
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            yield inputs.to(device), labels.to(device)

    def losses(batch: Batch) -> dict[str, Tensor]:
        half = settings.mixed and fast_in_half_precision(batch[0].device)
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=half):
            answers = net(batch[0])
        return {"train": loss(answers.float(), batch[1])}

    arrays: list[Any] = [part for samples in (learned, validation) for part in (samples.inputs, samples.labels)]
    identity = {"config": asdict(settings), "samples": digest(*arrays)}
    update = one_cycle(
        net, losses, rate=settings.learning_rate, steps=settings.epochs * steps, weight_decay=settings.weight_decay
    )
    train(Training(stage, net, [update], batches, lambda _epoch: measure(), rng, settings.epochs), identity, **options)
