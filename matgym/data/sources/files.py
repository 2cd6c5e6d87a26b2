"""Files on this machine: a folder of structures, frames, an ASE database, structures of pymatgen, a table.

| file | structures | values |
|---|---|---|
| folder | each file that ASE reads: CIF, POSCAR, extended XYZ, … | as below |
| .extxyz, .xyz | each frame | `info`, results of the calculator |
| .db, .json of ASE | each row | `key_value_pairs`, results of the calculator |
| .json of pymatgen | a structure, a list of them, or mappings that hold one under "structure" | the other entries |
| .csv, .tsv | a column of file names, of CIF or of JSON of pymatgen | the other columns |

Values are taken as they stand, in the units of `PROPERTIES`, but the energy of a calculator and that of an entry of
pymatgen, which are those of the cell.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from matgym.data.columns import UNKNOWN_LICENCE
from matgym.data.labels import FILE_COLUMNS, FRAMES, TABLES, atoms_in, frames_of, read_csv
from matgym.data.sources.base import Page, Row, Source
from matgym.data.sources.entries import Entry, crystal_of
from matgym.data.sources.properties import PROPERTIES, Field
from matgym.data.sources.query import Query, reduced_formula
from matgym.data.sources.sites import crystal_of_pymatgen
from matgym.errors import ConfigurationError, FetchError, MatgymError, RowError, one_line
from matgym.files import is_file, parse_json, read_json
from matgym.structures import Crystal
from matgym.structures.io.files import Hints, load_atoms
from matgym.typing import BoolArray

if TYPE_CHECKING:
    from ase import Atoms

STRUCTURE_COLUMNS: Final = (*FILE_COLUMNS, "cif")
"""Names of the column of a table that holds structures or names of files."""

ID_COLUMNS: Final = ("id", "material_id", "jid", "name")
"""Names of the column of a table, and of the entry in JSON, that holds identifiers."""

ENTRIES: Final = ("ComputedStructureEntry", "GibbsComputedStructureEntry")
"""Classes of pymatgen whose energy is that of the cell, without the correction that stands beside it."""

MAX_DATABASE_BYTES: Final = 1 << 32
"""Largest database of ASE that is read. A choice of ours."""

_PAGE_ROWS: Final = 500


@dataclass(frozen=True)
class _Row:
    """A structure of a file.

    Attributes:
        id: name of the file, number of the frame or row, or the identifier that stands with it.
        read: function that returns the structure and its periodicity.
        values: what stands with it.
    """

    id: str
    read: Callable[[], tuple[Crystal, BoolArray]]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Files(Source):
    """A file or folder of structures.

    Attributes:
        path: the file or folder.
        column: column of a table, or entry in JSON, that holds the structures; empty to find it by its name.
        method: how the values were obtained, such as "PBE, VASP"; empty if it is not known. Energies without a method
            are no references for formation energies.

    Raises:
        ConfigurationError: if there is no such file or folder.
    """

    path: Path = Path()
    column: str = ""
    method: str = ""
    name: ClassVar[str] = "files"
    cached: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if str(self.path) in {"", "."} or not Path(self.path).exists():
            raise ConfigurationError(f"there is no file or folder {str(self.path)!r}: give one (path, --path)")

    @property
    @override
    def fields(self) -> Mapping[str, Field]:
        return {name: Field(name, method=self.method) for name in PROPERTIES}

    @property
    @override
    def identity(self) -> dict[str, str]:
        return {"path": str(self.path)} | ({"method": self.method} if self.method else {})

    @override
    def about(self) -> dict[str, str]:
        changed = datetime.fromtimestamp(Path(self.path).stat().st_mtime, UTC)
        return {"version": f"changed {changed.isoformat(timespec='seconds')}", "licence": UNKNOWN_LICENCE}

    @override
    def count(self, query: Query) -> int | None:
        return sum(len(page.rows) for page in self.pages(query, None))

    @override
    def pages(self, query: Query, cursor: str | None) -> Iterator[Page]:
        rows = (row for row in self._rows() if _fits(row, query))
        found = list(islice(rows, _PAGE_ROWS))
        number = 0
        while True:
            following = list(islice(rows, _PAGE_ROWS))
            number += 1
            yield Page(found, str(number) if following else None)
            if not following:
                return
            found = following

    @override
    def label(self, row: Row) -> str:
        return row.id  # type: ignore[no-any-return]  # of a `_Row`

    @override
    def entry(self, row: Row, query: Query) -> Entry:
        crystal, periodic = _read(row)
        values, methods = self.read_values(row.values, query, len(crystal.numbers))
        return Entry(row.id, crystal, periodic, values, methods, str(self.path))

    def _rows(self) -> Iterator[_Row]:
        path = Path(self.path)
        if not path.is_dir():
            return self._of_file(path)
        files = sorted(each for each in path.iterdir() if is_file(each) and not each.name.startswith("."))
        if tables := [each for each in files if each.suffix.lower() in TABLES]:
            if len(tables) > 1:
                raise FetchError(f"{path} holds {len(tables)} tables, such as {tables[0].name}: give one of them")
            return self._of_table(tables[0])
        if not files:
            raise FetchError(f"{path} holds no files: give a folder of structures")
        return (row for each in files for row in self._of_file(each))

    def _of_file(self, path: Path) -> Iterator[_Row]:
        suffix = path.suffix.lower()
        if suffix in TABLES:
            return self._of_table(path)
        if suffix == ".db":
            return _of_database(path)
        if suffix == ".json":
            return self._of_json(path)
        if suffix in FRAMES:
            return _of_frames(path)
        return iter([_of_atoms(path.name, partial(load_atoms, path, None, Hints()))])

    def _of_table(self, path: Path) -> Iterator[_Row]:
        header, lines = read_csv(path)
        if not (column := self.column or next((each for each in header if each.lower() in STRUCTURE_COLUMNS), "")):
            names = ", ".join(STRUCTURE_COLUMNS)
            raise FetchError(f"{path} has no column of structures ({names}): name it (column, --column)")
        if column not in header:
            raise FetchError(f"{path} has no column {column!r}: it has {', '.join(header)[:200]}")
        for number, line in enumerate(lines, 1):
            cells = {name: cell.strip() for name, cell in zip(header, line, strict=False)}
            text = cells.pop(column, "")
            yield _Row(_identifier(cells) or f"row {number}", partial(_of_text, path.parent, text), cells)

    def _of_json(self, path: Path) -> Iterator[_Row]:
        content = read_json(path)
        if isinstance(content, dict) and "nextid" in content and "ids" in content:
            yield from _of_database(path)
            return
        if isinstance(content, dict) and not _is_structure(content) and "structure" not in content:
            items = [(name, each) for name, each in content.items() if isinstance(each, dict)]
        else:
            items = [("", each) for each in (content if isinstance(content, list) else [content])]
        for number, (name, each) in enumerate(items, 1):
            values = {key: value for key, value in each.items() if key != "structure"} if isinstance(each, dict) else {}
            held = each.get(self.column or "structure", each) if isinstance(each, dict) else each
            energy = values.get("energy")
            if values.get("@class") in ENTRIES and isinstance(energy, int | float) and _is_structure(held):
                values["energy"] = energy / max(len(held["sites"]), 1)
            yield _Row(name or _identifier(values) or f"{path.name}, {number}", partial(_of_pymatgen, held), values)


def _of_frames(path: Path) -> Iterator[_Row]:
    for number, text in enumerate(frames_of(path), 1):
        yield _of_atoms(f"{path.name}, {number}", partial(atoms_in, text))


def _of_atoms(name: str, read: "Callable[[], Atoms]") -> _Row:
    """Return the row of atoms; those that cannot be read are rejected later, with the reason."""
    try:
        atoms = read()
    except (MatgymError, OSError) as error:
        return _Row(name, partial(_failing, one_line(error)))
    results = dict(getattr(atoms.calc, "results", {}) if atoms.calc is not None else {})
    if "energy" in results:
        results["energy"] = results["energy"] / len(atoms)  # of the cell, in ASE
    values = {
        key: value.item() if isinstance(value, np.generic) else value for key, value in (atoms.info | results).items()
    }
    return _Row(name, partial(_structure, atoms), values)


def _of_database(path: Path) -> Iterator[_Row]:
    from ase.db import connect

    if path.stat().st_size > MAX_DATABASE_BYTES:
        raise FetchError(f"{path} is larger than {MAX_DATABASE_BYTES:,} bytes, the limit for a database")
    try:
        for row in connect(str(path)).select():
            values = dict(row.key_value_pairs)
            if (energy := row.get("energy")) is not None:
                values.setdefault("energy", energy / row.natoms)
            yield _Row(str(values.get("id", row.id)), partial(_structure, row.toatoms()), values)
    except MatgymError:
        raise
    except Exception as error:  # noqa: BLE001  # ASE's readers raise whatever a damaged file provokes
        raise FetchError(f"{path} is no database of ASE, or is damaged ({one_line(error):.120})") from None


def _structure(atoms: "Atoms") -> tuple[Crystal, BoolArray]:
    """Return the crystal of atoms; partial occupancies of a CIF are several atoms at one place."""
    from ase.data import atomic_numbers

    periodic = np.array(atoms.pbc, dtype=bool)
    sites, numbers, shares = list(range(len(atoms))), atoms.numbers.tolist(), [1.0] * len(atoms)
    if (mixed := atoms.info.get("occupancy")) and "spacegroup_kinds" in atoms.arrays:
        kinds = [mixed[str(kind)] for kind in atoms.arrays["spacegroup_kinds"].tolist()]
        parts = [(site, atomic_numbers[name], share) for site, kind in enumerate(kinds) for name, share in kind.items()]
        sites, numbers, shares = (list(each) for each in zip(*parts, strict=True))
    return crystal_of(atoms.cell.array, atoms.positions[sites], numbers, shares, periodic), periodic


def _of_text(folder: Path, text: str) -> tuple[Crystal, BoolArray]:
    """Return the structure of a cell of a table: a name of a file, CIF, or JSON of pymatgen."""
    from ase.io import read

    if text.startswith("{"):
        return _of_pymatgen(parse_json(text, "its structure"))
    if "data_" in text and "_cell_length_a" in text:
        try:
            return _structure(read(StringIO(text), format="cif"))
        except Exception as error:  # noqa: BLE001  # ASE's readers raise whatever a damaged file provokes
            raise RowError(f"its CIF cannot be read ({one_line(error):.120})") from None
    file = folder / text
    if not text or not is_file(file):
        raise RowError(f"there is no file {text[:80]!r}" if text else "it names no structure")
    return _structure(load_atoms(file, None, Hints()))


def _is_structure(content: Any) -> bool:
    return isinstance(content, dict) and "lattice" in content and "sites" in content


def _of_pymatgen(content: Any) -> tuple[Crystal, BoolArray]:
    """Return the structure of JSON of pymatgen."""
    if not _is_structure(content):
        raise RowError("it is no structure of pymatgen: it has no lattice and sites")
    periodic = np.array(content["lattice"].get("pbc", (True, True, True)), dtype=bool)
    return crystal_of_pymatgen(content, periodic), periodic


def _failing(reason: str) -> tuple[Crystal, BoolArray]:
    raise RowError(reason)


def _identifier(values: Mapping[str, Any]) -> str:
    return next((str(values[name]) for name in ID_COLUMNS if values.get(name) not in {None, ""}), "")


def _read(row: _Row) -> tuple[Crystal, BoolArray]:
    """Return the structure of a row.

    Raises:
        RowError: if there is none.
    """
    try:
        return row.read()
    except RowError:
        raise
    except (MatgymError, OSError, LookupError, TypeError, ValueError) as error:
        raise RowError(f"its structure cannot be read: {one_line(error):.160}") from None


def _fits(row: _Row, query: Query) -> bool:
    """Return whether a row meets the conditions of a query; one that cannot be read does, so that it is reported."""
    if query.ids and row.id not in query.ids:
        return False
    if not (query.formulas or query.elements or query.atoms or query.periodic):
        return True
    try:
        crystal, periodic = _read(row)
        entry = Entry(row.id, crystal, periodic)
    except RowError:
        return True
    from ase.data import chemical_symbols

    symbols = [chemical_symbols[number] for number in crystal.numbers.tolist()]
    whole = "." not in entry.formula
    return (query.periodic is None or int(entry.periodic.sum()) == query.periodic) and query.selects(
        symbols, lambda: reduced_formula(entry.formula) if whole else ""
    )
