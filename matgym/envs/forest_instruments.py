"""What `matgym/CVDGrowth-v0` shows beside its instruments: a spectrum, a scattering curve, readings, or the state."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from matgym.characterization.forests import (
    Q_PER_NM,
    SHIFTS_CM,
    Forest,
    Probes,
    measured_forests,
    measured_scattering,
    measured_spectra,
)
from matgym.characterization.reading.forests import QUANTITIES, ForestCurves
from matgym.processes.growth.furnace import Furnace, Reactor, State
from matgym.processes.growth.runs import disorder
from matgym.typing import FloatArray, IntArray
from matgym.units import CELSIUS_K

HIGHEST: Final = 3.0
"""The upper end of the Raman intensity in observations, relative to G of a tall forest of perfect tubes."""

MOST_PHOTONS: Final = 1e7
"""The upper end of X-ray photons in observations, whose logarithm is scaled."""

ENDS: Final = {
    "temperature_c": (25.0, 1000.0),
    "feed_pa": (0.0, 1000.0),
    "hydrogen_pa": (0.0, 40_000.0),
    "water_pa": (0.0, 100.0),
    "diameter_nm": (0.0, 25.0),
    "length_um": (0.0, 300.0),
    "disorder": (0.0, 5.0),
    "log_amorphous": (0.0, 10.0),
    "covered": (0.0, 1.0),
    "energy_kwh": (0.0, 1.0),
    "initial_diameter_nm": (0.0, 25.0),
    "log_covering": (-3.0, 3.0),
    "log_pyrolysis": (-5.0, 5.0),
    "leak_pa": (0.0, 50.0),
    "offset_k": (-120.0, 120.0),
}
"""The limits of the numbers of the state in observations. The last five are those of the reactor."""

READ: Final = np.array([25.0, 5.0, 1.0])
"""The upper ends of the readings and of their uncertainties in observations: diameter, D/G, amorphous share."""

WIDTHS: Final = {
    "spectrum": len(SHIFTS_CM),
    "diffraction": len(Q_PER_NM),
    "characterized": 2 * len(READ),
    "state": len(ENDS),
}
"""The number of further columns of an observation, by the name of the observation."""


class ForestInstruments:
    """The further columns of the observations of B runs.

    Each run has other spectrometers and beams, drawn from the conditions of the task `forest-curves`. All noise comes
    from a generator that is spawned from that of the episode, so that a run is the same whatever is observed.
    """

    def __init__(self, observation: str, size: int, furnace: Furnace, characterizer: Any) -> None:
        """Allocate the measurements.

        Args:
            observation: a key of `WIDTHS`.
            size: B.
            furnace: model of the furnaces.
            characterizer: what reads measurements, for "characterized"; None for the shipped network.
        """
        self._observation, self._furnace, self._conditions = observation, furnace, ForestCurves.training
        self._reader = None
        if observation == "characterized":
            from matgym.characterization.reading.learned import reader_of  # imports torch

            self._reader = reader_of(characterizer, ForestCurves.name, QUANTITIES)
        self._probes = Probes(*np.ones((len(Probes._fields), size)))
        self._generators = [np.random.default_rng(0)] * size
        self._columns = np.zeros((size, WIDTHS[observation]))
        self._points = len(SHIFTS_CM) + len(Q_PER_NM) if observation == "characterized" else WIDTHS[observation]

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Draw the instruments of new runs; `measure` them afterwards."""
        for row, rng in zip(rows, generators, strict=True):
            (self._generators[row],) = rng.spawn(1)
            probes = self._conditions.probes(self._generators[row], 1)
            for column, value in zip(self._probes, probes, strict=True):
                column[row] = value[0]

    def measure(self, rows: IntArray, state: State, reactor: Reactor) -> None:
        """Measure (k,) runs.

        Args:
            rows: (k,) the runs.
            state: state of these runs.
            reactor: reactors of these runs.
        """
        if self._observation == "state":
            self._columns[rows] = _scaled_state(state, reactor, self._furnace)
            return
        normals = np.stack([self._generators[row].standard_normal(self._points) for row in rows])
        probes = Probes(*(column[rows] for column in self._probes))
        forest = forest_of(state, self._furnace)
        if self._reader is not None:
            readings = self._reader.read(measured_forests(forest, probes, normals))
            shares = np.concatenate([readings.values / READ, readings.uncertainties / READ], axis=1)
        elif self._observation == "spectrum":
            shares = measured_spectra(forest, probes, normals) / HIGHEST
        else:
            shares = np.log1p(measured_scattering(forest, probes, normals)) / np.log1p(MOST_PHOTONS)
        self._columns[rows] = 2.0 * shares - 1.0

    def columns(self, rows: IntArray | slice) -> FloatArray:
        """Return the (k, width) further columns of observations, not clipped."""
        return self._columns[rows]


def forest_of(state: State, furnace: Furnace) -> Forest:
    """Return the forests of furnaces in (B,) states."""
    diameter = np.asarray(state.diameter_nm)
    return Forest(
        diameter,
        np.asarray(furnace.kinetics.walls(diameter)),
        np.asarray(state.length_um),
        np.asarray(disorder(state.defects, state.grown)),
        np.asarray(state.amorphous),
        np.asarray(state.temperature_k),
    )


def _scaled_state(state: State, reactor: Reactor, furnace: Furnace) -> FloatArray:
    """Return (B, 15) numbers of the state and the reactor, scaled to [-1, 1] by `ENDS`."""
    sites = np.pi * (1e-9 * state.diameter_nm) ** 2 * furnace.kinetics.monolayer_m2
    numbers = np.column_stack(
        [
            state.temperature_k - CELSIUS_K,
            state.feed_pa,
            state.hydrogen_pa,
            state.water_pa,
            state.diameter_nm,
            state.length_um,
            disorder(state.defects, state.grown),
            np.log1p(state.amorphous),
            state.layer / sites,
            state.energy_kwh,
            reactor.diameter_nm,
            np.log(reactor.covering),
            np.log(reactor.pyrolysis),
            reactor.leak_pa,
            reactor.offset_k,
        ]
    )
    low, high = np.array(list(ENDS.values())).T
    return np.asarray(2.0 * (numbers - low) / (high - low) - 1.0)
