"""Measure the network of a film's statistics: its error by step, and its speed beside the simulator's.

The network is the shipped one of `matgym furnace train annealing`. Its error is measured on runs that it has not seen.
The speed is measured at equal batch, at the mean schedule of the training, on one thread.

`python -m scripts.studies.furnace.films` (3 minutes) writes docs/results/annealing-statistics.json and prints the
tables of docs/furnace.md.
"""

import time
from dataclasses import dataclass

import numpy as np

from matgym.processes.annealing.film import STEP_S, Film, scaled_celsius
from matgym.processes.annealing.runs import annealing_runs, random_films, random_schedule
from matgym.processes.sequences.learned import load_sequences
from matgym.units import CELSIUS_K
from scripts.studies.common import Study, print_markdown

GRAINS, PARTICLES = (120, 200), (0.04, 0.12)


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement."""

    runs: int = 400
    steps: tuple[int, ...] = (1, 10, 30, 60, 90)
    speed: tuple[tuple[int, int], ...] = ((64, 64), (128, 16))  # (sites along a side, batch)
    speed_steps: int = 30


QUICK = Settings(runs=4, steps=(1, 8), speed=((64, 2),), speed_steps=2)


def by_step(network, settings):
    """Return R² and mean absolute error of the network at some steps of held-out runs."""
    runs = annealing_runs(settings.runs, np.random.default_rng(99), steps=settings.steps[-1])
    predictions, rows = network.predict(runs.controls, runs.start, runs.begun), []
    for step in settings.steps:
        truth, guess = runs.outcomes[:, step - 1], predictions[:, step - 1]
        r2 = 1.0 - ((guess - truth) ** 2).mean(axis=0) / truth.var(axis=0)
        mae = np.abs(guess - truth).mean(axis=0)
        row = {"step": step}
        for name, a, b in zip(runs.outcome_names, r2, mae, strict=True):
            row |= {f"{name}: R²": float(a), f"{name}: MAE": float(b)}
        rows.append(row)
    return rows


def speed(network, size, batch, steps):
    """Return a row with the steps per second of network and simulator at equal batch."""
    rng, film = np.random.default_rng(3), Film()
    generators = rng.spawn(batch)
    labels = random_films(batch, rng, size=size, grains=GRAINS, particles=PARTICLES)
    schedules = np.stack([random_schedule(steps, rng) for _ in range(batch)])
    state = film.fresh(labels, np.full(batch, 1273.15))
    memory = network.begin(film.measures(state)[:, [0, 2]], film.measures(state))
    marks = []
    for step in range(steps):
        clock = [time.perf_counter()]
        network.step(memory, scaled_celsius(schedules[:, step])[:, None])
        clock.append(time.perf_counter())
        state = film.hold(state, schedules[:, step] + CELSIUS_K, STEP_S, generators)
        film.measures(state)
        clock.append(time.perf_counter())
        marks.append(np.diff(clock))
    learned, simulated = (float(steps * batch / spent) for spent in np.sum(marks, axis=0))
    return {
        "sites": f"{size} x {size}", "batch": batch, "network, steps/s": learned, "simulator, steps/s": simulated,
        "times as fast": learned / simulated,
    }  # fmt: skip


def main():
    study = Study.from_command_line("annealing-statistics", __doc__, Settings(), QUICK)
    settings, network = study.settings, load_sequences("annealing")
    result = {
        "by_step": by_step(network, settings),
        "speed": [speed(network, size, batch, settings.speed_steps) for size, batch in settings.speed],
    }
    study.write(result)
    for rows in result.values():
        print_markdown(rows[0], (row.values() for row in rows))


if __name__ == "__main__":
    main()
