"""The task of a campaign on measured data: find the experiment that gives the most, or the least."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError
from matgym.processes.campaigns.emulator import Emulator, Model, emulate
from matgym.processes.campaigns.experiments import Direction, Experiments, measured
from matgym.tasks.ledger import Ledger
from matgym.typing import FloatArray


@dataclass(frozen=True, eq=False)
class ExperimentTask:
    """Experiments, made by an emulator of a table."""

    emulator: Emulator
    ledger: Ledger = field(default_factory=Ledger)

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
        """Make a task from a table.

        Args:
            data: a CSV file, the name of a campaign that the package `olymp` carries, a table, or an emulator of one.
            target: column of a CSV file that was measured; the last by default.
            direction: of a CSV file: "maximize", the default, or "minimize".
            model: "best" by default; see `matgym.processes.campaigns.emulator.emulate`.
            log: False by default; likewise.

        Raises:
            ConfigurationError: if an argument would be without effect on such data.
            DatasetError: if there are no such data.
        """
        of_file, of_emulator = {"target": target, "direction": direction}, {"model": model, "log": log}
        if isinstance(data, Emulator):
            _check_absent("an emulator", of_file | of_emulator)
            return cls(data)
        if isinstance(data, Experiments):
            _check_absent("a table that was read already", of_file)
        elif isinstance(data, Path) or Path(data).suffix or Path(data).is_file():
            data = Experiments.read(data, target=target, direction=direction or "maximize")
        else:
            _check_absent("a published campaign", of_file)
            data = measured(data)
        return cls(emulate(data, model or "best", log=bool(log)))

    @property
    def data(self) -> Experiments:
        """The table."""
        return self.emulator.data

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Measurements that score 0 and 1: the table's median, and its best mean of replicates."""
        means = self.data.averaged[1]
        return float(np.median(means)), float((self.data.sign * means).max() * self.data.sign)

    def score(self, measurements: FloatArray) -> FloatArray:
        """(B,) what measurements are worth: 0 like the table's median, 1 like its best."""
        zero, one = self.scale
        return np.asarray((measurements - zero) / (one - zero))

    def carry_out(self, actions: FloatArray, deviates: Any = None) -> tuple[FloatArray, FloatArray]:
        """(B,) expected and (B,) measured values of experiments, counted; see `Experiments.at` for the (B, d) actions.

        Noise is made of (B,) standard normal deviates; without them there is none.
        """
        inputs = self.data.at(actions)
        with self.ledger.charge("experiment", len(inputs)):
            expected = self.emulator.predict(inputs)
            return expected, expected if deviates is None else self.emulator.predict(inputs, deviates)


def _check_absent(data: str, arguments: dict[str, Any]) -> None:
    """Raise an error if an argument was given that would be without effect on such data."""
    for name, value in arguments.items():
        if value is not None:
            raise ConfigurationError(f"{name}={value!r} would be without effect on {data}: leave it out")
