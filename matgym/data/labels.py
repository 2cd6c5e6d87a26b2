"""Labels of the user's own: structures with a number each, from a table, from frames of a file, or from a folder.

A row that cannot be used keeps its name and the reason, and the others are read. Structures that are the same tube up
to symmetry count once, with the mean of their labels.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import numpy as np

from matgym.data.columns import PARQUET
from matgym.errors import DatasetError, FormatError, MatgymError, one_line
from matgym.files import MAX_NUMBER, is_file, parsed_number, read_text
from matgym.frozen import ValueObject
from matgym.structures import Nanotube
from matgym.structures.io.reading import Reading, ReadTube, parse_structure, read_atoms, tube_of
from matgym.typing import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

FEWEST: Final = 20
"""Different tubes below which nothing can be learned and measured. A choice of ours, as are the next three."""

SAME: Final = 1e-6
"""Difference of two labels, as a share of the labels' standard deviation, that rounding explains."""

CONSTANT: Final = 1e-9
"""Range of labels, as a share of the largest one, below which they are constant."""

MAX_TABLE_BYTES: Final = 1 << 26
"""Largest table or file of frames that is read."""

FILE_COLUMNS: Final = ("file", "path", "structure", "filename")
"""Names of the column that holds paths of structure files, relative to the table, or chiralities such as (11,0)x3."""

FRAMES: Final = (".extxyz", ".xyz")
"""Ends of the names of files of several frames."""

TABLES: Final = (".csv", ".tsv")
"""Ends of the names of tables."""

_SITE: Final = re.compile(r"([0-9]+)\s*[:=]\s*['\"]?(\w+)['\"]?")

Entry: TypeAlias = tuple[str, Callable[[], ReadTube], object]
"""Name of a structure, a function that returns its tube, and its label as it was found; None for none."""


@dataclass(frozen=True, eq=False)
class Labels(ValueObject):
    """Tubes with a number each.

    Attributes:
        tubes: B tubes, no two of them the same up to symmetry.
        values: (B,) labels.
        names: (B,) names of the structures, which are joined by " = " where several are the same tube.
        unread: reasons why structures were left out, by name.
        notes: what was assumed of a structure that was read, by name.
        conflicts: names of structures that are the same tube with different labels, of which the mean is taken, and the
            range of these labels.
    """

    tubes: tuple[Nanotube, ...]
    values: FloatArray
    names: tuple[str, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tubes: "Sequence[Nanotube | Atoms]",
        values: Sequence[float] | FloatArray,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Return the labels of tubes or ASE's atoms, one for each; those that cannot be used are in `unread`.

        Raises:
            DatasetError: if there are not as many values, or too few tubes or no spread is left.
        """
        if len(tubes) != len(values):
            raise DatasetError(f"there are {len(tubes)} structures and {len(values)} values: give one for each")
        known = names or [f"structure {number}" for number in range(1, len(tubes) + 1)]
        entries = zip(known, map(_maker, tubes), values, strict=True)
        return cls.from_entries(entries)

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> Self:
        """Return the labels of entries; those that cannot be read are left out, with their reasons."""
        unread: dict[str, str] = {}
        notes: dict[str, str] = {}
        found: dict[str, list[tuple[str, Nanotube, float]]] = {}
        for name, read, label in entries:
            try:
                tube = read()
                kept, value = tube.periodic(name), _number(label)
            except (MatgymError, OSError) as error:
                unread[name] = one_line(error).removeprefix(f"{name}: ")
                continue
            found.setdefault(kept.key, []).append((name, kept, value))
            if tube.note:
                notes[name] = tube.note
        _check(found, unread)
        values = np.array([np.mean([value for _, _, value in group]) for group in found.values()])
        if np.ptp(values) <= CONSTANT * np.abs(values).max():
            raise DatasetError(f"all {len(values)} labels are {values[0]:g}: a constant teaches nothing")
        joined = [" = ".join(name for name, _, _ in group) for group in found.values()]
        conflicts = {}
        for name, group in zip(joined, found.values(), strict=True):
            labels = [value for _, _, value in group]
            if max(labels) - min(labels) > SAME * float(values.std()):
                conflicts[name] = min(labels), max(labels)
        return cls(tuple(group[0][1] for group in found.values()), values, tuple(joined), unread, notes, conflicts)

    def __len__(self) -> int:
        return len(self.tubes)

    @property
    def structures(self) -> int:
        """Number of structures that were read, with symmetric copies."""
        return sum(name.count(" = ") + 1 for name in self.names)


def read_labels(path: Path | str, name: str, reading: Reading | None = None) -> Labels:
    """Read structures with their labels.

    Args:
        path: one of

            - a table (.csv, .tsv) with a column of labels, and either a column `file` of paths relative to the table,
              or columns `n`, `m`, and further `cells`, `strain`, `torsion` and `sites`, such as "0:B 5:N 9:vacancy";
            - a file of several frames (.extxyz, .xyz), whose labels are in `info`, or results of a calculator;
            - a folder of structure files, with labels in the only table of the folder, or in their `info`;
            - a table of `matgym data fetch` (.parquet) whose structures are tubes.
        name: name of the labels: a column, an entry of `info`, or a result such as "energy".
        reading: what structure files do not say.

    Raises:
        FileNotFoundError: if there is no such file.
        DatasetError: if no table or file has labels of this name, or too few structures or no spread is left.
    """
    path, how = Path(path), reading or Reading()
    if path.is_dir():
        return Labels.from_entries(_of_folder(path, name, how))
    if not is_file(path):
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() in TABLES:
        return Labels.from_entries(_of_table(path, name, how))
    if path.suffix.lower() == PARQUET:
        from matgym.data.fetched_labels import entries_of
        from matgym.data.sources import Fetched

        return Labels.from_entries(entries_of(Fetched.load(path), name, how))
    return Labels.from_entries(_checked(_of_frames(path, name, how), path, name))


def _check(found: Mapping[str, object], unread: Mapping[str, str]) -> None:
    """Check the number of different tubes.

    Raises:
        DatasetError: if it is too small; the message has the first reason.
    """
    if len(found) < FEWEST:
        first = next(iter(unread.items()), None)
        lost = f"; {len(unread)} could not be used, the first: {first[0]}: {first[1]}" if first else ""
        raise DatasetError(
            f"there are labels of {len(found)} different tubes, and {FEWEST} are the fewest to learn from{lost}"
        )


def _number(label: object) -> float:
    """Return a label as a number.

    Raises:
        DatasetError: if it is none, or not finite.
    """
    if label is None or (isinstance(label, str) and not label.strip()):
        raise DatasetError("it has no label")
    value = parsed_number(label.strip()) if isinstance(label, str) else _single(label)
    if value is None or not abs(value) <= MAX_NUMBER:
        raise DatasetError(f"its label {label!r:.40} is not a finite number")
    return value


def _single(label: object) -> float | None:
    """Return a number of any type; None for what is not one number."""
    array = np.asarray(label)
    return float(array.ravel()[0]) if array.size == 1 and array.dtype.kind in "iuf" else None


def _maker(tube: "Nanotube | Atoms") -> Callable[[], ReadTube]:
    if isinstance(tube, Nanotube):
        return lambda: ReadTube(tube)
    return lambda: tube_of(tube, Reading())


# ---- tables


def _of_table(path: Path, name: str, reading: Reading) -> Iterator[Entry]:
    """Yield the rows of a table.

    Raises:
        DatasetError: if it is no table, or lacks a column.
    """
    header, rows = read_csv(path)
    if name not in header:
        raise DatasetError(f"{path.name} has no column {name!r}; it has {', '.join(header) or 'none'}")
    column = next((each for each in FILE_COLUMNS if each in header and each != name), None)
    if column is None and not {"n", "m"} <= set(header):
        raise DatasetError(
            f"{path.name} names no structures: give a column 'file' of structure files, or columns n, m, cells and "
            f"sites; it has {', '.join(header)}"
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            yield f"row {number}", failing(f"it has {len(row)} cells under {len(header)} column names"), None
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if column is None:
            yield f"row {number}", partial(_tube_in, cells), cells[name]
        else:
            text = cells[column]
            yield f"row {number} ({text})", partial(_named, path.parent, text, reading), cells[name]


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table; comma, semicolon or tab between columns.

    Raises:
        DatasetError: if it cannot be read, or two columns have one name.
    """
    try:
        text = read_text(path, MAX_TABLE_BYTES)
        delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
        rows = [row for row in csv.reader(StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
    except (FormatError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a table: {error}") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if twice := next((each for each in header if each and header.count(each) > 1), None):
        raise DatasetError(f"{path.name} has {header.count(twice)} columns {twice!r}: give each a name of its own")
    return header, rows[1:]


def _named(folder: Path, text: str, reading: Reading) -> ReadTube:
    """Return the tube of a cell: a path relative to the folder, or a chirality."""
    file = folder / text
    return parse_structure(str(file) if text and is_file(file) else text, reading)


def _tube_in(cells: Mapping[str, str]) -> ReadTube:
    """Return the tube of a row's cells.

    Raises:
        DatasetError: if a cell is no number, or `sites` has another form.
        StructureError: if there is no such tube.
    """
    n, m, count = (_whole(cells, name, default) for name, default in (("n", ""), ("m", ""), ("cells", "1")))
    strain, torsion = (_load(cells, name) for name in ("strain", "torsion"))
    text = cells.get("sites", "")
    if _SITE.sub("", text).strip(" ,;{}"):
        raise DatasetError(f"sites is {text!r:.60}: give sites and species, such as 0:B 5:N 9:vacancy")
    sites = _SITE.findall(text)
    if len({int(site) for site, _ in sites}) < len(sites):
        raise DatasetError(f"sites is {text!r:.60}: it names a site twice")
    empty = Nanotube(n, m, count, strain=strain, torsion=torsion)
    return ReadTube(empty.decorated({int(site): species for site, species in sites}))


def _whole(cells: Mapping[str, str], name: str, default: str) -> int:
    """Return the whole number in a cell.

    Raises:
        DatasetError: if it holds none.
    """
    text = cells.get(name) or default
    number = parsed_number(text)
    if number is None or number != int(number):
        raise DatasetError(f"{name} is {text!r}: give a whole number")
    return int(number)


def _load(cells: Mapping[str, str], name: str) -> float:
    """Return the strain or torsion in a cell; 0 for none.

    Raises:
        DatasetError: if it is no number.
    """
    text = cells.get(name) or "0"
    if (load := parsed_number(text)) is None:
        raise DatasetError(f"{name} is {text!r}: give a fraction, such as 0.01")
    return load


# ---- frames and folders


def _of_frames(path: Path, name: str, reading: Reading) -> Iterator[Entry]:
    """Yield the frames of a file; files of other formats have one."""
    if path.suffix.lower() not in FRAMES:
        yield _of_atoms(path.name, partial(read_atoms, path, reading), name, reading)
        return
    frames = list(frames_of(path))
    for number, frame in enumerate(frames, 1):
        title = path.name if len(frames) == 1 else f"{path.name}, frame {number}"
        yield _of_atoms(title, partial(atoms_in, frame), name, reading)


def frames_of(path: Path) -> Iterator[str]:
    """Yield the text of each frame of an XYZ file; a frame whose first line is no number takes the rest with it.

    Raises:
        DatasetError: if the file cannot be read.
    """
    try:
        lines = read_text(path, MAX_TABLE_BYTES).splitlines()
    except FormatError as error:
        raise DatasetError(str(error)) from None
    place = 0
    while place < len(lines):
        if not lines[place].strip():
            place += 1
            continue
        count = parsed_number(lines[place].strip())
        end = len(lines) if count is None or not 0 <= count <= len(lines) else place + 2 + int(count)
        yield "\n".join(lines[place:end])
        place = end


def atoms_in(frame: str) -> "Atoms":
    """Return the atoms of a frame of extended XYZ.

    Raises:
        FormatError: if it cannot be read.
    """
    from ase.io import read

    try:
        atoms: Atoms = read(StringIO(frame + "\n"), format="extxyz")
    except Exception as error:  # noqa: BLE001  # ASE's parsers raise whatever a damaged file provokes
        raise FormatError(
            f"the frame that begins with {frame[:30].strip().partition(chr(10))[0]!r} is damaged: {one_line(error)}"
        ) from None
    return atoms


def _of_atoms(title: str, read: "Callable[[], Atoms]", name: str, reading: Reading) -> Entry:
    """Return the entry of atoms, which are read now, because they hold the label."""
    try:
        atoms = read()
    except (MatgymError, OSError) as error:
        return title, failing(one_line(error)), None
    return title, lambda: tube_of(atoms, reading), label_of(atoms, name)


def label_of(atoms: "Atoms", name: str) -> Any:
    """Return the label of atoms: an entry of `info`, or a result of their calculator; None if there is none."""
    results = getattr(atoms.calc, "results", {}) if atoms.calc is not None else {}
    return atoms.info.get(name, results.get(name))


def failing(reason: str) -> Callable[[], ReadTube]:
    """Return the function of an entry that cannot be read, for a reason."""

    def fail() -> ReadTube:
        raise DatasetError(reason)

    return fail


def _of_folder(folder: Path, name: str, reading: Reading) -> Iterator[Entry]:
    """Yield the structures of a folder.

    Raises:
        DatasetError: if there are no files, or several tables with such labels.
    """
    files = sorted(file for file in folder.iterdir() if is_file(file) and not file.name.startswith("."))
    tables = [file for file in files if file.suffix.lower() in TABLES]
    labelled = [file for file in tables if name in read_csv(file)[0]]
    others = [file for file in files if file not in tables]
    if len(labelled) > 1:
        raise DatasetError(
            f"{len(labelled)} tables in {folder} have a column {name!r} ({', '.join(file.name for file in labelled)}): "
            "give one of them as the data"
        )
    if labelled:
        rows = read_csv(labelled[0])[1]
        yield from _of_table(labelled[0], name, reading)
        cells = {cell.strip() for row in rows for cell in row}
        for file in others:
            if file.name not in cells:
                yield file.name, failing(f"{labelled[0].name} has no row for it"), None
        return
    if not others:
        raise DatasetError(f"{folder} holds no structure files, and no table with a column {name!r}")
    entries = (entry for file in others for entry in _of_frames(file, name, reading))
    yield from _checked(entries, folder, name)


def _checked(entries: Iterable[Entry], path: Path, name: str) -> Iterator[Entry]:
    """Yield entries, at least one of which has a label.

    Raises:
        DatasetError: if none has one.
    """
    found = list(entries)
    if all(label is None for _, _, label in found):
        raise DatasetError(
            f"no structure in {path} has a label {name!r}: give the name of a column of a table, of an entry of `info` "
            "in extended XYZ, or of a calculator's result"
        )
    yield from found
