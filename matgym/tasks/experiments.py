"""The task of an experimental campaign on measured data: find the experiment with the largest or smallest result."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError, DatasetError
from matgym.processes.campaigns.emulator import Emulator, Model, emulate
from matgym.processes.campaigns.experiments import (
    SMALLEST_RANGE,
    SMALLEST_SPREAD,
    Direction,
    Experiments,
    measured,
)
from matgym.tasks.ledger import Ledger
from matgym.typing import FloatArray


@dataclass(frozen=True, eq=False)
class ExperimentTask:
    """A campaign of experiments whose results an emulator of a table predicts.

    Attributes:
        emulator: the emulator that predicts results.
        ledger: the ledger that counts experiments.
    """

    emulator: Emulator
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        zero, one = self.scale
        if abs(one - zero) <= max(SMALLEST_RANGE * abs(one), SMALLEST_SPREAD):
            raise DatasetError(
                f"{self.data.name}: {self.data.target!r} is {one:g} in half of all experiments and at its best, so "
                "that scores have no scale: name another target or direction"
            )

    @classmethod
    def of(
        cls,
        data: "Experiments | Emulator | Path | str",
        *,
        target: str | None = None,
        direction: Direction | None = None,
        model: Model | None = None,
        log: bool | None = None,
    ) -> "ExperimentTask":
        """Return the task for a table of experiments.

        Args:
            data: a CSV file, the name of a campaign in the package `olymp`, a table, or an emulator of one.
            target: measured column of a CSV file; the last by default.
            direction: direction for a CSV file: "maximize", the default, or "minimize".
            model: see `matgym.processes.campaigns.emulator.emulate`; "best" by default.
            log: see `matgym.processes.campaigns.emulator.emulate`; False by default.

        Raises:
            ConfigurationError: if an argument has no effect on such data.
            DatasetError: if there are no such data.
        """
        of_file, of_emulator = {"target": target, "direction": direction}, {"model": model, "log": log}
        if isinstance(data, Emulator):
            _check_absent("an emulator", of_file | of_emulator)
            return cls(data)
        if isinstance(data, Experiments):
            _check_absent("a table in memory", of_file)
        elif isinstance(data, Path) or Path(data).suffix or Path(data).is_file():
            data = Experiments.read(data, target=target, direction=direction or "maximize")
        else:
            _check_absent("a published campaign", of_file)
            data = measured(data)
        return cls(emulate(data, model or "best", log=bool(log)))

    @property
    def data(self) -> Experiments:
        """The table of experiments."""
        return self.emulator.data

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Measurements with scores 0 and 1: the median of the table, and its best mean of replicates."""
        means = self.data.averaged[1]
        return float(np.median(means)), float((self.data.sign * means).max() * self.data.sign)

    def score(self, measurements: FloatArray) -> FloatArray:
        """Return (B,) scores of measurements: 0 for the median of the table, 1 for its best mean of replicates."""
        zero, one = self.scale
        return np.asarray((measurements - zero) / (one - zero))

    def carry_out(self, actions: FloatArray, deviates: Any = None) -> tuple[FloatArray, FloatArray]:
        """Return (B,) expected and (B,) measured values of experiments, and count them.

        Args:
            actions: (B, d) actions; see `Experiments.at`.
            deviates: (B,) standard normal deviates for the noise; None for no noise.
        """
        inputs = self.data.at(actions)
        with self.ledger.charge("experiment", len(inputs)):
            return self.emulator.measure(inputs, 0.0 if deviates is None else deviates)


def _check_absent(data: str, arguments: dict[str, Any]) -> None:
    """Raise an error if an argument is given that has no effect on such data."""
    for name, value in arguments.items():
        if value is not None:
            raise ConfigurationError(f"{name}={value!r} has no effect on {data}: leave it out")
