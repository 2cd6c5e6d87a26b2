"""A training that goes on after a kill as if nothing had happened."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import DatasetError
from matgym.files import atomic_path


@dataclass
class TrainingState:
    """All that a training's further course depends on.

    Attributes:
        net: being trained.
        optimizer: of its weights.
        schedule: of the learning rate.
        rng: of order and augmentation.
        epoch: epochs done.
        best_error: smallest validation error so far.
        best_epoch: when that was.
        best: weights of then.
    """

    net: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    rng: np.random.Generator
    epoch: int = 0
    best_error: float = math.inf
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.best = _copy(self.net.state_dict())

    def finish_epoch(self, error: float) -> None:
        """Count an epoch, and keep its weights if they are the best so far."""
        self.epoch += 1
        if error < self.best_error:
            self.best_error, self.best_epoch, self.best = error, self.epoch, _copy(self.net.state_dict())

    def out_of_patience(self, patience: int | None) -> bool:
        """Whether the last so many epochs brought nothing."""
        return patience is not None and self.epoch - self.best_epoch >= patience


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a training's state; none at all if `path` is None.

    Attributes:
        path: of the file; written whole or not at all.
        identity: what the training is of: data, settings. A file of another training is refused.
    """

    path: Path | None
    identity: dict[str, Any]

    def write(self, state: TrainingState) -> None:
        """Store the state."""
        if self.path is None:
            return
        content = {
            "identity": self._identity,
            "net": state.net.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "schedule": state.schedule.state_dict(),
            "rng": json.dumps(state.rng.bit_generator.state),
            "torch_rng": torch.get_rng_state(),
            "epoch": state.epoch,
            "best_error": state.best_error,
            "best_epoch": state.best_epoch,
            "best": state.best,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as scratch:
            torch.save(content, scratch)

    def restore(self, state: TrainingState) -> None:
        """Go back to the stored state, if there is one.

        Raises:
            DatasetError: if the file is damaged or another training's.
        """
        if self.path is None or not self.path.exists():
            return
        try:
            content = torch.load(self.path, weights_only=True)  # tensors and plain values: no code is run
        except Exception as error:  # noqa: BLE001  # torch raises half a dozen kinds for a damaged file
            raise DatasetError(f"{self.path} is no checkpoint: {error}; remove it to begin anew") from None
        if not isinstance(content, dict) or content.get("identity") != self._identity:
            raise DatasetError(f"{self.path} belongs to another training (data or settings differ); remove it")
        state.net.load_state_dict(content["net"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.schedule.load_state_dict(content["schedule"])
        state.rng.bit_generator.state = json.loads(content["rng"])
        torch.set_rng_state(content["torch_rng"])
        state.epoch, state.best_error = content["epoch"], content["best_error"]
        state.best_epoch, state.best = content["best_epoch"], content["best"]

    @property
    def _identity(self) -> str:
        return json.dumps(self.identity, sort_keys=True, default=str)


def board(log: Path | None, epoch: int = 0) -> Callable[[str, float, int], None]:
    """Writes scalars for TensorBoard, or nothing."""
    if log is None:
        return lambda _name, _value, _step: None
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(log), purge_step=epoch + 1)  # what a killed run wrote beyond its checkpoint

    def write(name: str, value: float, step: int) -> None:
        writer.add_scalar(name, value, step)
        writer.flush()

    return write


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}
