"""Fit networks over time: mean squared error of standardised outcomes at every step, AdamW, early stopping."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from matgym.errors import ConfigurationError
from matgym.learning.checkpoint import Checkpoint, TrainingState, board
from matgym.processes.sequences.learned import SequenceScaling, SequenceSurrogate, error_by_step
from matgym.processes.sequences.networks import SequenceNetwork, make_sequence_network
from matgym.processes.sequences.runs import Runs
from matgym.typing import FloatArray


@dataclass(frozen=True)
class SequenceSettings:
    """How to fit.

    Attributes:
        network: "causal-cnn" or "lstm".
        width: of it.
        depth: of it.
        members: networks of the ensemble.
        epochs: passes over the training runs.
        patience: epochs without a better validation error after which it is given up; None goes on to the end.
        batch_size: runs a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW.
        seed: member i has `seed + i`.
    """

    network: str = "causal-cnn"
    width: int = 48
    depth: int = 5
    members: int = 1
    epochs: int = 30
    patience: int | None = None
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("members", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")
        make_sequence_network(self.network, 1, 1, self.width, self.depth)


def fit_sequences(
    train: Runs,
    validation: Runs,
    settings: SequenceSettings,
    *,
    checkpoints: Path | None = None,
    log: Path | None = None,
    on_epoch: Callable[[int, int, float, float], None] = lambda _member, _epoch, _loss, _error: None,
) -> SequenceSurrogate:
    """Fit networks; of each, the epoch that validates best is kept.

    Args:
        train: to learn from.
        validation: to stop by.
        settings: how.
        checkpoints: folder from which an interrupted fit goes on.
        log: folder for TensorBoard.
        on_epoch: called with member, epoch, loss and validation error (in standard deviations).
    """
    names = (train.control_names, train.start_names, train.outcome_names)
    scaling = SequenceScaling.of(train)
    fresh = SequenceSurrogate((), settings.network, settings.width, settings.depth, *names, scaling)
    identity = {"settings": asdict(settings), "runs": len(train), "sum": float(train.outcomes.sum())}
    networks: list[SequenceNetwork] = []
    for member in range(settings.members):
        torch.manual_seed(settings.seed + member)
        inputs = len(train.control_names) + len(train.start_names)
        net = make_sequence_network(settings.network, inputs, len(names[2]), settings.width, settings.depth)
        checkpoint = Checkpoint(checkpoints / f"member-{member}.pt" if checkpoints else None, identity)
        surrogate = replace(fresh, networks=(net,))
        folder = log and log / f"member-{member}"
        _train(surrogate, train, validation, settings, checkpoint, folder, member, on_epoch)
        networks.append(net)
    return replace(fresh, networks=tuple(networks))


def _train(
    surrogate: SequenceSurrogate,
    train: Runs,
    validation: Runs,
    settings: SequenceSettings,
    checkpoint: Checkpoint,
    log: Path | None,
    member: int,
    on_epoch: Callable[[int, int, float, float], None],
) -> None:
    net, scaling = surrogate.networks[0], surrogate.scaling
    inputs = surrogate.tensors(train.controls, train.start)
    wanted = torch.from_numpy(((train.outcomes - train.begun[:, None]) / scaling.outcome_scale).astype(np.float32))
    ratio, drift = (
        torch.from_numpy((values / scaling.outcome_scale).astype(np.float32))
        for values in (scaling.step_scale, scaling.step_mean)
    )
    steps = -(-len(train) // settings.batch_size)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    state = TrainingState(net, optimizer, schedule, np.random.default_rng(settings.seed + member))
    checkpoint.restore(state)
    write = board(log, state.epoch)
    while state.epoch < settings.epochs and not state.out_of_patience(settings.patience):
        net.train()
        losses = []
        for rows in np.array_split(state.rng.permutation(len(train)), steps):
            changes = net(inputs[rows])[0]
            loss: Any = ((torch.cumsum(changes * ratio + drift, dim=1) - wanted[rows]) ** 2).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        net.eval()
        error = float(np.sqrt(((error_by_step(surrogate, validation) / scaling.outcome_scale) ** 2).mean()))
        state.finish_epoch(error)
        checkpoint.write(state)
        write("loss/train", float(np.mean(losses)), state.epoch)
        write("error/validation", error, state.epoch)
        on_epoch(member, state.epoch, float(np.mean(losses)), error)
    net.load_state_dict(state.best)
    net.eval()


def figures(surrogate: SequenceSurrogate, runs: Runs) -> list[dict[str, Any]]:
    """R², MAE and RMSE of every outcome at the last step: a row an outcome."""
    found: FloatArray = surrogate.predict(runs.controls, runs.start, runs.begun)[:, -1]
    wanted, rows = runs.outcomes[:, -1], []
    for column, name in enumerate(runs.outcome_names):
        residual = found[:, column] - wanted[:, column]
        rows.append(
            {
                "outcome": name,
                "n": len(runs),
                "r2": 1.0 - float((residual**2).mean() / wanted[:, column].var()),
                "mae": float(np.abs(residual).mean()),
                "rmse": float(np.sqrt((residual**2).mean())),
            }
        )
    return rows
