"""A data set as it is read: tubes, labels, split, and where they came from."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matgym.data.splits import SPLITS, Split
from matgym.errors import DatasetError, PropertyError
from matgym.structures import Nanotube, TubeLattice, tube_lattice
from matgym.typing import FloatArray, IntArray, SpeciesArray

SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Dataset:
    """Labelled tubes.

    Attributes:
        table: an Arrow table with the columns of `matgym.data.builder.schema`.
    """

    table: pa.Table

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a Parquet file.

        Args:
            path: a file, or the name of a shipped data set such as "nanotube-doping".

        Raises:
            DatasetError: if it is missing or no data set of matgym's.
        """
        file = Path(path)
        if not file.suffix and not file.is_file():
            file = SHIPPED / f"{path}.parquet"
        if not file.is_file():
            shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.parquet")))
            raise DatasetError(f"there is no data set {str(path)!r}: give a Parquet file, or one of {shipped}")
        try:
            table = pq.read_table(file)
        except pa.ArrowInvalid as error:
            raise DatasetError(f"{file} is no Parquet file: {error}") from None
        if b"matgym" not in (table.schema.metadata or {}):
            raise DatasetError(f"{file} was not written by matgym: its provenance is missing")
        return cls(table)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def provenance(self) -> dict[str, Any]:
        """Specification, oracle and parameters it was built with."""
        return dict(json.loads(self.table.schema.metadata[b"matgym"]))

    @cached_property
    def digest(self) -> str:
        """Hash of keys, splits and labels: tells whether weights were trained on these data."""
        state = hashlib.blake2b(digest_size=12)
        for name in ("key", "split", *self.keys):
            state.update(json.dumps(self.table.column(name).to_pylist()).encode())
        return state.hexdigest()

    def split(self, name: Split) -> "Dataset":
        """The rows of one split.

        Raises:
            DatasetError: if there is no such split.
        """
        if name not in SPLITS:
            raise DatasetError(f"there is no split {name!r}; there are {', '.join(SPLITS)}")
        return Dataset(self.table.filter(pc.equal(self.table.column("split"), name)))

    @property
    def keys(self) -> tuple[str, ...]:
        """Predictions that it holds labels of."""
        names = self.table.column_names
        return tuple(names[names.index("species") + 1 : names.index("failure")])

    def labelled(self, keys: Sequence[str] | None = None) -> "Dataset":
        """The rows whose labels could be computed: of all properties, or of those given.

        Raises:
            PropertyError: if there is no such property.
        """
        table = self.table
        for key in self.keys if keys is None else keys:
            self._check(key)
            table = table.filter(pc.is_valid(table.column(key)))
        return Dataset(table)

    def take(self, rows: IntArray) -> "Dataset":
        """The rows with these numbers."""
        return Dataset(self.table.take(pa.array(rows)))

    def labelled_rows(
        self, tubes: Sequence[Nanotube], labels: Mapping[str, FloatArray], split: Split, first: int = -1
    ) -> "Dataset":
        """Further tubes as rows of the same columns.

        Args:
            tubes: k tubes.
            labels: (k,) values by property key; NaN where they could not be computed. Predictions without labels stay
                empty.
            split: in which they stand.
            first: sample number of the first, from which they count down: below zero, which no drawn sample has.
        """
        columns: dict[str, Any] = {
            "key": [tube.key for tube in tubes],
            "sample": [first - i for i in range(len(tubes))],
            "split": [split] * len(tubes),
            "n": [tube.n for tube in tubes],
            "m": [tube.m for tube in tubes],
            "cells": [tube.cells for tube in tubes],
            "strain": [tube.strain for tube in tubes],
            "species": [tube.species.tobytes() for tube in tubes],
        }
        for key in self.keys:
            given = labels.get(key, np.full(len(tubes), np.nan))
            columns[key] = [None if np.isnan(value) else float(value) for value in given]
        lost = [any(np.isnan(values[row]) for values in labels.values()) for row in range(len(tubes))]
        columns["failure"] = ["the oracle could not compute it" if missing else None for missing in lost]
        return Dataset(pa.table(columns, schema=self.table.schema))

    def with_rows(self, other: "Dataset") -> "Dataset":
        """Both together; a tube that stands in both, up to symmetry, is kept once, as it stands here."""
        held = set(self.table.column("key").to_pylist())
        keys = other.table.column("key").to_pylist()
        fresh = [row for row, key in enumerate(keys) if key not in held and key not in keys[:row]]
        return Dataset(pa.concat_tables([self.table, other.table.take(pa.array(fresh, pa.int64()))]))

    def with_column(self, key: str, values: FloatArray) -> "Dataset":
        """With one property more.

        Args:
            key: of the property.
            values: (rows,) its labels; NaN where there is none.
        """
        column = pa.array(values, pa.float64(), from_pandas=True)
        return Dataset(self.table.add_column(self.table.column_names.index("failure"), key, column))

    def values(self, key: str) -> FloatArray:
        """(rows,) labels of one property.

        Raises:
            PropertyError: if the data set has no such column.
        """
        self._check(key)
        return np.asarray(self.table.column(key).to_numpy(), dtype=np.float64)

    def _check(self, key: str) -> None:
        if key not in self.keys:
            raise PropertyError(f"the data set has no property {key!r}; it has {', '.join(self.keys)}")

    def tubes(self) -> list[Nanotube]:
        """All rows as tubes."""
        columns = (self.table.column(name).to_pylist() for name in ("n", "m", "cells", "species", "strain"))
        return [
            Nanotube(n, m, cells, np.frombuffer(species, dtype=np.uint8), strain)
            for n, m, cells, species, strain in zip(*columns, strict=True)
        ]

    def by_lattice(self) -> Iterator[tuple[TubeLattice, IntArray, SpeciesArray]]:
        """Rows grouped by lattice: the lattice, (k,) row numbers, (k, n_sites) species."""
        shapes = list(zip(*(self.table.column(name).to_pylist() for name in ("n", "m", "cells")), strict=True))
        species = self.table.column("species").to_pylist()
        for shape in dict.fromkeys(shapes):
            rows = np.array([row for row, other in enumerate(shapes) if other == shape])
            codes = np.frombuffer(b"".join(species[row] for row in rows), dtype=np.uint8)
            yield tube_lattice(*shape), rows, codes.reshape(len(rows), -1)
