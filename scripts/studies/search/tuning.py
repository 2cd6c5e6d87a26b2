"""Tune the hyper-parameters of agents that search one problem, on instances that no benchmark reports.

For each algorithm six settings are compared: the stored ones, and five random ones. Each search has 256 evaluations, on
each of three tasks: rings of a (8, 0) tube, a low π formation energy of (8, 0)x1, and growth in a separate reactor. The
setting with the best mean score is to be written as `search` into agents/hyperparams/*.yml; algorithms of one family
(PPO, MaskablePPO and RecurrentPPO; DQN and QRDQN; SAC, TD3 and TQC) share theirs.
`python -m scripts.studies.search.tuning` (an hour) writes docs/results/tune-search.json.
"""

import json
import time
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa

from matgym.agents.base import Problem
from matgym.agents.optimizers import rl_search
from matgym.agents.optimizers.heuristics import RandomSearch
from matgym.structures import tube_lattice
from matgym.tasks import Cube, decoration_task
from matgym.tasks.furnace_design import furnace_task
from matgym.tasks.rings import rings_task
from matgym.tasks.solved import Solved
from scripts.studies.common import Study, StudyJob, print_markdown

GRIDS = {
    "PPO": {
        "n_steps": [16, 32, 64], "batch_size": [32, 64, 128], "n_epochs": [4, 10, 20],
        "learning_rate": [3e-4, 1e-3, 3e-3], "ent_coef": [0.0, 0.01, 0.03], "gae_lambda": [0.9, 0.95, 1.0],
    },
    "A2C": {"n_steps": [8, 16, 32], "learning_rate": [7e-4, 2e-3, 5e-3], "ent_coef": [0.0, 0.01, 0.03]},
    "DQN": {
        "learning_rate": [3e-4, 1e-3, 3e-3], "gradient_steps": [1, 2, 4], "target_update_interval": [100, 400],
        "exploration_final_eps": [0.02, 0.1], "learning_starts": [100, 400],
    },
    "SAC": {
        "learning_rate": [3e-4, 1e-3, 3e-3], "gradient_steps": [2, 4, 8], "batch_size": [32, 64],
        "learning_starts": [16, 48],
    },
}  # fmt: skip
"""The values that settings are drawn from."""


@dataclass(frozen=True)
class Settings:
    """The settings of the tuning."""

    drawn: int = 6  # settings of each algorithm
    budget: int = 256  # evaluations of each search
    seeds: int = 1
    rings: int = 12
    frequencies: int = 64  # frequencies of the rings' conductance
    scale: int = 500  # random designs, whose mean and deviation scale the rewards


QUICK = Settings(drawn=1, budget=20, rings=6, frequencies=8, scale=20)


@cache
def tasks(settings):
    """Return the three tasks; the rewards of the rings come from a table of all designs."""
    rings = rings_task(n=8, rings=settings.rings, model="oracle", frequencies=settings.frequencies, low=2.0, high=3.0)
    every = np.concatenate(list(rings.space.enumerate()))
    values = {rings.value_name: rings.verify(every, np.zeros((len(every), 0))).value}
    table = Solved("rings of (8, 0)", rings.space.key(every), values, {})
    return (
        replace(rings, objectives=(replace(rings.objective, model=table), *rings.objectives[1:])),
        decoration_task(
            lattice=tube_lattice(11, 0, 1), budget={"B": 2, "N": 2}, model="solved:doping-easy", direction="maximize",
        ),
        furnace_task(reactor=(12.0, 1.3, 0.8, 2.0, 5.0)),
    )  # fmt: skip


@dataclass(frozen=True)
class Try(StudyJob):
    """The job that runs one algorithm with one setting on all tasks that it can be applied to.

    Attributes:
        settings: the settings of the study.
        algorithm: "random", or a key of `GRIDS`.
        number: the number of the setting; 0 is the stored one.
    """

    settings: Settings
    algorithm: str
    number: int

    @property
    def overrides(self):
        """The setting; it is drawn after those of smaller numbers."""
        rng, drawn = np.random.default_rng(0), {}
        for _ in range(self.number):
            drawn = {name: values[rng.integers(len(values))] for name, values in GRIDS[self.algorithm].items()}
        return drawn

    def run(self):
        """Return one row of scores by task."""
        began, scores = time.perf_counter(), []
        for task in tasks(self.settings):
            if self.algorithm in rl_search.CHOICES_ONLY and isinstance(task.space, Cube):
                continue
            scores.append(float(np.mean([self.best(task, seed) for seed in range(self.settings.seeds)])))
        row = {"algorithm": self.algorithm, "settings": json.dumps(self.overrides), "scores": scores}
        row |= {"mean": float(np.mean(scores)), "seconds": time.perf_counter() - began}
        return pa.Table.from_pylist([row])

    def best(self, task, seed):
        """Return the best reward within the budget, in standard deviations of random designs above their mean."""
        problem, budget = Problem(task, np.zeros(0)), self.settings.budget
        if self.algorithm == "random":
            optimizer = RandomSearch(problem, budget, np.random.default_rng(seed))
        else:
            method = getattr(rl_search, self.algorithm)
            optimizer = method(problem, budget, np.random.default_rng(500 + seed), self.overrides)
        spent, best = 0, -np.inf
        while spent < budget:
            designs = optimizer.ask()[: budget - spent]
            scores = task.score(designs, problem.targets(len(designs)))
            best, spent = max(best, float(scores.reward.max())), spent + len(designs)
            if spent < budget:
                optimizer.tell(designs, scores)
        drawn = task.space.sample(self.settings.scale, np.random.default_rng(99))
        random = task.score(drawn, problem.targets(len(drawn))).reward
        return (best - float(random.mean())) / float(random.std())


def main():
    study = Study.from_command_line("tune-search", __doc__, Settings(), QUICK)
    jobs = [Try(study.settings, "random", 0)]
    jobs += [Try(study.settings, algorithm, number) for algorithm in GRIDS for number in range(study.settings.drawn)]
    random, *rows = study.rows(jobs)
    rows = [row | {"settings": json.loads(row["settings"])} for row in rows]
    study.write({"random": random["scores"], "rows": rows})
    print_markdown(
        ("algorithm", "settings", "scores by task", "mean", "seconds"),
        ((r["algorithm"], r["settings"], np.round(r["scores"], 2), r["mean"], r["seconds"]) for r in (random, *rows)),
    )


if __name__ == "__main__":
    main()
