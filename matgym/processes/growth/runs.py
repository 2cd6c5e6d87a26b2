"""What a furnace grows, as a network over the recipe's time series has it: the runs that it learns from."""

from typing import Final

import numpy as np

from matgym.processes.growth.furnace import Controls, Furnace
from matgym.processes.growth.outcomes import disorder, yield_um
from matgym.processes.growth.reactors import Reactor, Variation
from matgym.processes.growth.recipe import LIMITS, PREHEATED_C, STEP_S, scaled_actions, scaled_controls
from matgym.processes.sequences.runs import Runs
from matgym.typing import FloatArray
from matgym.units import CELSIUS_K

OUTCOMES: Final = ("yield_um", "disorder", "log_amorphous", "energy_kwh")
"""What is predicted, and what `matgym.tasks.GrowthTask` pays for: tubes as the length that they would have on particles
that did not ripen, D/G, the logarithm of 1 + monolayers of amorphous carbon, energy."""

SENSIBLE: Final = 0.75
"""Share of recipes that are drawn about what grows tubes; the others from all that the furnace takes."""


def growth_runs(count: int, rng: np.random.Generator, *, minutes: int = 30, preheated_c: float = PREHEATED_C) -> Runs:
    """Runs of random recipes in random reactors, into which wafers are loaded at `preheated_c`."""
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
    """(minutes, 4) controls in a few stages, with some jitter."""
    stages = int(rng.integers(1, 7))
    ends = np.sort(rng.choice(np.arange(1, minutes), stages - 1, replace=False)) if minutes > stages else np.array([])
    stage = np.searchsorted(ends, np.arange(minutes), side="right")
    if rng.random() < SENSIBLE:
        celsius = rng.normal(rng.uniform(660.0, 740.0), 25.0, stages)
        feed = 180.0 * np.exp(rng.normal(0.0, 0.8, stages))
        hydrogen = 40_000.0 * rng.random(stages) ** 4 * (rng.random(stages) < 0.5)
        water = 100.0 * rng.random(stages) ** 2 * (rng.random(stages) < 0.6)
        pulse = rng.random(stages) < 0.15  # regenerate: feed off, water on, hot
        feed, water = np.where(pulse, 0.0, feed), np.where(pulse, rng.uniform(20.0, 100.0, stages), water)
        celsius = np.where(pulse, rng.uniform(680.0, 900.0, stages), celsius)
        levels = np.column_stack([celsius, feed, hydrogen, water])
    else:
        levels = scaled_controls(rng.uniform(-1.0, 1.0, (stages, len(LIMITS))))
    low, high = np.array(list(LIMITS.values())).T
    jitter = rng.normal(0.0, rng.choice([0.0, 0.02, 0.1]), (minutes, len(LIMITS))) * (high - low)
    return np.asarray(np.clip(levels[stage] + jitter, low, high))
