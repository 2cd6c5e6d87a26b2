"""The task of a furnace: long, clean tubes for little energy."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.oracles.furnace import Furnace, Reactor, State
from matgym.structures.recipe import CELSIUS_K, LIMITS, STEP_S
from matgym.tasks.ledger import Ledger
from matgym.typing import FloatArray

RAMAN_SHARE: Final = 1.8e-9 * 532.0**4 * math.pi / 0.026196
"""D/G over the share of atoms that stand in a defect; see `matgym.oracles.growth.disorder`."""


@dataclass(frozen=True)
class Variation:
    """How reactors differ; within what is reported for films of iron on alumina, but choices of ours (D).

    Attributes:
        diameter_nm: of particles, uniform over the range.
        covering: spread of the logarithm of the rate at which catalysts die.
        pyrolysis: likewise of the gas' share in it.
        leak_pa: largest leak of water, uniform from zero.
        offset_k: spread of the thermocouple's offset.
    """

    diameter_nm: tuple[float, float] = (7.0, 13.0)
    covering: float = 0.3
    pyrolysis: float = 0.5
    leak_pa: float = 5.0
    offset_k: float = 8.0

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """(5,) one reactor, in the order of `Reactor`'s fields."""
        return np.array(
            [
                rng.uniform(*self.diameter_nm),
                math.exp(rng.normal(0.0, self.covering)),
                math.exp(rng.normal(0.0, self.pyrolysis)),
                rng.uniform(0.0, self.leak_pa),
                rng.normal(0.0, self.offset_k),
            ]
        )


STANDARD: Final = np.array([10.0, 1.0, 1.0, 0.0, 0.0])
"""The reactor that the kinetics were measured on, as `Variation.draw` gives one."""


@dataclass(frozen=True, eq=False)
class GrowthTask:
    """Grow many and long tubes with few defects and little energy within a time.

        J = yield [µm] - 8 (D/G + amorphous monolayers / 10) - 20 energy [kWh]

    The yield is carbon in tubes on the wafer, as the length that as much carbon would have on particles that did not
    ripen: length × d₀/d, since ripening leaves (d₀/d)³ of the particles with (d/d₀)² of the atoms a micrometre. The
    weights are ours. Safety is apart: a cost of its own; see `cost`.

    Attributes:
        furnace: what it does.
        minutes: how long a run takes.
        preheated_c: temperature at which wafers are loaded.
        variation: how reactors differ; None for the standard one in every run.
        per_um: worth of a micrometre of yield.
        per_disorder: price of disorder.
        per_kwh: price of energy.
        hottest_c: above which the furnace is not safe.
        soot_per_min: monolayers of amorphous carbon a minute above which the exhaust clogs.
        ledger: counts simulation steps.
    """

    furnace: Furnace = field(default_factory=Furnace)
    minutes: int = 30
    preheated_c: float = 600.0
    variation: Variation | None = field(default_factory=Variation)
    per_um: float = 1.0
    per_disorder: float = 8.0
    per_kwh: float = 20.0
    hottest_c: float = 900.0
    soot_per_min: float = 5.0
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise ConfigurationError(f"minutes={self.minutes} must be 1 or more")

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """(5,) a reactor."""
        return STANDARD.copy() if self.variation is None else self.variation.draw(rng)

    def loaded(self, reactor: Reactor) -> State:
        """Furnaces into which wafers were just loaded, no gas let in."""
        return self.furnace.cold(reactor, self.preheated_c + CELSIUS_K)

    def objective(self, state: State, reactor: Reactor, xp: Any = np) -> Any:
        """J of what stands in the furnace."""
        tubes = state.length_um * reactor.diameter_nm / state.diameter_nm
        disorder = RAMAN_SHARE * state.defects / xp.fmax(state.grown, 1.0) + 0.1 * state.amorphous
        return self.per_um * tubes - self.per_disorder * disorder - self.per_kwh * state.energy_kwh

    def cost(self, before: State, after: State) -> FloatArray:
        """(B,) by how much a minute was unsafe, in units of a limit: heat and soot."""
        heat = np.maximum(after.temperature_k - CELSIUS_K - self.hottest_c, 0.0) / 50.0
        soot = np.maximum((after.amorphous - before.amorphous) / self.soot_per_min - 1.0, 0.0)
        return np.asarray(heat + soot)

    def advance(self, state: State, controls: FloatArray, reactor: Reactor) -> State:
        """A minute of furnace time, counted.

        Args:
            state: of B furnaces.
            controls: (B, 4) as in a recipe.
            reactor: of B furnaces.
        """
        from matgym.oracles.growth import as_controls

        with self.ledger.charge("simulation", len(controls)):
            return self.furnace.hold(state, as_controls(controls), reactor, STEP_S)


def scaled_controls(actions: FloatArray) -> FloatArray:
    """(..., 4) actions in [-1, 1] as controls in `LIMITS`."""
    low, high = np.array(list(LIMITS.values())).T
    return np.asarray(low + 0.5 * (np.asarray(actions, dtype=np.float64) + 1.0) * (high - low))


def scaled_actions(controls: FloatArray) -> FloatArray:
    """The inverse of `scaled_controls`."""
    low, high = np.array(list(LIMITS.values())).T
    return np.asarray(2.0 * (controls - low) / (high - low) - 1.0)
