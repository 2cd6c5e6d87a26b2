"""The Arrow table of labelled tubes: a row for each tube, and three columns for each property.

The column KEY holds the values of a property, or null without a value. `KEY.level` holds the level of the model that
computed it, or null, and `KEY.failure` the reason for a missing value. A table can hold rows of several levels.

The hash of the canonical form of a tube determines its split. In every build, all rotated and mirrored copies of a test
structure are therefore test structures. Three further splits hold whole families that no training sees: tubes of unseen
chirality, of unseen and larger diameter, and of a seen chirality that are longer.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matgym.errors import DatasetError, StructureError
from matgym.files import MAX_NUMBER
from matgym.models import Failures, Level
from matgym.structures import Species, TubeBatch, tube_lattice
from matgym.structures.nanotube import MAX_STRAIN, MAX_TORSION
from matgym.typing import FloatArray, IntArray

Held: TypeAlias = Literal["unseen", "wider", "longer"]
Split: TypeAlias = Literal["train", "validation", "test", Held]

HELD: Final = ("unseen", "wider", "longer")
"""Splits of the families that a specification excludes from training."""

SPLITS: Final = ("train", "validation", "test", *HELD)
TEST_SHARE: Final = 0.10
VALIDATION_SHARE: Final = 0.08

SCHEMA_VERSION: Final = 4

UNEXPLAINED: Final = "the model gave no value and no reason"

_TUBE: Final = (
    pa.field("key", pa.string(), nullable=False),  # Nanotube.key: hash up to symmetry
    pa.field("sample", pa.int32(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("n", pa.int16(), nullable=False),
    pa.field("m", pa.int16(), nullable=False),
    pa.field("cells", pa.int16(), nullable=False),
    pa.field("strain", pa.float64(), nullable=False),
    pa.field("torsion", pa.float64(), nullable=False),
    pa.field("species", pa.binary(), nullable=False),  # a code for each site, in raster order
    pa.field("turned", pa.list_(pa.int32()), nullable=False),  # rows of `TubeLattice.bonds`, ascending
)


def schema(keys: Iterable[str]) -> pa.Schema:
    """Return the schema of a data set with labels of the properties with given keys."""
    return pa.schema([*_TUBE, *(field for key in keys for field in _label_fields(key))])


def _label_fields(key: str) -> tuple[pa.Field, pa.Field, pa.Field]:
    return pa.field(key, pa.float64()), pa.field(f"{key}.level", pa.string()), pa.field(f"{key}.failure", pa.string())


def label_keys(table: pa.Table) -> tuple[str, ...]:
    """Return the keys of the properties whose labels a table holds."""
    return tuple(name.removesuffix(".level") for name in table.column_names if name.endswith(".level"))


def split_of(key: str) -> Split:
    """Return the split of the structure with a given `Nanotube.key`: "train", "validation" or "test".

    The splits of `HELD` are for the families that a specification excludes from training.
    """
    position = int(key[:13], 16) / 16.0**13
    if position < TEST_SHARE:
        return "test"
    return "validation" if position < TEST_SHARE + VALIDATION_SHARE else "train"


def tube_columns(batch: TubeBatch, samples: Sequence[int]) -> dict[str, Any]:
    """Return the columns of B tubes with (B,) sample numbers, except the column of the splits."""
    tubes, ends = list(batch), (3 * batch.offsets // 2).tolist()
    turned = np.zeros(ends[-1], dtype=bool) if batch.turned is None else batch.turned
    return {
        "key": [tube.key for tube in tubes],
        "sample": samples,
        "n": [tube.n for tube in tubes],
        "m": [tube.m for tube in tubes],
        "cells": [tube.cells for tube in tubes],
        "strain": batch.strain,
        "torsion": batch.torsion,
        "species": [tube.species.tobytes() for tube in tubes],
        "turned": [np.flatnonzero(turned[i:j]) for i, j in pairwise(ends)],
    }


def label_columns(key: str, values: FloatArray, failures: Failures, level: Level) -> dict[str, pa.Array]:
    """Return the three columns of a property.

    Args:
        key: key of the property.
        values: (B,) values; NaN for none.
        failures: reasons for missing values, by row.
        level: level of the model that computed the values.
    """
    lost = np.isnan(values)
    reasons = [failures.get(row, UNEXPLAINED) if missing else None for row, missing in enumerate(lost)]
    columns = values, [level.value] * len(values), reasons
    fields = _label_fields(key)
    return {
        field.name: pa.array(column, field.type, from_pandas=True)
        for field, column in zip(fields, columns, strict=True)
    }


def table_of(
    columns: Mapping[str, Any], keys: Sequence[str], metadata: Mapping[bytes, bytes] | None = None
) -> pa.Table:
    """Return a table of columns of tubes and labels; the columns of properties without labels are null.

    Args:
        columns: columns by name.
        keys: keys of the properties.
        metadata: metadata of the schema.
    """
    whole, missing = schema(keys), [None] * len(columns["key"])
    return pa.table({name: columns.get(name, missing) for name in whole.names}, schema=whole.with_metadata(metadata))


MAX_ROWS: Final = 10_000_000
"""Largest number of rows of a data set. This limit is our choice: the shipped data sets have thousands."""

MAX_TABLE_BYTES: Final = 8 << 30
"""Largest size of a table in memory, bytes. This limit is our choice."""


def check_size(metadata: Any) -> None:
    """Check the size in the metadata of a Parquet file, before its rows are read.

    Raises:
        DatasetError: if the file is too large.
    """
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if not 0 <= metadata.num_rows <= MAX_ROWS or not 0 <= size <= MAX_TABLE_BYTES:
        raise DatasetError(
            f"it holds {metadata.num_rows:,} rows in {size:,} bytes: give a file of at most {MAX_ROWS:,} rows and "
            f"{MAX_TABLE_BYTES:,} bytes"
        )


def checked_table(table: pa.Table) -> pa.Table:
    """Return a table with the types of `schema`, after a check of every column.

    Raises:
        DatasetError: if a column is missing or of another type, or holds a value that is impossible in a tube or label.
    """
    wanted = schema(label_keys(table))
    for field in wanted:
        _check_column(table, field)
    _check_values(table)
    return table.select([*wanted.names, *(name for name in table.column_names if name not in wanted.names)])


def _check_column(table: pa.Table, field: pa.Field) -> None:
    if table.column_names.count(field.name) != 1:
        raise DatasetError(f"it must have one column {field.name!r}: build it again with `matgym data build`")
    column = table.column(field.name)
    if not column.type.equals(field.type):
        raise DatasetError(f"column {field.name!r} has type {column.type}: it must be {field.type}")
    if not field.nullable and column.null_count:
        raise DatasetError(f"column {field.name!r} holds {column.null_count} empty cells")


def _check_values(table: pa.Table) -> None:
    keys, levels = label_keys(table), tuple(level.value for level in Level)
    for name, allowed in {"split": SPLITS, **{f"{key}.level": levels for key in keys}}.items():
        for value in pc.unique(table.column(name)).to_pylist():
            if value is not None and value not in allowed:
                raise DatasetError(f"column {name!r} holds {value!r}: it may hold {', '.join(allowed)}")
    bounds = {"strain": MAX_STRAIN, "torsion": MAX_TORSION} | dict.fromkeys(keys, MAX_NUMBER)
    for name, bound in bounds.items():
        values = np.abs(table.column(name).drop_null().to_numpy())
        if not (values <= bound).all():  # NaN compares as false
            raise DatasetError(f"column {name!r} holds numbers that are not finite or outside ±{bound:g}")
    codes = np.frombuffer(b"".join(table.column("species").to_pylist()), dtype=np.uint8)
    if codes.max(initial=0) >= len(Species):
        raise DatasetError(f"column 'species' holds the code {codes.max()}: it may hold 0 to {len(Species) - 1}")


def batch_of(table: pa.Table) -> TubeBatch:
    """Return the tubes of a table.

    Raises:
        DatasetError: if the number of species of a row differs from the number of sites of its tube, or the tube is
            impossible.
    """
    shapes = list(zip(*(table.column(name).to_pylist() for name in ("n", "m", "cells")), strict=True))
    number = {shape: i for i, shape in enumerate(dict.fromkeys(shapes))}
    try:
        lattices = tuple(tube_lattice(*shape) for shape in number)
    except StructureError as error:
        raise DatasetError(f"a row's tube cannot exist: {error}") from None
    index = np.array([number[shape] for shape in shapes], dtype=np.int64)
    sites = np.array([lattice.n_sites for lattice in lattices], dtype=np.int64)[index]
    held = pc.binary_length(table.column("species")).to_numpy()
    for row in np.flatnonzero(held != sites)[:1].tolist():
        raise DatasetError(
            f"row {row} holds {held[row]} species, but a tube of (n, m, cells) = {shapes[row]} has {sites[row]} sites"
        )
    return TubeBatch(
        lattices,
        index,
        np.frombuffer(b"".join(table.column("species").to_pylist()), dtype=np.uint8),
        _turned(table.column("turned").combine_chunks(), 3 * sites // 2),
        table.column("strain").to_numpy(),
        table.column("torsion").to_numpy(),
    )


def _turned(bonds: pa.ListArray, counts: IntArray) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Return (bonds of all tubes,) whether each bond is turned; None if no bond is turned.

    Args:
        bonds: (B,) lists of turned bonds.
        counts: (B,) numbers of bonds.

    Raises:
        DatasetError: if a tube has no bond with a given number.
    """
    marked = bonds.flatten().to_numpy()
    if not len(marked):
        return None
    if marked.min() < 0 or (np.repeat(counts, pc.list_value_length(bonds).to_numpy()) <= marked).any():
        raise DatasetError("a row has a turned bond that its tube does not have: give rows of `TubeLattice.bonds`")
    turned = np.zeros(counts.sum(), dtype=bool)
    turned[np.repeat(np.cumsum(counts) - counts, pc.list_value_length(bonds).to_numpy()) + marked] = True
    return turned
