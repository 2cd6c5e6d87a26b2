"""Train the network that chooses the proposals of `neural-annealing`, on problems that no benchmark reports.

The problems are doped tubes with rewards of shipped surrogates, rings with rewards of tables, single tubes with other
targets, and recipes in other reactors. Their tubes, budgets, targets or reactors are not those of the named instances
(`matgym.tasks.instances`).
`python -m scripts.studies.search.proposals` (two minutes of one core; it does not resume) writes
agents/proposals/weights/annealing.safetensors, its card, and docs/results/proposals.json.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from matgym.agents.choosing.training import Settings as TrainingSettings
from matgym.agents.optimizers.heuristics import COLD, HOT
from matgym.agents.problem import Problem
from matgym.agents.proposals.store import STORE
from matgym.agents.proposals.training import Training
from matgym.structures import tube_lattice
from matgym.tasks import DesignTask, chirality_task, decoration_task, rings_task
from matgym.tasks.furnace_design import furnace_task
from matgym.tasks.solved import Solved
from scripts.studies.common import Study


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    updates: int = 60
    seed: int = 0
    most: int = 10  # problems of each family


QUICK = Settings(updates=1, most=1)

TUBES = (
    ((11, 0, 1), {"B": 3, "N": 3}, "nanotube-doping", "gap_ev", "maximize"),
    ((11, 0, 1), {"B": 4, "N": 4}, "nanotube-doping", "gap_ev", "target"),
    ((11, 0, 1), {"B": 6, "N": 3}, "nanotube-doping", "gap_ev", "maximize"),
    ((11, 0, 2), {"B": 4, "N": 6}, "nanotube-doping", "gap_ev", "target"),
    ((11, 0, 2), {"B": 5, "N": 5}, "nanotube-doping", "gap_ev", "maximize"),
    ((8, 0, 2), {"B": 4, "N": 4}, "nanotube-formation", "formation_ev", "minimize"),
    ((6, 6, 3), {"B": 3, "N": 5}, "nanotube-formation", "formation_ev", "target"),
    ((10, 0, 1), {"B": 6}, "nanotube-formation", "formation_ev", "minimize"),
    ((8, 0, 2), {"14C": 5}, "nanotube-heat", "thermal_conductance_nw_k", "minimize"),
    ((10, 0, 1), {"14C": 4}, "nanotube-heat", "thermal_conductance_nw_k", "maximize"),
)
RINGS = ((7, 10, "minimize"), (8, 10, "maximize"), (9, 10, "minimize"))
TARGETS = ((0.30, 0.80, 2.0), (0.55, 1.40, 6.0), (0.95, 0.90, 3.0), (0.70, 1.25, 5.0), (0.10, 1.00, 1.5))
REACTORS = ((12.0, 1.3, 0.8, 2.0, 5.0), (9.0, 0.8, 1.2, 1.0, 3.0))


def scaled(task: DesignTask) -> tuple[DesignTask, float]:
    """Return a task with a range of rewards a third wider than that of 256 random designs, and its extreme value."""
    values = task.score(task.space.sample(256, np.random.default_rng(1)), np.zeros((256, 0))).value
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    wide = (high - low) / 3.0
    first = task.objective
    return replace(task, objectives=(replace(first, low=low - wide, high=high + wide),)), high + 0.1 * wide


def tube_problem(tube, budget, model, prop, direction):
    extreme = "minimize" if direction == "minimize" else "maximize"
    settings = {"lattice": tube_lattice(*tube), "budget": budget, "model": model, "property": prop}
    task, target = scaled(decoration_task(**settings, direction=extreme, low=0.0, high=1.0))
    if direction != "target":
        return Problem(task, np.zeros(0))
    first = replace(task.objective, direction="target", margin=0.25 * (task.objective.high - task.objective.low))
    return Problem(replace(task, objectives=(first,)), np.array([target]))


def ring_problem(n, rings, direction):
    task = rings_task(n=n, rings=rings, model="oracle", frequencies=64, direction=direction, low=0.0, high=9.0)
    every = np.concatenate(list(task.space.enumerate()))
    values = {task.value_name: task.verify(every, np.zeros((len(every), 0))).value}
    table = Solved(f"rings of ({n}, 0)", task.space.key(every), values, {})
    task, _ = scaled(replace(task, objectives=(replace(task.objective, model=table),)))
    return Problem(task, np.zeros(0))


def chirality_problem(*target):
    return Problem(chirality_task(), np.array(target))


def recipe_problem(*reactor):
    return Problem(furnace_task(reactor=reactor), np.zeros(0))


FAMILIES = {tube_problem: TUBES, ring_problem: RINGS, chirality_problem: TARGETS, recipe_problem: REACTORS}


def problems(most):
    """Return the problems of the training by their descriptions; of each family the first `most`."""
    return {
        f"{make.__name__.removesuffix('_problem')} {each}": make(*each)
        for make, family in FAMILIES.items()
        for each in family[:most]
    }


def trained(study, training, store, name, problems, command, **facts):
    """Train a network that chooses; write its weights with their card, and the gain of each update."""
    began, rows = time.perf_counter(), []

    def on_update(update, gain):
        rows.append({"update": update, "gain": gain, "evaluations": training.evaluations})
        print(f"update {update}: gain {gain:.2f}, {training.evaluations:,} evaluations", flush=True)

    network = training.run(on_update)
    folder = study.docs / "weights" if study.quick else store.shipped
    folder.mkdir(parents=True, exist_ok=True)
    store.save_network(
        network, folder / f"{name}.safetensors", evaluations=training.evaluations, problems=tuple(problems),
        seed=training.settings.seed, seconds=time.perf_counter() - began, command=command, **facts,
    )  # fmt: skip
    study.write({"problems": list(problems), "evaluations": training.evaluations, "rows": rows})


def main():
    study = Study.from_command_line("proposals", __doc__, Settings(), QUICK)
    named = problems(study.settings.most)
    settings = TrainingSettings(updates=study.settings.updates, seed=study.settings.seed)
    training = Training(tuple(named.values()), settings, (HOT, COLD))
    trained(
        study, training, STORE, "annealing", named, "python -m scripts.studies.search.proposals",
        temperatures=training.temperatures,
    )  # fmt: skip


if __name__ == "__main__":
    main()
