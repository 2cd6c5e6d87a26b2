"""How rare the briefs of NanotubeDesign-v0 are, and what meets them: random designs, look-up, and searches.

Shares: of random designs that meet a brief, on tubes that are chosen and given. Searches: briefs on given tubes of
chiralities that no training sees, with 1, 4, 16, 64 and 256 designs that the surrogates score.

`python -m scripts.studies.briefs` (two hours on a core) writes docs/results/briefs.json and prints the tables of
docs/environments/NanotubeDesign-v0.md. `--quick` takes half a minute.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest

from matgym.agents import GeneticAlgorithm, Problem, RandomSearch, SimulatedAnnealing
from matgym.agents.base import CheckedOptimizer
from matgym.agents.look_up import LookUp
from matgym.agents.optimizers.heuristics import HillClimbing
from matgym.agents.optimizers.pair_model import PairModel
from matgym.tasks import brief_task
from matgym.tasks.any_tube import lattices_of
from matgym.tasks.brief import LEVELS
from scripts.studies.common import Study, StudyJob, interval, print_markdown

PART = 2_000
METHODS = {
    "random": RandomSearch, "hill climbing": HillClimbing, "annealing": SimulatedAnnealing,
    "genetic": GeneticAlgorithm, "pair model": PairModel,
}  # fmt: skip
TABLES = (64, 1_024, 16_384)


@dataclass(frozen=True)
class Settings:
    """The settings of the study.

    Attributes:
        designs: random designs of each level.
        briefs: briefs whose share of random designs is measured.
        levels: levels of the searches.
        seeds: searches of each method, each for another brief on another tube.
        queries: numbers of designs that are scored, at which a brief counts as met.
        tables: numbers of designs of look-up tables.
    """

    designs: tuple[tuple[str, int], ...] = (
        ("easy", 20_000), ("medium", 40_000), ("hard", 200_000), ("extreme", 1_000_000)
    )  # fmt: skip
    briefs: int = 200
    levels: tuple[str, ...] = ("easy", "medium", "hard")
    seeds: int = 32
    queries: tuple[int, ...] = (1, 4, 16, 64, 256)
    tables: tuple[int, ...] = TABLES


QUICK = Settings((("easy", 200),), 8, ("easy",), 2, (1, 4), (16,))


def held_out(level):
    """Return the lattices of each fourth chirality of a level, which no training sees, and the others."""
    lattices = lattices_of(LEVELS[level].sites)
    names = sorted({(each.n, each.m) for each in lattices})
    apart = set(names[3::4])
    return [each for each in lattices if (each.n, each.m) in apart], [
        each for each in lattices if (each.n, each.m) not in apart
    ]


@dataclass(frozen=True)
class Shares(StudyJob):
    """The job of a part of the random designs of a level.

    Attributes:
        settings: the settings of the study.
        level: the level.
        given: whether the tube is given; then each brief has designs on its own tube.
        part: number of the part.
    """

    settings: Settings = field(repr=False)
    level: str
    given: bool
    part: int

    def run(self):
        """Return a row with the number of designs and that of designs that meet a brief, over all briefs."""
        task = brief_task(self.level, given=self.given)
        rng, count = np.random.default_rng([7, self.part]), dict(self.settings.designs)[self.level]
        number = min(PART, count)
        lattice = int(rng.integers(len(task.space.lattices))) if self.given else None
        designs = (
            task.space.sample(number, rng) if lattice is None else task.space.sample_on(np.full(number, lattice), rng)
        )
        bounds = [task.briefs.draw(np.random.default_rng([8, i]), lattice) for i in range(self.settings.briefs)]
        scores = task.score(designs, np.tile(bounds[0], (number, 1)))  # the same values for every brief
        met = sum(int(task.met(scores, np.tile(each, (number, 1))).sum()) for each in bounds)
        tries = number * len(bounds)
        return pa.Table.from_pylist([{"level": self.level, "given": self.given, "tries": tries, "met": met}])


@dataclass(frozen=True)
class Search(StudyJob):
    """The job of one method on one brief.

    Attributes:
        settings: the settings of the study.
        level: the level.
        method: the method, or "look-up N".
        seed: number of the brief.
    """

    settings: Settings = field(repr=False)
    level: str
    method: str
    seed: int

    def run(self):
        """Return a row for each number of queries: whether a design met the brief, and the best reward."""
        unseen, _ = held_out(self.level)
        rng = np.random.default_rng([9, self.seed])
        tube = unseen[int(rng.integers(len(unseen)))]
        task = brief_task(self.level, lattices=[tube], given=True, seed=1)
        target, most = task.briefs.draw(rng), max(self.settings.queries)
        if self.method.startswith("look-up"):
            table = LookUp.of(task, int(self.method.split()[1]), np.random.default_rng(self.seed))
            order = np.argsort(-task.reward_of(table.achieved, target), kind="stable")
            designs = table.designs[order[:most]]
            scores = task.score(designs, np.tile(target, (len(designs), 1)))
            rewards, met = scores.reward, task.met(scores, np.tile(target, (len(designs), 1)))
        else:
            rewards, met = searched(METHODS[self.method], task, target, most, self.seed)
        return pa.Table.from_pylist(
            [
                {
                    "level": self.level, "method": self.method, "seed": self.seed, "queries": count,
                    "met": bool(met[:count].any()), "reward": float(rewards[:count].max()),
                }
                for count in self.settings.queries
            ]
        )  # fmt: skip


def searched(make, task, target, most, seed):
    """Return (most,) rewards and whether designs meet a brief, in the order of a search."""
    optimizer = CheckedOptimizer(make, Problem(task, target), most, np.random.default_rng(seed))
    rewards, met = [], []
    while len(rewards) < most:
        designs = optimizer.ask()[: most - len(rewards)]
        bounds = np.tile(target, (len(designs), 1))
        scores = task.score(designs, bounds)
        optimizer.tell(designs, scores)
        rewards += scores.reward.tolist()
        met += task.met(scores, bounds).tolist()
    return np.array(rewards), np.array(met)


def jobs(settings):
    """Return the jobs of a study."""
    for level in settings.levels:
        for method in (*METHODS, *(f"look-up {size}" for size in settings.tables)):
            for seed in range(settings.seeds):
                yield Search(settings, level, method, seed)
    for level, count in settings.designs:
        for given in (False, True):
            for part in range(-(-count // PART)):
                yield Shares(settings, level, given, part)


def main():
    study = Study.from_command_line("briefs", __doc__, Settings(), QUICK)
    rows = study.rows(jobs(study.settings))
    shares = []
    for level, _ in study.settings.designs:
        for given in (False, True):
            mine = [row for row in rows if row.get("given") is given and row["level"] == level and "tries" in row]
            tries, met = (sum(row[name] for row in mine) for name in ("tries", "met"))
            shares.append({"level": level, "tube": "given" if given else "chosen", "designs": tries, "met": met})
    print_markdown(
        ("level", "tube", "random designs that meet a brief"),
        ((row["level"], row["tube"], f"{100 * row['met'] / row['designs']:.4f} %") for row in shares),
    )
    found = [row for row in rows if "queries" in row]
    names = dict.fromkeys((row["level"], row["method"]) for row in found)
    table, lines = [], []
    for level, method in names:
        cells = []
        for count in study.settings.queries:
            met = [
                row["met"] for row in found if (row["level"], row["method"], row["queries"]) == (level, method, count)
            ]
            ends = binomtest(sum(met), len(met)).proportion_ci(method="wilson")
            cells.append(interval(*(100 * share for share in (sum(met) / len(met), ends.low, ends.high)), ".0f"))
            table.append({"level": level, "method": method, "queries": count, "briefs": len(met), "met": sum(met)})
        lines.append((level, method, *cells))
    print_markdown(("level", "method", *(f"{count} queries, %" for count in study.settings.queries)), lines)
    study.write({"shares": shares, "searches": table})


if __name__ == "__main__":
    main()
