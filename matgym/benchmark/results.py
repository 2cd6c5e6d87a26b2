"""The records of a benchmark as arrays; inconsistent records raise an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import numpy as np
import pyarrow as pa

from matgym.benchmark.facts import SuiteFacts
from matgym.benchmark.identity import check_records
from matgym.benchmark.records import check_values, read_records, record_files
from matgym.benchmark.suite import ABOUT, RECORDS, compared_at
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.physics.cache import PHYSICS_VERSION
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
         max(simulation) AS simulation, max(experiment) AS experiment, max(verifications) AS verifications
  FROM records GROUP BY ALL),
runs AS (
  SELECT track, method, task, seed, sum(evaluations) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(experiment) AS experiment, max(verifications) AS verifications
  FROM searches GROUP BY ALL)
SELECT track, method, count(*) AS runs, sum(evaluations)::BIGINT AS evaluations, sum(surrogate)::BIGINT AS surrogate,
       sum(oracle)::BIGINT AS oracle, sum(simulation)::BIGINT AS simulation,
       sum(experiment)::BIGINT AS experiment,
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

    @property
    def spent(self) -> int:
        """Return the number of evaluations of the search."""
        return int(self.evaluations[-1])

    def after(self, evaluations: IntArray) -> FloatArray:
        """Return the (marks,) verified losses of the best design after numbers of evaluations; NaN if there is none."""
        place = np.searchsorted(self.evaluations, evaluations, side="right") - 1
        return np.where(place >= 0, self.verified[np.maximum(place, 0)], np.nan)


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
        self.facts = self._resolved(facts)

    def _resolved(self, facts: SuiteFacts) -> SuiteFacts:
        """Return the facts with the lowest verified loss of the records where no lower one was known before."""
        tasks = {}
        for name, about in facts.tasks.items():
            losses = np.concatenate([[np.inf], *(found.verified for found in self.searches if found.task == name)])
            least = float(np.min(losses, where=np.isfinite(losses), initial=np.inf))
            unknown = about.optimum_loss is None
            # Without a lower loss than the median of random designs, scores have no scale of their own.
            least = least if least < about.random_loss else about.random_loss - 1.0
            tasks[name] = about.model_copy(update={"optimum_loss": least}) if unknown else about
        return facts.model_copy(update={"tasks": tasks})

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
    def checkpoints(self) -> tuple[int, ...]:
        """Return the numbers of evaluations at which methods are compared, and which a search has spent."""
        spent = {found.spent for found in self.searches}
        listed = self.facts.checkpoints or compared_at(spent)
        return tuple(sorted(mark for mark in listed if mark <= max(spent, default=0)))

    @property
    def stale(self) -> str:
        """Return a sentence if the records are of another version of the physics than the installed one, or ""."""
        there, here = self.facts.versions.get("physics", str(PHYSICS_VERSION)), str(PHYSICS_VERSION)
        if there == here:
            return ""
        return f"These records are stale: they are of version {there} of the physics, and this is version {here}."

    # ---- losses, scores, regrets

    def losses(self, task: str, method: str, evaluations: Sequence[int] | IntArray) -> FloatArray:
        """Return the (seeds, evaluations) verified losses of the best designs after numbers of evaluations.

        A failed design has the loss of a random design, or the worst loss of the method's other seeds after as many
        evaluations if that is worse. The losses do not depend on other methods.

        Args:
            task: name of the task.
            method: name of the method.
            evaluations: numbers of evaluations. Searches that did not spend the largest of them are left out, because
                no loss is carried beyond the budget of a search.
        """
        marks = np.asarray(evaluations)
        losses = [found.after(marks) for found in self._of(task, method) if found.spent >= marks.max()]
        if not losses:
            return np.zeros((0, len(marks)))
        known = np.isfinite(losses)
        worst = np.where(known, losses, self.facts.tasks[task].random_loss).max(axis=0)
        return np.where(known, losses, worst)

    def _last(self, task: str, method: str) -> int:
        """Return the number of evaluations of a method's searches of a task."""
        return max(found.spent for found in self._of(task, method))

    def regrets(self, task: str, evaluations: int) -> dict[str, FloatArray]:
        """Return the (seeds,) regrets after a number of evaluations, of every method that spent it.

        They are negative below the loss of the best known design.
        """
        optimum = self.facts.tasks[task].optimum
        losses = {method: self.losses(task, method, [evaluations])[:, 0] for method in self.methods_of(task)}
        return {method: own - optimum for method, own in losses.items() if len(own)}

    def scored(self, task: str, losses: FloatArray) -> FloatArray:
        """Return losses as scores: 0 is the median random design, 1 is the optimum."""
        about = self.facts.tasks[task]
        return (about.random_loss - losses) / (about.random_loss - about.optimum)

    def scores(self, evaluations: int = 0) -> dict[str, dict[str, FloatArray]]:
        """Return the (seeds,) verified scores by method and task, of the methods that spent a number of evaluations.

        Args:
            evaluations: number of evaluations; 0 for the last of `checkpoints`.
        """
        mark = evaluations or (self.checkpoints or (0,))[-1]
        found: dict[str, dict[str, FloatArray]] = {}
        for task in self.tasks:
            for method in self.methods_of(task):
                losses = self.losses(task, method, [mark])[:, 0]
                if len(losses):
                    found.setdefault(method, {})[task] = self.scored(task, losses)
        return {method: found[method] for method in self.methods if method in found}

    def anytime_scores(self, method: str) -> tuple[IntArray, dict[str, FloatArray]]:
        """Return (marks,) evaluations 1, 2, 4 and so on of a method, and its (seeds, marks) scores by task."""
        tasks = [task for task in self.tasks if self.seeds(task, method)]
        last = min(self._last(task, method) for task in tasks)
        marks = np.unique(np.append(2 ** np.arange(last.bit_length()), last))
        marks = marks[marks <= last].astype(np.int64)
        return marks, {task: self.scored(task, self.losses(task, method, marks)) for task in tasks}

    def anytime(self, task: str) -> dict[str, tuple[IntArray, FloatArray]]:
        """Return (marks,) evaluations of a task, and (seeds, marks) verified regrets, by method."""
        optimum = self.facts.tasks[task].optimum
        curves = {}
        for method in self.methods_of(task):
            marks = np.unique(np.concatenate([found.evaluations for found in self._of(task, method)]))
            curves[method] = marks, self.losses(task, method, marks) - optimum
        return curves

    def found(self, task: str, evaluations: int) -> dict[str, FloatArray]:
        """Return (seeds,) values by method: 1 if the best design is the optimum within its tolerance, else 0."""
        tolerance, regrets = self.facts.tasks[task].tolerance, self.regrets(task, evaluations)
        return {method: (regret <= tolerance).astype(np.float64) for method, regret in regrets.items()}

    def evaluations_to_optimum(self, task: str) -> dict[str, FloatArray]:
        """Return the (seeds,) evaluations at the first checkpoint with the optimum, or infinity."""
        about = self.facts.tasks[task]

        def first(found: Searched) -> float:
            there = np.flatnonzero(found.verified - about.optimum <= about.tolerance)
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
        """Return (checkpoints,) queries, and (seeds, checkpoints) shares of the targets that were met, by method.

        A share is NaN where a method has no such checkpoint.
        """
        met = self.query(MET, {"task": task, "met": self.facts.amortised[task].met}).to_pandas()
        shares = met.pivot_table("share", ["method", "seed"], "evaluation")
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
