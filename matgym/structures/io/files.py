"""Read and write nanotubes in files: CIF, POSCAR, extended XYZ and LAMMPS data."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.errors import FormatError, RecognitionError, StructureError
from matgym.files import MAX_NUMBER, UTF16_MARKS, atomic_path, is_file, parsed_number
from matgym.structures.atoms import check_numbers
from matgym.structures.io.convert import from_atoms, to_atoms
from matgym.structures.lattice import MAX_SITES
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import SPECIES_DATA, Species

if TYPE_CHECKING:
    from ase import Atoms


MAX_FILE_BYTES: Final = 512 * 2**20
"""Largest structure file that is read, after decompression: over 200 bytes for each of `MAX_SITES` atoms. This
limit is our choice."""


def write(path: str | os.PathLike[str], tube: Nanotube, format: str | None = None) -> None:  # noqa: A002  # as ASE
    """Write a tube to a file atomically.

    Extended XYZ and LAMMPS data store all of the tube. CIF and POSCAR store elements and positions, from which `read`
    recognises the tube, with its strain to six decimals.

    Args:
        path: the file. Its name selects the format (.cif; POSCAR, CONTCAR, .vasp, .poscar; .extxyz, .xyz;
            .lmp, .data, .lammps) if `format` is None.
        tube: the tube.
        format: "cif", "poscar", "extxyz" or "lammps".

    Raises:
        FormatError: if the format is unknown or cannot store the tube's isotopes, or the tube has no atoms.
        StructureError: if the tube is twisted.
    """
    path = Path(path)
    chosen = _format_of(path, format)
    isotopes = [SPECIES_DATA[code].label for code in (Species.C13, Species.C14) if tube.counts[code]]
    if isotopes and not chosen.holds_isotopes:
        able = " or ".join(other.name for other in _FORMATS if other.holds_isotopes)
        raise FormatError(f"{chosen.name} cannot store the {' and '.join(isotopes)} of this tube: write {able} instead")
    if tube.counts[Species.VACANCY] == tube.n_sites:
        raise FormatError(
            f"{path} would hold no atoms, because every site of the tube is vacant: give a tube with atoms"
        )
    with atomic_path(path) as scratch:
        chosen.write(scratch, tube)


def read(path: str | os.PathLike[str], format: str | None = None) -> Nanotube:  # noqa: A002  # as ASE
    """Read a tube from a file that matgym or any other program has written.

    Args:
        path: the file. Its name selects the format, as in `write`; for other names ASE detects the format. The last of
            several frames is read.
        format: "cif", "poscar", "extxyz" or "lammps", or the name of any format that ASE reads.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the format is unknown, or the file cannot be read.
        RecognitionError: if the file holds no single-walled tube.
    """
    path = Path(path)
    try:
        chosen = _format_of(path, format)
    except FormatError:
        chosen = _foreign(format)
    if not is_file(path):
        raise FileNotFoundError(f"there is no file {path}")
    _check_size(path, chosen.name)
    try:
        atoms = chosen.read(path)
        check_numbers(atoms)
    except Exception as error:  # noqa: BLE001  # ASE's parsers raise whatever a damaged file provokes
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise FormatError(f"{path} is not a {chosen.name} file, or is damaged or incomplete ({reason})") from None
    try:
        return from_atoms(atoms)
    except RecognitionError as error:
        raise RecognitionError(f"{path}: {error}") from None


def parse_design(text: str) -> Nanotube:
    """Return the tube that a structure file holds, or that a chirality such as "(8,0)x4" names.

    Args:
        text: path of a file that `read` reads, or n, m and cells ("10,10x2"; one cell if there is no x).

    Raises:
        FormatError: if the text is neither of these, or the file cannot be read.
        RecognitionError: if the file holds no single-walled tube.
        StructureError: if there is no such tube.
    """
    named = re.fullmatch(r"\(?\s*([0-9]+)\s*,\s*([0-9]+)\s*\)?\s*(?:[x×]\s*([0-9]+))?", text.strip())
    if is_file(Path(text)):
        return read(text)
    if named is None:
        raise FormatError(
            f"{text!r} is neither a structure file nor a chirality: give a file, or a chirality such as '(8,0)x4'"
        )
    if any(len(number or "") > len(str(MAX_SITES)) for number in named.groups()):
        raise StructureError(f"{text[:40]!r} has too many sites: give a tube of {MAX_SITES:,} sites or fewer")
    n, m, cells = (int(number or 1) for number in named.groups())
    return Nanotube(n, m, cells)


@dataclass(frozen=True)
class _Format:
    """A file format.

    Attributes:
        name: name of the format.
        suffixes: suffixes of its files.
        holds_isotopes: whether it stores isotopes.
        write: function that writes a tube.
        read: function that reads atoms.
    """

    name: str
    suffixes: tuple[str, ...]
    holds_isotopes: bool
    write: Callable[[Path, Nanotube], None]
    read: "Callable[[Path], Atoms]"


def _foreign(name: str | None) -> _Format:
    """Return a format that ASE reads, by its name in ASE; None for a format that ASE detects."""

    def no_write(path: Path, _tube: Nanotube) -> None:
        raise FormatError(f"matgym cannot write {path}: it reads files of this format only")

    return _Format(
        name or "structure", (), holds_isotopes=False, write=no_write, read=lambda path: _read_ase(path, name)
    )


def _format_of(path: Path, name: str | None) -> _Format:
    known = ", ".join(f"{known.name} ({', '.join(known.suffixes)})" for known in _FORMATS)
    for known_format in _FORMATS:
        if known_format.name == name or (name is None and path.suffix.lower() in known_format.suffixes):
            return known_format
    if name is None and path.name.upper() in {"POSCAR", "CONTCAR"}:
        return next(known_format for known_format in _FORMATS if known_format.name == "poscar")
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


def _write_ase(path: Path, tube: Nanotube, ase_format: str, **options: Any) -> None:
    from ase.io import write as write_atoms

    write_atoms(str(path), to_atoms(tube), format=ase_format, **options)


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


# ---- LAMMPS data

_RECORD: Final = re.compile(r"n=(\d+) m=(\d+) cells=(\d+) strain=(\S+)(?: stone_wales=([\d,]+))?")
_MASS_TOLERANCE_AMU: Final = 0.02


def _write_lammps(path: Path, tube: Nanotube) -> None:
    """Write LAMMPS data (atom style atomic, metal units) with a type for each species; atom id = site + 1."""
    atoms = to_atoms(tube)
    x, y, z = atoms.cell.lengths().tolist()
    present = np.unique(atoms.arrays["species"]).tolist()
    rows = zip(atoms.arrays["site"].tolist(), atoms.arrays["species"].tolist(), atoms.positions.tolist(), strict=True)
    record = f"n={tube.n} m={tube.m} cells={tube.cells} strain={tube.strain!r}"  # as `_RECORD` reads it
    if tube.stone_wales:
        record += " stone_wales=" + ",".join(str(site) for pair in tube.stone_wales for site in pair)
    lines = [
        f"{tube}; metal units, atom id = site + 1; {record}",
        "",
        f"{len(atoms)} atoms",
        f"{len(present)} atom types",
        "",
        *(f"0.0 {side!r} {axis}lo {axis}hi" for axis, side in (("x", x), ("y", y), ("z", z))),
        "",
        "Masses",
        "",
        *(
            f"{kind} {SPECIES_DATA[Species(code)].mass_amu} # {SPECIES_DATA[Species(code)].label}"
            for kind, code in enumerate(present, start=1)
        ),
        "",
        "Atoms # atomic",
        "",
        *(f"{site + 1} {present.index(code) + 1} {x!r} {y!r} {z!r}" for site, code, (x, y, z) in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read_lammps(path: Path) -> "Atoms":
    """Return the atoms of a LAMMPS data file, with elements by mass: ASE reads 14C, of 14.003 u, as nitrogen."""
    atoms = _read_ase(path, "lammps-data")
    masses = np.array([data.mass_amu for data in SPECIES_DATA.values()])
    symbols = np.array([data.symbol for data in SPECIES_DATA.values()])
    difference = np.abs(atoms.get_masses()[:, None] - masses)  # (atoms, species)
    known = difference.min(axis=1) < _MASS_TOLERANCE_AMU
    elements = np.where(known, symbols[difference.argmin(axis=1)], atoms.get_chemical_symbols())
    atoms.set_chemical_symbols(elements.tolist())
    record = _RECORD.search(atoms.info.get("comment", ""))
    if record:
        n, m, cells, strain, pairs = record.groups()
        atoms.info |= {"n": int(n), "m": int(m), "cells": int(cells), "strain": float(strain)}
        if pairs:
            atoms.info["stone_wales"] = np.array(pairs.split(","), dtype=np.int64).reshape(-1, 2)
        atoms.set_array("site", atoms.arrays["id"] - 1)
    return atoms


_FORMATS: Final = (
    _Format(
        "cif", (".cif",), holds_isotopes=False, write=lambda path, tube: _write_ase(path, tube, "cif"), read=_read_cif
    ),
    _Format(
        "poscar",
        (".vasp", ".poscar"),
        holds_isotopes=False,
        write=lambda path, tube: _write_ase(path, tube, "vasp", sort=True),
        read=lambda path: _read_ase(path, "vasp"),
    ),
    _Format(
        "extxyz",
        (".extxyz", ".xyz"),
        holds_isotopes=True,
        write=lambda path, tube: _write_ase(path, tube, "extxyz"),
        read=lambda path: _read_ase(path, "extxyz"),
    ),
    _Format("lammps", (".lmp", ".data", ".lammps"), holds_isotopes=True, write=_write_lammps, read=_read_lammps),
)
