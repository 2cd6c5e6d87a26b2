"""Many tubes through the oracles: in pieces, on any number of processes or machines, resumable after a kill."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from matgym.errors import ConfigurationError
from matgym.execution import Job, execute
from matgym.models import Predictions
from matgym.physics.cache import PHYSICS_VERSION
from matgym.physics.registry import Conditions, oracle_of, parse_properties, predict
from matgym.structures import Nanotube

_FAILURE: Final = "failure"


@dataclass(frozen=True)
class EvaluationJob:
    """Some properties of some tubes, as a job.

    Raises:
        PropertyError: if a property is unknown.
    """

    tubes: tuple[Nanotube, ...]
    keys: tuple[str, ...]
    conditions: Conditions

    @cached_property
    def key(self) -> str:
        """Hash of the tubes, the oracles with their settings, and the version of the physics."""
        oracles = [f"{key} {oracle_of(key, self.conditions)!r}" for key in self.keys]
        text = "\n".join([str(PHYSICS_VERSION), *oracles, *(tube.digest for tube in self.tubes)])
        return "oracles-" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def run(self) -> pa.Table:
        """Predict: a column of values and one of reasons for each property."""
        found = predict(self.tubes, self.keys, self.conditions)
        rows = range(len(self.tubes))
        columns = {key: pa.array(found[key], pa.float64()) for key in self.keys}
        for key in self.keys:
            reasons = found.failures.get(key, {})
            columns[f"{key} {_FAILURE}"] = pa.array([reasons.get(row) for row in rows], pa.string())
        return pa.table(columns)


def predict_in_parallel(
    tubes: Sequence[Nanotube],
    names: Sequence[str],
    folder: Path,
    *,
    conditions: Conditions | None = None,
    workers: int = 2,
    scheduler: str | None = None,
    piece: int = 100,
    on_piece: Callable[[int, int], None] = lambda _done, _total: None,
) -> Predictions:
    """As `predict`, in pieces that are kept: the same call goes on where a killed one ended.

    Args:
        tubes: B tubes.
        names: short names or keys.
        folder: in which the pieces are kept; it may hold those of other calls.
        conditions: temperature and chemical potential.
        workers: processes, each on one core; 1 stays in this one.
        scheduler: address of a Dask scheduler whose workers do it instead: see `matgym.execution.execute`.
        piece: tubes in one job.
        on_piece: called with the pieces that are done, and all, after each.

    Returns:
        Predictions of the named properties, in that order.

    Raises:
        ConfigurationError: if `piece` or `workers` is below 1.
        PropertyError: if a property is unknown.
        ExecutionError: if pieces could not be computed.
    """
    import pyarrow.parquet as pq

    if piece < 1:
        raise ConfigurationError(f"piece={piece} must be 1 tube or more")
    keys = tuple(prop.key for prop in parse_properties(names))
    at = conditions or Conditions()
    pieces = [EvaluationJob(tuple(tubes[i : i + piece]), keys, at) for i in range(0, len(tubes), piece)]
    jobs = {job.key: job for job in pieces}  # the same tubes may stand in two pieces
    done = 0

    def count(_job: Job, _before: bool) -> None:
        nonlocal done
        done += 1
        on_piece(done, len(jobs))

    paths = execute(jobs.values(), folder, workers=workers, scheduler=scheduler, on_done=count)
    tables = {key: pq.read_table(path) for key, path in zip(jobs, paths, strict=True)}
    rows = pa.concat_tables([tables[job.key] for job in pieces])
    values = {key: rows[key].to_numpy().astype(np.float64) for key in keys}
    reasons = {key: _reasons(rows, f"{key} {_FAILURE}") for key in keys}
    return Predictions(values, {key: why for key, why in reasons.items() if why})


def _reasons(rows: pa.Table, column: str) -> dict[int, str]:
    return {row: why for row, why in enumerate(rows[column].to_pylist()) if why is not None}
