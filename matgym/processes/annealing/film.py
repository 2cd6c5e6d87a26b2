"""A film of nanotube crystallites in an annealing furnace: grains grow, defects heal, catalyst particles evaporate.

- Grains: the Potts model of `matgym.processes.annealing.potts`; sweeps per second follow an Arrhenius law. We chose
  rate and barrier (D), because we found no measured mobility of crystallite boundaries in nanotube films.
- Defects heal with distributed activation energies, dx/dt = -k₀ e^(-E/kT) x for each E, k₀ = 1e13 s⁻¹ and E normal with
  mean 7.08 and deviation 1.54 eV: fitted (F) to Raman's I_D/I_G of annealed tubes (-43 % for multi-walled ones after an
  hour at 1800 °C: Mater. Res. Bull. 48, 41 (2013), V) and to graphitization being complete at 2800 °C.
- Particles of the catalyst pin boundaries (Zener) until they evaporate, independently of each other, with iron's
  enthalpy of sublimation, 4.3 eV (415 kJ/mol, CRC Handbook, M). Half of them have evaporated after 20 minutes at
  1800 °C (D), since annealing from 1600 to 2000 °C removes iron from tubes (Andrews et al., Carbon 39, 1681 (2001), M).

Without particles the grains depend only on ∫M(T)dt, whatever the order of temperatures. The order matters because
particles evaporate irreversibly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from matgym.frozen import returns_read_only
from matgym.processes.annealing.microstructure import PARTICLE, Labels, mean_radius
from matgym.processes.annealing.potts import sweep
from matgym.processes.controls import Constants, to_actions
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K, CELSIUS_K, JOULE_KWH, ROOM_K

COLDEST_C: Final = 1000.0
"""The lowest set point of the furnace, °C. We chose it."""

HOTTEST_C: Final = 2400.0
"""The highest set point of the furnace, °C. We chose it for a graphite furnace."""

STEP_S: Final = 120.0
"""The time for which a set point is held, s."""

STEFAN_BOLTZMANN: Final = 5.670374419e-8
"""The Stefan–Boltzmann constant, W/(m² K⁴), CODATA 2018."""

RAMP_PARTS: Final = 4
"""The number of parts of constant temperature into which a ramp is divided. We chose it."""

OUTCOMES: Final = ("radius", "defects", "particles")
"""Mean radius in lattice constants, share of remaining defects, share of sites with a particle: `Film.measures`."""

HOTTEST_K: Final = HOTTEST_C + CELSIUS_K
"""The temperature for which `Film.sweeps_s` is given, K."""

HALF_LIFE_K: Final = 1800.0 + CELSIUS_K
"""The temperature for which `Film.particle_half_life_s` is given, K."""

SIDES: Final = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
"""The steps to the four nearest neighbours of a site."""


class Course(NamedTuple):
    """The part of a step that depends on the furnace and not on the film.

    Attributes:
        temperature_k: (B,) temperature at the end of the step, K.
        healed: (B, K) factor on the defects of each barrier.
        sweeps: (B,) number of sweeps of the Potts model.
        going: (B,) evaporation rate of a particle, integrated over the step.
        energy_kwh: (B,) energy that the furnace consumes, kWh.
    """

    temperature_k: FloatArray
    healed: FloatArray
    sweeps: FloatArray
    going: FloatArray
    energy_kwh: FloatArray


class FilmState(NamedTuple):
    """The state of a batch of films.

    Attributes:
        labels: (B, H, W) labels of grains, 0 at particles.
        defects: (B, K) remaining share of the defects of each activation energy.
        temperature_k: (B,) temperature, K.
        energy_kwh: (B,) energy that the furnace has consumed, kWh.
    """

    labels: Labels
    defects: FloatArray
    temperature_k: FloatArray
    energy_kwh: FloatArray


@dataclass(frozen=True)
class Film(Constants):
    """The constants of film and furnace.

    Attributes:
        sweeps_s: the sweeps of the Potts model per second at `HOTTEST_C`, 1/s (D).
        mobility_ev: the barrier of the boundaries' mobility, eV (D).
        healing_s: k₀ of the healing of defects, 1/s (F).
        healing_ev: the mean barrier of healing, eV (F).
        healing_spread_ev: the standard deviation of the barriers of healing, eV (F).
        particle_half_life_s: the half-life of particles at 1800 °C, s (D).
        particle_ev: the barrier of evaporation, eV (M).
        ramp_k_s: the fastest change of temperature, K/s (D).
        radiating_m2: the area through which the furnace loses heat as a black body, behind its shields, m² (D).
        heat_capacity_j_k: the heat capacity of the hot zone, J/K (D).
        energies: the number of barriers at which the distribution of defects is sampled.
    """

    sweeps_s: float = 30.0 / 120.0
    mobility_ev: float = 1.2
    healing_s: float = 1e13
    healing_ev: float = 7.08
    healing_spread_ev: float = 1.54
    particle_half_life_s: float = 1200.0
    particle_ev: float = 4.3
    ramp_k_s: float = 3.0
    radiating_m2: float = 0.01
    heat_capacity_j_k: float = 500.0
    energies: int = 64

    @property
    @returns_read_only
    def barriers(self) -> tuple[FloatArray, FloatArray]:
        """(K,) barriers of defects in eV and their (K,) weights: a normal distribution within 4 standard deviations."""
        points = np.linspace(-4.0, 4.0, self.energies)
        weights = np.exp(-0.5 * points**2)
        return self.healing_ev + self.healing_spread_ev * points, weights / weights.sum()

    def sweeps(self, temperature_k: FloatArray, seconds: float) -> FloatArray:
        """Return M(T) dt, the number of sweeps of the Potts model at a temperature in some seconds."""
        arrhenius = np.exp(-self.mobility_ev / BOLTZMANN_EV_K * (1.0 / temperature_k - 1.0 / HOTTEST_K))
        return np.asarray(seconds * self.sweeps_s * arrhenius)

    def fresh(self, labels: Labels, temperature_k: FloatArray) -> FilmState:
        """Return the state of films as deposited, with all of their defects."""
        batch = len(labels)
        return FilmState(labels, np.ones((batch, self.energies)), np.array(temperature_k), np.zeros(batch))

    def hold(
        self, state: FilmState, setpoint_k: FloatArray, seconds: float, generators: Sequence[np.random.Generator]
    ) -> FilmState:
        """Return the state after (B,) set points in K were held; the temperature approaches them at the ramp's rate."""
        return self.anneal(state, self.course(state.temperature_k, setpoint_k, seconds), generators)

    def anneal(self, state: FilmState, course: Course, generators: Sequence[np.random.Generator]) -> FilmState:
        """Return the state after a course of the furnaces; see `hold`."""
        labels = state.labels.copy()
        evaporate(labels, -np.expm1(-course.going), generators)
        sweep(labels, course.sweeps, generators)
        energy = state.energy_kwh + course.energy_kwh
        return FilmState(labels, state.defects * course.healed, course.temperature_k, energy)

    def course(self, temperature_k: FloatArray, setpoint_k: FloatArray, seconds: float) -> Course:
        """Return the part of a step that does not depend on the film, for (B,) set points in K."""
        most = self.ramp_k_s * seconds
        after = temperature_k + np.clip(setpoint_k - temperature_k, -most, most)
        ramp_s = np.abs(after - temperature_k) / self.ramp_k_s
        barriers = self.barriers[0]
        healing, swept, going, lost = np.zeros((len(after), self.energies)), *np.zeros((3, len(after)))
        for part in range(RAMP_PARTS + 1):  # the parts of the ramp, then the rest at constant temperature
            share, duration = 1.0, seconds - ramp_s
            if part < RAMP_PARTS:
                share, duration = (part + 0.5) / RAMP_PARTS, ramp_s / RAMP_PARTS
            now = temperature_k + (after - temperature_k) * share
            beta = 1.0 / (BOLTZMANN_EV_K * now)
            healing += self.healing_s * np.exp(-barriers * beta[:, None]) * duration[:, None]
            swept += self.sweeps(now, 1.0) * duration
            going += self.evaporation(now) * duration
            lost += STEFAN_BOLTZMANN * self.radiating_m2 * (now**4 - ROOM_K**4) * duration
        heat = lost + self.heat_capacity_j_k * np.maximum(after - temperature_k, 0.0)
        return Course(after, np.exp(-healing), swept, going, heat / JOULE_KWH)

    def evaporation(self, temperature_k: FloatArray) -> FloatArray:
        """Return the rate at which a particle evaporates, 1/s."""
        rate = math.log(2.0) / self.particle_half_life_s
        return np.asarray(rate * np.exp(-self.particle_ev / BOLTZMANN_EV_K * (1.0 / temperature_k - 1.0 / HALF_LIFE_K)))

    def defects_left(self, state: FilmState) -> FloatArray:
        """Return the (B,) remaining share of all defects."""
        return np.asarray(state.defects @ self.barriers[1])

    def measures(self, state: FilmState) -> FloatArray:
        """Return the (B, 3) statistics of films in the order of `OUTCOMES`."""
        particles = (state.labels == PARTICLE).mean(axis=(1, 2))
        return np.column_stack([mean_radius(state.labels), self.defects_left(state), particles])


def evaporate(labels: Labels, chance: FloatArray, generators: Sequence[np.random.Generator]) -> None:
    """Evaporate particles with (B,) probabilities, in place.

    The site takes the label of a random nearest neighbour; if a particle is there, that of the next neighbour around.
    """
    for row, rng in enumerate(generators):
        places = np.argwhere(labels[row] == PARTICLE)
        gone = places[rng.random(len(places)) < chance[row]]
        first = rng.integers(0, len(SIDES), len(gone))
        heirs = np.full(len(gone), PARTICLE)
        for turn in range(len(SIDES)):
            beside = (gone + SIDES[(first + turn) % len(SIDES)]) % labels.shape[1:]
            heirs = np.where(heirs == PARTICLE, labels[row, beside[:, 0], beside[:, 1]], heirs)
        labels[row, gone[:, 0], gone[:, 1]] = heirs


def scaled_celsius(celsius: FloatArray) -> FloatArray:
    """Scale set points in °C, of any shape, to [-1, 1]."""
    return to_actions(celsius, COLDEST_C, HOTTEST_C)
