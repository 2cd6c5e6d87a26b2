"""Fit networks over time, and from a process to stored weights with a card: what `matgym furnace train` does.

The loss is the mean squared error of standardised outcomes at every step; AdamW, early stopping.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.errors import ConfigurationError
from matgym.learning.checkpoint import digest
from matgym.learning.config import check_counts
from matgym.learning.devices import device_of
from matgym.learning.metrics import PropertyMetrics, property_metrics
from matgym.learning.trainer import Options, Training, one_cycle, train
from matgym.processes.annealing.runs import annealing_runs
from matgym.processes.growth.runs import growth_runs
from matgym.processes.sequences.learned import (
    STORE,
    SequenceCard,
    SequenceScaling,
    SequenceSurrogate,
    error_by_step,
    save_sequences,
)
from matgym.processes.sequences.networks import SequenceNetwork, make_sequence_network
from matgym.processes.sequences.runs import Runs

CONFIGS: Final = Path(__file__).parent / "configs"

PROCESSES: Final[dict[str, Callable[[int, np.random.Generator], Runs]]] = {
    "growth": growth_runs,
    "annealing": annealing_runs,
}
"""Name to what makes runs of it."""


@dataclass(frozen=True)
class SequenceConfig:
    """How to fit an ensemble of networks of one width and depth.

    Attributes:
        network: "causal-cnn" or "lstm".
        patience: epochs without a better validation error after which it is given up; None goes on to the end.
        learning_rate: peak of the one-cycle schedule.
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
        check_counts(self, "members", "epochs", "batch_size", "patience")
        make_sequence_network(self.network, 1, 1, self.width, self.depth)


def fit_sequences(
    learned: Runs, validation: Runs, config: SequenceConfig, **options: Unpack[Options]
) -> SequenceSurrogate:
    """Fit networks; of each, the epoch that validates best is kept."""
    names = (learned.control_names, learned.start_names, learned.outcome_names)
    scaling = SequenceScaling.of(learned)
    fresh = SequenceSurrogate((), config.network, config.width, config.depth, *names, scaling)
    arrays = [values for runs in (learned, validation) for values in (runs.controls, runs.start, runs.outcomes)]
    identity = {"config": asdict(config), "runs": digest(*arrays)}
    networks: list[SequenceNetwork] = []
    for member in range(config.members):
        torch.manual_seed(config.seed + member)
        inputs = len(learned.control_names) + len(learned.start_names)
        net = make_sequence_network(config.network, inputs, len(names[2]), config.width, config.depth)
        train(_training(replace(fresh, networks=(net,)), learned, validation, config, member), identity, **options)
        networks.append(net)
    return replace(fresh, networks=tuple(networks))


def _training(
    surrogate: SequenceSurrogate, learned: Runs, validation: Runs, config: SequenceConfig, member: int
) -> Training[tuple[Tensor, Tensor]]:
    """The training of the surrogate's one network, in batches of inputs and standardised outcomes."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    rng = np.random.default_rng(config.seed + member)
    inputs = surrogate.tensors(learned.controls, learned.start)
    targets, ratio, drift = (
        torch.from_numpy((values / scaling.outcome_scale).astype(np.float32))
        for values in (learned.outcomes - learned.begun[:, None], scaling.step_scale, scaling.step_mean)
    )
    steps = -(-len(learned) // config.batch_size)  # an epoch

    def batches(_progress: float) -> Iterator[tuple[Tensor, Tensor]]:
        device = device_of(net)
        for rows in np.array_split(rng.permutation(len(learned)), steps):
            yield inputs[rows].to(device), targets[rows].to(device)

    def losses(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        shown, outcomes = batch
        changes = net(shown)[0]
        found = torch.cumsum(changes * ratio.to(shown.device) + drift.to(shown.device), dim=1)
        return {"train": ((found - outcomes) ** 2).mean()}

    def validate(_epoch: int) -> dict[str, float]:
        standard = error_by_step(surrogate, validation) / scaling.outcome_scale
        return {"error": float(np.sqrt((standard**2).mean()))}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=config.weight_decay
    )
    return Training(
        "member", net, [update], batches, validate, rng, config.epochs, config.patience, member=member
    )  # fmt: skip


def figures(surrogate: SequenceSurrogate, runs: Runs) -> tuple[PropertyMetrics, ...]:
    """Figures of every outcome at the last step."""
    found = surrogate.predict(runs.controls, runs.start, runs.begun)[:, -1]
    return tuple(
        property_metrics(name, found[:, column], runs.outcomes[:, -1, column])
        for column, name in enumerate(runs.outcome_names)
    )


@dataclass(frozen=True)
class ProcessConfig:
    """What a surrogate over time is made of: a process, its runs (to learn from, to stop by, to test on), its fit."""

    process: str
    runs: int
    validation: int
    test: int
    seed: int
    fit: SequenceConfig

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise ConfigurationError(f"process={self.process!r} is unknown; there are {', '.join(PROCESSES)}")
        for name in ("runs", "validation", "test"):
            if getattr(self, name) < 2:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 2 or more")

    def simulated(self) -> tuple[Runs, Runs, Runs]:
        """Training, validation and test runs, each from a generator of its own."""
        make = PROCESSES[self.process]
        counts = (self.runs, self.validation, self.test)
        generators = np.random.default_rng(self.seed).spawn(len(counts))
        first, second, third = (make(count, rng) for count, rng in zip(counts, generators, strict=True))
        return first, second, third

    def data(self) -> dict[str, Any]:
        """What the runs depend on, for the card."""
        return {name: value for name, value in asdict(self).items() if name != "fit"}


def train_process(
    config: ProcessConfig, output: Path, *, command: str = "", **options: Unpack[Options]
) -> SequenceCard:
    """Simulate runs, fit, measure on the test runs, and store; the card tells the command that reproduces it."""
    with STORE.checkpoints(output) as options["checkpoints"]:
        learned, validation, test = config.simulated()
        surrogate = fit_sequences(learned, validation, config.fit, **options)
        measured, how = figures(surrogate, test), asdict(config.fit)
        return save_sequences(surrogate, output, data=config.data(), fit=how, command=command, metrics=measured)
