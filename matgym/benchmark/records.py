"""What a benchmark says of itself, and its records: an error where they do not belong together."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matgym.benchmark.runs import SCHEMA, difference
from matgym.errors import DatasetError
from matgym.tasks import Direction

ABOUT: Final = "suite.json"
"""File that says what the runs of a folder are."""

RECORDS: Final = "records"
"""Folder of the runs' files, within that of the results."""

SHARED: Final = ("versions", "model", "task")
"""What the identities of all records of a task have in common."""

SEARCHES: Final = """
SELECT task, method, seed,
       list(evaluation ORDER BY evaluation) AS evaluations,
       list(predicted_loss ORDER BY evaluation) AS predicted,
       list(verified_loss ORDER BY evaluation) AS verified,
       max(seconds) AS seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
       max(simulation) AS simulation, max(verifications) AS verifications,
       arg_max(design, evaluation) AS design, arg_max(described, evaluation) AS described,
       arg_max(xyz, evaluation) AS xyz
FROM records WHERE track = 'search' GROUP BY ALL ORDER BY task, method, seed
"""
"""Every search as one row."""

MET: Final = """
SELECT method, seed, evaluation,
       avg(CASE WHEN isfinite(verified_loss) AND verified_loss <= $met THEN 1.0 ELSE 0.0 END) AS share
FROM records WHERE track = 'amortised' AND task = $task GROUP BY ALL ORDER BY method, seed, evaluation
"""
"""Share of an amortised task's targets that were met, by method, seed and queries."""

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
"""What was spent, by track and method."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Rewarded(_Model):
    """What every task says: which model rewards, which verifies, and what the former cost to make.

    Attributes:
        title: one line.
        unit: of losses; empty for a pure number.
        model: what rewards, in words.
        level: what stands behind the model's values: see `matgym.models.Level`.
        is_oracle: whether the model is physics, so that what it predicts is true.
        oracle: what verifies, in words.
        training: what it took to train the model.
    """

    title: str
    unit: str = ""
    model: str = ""
    level: str = ""
    is_oracle: bool
    oracle: str = ""
    training: str = ""


class SearchFacts(Rewarded):
    """One target to be searched for."""

    direction: Direction
    target: tuple[float, ...] = ()
    optimum_loss: float
    proven: bool
    found_by: str = ""
    designs: int | None = None
    random_loss: float
    tolerance: float = Field(ge=0.0)


class AmortisedFacts(Rewarded):
    """Many targets, of which each gets few queries."""

    targets: int
    met: float


class MethodFacts(_Model):
    """A method as the suite had it."""

    kind: str
    budget: int
    settings: Mapping[str, Any] = Field(default_factory=dict)


class SuiteFacts(_Model):
    """The contents of suite.json: what a report needs to know besides the records."""

    suite: str
    created: str = ""
    machine: str = ""
    versions: Mapping[str, str] = Field(default_factory=dict)
    seconds: float = 0.0
    wall_seconds: float = 0.0
    workers: int = 1
    runs: tuple[str, ...] = ()
    tasks: Mapping[str, SearchFacts] = Field(default_factory=dict)
    methods: Mapping[str, MethodFacts]
    amortised: Mapping[str, AmortisedFacts] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "SuiteFacts":
        """Read suite.json.

        Raises:
            DatasetError: if it is missing, or a field of it is.
        """
        if not path.is_file():
            raise DatasetError(f"there is no {path}: give a folder that `matgym benchmark run` made")
        try:
            facts = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            first = error.errors()[0]
            raise DatasetError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
        for name, task in facts.tasks.items():
            if not task.random_loss > task.optimum_loss:
                raise DatasetError(
                    f"{path}: tasks.{name}.random_loss: {task.random_loss} must be above the optimum's "
                    f"{task.optimum_loss}"
                )
        return facts

    def planned(self) -> list[tuple[str, str, str, int]]:
        """(track, task, method, seed) of the runs that are listed by their keys."""
        planned = []
        for track, tasks in (("search", self.tasks), ("amortised", self.amortised)):
            for task in tasks:
                for method in self.methods:
                    key = re.compile(re.escape(f"{task}-{method}-") + r"(\d+)-[0-9a-f]+")
                    planned += [(track, task, method, int(m[1])) for run in self.runs if (m := key.fullmatch(run))]
        return planned


def read_records(paths: list[Path]) -> pa.Table:
    """The records of files, one after the other, and in the column `filename` where each row is from.

    Raises:
        DatasetError: if there are none, or one cannot be read.
    """
    tables = []
    for path in paths:
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DatasetError(f"{path} is no Parquet file that can be read: {error}") from None
        lacking = [name for name in SCHEMA.names if name not in table.column_names]
        if lacking:
            raise DatasetError(f"{path} lacks the column {lacking[0]!r}; remove it, and run what is missing again")
        try:
            table = table.select(SCHEMA.names).cast(SCHEMA)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DatasetError(f"{path} does not hold what records hold: {error}") from None
        tables.append(table.append_column("filename", pa.array([str(path)] * len(table), pa.string())))
    if not tables:
        raise DatasetError("there are no records: run the suite first")
    return pa.concat_tables(tables)


def connect(records: pa.Table) -> duckdb.DuckDBPyConnection:
    """A connection with the table `records`, from which no query reaches files or the network."""
    connection = duckdb.connect()
    connection.register("given", records)
    connection.execute("CREATE TABLE records AS SELECT * FROM given")
    connection.unregister("given")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def check_records(connection: duckdb.DuckDBPyConnection, facts: SuiteFacts) -> set[tuple[str, str, str, int]]:
    """The (track, task, method, seed) that are there.

    Raises:
        DatasetError: if a record is of another suite, or of other versions, hashes or settings than its like.
    """
    rows = connection.execute(
        "SELECT DISTINCT filename, track, task, method, seed, identity, run FROM records ORDER BY ALL"
    ).fetchall()
    tasks: dict[str, tuple[str, dict[str, Any]]] = {}
    methods: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}
    seen: dict[tuple[str, str, str, int], str] = {}
    for file, track, task, method, seed, identity, run in rows:
        known: Mapping[str, Any] = facts.tasks if track == "search" else facts.amortised
        for field, value, names in (("task", task, known), ("method", method, facts.methods)):
            if value not in names:
                raise DatasetError(f"{file} has {field} {value!r}, which {ABOUT} does not name; remove the file")
        if facts.runs and run not in facts.runs:
            raise DatasetError(f"{file} has run {run!r}, which {ABOUT} does not name; remove the file")
        place = (track, task, method, seed)
        if place in seen:
            raise DatasetError(f"{file} has seed {seed} of {method} on {task} once more than {seen[place]}; remove one")
        seen[place] = file
        try:
            about = {name: value for name, value in dict(json.loads(identity)).items() if name != "seed"}
        except (ValueError, TypeError):
            raise DatasetError(f"{file} has identity {identity!r}, which is no JSON object; remove the file") from None
        shared = {name: about[name] for name in SHARED if name in about}
        ours, theirs = facts.versions, about.get("versions", {})
        both = [{"versions": {k: part[k] for k in ours.keys() & theirs.keys()}} for part in (ours, theirs)]
        _compare(ABOUT, both[0], file, both[1])
        _compare(tasks.setdefault(task, (file, shared))[0], tasks[task][1], file, shared)
        _compare(methods.setdefault(place[:3], (file, about))[0], methods[place[:3]][1], file, about)
    return set(seen)


def _compare(one: str, theirs: Mapping[str, Any], other: str, ours: Mapping[str, Any]) -> None:
    if found := difference(theirs, ours):
        place, there, here = found
        raise DatasetError(
            f"{one} and {other} differ in {place}: {there!r} and {here!r}; remove what is stale and run it again"
        )
