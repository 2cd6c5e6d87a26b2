"""The training loop: shuffled batches, one or more optimizers, validation, the best weights, and a checkpoint an epoch.

What is particular to a network is given as functions: how batches are made, which losses a batch has, and what a
validation finds. `one_cycle` makes the update that most trainings have.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError
from matgym.learning.checkpoint import Checkpoint, weights_digest
from matgym.learning.devices import torch_device

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        stage: name of the training.
        member: network of an ensemble, from 0.
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
"""Called after every epoch, when its checkpoint is written."""


def ignore(_epoch: Epoch) -> None:
    """Do nothing after an epoch."""


class Callback:
    """What happens besides the updates.

    A callback keeps its state in the network's weights and buffers, if anywhere: these are in the checkpoint.
    """

    def start_epoch(self, progress: float) -> None:
        """Before the first step of an epoch, when this share of the epochs is done; the network is in training mode."""

    def end_step(self) -> None:
        """After all updates of a batch."""

    def end_epoch(self, epoch: Epoch) -> None:
        """After validation and checkpoint."""


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
    """AdamW under the one-cycle schedule (Smith and Topin, arXiv:1708.07120).

    Args:
        net: whose weights are updated.
        losses: see `Update`.
        rate: peak of the learning rate.
        steps: of the whole training.
        weight_decay: of AdamW; its default is torch's.
        largest_gradient: see `Update`.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    return Update(losses, optimizer, schedule, largest_gradient=largest_gradient)


class NormStatistics(Callback):
    """Statistics of batch normalisation are averaged over an epoch, and kept as they are in the last part.

    Args:
        net: the network.
        momentum: of the running statistics.
        freeze: share of the epochs after which statistics are kept, in training as in use.
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
    """A moving average of weights (Yazıcı et al., ICLR 2019).

    Args:
        average: the network that holds it; a part of what is trained, so that it is in the checkpoint.
        net: whose weights are averaged.
        decay: of the average a step.
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


class Board(Callback):
    """Scalars for TensorBoard: `loss/NAME` and `validation/NAME`.

    Args:
        folder: to write to.
        epoch: epochs that are done: what a killed run wrote beyond its checkpoint is dropped.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=epoch + 1)

    def end_epoch(self, epoch: Epoch) -> None:
        """Write the epoch's figures."""
        for group, values in (("loss", epoch.losses), ("validation", epoch.validation)):
            for name, value in values.items():
                self.writer.add_scalar(f"{group}/{name}", value, epoch.number)
        self.writer.flush()


@dataclass(frozen=True)
class Training(Generic[Batch]):
    """What is trained, and how.

    Attributes:
        stage: its name.
        net: all that is trained.
        updates: taken in turn on each batch.
        batches: from the share of epochs that is done to the batches of the next epoch.
        validate: from the number of epochs done to figures; the network is in evaluation mode, without gradients.
        rng: of order, augmentation and noise.
        epochs: passes over the batches.
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


@dataclass(frozen=True)
class Trained:
    """How a training ended.

    Attributes:
        epochs: that were run.
        best_epoch: whose weights are kept, from 1; 0 if none was better than the first weights.
        validation: figures of that epoch.
    """

    epochs: int
    best_epoch: int
    validation: Mapping[str, float]


def check_counts(settings: object, *names: str) -> None:
    """Check that settings of these names are 1 or more, where they are given.

    Raises:
        ConfigurationError: if one is not.
    """
    for name in names:
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ConfigurationError(f"{name}={value} must be 1 or more")


def check_positive(settings: object, *names: str) -> None:
    """Check that settings of these names are positive and finite.

    Raises:
        ConfigurationError: if one is not.
    """
    for name in names:
        if not 0.0 < getattr(settings, name) < math.inf:
            raise ConfigurationError(f"{name}={getattr(settings, name)} must be positive")


def train(
    training: Training[Batch],
    identity: Mapping[str, Any],
    *,
    checkpoint: Path | None = None,
    log: Path | None = None,
    device: str = "auto",
    on_epoch: OnEpoch = ignore,
) -> Trained:
    """Train, and leave in the network the weights of the epoch that validated best, on the CPU, in evaluation mode.

    A training with a checkpoint goes on where it was killed, to the same bits (on the same kind of device). The
    checkpoint knows the weights that the training began with, whether drawn from a seed or taken from another network.

    Args:
        training: what, and how.
        identity: what its course depends on: data and settings.
        checkpoint: file that is written after every epoch.
        log: folder for TensorBoard.
        device: see `matgym.learning.devices`.
        on_epoch: called after every epoch.

    Raises:
        DatasetError: if the checkpoint is damaged or another training's.
        ConfigurationError: if this machine has no such device.
    """
    net, place = training.net, torch_device(device)
    kept = Checkpoint(checkpoint, {**identity, "start weights": weights_digest(net)})
    net.to(place)
    state = _State(training, best=_copy(net.state_dict()))
    if (stored := kept.read(place)) is not None:
        state.restore(stored)
    callbacks = [*training.callbacks, *([Board(log, state.epoch)] if log else [])]
    while not state.finished:
        net.train()
        for callback in callbacks:
            callback.start_epoch(state.epoch / training.epochs)
        steps = []
        for batch in training.batches(state.epoch / training.epochs):
            steps.append({name: value for update in training.updates for name, value in update.step(batch).items()})
            for callback in callbacks:
                callback.end_step()
        for update in training.updates:
            if update.every == "epoch":
                update.schedule.step()
        net.eval()
        with torch.no_grad():
            validation = training.validate(state.epoch)
        state.finish_epoch(validation)
        kept.write(state.content)
        losses = {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}
        epoch = Epoch(
            training.stage, training.member, state.epoch, losses, validation, validation[training.monitor]
        )  # fmt: skip
        for callback in callbacks:
            callback.end_epoch(epoch)
        on_epoch(epoch)
    net.load_state_dict(state.best)
    net.to("cpu").eval()
    return Trained(state.epoch, state.best_epoch, state.best_validation)


@dataclass
class _State:
    """All that a training's further course depends on."""

    training: Training[Any]
    best: dict[str, Tensor]
    epoch: int = 0
    best_error: float = math.inf
    best_epoch: int = 0
    best_validation: dict[str, float] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last so many brought nothing."""
        patience = self.training.patience
        return self.epoch >= self.training.epochs or (patience is not None and self.epoch - self.best_epoch >= patience)

    def finish_epoch(self, validation: Mapping[str, float]) -> None:
        """Count an epoch, and keep its weights if they are the best so far."""
        self.epoch += 1
        if (error := validation[self.training.monitor]) < self.best_error:
            self.best_error, self.best_epoch, self.best_validation = error, self.epoch, dict(validation)
            self.best = _copy(self.training.net.state_dict())

    @property
    def content(self) -> dict[str, Any]:
        """Tensors and plain values, for the checkpoint."""
        return {
            "net": self.training.net.state_dict(),
            "optimizers": [update.optimizer.state_dict() for update in self.training.updates],
            "schedules": [update.schedule.state_dict() for update in self.training.updates],
            "rng": json.dumps(self.training.rng.bit_generator.state),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,  # of dropout there
            "epoch": self.epoch,
            "best": self.best,
            "best_error": self.best_error,
            "best_epoch": self.best_epoch,
            "best_validation": self.best_validation,
        }

    def restore(self, content: Mapping[str, Any]) -> None:
        """Go back to a stored state."""
        self.training.net.load_state_dict(content["net"])
        for number, update in enumerate(self.training.updates):
            update.optimizer.load_state_dict(content["optimizers"][number])
            update.schedule.load_state_dict(content["schedules"][number])
        self.training.rng.bit_generator.state = json.loads(content["rng"])
        torch.set_rng_state(content["torch_rng"].cpu())
        if content["cuda_rng"] is not None and torch.cuda.is_initialized():
            torch.cuda.set_rng_state(content["cuda_rng"].cpu())
        self.epoch, self.best = content["epoch"], content["best"]
        self.best_error, self.best_epoch = content["best_error"], content["best_epoch"]
        self.best_validation = content["best_validation"]


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}
