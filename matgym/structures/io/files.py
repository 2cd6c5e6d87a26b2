"""Read and write nanotubes and crystals in files: CIF, POSCAR, extended XYZ and LAMMPS data."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from matgym.errors import ConfigurationError, FormatError
from matgym.files import MAX_NUMBER, UTF16_MARKS, atomic_path, is_file, parsed_number
from matgym.structures.atoms import check_numbers
from matgym.structures.crystals import Crystal
from matgym.structures.io.convert import to_atoms
from matgym.structures.io.lammps_data import is_lammps_data, read_lammps_data, write_lammps_data
from matgym.structures.lattice import MAX_SITES
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import SPECIES_DATA, Species

if TYPE_CHECKING:
    from ase import Atoms

_INTERNAL: Final = (
    AssertionError, AttributeError, ImportError, LookupError, NameError, NotImplementedError, StopIteration, TypeError,
)  # fmt: skip
"""Errors whose text is about Python, not about a file."""

MAX_FILE_BYTES: Final = 512 * 2**20
"""Largest structure file that is read, after decompression: over 200 bytes for each of `MAX_SITES` atoms. This
limit is our choice."""


def write(
    path: str | os.PathLike[str],
    structure: Nanotube | Crystal,
    format: str | None = None,  # noqa: A002  # as ASE
) -> None:
    """Write a tube or a crystal to a file atomically.

    Extended XYZ and LAMMPS data store all of a tube. CIF and POSCAR store elements and positions, from which `read`
    recognises a tube, with its strain to six decimals.

    Args:
        path: the file. Its name selects the format (.cif; POSCAR, CONTCAR, .vasp, .poscar; .extxyz, .xyz;
            .lmp, .data, .lammps) if `format` is None.
        structure: the tube or the crystal.
        format: "cif", "poscar", "extxyz" or "lammps".

    Raises:
        FormatError: if the format is unknown or cannot store the tube's isotopes, or the tube has no atoms; or if it
            cannot store a crystal.
        StructureError: if the tube is twisted, or sites of the crystal are partly occupied.
    """
    path = Path(path)
    chosen = _format_of(path, format)
    if isinstance(structure, Nanotube):
        _check_tube(path, chosen, structure)
    with atomic_path(path) as scratch:
        chosen.write(scratch, structure)


def _check_tube(path: Path, chosen: "_Format", tube: Nanotube) -> None:
    """Check that a format stores a tube.

    Raises:
        FormatError: if it cannot store the tube's isotopes, or the tube has no atoms.
    """
    isotopes = [SPECIES_DATA[code].label for code in (Species.C13, Species.C14) if tube.counts[code]]
    if isotopes and not chosen.holds_isotopes:
        able = " or ".join(other.name for other in _FORMATS if other.holds_isotopes)
        raise FormatError(f"{chosen.name} cannot store the {' and '.join(isotopes)} of this tube: write {able} instead")
    if tube.counts[Species.VACANCY] == tube.n_sites:
        raise FormatError(
            f"{path} would hold no atoms, because every site of the tube is vacant: give a tube with atoms"
        )


def load_atoms(path: Path, format: str | None, hints: "Hints") -> "Atoms":  # noqa: A002  # as ASE
    """Return the atoms of a file; the last of several frames.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the format is unknown, or the file cannot be read.
    """
    if not is_file(path):
        raise FileNotFoundError(f"there is no file {path}")
    try:
        chosen = _format_of(path, format)
    except FormatError:
        chosen = _by_name("lammps") if format is None and is_lammps_data(path) else _foreign(format)
    _check_size(path, chosen.name)
    try:
        atoms = chosen.read(path, hints)
        check_numbers(atoms)
    except FormatError:
        raise
    except Exception as error:  # noqa: BLE001  # ASE's parsers raise whatever a damaged file provokes
        raise FormatError(_unreadable(path, chosen, format, error)) from None
    return atoms


def _unreadable(path: Path, chosen: "_Format", name: str | None, error: Exception) -> str:
    """Return why a file cannot be read. The text of an error of Python's own tells a user nothing."""
    reason = str(error).strip().partition("\n")[0]
    internal = isinstance(error, _INTERNAL) or not reason
    if chosen in _FORMATS or name is not None:
        shown = "" if internal else f" ({reason})"
        return f"{path} is not a {chosen.name} file, or is damaged or incomplete{shown}"
    shown = "" if internal or type(error).__name__ == "UnknownFileTypeError" else f" ({reason})"
    return (
        f"{path} is not a structure file of a known format{shown}: format not known; give it (--format cif, poscar, "
        "extxyz, lammps, or a name of ASE), or convert the file to extended XYZ"
    )


@dataclass(frozen=True)
class Hints:
    """What a file does not say.

    Attributes:
        elements: symbols of the atom types of LAMMPS, or of the counts of VASP 4, in their order.
        atom_style: atom style of LAMMPS; empty to tell it from the columns.

    Raises:
        ConfigurationError: if there is no such element.
    """

    elements: tuple[str, ...] = ()
    atom_style: str = ""

    def __post_init__(self) -> None:
        unknown = [symbol for symbol in self.elements if symbol not in atomic_numbers()]
        if unknown:
            raise ConfigurationError(f"there is no element {unknown[0]!r}: give symbols, such as --elements C,B,N")


@dataclass(frozen=True)
class _Format:
    """A file format.

    Attributes:
        name: name of the format.
        suffixes: suffixes of its files.
        holds_isotopes: whether it stores isotopes.
        write: function that writes a tube or a crystal.
        read: function that reads atoms.
    """

    name: str
    suffixes: tuple[str, ...]
    holds_isotopes: bool
    write: Callable[[Path, Nanotube | Crystal], None]
    read: "Callable[[Path, Hints], Atoms]"


def _foreign(name: str | None) -> _Format:
    """Return a format that ASE reads, by its name in ASE; None for a format that ASE detects."""

    def no_write(path: Path, _structure: Nanotube | Crystal) -> None:
        raise FormatError(f"matgym cannot write {path}: it reads files of this format only")

    return _Format(
        name or "structure", (), holds_isotopes=False, write=no_write, read=lambda path, _hints: _read_ase(path, name)
    )


def _by_name(name: str) -> _Format:
    return next(known for known in _FORMATS if known.name == name)


def _format_of(path: Path, name: str | None) -> _Format:
    known = ", ".join(f"{known.name} ({', '.join(known.suffixes)})" for known in _FORMATS)
    for known_format in _FORMATS:
        if known_format.name == name or (name is None and path.suffix.lower() in known_format.suffixes):
            return known_format
    if name is None and path.name.upper() in {"POSCAR", "CONTCAR"}:
        return _by_name("poscar")
    unknown = f"unknown format {name!r}" if name is not None else f"the name of {path} has no known suffix"
    raise FormatError(f"{unknown}: give {known}, or a file named POSCAR or CONTCAR")


# ---- checks of files


def _check_size(path: Path, name: str) -> None:
    """Check the size of a file before a parser allocates memory for it.

    Args:
        path: the file.
        name: name of the format.

    Raises:
        FormatError: if the file is too large, or its head states more atoms than the file can hold.
    """
    from ase.io.formats import open_with_compression

    try:
        with open_with_compression(str(path), "rb") as file:
            head = file.read(1 << 16)
            size = len(head)
            while size <= MAX_FILE_BYTES and (part := file.read(1 << 24)):
                size += len(part)
    except Exception as error:  # noqa: BLE001  # each decompressor has its own errors
        raise FormatError(f"{path} cannot be read: {error}") from None
    if size > MAX_FILE_BYTES:
        raise FormatError(f"{path} is too large: give a structure file of {MAX_FILE_BYTES:,} bytes or fewer")
    if head.startswith(UTF16_MARKS):
        raise FormatError(f"{path} is UTF-16 text, as PowerShell stores it: store it as UTF-8")
    promised = _promised_atoms(head.decode("latin-1"), name)
    if promised > min(size, MAX_SITES):
        raise FormatError(
            f"{path} states {promised:.6g} atoms in {size:,} bytes: give a whole file of {MAX_SITES:,} atoms or fewer"
        )


def _promised_atoms(head: str, name: str) -> float:
    """Return the largest number of atoms, types or bonds in the head of a file, for which a parser allocates memory."""
    counts = re.findall(r"^\s*([0-9.eE+]+)\s+\w+", head, re.MULTILINE) if name == "lammps" else []
    if name == "poscar":
        counts = [count for line in head.split("\n")[5:7] for count in line.split()]
    for shape in re.findall(r'"__ndarray__":\s*\[\s*\[([^\]]*)\]', head):  # of ASE's JSON
        counts += shape.split(",")
    numbers = [number for count in counts if (number := parsed_number(count)) is not None]
    if name in {"extxyz", "xyz"}:
        numbers += _frame_counts(head.split("\n"))
    return max(numbers, default=0.0)


def _frame_counts(lines: list[str]) -> Iterator[float]:
    """Yield the numbers of atoms above `MAX_SITES`: ASE reads as many lines even if the file has ended."""
    place = 0
    while place < len(lines):
        try:
            count = int(lines[place])
        except ValueError:
            return
        if count > MAX_SITES:
            yield float(min(count, MAX_NUMBER))
        place += min(max(count, 0), len(lines)) + 2  # the count and a comment stand before the atoms


# ---- formats that ASE writes


def atomic_numbers() -> Mapping[str, int]:
    """Return the atomic number of each symbol."""
    from ase.data import atomic_numbers as numbers

    return {symbol: number for symbol, number in numbers.items() if number}


def _write_ase(path: Path, structure: Nanotube | Crystal, ase_format: str, **options: Any) -> None:
    from ase.io import write as write_atoms

    atoms = to_atoms(structure) if isinstance(structure, Nanotube) else structure.to_atoms()
    write_atoms(str(path), atoms, format=ase_format, **options)


def _write_lammps(path: Path, structure: Nanotube | Crystal) -> None:
    if not isinstance(structure, Nanotube):
        raise FormatError("lammps cannot store a crystal here: write cif, poscar or extxyz instead")
    write_lammps_data(path, structure)


def _read_ase(path: Path, ase_format: str | None, **options: Any) -> "Atoms":
    from ase.io import read as read_atoms

    return read_atoms(str(path), format=ase_format, do_not_split_by_at_sign=True, **options)


def _read_cif(path: Path) -> "Atoms":
    """Return the atoms of a CIF.

    Raises:
        ValueError: if the number of atoms disagrees with the formula, as in a file that is cut off.
    """
    atoms = _read_ase(path, "cif", store_tags=True)
    formula = str(atoms.info.get("_chemical_formula_sum", ""))
    promised = sum(int(count or 1) for count in re.findall(r"[A-Z][a-z]?(\d*)", formula))
    if promised and len(atoms) % promised:
        raise ValueError(f"it holds {len(atoms)} atoms, but its formula is {formula}")
    return atoms


def _read_poscar(path: Path, hints: "Hints") -> "Atoms":
    """Return the atoms of a POSCAR; files of VASP 4 have no line of symbols.

    Raises:
        FormatError: if no symbols are given either.
    """
    from ase.io import read as read_atoms
    from ase.io.formats import open_with_compression

    with open_with_compression(str(path), "rb") as file:
        lines = file.read().decode("latin-1").split("\n")
    counts = lines[5].split() if len(lines) > 5 else []
    if not counts or not all(count.isdigit() for count in counts):
        return _read_ase(path, "vasp")
    symbols = hints.elements or tuple(lines[0].split())
    if len(symbols) != len(counts) or not set(symbols) <= set(atomic_numbers()):
        raise FormatError(
            f"{path} names no elements, as files of VASP 4: pass --elements, such as "
            f"{','.join(['C', 'B', 'N'][: len(counts)] or ['C'])}, in the order of its {len(counts)} counts of atoms"
        )
    text = "\n".join([*lines[:5], " ".join(symbols), *lines[5:]])
    atoms: Atoms = read_atoms(StringIO(text), format="vasp")
    return atoms


_FORMATS: Final = (
    _Format(
        "cif",
        (".cif",),
        holds_isotopes=False,
        write=lambda path, structure: _write_ase(path, structure, "cif"),
        read=lambda path, _hints: _read_cif(path),
    ),
    _Format(
        "poscar",
        (".vasp", ".poscar"),
        holds_isotopes=False,
        write=lambda path, structure: _write_ase(path, structure, "vasp", sort=True),
        read=_read_poscar,
    ),
    _Format(
        "extxyz",
        (".extxyz", ".xyz"),
        holds_isotopes=True,
        write=lambda path, structure: _write_ase(path, structure, "extxyz"),
        read=lambda path, _hints: _read_ase(path, "extxyz"),
    ),
    _Format(
        "lammps",
        (".lmp", ".data", ".lammps"),
        holds_isotopes=True,
        write=_write_lammps,
        read=lambda path, hints: read_lammps_data(path, hints.elements, hints.atom_style),
    ),
)
