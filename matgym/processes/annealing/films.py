"""Batches of films in annealing furnaces: simulated, or their statistics predicted by a network."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from matgym.errors import ConfigurationError
from matgym.processes.annealing.film import OUTCOMES, STEP_S, Course, Film, FilmState, scaled_celsius
from matgym.processes.annealing.microstructure import Labels, boundaries
from matgym.typing import Float32Array, FloatArray, IntArray
from matgym.units import CELSIUS_K

if TYPE_CHECKING:
    from matgym.processes.sequences.learned import SequenceSurrogate


class Films(ABC):
    """A batch of films, whose temperature and energy follow `Film.course`.

    Attributes:
        film: the constants of films and furnaces.
        state: the state of the films.
        measures: (B, 3) statistics as in `Film.measures`.
        charged: the name under which a ledger counts steps.
        pictured: whether there are micrographs.
    """

    charged: ClassVar[str] = "surrogate"
    pictured: ClassVar[bool] = True

    def __init__(self, film: Film, size: int, batch: int, start_c: float) -> None:
        """Allocate `batch` films with `size` sites along a side, to be loaded at `start_c`, °C."""
        self.film, self._start_k = film, start_c + CELSIUS_K
        self.state = film.fresh(np.ones((batch, size, size), dtype=np.uint16), np.full(batch, self._start_k))
        self.measures = np.ones((batch, len(OUTCOMES)))
        self._generators = [np.random.default_rng(0)] * batch

    def load(self, rows: IntArray, labels: Labels, generators: Sequence[np.random.Generator]) -> None:
        """Load films as deposited into some of the furnaces.

        Args:
            rows: (k,) rows of these furnaces.
            labels: (k, size, size) labels of the films.
            generators: k random generators, one for each film.
        """
        fresh = self.film.fresh(labels, np.full(len(rows), self._start_k))
        for name, values in fresh._asdict().items():
            getattr(self.state, name)[rows] = values
        self.measures[rows] = self.film.measures(fresh)
        for row, rng in zip(rows, generators, strict=True):
            self._generators[row] = rng

    def hold(self, setpoint_k: FloatArray, rows: IntArray | slice = slice(None)) -> None:
        """Hold (k,) set points in K for one step in some of the furnaces; the others must have been loaded again."""
        state = self.state
        before = FilmState(state.labels[rows], state.defects[rows], state.temperature_k[rows], state.energy_kwh[rows])
        generators = [self._generators[row] for row in np.arange(len(self.measures))[rows]]
        course = self.film.course(before.temperature_k, setpoint_k, STEP_S)
        after = self._annealed(before, course, generators)
        measures = self._measured(after, setpoint_k, rows)
        if isinstance(rows, slice):
            self.state, self.measures = after, measures
            return
        for name, values in after._asdict().items():
            getattr(state, name)[rows] = values
        self.measures[rows] = measures

    @abstractmethod
    def _annealed(self, state: FilmState, course: Course, generators: Sequence[np.random.Generator]) -> FilmState:
        """Return the state of k films after one step."""

    def _measured(self, state: FilmState, setpoint_k: FloatArray, rows: IntArray | slice) -> FloatArray:
        """Return (k, 3) statistics of the films in some rows after one step at (k,) set points."""
        del setpoint_k, rows  # the state of simulated films tells them
        return self.film.measures(state)

    def pictures(self, rows: IntArray | slice) -> Float32Array:
        """Return (rows, H, W) micrographs, 0 within grains to 1 at particles."""
        return boundaries(self.state.labels[rows])


class SimulatedFilms(Films):
    """A batch of films that the simulator advances, `Film.anneal`."""

    charged: ClassVar[str] = "simulation"

    def _annealed(self, state: FilmState, course: Course, generators: Sequence[np.random.Generator]) -> FilmState:
        return self.film.anneal(state, course, generators)


class LearnedFilms(Films):
    """A batch of films whose statistics a recurrent network predicts; the state's grains do not change."""

    pictured: ClassVar[bool] = False

    def __init__(self, film: Film, size: int, batch: int, start_c: float, surrogate: "SequenceSurrogate") -> None:
        """Allocate the films, see `Films`; the surrogate predicts `OUTCOMES`.

        Raises:
            ConfigurationError: if the surrogate predicts other outcomes.
        """
        if surrogate.outcome_names != OUTCOMES:
            raise ConfigurationError(
                f"the surrogate predicts {', '.join(surrogate.outcome_names)}: give one of {', '.join(OUTCOMES)}"
            )
        super().__init__(film, size, batch, start_c)
        self.surrogate = surrogate
        self._memory = surrogate.begin(np.ones((batch, 2)), self.measures)

    def load(self, rows: IntArray, labels: Labels, generators: Sequence[np.random.Generator]) -> None:
        """Load films as deposited into some of the furnaces; see `Films.load`."""
        super().load(rows, labels, generators)
        begun = self.measures[rows]
        self.surrogate.forget(self._memory, rows, begun[:, [0, 2]], begun)

    def _annealed(self, state: FilmState, course: Course, generators: Sequence[np.random.Generator]) -> FilmState:
        del generators  # the network is deterministic
        energy = state.energy_kwh + course.energy_kwh
        return state._replace(temperature_k=course.temperature_k, energy_kwh=energy)

    def _measured(self, state: FilmState, setpoint_k: FloatArray, rows: IntArray | slice) -> FloatArray:
        del state
        predicted = self.surrogate.step(self._memory, scaled_celsius(setpoint_k - CELSIUS_K)[:, None], rows)
        return np.maximum(predicted, [1.0, 0.0, 0.0])

    def pictures(self, rows: IntArray | slice) -> Float32Array:
        """Raise an error, because there are no grains to draw.

        Raises:
            ConfigurationError: always.
        """
        del rows
        raise ConfigurationError('a network of statistics cannot draw micrographs: give observation="statistics"')


def films_of(film: Film, size: int, batch: int, start_c: float, dynamics: Any) -> Films:
    """Return a batch of films that the given dynamics advances.

    Args:
        film: the constants of films and furnaces.
        size: the number of sites along a side.
        batch: the number of films.
        start_c: the temperature at which films are loaded, °C.
        dynamics: "simulator"; "network" for the shipped network; a file; or a surrogate.

    Raises:
        WeightsError: if there is no such file.
        ConfigurationError: if the dynamics is of another type, or the surrogate predicts other outcomes.
    """
    if isinstance(dynamics, str) and dynamics == "simulator":
        return SimulatedFilms(film, size, batch, start_c)
    from matgym.processes.sequences.learned import SequenceSurrogate, load_sequences

    if not isinstance(dynamics, SequenceSurrogate):
        if not isinstance(dynamics, str | Path):
            raise ConfigurationError(
                f'dynamics of type {type(dynamics).__name__} predict no films: give "simulator", "network", or a file'
            )
        dynamics = load_sequences("annealing" if dynamics == "network" else dynamics)
    return LearnedFilms(film, size, batch, start_c, dynamics)
