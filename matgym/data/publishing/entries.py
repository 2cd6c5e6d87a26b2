"""Rows of a table as structures with values: what the OPTIMADE server and the archive for NOMAD are made of.

Two kinds of tables can be published: data sets of tubes (`matgym.data.Dataset`, which `matgym data build`, `matgym
design` and `matgym generate` write) and tables of crystals with the columns `NEEDED` (`matgym data fetch`).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from ase.data import atomic_masses, chemical_symbols
from ase.formula import Formula

from matgym.data.columns import TUBE_COLUMNS, Column, columns_of, licence_of, provenance_of
from matgym.data.dataset import SHIPPED, Dataset, named_file, read_table, shipped_data
from matgym.errors import DatasetError, StructureError, one_line
from matgym.files import is_file
from matgym.frozen import ValueObject
from matgym.structures import Nanotube, Species
from matgym.structures.crystals import Crystal
from matgym.structures.io import to_atoms
from matgym.structures.species import SPECIES_DATA
from matgym.typing import BoolArray, FloatArray, IntArray

NEEDED: Final = ("id", "cell", "fractional", "numbers")
"""Columns that a table of crystals must have; `occupancies`, `periodic` and `modified` may be missing."""

_STRUCTURE: Final = (*NEEDED, "occupancies", "periodic", "formula")
"""Columns of crystals that OPTIMADE has fields of its own for."""

SHIPPED_LICENCE: Final = "MIT"
"""Licence of the data sets that come with matgym."""

_Found: TypeAlias = "tuple[tuple[Column, ...], tuple[PublishedEntry, ...], dict[int, str]]"
"""Columns, entries, and reasons why rows are rejected."""

LARGEST_DENOMINATOR: Final = 100
"""Occupancies are taken as fractions with at most this denominator in formulas. A choice of ours."""

ISOTOPE_U: Final = 0.1
"""Least difference of a mass from the natural one of its element, u, that is an isotope's; 12C is 0.011 below. A choice
of ours."""

SAME_PLACE: Final = 1e-4
"""Distance in fractional coordinates below which atoms share a site. A choice of ours."""


@dataclass(frozen=True, eq=False)
class PublishedEntry(ValueObject, copies=True):
    """A structure of A atoms with values.

    Attributes:
        id: identifier, unique in the table.
        cell: (3, 3) cell vectors in rows, Å; of directions without a period, a box around the atoms.
        periodic: (3,) whether the structure is periodic along each cell vector.
        positions: (A, 3) Cartesian coordinates, Å.
        numbers: (A,) atomic numbers.
        occupancies: (A,) occupancies, 0 to 1.
        masses: (A,) masses, u; those of isotopes differ from the natural ones.
        values: values by column, None for none.
        modified: when the row was last changed.
        tube: the tube, for tables of tubes.
    """

    id: str
    cell: FloatArray
    periodic: BoolArray
    positions: FloatArray
    numbers: IntArray
    occupancies: FloatArray
    masses: FloatArray
    values: Mapping[str, Any]
    modified: datetime
    tube: Nanotube | None = None

    @cached_property
    def sites(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the atoms on each site, in order; a site of mixed occupancy has several."""
        if bool((self.occupancies >= 1.0).all()):
            return tuple((atom,) for atom in range(len(self.numbers)))
        steps = round(1.0 / SAME_PLACE)
        places = np.round(np.linalg.solve(self.cell.T, self.positions.T).T * steps).astype(np.int64)
        found: dict[tuple[int, ...], list[int]] = {}
        for atom, place in enumerate(np.where(self.periodic, places % steps, places).tolist()):
            found.setdefault(tuple(place), []).append(atom)
        return tuple(tuple(atoms) for atoms in found.values())

    @cached_property
    def composition(self) -> dict[str, int]:
        """Whole numbers of atoms by element, alphabetically; occupancies are multiplied by a common denominator."""
        shares: defaultdict[str, Fraction] = defaultdict(Fraction)
        for number, occupancy in zip(self.numbers.tolist(), self.occupancies.tolist(), strict=True):
            shares[chemical_symbols[number]] += Fraction(occupancy).limit_denominator(LARGEST_DENOMINATOR)
        common = lcm(*(share.denominator for share in shares.values()))
        return {element: int(shares[element] * common) for element in sorted(shares) if shares[element]}

    @property
    def reduced_formula(self) -> str:
        """Formula with the smallest whole numbers, elements alphabetically, such as "BC6N"."""
        divisor = gcd(*self.composition.values())
        return "".join(
            f"{element}{'' if count == divisor else count // divisor}" for element, count in self.composition.items()
        )

    @property
    def hill_formula(self) -> str:
        """Formula of all atoms in the order of Hill: carbon, hydrogen, then alphabetically."""
        return str(Formula.from_dict(self.composition).format("hill"))

    @property
    def is_isotopic(self) -> BoolArray:
        """(A,) whether an atom has another mass than its element has in nature."""
        return np.asarray(np.abs(self.masses - atomic_masses[self.numbers]) > ISOTOPE_U)


@dataclass(frozen=True)
class Published:
    """A table that can be published.

    Attributes:
        name: name of the table.
        columns: meaning of the columns whose values entries hold.
        entries: the structures with their values.
        rejected: reasons why rows cannot be published, by row.
        provenance: provenance of the table.
        licence: licence of the table, as an SPDX identifier or a URL; empty if the table does not say.
    """

    name: str
    columns: tuple[Column, ...]
    entries: tuple[PublishedEntry, ...]
    rejected: Mapping[int, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""


def published(path: Path | str) -> Published:
    """Return the rows of a Parquet file, or of a shipped data set, as structures with values.

    Raises:
        DatasetError: if the file is missing or damaged, is neither a data set of tubes nor a table of crystals, or no
            row of it can be published.
    """
    file, shipped = table_file(path)
    table = read_table(file)
    if set(TUBE_COLUMNS) <= set(table.column_names):
        table = Dataset.checked(table, file).table
    modified = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    try:
        return published_table(table, file.stem, modified, SHIPPED_LICENCE if shipped else "")
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from None


def published_table(table: pa.Table, name: str, modified: datetime, licence: str = "") -> Published:
    """Return the rows of a table as structures with values.

    Args:
        table: a table of tubes or of crystals.
        name: name of the table.
        modified: when the table was written.
        licence: licence, if the table's provenance names none.

    Raises:
        DatasetError: if it is neither, or no row of it can be published.
    """
    modified = modified.replace(microsecond=0)
    if set(TUBE_COLUMNS) <= set(table.column_names):
        columns, entries, rejected = _tubes(Dataset(table), modified)
    elif set(NEEDED) <= set(table.column_names):
        columns, entries, rejected = _crystals(table, modified)
    else:
        raise DatasetError(
            "it holds no structures: give a data set of matgym, or a table with the columns "
            f"{', '.join(NEEDED)}; it has {', '.join(table.column_names[:8])}"
        )
    if not entries:
        raise DatasetError(f"none of its rows can be published: {next(iter(rejected.values()), 'it has no rows')}")
    provenance = provenance_of(table.schema)
    return Published(name, columns, entries, rejected, provenance, licence_of(provenance) or licence)


def table_file(path: Path | str) -> tuple[Path, bool]:
    """Return the Parquet file of a path or of the name of a shipped data set, and whether it is shipped.

    Raises:
        DatasetError: if there is no such file.
    """
    file = named_file(path)
    if not is_file(file):
        raise DatasetError(
            f"there is no table {path}: give a Parquet file, or one of the shipped {', '.join(shipped_data())}"
        )
    return file, file.parent == SHIPPED


def _tubes(dataset: Dataset, modified: datetime) -> _Found:
    """Return the columns, entries and rejected rows of a data set of tubes."""
    entries, rejected = [], {}
    rows = dataset.table.to_pylist()
    for number, (row, name) in enumerate(zip(rows, unique(dataset.table.column("key").to_pylist()), strict=True)):
        try:
            tube = dataset.batch[number]
            values = {column: _plain(value) for column, value in row.items()}
            values["species"] = [SPECIES_DATA[Species(code)].label for code in tube.species.tolist()]
            entries.append(_tube_entry(name, tube, values, modified))
        except StructureError as error:
            rejected[number] = one_line(error)
    return columns_of(dataset.table.schema), tuple(entries), rejected


def _tube_entry(name: str, tube: Nanotube, values: Mapping[str, Any], modified: datetime) -> PublishedEntry:
    """Return the entry of a tube.

    Raises:
        StructureError: if it has no period, or no atoms.
    """
    atoms = to_atoms(tube)
    if not len(atoms):
        raise StructureError(f"{tube} has no atoms, because every site is vacant")
    ones = np.ones(len(atoms))
    return PublishedEntry(
        name, atoms.cell.array, atoms.pbc, atoms.positions, atoms.numbers, ones, atoms.get_masses(), values, modified,
        tube,
    )  # fmt: skip


def _crystals(table: pa.Table, modified: datetime) -> _Found:
    """Return the columns, entries and rejected rows of a table of crystals."""
    entries, rejected = [], {}
    columns = tuple(column for column in columns_of(table.schema) if column.name not in _STRUCTURE)
    names = unique([str(value) for value in table.column("id").to_pylist()])
    for number, (row, name) in enumerate(zip(table.to_pylist(), names, strict=True)):
        try:
            entries.append(_crystal_entry(name, row, {c.name: row[c.name] for c in columns}, modified))
        except (StructureError, ValueError, TypeError) as error:  # cells of wrong types and lengths among them
            rejected[number] = one_line(error)
    return columns, tuple(entries), rejected


def _crystal_entry(name: str, row: Mapping[str, Any], values: Mapping[str, Any], modified: datetime) -> PublishedEntry:
    crystal = Crystal.of_lists(row["cell"], row["fractional"], row["numbers"], row.get("occupancies"))
    numbers = crystal.numbers
    if not ((numbers > 0) & (numbers < len(chemical_symbols))).all():
        raise StructureError(
            f"atomic numbers {numbers.min()} to {numbers.max()}: give 1 to {len(chemical_symbols) - 1}"
        )
    periodic = np.asarray([True] * 3 if row.get("periodic") is None else row["periodic"], dtype=bool)
    changed = row.get("modified")
    return PublishedEntry(
        name, crystal.cell, periodic, crystal.fractional @ crystal.cell, numbers, crystal.occupancies,
        atomic_masses[numbers], {key: _plain(value) for key, value in values.items()},
        _time(changed) or modified,
    )  # fmt: skip


def _time(value: Any) -> datetime | None:
    """Return a time of a table, as a time or as ISO text; None if it is neither."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(found, datetime):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).replace(microsecond=0)


def _plain(value: Any) -> Any:
    """Return a value as JSON takes it: None for a number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, datetime) else value


def unique(names: Iterable[str]) -> Iterator[str]:
    """Yield the names; later copies of a name get "-2", "-3" and so on."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"
