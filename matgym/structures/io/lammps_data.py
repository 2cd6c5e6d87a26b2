"""LAMMPS data: written for all atoms and isotopes, and read under any name, with or without masses and atom style."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import FormatError
from matgym.structures.io.convert import to_atoms
from matgym.structures.io.lammps import record_of
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import SPECIES_DATA, Species

if TYPE_CHECKING:
    from ase import Atoms

_HEAD_BYTES: Final = 1 << 16

_RECORD: Final = re.compile(r"n=(\d+) m=(\d+) cells=(\d+) strain=(\S+)(?: stone_wales=([\d,]+))?")
_RELAXED: Final = re.compile(r"^# matgym: (.*) unloaded=(\d+\.\d+)\s*$", re.MULTILINE)
"""The last line of files of the script of `matgym.structures.io.lammps`: the tube and its period at rest, Å."""

_MASS_TOLERANCE_AMU: Final = 0.02


def write_lammps_data(path: Path, tube: Nanotube) -> None:
    """Write LAMMPS data (atom style atomic, metal units) with a type for each species; atom id = site + 1."""
    atoms = to_atoms(tube)
    x, y, z = atoms.cell.lengths().tolist()
    present = np.unique(atoms.arrays["species"]).tolist()
    rows = zip(atoms.arrays["site"].tolist(), atoms.arrays["species"].tolist(), atoms.positions.tolist(), strict=True)
    lines = [
        f"{tube}; metal units, atom id = site + 1; {record_of(tube)}",
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


def is_lammps_data(path: Path) -> bool:
    """Return whether a file begins as LAMMPS data do, whatever its name is."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).decode("latin-1")
    return bool(re.search(r"^\s*\d+\s+atoms\b", head, re.MULTILINE) and re.search(r"\bxlo\s+xhi\b", head))


def read_lammps_data(path: Path, elements: Sequence[str] = (), atom_style: str = "") -> "Atoms":
    """Return the atoms of a LAMMPS data file, with elements by mass: ASE reads 14C, of 14.003 u, as nitrogen.

    Args:
        path: the file.
        elements: symbols of the atom types; needed if the file holds no masses.
        atom_style: atom style; told from the columns if empty and not in the file.

    Raises:
        FormatError: if elements or the atom style are missing.
    """
    from ase.data import atomic_numbers
    from ase.io import read as read_atoms

    text = path.read_text(encoding="latin-1")
    named = re.search(r"^\s*(Masses|Atom Type Labels)\b", text, re.MULTILINE)
    types = re.search(r"^\s*(\d+)\s+atom types\b", text, re.MULTILINE)
    if not named and not elements and types and re.search(r"^\s*Atoms\b", text, re.MULTILINE):
        raise FormatError(
            f"{path} names no elements, because it has no section Masses: pass --elements, such as C, for its "
            f"{types.group(1)} types"
        )
    if elements and types and len(elements) != int(types.group(1)):
        raise FormatError(
            f"{path} has {types.group(1)} atom types, and --elements names {len(elements)}: name one for each type"
        )
    chosen = {kind: atomic_numbers[symbol] for kind, symbol in enumerate(elements, start=1)} or None
    style = atom_style or _atom_style(path, text, int(types.group(1)) if types else 1)
    atoms: Atoms = read_atoms(
        str(path), format="lammps-data", do_not_split_by_at_sign=True, Z_of_type=chosen, atom_style=style or None
    )
    if not elements:
        masses = np.array([data.mass_amu for data in SPECIES_DATA.values()])
        symbols = np.array([data.symbol for data in SPECIES_DATA.values()])
        difference = np.abs(atoms.get_masses()[:, None] - masses)  # (atoms, species)
        known = difference.min(axis=1) < _MASS_TOLERANCE_AMU
        found = np.where(known, symbols[difference.argmin(axis=1)], atoms.get_chemical_symbols())
        atoms.set_chemical_symbols(found.tolist())
    relaxed = _RELAXED.search(text)
    record = _RECORD.search(relaxed.group(1) if relaxed else atoms.info.get("comment", ""))
    if record:
        n, m, cells, strain, pairs = record.groups()
        atoms.info |= {"n": int(n), "m": int(m), "cells": int(cells), "strain": float(strain)}
        if pairs:
            atoms.info["stone_wales"] = np.array(pairs.split(","), dtype=np.int64).reshape(-1, 2)
        if relaxed:
            atoms.info["unloaded"] = float(relaxed.group(2))
        atoms.set_array("site", atoms.arrays["id"] - 1)
    return atoms


def _atom_style(path: Path, text: str, n_types: int) -> str:
    """Return the atom style that the columns of the first atom show; empty if the file tells it.

    Raises:
        FormatError: if the columns fit several styles.
    """
    section = re.search(r"^\s*Atoms[ \t]*(#[^\n]*)?\n\s*\n?([^\n]*)", text, re.MULTILINE)
    if section is None or section.group(1):
        return ""
    words = section.group(2).split("#")[0].split()
    if len(words) in {8, 9, 10} and all(re.fullmatch(r"-?\d+", word) for word in words[-3:]):
        words = words[:-3]  # images
    if len(words) == 5:
        return "atomic"
    if len(words) == 7:
        return "full"
    if len(words) == 6:
        is_charge = not re.fullmatch(r"\d+", words[2]) or not 1 <= int(words[2]) <= n_types
        is_molecular = not is_charge
        if is_charge:
            return "charge"
        if is_molecular and not 1 <= int(words[1]) <= n_types:
            return "molecular"
    raise FormatError(
        f"{path} does not say its atom style, and the {len(words)} columns of its atoms fit several or none: pass "
        "--atom-style, such as atomic, charge, molecular or full"
    )
