"""The Arrow table of fetched structures, and `Fetched`, which is the table with its provenance.

A row is an entry. Each property has a column of its name, with unit and description in the metadata of the column, and
a column NAME.method, which says how the value was obtained. The metadata of the schema hold the provenance.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data.cards import CardFacts, card_path, write_card
from matgym.data.columns import DESCRIPTION, FETCHED, UNIT
from matgym.data.sources.entries import Entry
from matgym.data.sources.properties import OutsideProperty
from matgym.data.table import check_size
from matgym.errors import DatasetError, RowError, StructureError, one_line
from matgym.files import MAX_JSON_BYTES, atomic_path, check_output, is_file, parse_json
from matgym.structures import Crystal
from matgym.typing import FloatArray

METHOD: Final = ".method"
"""What the name of a column of methods adds to that of its property."""

STRUCTURE: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("formula", pa.string(), nullable=False),
        pa.field("cell", pa.list_(pa.float64()), nullable=False, metadata={UNIT: "Å".encode()}),  # 3 vectors, in turn
        pa.field("fractional", pa.list_(pa.float64()), nullable=False),  # three coordinates an atom
        pa.field("numbers", pa.list_(pa.int16()), nullable=False),
        pa.field("occupancies", pa.list_(pa.float64()), nullable=False),
        pa.field("periodic", pa.list_(pa.bool_()), nullable=False),
        pa.field("url", pa.string()),
        pa.field("modified", pa.string()),
    ]
)
"""The columns that every table of structures has."""


@dataclass(frozen=True)
class Rejected:
    """A row that was kept out of the table.

    Attributes:
        id: identifier of the row, or its place in the answer.
        reason: what is wrong with it.
    """

    id: str
    reason: str


def schema_of(properties: Iterable[OutsideProperty]) -> pa.Schema:
    """Return the schema of a table with given properties."""
    fields = [
        field
        for each in properties
        for field in (
            pa.field(
                each.name, pa.float64(), metadata={UNIT: each.unit.encode(), DESCRIPTION: each.description.encode()}
            ),
            pa.field(each.name + METHOD, pa.string()),
        )
    ]
    return pa.schema([*STRUCTURE, *fields])


def table_of(entries: Sequence[Entry], properties: Sequence[OutsideProperty]) -> pa.Table:
    """Return the table of entries with the columns of given properties."""
    crystals = [entry.crystal for entry in entries]
    columns: dict[str, list[Any]] = {
        "id": [entry.id for entry in entries],
        "formula": [entry.formula for entry in entries],
        "cell": [crystal.cell.ravel() for crystal in crystals],
        "fractional": [crystal.fractional.ravel() for crystal in crystals],
        "numbers": [crystal.numbers.astype(np.int16) for crystal in crystals],
        "occupancies": [crystal.occupancies for crystal in crystals],
        "periodic": [entry.periodic for entry in entries],
        "url": [entry.url or None for entry in entries],
        "modified": [entry.modified or None for entry in entries],
    }
    for each in properties:
        columns[each.name] = [entry.values.get(each.name) for entry in entries]
        columns[each.name + METHOD] = [entry.methods.get(each.name) for entry in entries]
    return pa.table(columns, schema=schema_of(properties))


def properties_of(table: pa.Table) -> tuple[OutsideProperty, ...]:
    """Return the properties whose columns a table has."""
    names = [name.removesuffix(METHOD) for name in table.column_names if name.endswith(METHOD)]
    metadata = {name: table.schema.field(name).metadata or {} for name in names}
    return tuple(
        OutsideProperty(name, found.get(UNIT, b"").decode(), found.get(DESCRIPTION, b"").decode())
        for name, found in metadata.items()
    )


def entry_of(row: Mapping[str, Any], names: Iterable[str]) -> Entry:
    """Return the entry of a row of a table.

    Raises:
        DatasetError: if the row holds no valid entry.
    """
    try:
        crystal = Crystal.of_lists(row["cell"], row["fractional"], row["numbers"], row["occupancies"])
        return Entry(
            row["id"],
            crystal,
            np.array(row["periodic"], dtype=bool),
            {name: row[name] for name in names if row[name] is not None},
            {name: row[name + METHOD] for name in names if row[name + METHOD]},
            row["url"] or "",
            row["modified"] or "",
        )
    except (RowError, StructureError, ValueError, TypeError) as error:
        raise DatasetError(f"the row {row['id']!r:.60} holds no valid structure: {one_line(error)}") from None


@dataclass(frozen=True, eq=False)
class Fetched:
    """Structures of a source with values, units and provenance.

    Attributes:
        table: an entry a row.
        rejected: rows of the source that are not in the table, with reasons.
        provenance: what is known of the fetch, as JSON takes it: source, provider, address, version, licence, query,
            time, and counts of rows.
    """

    table: pa.Table
    rejected: tuple[Rejected, ...]
    provenance: Mapping[str, Any]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def properties(self) -> tuple[OutsideProperty, ...]:
        """The properties of the table, with units and descriptions."""
        return properties_of(self.table)

    @property
    def ids(self) -> list[str]:
        """Identifiers of the entries."""
        return self.table.column("id").to_pylist()  # type: ignore[no-any-return]  # strings, by the schema

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, row by row."""
        names = [each.name for each in self.properties]
        for batch in self.table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                yield entry_of(row, names)

    def crystals(self) -> list[Crystal]:
        """Return the structures."""
        return [entry.crystal for entry in self.entries()]

    def values(self, name: str) -> FloatArray:
        """Return the (rows,) values of a property in its unit; NaN where there is none.

        Raises:
            DatasetError: if the table has no such property.
        """
        if name not in {each.name for each in self.properties}:
            able = ", ".join(each.name for each in self.properties) or "no property"
            raise DatasetError(f"the table has no {name!r}: it has {able}; fetch it with --properties {name}")
        column = self.table.column(name).to_numpy(zero_copy_only=False)
        return np.asarray(column, dtype=np.float64)

    def facts(self) -> dict[str, Any]:
        """Return what a data card says of the table: its provenance, its fields with units, and rejected rows."""
        fields = [
            {"name": field.name, "type": str(field.type)}
            | {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
            for field in self.table.schema
        ]
        rejected = [{"id": each.id, "reason": each.reason} for each in self.rejected]
        return {**self.provenance, "rows": len(self), "fields": fields, "rejected": rejected}

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write the table, with its provenance, to a Parquet file, and its data card beside it.

        Args:
            path: the file.
            force: whether a file that exists is replaced.

        Raises:
            FormatError: if the file cannot be written, or exists without `force`.
        """
        target = Path(path)
        for file in (target, card_path(target)):
            check_output(file, force=force)
        held = {"provenance": dict(self.provenance), "rejected": [[each.id, each.reason] for each in self.rejected]}
        write_table(target, self.table, held)
        rejected = {each.id: each.reason for each in self.rejected}
        write_card(target, CardFacts.of(target.stem, self.provenance, rejected))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Return what `save` has written.

        Raises:
            DatasetError: if the file is missing, damaged, or no table of structures.
        """
        table, held = read_table(Path(path))
        try:
            rejected = tuple(Rejected(str(each), str(reason)) for each, reason in held["rejected"])
            provenance = dict(held["provenance"])
        except (KeyError, TypeError, ValueError):
            raise DatasetError(f"{path} has no provenance of a fetch: fetch it again") from None
        return cls(table, rejected, provenance)


def write_table(path: Path, table: pa.Table, held: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write a table to Parquet atomically, with JSON in the metadata of its schema; see `atomic_path`."""
    metadata = {FETCHED: json.dumps(held).encode()}
    with atomic_path(path, durable=durable) as scratch:
        pq.write_table(table.replace_schema_metadata(metadata), scratch)


def read_table(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return a table of structures and the JSON in its metadata.

    Raises:
        DatasetError: if the file is missing, damaged, or no table of structures.
    """
    if not is_file(path):
        raise DatasetError(f"there is no file {path}: fetch it with `matgym data fetch`")
    try:
        with pq.ParquetFile(path) as file:
            check_size(file.metadata)
            table = file.read()
        if not (text := (table.schema.metadata or {}).get(FETCHED, b"")):
            raise DatasetError("it is no table of `matgym data fetch`")
        held = parse_json(text[: MAX_JSON_BYTES + 1], "its provenance")
        wanted = schema_of(properties_of(table))
        if not table.schema.equals(wanted):
            raise DatasetError("its columns are not those of a table of structures")
        if any(table.column(field.name).null_count for field in STRUCTURE if not field.nullable):
            raise DatasetError("it has rows without a structure")
    except (ValueError, OSError, KeyError, pa.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read as a table of structures: {one_line(error):.200}") from None
    # Parquet calls the values of lists "element", Arrow "item".
    return table.cast(wanted), dict(held) if isinstance(held, dict) else {}
