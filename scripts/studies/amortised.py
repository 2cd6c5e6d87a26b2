"""Briefs on unseen tubes: look-up, hill climbing, greedy changes, trained agents and searches, verified by the oracle.

`python -m scripts.studies.amortised` (some hours on two cores) trains agents, gives each method the same random design,
on the same tube of a chirality that no training saw, with the same brief, and writes docs/results/amortised.json, and
the first agents of levels medium and hard to agents/zoo/. After an interruption the same command continues.
`--workers 1` computes on one core.

Designs hold no vacancies: no potential describes them beside B and N, and the oracle of the formation energy has no
value of such tubes, so that no brief could be verified.

- Random plays random actions. Blind is the best of five sequences that look at nothing: stop, or a strain and stop.
  Look-up scores N random designs on the tube of the brief. Hill climbing mutates the initial design by the moves of the
  space, and scores as many designs as an episode has changes. Greedy is `matgym.agents.greedy`. Trained is MaskablePPO
  with HoneycombPolicy, which first imitates greedy on other tubes; its actions are sampled.
- With k attempts, the first begins with the initial design, and the other ones with random designs on the tube. Look-up
  has k designs of its table. A brief is met if the surrogates say so of one of them.
- Searches score designs one by one, or in their own batches.
- Verified: a method scores designs, the one with the largest chance to meet the brief is computed by the oracles, and
  so on until one meets it, four times at most. The chance is that of the surrogates' values with a Gaussian process on
  their errors (`matgym.agents.residuals`), which was fitted to other tubes, and which each verified design informs. It
  is the same for all methods: policies give the designs of their attempts, of which half begin with the best verified
  design and half with random ones, for a brief that the expected errors shift and that is narrower by a quarter on each
  side; look-up gives its table.
- The tubes are unseen by the training of agents. The surrogates of Young's modulus and of the formation energy have
  seen other designs on five of the seven chiralities, and that of heat on one.
"""

import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from scipy.stats import binomtest

from matgym.agents.experts import expert_of
from matgym.agents.imitation import imitate
from matgym.agents.improving import climbing, inside, played, properties, table_of
from matgym.agents.storage import save_agent
from matgym.agents.training import learn, learner
from matgym.app.briefs import ENVIRONMENT, arguments
from matgym.benchmark.break_even import break_even, share_within
from matgym.tasks.any_tube import STRAINS
from scripts.studies.agents.zoo import scores_of
from scripts.studies.briefs import METHODS, searched
from scripts.studies.common import Study, StudyJob, interval, print_markdown
from scripts.studies.verified_briefs import (
    FIRST,
    TRAINED,
    Calibrate,
    Verify,
    brief_of,
    error_models,
    played_in,
    policy_of,
)

ALONE = ("random", "blind", "hill climbing", "greedy")
SEARCHES = tuple(name for name in METHODS if name not in {"random", "hill climbing"})


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        levels: level, and number of briefs that the surrogates judge, that searches see, and that the oracle verifies.
        attempts: numbers of attempts.
        tables: sizes of look-up tables.
        counts: numbers of designs that a search scores.
        queries: largest number of verified designs of a brief.
        seeds: trained agents of a level.
        imitated: episodes of the expert that an agent imitates.
        steps: steps of MaskablePPO thereafter.
        bonus: what a brief that is met adds to the return.
        played: episodes on unseen tubes whose returns the card of an agent holds.
        calibrated: pairs of like designs on each tube of `CALIBRATED`.
        verified: methods whose designs the oracle verifies.
    """

    levels: tuple[tuple[str, int, int, int], ...] = (
        ("medium", 128, 32, 16), ("hard", 128, 32, 16)
    )  # fmt: skip
    attempts: tuple[int, ...] = (1, 4, 16)
    tables: tuple[int, ...] = (64, 256, 1_024, 4_096, 16_384)
    counts: tuple[int, ...] = (4, 64)
    queries: int = 4
    seeds: int = 1
    imitated: int = 384
    steps: int = 16_384
    bonus: float = 0.5
    played: int = 16
    calibrated: int = 3
    verified: tuple[str, ...] = ("look-up 1024", "look-up 4096", "greedy", TRAINED)


SHIPPED = {"medium", "hard"}
"""Levels whose first agent comes with matgym, as improvement-LEVEL."""

QUICK = Settings(
    (("easy", 4, 1, 1),), (1, 2), (16,), (2,), 1, 1, 4, 64, played=2, calibrated=1, verified=("look-up 16",)
)

SETTINGS = {"n_envs": 64, "n_steps": 32, "batch_size": 256, "n_epochs": 3, "gamma": 0.99, "learning_rate": 5e-4,
            "target_kl": 0.03}  # fmt: skip
"""Hyper-parameters of MaskablePPO. A choice of ours, not tuned."""


# ---- jobs


@dataclass(frozen=True)
class Train(StudyJob):
    """The training of an agent."""

    settings: Settings = field(repr=False)
    level: str
    seed: int
    file: str = field(repr=False)

    def run(self):
        """Return a row of what it took, and store the agent."""
        torch.set_num_threads(1)
        settings, seen, began = self.settings, arguments(self.level, held_out=False), time.perf_counter()
        bonus = {"met_bonus": settings.bonus}
        agent, _ = learner(
            ENVIRONMENT, "MaskablePPO", seed=self.seed, arguments=seen | bonus, settings=SETTINGS
        )  # fmt: skip
        rng = np.random.default_rng(self.seed)
        copied = imitate(agent, expert_of(ENVIRONMENT).make(), settings.imitated, rng)
        ledger = agent.get_env().envs.task.ledger
        if settings.steps:
            learn(agent, settings.steps, lambda _done, _mean: None)
        row = {"level": self.level, "seed": self.seed, "seconds": time.perf_counter() - began}
        row |= {"designs": sum(ledger.counts.values()) // 3, "steps": agent.num_timesteps}  # by three surrogates
        unseen = arguments(self.level, held_out=True) | bonus
        scores = scores_of(agent, ENVIRONMENT, unseen, settings.played, deterministic=False)
        save_agent(
            agent, self.file, environment=ENVIRONMENT, arguments=seen | bonus, seconds=round(row["seconds"], 1),
            designs=row["designs"], imitated=copied.episodes, command="python -m scripts.studies.amortised",
            scores=scores,
        )  # fmt: skip
        return pa.Table.from_pylist([row | {"imitated_steps": copied.steps, "nll": copied.losses[-1][0]}])


@dataclass(frozen=True)
class Score(StudyJob):
    """What a method reaches at one level, as the surrogates judge."""

    settings: Settings = field(repr=False)
    level: str
    method: str
    briefs: int = field(repr=False)
    seed: int = 0
    file: str | None = field(default=None, repr=False)

    def run(self):
        """Return a row for each brief and number of attempts."""
        torch.set_num_threads(1)
        rng, envs = np.random.default_rng([1, self.seed]), played_in(self.level, self.briefs)
        envs.reset(seed=FIRST)
        episodes, rows, began = envs.episodes, [], time.perf_counter()
        lattices, targets = episodes.builder.designs[:, 0].astype(np.int64), np.array(episodes.targets)
        met, scored = np.zeros(self.briefs, dtype=bool), np.zeros(self.briefs)
        most = 1 if self.method.startswith("look-up") or self.method == "blind" else max(self.settings.attempts)
        for attempt in range(1, most + 1):
            if attempt > 1:
                designs = episodes.task.space.sample_on(lattices, rng)
                envs.reset(options={"design": designs, "target": targets})
            now, number = self._attempt(envs, lattices, rng)
            met, scored = met | now, scored + number
            if attempt in self.settings.attempts:
                seconds = (time.perf_counter() - began) / self.briefs
                rows += [
                    {
                        "level": self.level, "method": self.method, "seed": self.seed, "attempts": attempt, "brief": i,
                        "met": bool(met[i]), "scored": float(scored[i]), "seconds": seconds,
                    }
                    for i in range(self.briefs)
                ]  # fmt: skip
        return pa.Table.from_pylist(rows)

    def _attempt(self, envs, lattices, rng):
        """Return (B,) whether an attempt meets each brief, and the number of designs that it scored."""
        episodes = envs.episodes
        task, targets = episodes.task, episodes.targets
        if self.method.startswith("look-up"):
            count, met = int(self.method.split()[1]), np.zeros(len(lattices), dtype=bool)
            for lattice in np.unique(lattices):
                _, values = table_of(task, lattice, count, rng)
                for row in np.flatnonzero(lattices == lattice):
                    met[row] = inside(task, values, targets[row]).any()
            return met, np.full(len(met), float(count))
        if self.method == "blind":
            designs = np.repeat(episodes.builder.designs[None], len(STRAINS) + 1, axis=0)
            designs[1:, :, 1] = np.arange(len(STRAINS))[:, None]
            found = [inside(task, properties(task, each), targets) for each in designs]
            return max(found, key=np.mean), np.ones(len(lattices))
        if self.method == "hill climbing":
            climbs = climbing(task, episodes.builder.designs, targets, rng)
            designs, _ = next(islice(climbs, episodes.builder.horizon, None))
            scored = np.full(len(designs), 1.0 + episodes.builder.horizon)
        else:
            scored = played(episodes, policy_of(self.method, self.file), rng)
            designs = np.array(episodes.builder.designs)
        return inside(task, properties(task, designs), targets), scored


@dataclass(frozen=True)
class Search(StudyJob):
    """A search for one brief."""

    settings: Settings = field(repr=False)
    level: str
    method: str
    brief: int

    def run(self):
        """Return a row for each number of scored designs."""
        torch.set_num_threads(1)
        envs, start, target = brief_of(self.level, self.brief)
        space, began = envs.task.space, time.perf_counter()
        task = replace(envs.task, space=replace(space, lattices=(space.lattices[int(start[0])],)))
        _, met = searched(METHODS[self.method], task, target, max(self.settings.counts), self.brief)
        row = {"level": self.level, "method": self.method, "brief": self.brief}
        row |= {"seconds": time.perf_counter() - began}
        return pa.Table.from_pylist(
            [row | {"count": count, "met": bool(met[:count].any())} for count in self.settings.counts]
        )


# ---- tables


def jobs_of(settings, files, calibration):
    """Return all jobs but the training and the calibration, whose folder is given."""
    for level, briefs, searches, verified in settings.levels:
        agents = [(TRAINED, seed, files[level, seed]) for seed in range(settings.seeds)]
        tables = [f"look-up {count}" for count in settings.tables]
        for method, seed, file in [(name, 0, None) for name in (*ALONE, *tables)] + agents:
            yield Score(settings, level, method, briefs, seed, file)
        for method in SEARCHES:
            for brief in range(searches):
                yield Search(settings, level, method, brief)
        for brief in range(verified):
            for method in settings.verified:
                file = files[level, 0] if method == TRAINED else None
                yield Verify(settings.queries, level, method, brief, 0, file, calibration)


def wilson(met):
    """Return the share of briefs that are met, with its 95 % interval."""
    ends = binomtest(int(sum(met)), len(met)).proportion_ci(method="wilson")
    return [float(np.mean(met)), ends.low, ends.high]


def rows_of(rows, kind, **named):
    """Return the rows that have a column, and the named values."""
    return [row for row in rows if kind in row and all(row[name] == value for name, value in named.items())]


def judged(rows, settings):
    """Return what methods reach as the surrogates judge: an entry for each level, method and number of attempts."""
    table = []
    for level, *_ in settings.levels:
        mine = rows_of(rows, "attempts", level=level)
        for method, attempts in dict.fromkeys((row["method"], row["attempts"]) for row in mine):
            own = [row for row in mine if (row["method"], row["attempts"]) == (method, attempts)]
            by_seed = [np.mean([row["met"] for row in own if row["seed"] == s]) for s in {row["seed"] for row in own}]
            table.append(
                {
                    "level": level, "method": method, "attempts": attempts, "met": wilson([row["met"] for row in own]),
                    "by_seed": [float(each) for each in by_seed], "briefs": len(own) // len(by_seed),
                    "scored": float(np.mean([row["scored"] for row in own])),
                    "seconds": float(np.mean([row["seconds"] for row in own])),
                }
            )  # fmt: skip
        for method, count in dict.fromkeys(
            (row["method"], row["count"]) for row in rows_of(rows, "count", level=level)
        ):
            own = rows_of(rows, "count", level=level, method=method, count=count)
            table.append(
                {
                    "level": level, "method": method, "attempts": None, "met": wilson([row["met"] for row in own]),
                    "briefs": len(own), "scored": float(count), "seconds": float(np.mean([r["seconds"] for r in own])),
                }
            )  # fmt: skip
    return table


def checked(rows, settings):
    """Return the shares that the oracle confirms: an entry for each level, method and number of verified designs."""
    table = []
    for level, *_ in settings.levels:
        for method in settings.verified:
            own = rows_of(rows, "query", level=level, method=method)
            for queries in range(1, settings.queries + 1) if own else ():
                met = [
                    any(row["met"] for row in own if row["brief"] == brief and row["query"] <= queries)
                    for brief in {row["brief"] for row in own}
                ]
                table.append(
                    {"level": level, "method": method, "queries": queries, "met": wilson(met), "briefs": len(met)}
                )
    return table


def pays(table, trained, level):
    """Return the number of targets after which training pays, against all other methods, by designs that are scored."""
    mine = [each for each in table if each["level"] == level]
    counts = np.unique(np.ceil([each["scored"] for each in mine])).astype(np.int64)

    def reached(method):
        return share_within([(e["scored"], e["met"][0]) for e in mine if e["method"] == method], counts)

    others = {each["method"] for each in mine} - {TRAINED}
    designs = float(np.mean([row["designs"] for row in trained if row["level"] == level]))
    found = {
        name: break_even(round(designs), counts, reached(TRAINED), [reached(each) for each in against])
        for name, against in (("all", others), ("all but greedy", others - {"greedy"}))
    }
    return {name: None if each is None else str(each) for name, each in found.items()}


def main():
    study = Study.from_command_line("amortised", __doc__, Settings(), QUICK)
    settings, folder = study.settings, study.folder / "agents"
    files = {
        (level, seed): str(folder / f"{level}-{seed}.safetensors")
        for level, *_ in settings.levels
        for seed in range(settings.seeds)
    }
    folder.mkdir(parents=True, exist_ok=True)
    trained = study.rows([Train(settings, level, seed, file) for (level, seed), file in files.items()], "training")
    zoo = study.docs / "zoo" if study.quick else study.docs.parent / "agents" / "zoo"
    zoo.mkdir(parents=True, exist_ok=True)
    for level in SHIPPED & {level for level, _ in files}:
        for suffix in (".safetensors", ".json"):
            shutil.copy(Path(files[level, 0]).with_suffix(suffix), zoo / f"improvement-{level}{suffix}")
    errors = study.rows([Calibrate(settings.calibrated, level) for level, *_ in settings.levels], "calibration")
    rows = study.rows(jobs_of(settings, files, str(study.folder / "calibration")))
    table, verified = judged(rows, settings), checked(rows, settings)
    paid = {level: pays(table, trained, level) for level, *_ in settings.levels}
    fitted = {
        level: [asdict(each) for each in error_models(level, str(study.folder / "calibration"))]
        for level, *_ in settings.levels
    }
    study.write(
        {
            "trained": trained, "surrogates": table, "verified": verified, "break_even": paid,
            "errors": {"designs": len(errors), "models": fitted},
        }
    )  # fmt: skip
    print_markdown(
        ("level", "method", "attempts", "briefs met by the surrogates", "designs scored", "seconds"),
        (
            (each["level"], each["method"], each["attempts"], interval(*each["met"], ".2f"), f"{each['scored']:,.0f}",
             each["seconds"])
            for each in table
        ),
    )  # fmt: skip
    print_markdown(
        ("level", "method", "verified designs", "briefs met by the oracle", "briefs"),
        ((e["level"], e["method"], e["queries"], interval(*e["met"], ".2f"), e["briefs"]) for e in verified),
    )
    print(paid)


if __name__ == "__main__":
    main()
