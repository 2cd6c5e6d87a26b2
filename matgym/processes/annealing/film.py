"""A film of nanotube crystallites in an annealing furnace: grains grow, defects heal, catalyst particles evaporate.

- Grains: the Potts model of `matgym.processes.annealing.potts`; sweeps a second follow an Arrhenius law. Rate and
  barrier are choices of ours (D): no measured mobility of crystallite boundaries in nanotube films was found.
- Defects heal with distributed activation energies, dx/dt = -k₀ e^(-E/kT) x for each E, k₀ = 1e13 s⁻¹ and E normal with
  mean 7.08 and deviation 1.54 eV: fitted (F) to Raman's I_D/I_G of annealed tubes (-43 % for multi-walled ones after an
  hour at 1800 °C: Mater. Res. Bull. 48, 41 (2013), V) and to graphitization being complete at 2800 °C.
- Particles of the catalyst hold boundaries back (Zener) until they evaporate, each by itself, with iron's enthalpy of
  sublimation, 4.3 eV (415 kJ/mol, CRC Handbook, M); half of them are gone after 20 minutes at 1800 °C (D), since
  annealing from 1600 to 2000 °C is what rids tubes of iron (Andrews et al., Carbon 39, 1681 (2001), M).

Grains alone would know only ∫M(T)dt, whatever the order of temperatures; that particles go for good is what makes order
matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from matgym.processes.annealing.microstructure import PARTICLE, Labels, mean_radius
from matgym.processes.annealing.potts import sweep
from matgym.processes.controls import Constants, to_actions
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K, CELSIUS_K, JOULE_KWH, ROOM_K

COLDEST_C: Final = 1000.0
HOTTEST_C: Final = 2400.0
"""What the furnace can be set to: a graphite furnace. A choice of ours."""

STEP_S: Final = 120.0
"""Time for which a temperature is held."""

STEFAN_BOLTZMANN: Final = 5.670374419e-8
"""W/(m² K⁴), CODATA 2018."""

RAMP_PARTS: Final = 4
"""Parts of constant temperature into which a ramp is cut. A choice of ours."""

OUTCOMES: Final = ("radius", "defects", "particles")
"""Mean radius in lattice constants, share of defects left, share of sites with a particle: `Film.measures`."""

HOTTEST_K: Final = HOTTEST_C + CELSIUS_K
"""At which `Film.sweeps_s` is given."""

HALF_LIFE_K: Final = 1800.0 + CELSIUS_K
"""At which `Film.particle_half_life_s` is given."""

SIDES: Final = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
"""Of a site."""


class Course(NamedTuple):
    """What a furnace does in one step, to any film.

    Attributes:
        temperature_k: (B,) at its end.
        healed: (B, K) factor on the defects of each barrier.
        sweeps: (B,) of the Potts model.
        going: (B,) rate × time at which particles go.
        energy_kwh: (B,) drawn.
    """

    temperature_k: FloatArray
    healed: FloatArray
    sweeps: FloatArray
    going: FloatArray
    energy_kwh: FloatArray


class FilmState(NamedTuple):
    """A batch of films.

    Attributes:
        labels: (B, H, W) grains, 0 where a particle sits.
        defects: (B, K) share that is left of the defects of each activation energy.
        temperature_k: (B,).
        energy_kwh: (B,) that the furnace drew.
    """

    labels: Labels
    defects: FloatArray
    temperature_k: FloatArray
    energy_kwh: FloatArray


@dataclass(frozen=True)
class Film(Constants):
    """Constants of film and furnace.

    Attributes:
        sweeps_s: of the Potts model at `hot_c`, 1/s (D).
        mobility_ev: its barrier (D).
        healing_s: k₀ of defects (F).
        healing_ev: mean of their barriers (F).
        healing_spread_ev: standard deviation of them (F).
        particle_half_life_s: at 1800 °C (D).
        particle_ev: barrier of evaporation (M).
        ramp_k_s: fastest change of temperature (D).
        radiating_m2: area through which the furnace loses heat as a black body, behind its shields (D).
        heat_capacity_j_k: of the hot zone (D).
        energies: barriers by which defects are counted.
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
    def barriers(self) -> tuple[FloatArray, FloatArray]:
        """(K,) barriers of defects in eV, (K,) their weights, which sum to 1: the normal law, within 4 deviations."""
        points = np.linspace(-4.0, 4.0, self.energies)
        weights = np.exp(-0.5 * points**2)
        return self.healing_ev + self.healing_spread_ev * points, weights / weights.sum()

    def sweeps(self, temperature_k: FloatArray, seconds: float) -> FloatArray:
        """M(T) dt: sweeps of the Potts model at a temperature."""
        arrhenius = np.exp(-self.mobility_ev / BOLTZMANN_EV_K * (1.0 / temperature_k - 1.0 / HOTTEST_K))
        return np.asarray(seconds * self.sweeps_s * arrhenius)

    def fresh(self, labels: Labels, temperature_k: FloatArray) -> FilmState:
        """Films as deposited: all defects there."""
        batch = len(labels)
        return FilmState(labels, np.ones((batch, self.energies)), np.array(temperature_k), np.zeros(batch))

    def hold(
        self, state: FilmState, setpoint_k: FloatArray, seconds: float, generators: Sequence[np.random.Generator]
    ) -> FilmState:
        """Films after (B,) set points were held, to which the temperature ramps at the furnace's pace."""
        return self.anneal(state, self.course(state.temperature_k, setpoint_k, seconds), generators)

    def anneal(self, state: FilmState, course: Course, generators: Sequence[np.random.Generator]) -> FilmState:
        """Films after what furnaces did; see `hold`."""
        labels = state.labels.copy()
        evaporate(labels, -np.expm1(-course.going), generators)
        sweep(labels, course.sweeps, generators)
        return healed(state, labels, course)

    def course(self, temperature_k: FloatArray, setpoint_k: FloatArray, seconds: float) -> Course:
        """What the furnace does while a set point is held: all that does not depend on the film."""
        most = self.ramp_k_s * seconds
        after = temperature_k + np.clip(setpoint_k - temperature_k, -most, most)
        ramp_s = np.abs(after - temperature_k) / self.ramp_k_s
        barriers = self.barriers[0]
        healing, swept, going, lost = np.zeros((len(after), self.energies)), *np.zeros((3, len(after)))
        for part in range(RAMP_PARTS + 1):  # the ramp in parts of constant temperature, then what is left
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
        """Rate at which a particle goes, 1/s."""
        rate = math.log(2.0) / self.particle_half_life_s
        return np.asarray(rate * np.exp(-self.particle_ev / BOLTZMANN_EV_K * (1.0 / temperature_k - 1.0 / HALF_LIFE_K)))

    def defects_left(self, state: FilmState) -> FloatArray:
        """(B,) share of all defects."""
        return np.asarray(state.defects @ self.barriers[1])

    def measures(self, state: FilmState) -> FloatArray:
        """(B, 3) what statistics of a film are: mean radius, share of defects left, share of sites with a particle."""
        particles = (state.labels == PARTICLE).mean(axis=(1, 2))
        return np.column_stack([mean_radius(state.labels), self.defects_left(state), particles])


def healed(state: FilmState, labels: Labels, course: Course) -> FilmState:
    """Films whose grains have become `labels`; defects, temperature and energy follow from what the furnace did."""
    energy = state.energy_kwh + course.energy_kwh
    return FilmState(labels, state.defects * course.healed, course.temperature_k, energy)


def evaporate(labels: Labels, chance: FloatArray, generators: Sequence[np.random.Generator]) -> None:
    """Let particles go, in place: the grain on a random side takes the site, or the next one if a particle is there."""
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
