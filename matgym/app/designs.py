"""Designs on disk: a table of all, and structure files of the best."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym import __version__
from matgym.benchmark import Verified
from matgym.files import atomic_path
from matgym.structures.io.files import write
from matgym.tasks import TargetProperty

BEST = 5
"""Designs whose structures are written."""


def write_designs(folder: Path, runs: Sequence[Verified], task: TargetProperty, best_of: str) -> dict[str, Path]:
    """Write `designs.parquet`, and the best designs of one method as extended XYZ and CIF.

    Args:
        folder: made if missing.
        runs: verified searches.
        task: they were for.
        best_of: method whose best designs are written as structures.

    Returns:
        What was written, by name.
    """
    tubes = [tube for run in runs for tube in run.search.tubes(task)]
    count = len(runs[0].search.targets)
    table = pa.table(
        {
            "method": [run.search.method for run in runs for _ in range(count)],
            "seed": [run.seed for run in runs for _ in range(count)],
            "queries": [run.queries for run in runs for _ in range(count)],
            "target_ev": np.concatenate([run.search.targets for run in runs]),
            "surrogate_ev": np.concatenate([run.search.belief for run in runs]),
            "oracle_ev": np.concatenate([run.truth for run in runs]),
            "key": [tube.key for tube in tubes],
            "n": [tube.n for tube in tubes],
            "m": [tube.m for tube in tubes],
            "cells": [tube.cells for tube in tubes],
            "species": [tube.species.tobytes() for tube in tubes],
        },
        metadata={"matgym": json.dumps({"version": __version__, "ledger": task.ledger.as_dict()})},
    )
    files = {"designs": folder / "designs.parquet", "structures": folder / "structures"}
    with atomic_path(files["designs"]) as scratch:
        pq.write_table(table, scratch, compression="zstd")

    run = next(run for run in runs if run.search.method == best_of)
    best = np.argsort(run.error)[:BEST]
    designs = run.search.tubes(task)
    files["structures"].mkdir(parents=True, exist_ok=True)
    for rank, row in enumerate(best):
        stem = f"best-{rank + 1}"
        for suffix in (".extxyz", ".cif"):
            write(files["structures"] / (stem + suffix), designs[row])
    return files
