"""Optima: by enumeration where all designs can be asked of physics, and the best that is known elsewhere."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.benchmark.methods import as_named
from matgym.benchmark.search import search
from matgym.errors import ConfigurationError
from matgym.execution import execute
from matgym.physics.cache import PHYSICS_VERSION
from matgym.tasks import Cube, Designs, DesignTask
from matgym.tasks.chirality import ChiralityTask
from matgym.tasks.instances import Instance, Optimum, instance
from matgym.tasks.rings import IsotopeRings
from matgym.tasks.solved import Solved, optima_folder

PIECE: Final = 64
"""Designs a job."""

RANDOM_DESIGNS: Final = 10_000
"""Of which a solved instance's mean loss is taken; they are looked up."""

AUDITED_RANDOM: Final = 64
"""The same where physics has to be asked."""

_PROVEN: Final = True

HUNTERS: Final = ("genetic", "annealing", "tempering")
"""Who looks for the best known."""


@dataclass(frozen=True)
class SolveJob:
    """Some designs of an instance to be asked of physics.

    Attributes:
        name: of the instance.
        designs: of which; a tuple of rows, so that a job can be hashed and sent.
        number: of the job.
    """

    name: str
    designs: tuple[tuple[int, ...], ...]
    number: int

    @property
    def key(self) -> str:
        """By what is asked."""
        content = hashlib.sha256(np.array(self.designs, dtype=np.uint8).tobytes()).hexdigest()[:12]
        return f"{self.name}-{self.number:05d}-{PHYSICS_VERSION}-{content}"

    def run(self) -> pa.Table:
        """Keys and values."""
        made = instance(self.name)
        task, rows = without_table(made), np.array(self.designs)
        if isinstance(task, IsotopeRings):
            return pa.table({"key": task.space.key(rows), task.value_name: task.audit(rows, made.targets(0)).value})
        assert made.physics is not None  # noqa: S101  # `solve` asks
        tubes = task.tubes(rows)
        columns: dict[str, Any] = {}
        for oracle, keys in made.physics():
            found = oracle.evaluate(tubes)
            columns |= {key: found[key] for key in keys}
        return pa.table({"key": task.space.key(rows), **columns})


def without_table(made: Instance) -> DesignTask:
    """The instance's task before its table exists."""
    task = made.task()
    if isinstance(task, ChiralityTask | IsotopeRings):
        return made.task(source="oracle")
    return made.task(source=lambda tubes: np.zeros(len(tubes)), others=(), constraint=None)


def different_designs(made: Instance) -> Designs:
    """(N, width) one design for each value that physics could give."""
    task = without_table(made)
    designs = np.concatenate(list(task.space.enumerate()))
    return designs[designs[:, 2] == 0] if isinstance(task, ChiralityTask) else designs


def solve(
    name: str,
    folder: Path | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    scratch: Path | None = None,
    on_done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Optimum:
    """Ask physics about every design of an instance, and write its table and its optimum down.

    Args:
        name: of the instance.
        folder: of the table and the optimum; those that are shipped by default.
        workers: processes.
        scheduler: address of a Dask scheduler, whose workers ask instead.
        scratch: folder of finished jobs, from which an interrupted call goes on.
        on_done: called with how many jobs are done, and of how many.

    Raises:
        ConfigurationError: if the instance cannot be enumerated.
    """
    made = instance(name)
    if not made.enumerable:
        raise ConfigurationError(f"designs of {name} cannot be enumerated: look for the best known instead")
    began = time.perf_counter()
    designs = different_designs(made)
    # Rings share half tubes: together they take as long as a few thousand of them apart.
    piece = len(designs) if isinstance(made.task(), IsotopeRings) else PIECE
    jobs = [
        SolveJob(name, tuple(map(tuple, designs[i : i + piece].tolist())), i // piece)
        for i in range(0, len(designs), piece)
    ]
    count = [0]

    def done(_job: object, _before: bool) -> None:
        count[0] += 1
        on_done(count[0], len(jobs))

    scratch = scratch or Path(f".{name}.solving")
    files = execute(jobs, scratch, workers=workers, scheduler=scheduler, on_done=done)
    table = pa.concat_tables(pq.read_table(file) for file in files)
    columns = {key: table[key].to_numpy() for key in table.column_names if key != "key"}
    provenance = {
        "command": f"matgym benchmark solve {name}", "designs": len(designs),
        "failures": int(np.isnan(next(iter(columns.values()))).sum()), "seconds": time.perf_counter() - began,
    }  # fmt: skip
    target = folder or optima_folder()
    Solved(name, table["key"].to_numpy(), columns, provenance).write(target / f"{name}.parquet")
    best = optimum_of_table(made, Solved.read(target / f"{name}.parquet"))
    made.record(best, target)
    for file in files:
        file.unlink()
    return best


def optimum_of_table(made: Instance, table: Solved) -> Optimum:
    """The best of all designs by their table."""
    task = made.task(source=f"solved:{made.name}") if not made.target else made.task()
    every = np.concatenate(list(task.space.enumerate()))
    losses = task.score(every, made.targets(len(every))).loss
    best = int(np.nanargmin(losses))
    drawn = task.space.sample(RANDOM_DESIGNS, np.random.default_rng(0))
    random = task.score(drawn, made.targets(len(drawn))).loss
    return Optimum(
        float(losses[best]), tuple(every[best].tolist()), task.describe(every[best]), _PROVEN,
        f"enumeration of {len(table.keys):,} different designs, matgym benchmark solve {made.name}", len(every),
        float(np.nanmean(random)), RANDOM_DESIGNS, made.tolerance, PHYSICS_VERSION,
    )  # fmt: skip


def best_known(
    name: str,
    folder: Path | None = None,
    *,
    evaluations: int = 4000,
    seeds: int = 16,
    climbed: int = 512,
    on_done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Optimum:
    """Look for the best design of an instance that cannot be enumerated, and write it down if it beats what is known.

    Genetic, annealing and tempering searches by the instance's own source; what they believed best goes through
    physics, and the best of that climbs on by physics alone. Numbers are searched by the cross-entropy method, which
    evaluates hundreds of them at once.

    Args:
        name: of the instance.
        folder: of the optimum; that which is shipped by default.
        evaluations: of each search.
        seeds: searches of each method.
        climbed: variations that physics is asked about in the end.
        on_done: called with how many methods are done, and of how many.
    """
    made = instance(name)
    task, known = made.task(), made.optimum
    best, by = np.inf, ""
    design: Designs = np.zeros(0)
    if isinstance(task.space, Cube):
        for seed in range(seeds):
            rng = np.random.default_rng(1_000_000 + seed)
            start = task.space.sample(1, rng)[0]
            got = cross_entropy(lambda points: -task.audit(points, made.targets(len(points))).loss, start, rng)
            if -got.value < best:
                design, best = got.point, -got.value
                by = f"cross-entropy, the best of {seeds} searches of {got.evaluations:,} evaluations"
            on_done(seed + 1, seeds + 1)
    marks = [evaluations // 8, evaluations // 2, evaluations]
    for number, hunter in enumerate(() if isinstance(task.space, Cube) else HUNTERS):
        # A seed of its own: benchmarks use small ones.
        found = search(as_named(hunter), task, made.targets(seeds), evaluations, 1_000_000, checkpoints=marks)
        pool = np.unique(np.concatenate([found.incumbents[mark] for mark in marks]), axis=0)
        losses = task.audit(pool, made.targets(len(pool))).loss
        if np.nanmin(losses) < best:
            design, best = pool[np.nanargmin(losses)], float(np.nanmin(losses))
            by = f"{hunter}, the best of {len(HUNTERS) * seeds} searches of {evaluations:,} evaluations"
        on_done(number + 1, len(HUNTERS) + 1)
    rng = np.random.default_rng(1_000_000)
    for _ in range(climbed // seeds):
        around = task.space.vary(np.tile(design, (seeds, 1)), rng)
        losses = task.audit(around, made.targets(seeds)).loss
        if np.nanmin(losses) < best:
            design, best = around[np.nanargmin(losses)], float(np.nanmin(losses))
            by = by.removesuffix(", climbed on by physics") + ", climbed on by physics"
    on_done(1, 1)
    if known is not None and known.physics_version == PHYSICS_VERSION and known.loss <= best:
        return known
    drawn = task.space.sample(AUDITED_RANDOM, np.random.default_rng(0))
    random = task.audit(drawn, made.targets(len(drawn))).loss
    found_best = Optimum(
        best, tuple(design.tolist()), task.describe(design), not _PROVEN, by, task.space.size,
        float(np.nanmean(random)), AUDITED_RANDOM, made.tolerance, PHYSICS_VERSION,
    )  # fmt: skip
    made.record(found_best, folder)
    return found_best


def adopt(results: Path, folder: Path | None = None) -> list[str]:
    """Take over what a benchmark found better than the best known of its instances that are not proven.

    Args:
        results: folder of a run.
        folder: of the optima; that which is shipped by default.

    Returns:
        Names of the instances whose best known is another now.
    """
    better = []
    for file in sorted((results / "records").glob("[!.]*.parquet")):
        row = pq.read_table(file).slice(pq.read_metadata(file).num_rows - 1).to_pylist()[0]
        if row["track"] != "search" or not row["design"]:
            continue
        made, loss = instance(row["task"]), row["true_loss"]
        known = made.optimum
        if known is None or known.proven or not loss < known.loss:
            continue
        suite = json.loads((results / "run.json").read_text(encoding="utf-8"))["suite"]
        by = f"{row['method']}, seed {row['seed']} of the suite {suite}"
        found = replace(known, loss=loss, design=tuple(row["design"]), described=row["described"], found_by=by)
        made.record(found, folder)
        better.append(made.name)
    return sorted(set(better))
