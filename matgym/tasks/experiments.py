"""The task of an experimental campaign on measured data: find the experiment with the largest or smallest result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError, DatasetError
from matgym.processes.campaigns.columns import Decimal
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
        inputs: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        na: Sequence[str] | None = None,
        decimal: Decimal | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        model: Model | None = None,
        log: bool | None = None,
    ) -> "ExperimentTask":
        """Return the task for a table of experiments.

        The arguments from `target` to `encoding` are for a file; see `Experiments.read`.

        Args:
            data: a CSV file or workbook, the name of a campaign in the package `olymp`, a table, or an emulator of one.
            target: measured column; the last by default.
            direction: "maximize", the default, or "minimize".
            inputs: columns that were set; all others by default.
            ignore: columns that are not read.
            categorical: inputs whose cells are names.
            na: cells that stand for a missing value; rows with one are left out.
            decimal: decimal mark, "." or ",".
            delimiter: character between cells.
            encoding: encoding of the text.
            model: see `matgym.processes.campaigns.emulator.emulate`; "best" by default.
            log: see `matgym.processes.campaigns.emulator.emulate`; False by default.

        Raises:
            ConfigurationError: if an argument has no effect on such data.
            DatasetError: if there are no such data.
        """
        of_file: dict[str, Any] = {
            "target": target, "direction": direction, "inputs": inputs, "ignore": ignore, "categorical": categorical,
            "na": na, "decimal": decimal, "delimiter": delimiter, "encoding": encoding,
        }  # fmt: skip
        of_emulator = {"model": model, "log": log}
        if isinstance(data, Emulator):
            _check_absent("an emulator", of_file | of_emulator)
            return cls(data)
        if isinstance(data, Experiments):
            _check_absent("a table in memory", of_file)
        elif isinstance(data, Path) or Path(data).suffix or Path(data).is_file():
            data = Experiments.read(data, **of_file | {"direction": direction or "maximize"})
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
