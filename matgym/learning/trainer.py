"""The training loop: batches, one or more optimizers, validation, the best weights, and a checkpoint per epoch.

The parts that depend on the network are functions: they return the batches, the losses of a batch, and the results of a
validation. `one_cycle` creates the update that most trainings use.
"""

import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar, Unpack

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matgym.errors import DatasetError
from matgym.files import set_aside, write_bytes
from matgym.learning.devices import torch_device
from matgym.typing import IntArray

Batch = TypeVar("Batch")

CHECKPOINT: Final = ".checkpoint"
"""Suffix of checkpoints."""

CHECKPOINTS: Final = f"*{CHECKPOINT}"
"""Pattern of the names of checkpoints in their folder."""


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch of a training.

    Attributes:
        stage: name of the stage of the training.
        member: number of the network in an ensemble, from 0.
        number: number of the epoch, from 1.
        losses: mean of each loss over the steps, by name.
        validation: metrics of the validation, by name.
        error: the metric that is minimised.
    """

    stage: str
    member: int
    number: int
    losses: Mapping[str, float]
    validation: Mapping[str, float]
    error: float

    @property
    def note(self) -> str:
        """The metrics of the validation in one line of text."""
        return ", ".join(f"{name} {value:.4g}" for name, value in self.validation.items())


OnEpoch: TypeAlias = Callable[[Epoch], None]


class Options(TypedDict, total=False):
    """Options of every training besides its settings; all are optional keyword arguments.

    Attributes:
        checkpoints: folder of checkpoints, which are written after every epoch. An interrupted training continues from
            them, with identical results to the bit.
        log: folder for TensorBoard.
        device: device of the training; "auto" by default. See `matgym.learning.devices`.
        on_epoch: function that is called after every epoch, when its checkpoint is written.
    """

    checkpoints: Path | None
    log: Path | None
    device: str
    on_epoch: OnEpoch


class Callback:
    """Base class of actions during a training besides the updates.

    A callback with a state must store it in the weights and buffers of the network, because the checkpoint contains
    them.
    """

    def start_epoch(self, progress: float) -> None:
        """Act before the first step of an epoch; the network is in training mode.

        Args:
            progress: fraction of the epochs that are done.
        """

    def end_step(self) -> None:
        """Act after all updates of a batch."""


@dataclass(frozen=True)
class Update(Generic[Batch]):
    """The update of weights by one optimizer on a batch.

    Attributes:
        losses: function that returns the terms of the loss of a batch, by name.
        optimizer: optimizer of the weights.
        schedule: schedule of the learning rate.
        every: whether the schedule advances after every step or every epoch.
        weights: weights of the terms by name; 1 for terms without one.
        largest_gradient: norm to which gradients are clipped; None does not clip them.
        repeats: number of steps per batch.
    """

    losses: Callable[[Batch], Mapping[str, Tensor]]
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    every: Literal["step", "epoch"] = "step"
    weights: Mapping[str, float] = field(default_factory=dict)
    largest_gradient: float | None = None
    repeats: int = 1

    def step(self, batch: Batch) -> dict[str, float]:
        """Take the steps on a batch, and return the terms of the last one, without their weights."""
        losses: Mapping[str, Tensor] = {}
        for _ in range(self.repeats):
            losses = self.losses(batch)
            terms = [self.weights[name] * term if name in self.weights else term for name, term in losses.items()]
            self.optimizer.zero_grad(set_to_none=True)
            reduce(add, terms).backward()  # type: ignore[no-untyped-call]
            if self.largest_gradient is not None:
                parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
                nn.utils.clip_grad_norm_(parameters, self.largest_gradient)
            self.optimizer.step()
            if self.every == "step":
                self.schedule.step()
        return {name: float(term.detach()) for name, term in losses.items()}


def one_cycle(
    net: nn.Module,
    losses: Callable[[Batch], Mapping[str, Tensor]],
    *,
    rate: float,
    steps: int,
    weight_decay: float = 1e-2,
    largest_gradient: float | None = 1.0,
) -> Update[Batch]:
    """Return an update by AdamW with the one-cycle schedule (Smith and Topin, arXiv:1708.07120).

    Args:
        net: network whose weights are updated.
        losses: function that returns the terms of the loss of a batch, by name.
        rate: largest learning rate of the schedule.
        steps: number of steps of the whole training.
        weight_decay: weight decay of AdamW; the default is that of PyTorch.
        largest_gradient: norm to which gradients are clipped; None does not clip them.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    return Update(losses, optimizer, schedule, largest_gradient=largest_gradient)


class NormStatistics(Callback):
    """A callback that sets the momentum of batch normalisation, and freezes its statistics in the last epochs.

    Args:
        net: network whose batch normalisations are changed.
        momentum: momentum of the moving averages of the statistics.
        freeze: fraction of the epochs after which training uses the stored statistics, as prediction does.
    """

    def __init__(self, net: nn.Module, momentum: float, freeze: float) -> None:
        self.norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        self.freeze = freeze
        for norm in self.norms:
            norm.momentum = momentum

    def start_epoch(self, progress: float) -> None:
        """Freeze the statistics if the fraction of epochs `progress` has reached `freeze`."""
        for norm in self.norms:
            norm.train(progress < self.freeze)


class WeightAverage(Callback):
    """A callback for a moving average of the weights of a network (Yazıcı et al., ICLR 2019).

    Args:
        average: network with the averaged weights; it must be part of the trained network, which the checkpoint
            contains.
        net: network whose weights are averaged.
        decay: decay of the average per step.
    """

    def __init__(self, average: nn.Module, net: nn.Module, decay: float) -> None:
        self.average, self.net, self.decay = average, net, decay
        average.load_state_dict(net.state_dict())
        average.requires_grad_(requires_grad=False)

    def end_step(self) -> None:
        """Update the average with the present weights."""
        with torch.no_grad():
            for averaged, fresh in zip(self.average.parameters(), self.net.parameters(), strict=True):
                averaged.lerp_(fresh, 1.0 - self.decay)


@dataclass(frozen=True)
class Training(Generic[Batch]):
    """A training: the network, its data, and its settings.

    Attributes:
        stage: name of the stage of the training.
        net: network with all weights that are trained.
        updates: updates that are applied to each batch, in this order.
        batches: function that returns the batches of the next epoch for a fraction of epochs that are done.
        validate: function that returns metrics for a number of epochs that are done; the network is in evaluation mode,
            without gradients.
        rng: random number generator of the order of batches, of augmentation and of noise.
        epochs: largest number of epochs.
        patience: number of epochs without a smaller error after which the training ends; None trains for all epochs.
        monitor: name of the validation metric that is minimised.
        callbacks: actions during the training: see `Callback`.
        member: number of the network in an ensemble, from 0.
    """

    stage: str
    net: nn.Module
    updates: Sequence[Update[Batch]]
    batches: Callable[[float], Iterable[Batch]]
    validate: Callable[[int], Mapping[str, float]]
    rng: np.random.Generator
    epochs: int
    patience: int | None = None
    monitor: str = "error"
    callbacks: Sequence[Callback] = ()
    member: int = 0


@dataclass
class Progress:
    """The state of a training, which is also its result.

    Attributes:
        epochs: number of epochs that are done.
        best_epoch: number of the epoch with the smallest error, from 1, whose weights are kept; 0 if no epoch had a
            finite error, in which case the first weights are kept.
        best_error: smallest error.
        validation: metrics of the best epoch, by name.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_error: float = math.inf
    validation: dict[str, float] = field(default_factory=dict)


def train(training: Training[Batch], identity: Mapping[str, object], **options: Unpack[Options]) -> Progress:
    """Train a network, and load the weights of the epoch with the smallest validation error into it.

    At the end the network is on the CPU and in evaluation mode. An interrupted training with checkpoints continues from
    the last epoch, with identical results to the bit on the same kind of device. The checkpoint contains a digest of
    the weights at the start of the training, which may come from a seed or from another network.

    Args:
        training: network, data and settings.
        identity: data and settings on which the results depend; a checkpoint with another identity raises an error.
        options: see `Options`.

    Returns:
        The number of epochs, and the metrics of the best one.

    Raises:
        DatasetError: if the checkpoint belongs to another training. A damaged one is set aside with a warning, and
            the training starts again.
        ConfigurationError: if this machine has no such device.
        OutputError: if a checkpoint cannot be written, for example on a full disk.
    """
    net, name, place = training.net, f"{training.stage}-{training.member}", torch_device(options.get("device", "auto"))
    folder, log = options.get("checkpoints"), options.get("log")
    file = folder and folder / f"{name}{CHECKPOINT}"
    start = digest(*(value.cpu().numpy() for value in net.state_dict().values()))
    whose = json.dumps({**identity, "start weights": start}, sort_keys=True, default=str)
    net.to(place)
    parts: dict[str, Any] = {"net": net}  # objects with a `state_dict`
    for number, update in enumerate(training.updates):
        parts |= {f"optimizer {number}": update.optimizer, f"schedule {number}": update.schedule}
    progress, best = Progress(), deepcopy(net.state_dict())
    if stored := _stored(file, whose, place):
        for key, part in parts.items():
            part.load_state_dict(stored[key])
        progress, best = Progress(**stored["progress"]), stored["best"]
        training.rng.bit_generator.state = json.loads(stored["rng"])
        _set_torch_rng(stored["torch_rng"])
    listeners = [_board(log / name, progress.epochs)] if log else []
    listeners += [options["on_epoch"]] if "on_epoch" in options else []
    while progress.epochs < training.epochs and (
        training.patience is None or progress.epochs - progress.best_epoch < training.patience
    ):
        losses = _epoch(training, progress.epochs / training.epochs)
        net.eval()
        with torch.no_grad():
            validation = dict(training.validate(progress.epochs))
        progress.epochs += 1
        if (error := validation[training.monitor]) < progress.best_error:
            progress = Progress(progress.epochs, progress.epochs, error, validation)
            best = deepcopy(net.state_dict())
        if file:
            state = {key: part.state_dict() for key, part in parts.items()}
            state |= {"identity": whose, "best": best, "progress": vars(progress), "torch_rng": _torch_rng()}
            content = io.BytesIO()  # a full disk is an OSError here, and an error of C++ in `torch.save`
            torch.save({**state, "rng": json.dumps(training.rng.bit_generator.state)}, content)
            write_bytes(file, content.getvalue())
        epoch = Epoch(training.stage, training.member, progress.epochs, losses, validation, error)
        for listener in listeners:
            listener(epoch)
    net.load_state_dict(best)
    net.to("cpu").eval()
    return progress


def _epoch(training: Training[Batch], progress: float) -> dict[str, float]:
    """Train for one epoch, and return the mean of each loss over its steps."""
    training.net.train()
    for callback in training.callbacks:
        callback.start_epoch(progress)
    steps = []
    for batch in training.batches(progress):
        steps.append({name: value for update in training.updates for name, value in update.step(batch).items()})
        for callback in training.callbacks:
            callback.end_step()
    for update in training.updates:
        if update.every == "epoch":
            update.schedule.step()
    return {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}


def _board(folder: Path, done: int) -> OnEpoch:
    """Return a function that writes `loss/NAME` and `validation/NAME` of an epoch for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=done + 1)  # removes epochs after the checkpoint

    def write(epoch: Epoch) -> None:
        for group, values in (("loss", epoch.losses), ("validation", epoch.validation)):
            for name, value in values.items():
                writer.add_scalar(f"{group}/{name}", value, epoch.number)
        writer.flush()

    return write


def _torch_rng() -> list[Tensor]:
    """Return the state of the random number generators of the CPU and, if it is in use (by dropout), of CUDA."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if _cuda_in_use() else [])]


def _set_torch_rng(states: Sequence[Tensor]) -> None:
    torch.set_rng_state(states[0].cpu())
    if len(states) > 1 and _cuda_in_use():
        torch.cuda.set_rng_state(states[1].cpu())


def _cuda_in_use() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def grouped_rows(sizes: Sequence[int], batch_size: int, rng: np.random.Generator) -> Iterator[tuple[int, IntArray]]:
    """Yield shuffled batches, (group, rows), each with rows of one group, in random order.

    Args:
        sizes: number of rows of each group.
        batch_size: largest number of rows in a batch.
        rng: random number generator of the order.
    """
    cuts = [
        (group, rows)
        for group, size in enumerate(sizes)
        for rows in np.array_split(rng.permutation(size), math.ceil(size / batch_size))
    ]
    for index in rng.permutation(len(cuts)):
        yield cuts[index]


def _stored(path: Path | None, identity: str, device: torch.device) -> dict[str, Any] | None:
    """Return the stored state of a training, with tensors on `device`, or None if there is no undamaged file.

    Raises:
        DatasetError: if the file belongs to another training.
    """
    if path is None or not path.exists():
        return None
    try:
        # `weights_only` loads tensors and plain values, and runs no code from the file.
        content = torch.load(path, weights_only=True, map_location=device)
    except Exception as error:  # noqa: BLE001  # torch raises half a dozen kinds for a damaged file
        set_aside(path, f"it is not a checkpoint: {str(error).partition('. ')[0]}")
        return None
    if not isinstance(content, dict) or content.get("identity") != identity:
        raise DatasetError(
            f"{path} belongs to another training (data, settings or start weights differ); remove it to start again"
        )
    return content


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Return a digest of arrays: their shapes, types and values."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(f"{array.shape} {array.dtype}".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()[:24]
