"""A model of a furnace in which nanotubes grow: the effect of controls on temperature, gas, catalyst and tubes.

The core is the rate equations of `matgym.processes.growth.kinetics` in their quasi-steady form, in which surface and
dissolved carbon are in equilibrium with the feed (measured: within 1.3e-6 of the stiff system):

    dL/dt = q F₁ (1 - θ) / n_µm        dθ/dt = λ (1 - θ) - w θ

While the controls are constant, every linear part is integrated exactly, with rates taken at the middle of a substep.
The rest of the model follows; where no source is named, we chose the form and the figures (flag D):

- Temperature follows its set point with a lag and at most at the ramp's rate; gas follows its flow with a lag of 50 s
  (T).
- Water removes the carbonaceous layer at a rate w, and oxidises a share of the catalyst while water is present: Hata et
  al., Science 306, 1362 (2004) for both (M); we chose the figures.
- Particles ripen at constant volume, with d³ growing in proportion to time (Lifshitz, Slyozov and Wagner). They ripen
  faster in hydrogen, which doubled the diameter and reduced the density tenfold (Nessim et al., Nano Lett. 8, 3587
  (2008), V).
- Products of pyrolysis deposit as amorphous carbon, counted in monolayers; hydrogen etches it.
- Atoms that attach faster than the edge heals leave defects, in the ratio of the two rates (after Yuan, Xu, Yakobson
  and Ding, Phys. Rev. Lett. 108, 245505 (2012), M); the healing barrier is chosen so that G/D is about 1 at 725 °C.
- The energy is the heat loss through the wall plus the heat that raises the temperature.

The same expressions take NumPy arrays and CasADi symbols; the latter give the derivatives for the optimal schedule.
"""

import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np

from matgym.processes.controls import Constants
from matgym.processes.growth.kinetics import GrowthKinetics
from matgym.typing import FloatArray, Module, Values
from matgym.units import BOLTZMANN_EV_K, BOLTZMANN_J_K, CELSIUS_K, JOULE_KWH, ROOM_K

EDGE_SITES_PER_NM: Final = 2.0 * math.pi / 0.246
"""Sites where atoms attach, per nm of particle diameter and wall: two per lattice constant of graphene on the rim."""

NOTHING: Final = 1e-200
"""A rate, 1/s, that is added to rates before a division, so that these may be zero."""


class Reactor(NamedTuple):
    """The parameters that differ between furnaces and catalysts, arrays of one shape.

    Attributes:
        diameter_nm: the initial diameter of the particles, nm.
        covering: the factor on the rate at which surface carbon turns into the carbonaceous layer.
        pyrolysis: the factor on the density of pyrolysis products, which stands for the effect of the wall.
        leak_pa: the pressure of water vapour that leaks in, Pa.
        offset_k: the excess of the thermocouple's reading, so that the hot zone stays below its set point, K.
    """

    diameter_nm: Values
    covering: Values
    pyrolysis: Values
    leak_pa: Values
    offset_k: Values


STANDARD: Final = np.array([10.0, 1.0, 1.0, 0.0, 0.0])
"""The reactor of the experiments that the kinetics were fitted to, (5,) in the order of `Reactor`'s fields."""


@dataclass(frozen=True)
class Variation:
    """The distribution of reactors. We chose it (D) within the range reported for films of iron on alumina.

    Attributes:
        diameter_nm: the range of particle diameters, uniformly distributed, nm.
        covering: the standard deviation of the logarithm of `Reactor.covering`.
        pyrolysis: the standard deviation of the logarithm of `Reactor.pyrolysis`.
        leak_pa: the largest leak of water, uniformly distributed from zero, Pa.
        offset_k: the standard deviation of the thermocouple's offset, K.
    """

    diameter_nm: tuple[float, float] = (7.0, 13.0)
    covering: float = 0.3
    pyrolysis: float = 0.5
    leak_pa: float = 5.0
    offset_k: float = 8.0

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Draw one reactor, (5,) in the order of `Reactor`'s fields."""
        return np.array(
            [
                rng.uniform(*self.diameter_nm),
                math.exp(rng.normal(0.0, self.covering)),
                math.exp(rng.normal(0.0, self.pyrolysis)),
                rng.uniform(0.0, self.leak_pa),
                rng.normal(0.0, self.offset_k),
            ]
        )


class Controls(NamedTuple):
    """The controls of the furnace, arrays of one shape: set point (K); acetylene, hydrogen and water vapour (Pa)."""

    temperature_k: Values
    feed_pa: Values
    hydrogen_pa: Values
    water_pa: Values

    @classmethod
    def of(cls, minute: FloatArray) -> Self:
        """Return the controls of (B, 4) rows of a recipe."""
        celsius, feed, hydrogen, water = minute.T
        return cls(celsius + CELSIUS_K, feed, hydrogen, water)


class State(NamedTuple):
    """The state of a furnace, arrays of one shape.

    Attributes:
        temperature_k: the temperature of the hot zone, K.
        feed_pa: the pressure of acetylene in the hot zone, Pa.
        hydrogen_pa: the pressure of hydrogen in the hot zone, Pa.
        water_pa: the pressure of water vapour in the hot zone without the leak, Pa.
        diameter_nm: the diameter of the particles, nm.
        length_um: the length of the tubes, µm.
        grown: the number of carbon atoms in a tube.
        defects: the number of these atoms that are part of a defect.
        amorphous: the amorphous carbon on the tubes, monolayers.
        supplied: the number of carbon atoms that a particle has received, for the mass balance.
        removed: the number of these atoms that water has removed.
        layer: the number of these atoms that cover the surface.
        energy_kwh: the energy that the furnace has consumed, kWh.
    """

    temperature_k: Values
    feed_pa: Values
    hydrogen_pa: Values
    water_pa: Values
    diameter_nm: Values
    length_um: Values
    grown: Values
    defects: Values
    amorphous: Values
    supplied: Values
    removed: Values
    layer: Values
    energy_kwh: Values


class _FloatMath:
    """The functions of NumPy that the furnace uses, for Python floats."""

    exp, expm1, sqrt, fmax, fmin = math.exp, math.expm1, math.sqrt, max, min


def _floats(values: Values) -> Values:
    """Return the same named tuple with a float for every array of one element."""
    return type(values)(*(np.asarray(value).item() for value in values))


@dataclass(frozen=True)
class Furnace(Constants):
    """The constants of the furnace. We chose them (D) unless a source is named.

    Attributes:
        kinetics: the rate equations of growth.
        heating_lag_s: the time constant with which the temperature follows its set point, s.
        ramp_k_s: the fastest change of temperature, K/s.
        gas_lag_s: the time constant with which gas follows its flow, s (T).
        loss_w_k: the heat loss through the wall, W/K.
        heat_capacity_j_k: the heat capacity of the hot zone, J/K.
        regeneration_pa_s: the prefactor of the rate at which water removes the layer, 1/(Pa s).
        regeneration_ev: the activation energy of that rate, eV.
        oxidising_pa: the pressure of water that oxidises half of the catalyst, Pa.
        ripening_nm3_s: the prefactor of the growth of d³, nm³/s.
        ripening_ev: the activation energy of that growth, eV.
        ripening_hydrogen: the factor by which ripening is faster at high hydrogen pressure, minus one.
        ripening_pa: the pressure of hydrogen at which half of that increase is reached, Pa.
        etching_pa_s: the prefactor of the rate at which hydrogen removes amorphous carbon, 1/(Pa s).
        etching_ev: the activation energy of that rate, eV.
        healing_s: the rate of attempts of an edge site to heal, 1/s.
        healing_ev: the barrier of healing, eV.
        substep_s: the longest step of integration, s. With 2 s, lengths differ from the stiff system's by at most 2e-4
            at 550 to 900 °C, and by 4e-3 from substeps of 0.1 s if the controls jump each minute.
    """

    kinetics: GrowthKinetics = field(default_factory=GrowthKinetics)
    heating_lag_s: float = 45.0
    ramp_k_s: float = 2.0
    gas_lag_s: float = 50.0
    loss_w_k: float = 1.0
    heat_capacity_j_k: float = 1000.0
    regeneration_pa_s: float = 190.0
    regeneration_ev: float = 1.5
    oxidising_pa: float = 100.0
    ripening_nm3_s: float = 4.5e9
    ripening_ev: float = 2.0
    ripening_hydrogen: float = 3.0
    ripening_pa: float = 1e4
    etching_pa_s: float = 4.0
    etching_ev: float = 1.5
    healing_s: float = 1e13
    healing_ev: float = 1.06
    substep_s: float = 2.0

    def cold(self, reactor: Reactor, temperature_k: Values = ROOM_K) -> State:
        """Return the state before any gas flows in; arrays have the reactor's shape."""
        zero = 0.0 * reactor.diameter_nm
        start = dict.fromkeys(State._fields, zero)
        start |= {"temperature_k": zero + temperature_k, "diameter_nm": zero + reactor.diameter_nm}
        return State(**start)

    def hold(self, state: State, controls: Controls, reactor: Reactor, seconds: float, xp: Module = np) -> State:
        """Return the state after the controls were held for some seconds."""
        if xp is np and (shape := np.shape(state.temperature_k)) in {(), (1,)}:  # Python floats are ten times faster
            alone = self.hold(_floats(state), _floats(controls), _floats(reactor), seconds, _FloatMath)
            return State(*(np.full(shape, value) for value in alone))
        for _ in range(steps := math.ceil(seconds / self.substep_s)):
            state = self._substep(state, controls, reactor, seconds / steps, xp)
        return state

    def _substep(self, state: State, controls: Controls, reactor: Reactor, dt: float, xp: Module) -> State:
        warmer, middle = (self._warming(state, controls, reactor, part, xp) for part in (dt, 0.5 * dt))
        temperature = state.temperature_k + middle
        gas = math.exp(-dt / self.gas_lag_s)
        mean = self.gas_lag_s / dt * (1.0 - gas)  # of e^(-t/lag) over the substep
        mean_square = self.gas_lag_s / (2.0 * dt) * (1.0 - gas * gas)
        feed, hydrogen, water = (
            target + (now - target) * mean for now, target in zip(state[1:4], controls[1:], strict=True)
        )
        off = state.feed_pa - controls.feed_pa
        squared = controls.feed_pa * (controls.feed_pa + 2.0 * off * mean) + off * off * mean_square
        beta = 1.0 / (BOLTZMANN_EV_K * temperature)
        water = water + reactor.leak_pa

        hastened = 1.0 + self.ripening_hydrogen * hydrogen / (hydrogen + self.ripening_pa)
        ripened = self.ripening_nm3_s * xp.exp(-self.ripening_ev * beta) * hastened * dt
        volume = state.diameter_nm * state.diameter_nm * state.diameter_nm
        diameter = (volume + 0.5 * ripened) ** (1.0 / 3.0)

        thermal = BOLTZMANN_J_K * temperature
        rates = self.kinetics.rates(temperature, feed / thermal, diameter, squared / (thermal * thermal), xp)
        reduced = self.oxidising_pa / (self.oxidising_pa + water)
        rates = rates._replace(
            feed=rates.feed * reduced,
            product=rates.product * reactor.pyrolysis * reduced,
            covering=rates.covering * reactor.covering,
        )
        cleaning = self.regeneration_pa_s * water * xp.exp(-self.regeneration_ev * beta)
        bare, covered = bare_time(state.layer / rates.sites, rates.fouling, cleaning, dt, xp)

        # ∫F₁(1 - θ)dt to the next order: products rise with the square of the feed and so cover the surface later than
        # their mean over the substep predicts.
        rising = (controls.feed_pa - state.feed_pa) * (1.0 - gas) / (feed + NOTHING)
        later = rates.growing * rates.feed * bare * rates.product / rates.sites * rising * dt / 12.0
        arrived = (rates.feed + rates.product + rates.rearrangement) * bare + later
        grown = rates.growing * rates.feed * bare + later
        removed = cleaning * rates.sites * covered
        joining = grown / (dt * EDGE_SITES_PER_NM * diameter * self.kinetics.walls(diameter))
        flawed = joining / (joining + self.healing_s * xp.exp(-self.healing_ev * beta))
        settling, etching = rates.product / rates.sites, self.etching_pa_s * hydrogen * xp.exp(-self.etching_ev * beta)
        power = self.loss_w_k * (temperature - ROOM_K) * dt + self.heat_capacity_j_k * xp.fmax(warmer, 0.0)
        return State(
            temperature_k=state.temperature_k + warmer,
            feed_pa=controls.feed_pa + (state.feed_pa - controls.feed_pa) * gas,
            hydrogen_pa=controls.hydrogen_pa + (state.hydrogen_pa - controls.hydrogen_pa) * gas,
            water_pa=controls.water_pa + (state.water_pa - controls.water_pa) * gas,
            diameter_nm=(volume + ripened) ** (1.0 / 3.0),
            length_um=state.length_um + grown / self.kinetics.atoms_a_um(diameter),
            grown=state.grown + grown,
            defects=state.defects + flawed * grown,
            amorphous=state.amorphous + (settling - etching * state.amorphous) * faded_time(etching, dt, xp),
            supplied=state.supplied + arrived,
            removed=state.removed + removed,
            layer=state.layer + arrived - grown - removed,
            energy_kwh=state.energy_kwh + power / JOULE_KWH,
        )

    def _warming(self, state: State, controls: Controls, reactor: Reactor, seconds: float, xp: Module) -> Values:
        """Return the rise of the hot zone's temperature towards the set point, by the thermocouple's reading."""
        most = self.ramp_k_s * seconds
        reading = state.temperature_k + reactor.offset_k
        towards = (controls.temperature_k - reading) * -math.expm1(-seconds / self.heating_lag_s)
        return xp.fmin(xp.fmax(towards, -most), most)


def bare_time(
    covered: Values, fouling: Values, cleaning: Values, seconds: float, xp: Module = np
) -> tuple[Values, Values]:
    """Return the exact ∫(1 - θ)dt and ∫θ dt of dθ/dt = λ(1 - θ) - wθ; λ is `fouling` and w `cleaning`, 1/s."""
    total = fouling + cleaning + NOTHING
    settled = fouling / total
    in_layer = settled * seconds + (covered - settled) * faded_time(total, seconds, xp)
    return seconds - in_layer, in_layer


def faded_time(rate: Values, seconds: float, xp: Module = np) -> Values:
    """Return ∫e^(-rate t)dt from 0 to `seconds`."""
    return -xp.expm1(-(rate + NOTHING) * seconds) / (rate + NOTHING)
