"""The design task of a table of experiments: a search proposes experiments, and an emulator measures them."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.models import Level, Model, Predictions, Property
from matgym.processes.campaigns.emulator import Emulator
from matgym.processes.campaigns.experiments import Experiments
from matgym.tasks.base import DesignTask
from matgym.tasks.experiments import ExperimentTask
from matgym.tasks.objective import AnyModel, Objective
from matgym.tasks.space import Cube, Designs
from matgym.typing import FloatArray


@dataclass(frozen=True, eq=False)
class ExperimentSpace(Cube):
    """Experiments as numbers in [-1, 1]; see `Experiments.at`.

    Attributes:
        data: the table, whose ranges and choices these are.
    """

    data: Experiments | None = None

    @classmethod
    def of(cls, data: Experiments) -> "ExperimentSpace":
        """Return the space of the experiments of a table."""
        return cls(len(data.columns), data=data)

    @cached_property
    def _columns(self) -> Experiments:
        if self.data is None:
            raise ConfigurationError("a space of experiments needs a table: make it by ExperimentSpace.of")
        return self.data

    @property
    @override
    def choices(self) -> tuple[int, ...]:
        """The number of words of columns of words; 0, any number, for the others."""
        return tuple(len(column.choices) for column in self._columns.columns)

    @override
    def decode(self, designs: Designs) -> FloatArray:
        """Return the (B, d) inputs of the experiments."""
        return self._columns.at(np.asarray(designs, dtype=np.float64))

    @override
    def describe(self, design: Designs) -> str:
        """Return the inputs by name."""
        inputs = self.decode(np.asarray(design)[None])[0]
        named = zip(self._columns.columns, inputs, strict=True)
        return ", ".join(f"{c.name} {c.choices[int(x)] if c.choices else format(x, '.4g')}" for c, x in named)


@dataclass(frozen=True, eq=False)
class Measurements(Model[FloatArray]):
    """What an experiment gives: the mean of some replicates.

    Attributes:
        emulator: the emulator of the table.
        replicates: number of measurements of each experiment, whose mean is the value.
        rng: source of the noise; None for the expected values.
    """

    emulator: Emulator
    replicates: int = 1
    rng: np.random.Generator | None = None

    @cached_property
    @override
    def properties(self) -> tuple[Property, ...]:
        data = self.emulator.data
        return (Property("measured", "1", f"{data.target} of {data.name}, in the unit of the table"),)

    @property
    @override
    def level(self) -> Level:
        return Level.EMULATED

    @property
    @override
    def is_uncertain(self) -> bool:
        return self.rng is not None

    @override
    def predict(self, inputs: FloatArray, /) -> Predictions:
        """Return measured values of (B, d) inputs, with the standard deviation of their mean.

        That of an emulator of the logarithm is the first order in its noise.
        """
        if self.rng is None:
            return Predictions({"measured": self.emulator.predict(inputs)})
        drawn = [self.emulator.measure(inputs, self.rng.normal(size=len(inputs))) for _ in range(self.replicates)]
        values = np.mean([noisy for _, noisy in drawn], axis=0)
        spread = self.emulator.noise * (np.abs(values) if self.emulator.log else np.ones(len(inputs)))
        return Predictions({"measured": values}, sd={"measured": spread / np.sqrt(self.replicates)})


@dataclass(frozen=True, eq=False)
class CampaignTask(DesignTask):
    """A design task whose ledger counts every replicate as an experiment.

    Attributes:
        best: best mean of replicates in the table.
    """

    best: float = float("nan")

    @override
    def _charged(self, source: AnyModel, count: int) -> AbstractContextManager[None]:
        repeated = source.replicates if isinstance(source, Measurements) else 1
        return self.ledger.charge("experiment", repeated * count)


def campaign_task(
    data: Any, *, replicates: int = 1, rng: np.random.Generator | None = None, **settings: Any
) -> DesignTask:
    """Return the task of finding the best experiment of a table.

    The oracle is the emulator without noise. A search therefore sees noisy values, and its result is judged by the
    expected value of the experiment that it calls the best.

    Args:
        data: anything that `ExperimentTask.of` takes: a CSV file, the name of a campaign of the package `olymp`, a
            table or an emulator.
        replicates: number of measurements of each experiment, whose mean is its value.
        rng: source of the noise of the measurements; None for no noise.
        **settings: further arguments of `ExperimentTask.of`, such as `target` and `direction`.

    Raises:
        ConfigurationError: if `replicates` is below 1, or has no effect without noise.
        DatasetError: if the table cannot be used.
    """
    if replicates < 1:
        raise ConfigurationError(f"replicates={replicates} must be 1 or more")
    task = ExperimentTask.of(data, **settings)
    measured, expected = Measurements(task.emulator, replicates, rng), Measurements(task.emulator)
    low, high = _range(task)
    objective = Objective(measured.properties[0], measured, task.data.direction, low, high, oracle=expected)
    return CampaignTask(ExperimentSpace.of(task.data), (objective,), best=task.scale[1])


def _range(task: ExperimentTask) -> tuple[float, float]:
    """Return values with reward 0 and 1, or 1 and 0 of a minimum: the table's range and half of it beyond the best.

    Noise and the emulator go beyond the best measured mean, and a reward that is clipped there would hide it.
    """
    means = task.data.averaged[1]
    low, high = float(np.min(means)), float(np.max(means))
    beyond = 0.5 * (high - low)
    return (low, high + beyond) if task.data.direction == "maximize" else (low - beyond, high)
