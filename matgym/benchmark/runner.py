"""Run a suite in a folder, in parallel and resumable."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from matgym.benchmark.description import describe
from matgym.benchmark.facts import SuiteFacts
from matgym.benchmark.identity import in_words, read_identity
from matgym.benchmark.planning import Shard, plan
from matgym.benchmark.records import read_record, record_files
from matgym.benchmark.runs import Run
from matgym.benchmark.suite import ABOUT, RECORDS, Suite
from matgym.errors import DatasetError
from matgym.execution import execute
from matgym.files import DAMAGED, check_output, remove_scratch, set_aside, write_json
from matgym.work import alone_in

WHOLE: Final = Shard()
"""All runs."""

NOTED_S: Final = 10.0
"""Seconds between two updates of the wall time in suite.json."""


def run_suite(
    suite: Suite,
    folder: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    trust: bool = False,
    shard: Shard = WHOLE,
    on_done: Callable[[Run, bool], None] = lambda _run, _before: None,
) -> Path:
    """Execute the runs of a suite that have no record yet.

    Args:
        suite: suite to run.
        folder: folder of the results: `suite.json`, and `records/` with one Parquet file per run.
        workers: number of processes; see `matgym.execution.execute`.
        scheduler: address of a Dask scheduler, whose workers then execute the runs.
        trust: see `plan`.
        shard: the part of the runs that is executed. Shards may share a folder only one after the other; several jobs
            at once take one folder each, which `merge` joins.
        on_done: function that is called with each run that has a record, and with whether the record existed before.

    Returns:
        The folder.

    Raises:
        ConfigurationError: if a task would have no run, a method cannot be loaded or made with its settings, or the
            file of a policy is missing.
        FormatError: if the folder or a file in it cannot be written.
        WeightsError: if the file of a policy holds no agent, or is a .zip file without `trust`.
        DatasetError: if the folder holds records of other code, versions, weights, tables or settings, or of another
            suite.
        ExecutionError: after all other runs are finished, if runs failed; immediately, if another call runs a suite in
            the folder.
    """
    runs = [run.identified() for run in plan(suite, trust=trust)]
    check_output(folder, folder=True)
    check_output(folder / RECORDS, folder=True)
    check_output(folder / ABOUT)
    for run in runs:
        if run.seed == 0:
            run.check()
    with alone_in(folder, f"another call runs a suite in {folder}"):
        return _run_in(folder, suite, runs, shard, workers, scheduler, on_done)


def _run_in(
    folder: Path,
    suite: Suite,
    runs: Sequence[Run],
    shard: Shard,
    workers: int,
    scheduler: str | None,
    on_done: Callable[[Run, bool], None],
) -> Path:
    """Execute the runs of a suite in a folder whose lock this call holds; see `run_suite`."""
    remove_scratch(folder)
    check_folder(folder, runs)
    about = folder / ABOUT
    before = _facts_before(about)
    began = time.perf_counter()
    content = describe(suite, runs, workers).model_dump() | {
        name: before[name] for name in ("created", "wall_seconds") if name in before
    }
    write_json(about, content)
    noted = began

    def spent() -> float:
        return float(before.get("wall_seconds", 0.0)) + time.perf_counter() - began

    def done(run: Any, there: bool) -> None:
        """Write the wall time at intervals, so that a killed call does not lose it."""
        nonlocal noted
        on_done(run, there)
        if time.perf_counter() - noted > NOTED_S:
            noted = time.perf_counter()
            write_json(about, content | {"wall_seconds": spent()})

    files = execute(shard.part(runs), folder / RECORDS, workers=workers, scheduler=scheduler, on_done=done)
    write_json(about, content | {"wall_seconds": spent(), "seconds": cpu_seconds(pq.read_table(f) for f in files)})
    for path in (about, *files):  # what was damaged has been done again
        path.with_name(path.name + DAMAGED).unlink(missing_ok=True)
    return folder


def _facts_before(about: Path) -> dict[str, Any]:
    """Return the contents of suite.json of an earlier call; a damaged file is set aside, and is written again."""
    if not about.exists():
        return {}
    try:
        return SuiteFacts.read(about).model_dump()
    except DatasetError as error:
        set_aside(about, str(error))
        return {}


def check_folder(folder: Path, runs: Sequence[Run]) -> None:
    """Check that a folder holds records of the given runs only; damaged records of these runs are set aside.

    Raises:
        DatasetError: if there are other records; the message gives the difference.
    """
    by_key = {run.key: run for run in runs}
    by_place = {(run.task_name, run.name, run.seed): run for run in runs}
    for path in record_files(folder / RECORDS):
        own = by_key.get(path.stem)
        try:
            row = read_record(path).select(["task", "method", "seed", "identity", "run"]).slice(0, 1).to_pylist()[0]
            identity = read_identity(row["identity"], path)
        except DatasetError as error:
            if own is None:
                raise
            set_aside(path, str(error))
            continue
        place = (row["task"], row["method"], row["seed"])
        if own is not None:
            if (row["run"], row["identity"], place) != (own.key, own.identity, (own.task_name, own.name, own.seed)):
                set_aside(path, f"it holds the run {row['run']}")
            continue
        mine = by_place.get(place)
        reason = "the suite has no such run"
        if mine is not None:
            reason = in_words(identity, json.loads(mine.identity)) or "it differs"
        raise DatasetError(f"{path} is not of this suite: {reason}; remove it or choose another folder")


def last_loss(record: Path) -> float:
    """Return the mean over targets of the verified loss after the whole budget; NaN if no design has one."""
    table = pq.read_table(record, columns=["evaluation", "verified_loss"])
    evaluations, losses = (table[name].to_numpy() for name in table.column_names)
    final = losses[evaluations == evaluations.max()]
    known = final[~np.isnan(final)]
    return float(known.mean()) if len(known) else float("nan")


def cpu_seconds(records: Any) -> float:
    """Return the seconds of all runs together, without verification."""
    return float(sum(max(table[name].to_pylist()) for table in records for name in ("seconds", "training_seconds")))
