"""Run a suite: cells in parallel, resumable, here or on a cluster; what a run is made of stands in its run.json."""

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from matgym.benchmark.amortised import AMORTISED
from matgym.benchmark.cells import AmortisedCell, Cell, SearchCell, versions
from matgym.benchmark.methods import NamedMethod, algorithm_of
from matgym.benchmark.suite import AmortisedTrack, PolicySpec, SearchTrack, Suite
from matgym.errors import ConfigurationError, DatasetError
from matgym.execution import execute
from matgym.files import write_json
from matgym.tasks import DesignTask, TargetProperty
from matgym.tasks.instances import instance
from matgym.tasks.solved import SOLVED

NOTED_S = 10.0
"""Seconds between notes of the time that a run has taken."""

RECORDS = "records"
"""Folder of the cells' files, within that of the results."""


def cells_of(suite: Suite) -> list[Cell]:  # two tracks, three loops each
    """All cells of a suite, seed by seed, so that an interrupted run has whole tables of fewer seeds."""
    cells: list[Cell] = []
    if suite.search is not None:
        track = suite.search
        for seed in range(track.seeds):
            for task in track.tasks:
                for method in track.methods:
                    if applies(method.method.optimizer, task):
                        budget = min(method.budget or track.budget, track.budget)
                        cells.append(SearchCell.of(task, method.method, seed, budget))
    if suite.amortised is not None:
        wide = suite.amortised
        for seed in range(wide.seeds):
            for task in wide.tasks:
                policies = [policy for policy in wide.policies if not policy.tasks or task in policy.tasks]
                contenders: list[NamedMethod | PolicySpec] = [*policies, *(method.method for method in wide.methods)]
                cells += [AmortisedCell.of(task, one, seed, wide.targets, wide.queries) for one in contenders]
    return cells


def applies(optimizer: str, task: str) -> bool:
    """Whether an optimizer can search an instance: those that choose among actions cannot search numbers."""
    algorithm = algorithm_of(optimizer)
    if algorithm is None:
        return True
    from matgym.agents.optimizers.rl_search import check_applies

    try:
        check_applies(algorithm, instance(task).task().space)
    except ConfigurationError:
        return False
    return True


def run_suite(
    suite: Suite,
    folder: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    on_done: Callable[[Cell, bool], None] = lambda _cell, _before: None,
) -> Path:
    """Run the cells of a suite that have no record yet.

    Args:
        suite: what to run.
        folder: of the results: `run.json`, and `records/` with a Parquet file a cell.
        workers: processes; see `matgym.execution.execute`.
        scheduler: address of a Dask scheduler, whose workers run the cells instead.
        on_done: called with each cell whose record is there, and whether it was before.

    Returns:
        The folder.

    Raises:
        DatasetError: if the folder holds records of other versions, weights, tables or settings, or of another suite.
        ExecutionError: when all others are done, if cells failed.
    """
    cells = cells_of(suite)
    check_records(folder, cells)
    about = folder / "run.json"
    before = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    began = time.perf_counter()
    write_json(
        about, described(suite, cells, workers) | {k: before[k] for k in ("created", "wall_seconds") if k in before}
    )
    noted = began

    def done(cell: Any, there: bool) -> None:
        """Note the time now and then, so that a killed run's is not lost."""
        nonlocal noted
        on_done(cell, there)
        if time.perf_counter() - noted > NOTED_S:
            noted = time.perf_counter()
            spent = float(before.get("wall_seconds", 0.0)) + noted - began
            write_json(about, json.loads(about.read_text(encoding="utf-8")) | {"wall_seconds": spent})

    execute(cells, folder / RECORDS, workers=workers, scheduler=scheduler, on_done=done)
    wall = float(before.get("wall_seconds", 0.0)) + time.perf_counter() - began
    content = json.loads(about.read_text(encoding="utf-8")) | {
        "wall_seconds": wall,
        "seconds": _cpu_seconds(folder, cells),
    }
    write_json(about, content)
    return folder


def check_records(folder: Path, cells: list[Cell]) -> None:
    """Refuse to add to records that belong to something else.

    Raises:
        DatasetError: if there are some; it says what differs.
    """
    wanted = {cell.key for cell in cells}
    for path in sorted((folder / RECORDS).glob("[!.]*.parquet")):
        if path.stem in wanted:
            continue
        row = pq.read_table(path, columns=["track", "task", "method", "seed", "identity"]).slice(0, 1).to_pylist()
        theirs = json.loads(row[0]["identity"]) if row else {}
        ours = next(
            (json.loads(c.identity) for c in cells if row and (c.task, c.name, c.seed) == (
                row[0]["task"], row[0]["method"], row[0]["seed"])), None,
        )  # fmt: skip
        raise DatasetError(
            f"{path} is not of this run: {_difference(theirs, ours)}; remove it, or choose another folder"
        )


def _difference(theirs: dict[str, Any], ours: dict[str, Any] | None) -> str:
    if ours is None:
        return "the suite has no such cell"
    for name in sorted({*theirs, *ours}):
        if theirs.get(name) == ours.get(name):
            continue
        if name == "versions":
            for library, here in ours[name].items():
                there = theirs.get(name, {}).get(library)
                if there != here:
                    return f"it was made with {library} {there}, and this is {here}"
        return f"its {name} was {theirs.get(name)!r}, and is now {ours.get(name)!r}"
    return "it differs"


def described(suite: Suite, cells: list[Cell], workers: int) -> dict[str, Any]:
    """What a report needs to know of a run besides its records."""
    search, wide = suite.search, suite.amortised
    methods: dict[str, Any] = {}
    for track in (search, wide):
        for method in track.methods if track else ():
            whole = track.budget if isinstance(track, SearchTrack) else track.queries if track else 0
            budget = min(method.budget or whole, whole)
            methods.setdefault(
                method.name,
                {
                    "kind": method.method.kind,
                    "budget": min(method.budget or budget, budget),
                    "settings": method.settings,
                },
            )
    for policy in wide.policies if wide else ():
        methods[policy.title] = {
            "kind": "RL", "budget": policy.designs, "settings": {"trained on designs": policy.designs}
        }  # fmt: skip
    return {
        "suite": suite.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "workers": workers,
        "seconds": 0.0,
        "wall_seconds": 0.0,
        "cells": [cell.key for cell in cells],
        "tasks": {name: _task(name) for name in search.tasks} if search else {},
        "methods": methods,
        "amortised": {name: _amortised(name, wide) for name in wide.tasks} if wide else {},
    }


def machine() -> str:
    """The processor, and how many cores of it."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return f"{os.cpu_count()} cores of {name}, Python {platform.python_version()}"


def _task(name: str) -> dict[str, Any]:
    made = instance(name)
    task, best = made.task(), made.optimum
    if best is None:
        raise DatasetError(f"nothing is known of the optimum of {name}: run matgym benchmark solve {name}")
    goal = getattr(task, "goal", "max" if not made.target else "target")
    return {
        "title": made.title, "unit": task.unit, "goal": goal, "target": list(made.target), "optimum_loss": best.loss,
        "optimum": best.described, "proven": best.proven, "found_by": best.found_by, "designs": best.designs,
        "random_loss": best.random_loss, "tolerance": best.tolerance, **_sources(task),
    }  # fmt: skip


def _amortised(name: str, track: AmortisedTrack | None) -> dict[str, Any]:
    about = AMORTISED[name]
    task = about.make()
    return {
        "title": about.title, "unit": task.unit, "targets": track.targets if track else 0, "met": about.met,
        **_sources(task),
    }  # fmt: skip


def _sources(task: DesignTask) -> dict[str, str]:
    """Who rewards, who audits, and what the former cost to make."""
    source = getattr(task, "source", "oracle")
    table = isinstance(source, str) and source.startswith(SOLVED)
    network = isinstance(source, str) and not table and source != "oracle"
    if network and isinstance(task, TargetProperty):
        from matgym.surrogates.store import load_card

        card = load_card(source)
        rows = card.data["rows"]
        training = (
            f"The network {source} learned {rows['train']:,} of {sum(rows.values()):,} tubes that the oracle labelled, "
            f"in {card.fit['epochs']} epochs; neither is counted in the evaluations."
        )
        return {"source": source, "audited_by": "the property's oracle", "training": training}
    if table:
        return {
            "source": "physics: the table of all designs", "audited_by": "the same",
            "training": "None: each look-up stands for one evaluation of physics.",
        }  # fmt: skip
    return {"source": "physics", "audited_by": "the same", "training": "None."}


def last_loss(record: Path) -> float:
    """Mean over targets of the true loss after the whole budget."""
    table = pq.read_table(record, columns=["evaluation", "true_loss"]).to_pydict()
    last = max(table["evaluation"])
    return float(np.nanmean([x for x, k in zip(table["true_loss"], table["evaluation"], strict=True) if k == last]))


def _cpu_seconds(folder: Path, cells: list[Cell]) -> float:
    """Of all cells together, without audits."""
    total = 0.0
    for cell in cells:
        table = pq.read_table(folder / RECORDS / f"{cell.key}.parquet", columns=["seconds", "training_seconds"])
        total += max(table["seconds"].to_pylist()) + max(table["training_seconds"].to_pylist())
    return total
