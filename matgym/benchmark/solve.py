"""Optima of instances: by enumeration of all designs where possible, and the best known design elsewhere.

Files are written to the given folder only.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.benchmark.results import Results
from matgym.benchmark.search import search
from matgym.errors import ConfigurationError, DatasetError
from matgym.execution import counted, execute
from matgym.files import check_output
from matgym.models import Level
from matgym.physics.cache import PHYSICS_VERSION
from matgym.tasks import ChiralitySpace, Cube, Designs, DesignTask, chirality_task, rings_task
from matgym.tasks.instances import Instance, Optimum, instance
from matgym.tasks.solved import Solved
from matgym.typing import BoolArray, FloatArray
from matgym.work import work_folder

PIECE: Final = 64
"""Number of designs per job."""

RANDOM_DESIGNS: Final = 10_000
"""Number of random designs whose median loss is the zero of scores."""

AFFORDED: Final = 256
"""Number of these designs if the model of the instance is slow."""

QUICK_S: Final = 0.05
"""Seconds for a design from which a model counts as slow."""

QUICK: Final = (Level.SURROGATE, Level.TABLE, Level.KINETICS, Level.GEOMETRY, Level.EMULATED)
"""Levels of models that evaluate `RANDOM_DESIGNS` designs in a minute."""

CONFIRMED: Final = 1e-6
"""Relative difference within which the oracle confirms the loss of a record. Rounding differs between machines."""

HUNTERS: Final = {"genetic": 1_000_000, "annealing": 1_000_000, "tempering": 1_000_000, "pair-model": 512}
"""Methods that search the best known design, with the most evaluations of each: a process costs their third power."""


@dataclass(frozen=True)
class SolveJob:
    """A job that evaluates some designs of an instance with the oracle.

    Attributes:
        name: name of the instance.
        designs: designs as a tuple of rows, so that the job can be hashed and pickled.
        number: number of the job.
    """

    name: str
    designs: tuple[tuple[int, ...], ...]
    number: int

    @property
    def key(self) -> str:
        """Return a key with a hash of the designs."""
        content = hashlib.sha256(np.array(self.designs, dtype=np.uint8).tobytes()).hexdigest()[:12]
        return f"{self.name}-{self.number:05d}-{PHYSICS_VERSION}-{content}"

    def run(self) -> pa.Table:
        """Return the keys of the designs and their values."""
        made = instance(self.name)
        task, rows = bare(made), np.array(self.designs)
        columns: dict[str, Any] = {}
        if made.physics is None:
            columns[task.value_name] = task.verify(rows, made.targets(len(rows))).value
        else:
            tubes = task.tubes(rows)
            for oracle, keys in made.physics():
                found = oracle.predict(tubes)
                columns |= {key: found[key] for key in keys}
        return pa.table({"key": task.space.key(rows), **columns})


def bare(made: Instance, model: Any = "oracle") -> DesignTask:
    """Return the task of an instance with one objective and with another model than its table.

    With a table as the model the constraint is kept, because the table holds its property.
    """
    if made.make in {chirality_task, rings_task}:
        return made.task(model=model)
    without = {} if isinstance(model, Solved) else {"constraint": None}
    return made.task(model=model, others=(), **without)


def random_loss(task: DesignTask, made: Instance) -> tuple[float, int]:
    """Return the median loss of random designs by the model of a task of an instance, and the number of designs.

    A mean would depend on a few designs where losses have a heavy tail, as those of recipes of growth.
    """
    models = [objective.model for objective in task.counted]
    is_slow = any(model.cost and model.cost.seconds > QUICK_S for model in models)
    is_quick = not is_slow and all(model.level in QUICK for model in models)
    count = RANDOM_DESIGNS if is_quick else AFFORDED
    drawn = task.space.sample(count, np.random.default_rng(0))
    return float(np.nanmedian(task.score(drawn, made.targets(count)).loss)), count


def allowed(task: DesignTask, designs: Designs) -> BoolArray:
    """Return (B,) whether designs of an instance satisfy its constraint."""
    cost = task.cost(designs)
    return np.ones(len(designs), dtype=bool) if cost is None else np.asarray(cost <= 0.0)


def _verified_losses(task: DesignTask, made: Instance, designs: Designs) -> FloatArray:
    """Return (B,) losses by the oracle; infinite for designs without a value or against the constraint."""
    losses = np.full(len(designs), np.inf)
    kept = allowed(task, designs)
    if kept.any():
        losses[kept] = np.nan_to_num(task.verify(designs[kept], made.targets(int(kept.sum()))).loss, nan=np.inf)
    return losses


def different_designs(made: Instance) -> Designs:
    """Return (N, width) designs, one for each set of designs with equal values."""
    space = bare(made).space
    designs = np.concatenate(list(space.enumerate()))
    return designs[designs[:, 2] == 0] if isinstance(space, ChiralitySpace) else designs


def solve(
    name: str,
    folder: Path = Path(),
    *,
    workers: int = 1,
    scheduler: str | None = None,
    force: bool = False,
    on_done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Optimum:
    """Evaluate every design of an instance with the oracle, and write the table and the optimum.

    An interrupted call leaves its results in a folder beside the table. The next call resumes from them.

    Args:
        name: name of the instance.
        folder: folder of the table and the optimum; the default is the current folder. The folder in a checkout is
            matgym/tasks/optima.
        workers: number of processes.
        scheduler: address of a Dask scheduler, whose workers then run the jobs.
        force: whether files that exist are replaced.
        on_done: function that is called with the number of finished jobs and the number of all jobs.

    Returns:
        The optimum.

    Raises:
        ConfigurationError: if the instance cannot be enumerated.
        FormatError: if a file exists without `force`.
    """
    made = instance(name)
    if not made.enumerable:
        raise ConfigurationError(
            f"the designs of {name} cannot be enumerated: search the best known design with `best_known`"
        )
    began = time.perf_counter()
    designs = different_designs(made)
    # Rings share half tubes: one job for all takes as long as separate jobs for a few thousand of them.
    piece = len(designs) if made.physics is None else PIECE
    jobs = [
        SolveJob(name, tuple(map(tuple, designs[i : i + piece].tolist())), i // piece)
        for i in range(0, len(designs), piece)
    ]
    path = folder / f"{name}.parquet"
    outputs = [path, folder / f"{name}.json"]
    with work_folder(path, outputs=outputs, pieces=[f"pieces/{name}-*.parquet"], force=force) as work:
        files = execute(
            jobs, work.folder / "pieces", workers=workers, scheduler=scheduler,
            on_done=counted(on_done, len(jobs)),
        )  # fmt: skip
        table = pa.concat_tables(pq.read_table(file) for file in files)
        columns = {key: table[key].to_numpy() for key in table.column_names if key != "key"}
        provenance = {
            "command": f"matgym benchmark solve {name}", "designs": len(designs),
            "failures": int(np.isnan(next(iter(columns.values()))).sum()), "seconds": time.perf_counter() - began,
        }  # fmt: skip
        work.begin_output()
        Solved(name, table["key"].to_numpy(), columns, provenance).write(path)
        best = optimum_of_table(made, Solved.read(path))
        made.record(best, folder)
    return best


def optimum_of_table(made: Instance, table: Solved) -> Optimum:
    """Return the best of all designs that satisfy the constraint, by their table."""
    task = bare(made, table)
    every = np.concatenate(list(task.space.enumerate()))
    scores = task.score(every, made.targets(len(every)))
    losses = scores.loss if scores.cost is None else np.where(scores.cost <= 0.0, scores.loss, np.nan)
    best = int(np.nanargmin(losses))
    return Optimum(
        float(losses[best]), tuple(every[best].tolist()), task.describe(every[best]), True,  # noqa: FBT003
        f"enumeration of {len(table.design_keys):,} different designs, matgym benchmark solve {made.name}", len(every),
        *random_loss(task, made), made.tolerance, PHYSICS_VERSION,
    )  # fmt: skip


def best_known(
    name: str,
    folder: Path = Path(),
    *,
    evaluations: int = 4000,
    seeds: int = 16,
    climbed: int = 512,
    force: bool = False,
    on_done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Optimum:
    """Search the best design of an instance that cannot be enumerated, and write it if it is better than the known one.

    Genetic algorithm, annealing, tempering and pair model search with the model of the instance. The oracle verifies
    their best designs. Mutations of the best of these are then evaluated with the oracle only. The cross-entropy method
    searches numbers, because it evaluates hundreds of designs at once. A design that violates the constraint of
    the instance is never stored. The known design is verified again, and counts only if the oracle confirms it.

    Args:
        name: name of the instance.
        folder: folder of the optimum; the default is the current folder.
        evaluations: number of evaluations of each search.
        seeds: number of searches of each method.
        climbed: number of mutations that the oracle evaluates at the end.
        force: whether a file that exists is replaced.
        on_done: function that is called with the number of finished methods and the number of all methods.

    Returns:
        The best known design.

    Raises:
        DatasetError: if no design was found that satisfies the constraint.
        FormatError: if the file exists without `force`.
    """
    with work_folder(folder / f"{name}.json", force=force) as work:
        found = _searched(name, evaluations, seeds, climbed, on_done)
        if found != instance(name).optimum:
            work.begin_output()
            instance(name).record(found, folder)
    return found


def _searched(name: str, evaluations: int, seeds: int, climbed: int, on_done: Callable[[int, int], None]) -> Optimum:
    """Return the best known design of an instance after a search; see `best_known`."""
    made = instance(name)
    task, known = made.task(), made.optimum
    best, by = np.inf, ""
    design: Designs = np.zeros(0)
    if isinstance(task.space, Cube):
        for seed in range(seeds):
            rng = np.random.default_rng(1_000_000 + seed)
            start = task.space.sample(1, rng)[0]
            got = cross_entropy(lambda points: -_verified_losses(task, made, points), start, rng)
            if -got.value < best:
                design, best = got.point, -got.value
                by = f"cross-entropy, the best of {seeds} searches of {got.evaluations:,} evaluations"
            on_done(seed + 1, seeds + 1)
    for number, hunter in enumerate(() if isinstance(task.space, Cube) else HUNTERS):
        most = min(evaluations, HUNTERS[hunter])
        marks = [mark for mark in (most // 8, most // 2, most) if mark]
        # A seed of its own: benchmarks use small ones.
        found = search(hunter, task, made.targets(seeds), most, 1_000_000, checkpoints=marks)
        pool = np.unique(np.concatenate([found.incumbents[mark] for mark in marks]), axis=0)
        pool = pool[task.space.valid(pool)]  # a search without a design that is allowed returns an invalid one
        losses = _verified_losses(task, made, pool)
        if losses.min(initial=np.inf) < best:
            design, best = pool[losses.argmin()], float(losses.min())
            by = f"{hunter}, the best of {seeds} searches of {most:,} evaluations by each of {len(HUNTERS)} methods"
        on_done(number + 1, len(HUNTERS) + 1)
    if not np.isfinite(best):
        raise DatasetError(f"no design of {name} was found that satisfies its constraint: give more evaluations")
    rng = np.random.default_rng(1_000_000)
    for _ in range(climbed // seeds):
        around = task.space.mutate(np.tile(design, (seeds, 1)), rng)
        losses = _verified_losses(task, made, around)
        if losses.min() < best:
            design, best = around[losses.argmin()], float(losses.min())
            by = by.removesuffix(", then improved with the oracle") + ", then improved with the oracle"
    on_done(1, 1)
    random, count = random_loss(task, made)
    if known is not None and known.loss <= best and _confirmed(known, task, made):
        return known if known.random_designs == count else replace(known, random_loss=random, random_designs=count)
    return Optimum(
        best, tuple(design.tolist()), task.describe(design), False, by, task.space.size,  # noqa: FBT003
        random, count, made.tolerance, PHYSICS_VERSION,
    )  # fmt: skip


def _confirmed(known: Optimum, task: DesignTask, made: Instance) -> bool:
    """Return whether a known design is valid, satisfies the constraint, and has its loss by the oracle."""
    try:
        design = _design(known.design, task, made)
    except DatasetError:
        return False
    return known.physics_version == PHYSICS_VERSION and _agree(
        float(_verified_losses(task, made, design[None])[0]), known.loss
    )


ADOPTABLE: Final = """
SELECT filename, task, method, seed, max(evaluation) AS last, arg_max(verified_loss, evaluation) AS loss,
       arg_max(design, evaluation) AS design
FROM records WHERE track = 'search' GROUP BY ALL ORDER BY task, filename
"""
"""The final design of every search."""


def adopt(results: Path, folder: Path = Path(), *, force: bool = False) -> list[str]:
    """Store designs of a benchmark that are better than the best known designs of instances without a proven optimum.

    Designs that violate the constraint of their instance are left out.
    The oracle verifies every such design again, and its loss is stored. The loss in a record only tells which designs
    are worth an evaluation. A loss that the oracle does not confirm shows that the results are damaged or forged.

    Args:
        results: folder of the results, or path PATH of PATH.json and PATH.parquet.
        folder: folder of the optima; the default is the current folder.
        force: whether files that exist are replaced.

    Returns:
        The names of the instances with a new best known design.

    Raises:
        DatasetError: if the results are inconsistent, or a record holds an invalid design or a loss that the oracle
            does not confirm; nothing is written then.
        ConfigurationError: if there is no instance with the name of a task.
        FormatError: if a file exists without `force`; nothing is written then.
    """
    found = Results.read(results)
    best: dict[str, Optimum] = {}
    for row in found.query(ADOPTABLE).to_pylist():
        made = instance(row["task"])
        known = best.get(made.name, made.optimum)
        if known is None or known.proven or not row["design"] or not row["loss"] < known.loss:
            continue
        task, file = made.task(), row["filename"]
        try:
            design = _design(row["design"], task, made)
        except DatasetError as error:
            raise DatasetError(f"{file}: {error}, so that nothing was adopted: remove the file") from None
        if not allowed(task, design[None])[0]:
            continue
        loss = float(task.verify(design[None], made.targets(1)).loss[0])
        if not _agree(loss, row["loss"]):
            raise DatasetError(
                f"{file} gives a loss of {row['loss']:g}, but the oracle gives {loss:g}, so that nothing was adopted: "
                "remove the file"
            )
        if loss < known.loss:
            by = f"{row['method']}, seed {row['seed']} of the suite {found.facts.suite}"
            described = task.describe(design)
            best[made.name] = replace(known, loss=loss, design=tuple(design.tolist()), described=described, found_by=by)
    for name in best:
        check_output(folder / f"{name}.json", force=force)
    for name, optimum in best.items():
        instance(name).record(optimum, folder)
    return sorted(best)


def _agree(loss: float, stored: float) -> bool:
    """Return whether the oracle confirms a stored loss."""
    return bool(np.isfinite(loss)) and abs(loss - stored) <= CONFIRMED * max(1.0, abs(loss))


def _design(numbers: Sequence[float], task: DesignTask, made: Instance) -> Designs:
    """Return a stored design of a task.

    Raises:
        DatasetError: if the numbers are no design.
    """
    row = np.array([numbers], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        design: Designs = row.astype(task.space.sample(1, np.random.default_rng(0)).dtype)
    if design.shape[1] != task.space.width or not (design == row).all() or not task.space.valid(design).all():
        raise DatasetError(f"{row[0].tolist()!r:.60} is an invalid design of {made.name}")
    return np.asarray(design[0])
