"""The simulated runs on which the network of a film's statistics is trained."""

import numpy as np

from matgym.processes.annealing.film import COLDEST_C, HOTTEST_C, OUTCOMES, STEP_S, Film, scaled_celsius
from matgym.processes.annealing.microstructure import Labels, voronoi
from matgym.processes.sequences.runs import Runs
from matgym.typing import FloatArray
from matgym.units import CELSIUS_K


def random_films(
    count: int, rng: np.random.Generator, *, size: int = 64, grains: tuple[int, int], particles: tuple[float, float]
) -> Labels:
    """Draw (count, size, size) films as deposited.

    Args:
        count: the number of films.
        rng: the source of randomness.
        size: the number of sites along a side.
        grains: the range of the number of grains per 64 x 64 sites.
        particles: the range of the share of sites with a particle.
    """
    scale = (size / 64.0) ** 2
    return np.stack(
        [
            voronoi(
                size,
                round(int(rng.integers(grains[0], grains[1] + 1)) * scale),
                round(rng.uniform(*particles) * size * size),
                rng,
            )
            for _ in range(count)
        ]
    )


def random_schedule(steps: int, rng: np.random.Generator) -> FloatArray:
    """Draw (steps,) set points in °C, in one to six stages, half of the time with random fluctuations."""
    stages = int(rng.integers(1, 7))
    ends = np.sort(rng.integers(1, steps, stages - 1)) if steps > 1 else np.zeros(0)
    levels = rng.uniform(COLDEST_C, HOTTEST_C, stages)
    celsius = levels[np.searchsorted(ends, np.arange(steps), side="right")]
    return np.asarray(np.clip(celsius + rng.normal(0.0, rng.choice([0.0, 30.0]), steps), COLDEST_C, HOTTEST_C))


def annealing_runs(
    count: int,
    rng: np.random.Generator,
    *,
    steps: int = 30,
    size: int = 64,
    grains: tuple[int, int] = (120, 200),
    particles: tuple[float, float] = (0.04, 0.12),
    start_c: float = COLDEST_C,
) -> Runs:
    """Simulate random schedules on random films; `Runs.start` holds the initial radius and share of particles."""
    film = Film()
    generators = rng.spawn(count)
    state = film.fresh(
        random_films(count, rng, size=size, grains=grains, particles=particles), np.full(count, start_c + CELSIUS_K)
    )
    begun = film.measures(state)
    schedules = np.stack([random_schedule(steps, rng) for _ in range(count)])
    outcomes = np.empty((count, steps, len(OUTCOMES)))
    for step in range(steps):
        state = film.hold(state, schedules[:, step] + CELSIUS_K, STEP_S, generators)
        outcomes[:, step] = film.measures(state)
    names = (("setpoint",), ("radius", "particles"), OUTCOMES)
    return Runs(*names, scaled_celsius(schedules)[:, :, None], begun[:, [0, 2]], begun, outcomes)
