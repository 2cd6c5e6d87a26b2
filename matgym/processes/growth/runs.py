"""The outcomes of a recipe, and the simulated runs on which a network over time is trained."""

import math
from typing import Final

import numpy as np

from matgym.processes.growth.furnace import STANDARD, Controls, Furnace, Reactor, State, Variation
from matgym.processes.growth.recipe import LIMITS, PREHEATED_C, STEP_S, scaled_actions, scaled_controls
from matgym.processes.sequences.runs import Runs
from matgym.typing import FloatArray, Module, Values
from matgym.units import CELSIUS_K

RAMAN_NM: Final = 532.0
"""The laser wavelength for which D/G is given, nm."""

ATOM_AREA_NM2: Final = 0.026196
"""The area of an atom in graphene, nm²."""

GROWN: Final = {
    "length_um": "length of the tubes on the remaining particles",
    "growth_rate_um_s": "fastest growth, averaged over a minute",
    "activity": "share of the particles' surface that is bare at the end",
    "density": "share of the particles that remain after ripening",
    "particle_nm": "diameter of the particles, and of the tubes' outer walls",
    "walls": "walls of a tube",
    "disorder": "D/G: Raman intensity of defects over that of the lattice, at 532 nm",
    "amorphous": "amorphous carbon on the tubes, monolayers",
    "energy_kwh": "energy that the furnace consumed",
}
"""The outcomes of a recipe, with descriptions."""


def grow(controls: FloatArray, reactor: FloatArray = STANDARD, furnace: Furnace | None = None) -> dict[str, float]:
    """Run one recipe, (minutes, 4) controls, in a (5,) reactor, and return a value for each of `GROWN`."""
    furnace, parameters = furnace or Furnace(), Reactor(*reactor[:, None])
    state, fastest = furnace.cold(parameters, PREHEATED_C + CELSIUS_K), 0.0
    for minute in controls:
        before = state.length_um.item()
        state = furnace.hold(state, Controls.of(minute[None]), parameters, STEP_S)
        fastest = max(fastest, (state.length_um.item() - before) / STEP_S)
    kinetics, diameter = furnace.kinetics, state.diameter_nm.item()
    sites = math.pi * (1e-9 * diameter) ** 2 * kinetics.monolayer_m2
    outcomes = (
        state.length_um.item(), fastest, 1.0 - state.layer.item() / sites, (float(reactor[0]) / diameter) ** 3,
        diameter, float(kinetics.walls(diameter)), disorder(state.defects, state.grown).item(), state.amorphous.item(),
        state.energy_kwh.item(),
    )  # fmt: skip
    return dict(zip(GROWN, outcomes, strict=True))


def yield_um(state: State, reactor: Reactor) -> Values:
    """Return the carbon in tubes on the wafer, as the length of tubes with that much carbon on unripened particles, µm.

    After ripening (d₀/d)³ of the particles remain, and a micrometre of a tube has (d/d₀)² times as many atoms.
    """
    return state.length_um * reactor.diameter_nm / state.diameter_nm


def disorder(defects: Values, grown: Values, xp: Module = np) -> Values:
    """Return D/G of tubes of which `defects` of the `grown` atoms are part of a defect; zero if nothing has grown.

    The ratio of the Raman bands follows from the distance between defects: I_D/I_G = 1.8e-9 λ⁴ / L_D², with wavelength
    and distance in nm (Cançado et al., Nano Lett. 11, 3190 (2011), for graphene with few defects; M).
    """
    share = defects / xp.fmax(grown, 1.0)
    return 1.8e-9 * RAMAN_NM**4 * math.pi / ATOM_AREA_NM2 * share


OUTCOMES: Final = ("yield_um", "disorder", "log_amorphous", "energy_kwh")
"""The outcomes that the network predicts, and on which the reward of `matgym.tasks.growth.GrowthTask` depends: the
yield of `yield_um`, D/G, the logarithm of 1 + monolayers of amorphous carbon, and the energy."""

SENSIBLE: Final = 0.75
"""The share of random recipes that are drawn near conditions that grow tubes; the others cover the furnace's range."""


def growth_runs(count: int, rng: np.random.Generator, *, minutes: int = 30, preheated_c: float = PREHEATED_C) -> Runs:
    """Simulate random recipes in random reactors, into which wafers are loaded at `preheated_c`."""
    variation = Variation()
    controls = np.stack([random_recipe(minutes, rng) for _ in range(count)])
    reactors = np.stack([variation.draw(rng) for _ in range(count)])
    furnace, reactor = Furnace(), Reactor(*reactors.T.copy())
    state = furnace.cold(reactor, preheated_c + CELSIUS_K)
    outcomes = np.empty((count, minutes, len(OUTCOMES)))
    for minute in range(minutes):
        state = furnace.hold(state, Controls.of(controls[:, minute]), reactor, STEP_S)
        outcomes[:, minute] = np.column_stack(
            [
                yield_um(state, reactor),
                disorder(state.defects, state.grown),
                np.log1p(state.amorphous),
                state.energy_kwh,
            ]
        )
    names = (tuple(LIMITS), Reactor._fields, OUTCOMES)
    return Runs(*names, scaled_actions(controls), reactors, np.zeros((count, len(OUTCOMES))), outcomes)


def random_recipe(minutes: int, rng: np.random.Generator) -> FloatArray:
    """Draw the (minutes, 4) controls of a recipe of one to six stages with random fluctuations."""
    stages = int(rng.integers(1, 7))
    ends = np.sort(rng.choice(np.arange(1, minutes), stages - 1, replace=False)) if minutes > stages else np.array([])
    stage = np.searchsorted(ends, np.arange(minutes), side="right")
    if rng.random() < SENSIBLE:
        celsius = rng.normal(rng.uniform(660.0, 740.0), 25.0, stages)
        feed = 180.0 * np.exp(rng.normal(0.0, 0.8, stages))
        hydrogen = 40_000.0 * rng.random(stages) ** 4 * (rng.random(stages) < 0.5)
        water = 100.0 * rng.random(stages) ** 2 * (rng.random(stages) < 0.6)
        pulse = rng.random(stages) < 0.15  # regeneration: no feed, water, hot
        feed, water = np.where(pulse, 0.0, feed), np.where(pulse, rng.uniform(20.0, 100.0, stages), water)
        celsius = np.where(pulse, rng.uniform(680.0, 900.0, stages), celsius)
        levels = np.column_stack([celsius, feed, hydrogen, water])
    else:
        levels = scaled_controls(rng.uniform(-1.0, 1.0, (stages, len(LIMITS))))
    low, high = np.array(list(LIMITS.values())).T
    jitter = rng.normal(0.0, rng.choice([0.0, 0.02, 0.1]), (minutes, len(LIMITS))) * (high - low)
    return np.asarray(np.clip(levels[stage] + jitter, low, high))
