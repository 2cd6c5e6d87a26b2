"""The files of records: every column, its type and its values are checked, because files come from anywhere."""

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.benchmark.suite import MAX_BUDGET, MAX_TARGETS
from matgym.errors import DatasetError, one_line
from matgym.files import MAX_NUMBER

SCHEMA: Final = pa.schema(
    [
        ("track", pa.string()),
        ("task", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("target_index", pa.int64()),
        ("evaluation", pa.int64()),
        ("predicted_loss", pa.float64()),
        ("verified_loss", pa.float64()),
        ("seconds", pa.float64()),
        ("surrogate", pa.int64()),
        ("oracle", pa.int64()),
        ("simulation", pa.int64()),
        ("experiment", pa.int64()),
        ("verifications", pa.int64()),
        ("training_seconds", pa.float64()),
        ("hypervolume", pa.float64()),
        ("violation", pa.float64()),
        ("diversity", pa.float64()),
        ("design", pa.list_(pa.float64())),
        ("best", pa.list_(pa.list_(pa.float64()))),
        ("keys", pa.list_(pa.int64())),
        ("trajectory", pa.list_(pa.float64())),
        ("costs", pa.list_(pa.float64())),
        ("described", pa.string()),
        ("xyz", pa.string()),
        ("identity", pa.string()),
        ("run", pa.string()),
    ]
)
"""Columns of a record, which has a row for every checkpoint of every target.

`hypervolume` is that of the designs evaluated so far, by the task's model; NaN for one objective. The last row of a
search also holds its best different designs (`best`) with their diversity and their keys, which are equal for symmetric
copies; the violation of the constraint by the final design (by the oracle, as a share of the bound); the loss of every
evaluated design in order (`trajectory`; infinite for a design without a value or against the constraint); and its
violation (`costs`; empty without a constraint). These columns are NaN or empty in other rows.
"""

ADDED: Final = {
    "experiment": 0, "hypervolume": nan, "violation": nan, "diversity": nan, "best": [], "keys": [], "trajectory": [],
    "costs": [],
}  # fmt: skip
"""Values of the columns that records of matgym before 0.2 lack."""

LISTS: Final = ("design", "best", "keys", "trajectory", "costs")
"""Columns of lists."""

KINDS: Final = ("surrogate", "oracle", "simulation", "experiment")
"""Kinds of evaluations of a search."""

PATTERN: Final = "[!.]*.parquet"
"""Names of records within their folder; names with a dot in front are files that are being written."""

MAX_ROWS: Final = 20 * MAX_TARGETS
"""Most rows of a file of records: the checkpoints 1, 2, 4 and so on of a million queries for the most targets. A choice
of ours, as the next."""

MAX_BYTES: Final = 1 << 29
"""Most bytes of a file of records after decompression."""

WRONG: Final = """
SELECT filename, CASE
  WHEN track NOT IN ('search', 'amortised') THEN 'track ' || track
  WHEN track = 'search' AND target_index <> 0 THEN 'target_index ' || target_index || ' in a search'
  WHEN seed < 0 THEN 'seed ' || seed
  WHEN target_index NOT BETWEEN 0 AND $targets THEN 'target_index ' || target_index
  WHEN evaluation NOT BETWEEN 1 AND $budget THEN 'evaluation ' || evaluation
  WHEN NOT (seconds BETWEEN 0 AND $largest) THEN 'seconds ' || seconds
  WHEN NOT (training_seconds BETWEEN 0 AND $largest) THEN 'training_seconds ' || training_seconds
  WHEN least(surrogate, oracle, simulation, experiment, verifications) < 0 THEN 'a negative number of evaluations'
  WHEN hypervolume < 0 OR violation < 0 THEN 'a negative hypervolume or violation'
  WHEN NOT isnan(diversity) AND NOT (diversity BETWEEN 0 AND 1) THEN 'diversity ' || diversity
  WHEN len(trajectory) > $budget OR len(costs) > $budget THEN 'a trajectory of too many evaluations'
  WHEN isfinite(predicted_loss) AND abs(predicted_loss) > $largest THEN 'predicted_loss ' || predicted_loss
  WHEN isfinite(verified_loss) AND abs(verified_loss) > $largest THEN 'verified_loss ' || verified_loss
  END AS wrong
FROM records WHERE wrong IS NOT NULL ORDER BY ALL LIMIT 1
"""
"""The first value that no run writes."""

TWICE: Final = """
SELECT filename, evaluation FROM records
GROUP BY filename, track, task, method, seed, target_index, evaluation HAVING count(*) > 1 ORDER BY ALL LIMIT 1
"""
"""The first checkpoint that a record holds twice."""


def record_files(folder: Path) -> list[Path]:
    """Return the records in a folder, sorted; special characters in the path of the folder have no meaning."""
    return sorted(folder.glob(PATTERN))


def read_record(path: Path) -> pa.Table:
    """Read a file of records.

    Raises:
        DatasetError: if it cannot be read, is larger than matgym reads, holds no row, lacks a column or a value, or has
            columns of another type.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_contents(file, path)
            there = [name for name in SCHEMA.names if name in file.schema_arrow.names]
            table = _completed(file.read(columns=there)).select(SCHEMA.names).cast(SCHEMA)
            table.validate(full=True)
    except DatasetError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DatasetError(
            f"{path} does not hold records: {one_line(error)}; remove it and run the suite again"
        ) from None
    empty = [name for name in SCHEMA.names if table[name].null_count]
    empty += [name for name in LISTS if _flat(table[name]).null_count]
    if empty:
        raise DatasetError(f"{path} does not hold records: a value of {empty[0]} is missing; remove it")
    return table


def _completed(table: pa.Table) -> pa.Table:
    """Return a table with the columns of `ADDED` that it lacks."""
    for name, value in ADDED.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array([value] * len(table), SCHEMA.field(name).type))
    return table


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """Return the numbers of a column of lists; a list that is missing within a list counts as missing."""
    values = column.combine_chunks().flatten()
    return values if not pa.types.is_list(values.type) or values.null_count else values.flatten()


def _check_contents(file: pq.ParquetFile, path: Path) -> None:
    """Check a file's own account of its contents, before anything is read."""
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    rows = file.metadata.num_rows
    if not 1 <= rows <= MAX_ROWS or not 0 <= size <= MAX_BYTES:
        raise DatasetError(f"{path} does not hold records: it has {rows:,} rows in {size:,} bytes; remove it")
    missing = [name for name in SCHEMA.names if name not in file.schema_arrow.names and name not in ADDED]
    if missing:
        raise DatasetError(f"{path} does not hold records: it has no column {missing[0]}; remove it")


def read_records(paths: Sequence[Path]) -> pa.Table:
    """Read the records of files; the column `filename` gives the file of each row.

    Raises:
        DatasetError: if there is no file, or a file does not hold records.
    """
    tables = []
    for path in paths:
        table = read_record(path)
        tables.append(table.append_column("filename", pa.array([str(path)] * len(table), pa.string())))
    if not tables:
        raise DatasetError("there are no records: run the suite first")
    return pa.concat_tables(tables)


def check_values(connection: duckdb.DuckDBPyConnection) -> None:
    """Check the values of the table `records`.

    Raises:
        DatasetError: if a value is one that no run writes, or a checkpoint occurs twice.
    """
    limits = {"targets": MAX_TARGETS, "budget": MAX_BUDGET, "largest": MAX_NUMBER}
    if found := connection.execute(WRONG, limits).fetchone():
        raise DatasetError(f"{found[0]} has {found[1]}, which no run writes; remove the file")
    if found := connection.execute(TWICE).fetchone():
        raise DatasetError(f"{found[0]} has evaluation {found[1]} twice; remove the file")
