"""Briefs on unseen tubes, the policies that meet them, and verification by the oracles; for the study `amortised`.

Of what a method scored, the oracles compute the design with the largest chance to meet the brief, until one meets it.
The chance is that of the surrogates' values with a Gaussian process on their errors (`matgym.agents.residuals`), which
was fitted to other tubes, and which each verified design informs.
"""

import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from matgym.agents.greedy import Greedy
from matgym.agents.improving import by_rule, mutated, played, properties, sampled, table_of
from matgym.agents.residuals import ErrorModel, Looks, Verified
from matgym.agents.scripted import RandomActions
from matgym.agents.storage import load_agent
from matgym.app.briefs import made
from matgym.structures import Species
from matgym.tasks.any_tube import HEAD
from scripts.studies.common import StudyJob

RULES = {"random": by_rule(RandomActions), "greedy": by_rule(Greedy)}
TRAINED = "trained"
FIRST = 3_000_000  # seed of the first brief; training draws from small seeds, and trials saw those from 1,000,000
INWARD = 0.5  # of half a band: by how much the surrogates have to be inside; a choice of ours
ATTEMPTS = 8  # of what begins with a design, for each verified one
CALIBRATED = ((7, 7), (10, 5), (13, 1), (16, 0), (8, 2), (10, 1), (12, 3), (12, 4))
"""Chiralities on which errors of the surrogates are measured. No surrogate has seen the first four, and that of heat
has seen none of them."""
LIKE = 2  # changes between two of the designs there


@cache
def played_in(level, count):
    """Return environments of unseen tubes, which all calls of a process share."""
    return made(level, count, held_out=True)


@cache
def agent_of(file):
    """Return a trained agent."""
    return load_agent(file)


def policy_of(method, file):
    """Return the policy of a method: of a trained agent, or one of its own."""
    return sampled(agent_of(file)) if method == TRAINED else RULES[method]


def brief_of(level, brief):
    """Return the environments of attempts, the (width,) initial design of a brief, and its bounds."""
    envs = played_in(level, ATTEMPTS)
    envs.reset(seed=FIRST + brief)
    return envs, np.array(envs.episodes.builder.designs[0]), np.array(envs.episodes.targets[0])


@dataclass(frozen=True)
class Calibrate(StudyJob):
    """Errors of the surrogates on some tubes: of random designs, and of others that are like them."""

    pairs: int = field(repr=False)  # of like designs on each tube of `CALIBRATED`
    level: str

    def run(self):
        """Return a row for each design."""
        torch.set_num_threads(1)
        task, rng, rows = made(self.level, 1, held_out=False).task, np.random.default_rng(7), []
        space = task.space
        for place, lattice in enumerate(space.lattices):
            if (lattice.n, lattice.m) not in CALIBRATED:
                continue
            designs = space.sample_on(np.full(self.pairs, place), rng)
            like = designs
            for _ in range(LIKE):
                like = mutated(task, like, rng)
            designs = np.append(designs, like, axis=0)
            predicted, nothing = properties(task, designs), np.tile([-np.inf, np.inf], len(task.objectives))
            true = task.achieved(task.verify(designs, np.tile(nothing, (len(designs), 1))))[:, ::2]
            rows += [
                {"level": self.level, "design": design.tolist(), "errors_seen": error.tolist()}
                for design, error in zip(designs, true - predicted, strict=True)
            ]
        return pa.Table.from_pylist(rows)


@cache
def error_models(level, folder):
    """Return the model of the errors of each property, fitted to the calibration of a level."""
    rows = pq.read_table(Path(folder) / f"calibrate-{level}.parquet").to_pylist()
    designs, errors = (np.array([row[name] for row in rows]) for name in ("design", "errors_seen"))
    looks = Looks.of(made(level, 1, held_out=False).task.space, designs)
    models = []
    for column in errors.T:
        parts = [np.flatnonzero((designs[:, 0] == tube) & np.isfinite(column)) for tube in np.unique(designs[:, 0])]
        parts = [part for part in parts if len(part)]
        models.append(ErrorModel.fitted([looks.take(part) for part in parts], [column[part] for part in parts]))
    return tuple(models)


@dataclass(frozen=True)
class Verify(StudyJob):
    """The verified designs of a method for one brief."""

    queries: int = field(repr=False)  # the largest number of verified designs
    level: str
    method: str
    brief: int
    seed: int = 0
    file: str | None = field(default=None, repr=False)
    calibration: str = field(default="", repr=False)

    def run(self):
        """Return a row for each verified design, up to the first that meets the brief."""
        torch.set_num_threads(1)
        envs, start, target = brief_of(self.level, self.brief)
        task, rng = envs.task, np.random.default_rng([2, self.brief, self.seed])
        models, space = error_models(self.level, self.calibration), task.space
        known = Verified(Looks.of(space, start[None]).take([]), np.zeros((0, len(task.objectives))))
        least, rows, scored, keys, table = np.inf, [], 0.0, [], None
        began = time.perf_counter()
        if self.method.startswith("look-up"):  # the same table for each query
            size, fixed = int(self.method.split()[1]), np.random.default_rng([3, self.brief, self.seed])
            table, scored = table_of(task, int(start[0]), size, fixed), float(size)
        for query in range(1, self.queries + 1):
            shift = known.error(models, Looks.of(space, start[None]))[0][0]
            if table is None:
                designs, number = self._played(envs, start, inward(task, target - np.repeat(shift, 2)), rng)
                values, scored = properties(task, designs), scored + number
            else:
                designs, values = table
            new = ~np.isin(space.key(designs), keys)  # the best verified design is among them
            designs, values = designs[new], values[new]
            looks = Looks.of(space, designs)
            chances = known.chance(models, looks, values, target)
            best = int(chances.argmax())
            design, predicted = designs[best], values[best]
            middle = time.perf_counter()
            true = task.achieved(task.verify(design[None], target[None]))[0, ::2]
            misses = task.outside(true[None], target[None])[0]
            met = bool(not misses.any())  # NaN misses
            rows.append(
                {
                    "level": self.level, "method": self.method, "brief": self.brief, "seed": self.seed, "query": query,
                    "met": met, "chance": float(np.exp(chances[best])), "failed": bool(np.isnan(true).any()),
                    "scored": scored, "seconds": middle - began, "oracle_seconds": time.perf_counter() - middle,
                    "errors": (true - predicted).tolist(), "misses": misses.tolist(),
                }
            )  # fmt: skip
            if met:
                break
            keys.append(space.key(design[None])[0])
            known = Verified(
                known.looks.and_also(looks.take([best])), np.append(known.errors, (true - predicted)[None], axis=0)
            )
            if np.abs(misses).max() < least:  # False for NaN
                least, start = np.abs(misses).max(), design
            began = time.perf_counter()
        return pa.Table.from_pylist(rows)

    def _played(self, envs, start, target, rng):
        """Return the designs of a policy's attempts that can be verified, and how many it scored."""
        others = envs.task.space.sample_on(np.full(ATTEMPTS - ATTEMPTS // 2, int(start[0])), rng)
        first = np.concatenate([np.repeat(start[None], ATTEMPTS // 2, axis=0), others])
        envs.reset(options={"design": first, "target": np.tile(target, (ATTEMPTS, 1))})
        parts = []
        number = played(envs.episodes, policy_of(self.method, self.file), rng, parts)
        designs = np.unique(np.concatenate(parts), axis=0)
        boron, nitrogen = ((designs[:, HEAD:] == kind).sum(axis=1) for kind in (Species.B, Species.N))
        return designs[boron == nitrogen], float(number.sum())  # the oracle has no formation energy of others


def inward(task, target):
    """Return bounds that lie inside by a part of half a band, so that small errors of the surrogates do no harm."""
    moved = np.outer(INWARD * task.briefs.band * task.briefs.spread, [1.0, -1.0]).ravel()
    return np.array(target) + moved
