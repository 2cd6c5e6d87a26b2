"""Data sets in memory: tubes, labels, splits and provenance."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matgym.data.columns import PROVENANCE, described
from matgym.data.table import (
    HELD,
    SCHEMA_VERSION,
    SPLITS,
    Split,
    batch_of,
    check_size,
    checked_table,
    label_columns,
    label_keys,
    split_of,
    table_of,
    tube_columns,
)
from matgym.errors import DatasetError, FormatError, PropertyError, one_line
from matgym.files import atomic_path, is_file, parse_json
from matgym.models import Level, Model, Predictions
from matgym.structures import LatticeGroup, Nanotube, TubeBatch
from matgym.typing import FloatArray, IntArray
from matgym.version import __version__

SHIPPED = Path(__file__).parent / "shipped"


def shipped_data() -> tuple[str, ...]:
    """Return the names of the data sets that come with matgym."""
    return tuple(sorted(file.stem for file in SHIPPED.glob("*.parquet")))


def named_file(path: Path | str) -> Path:
    """Return the Parquet file of a path, or of the name of a shipped data set; it may not exist."""
    file = Path(path)
    return SHIPPED / f"{path}.parquet" if not file.suffix and not is_file(file) else file


def read_table(file: Path) -> pa.Table:
    """Return the table of a Parquet file.

    Raises:
        DatasetError: if it is no such file, is damaged, or too large.
    """
    try:
        check_size(pq.read_metadata(file))
        return pq.ParquetFile(file).read()
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{file} is not a Parquet file, or is damaged: {one_line(error)}") from None


def _missing(name: str) -> str:
    from matgym.data.specification import SPECIFICATIONS  # imports the oracles, which takes seconds

    if name in SPECIFICATIONS:
        return (
            f"the data set {name!r} does not come with matgym: build it by `matgym data build {name}.parquet "
            f"--specification {name}`, and give the file"
        )
    return f"there is no data set {name!r}: give a Parquet file, or one of {', '.join(shipped_data())}"


@dataclass(frozen=True)
class Dataset:
    """Labelled tubes. Methods raise a `PropertyError` for a property without labels.

    Attributes:
        table: an Arrow table with the columns of `matgym.data.table.schema`.
    """

    table: pa.Table

    @classmethod
    def of(
        cls,
        tubes: Sequence[Nanotube],
        labels: Predictions,
        computed_by: Mapping[str, Model],
        *,
        command: str,
        more: Mapping[str, FloatArray] = MappingProxyType({}),
    ) -> Self:
        """Return a data set of tubes with labels, whose provenance names the models that computed them.

        Args:
            tubes: B tubes, at least one.
            labels: predictions that become labels.
            computed_by: models that computed the labels, by property key.
            command: what made the tubes, for the provenance.
            more: (B,) values of further columns, such as "gap_ev.predicted".
        """
        columns = tube_columns(TubeBatch.of(tubes), range(len(tubes)))
        columns["split"] = [split_of(key) for key in columns["key"]]
        for key, values in labels.values.items():
            columns |= label_columns(key, values, labels.failures.get(key, {}), computed_by[key].level)
        provenance = {
            "schema_version": SCHEMA_VERSION,
            "command": command,
            "oracles": {key: repr(computed_by[key]) for key in labels.values},
            "version": __version__,
        }
        table = table_of(columns, list(labels.values), {PROVENANCE: json.dumps(provenance, sort_keys=True).encode()})
        for name, column in more.items():
            table = table.append_column(name, pa.array(column, pa.float64(), from_pandas=True))
        return cls(table)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a Parquet file.

        Args:
            path: a file, or the name of a shipped data set such as "nanotube-doping".

        Raises:
            DatasetError: if the file is missing, is not a data set of matgym, or has another schema version.
        """
        file = named_file(path)
        if not is_file(file):
            raise DatasetError(_missing(str(path)))
        return cls.checked(read_table(file), file)

    @classmethod
    def checked(cls, table: pa.Table, file: Path) -> Self:
        """Return the data set that a table of a file is.

        Raises:
            DatasetError: if it is not a data set of matgym, or has another schema version.
        """
        if PROVENANCE not in (table.schema.metadata or {}):
            raise DatasetError(f"{file} has no provenance of matgym: give a file of `matgym data build`")
        try:
            provenance = parse_json(table.schema.metadata[PROVENANCE], f"the provenance of {file}")
        except FormatError as error:
            raise DatasetError(str(error)) from None
        version = provenance.get("schema_version") if isinstance(provenance, dict) else None
        if version != SCHEMA_VERSION:
            raise DatasetError(
                f"{file} has the columns of schema version {version}, and this matgym reads version {SCHEMA_VERSION}: "
                "build it again with `matgym data build`"
            )
        try:
            return cls(checked_table(table))
        except DatasetError as error:
            raise DatasetError(f"{file}: {error}") from None

    def save(self, path: Path | str) -> None:
        """Write a Parquet file atomically, with unit and description of each column."""
        table = self.table.cast(described(self.table.schema))
        with atomic_path(Path(path)) as scratch:
            pq.write_table(table, scratch, compression="zstd", compression_level=15, row_group_size=1 << 20)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def provenance(self) -> dict[str, Any]:
        """Specification, oracles with settings, versions of physics and schema, and the command of the build."""
        return dict(json.loads(self.table.schema.metadata[PROVENANCE]))

    @cached_property
    def digest(self) -> str:
        """Hash of keys, splits and labels, which identifies the training data of weights."""
        state = hashlib.blake2b(digest_size=12)
        for name in ("key", "split", *self.keys):
            state.update(json.dumps(self.table.column(name).to_pylist()).encode())
        return state.hexdigest()

    def split(self, name: Split | Literal["seen", "held"]) -> "Dataset":
        """Return the rows of one split, or of several: "held" for all of `HELD`, "seen" for all others.

        Raises:
            DatasetError: if there is no such split.
        """
        chosen = {"held": HELD, "seen": tuple(each for each in SPLITS if each not in HELD)}.get(name, (name,))
        if not set(chosen) <= set(SPLITS):
            raise DatasetError(f"there is no split {name!r}: give one of {', '.join(SPLITS)}, seen, held")
        return Dataset(self.table.filter(pc.is_in(self.table.column("split"), pa.array(chosen))))

    def chirality_numbers(self) -> IntArray:
        """(rows,) number of the chirality of each tube."""
        n, m = (self.table.column(name).to_numpy().astype(np.int64) for name in ("n", "m"))
        return np.asarray(np.unique(np.stack([n, m]), axis=1, return_inverse=True)[1].ravel())

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the labelled properties."""
        return label_keys(self.table)

    def labelled(self, keys: Sequence[str] | None = None) -> "Dataset":
        """Return the rows that have labels of all given properties; None for all properties of the data set."""
        table = self.table
        for key in self.keys if keys is None else keys:
            self._check(key)
            table = table.filter(pc.is_valid(table.column(key)))
        return Dataset(table)

    def take(self, rows: IntArray) -> "Dataset":
        """Return the rows with these numbers.

        Raises:
            DatasetError: if there is no such row.
        """
        asked = np.asarray(rows)
        if asked.ndim != 1 or (
            len(asked) and (asked.dtype.kind not in "iu" or asked.min() < 0 or asked.max() >= len(self))
        ):
            raise DatasetError(f"rows={rows!r:.80} must be whole numbers from 0 to {len(self) - 1}")
        return Dataset(self.table.take(pa.array(asked.astype(np.int64))))

    def labelled_rows(
        self, tubes: Sequence[Nanotube], labels: Predictions, levels: Mapping[str, Level], split: Split, first: int = -1
    ) -> "Dataset":
        """Return a data set of tubes with labels; properties without labels are empty.

        Args:
            tubes: the tubes.
            labels: predictions that become labels.
            levels: levels of the model that computed the labels, by property key.
            split: split of the tubes.
            first: sample number of the first tube; later tubes have lower ones. Drawn samples have no negative numbers.
        """
        columns = tube_columns(TubeBatch.of(tubes), range(first, first - len(tubes), -1))
        columns["split"] = [split] * len(tubes)
        for key, values in labels.values.items():
            columns |= label_columns(key, values, labels.failures.get(key, {}), levels[key])
        return Dataset(table_of(columns, self.keys, self.table.schema.metadata))

    def with_rows(self, other: "Dataset") -> "Dataset":
        """Return the rows of both data sets; of symmetric copies the first one is kept."""
        held = set(self.table.column("key").to_pylist())
        first = {key: row for row, key in reversed(list(enumerate(other.table.column("key").to_pylist())))}
        fresh = sorted(row for key, row in first.items() if key not in held)
        return Dataset(pa.concat_tables([self.table, other.table.take(pa.array(fresh, pa.int64()))]))

    def with_column(self, key: str, values: FloatArray, level: Level) -> "Dataset":
        """Return the data set with a further property.

        Args:
            key: key of the property.
            values: (rows,) labels; NaN for rows without a label.
            level: level of the model that computed the labels.
        """
        table = self.table
        for name, column in label_columns(key, values, {}, level).items():
            table = table.append_column(name, column)
        return Dataset(table)

    def values(self, key: str) -> FloatArray:
        """Return the (rows,) labels of a property; NaN for rows without a label."""
        self._check(key)
        return np.asarray(self.table.column(key).to_numpy(), dtype=np.float64)

    def failures(self, key: str) -> dict[int, str]:
        """Return the reasons, by row, why a property could not be computed."""
        self._check(key)
        reasons = self.table.column(f"{key}.failure").to_pylist()
        return {row: reason for row, reason in enumerate(reasons) if reason is not None}

    def levels(self, key: str) -> tuple[Level | None, ...]:
        """Return the (rows,) level of the model that computed a property; None for rows without a label."""
        self._check(key)
        return tuple(name and Level(name) for name in self.table.column(f"{key}.level").to_pylist())

    def level(self, key: str) -> Level | None:
        """Return the level of the labels of a property; None if there are several, or none.

        Labels that imitate others (`Level.SURROGATE`) do not count.
        """
        found = set(self.levels(key)) - {None, Level.SURROGATE}
        return found.pop() if len(found) == 1 else None

    def _check(self, key: str) -> None:
        if key not in self.keys:
            raise PropertyError(f"the data set has no property {key!r}: give one of {', '.join(self.keys)}")

    @cached_property
    def batch(self) -> TubeBatch:
        """Tubes of all rows.

        Raises:
            DatasetError: if the number of species of a row differs from the number of sites of its tube.
        """
        return batch_of(self.table)

    def by_lattice(self) -> Iterator[LatticeGroup]:
        """Yield the tubes of each lattice; see `TubeBatch.by_lattice`."""
        return self.batch.by_lattice()
