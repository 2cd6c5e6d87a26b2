"""What annealing does to a batch of films: simulated, or as a recurrent network has it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from matgym.errors import ConfigurationError
from matgym.processes.annealing.micrographs import MicrographSurrogate, drives_of
from matgym.processes.annealing.microstructure import PARTICLE, Labels, boundaries, mean_radius
from matgym.processes.annealing.runs import OUTCOMES, scaled_celsius
from matgym.processes.annealing.schedule import STEP_S
from matgym.processes.sequences import SequenceSurrogate
from matgym.tasks.annealing import AnnealingTask
from matgym.typing import Float32Array, FloatArray, IntArray
from matgym.units import CELSIUS_K


class Films(ABC):
    """A batch of films in furnaces.

    Attributes:
        task: whose films they are.
        measures: (B, 3) as in `Film.measures`.
        temperature_k: (B,).
        energy_kwh: (B,) drawn so far.
    """

    task: AnnealingTask
    measures: FloatArray
    temperature_k: FloatArray
    energy_kwh: FloatArray

    @abstractmethod
    def load(self, rows: IntArray, labels: Labels, generators: Sequence[np.random.Generator]) -> None:
        """Put fresh films into some of the furnaces."""

    @abstractmethod
    def hold(self, setpoint_k: FloatArray) -> None:
        """One step."""

    @abstractmethod
    def pictures(self, rows: IntArray | slice) -> Float32Array:
        """(rows, H, W) micrographs, 0 within grains to 1 at particles."""


class SimulatedFilms(Films):
    """Films by `matgym.processes.annealing.film`."""

    def __init__(self, task: AnnealingTask, batch: int) -> None:
        self.task = task
        self.state = task.film.fresh(
            np.ones((batch, task.size, task.size), dtype=np.uint16), np.full(batch, task.start_c + CELSIUS_K)
        )
        self.measures = np.ones((batch, 3))
        self._generators = [np.random.default_rng(0)] * batch

    @property
    def temperature_k(self) -> FloatArray:  # type: ignore[override]
        """Of the state."""
        return self.state.temperature_k

    @property
    def energy_kwh(self) -> FloatArray:  # type: ignore[override]
        """Of the state."""
        return self.state.energy_kwh

    def load(self, rows: IntArray, labels: Labels, generators: Sequence[np.random.Generator]) -> None:
        """Put fresh films into some of the furnaces."""
        fresh = self.task.film.fresh(labels, np.full(len(rows), self.task.start_c + CELSIUS_K))
        for name, values in fresh._asdict().items():
            getattr(self.state, name)[rows] = values
        self.measures[rows] = self.task.film.measures(fresh)
        for row, rng in zip(rows, generators, strict=True):
            self._generators[row] = rng

    def hold(self, setpoint_k: FloatArray) -> None:
        """One step, counted."""
        with self.task.ledger.charge("simulation", len(setpoint_k)):
            self.state = self.task.film.hold(self.state, setpoint_k, STEP_S, self._generators)
        self.measures = self.task.film.measures(self.state)

    def pictures(self, rows: IntArray | slice) -> Float32Array:
        """(rows, H, W) of the grains."""
        return np.asarray(boundaries(self.state.labels[rows]))


class LearnedFilms(Films):
    """Films by their statistics, as a recurrent network has them: no grains are seen, and none are simulated."""

    def __init__(self, task: AnnealingTask, batch: int, surrogate: SequenceSurrogate) -> None:
        if surrogate.outcome_names != OUTCOMES:
            raise ConfigurationError(f"annealing needs a surrogate of {', '.join(OUTCOMES)}")
        self.task, self.surrogate = task, surrogate
        self.measures = np.ones((batch, len(OUTCOMES)))
        self.temperature_k = np.full(batch, task.start_c + CELSIUS_K)
        self.energy_kwh = np.zeros(batch)
        self._memory = surrogate.begin(np.ones((batch, 2)), self.measures)

    def load(self, rows: IntArray, labels: Labels, generators: Sequence[np.random.Generator]) -> None:
        """Put fresh films into some of the furnaces."""
        del generators  # what a network predicts is not drawn
        begun = self.task.film.measures(self.task.film.fresh(labels, np.ones(len(rows))))
        self.surrogate.forget(self._memory, rows, begun[:, [0, 2]], begun)
        self.measures[rows] = begun
        self.temperature_k[rows], self.energy_kwh[rows] = self.task.start_c + CELSIUS_K, 0.0

    def hold(self, setpoint_k: FloatArray) -> None:
        """One step, counted."""
        course = self.task.film.course(self.temperature_k, setpoint_k, STEP_S)
        with self.task.ledger.charge("surrogate", len(setpoint_k)):
            told = scaled_celsius(setpoint_k - CELSIUS_K)[:, None]
            found = self.surrogate.step(self._memory, told)
        self.measures = np.maximum(found, [1.0, 0.0, 0.0])
        self.temperature_k, self.energy_kwh = course.temperature_k, self.energy_kwh + course.energy_kwh

    def pictures(self, rows: IntArray | slice) -> Float32Array:
        """There are none."""
        del rows
        raise ConfigurationError('a network of statistics draws no micrograph: use observation="statistics"')


class PicturedFilms(Films):
    """Films by their micrographs, as a network moves what they show; defects heal as in the film."""

    def __init__(self, task: AnnealingTask, batch: int, surrogate: MicrographSurrogate) -> None:
        self.task, self.surrogate = task, surrogate
        self.measures = np.ones((batch, 3))
        self.temperature_k = np.full(batch, task.start_c + CELSIUS_K)
        self.energy_kwh = np.zeros(batch)
        self._labels = np.ones((batch, task.size, task.size), dtype=np.uint16)
        self._frames = boundaries(self._labels)
        self._defects = np.ones((batch, task.film.energies))
        self._generators = [np.random.default_rng(0)] * batch

    def load(self, rows: IntArray, labels: Labels, generators: Sequence[np.random.Generator]) -> None:
        """Put fresh films into some of the furnaces; how they were deposited is known."""
        self._labels[rows], self._frames[rows], self._defects[rows] = labels, boundaries(labels), 1.0
        self.measures[rows] = self.task.film.measures(self.task.film.fresh(labels, np.ones(len(rows))))
        self.temperature_k[rows], self.energy_kwh[rows] = self.task.start_c + CELSIUS_K, 0.0
        for row, rng in zip(rows, generators, strict=True):
            self._generators[row] = rng

    def hold(self, setpoint_k: FloatArray) -> None:
        """One step, counted."""
        film = self.task.film
        course = film.course(self.temperature_k, setpoint_k, STEP_S)
        with self.task.ledger.charge("surrogate", len(setpoint_k)):
            self._frames, self._labels = self.surrogate.step(
                self._frames, drives_of(course), self._labels, self._generators
            )
        self._defects = self._defects * course.healed
        particles = (self._labels == PARTICLE).mean(axis=(1, 2))
        self.measures = np.column_stack([mean_radius(self._labels), self._defects @ film.barriers[1], particles])
        self.temperature_k, self.energy_kwh = course.temperature_k, self.energy_kwh + course.energy_kwh

    def pictures(self, rows: IntArray | slice) -> Float32Array:
        """(rows, H, W) as predicted."""
        return self._frames[rows]
