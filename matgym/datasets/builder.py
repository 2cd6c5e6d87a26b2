"""Build a data set: in parallel, resumable after a kill, the same bytes every time.

Samples are cut into shards of fixed size. A shard depends on the specification and its own number only and
is written in one step; what a killed build leaves behind is whole shards, which the next one keeps.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.datasets.sampling import random_codoped
from matgym.datasets.specification import SCHEMA_VERSION, DatasetSpec
from matgym.datasets.splits import split_of
from matgym.errors import ConfigurationError, DatasetError
from matgym.files import atomic_path, write_json
from matgym.oracles.cache import PHYSICS_VERSION
from matgym.oracles.registry import Conditions, evaluate, oracle_of

SHARD_SAMPLES: Final = 100

_TUBE: Final = (
    pa.field("key", pa.string(), nullable=False),  # Nanotube.key: hash up to symmetry
    pa.field("sample", pa.int32(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("n", pa.int16(), nullable=False),
    pa.field("m", pa.int16(), nullable=False),
    pa.field("cells", pa.int16(), nullable=False),
    pa.field("strain", pa.float64(), nullable=False),
    pa.field("species", pa.binary(), nullable=False),  # one code a site, in raster order
)


def schema(spec: DatasetSpec) -> pa.Schema:
    """Columns of a data set: the tube, its labels (null where one could not be computed), and why not."""
    return pa.schema([*_TUBE, *(pa.field(key, pa.float64()) for key in spec.keys), pa.field("failure", pa.string())])


def build(
    spec: DatasetSpec,
    output: Path,
    *,
    workers: int = 2,
    on_shard: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Build a data set, or go on with one that was interrupted.

    Args:
        spec: what to build.
        output: the Parquet file; `OUTPUT.shards/` beside it holds what is done until all is.
        workers: processes, each on one core.
        on_shard: called with the shards that are done, and all, at the start and after each.

    Returns:
        `output`.

    Raises:
        ConfigurationError: if `workers` is below 1.
        DatasetError: if the shards beside `output` belong to another specification.
    """
    if workers < 1:
        raise ConfigurationError(f"workers={workers} must be 1 or more")
    shards = output.with_name(output.name + ".shards")
    _claim(shards, spec)
    count = -(-spec.samples // SHARD_SAMPLES)
    paths = [shards / f"shard-{number:05d}.parquet" for number in range(count)]
    missing = [number for number in range(count) if not paths[number].exists()]
    done = count - len(missing)
    on_shard(done, count)
    for _ in _run(spec, {number: paths[number] for number in missing}, workers):
        done += 1
        on_shard(done, count)
    _merge(spec, paths, output)
    rmtree(shards)
    return output


def _claim(shards: Path, spec: DatasetSpec) -> None:
    note = shards / "specification.json"
    wanted = spec.model_dump(mode="json") | {"digest": spec.digest}
    if note.exists():
        found = json.loads(note.read_text(encoding="utf-8"))
        if found != wanted:
            raise DatasetError(f"{shards} holds the unfinished build of another specification; finish or remove it")
    else:
        write_json(note, wanted)


def _run(spec: DatasetSpec, shards: dict[int, Path], workers: int) -> Iterator[int]:
    if workers == 1:
        for number, path in shards.items():
            yield write_shard(spec, number, path)
        return
    with (
        _single_threaded_children(),
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        futures = [pool.submit(write_shard, spec, number, path) for number, path in shards.items()]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else the rest of the queue would still be worked through
            raise


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Keep the linear algebra of worker processes to one core each."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def write_shard(spec: DatasetSpec, number: int, path: Path) -> int:
    """Sample, label and write one shard; returns its number."""
    samples = range(number * SHARD_SAMPLES, min((number + 1) * SHARD_SAMPLES, spec.samples))
    families = [spec.family_of(sample) for sample in samples]
    tubes = [
        random_codoped(f.n, f.m, f.cells, spec.largest_share, np.random.default_rng([spec.seed, sample]))
        for sample, f in zip(samples, families, strict=True)
    ]
    labels, _ = evaluate(tubes, spec.properties, Conditions(spec.temperature_k))
    keys = [tube.key for tube in tubes]
    columns: dict[str, Any] = {
        "key": keys,
        "sample": list(samples),
        "split": ["larger" if f.larger else split_of(key) for f, key in zip(families, keys, strict=True)],
        "n": [tube.n for tube in tubes],
        "m": [tube.m for tube in tubes],
        "cells": [tube.cells for tube in tubes],
        "strain": [tube.strain for tube in tubes],
        "species": [tube.species.tobytes() for tube in tubes],
        "failure": [labels.failures.get(row) for row in range(len(tubes))],
    }
    for name, values in labels.values.items():
        # Ten digits, past the oracles' tolerance: the same bytes on the same machine.
        columns[name] = [None if np.isnan(value) else float(f"{value:.10g}") for value in values]
    with atomic_path(path) as scratch:
        pq.write_table(pa.table(columns, schema=schema(spec)), scratch, compression="zstd")
    return number


def _merge(spec: DatasetSpec, paths: list[Path], output: Path) -> None:
    """Join the shards in order and drop symmetric doubles, the first of them staying."""
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    first: dict[str, int] = {}
    for row, key in enumerate(table.column("key").to_pylist()):
        first.setdefault(key, row)
    table = table.take(pa.array(list(first.values())))
    provenance = {
        "schema_version": SCHEMA_VERSION,
        "specification": spec.model_dump(mode="json"),
        "oracles": {key: repr(oracle_of(key, Conditions(spec.temperature_k))) for key in spec.keys},
        "physics_version": PHYSICS_VERSION,
    }
    table = table.replace_schema_metadata({b"matgym": json.dumps(provenance, sort_keys=True).encode()})
    with atomic_path(output) as scratch:
        pq.write_table(table, scratch, compression="zstd", compression_level=15, row_group_size=1 << 20)
