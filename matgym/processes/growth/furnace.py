"""A furnace in which nanotubes grow: what its controls do to temperature, gas, catalyst and tubes.

The core is the rate equations of `matgym.processes.growth.kinetics` in their quasi-steady form, in which surface and
dissolved carbon keep up with the feed (measured: within 1.3e-6 of the stiff system):

    dL/dt = q F₁ (1 - θ) / n_µm        dθ/dt = λ (1 - θ) - w θ

Between controls that are held, every linear part is integrated exactly, with rates taken at the middle of a substep.
What stands around the core, by our own choice (flag D) where no source is named:

- Temperature follows its set point with a lag, and no faster than a ramp; gas follows its flow with 50 s (T).
- Water takes the carbonaceous layer away at a rate w, and while it is there oxidises a share of the catalyst: Hata et
  al., Science 306, 1362 (2004) for both, (M); the figures are ours.
- Particles ripen at constant volume, d³ growing in proportion to time (Lifshitz, Slyozov and Wagner), faster in
  hydrogen, which doubled the diameter and cut the density tenfold (Nessim et al., Nano Lett. 8, 3587 (2008), V).
- Products of pyrolysis settle as amorphous carbon, counted in monolayers; hydrogen takes some of it away.
- Atoms that join faster than the edge heals leave defects, in the ratio of the two rates (after Yuan, Xu, Yakobson and
  Ding, Phys. Rev. Lett. 108, 245505 (2012), M); the healing barrier is set so that G/D is about 1 at 725 °C.
- Energy is loss through the wall and the heat of warming up.

The same expressions serve NumPy arrays and CasADi's symbols, of which the optimal schedule's derivatives are made.
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
"""Places where atoms join, on a rim of the particle's diameter: two a lattice constant of graphene and wall."""

NOTHING: Final = 1e-200
"""1/s, so that a rate of zero can be divided by."""


class Reactor(NamedTuple):
    """What differs from one furnace and catalyst to the next, arrays of one shape.

    Attributes:
        diameter_nm: of the particles at first.
        covering: factor on the rate at which surface carbon turns into the layer.
        pyrolysis: factor on the density of pyrolysis products: the wall's share in it.
        leak_pa: water vapour that leaks in, Pa.
        offset_k: by which the thermocouple reads too high, and the hot zone stays below its set point, K.
    """

    diameter_nm: Values
    covering: Values
    pyrolysis: Values
    leak_pa: Values
    offset_k: Values


STANDARD: Final = np.array([10.0, 1.0, 1.0, 0.0, 0.0])
"""The reactor that the kinetics were measured on, (5,) in the order of `Reactor`'s fields."""


@dataclass(frozen=True)
class Variation:
    """How reactors differ; within what is reported for films of iron on alumina, but choices of ours (D).

    Attributes:
        diameter_nm: of particles, uniform over the range.
        covering: standard deviation of the logarithm of `Reactor.covering`.
        pyrolysis: standard deviation of the logarithm of `Reactor.pyrolysis`.
        leak_pa: largest leak of water, uniform from zero.
        offset_k: standard deviation of the thermocouple's offset.
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
    """What the furnace is set to, arrays of one shape: set point; acetylene, hydrogen and water vapour."""

    temperature_k: Values
    feed_pa: Values
    hydrogen_pa: Values
    water_pa: Values

    @classmethod
    def of(cls, minute: FloatArray) -> Self:
        """From (B, 4) rows of a recipe."""
        celsius, feed, hydrogen, water = minute.T
        return cls(celsius + CELSIUS_K, feed, hydrogen, water)


class State(NamedTuple):
    """A furnace at one time, arrays of one shape.

    Attributes:
        temperature_k: of the hot zone.
        feed_pa: acetylene in it.
        hydrogen_pa: likewise.
        water_pa: likewise, without the leak.
        diameter_nm: of the particles.
        length_um: of the tubes.
        grown: carbon atoms in a tube.
        defects: of them that stand in a defect.
        amorphous: carbon on the tubes, monolayers.
        supplied: carbon atoms a particle has received, for the balance.
        removed: of them that water took away.
        layer: of them that cover the surface.
        energy_kwh: that the furnace drew.
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
    """What is needed of NumPy, for Python's floats."""

    exp, expm1, sqrt, fmax, fmin = math.exp, math.expm1, math.sqrt, max, min


def _floats(values: Values) -> Values:
    """The same named tuple with a float for every array of one element."""
    return type(values)(*(np.asarray(value).item() for value in values))


@dataclass(frozen=True)
class Furnace(Constants):
    """Constants of the furnace; choices of ours (D) unless a source is named.

    Attributes:
        kinetics: of growth.
        heating_lag_s: in which temperature follows its set point.
        ramp_k_s: fastest change of temperature.
        gas_lag_s: in which gas follows its flow (T).
        loss_w_k: heat that the wall loses, W/K.
        heat_capacity_j_k: of the hot zone.
        regeneration_pa_s: at which water takes the layer away, 1/(Pa s), before the exponential.
        regeneration_ev: its activation energy.
        oxidising_pa: water that oxidises half of the catalyst.
        ripening_nm3_s: growth of d³ before the exponential.
        ripening_ev: its activation energy.
        ripening_hydrogen: how many times faster it is in much hydrogen, less one.
        ripening_pa: hydrogen at which half of that is reached.
        etching_pa_s: at which hydrogen takes amorphous carbon away, 1/(Pa s), before the exponential.
        etching_ev: its activation energy.
        healing_s: attempts of an edge site to heal, 1/s.
        healing_ev: their barrier.
        substep_s: longest step of integration; with 2 s, lengths differ from the stiff system's by 2e-4 at most at 550
            to 900 °C, and by 4e-3 from substeps of 0.1 s where controls jump each minute.
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
        """The furnace before anything was let in; arrays take the reactor's shape."""
        zero = 0.0 * reactor.diameter_nm
        start = dict.fromkeys(State._fields, zero)
        start |= {"temperature_k": zero + temperature_k, "diameter_nm": zero + reactor.diameter_nm}
        return State(**start)

    def hold(self, state: State, controls: Controls, reactor: Reactor, seconds: float, xp: Module = np) -> State:
        """The furnace after its controls were held for some time."""
        if xp is np and (shape := np.shape(state.temperature_k)) in {(), (1,)}:  # Python's floats are ten times faster
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

        # ∫F₁(1 - θ)dt to the next order: products, as the feed's square, cover the surface later than their mean says
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
        """By how much the hot zone warms up, towards what its thermocouple takes for the set point."""
        most = self.ramp_k_s * seconds
        reading = state.temperature_k + reactor.offset_k
        towards = (controls.temperature_k - reading) * -math.expm1(-seconds / self.heating_lag_s)
        return xp.fmin(xp.fmax(towards, -most), most)


def bare_time(
    covered: Values, fouling: Values, cleaning: Values, seconds: float, xp: Module = np
) -> tuple[Values, Values]:
    """∫(1 - θ)dt and ∫θ dt of dθ/dt = λ(1 - θ) - wθ, exactly: λ is `fouling` and w `cleaning`, 1/s."""
    total = fouling + cleaning + NOTHING
    settled = fouling / total
    in_layer = settled * seconds + (covered - settled) * faded_time(total, seconds, xp)
    return seconds - in_layer, in_layer


def faded_time(rate: Values, seconds: float, xp: Module = np) -> Values:
    """∫e^(-rate t)dt: the time that is left of something that fades."""
    return -xp.expm1(-(rate + NOTHING) * seconds) / (rate + NOTHING)
