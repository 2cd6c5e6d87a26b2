"""From a process to stored weights with a card: what `matgym furnace train` does."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from matgym.errors import ConfigurationError
from matgym.learning.trainer import Options
from matgym.processes.annealing.runs import annealing_runs
from matgym.processes.growth.runs import growth_runs
from matgym.processes.sequences.fitting import SequenceConfig, figures, fit_sequences
from matgym.processes.sequences.runs import Runs
from matgym.processes.sequences.store import STORE, SequenceCard, save_sequences

CONFIGS: Final = Path(__file__).parent / "configs"

PROCESSES: Final[dict[str, Callable[[int, np.random.Generator], Runs]]] = {
    "growth": growth_runs,
    "annealing": annealing_runs,
}
"""Name to what makes runs of it."""


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
    """Simulate runs, fit, measure on the test runs, and store.

    Args:
        config: what of.
        output: path of the weights; see `Store.checkpoints`.
        command: that reproduces it, for the card.
        options: see `fit_sequences`.
    """
    with STORE.checkpoints(output) as options["checkpoints"]:
        learned, validation, test = config.simulated()
        surrogate = fit_sequences(learned, validation, config.fit, **options)
        measured, how = figures(surrogate, test), asdict(config.fit)
        return save_sequences(surrogate, output, data=config.data(), fit=how, command=command, metrics=measured)
