"""The training loop: batches, one or more optimizers, validation, the best weights, and a checkpoint an epoch.

What is particular to a network is given as functions: how batches are made, which losses a batch has, and what a
validation finds. `one_cycle` makes the update that most trainings have.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypedDict, TypeVar, Unpack

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matgym.errors import DatasetError
from matgym.files import atomic_path
from matgym.learning.devices import torch_device
from matgym.typing import IntArray

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Epoch:
    """What one epoch of a training came to.

    Attributes:
        number: of the epoch, from 1.
        losses: means over the steps, by name.
        validation: figures, by name.
        error: the figure that is to be small.
    """

    stage: str
    member: int
    number: int
    losses: Mapping[str, float]
    validation: Mapping[str, float]
    error: float

    @property
    def note(self) -> str:
        """The validation in a line."""
        return ", ".join(f"{name} {value:.4g}" for name, value in self.validation.items())


OnEpoch: TypeAlias = Callable[[Epoch], None]


class Options(TypedDict, total=False):
    """What every training may be told besides its config: keyword arguments, all optional.

    Attributes:
        checkpoints: folder from which a killed training goes on, to the same bits; written after every epoch.
        log: folder for TensorBoard.
        device: that trains; "auto" by default. See `matgym.learning.devices`.
        on_epoch: called after every epoch, when its checkpoint is written.
    """

    checkpoints: Path | None
    log: Path | None
    device: str
    on_epoch: OnEpoch


class Callback:
    """What happens besides the updates.

    A callback keeps its state in the network's weights and buffers, if anywhere: these are in the checkpoint.
    """

    def start_epoch(self, progress: float) -> None:
        """Begin an epoch, after this share of the epochs; the network is in training mode."""

    def end_step(self) -> None:
        """Finish a batch, after all its updates."""


@dataclass(frozen=True)
class Update(Generic[Batch]):
    """What one optimizer does with a batch.

    Attributes:
        losses: terms of the loss, by name.
        optimizer: of the weights that the loss is minimised over.
        schedule: of its learning rate.
        every: when the schedule goes on.
        weights: of the terms; 1 for those not named.
        largest_gradient: norm to which gradients are cut; None leaves them.
        repeats: steps a batch.
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
        found: Mapping[str, Tensor] = {}
        for _ in range(self.repeats):
            found = self.losses(batch)
            terms = [self.weights[name] * term if name in self.weights else term for name, term in found.items()]
            self.optimizer.zero_grad(set_to_none=True)
            reduce(add, terms).backward()  # type: ignore[no-untyped-call]
            if self.largest_gradient is not None:
                parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
                nn.utils.clip_grad_norm_(parameters, self.largest_gradient)
            self.optimizer.step()
            if self.every == "step":
                self.schedule.step()
        return {name: float(term.detach()) for name, term in found.items()}


def one_cycle(
    net: nn.Module,
    losses: Callable[[Batch], Mapping[str, Tensor]],
    *,
    rate: float,
    steps: int,
    weight_decay: float = 1e-2,
    largest_gradient: float | None = 1.0,
) -> Update[Batch]:
    """Return AdamW with the one-cycle schedule (Smith and Topin, arXiv:1708.07120); its peak is `rate`.

    `steps` are those of the whole training; the default `weight_decay` is torch's.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    return Update(losses, optimizer, schedule, largest_gradient=largest_gradient)


class NormStatistics(Callback):
    """Statistics of batch normalisation are averaged with a momentum, and kept as they are in the last part.

    `freeze` is the share of the epochs after which they are kept, in training as in use.
    """

    def __init__(self, net: nn.Module, momentum: float, freeze: float) -> None:
        self.norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        self.freeze = freeze
        for norm in self.norms:
            norm.momentum = momentum

    def start_epoch(self, progress: float) -> None:
        """Freeze from the given share on."""
        for norm in self.norms:
            norm.train(progress < self.freeze)


class WeightAverage(Callback):
    """A moving average of a network's weights (Yazıcı et al., ICLR 2019), with a decay a step.

    The network that holds it is a part of what is trained, so that it is in the checkpoint.
    """

    def __init__(self, average: nn.Module, net: nn.Module, decay: float) -> None:
        self.average, self.net, self.decay = average, net, decay
        average.load_state_dict(net.state_dict())
        average.requires_grad_(requires_grad=False)

    def end_step(self) -> None:
        """Move the average towards the weights."""
        with torch.no_grad():
            for kept, fresh in zip(self.average.parameters(), self.net.parameters(), strict=True):
                kept.lerp_(fresh, 1.0 - self.decay)


@dataclass(frozen=True)
class Training(Generic[Batch]):
    """What is trained, and how.

    Attributes:
        net: all that is trained.
        updates: taken in turn on each batch.
        batches: from the share of epochs that is done to the batches of the next epoch.
        validate: from the number of epochs done to figures; the network is in evaluation mode, without gradients.
        rng: of order, augmentation and noise.
        patience: epochs without a smaller error after which it is given up; None goes on to the end.
        monitor: name of the validation figure that is to be small.
        callbacks: see `Callback`.
        member: network of an ensemble, from 0.
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
    """How far a training is, or how it ended: epochs that were run, and the figures of the best.

    The weights of the best, which count from 1, are kept; it is 0 if none was better than the first weights.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_error: float = math.inf
    validation: dict[str, float] = field(default_factory=dict)


def train(training: Training[Batch], identity: Mapping[str, object], **options: Unpack[Options]) -> Progress:
    """Train, and leave in the network the weights of the epoch that validated best, on the CPU, in evaluation mode.

    A training with checkpoints goes on where it was killed, to the same bits (on the same kind of device). The
    checkpoint knows the weights that the training began with, whether drawn from a seed or taken from another network.

    `identity` is what its course depends on: data and settings.

    Raises:
        DatasetError: if the checkpoint is damaged or another training's.
        ConfigurationError: if this machine has no such device.
    """
    net, name, place = training.net, f"{training.stage}-{training.member}", torch_device(options.get("device", "auto"))
    folder, log = options.get("checkpoints"), options.get("log")
    file = folder and folder / f"{name}.pt"
    start = digest(*(value.cpu().numpy() for value in net.state_dict().values()))
    whose = json.dumps({**identity, "start weights": start}, sort_keys=True, default=str)
    net.to(place)
    parts: dict[str, Any] = {"net": net}  # what has a `state_dict`
    for number, update in enumerate(training.updates):
        parts |= {f"optimizer {number}": update.optimizer, f"schedule {number}": update.schedule}
    progress, best = Progress(), deepcopy(net.state_dict())
    if stored := _stored(file, whose, place):
        for key, part in parts.items():
            part.load_state_dict(stored[key])
        progress, best = Progress(**stored["progress"]), stored["best"]
        training.rng.bit_generator.state = json.loads(stored["rng"])
        _set_torch_rng(stored["torch_rng"])
    told = [_board(log / name, progress.epochs)] if log else []
    told += [options["on_epoch"]] if "on_epoch" in options else []
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
            with atomic_path(file) as scratch:
                torch.save({**state, "rng": json.dumps(training.rng.bit_generator.state)}, scratch)
        epoch = Epoch(training.stage, training.member, progress.epochs, losses, validation, error)
        for tell in told:
            tell(epoch)
    net.load_state_dict(best)
    net.to("cpu").eval()
    return progress


def _epoch(training: Training[Batch], progress: float) -> dict[str, float]:
    """Take an epoch's steps, and return the mean of each loss."""
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
    """Write `loss/NAME` and `validation/NAME` for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=done + 1)  # what a killed run wrote beyond its checkpoint

    def write(epoch: Epoch) -> None:
        for group, values in (("loss", epoch.losses), ("validation", epoch.validation)):
            for name, value in values.items():
                writer.add_scalar(f"{group}/{name}", value, epoch.number)
        writer.flush()

    return write


def _torch_rng() -> list[Tensor]:
    """Of the CPU, and of CUDA (dropout there) if it is in use."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if _cuda_in_use() else [])]


def _set_torch_rng(states: Sequence[Tensor]) -> None:
    torch.set_rng_state(states[0].cpu())
    if len(states) > 1 and _cuda_in_use():
        torch.cuda.set_rng_state(states[1].cpu())


def _cuda_in_use() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def grouped_rows(sizes: Sequence[int], batch_size: int, rng: np.random.Generator) -> Iterator[tuple[int, IntArray]]:
    """Cut the rows of groups into shuffled batches, each of one group, in random order: (group, rows)."""
    cuts = [
        (group, rows)
        for group, size in enumerate(sizes)
        for rows in np.array_split(rng.permutation(size), math.ceil(size / batch_size))
    ]
    for index in rng.permutation(len(cuts)):
        yield cuts[index]


def _stored(path: Path | None, identity: str, device: torch.device) -> dict[str, Any] | None:
    """A training's state, its tensors on `device`; None if there is no file.

    Raises:
        DatasetError: if the file is damaged or another training's.
    """
    if path is None or not path.exists():
        return None
    try:
        # Tensors and plain values: no code is run.
        content = torch.load(path, weights_only=True, map_location=device)
    except Exception as error:  # noqa: BLE001  # torch raises half a dozen kinds for a damaged file
        raise DatasetError(f"{path} is no checkpoint: {error}; remove it to begin anew") from None
    if not isinstance(content, dict) or content.get("identity") != identity:
        raise DatasetError(f"{path} belongs to another training (data, settings or start weights differ); remove it")
    return content


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Return a digest of arrays: their shapes, types and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:24]
