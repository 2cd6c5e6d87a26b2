"""The best growth that is known, reactor by reactor: cross-entropy, then direct multiple shooting from many starts.

`python scripts/furnace_optimum.py` writes docs/results/furnace-optimum.json; one file a reactor under runs/optimum, so
that a killed run goes on. Reactors: the standard one, and those on which `scripts/furnace_scores.py` tests. The problem
is not convex: what is written is the best that was found, by whom, and how often starts ended there.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "optimum"
REPORT = ROOT / "docs" / "results" / "furnace-optimum.json"


@dataclass(frozen=True)
class Settings:
    """What is searched."""

    reactors: int = 20  # unseen by every training
    seed: int = 777  # of these reactors
    generations: int = 60  # of the cross-entropy method
    population: int = 256
    starts: int = 6  # of multiple shooting: the cross-entropy method's result, the best constant recipe, random stages
    iterations: int = 150  # of IPOPT


SETTINGS = Settings()


def reactors():
    """(1 + reactors, 5): the standard one and those of the tests."""
    from matgym.processes.growth.reactors import STANDARD, Variation

    rng = np.random.default_rng(SETTINGS.seed)
    return np.array([STANDARD] + [Variation().draw(rng) for _ in range(SETTINGS.reactors)])


def solve(index):
    """The best known schedule of one reactor."""
    from matgym.agents.controllers.cross_entropy import cross_entropy
    from matgym.agents.controllers.shooting import climb
    from matgym.files import write_json
    from matgym.processes.growth.recipe import scaled_actions, scaled_controls
    from matgym.processes.growth.runs import random_recipe
    from matgym.tasks.growth import GrowthTask

    file = RUNS / f"{index}.json"
    if file.exists():
        return
    began, task, reactor = time.perf_counter(), GrowthTask(), reactors()[index]
    rng = np.random.default_rng([SETTINGS.seed, index])
    size = {"population": SETTINGS.population, "elite": SETTINGS.population // 8}

    def constant(points):
        return task.run(np.repeat(scaled_controls(points)[:, None], task.minutes, axis=1), reactor)

    flat = cross_entropy(constant, np.zeros(4), rng, generations=40, **size)
    begin = np.tile(flat.point, (task.minutes, 1))
    found = cross_entropy(
        lambda points: task.run(scaled_controls(points), reactor), begin, rng,
        spread=0.4, generations=SETTINGS.generations, **size,
    )  # fmt: skip
    starts = {"cross-entropy": scaled_controls(found.point), "constant": scaled_controls(begin)}
    while len(starts) < SETTINGS.starts:
        starts[f"stages {len(starts)}"] = random_recipe(task.minutes, rng)
    schedules = {name: climb(task, start, reactor, SETTINGS.iterations) for name, start in starts.items()}
    values = {"cross-entropy alone": found.value} | {name: s.objective for name, s in schedules.items()}
    best = max(values, key=values.get)
    controls = schedules[best].controls if best in schedules else scaled_controls(found.point)
    random = task.run(scaled_controls(rng.uniform(-1.0, 1.0, (2000, task.minutes, 4))), reactor)
    content = {
        "reactor": reactor.tolist(),
        "best": values[best],
        "by": best,
        "constant": flat.value,
        "constant_recipe": scaled_controls(flat.point).tolist(),
        "random": float(random.mean()),
        "found": values,
        "converged": {name: s.converged for name, s in schedules.items()},
        "controls": np.asarray(scaled_actions(controls)).round(5).tolist(),
        "seconds": time.perf_counter() - began,
    }
    write_json(file, content)


def main():
    from matgym.files import write_json

    if "--report" not in sys.argv:
        from rich.progress import track

        RUNS.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(solve, index) for index in range(1 + SETTINGS.reactors)]
            for future in track(futures, "reactors"):
                future.result()
    found = [json.loads((RUNS / f"{index}.json").read_text()) for index in range(1 + SETTINGS.reactors)]
    write_json(REPORT, {"settings": SETTINGS.__dict__, "reactors": found})
    print("| reactor | random | best constant | cross-entropy | best known | by | starts within 0.5 |")
    print("|---|---|---|---|---|---|---|")
    for index, row in enumerate(found):
        near = sum(value > row["best"] - 0.5 for name, value in row["found"].items() if name != "cross-entropy alone")
        print(
            f"| {index or 'standard'} | {row['random']:.1f} | {row['constant']:.1f} "
            f"| {row['found']['cross-entropy alone']:.1f} | {row['best']:.2f} | {row['by']} "
            f"| {near} of {SETTINGS.starts} |"
        )


if __name__ == "__main__":
    main()
