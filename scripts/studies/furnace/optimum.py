"""Search the best schedule of growth for each reactor by the cross-entropy method, then direct multiple shooting.

The reactors are the standard one and those on which `scripts.studies.furnace.scores` tests. The problem is not convex:
the result holds the best schedule that was found, its start, and the number of starts that ended there.
`python -m scripts.studies.furnace.optimum` (an hour on two cores; needs casadi) writes
docs/results/furnace-optimum.json and prints the table of docs/furnace.md.
"""

import json
import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.agents.controllers.shooting import climb
from matgym.processes.growth.furnace import STANDARD, Variation
from matgym.processes.growth.recipe import scaled_actions, scaled_controls
from matgym.processes.growth.runs import random_recipe
from matgym.tasks.growth import GrowthTask
from scripts.studies.common import ROOT, Study, StudyJob, print_markdown


@dataclass(frozen=True)
class Settings:
    """The settings of the search."""

    reactors: int = 20  # test reactors, which no training uses
    seed: int = 777  # the random seed of these reactors
    generations: int = 60  # generations of the cross-entropy method
    constant_generations: int = 40  # generations of the cross-entropy method for a constant recipe
    population: int = 256
    starts: int = 6  # starts of multiple shooting: cross-entropy result, best constant recipe, random stages
    iterations: int = 150  # iterations of IPOPT
    random: int = 2000  # random schedules


QUICK = Settings(reactors=1, generations=2, constant_generations=2, population=16, starts=2, iterations=5, random=20)


@dataclass(frozen=True)
class Optimise(StudyJob):
    """The job that searches the best schedule of one reactor."""

    settings: Settings
    index: int

    def run(self):
        """Return one row."""
        settings, began, task = self.settings, time.perf_counter(), GrowthTask()
        reactor = reactors(settings)[self.index]
        rng = np.random.default_rng([settings.seed, self.index])
        size = {"population": settings.population, "elite": settings.population // 8}

        def constant(points):
            return task.run(np.repeat(scaled_controls(points)[:, None], task.minutes, axis=1), reactor)

        flat = cross_entropy(constant, np.zeros(4), rng, generations=settings.constant_generations, **size)
        begin = np.tile(flat.point, (task.minutes, 1))
        schedule_search = cross_entropy(
            lambda points: task.run(scaled_controls(points), reactor), begin, rng,
            spread=0.4, generations=settings.generations, **size,
        )  # fmt: skip
        starts = {"cross-entropy": scaled_controls(schedule_search.point), "constant": scaled_controls(begin)}
        while len(starts) < settings.starts:
            starts[f"stages {len(starts)}"] = random_recipe(task.minutes, rng)
        schedules = {name: climb(task, start, reactor, settings.iterations) for name, start in starts.items()}
        values = {"cross-entropy alone": schedule_search.value} | {name: s.objective for name, s in schedules.items()}
        best = max(values, key=values.get)
        controls = schedules[best].controls if best in schedules else scaled_controls(schedule_search.point)
        random = task.run(scaled_controls(rng.uniform(-1.0, 1.0, (settings.random, task.minutes, 4))), reactor)
        row = {
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
        return pa.Table.from_pylist([row])


def reactors(settings):
    """Return the (1 + reactors, 5) parameters of the standard reactor and of the test reactors."""
    rng = np.random.default_rng(settings.seed)
    return np.array([STANDARD] + [Variation().draw(rng) for _ in range(settings.reactors)])


def known_optima(study):
    """Return the (R, 5) test reactors, the J of their best known schedules, and the J of random actions."""
    file = study.docs / "results" / "furnace-optimum.json"
    rows = json.loads((file if file.exists() else ROOT / "docs" / "results" / file.name).read_text(encoding="utf-8"))
    return (np.array([row[name] for row in rows["reactors"][1:]]) for name in ("reactor", "best", "random"))


def main():
    study = Study.from_command_line("furnace-optimum", __doc__, Settings(), QUICK)
    rows = study.rows(Optimise(study.settings, index) for index in range(1 + study.settings.reactors))
    study.write({"reactors": rows})
    table = []
    for index, row in enumerate(rows):
        near = sum(value > row["best"] - 0.5 for name, value in row["found"].items() if name in row["converged"])
        values = (row["random"], row["constant"], row["found"]["cross-entropy alone"])
        starts = f"{near} of {study.settings.starts}"
        table.append((index or "standard", *(f"{x:.1f}" for x in values), f"{row['best']:.2f}", row["by"], starts))
    head = ("reactor", "random", "best constant", "cross-entropy", "best known", "by", "starts within 0.5")
    print_markdown(head, table)


if __name__ == "__main__":
    main()
