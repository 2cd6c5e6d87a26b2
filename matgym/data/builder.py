"""Build a data set: in parallel, resumable after a kill, the same bytes every time.

Samples are cut into shards of fixed size. A shard depends on the specification and its own number only and
is written in one step; what a killed build leaves behind is whole shards, which the next one keeps.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data.dataset import Dataset
from matgym.data.sampling import random_tube
from matgym.data.specification import SPECIFICATIONS, DatasetSpec
from matgym.data.table import SCHEMA_VERSION, label_columns, split_of, table_of, tube_columns
from matgym.errors import DatasetError
from matgym.execution import Job, execute
from matgym.files import write_json
from matgym.physics.cache import PHYSICS_VERSION
from matgym.physics.registry import Conditions, oracle_of, predict
from matgym.structures import TubeBatch

SHARD_SAMPLES: Final = 100


@dataclass(frozen=True)
class ShardJob:
    """One shard of a data set, as a job."""

    spec: DatasetSpec
    number: int

    @property
    def key(self) -> str:
        """Name that tells apart all that the shard depends on."""
        return f"shard-{self.number:05d}-{self.spec.digest}-{PHYSICS_VERSION}"

    def run(self) -> pa.Table:
        """Sample and label the shard."""
        return make_shard(self.spec, self.number)


def build(
    spec: DatasetSpec,
    output: Path,
    *,
    workers: int = 2,
    scheduler: str | None = None,
    on_shard: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Build a data set, or go on with one that was interrupted.

    Args:
        spec: what to build.
        output: the Parquet file; `OUTPUT.shards/` beside it holds what is done until all is.
        workers: processes, each on one core.
        scheduler: address of a Dask scheduler whose workers make the shards instead: see `matgym.execution.execute`.
        on_shard: called with the shards that are done, and all, at the start and after each.

    Returns:
        `output`.

    Raises:
        ConfigurationError: if `workers` is below 1.
        DatasetError: if the shards beside `output` belong to another specification.
        ExecutionError: if shards could not be made, or another process builds the same file.
    """
    shards = output.with_name(output.name + ".shards")
    _claim(shards, spec)
    jobs = [ShardJob(spec, number) for number in range(-(-spec.samples // SHARD_SAMPLES))]
    done = sum((shards / f"{job.key}.parquet").exists() for job in jobs)
    on_shard(done, len(jobs))

    def count(_job: Job, before: bool) -> None:
        nonlocal done
        if not before:
            done += 1
            on_shard(done, len(jobs))

    paths = execute(jobs, shards, workers=workers, scheduler=scheduler, on_done=count)
    _merge(spec, paths, output)
    rmtree(shards)
    return output


def _claim(shards: Path, spec: DatasetSpec) -> None:
    note = shards / "specification.json"
    expected = spec.model_dump(mode="json") | {"digest": spec.digest}
    if note.exists():
        found = json.loads(note.read_text(encoding="utf-8"))
        if found != expected:
            raise DatasetError(f"{shards} holds the unfinished build of another specification; finish or remove it")
    else:
        write_json(note, expected)


def make_shard(spec: DatasetSpec, number: int) -> pa.Table:
    """Sample and label one shard."""
    samples = range(number * SHARD_SAMPLES, min((number + 1) * SHARD_SAMPLES, spec.samples))
    families = [spec.family_of(sample) for sample in samples]
    batch = TubeBatch.of(
        random_tube(family, spec.largest_share, np.random.default_rng([spec.seed, sample]))
        for sample, family in zip(samples, families, strict=True)
    )
    columns = tube_columns(batch, samples)
    columns["split"] = [
        "larger" if family.larger else split_of(key) for family, key in zip(families, columns["key"], strict=True)
    ]
    conditions = Conditions(spec.temperature_k)
    predictions = predict(batch, spec.properties, conditions)
    for key, values in predictions.values.items():
        # Ten digits, past the oracles' tolerance: the same bytes on the same machine.
        rounded = np.array([float(f"{value:.10g}") for value in values])
        columns |= label_columns(key, rounded, predictions.failures.get(key, {}), oracle_of(key, conditions).level)
    return table_of(columns, spec.keys)


def _merge(spec: DatasetSpec, paths: list[Path], output: Path) -> None:
    """Join the shards in order and drop symmetric doubles, the first of them staying."""
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    _, first = np.unique(table.column("key").to_numpy(), return_index=True)
    table = table.take(pa.array(np.sort(first)))
    metadata = {b"matgym": json.dumps(provenance(spec), sort_keys=True).encode()}
    Dataset(table.replace_schema_metadata(metadata)).save(output)


def provenance(spec: DatasetSpec) -> dict[str, Any]:
    """What a data set's file says of where its rows come from."""
    source = spec.name if SPECIFICATIONS.get(spec.name) == spec else f"{spec.name}.json"
    return {
        "schema_version": SCHEMA_VERSION,
        "specification": spec.model_dump(mode="json"),
        "oracles": {key: repr(oracle_of(key, Conditions(spec.temperature_k))) for key in spec.keys},
        "physics_version": PHYSICS_VERSION,
        "command": f"matgym data build {spec.name}.parquet --specification {source}",
    }
