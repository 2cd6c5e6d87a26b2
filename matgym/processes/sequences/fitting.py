"""Fit networks over time to simulated runs of a process and store them with a card, as `matgym furnace train` does.

The loss is the mean squared error of standardised outcomes at every step, minimised by AdamW with early stopping.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.errors import ConfigurationError
from matgym.learning.config import check_counts
from matgym.learning.devices import device_of
from matgym.learning.metrics import PropertyMetrics, property_metrics
from matgym.learning.trainer import Options, Training, digest, one_cycle, train
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
"""The functions that simulate runs, by name of the process."""


@dataclass(frozen=True)
class SequenceConfig:
    """The settings of the fit of an ensemble of networks.

    Attributes:
        network: the architecture, "causal-cnn" or "lstm".
        width: the width of every network; see `matgym.processes.sequences.networks`.
        depth: the depth of every network.
        members: the number of networks.
        epochs: the number of passes over the runs.
        patience: the number of epochs without a lower validation error after which the fit stops; None never stops it.
        batch_size: the number of runs in a step.
        learning_rate: the highest learning rate of the one-cycle schedule.
        weight_decay: the weight decay of AdamW.
        seed: the random seed; member i has `seed + i`.
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
    """Fit an ensemble and return it, each network with the weights of the epoch with the lowest validation error."""
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
    """Return the training of the surrogate's only network, in batches of inputs and standardised outcomes."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    rng = np.random.default_rng(config.seed + member)
    inputs = surrogate.tensors(learned.controls, learned.start)
    targets, ratio, drift = (
        torch.from_numpy((values / scaling.outcome_scale).astype(np.float32))
        for values in (learned.outcomes - learned.begun[:, None], scaling.step_scale, scaling.step_mean)
    )
    steps = -(-len(learned) // config.batch_size)  # per epoch

    def batches(_progress: float) -> Iterator[tuple[Tensor, Tensor]]:
        device = device_of(net)
        for rows in np.array_split(rng.permutation(len(learned)), steps):
            yield inputs[rows].to(device), targets[rows].to(device)

    def losses(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        features, outcomes = batch
        changes = net(features)[0]
        predicted = torch.cumsum(changes * ratio.to(features.device) + drift.to(features.device), dim=1)
        return {"train": ((predicted - outcomes) ** 2).mean()}

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
    """Return the error metrics of every outcome at the last step."""
    predicted = surrogate.predict(runs.controls, runs.start, runs.begun)[:, -1]
    return tuple(
        property_metrics(name, predicted[:, column], runs.outcomes[:, -1, column])
        for column, name in enumerate(runs.outcome_names)
    )


@dataclass(frozen=True)
class ProcessConfig:
    """The settings of a surrogate over time.

    Attributes:
        process: the name of the process, a key of `PROCESSES`.
        runs: the number of training runs.
        validation: the number of runs for early stopping.
        test: the number of test runs.
        seed: the random seed of the runs.
        fit: the settings of the fit.
    """

    process: str
    runs: int
    validation: int
    test: int
    seed: int
    fit: SequenceConfig

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise ConfigurationError(f"process={self.process!r} is none of {', '.join(PROCESSES)}")
        for name in ("runs", "validation", "test"):
            if getattr(self, name) < 2:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 2 or more")

    def simulated(self) -> tuple[Runs, Runs, Runs]:
        """Return training, validation and test runs, each simulated with a random generator of its own."""
        make = PROCESSES[self.process]
        counts = (self.runs, self.validation, self.test)
        generators = np.random.default_rng(self.seed).spawn(len(counts))
        first, second, third = (make(count, rng) for count, rng in zip(counts, generators, strict=True))
        return first, second, third

    def data(self) -> dict[str, Any]:
        """Return the settings that the runs depend on, for the card."""
        return {name: value for name, value in asdict(self).items() if name != "fit"}


def train_process(
    config: ProcessConfig,
    output: Path,
    *,
    command: str = "",
    force: bool = False,
    inputs: Iterable[Path] = (),
    **options: Unpack[Options],
) -> SequenceCard:
    """Simulate runs, fit a surrogate, measure it on the test runs, and store it at `output`.

    The card holds the command, so that the training can be repeated. Files that exist are replaced only with `force`,
    and `inputs` never; see `Store.training`.
    """
    with STORE.training(output, force=force, inputs=inputs) as work:
        options["checkpoints"] = work.folder / "checkpoints"
        learned, validation, test = config.simulated()
        surrogate = fit_sequences(learned, validation, config.fit, **options)
        metrics, settings = figures(surrogate, test), asdict(config.fit)
        work.begin_output()
        return save_sequences(surrogate, output, data=config.data(), fit=settings, command=command, metrics=metrics)
