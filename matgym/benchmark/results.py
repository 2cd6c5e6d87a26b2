"""The records of a benchmark as arrays; inconsistent records raise an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import numpy as np
import pyarrow as pa

from matgym.benchmark.identity import check_records
from matgym.benchmark.records import check_values, read_records, record_files
from matgym.benchmark.suite import ABOUT, RECORDS, SuiteFacts
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.statistics import Estimate, estimate
from matgym.typing import FloatArray, IntArray

SEARCHES: Final = """
SELECT task, method, seed,
       list(evaluation ORDER BY evaluation) AS evaluations,
       list(predicted_loss ORDER BY evaluation) AS predicted,
       list(verified_loss ORDER BY evaluation) AS verified,
       max(seconds) AS seconds, coalesce(arg_max(described, evaluation), '') AS described,
       coalesce(arg_max(xyz, evaluation), '') AS xyz
FROM records WHERE track = 'search' GROUP BY ALL ORDER BY task, method, seed
"""
"""Every search as one row."""

MET: Final = """
SELECT method, seed, evaluation,
       avg(CASE WHEN isfinite(verified_loss) AND verified_loss <= $met THEN 1.0 ELSE 0.0 END) AS share
FROM records WHERE track = 'amortised' AND task = $task GROUP BY ALL ORDER BY method, seed, evaluation
"""
"""Share of the targets of an amortised task that were met, by method, seed and queries."""

FINAL: Final = """
SELECT method, seed, any_value(last) AS queries,
       list(predicted_loss ORDER BY target_index) AS predicted,
       list(verified_loss ORDER BY target_index) AS verified
FROM (SELECT *, max(evaluation) OVER (PARTITION BY method, seed) AS last FROM records WHERE task = $task)
WHERE evaluation = last GROUP BY ALL ORDER BY method, seed
"""
"""Losses of all targets of a task after the last query, by method and seed."""

COSTS: Final = """
WITH searches AS (
  SELECT track, method, task, seed, target_index, max(evaluation) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(verifications) AS verifications
  FROM records GROUP BY ALL),
runs AS (
  SELECT track, method, task, seed, sum(evaluations) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(verifications) AS verifications
  FROM searches GROUP BY ALL)
SELECT track, method, count(*) AS runs, sum(evaluations)::BIGINT AS evaluations, sum(surrogate)::BIGINT AS surrogate,
       sum(oracle)::BIGINT AS oracle, sum(simulation)::BIGINT AS simulation,
       sum(verifications)::BIGINT AS verifications, avg(seconds) AS seconds, avg(training_seconds) AS training_seconds
FROM runs GROUP BY ALL ORDER BY track DESC, method
"""
"""Evaluations and seconds, by track and method."""


@dataclass(frozen=True)
class Searched(ValueObject):
    """One search of a method, a task and a seed, with (checkpoints,) arrays."""

    task: str
    method: str
    seed: int
    evaluations: IntArray
    predicted: FloatArray
    verified: FloatArray
    seconds: float
    described: str
    xyz: str


@dataclass(frozen=True)
class MethodFigures:
    """Figures of one method on the targets of an amortised task; losses have the unit of the task.

    Attributes:
        method: name of the method.
        unit: unit of the losses; empty for a pure number.
        queries: number of evaluations of the task's model per target.
        seeds: number of runs.
        error: mean over targets of the verified loss of valid designs.
        median: median of the same losses; a target without a valid design has an infinite loss.
        predicted: mean loss of the valid designs by the prediction of the task's model.
        met: verified share of targets that are met.
        invalid: share of targets without a valid design.
    """

    method: str
    unit: str
    queries: int
    seeds: int
    error: Estimate
    median: Estimate
    predicted: Estimate
    met: Estimate
    invalid: float

    def as_row(self) -> dict[str, str]:
        """Return the cells of a table, with the interval of the errors."""
        return {
            "method": self.method,
            "queries": f"{self.queries:,}",
            "seeds": str(self.seeds),
            f"error{f', {self.unit}' if self.unit else ''}": f"{self.error:.3f}",
            "median": f"{self.median:.3f}",
            "predicted": f"{self.predicted:.3f}",
            "met": f"{self.met.mean:.0%}",
            "invalid": f"{self.invalid:.0%}",
        }


class Results:
    """The results of a benchmark; `read` reads them from a folder.

    Args:
        facts: facts of the suite.
        records: records of all runs, with the column `filename`.

    Raises:
        DatasetError: if the records are inconsistent.
    """

    def __init__(self, facts: SuiteFacts, records: pa.Table) -> None:
        self.facts = facts
        self._connection = duckdb.connect()
        self._connection.register("given", records)
        self._connection.execute("CREATE TABLE records AS SELECT * FROM given")
        self._connection.unregister("given")
        self._connection.execute("SET enable_external_access = false")  # no query reaches files or the network
        self._connection.execute("SET python_enable_replacements = false")  # nor variables of this program
        self._connection.execute("SET lock_configuration = true")
        check_values(self._connection)
        self._present = check_records(self._connection, facts)
        arrays = ("evaluations", "predicted", "verified")
        rows = self.query(SEARCHES).to_pylist()
        self.searches = tuple(Searched(**row | {name: np.array(row[name]) for name in arrays}) for row in rows)
        """All searches, by task, method and seed."""

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a folder of `matgym benchmark run`, or the files PATH.json and PATH.parquet of shipped results.

        Raises:
            DatasetError: if the results do not exist, or their records are inconsistent.
        """
        folder = Path(path)
        archive = folder.parent / f"{folder.name}.parquet"
        if archive.is_file() and not folder.is_dir():
            return cls(SuiteFacts.read(folder.parent / f"{folder.name}.json"), read_records([archive]))
        facts = SuiteFacts.read(folder / ABOUT)
        return cls(facts, read_records(record_files(folder / RECORDS)))

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the result of a DuckDB SQL query on the table `records`; `$name` is a parameter.

        Raises:
            DatasetError: if the query is invalid, or is not one SELECT: no query changes the records.
        """
        try:
            kinds = [statement.type for statement in self._connection.extract_statements(sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise DatasetError(f"{sql.strip()!r:.200} gives no table: give one SELECT")
            return self._connection.sql(sql, params=parameters).to_arrow_table()
        except (duckdb.Error, AttributeError, TypeError) as error:  # TypeError: text that is not Unicode
            raise DatasetError(f"{sql.strip()!r} gives no table: {error}") from None

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the result of a query as one mapping per row.

        Raises:
            DatasetError: if the query is invalid, two columns have one name, or Python cannot hold a value.
        """
        table = self.query(sql)
        if twice := [name for name in table.column_names if table.column_names.count(name) > 1]:
            raise DatasetError(f"{sql.strip()!r} gives two columns {twice[0]!r}: name one of them otherwise by AS")
        try:
            rows: list[dict[str, Any]] = table.to_pylist()
        except (pa.ArrowException, ValueError, ArithmeticError) as error:
            raise DatasetError(
                f"{sql.strip()!r} gives a value that cannot be shown: {error}; CAST it to text"
            ) from None
        return rows

    # ---- contents

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Return the search tasks with records, in the order of suite.json."""
        return tuple(task for task in self.facts.tasks if any(found.task == task for found in self.searches))

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Return the methods with searches, in the order of suite.json."""
        return tuple(method for method in self.facts.methods if any(f.method == method for f in self.searches))

    @property
    def random_method(self) -> str | None:
        """Return the reference method: "random", or the first method of that kind."""
        if "random" in self.methods:
            return "random"
        return next((method for method in self.methods if self.facts.methods[method].kind == "random"), None)

    def methods_of(self, task: str) -> tuple[str, ...]:
        """Return the methods with searches of a task."""
        return tuple(method for method in self.methods if self.seeds(task, method))

    def seeds(self, task: str, method: str) -> tuple[int, ...]:
        """Return the seeds of the searches of a method on a task."""
        return tuple(found.seed for found in self._of(task, method))

    def _of(self, task: str, method: str) -> list[Searched]:
        return [found for found in self.searches if (found.task, found.method) == (task, method)]

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Return the missing runs, as "task, method, seed 3".

        The planned runs are listed in suite.json. Without this list, each method must have the same seeds on each of
        its tasks.
        """
        planned = self.facts.planned()
        if not planned:
            seeds = {track: {k[3] for k in self._present if k[0] == track} for track in ("search", "amortised")}
            pairs = dict.fromkeys(key[:3] for key in self._present)
            planned = [(*pair, seed) for pair in pairs for seed in sorted(seeds[pair[0]])]
        gone = [key for key in planned if key not in self._present]
        return tuple(f"{task}, {method}, seed {seed}" for _, task, method, seed in gone)

    @cached_property
    def compared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the (methods, tasks) of the aggregate, for which all runs exist.

        The tasks are those that all methods have. If there is no such task, methods with the fewest tasks are left out
        until there is one.
        """
        methods = list(self.methods)
        while methods:
            tasks = [task for task in self.tasks if set(methods) <= set(self.methods_of(task))]
            whole = [method for method in methods if tasks and self._whole(method, tasks)]
            if whole:
                return tuple(whole), tuple(tasks)
            fewest = min(sum(bool(self.seeds(task, m)) for task in self.tasks) for m in methods)
            methods = [m for m in methods if sum(bool(self.seeds(task, m)) for task in self.tasks) > fewest]
        return (), ()

    def _whole(self, method: str, tasks: Sequence[str]) -> list[int]:
        """Return the seeds that a method has on all tasks."""
        return sorted(set.intersection(*(set(self.seeds(task, method)) for task in tasks)))

    @cached_property
    def left_out(self) -> tuple[str, ...]:
        """Return sentences on what the aggregate leaves out."""
        methods, tasks = self.compared
        said = []
        for task in self.tasks:
            if task not in tasks:
                without = [m for m in self.methods if m not in self.methods_of(task)]
                said.append(f"The aggregate leaves out {task}, because it has no search by {', '.join(without)}.")
        partly: dict[int, list[str]] = {}
        for method in self.methods:
            if method not in methods:
                said.append(f"The aggregate leaves out {method}, because it lacks a compared task.")
                continue
            partial = {seed for task in tasks for seed in self.seeds(task, method)} - set(self._whole(method, tasks))
            if partial:
                partly.setdefault(len(partial), []).append(method)
        for count, names in partly.items():
            said.append(f"The aggregate leaves out seeds that lack a task: {count} of {', '.join(names)}.")
        return tuple(said)

    # ---- losses, scores, regrets

    def failed_loss(self, task: str) -> float:
        """Return the loss of a failed design: that of a random design, or of the worst final design if it is worse."""
        finals = [found.verified[-1] for found in self.searches if found.task == task]
        return max(self.facts.tasks[task].random_loss, *(float(loss) for loss in finals if np.isfinite(loss)), -np.inf)

    def losses(self, task: str, method: str) -> FloatArray:
        """Return the (seeds,) verified losses of the final designs; failed designs have `failed_loss`."""
        finals = np.array([found.verified[-1] for found in self._of(task, method)])
        return np.where(np.isfinite(finals), finals, self.failed_loss(task))

    def regrets(self, task: str) -> dict[str, FloatArray]:
        """Return the (seeds,) regrets of every method; they are negative below the loss of the best known design."""
        optimum = self.facts.tasks[task].optimum_loss
        return {method: self.losses(task, method) - optimum for method in self.methods_of(task)}

    def scored(self, task: str, losses: FloatArray) -> FloatArray:
        """Return losses as scores: 0 is a typical random design, 1 is the optimum."""
        about = self.facts.tasks[task]
        return (about.random_loss - losses) / (about.random_loss - about.optimum_loss)

    def scores(self) -> dict[str, FloatArray]:
        """Return the (seeds, tasks) verified scores of the final designs of every compared method."""
        methods, tasks = self.compared
        return {method: np.ascontiguousarray(cube[..., -1]) for method, cube in self._cubes(methods, tasks)[1].items()}

    def anytime_scores(self) -> tuple[IntArray, dict[str, FloatArray]]:
        """Return (checkpoints,) evaluations, and (seeds, tasks, checkpoints) scores of each method."""
        return self._cubes(*self.compared)

    def _cubes(self, methods: Sequence[str], tasks: Sequence[str]) -> tuple[IntArray, dict[str, FloatArray]]:
        top = max((int(f.evaluations[-1]) for f in self.searches if f.task in tasks), default=1)
        marks = np.unique(np.append(2 ** np.arange(int(np.log2(top)) + 1), top)).astype(np.int64)
        cubes = {}
        for method in methods:
            seeds = self._whole(method, tasks)
            curves = [[self._at(f, marks) for f in self._of(task, method) if f.seed in seeds] for task in tasks]
            scored = [self.scored(task, np.stack(own)) for task, own in zip(tasks, curves, strict=True)]
            cubes[method] = np.stack(scored, axis=1)
        return marks, cubes

    def _at(self, found: Searched, marks: IntArray) -> FloatArray:
        """Return (marks,) verified losses with the last value carried forward; failed designs have `failed_loss`."""
        place = np.searchsorted(found.evaluations, marks, side="right") - 1
        losses = np.where(place >= 0, found.verified[np.maximum(place, 0)], np.nan)
        return np.where(np.isfinite(losses), losses, self.failed_loss(found.task))

    def anytime(self, task: str) -> tuple[IntArray, dict[str, FloatArray]]:
        """Return (checkpoints,) evaluations of a task, and (seeds, checkpoints) verified regrets of each method."""
        marks = np.unique(np.concatenate([found.evaluations for found in self.searches if found.task == task]))
        optimum = self.facts.tasks[task].optimum_loss
        return marks, {
            method: np.stack([self._at(found, marks) for found in self._of(task, method)]) - optimum
            for method in self.methods_of(task)
        }

    def found(self, task: str) -> dict[str, FloatArray]:
        """Return (seeds,) values: 1 if the final design is the optimum within its tolerance, else 0."""
        tolerance = self.facts.tasks[task].tolerance
        return {method: (regret <= tolerance).astype(np.float64) for method, regret in self.regrets(task).items()}

    def evaluations_to_optimum(self, task: str) -> dict[str, FloatArray]:
        """Return the (seeds,) evaluations at the first checkpoint with the optimum, or infinity."""
        about = self.facts.tasks[task]

        def first(found: Searched) -> float:
            there = np.flatnonzero(found.verified - about.optimum_loss <= about.tolerance)
            return float(found.evaluations[there[0]]) if len(there) else np.inf

        return {
            method: np.array([first(found) for found in self._of(task, method)]) for method in self.methods_of(task)
        }

    def exploitation(self, task: str) -> dict[str, FloatArray]:
        """Return the (seeds,) verified minus predicted losses of final designs, for learned models; NaN if failed."""
        if self.facts.tasks[task].is_oracle:
            return {}
        return {
            method: np.array([found.verified[-1] - found.predicted[-1] for found in self._of(task, method)])
            for method in self.methods_of(task)
        }

    def best(self, task: str) -> Searched | None:
        """Return the search with the lowest final verified loss; of equal ones, the one with the fewest evaluations."""

        def there_after(found: Searched) -> int:
            return int(found.evaluations[np.flatnonzero(found.verified <= found.verified[-1] + 1e-12)[0]])

        there = [f for f in self.searches if f.task == task and np.isfinite(f.verified[-1])]
        return min(there, key=lambda f: (round(float(f.verified[-1]), 12), there_after(f)), default=None)

    def share_met(self, task: str) -> tuple[IntArray, dict[str, FloatArray]]:
        """Return (checkpoints,) queries, and (seeds, checkpoints) shares of the targets that were met, by method."""
        met = self.query(MET, {"task": task, "met": self.facts.amortised[task].met}).to_pandas()
        # The last value is carried forward.
        shares = met.pivot_table("share", ["method", "seed"], "evaluation").ffill(axis=1).fillna(0.0)
        there = [method for method in self.facts.methods if method in set(met["method"])]
        return shares.columns.to_numpy(np.int64), {method: shares.loc[method].to_numpy() for method in there}

    def figures(self, task: str = "") -> list[MethodFigures]:
        """Return the figures of each method on an amortised task; without a name, on the only one.

        Raises:
            ConfigurationError: if there is no name, and not exactly one amortised task.
        """
        if not task and len(self.facts.amortised) != 1:
            raise ConfigurationError(
                f"give the name of an amortised task: {', '.join(self.facts.amortised) or 'there is none'}"
            )
        name = task or next(iter(self.facts.amortised))
        rows = self.query(FINAL, {"task": name}).to_pylist()
        own = {m: [row for row in rows if row["method"] == m] for m in self.facts.methods}
        return [_figures(m, self.facts, name, runs) for m, runs in own.items() if runs]

    def costs(self) -> list[dict[str, Any]]:
        """Return rows by track and method: runs, evaluations by kind, mean seconds of a run and of a training."""
        rows: list[dict[str, Any]] = self.query(COSTS).to_pylist()
        return rows


def _figures(method: str, facts: SuiteFacts, task: str, runs: Sequence[Mapping[str, Any]]) -> MethodFigures:
    about = facts.amortised[task]
    verified = [np.nan_to_num(np.array(run["verified"], dtype=np.float64), nan=np.inf) for run in runs]
    predicted = [np.array(run["predicted"], dtype=np.float64) for run in runs]
    valid = [np.isfinite(losses) for losses in verified]
    return MethodFigures(
        method,
        about.unit,
        queries=runs[0]["queries"],
        seeds=len(runs),
        error=estimate([_mean(losses[ok]) for losses, ok in zip(verified, valid, strict=True)]),
        median=estimate([np.median(losses) for losses in verified]),
        predicted=estimate([_mean(losses[ok]) for losses, ok in zip(predicted, valid, strict=True)]),
        met=estimate([(losses < about.met).mean() for losses in verified]),
        invalid=float(np.mean([1.0 - ok.mean() for ok in valid])),
    )


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
