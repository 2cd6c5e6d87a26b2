"""What a run says of itself, and its records: refused where they do not belong together."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matgym.errors import DatasetError

COLUMNS: Final = (
    "track", "task", "method", "seed", "target_index", "evaluation", "believed_loss", "true_loss", "seconds",
    "surrogate", "oracle", "simulation", "audits", "training_seconds", "design", "described", "xyz", "identity", "cell",
)  # fmt: skip
"""Of every record."""

SHARED: Final = ("versions", "source", "hashes")
"""What the identities of all records of a task have in common."""


SEARCHES: Final = """
SELECT task, method, seed,
       list(evaluation ORDER BY evaluation) AS evaluations,
       list(believed_loss ORDER BY evaluation) AS believed,
       list(true_loss ORDER BY evaluation) AS truth,
       max(seconds) AS seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
       max(simulation) AS simulation, max(audits) AS audits,
       arg_max(design, evaluation) AS design, arg_max(described, evaluation) AS described,
       arg_max(xyz, evaluation) AS xyz
FROM records WHERE track = 'search' GROUP BY ALL ORDER BY task, method, seed
"""
"""Every search as one row."""

MET: Final = """
SELECT method, seed, evaluation,
       avg(CASE WHEN isfinite(true_loss) AND true_loss <= {met!r} THEN 1.0 ELSE 0.0 END) AS share
FROM records WHERE track = 'amortised' AND task = '{task}' GROUP BY ALL ORDER BY method, seed, evaluation
"""
"""Share of an amortised task's targets that were met, by method, seed and queries; give `task` and `met`."""

COSTS: Final = """
WITH cells AS (
  SELECT track, method, task, seed, target_index, max(evaluation) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(audits) AS audits
  FROM records GROUP BY ALL),
runs AS (
  SELECT track, method, task, seed, sum(evaluations) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(audits) AS audits
  FROM cells GROUP BY ALL)
SELECT track, method, count(*) AS cells, sum(evaluations)::BIGINT AS evaluations, sum(surrogate)::BIGINT AS surrogate,
       sum(oracle)::BIGINT AS oracle, sum(simulation)::BIGINT AS simulation, sum(audits)::BIGINT AS audits,
       avg(seconds) AS seconds, avg(training_seconds) AS training_seconds
FROM runs GROUP BY ALL ORDER BY track DESC, method
"""
"""What was spent, by track and method."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Rewarded(_Model):
    """What every task says: who rewards, who audits, and what the former cost to make."""

    title: str
    unit: str = ""
    source: str = ""
    audited_by: str = ""
    training: str = ""

    @property
    def by_network(self) -> bool:
        """Whether a network rewards, so that what is believed need not be true."""
        return not self.source.startswith(("physics", "solved", "oracle"))


class SearchTask(Rewarded):
    """One target to be searched for."""

    goal: Literal["target", "min", "max"]
    target: tuple[float, ...] = ()
    optimum_loss: float
    proven: bool
    found_by: str = ""
    designs: int | None = None
    random_loss: float
    tolerance: float = Field(ge=0.0)


class AmortisedTargets(Rewarded):
    """Many targets, of which each gets few queries."""

    targets: int
    met: float


class MethodFacts(_Model):
    """A method as the run had it."""

    kind: str
    budget: int
    settings: Mapping[str, Any] = Field(default_factory=dict)


class Run(_Model):
    """The contents of run.json."""

    suite: str
    created: str = ""
    machine: str = ""
    versions: Mapping[str, str] = Field(default_factory=dict)
    seconds: float = 0.0
    wall_seconds: float = 0.0
    workers: int = 1
    cells: tuple[str, ...] = ()
    tasks: Mapping[str, SearchTask] = Field(default_factory=dict)
    methods: Mapping[str, MethodFacts]
    amortised: Mapping[str, AmortisedTargets] = Field(default_factory=dict)


def read_run(path: Path) -> Run:
    """Read run.json.

    Raises:
        DatasetError: if it is missing, or a field of it is.
    """
    if not path.is_file():
        raise DatasetError(f"there is no {path}: give a folder that `matgym benchmark run` made")
    try:
        run = Run.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        raise DatasetError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
    for name, task in run.tasks.items():
        if not task.random_loss > task.optimum_loss:
            raise DatasetError(
                f"{path}: tasks.{name}.random_loss: {task.random_loss} must be above the optimum's {task.optimum_loss}"
            )
    return run


def planned_cells(run: Run) -> list[tuple[str, str, str, int]]:
    """(track, task, method, seed) of the cells that run.json lists by their keys."""
    planned = []
    for track, tasks in (("search", run.tasks), ("amortised", run.amortised)):
        for task in tasks:
            for method in run.methods:
                key = re.compile(re.escape(f"{task}-{method}-") + r"(\d+)-[0-9a-f]+")
                planned += [(track, task, method, int(m[1])) for cell in run.cells if (m := key.fullmatch(cell))]
    return planned


def open_records(folder: Path) -> tuple[duckdb.DuckDBPyConnection, list[Path]]:
    """A connection with the view `records`, whose `filename` says where a row is from; and the files.

    Raises:
        DatasetError: if there are none, or one cannot be read.
    """
    paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not paths:
        raise DatasetError(f"there are no records in {folder}: run the suite first")
    connection = duckdb.connect()
    for path in paths:
        try:
            columns = connection.read_parquet(str(path)).columns
        except duckdb.Error as error:
            raise DatasetError(f"{path} is no Parquet file that DuckDB reads: {error}") from None
        lacking = [name for name in COLUMNS if name not in columns]
        if lacking:
            raise DatasetError(f"{path} lacks the column {lacking[0]!r}; remove it, or run its cell again")
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    connection.execute(
        f"CREATE VIEW records AS SELECT * FROM read_parquet([{names}], filename = true, union_by_name = true)"  # noqa: S608
    )
    return connection, paths


def check_records(connection: duckdb.DuckDBPyConnection, run: Run) -> set[tuple[str, str, str, int]]:
    """The (track, task, method, seed) that are there.

    Raises:
        DatasetError: if a record is of another run, or of other versions, hashes or settings than its like.
    """
    rows = connection.execute(
        "SELECT DISTINCT filename, track, task, method, seed, identity, cell FROM records ORDER BY ALL"
    ).fetchall()
    tasks: dict[str, tuple[str, dict[str, Any]]] = {}
    methods: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}
    seen: dict[tuple[str, str, str, int], str] = {}
    for file, track, task, method, seed, identity, cell in rows:
        known = run.tasks if track == "search" else run.amortised
        for field, value, names in (("task", task, known), ("method", method, run.methods)):
            if value not in names:
                raise DatasetError(f"{file} has {field} {value!r}, which run.json does not name; remove the file")
        if run.cells and cell not in run.cells:
            raise DatasetError(f"{file} has cell {cell!r}, which run.json does not name; remove the file")
        place = (track, task, method, seed)
        if place in seen:
            raise DatasetError(f"{file} has seed {seed} of {method} on {task} once more than {seen[place]}; remove one")
        seen[place] = file
        try:
            about = {name: value for name, value in dict(json.loads(identity)).items() if name != "seed"}
        except (ValueError, TypeError):
            raise DatasetError(f"{file} has identity {identity!r}, which is no JSON object; remove the file") from None
        shared = {name: about[name] for name in SHARED if name in about}
        installed = {k: v for k, v in run.versions.items() if k in about.get("versions", {})}
        _compare(file, {"versions": installed}, "run.json", {"versions": {k: about["versions"][k] for k in installed}})
        _compare(tasks.setdefault(task, (file, shared))[0], tasks[task][1], file, shared)
        _compare(methods.setdefault(place[:3], (file, about))[0], methods[place[:3]][1], file, about)
    return set(seen)


def _compare(one: str, theirs: Mapping[str, Any], other: str, ours: Mapping[str, Any]) -> None:
    path = _difference(theirs, ours)
    if path:
        raise DatasetError(
            f"{one} and {other} differ in {'.'.join(path)}: {_at(theirs, path)!r} and {_at(ours, path)!r}; "
            "remove what is stale and run its cells again"
        )


def _difference(one: Any, other: Any) -> tuple[str, ...]:
    """Path to the first field that differs; empty if none does."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            if one.get(name) != other.get(name):
                return (name, *_difference(one.get(name), other.get(name)))
    return ()


def _at(content: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content
