"""Tables of instances that were solved by enumeration: the oracle's value of every design, and so the true optimum.

A table is a Parquet file of keys (`DesignSpace.key`) and values, with its provenance in the metadata; `matgym benchmark
solve` makes it. A look-up gives the same value as the oracle, and counts as an evaluation of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.errors import DatasetError, PropertyError
from matgym.files import atomic_path, parse_json
from matgym.frozen import ValueObject
from matgym.models import Level, Predictions, Property
from matgym.physics.cache import PHYSICS_VERSION
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.tasks.space import Designs, DesignSpace, KeyArray
from matgym.typing import BoolArray, FloatArray, IntArray

_METADATA: Final = b"matgym"


@dataclass(frozen=True, eq=False)
class Solved(ValueObject):
    """A table of all designs of an instance.

    Attributes:
        name: name of the instance.
        design_keys: (N,) keys of the designs, ascending.
        columns: property key to (N,) values; NaN where the oracle failed.
        provenance: origin of the values.
    """

    name: str
    design_keys: KeyArray
    columns: Mapping[str, FloatArray]
    provenance: Mapping[str, Any]

    @property
    def is_oracle(self) -> bool:
        """True: the values are those of the oracle."""
        return True

    @property
    def is_uncertain(self) -> bool:
        """False: the values have no uncertainty."""
        return False

    @property
    def level(self) -> Level:
        """The level of theory of the values."""
        return Level.TABLE

    @property
    def cost(self) -> None:
        """None: a look-up costs nothing worth counting."""
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the tabulated properties."""
        return tuple(self.columns)

    @property
    def properties(self) -> tuple[Property, ...]:
        """The tabulated properties."""
        return tuple(self.property_of(key) for key in self.columns)

    def property_of(self, key: str) -> Property:
        """Return a tabulated property by its key.

        Raises:
            PropertyError: if the table has no such column.
        """
        if key not in self.columns:
            raise PropertyError(f"the table of {self.name} has no {key!r}; it has {', '.join(self.columns)}")
        return PROPERTIES_BY_KEY.get(key, Property(key))

    def unsupported(self, space: DesignSpace) -> str:
        """Return why the table does not hold the designs of a space; empty if it does."""
        return "" if _holds(self, space) else f"the table of {self.name} holds no designs of this tube and budget"

    def look_up(self, space: DesignSpace, designs: Designs) -> Predictions:
        """Return (B,) values of every column; NaN for rows that are not designs of the table."""
        place, known = self.find(space, designs)
        return Predictions({name: np.where(known, values[place], np.nan) for name, values in self.columns.items()})

    def find(self, space: DesignSpace, designs: Designs) -> tuple[IntArray, BoolArray]:
        """Return (B,) indices into the table, and (B,) whether its key at that index is the design's."""
        keys = space.property_key(designs)
        place = np.minimum(np.searchsorted(self.design_keys, keys), len(self.design_keys) - 1)
        return place, self.design_keys[place] == keys

    def write(self, path: Path) -> None:
        """Write the table to a Parquet file, atomically."""
        order = np.argsort(self.design_keys)
        table = pa.table(
            {"key": self.design_keys[order]} | {name: values[order] for name, values in self.columns.items()}
        )
        record = {"name": self.name, "physics_version": PHYSICS_VERSION, **self.provenance}
        with atomic_path(path) as scratch:
            pq.write_table(table.replace_schema_metadata({_METADATA: json.dumps(record).encode()}), scratch)

    @classmethod
    def read(cls, path: Path) -> "Solved":
        """Read a table from a Parquet file.

        Raises:
            DatasetError: if there is no such file, or it was made by another version of the physics.
        """
        if not path.is_file():
            raise DatasetError(f"{path} does not exist: make it by matgym benchmark solve {path.stem}")
        table = pq.read_table(path)
        record = parse_json((table.schema.metadata or {}).get(_METADATA, b"{}"), f"the record of {path}")
        if record.get("physics_version") != PHYSICS_VERSION:
            raise DatasetError(
                f"{path} holds physics of version {record.get('physics_version')}, this is {PHYSICS_VERSION}: "
                f"make it anew by matgym benchmark solve {path.stem}"
            )
        columns = {name: table[name].to_numpy() for name in table.column_names if name != "key"}
        return cls(str(record.pop("name")), table["key"].to_numpy(), columns, record)


_HELD: Final[WeakKeyDictionary[DesignSpace, WeakKeyDictionary[Solved, bool]]] = WeakKeyDictionary()
"""Known results of `_holds`; they do not keep the space of an environment that is closed."""


def _holds(table: Solved, space: DesignSpace) -> bool:
    """Return whether a table holds the designs of a space, judged by a sample of them."""
    known = _HELD.setdefault(space, WeakKeyDictionary())
    if table not in known:
        known[table] = bool(table.find(space, space.sample(8, np.random.default_rng(0)))[1].all())
    return known[table]


def optima_folder() -> Path:
    """Return the folder of the tables and optima of the shipped instances."""
    return Path(str(files("matgym.tasks"))) / "optima"


SOLVED: Final = "solved:"
"""Prefix of a model's name that names a shipped table."""


def table_of(model: Any) -> Solved | None:
    """Return the table that a model is or names ("solved:NAME"); None for any other model."""
    if isinstance(model, str) and model.startswith(SOLVED):
        return solved(model.removeprefix(SOLVED))
    return model if isinstance(model, Solved) else None


@lru_cache(maxsize=16)
def solved(name: str) -> Solved:
    """Return the table of a shipped instance."""
    return Solved.read(optima_folder() / f"{name}.parquet")
