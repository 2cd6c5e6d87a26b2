"""Tubes to and from other programs: files, inputs, and the objects of ASE and pymatgen."""

from matgym.structures.io.convert import from_atoms, from_structure, to_atoms, to_structure
from matgym.structures.io.files import Hints, write
from matgym.structures.io.programs import PROGRAMS, Exported, export
from matgym.structures.io.reading import (
    Reading,
    ReadTube,
    parse_design,
    parse_structure,
    read,
    read_crystal,
    read_sheet,
    read_structure,
)

__all__ = [
    "PROGRAMS",
    "Exported",
    "Hints",
    "ReadTube",
    "Reading",
    "export",
    "from_atoms",
    "from_structure",
    "parse_design",
    "parse_structure",
    "read",
    "read_crystal",
    "read_sheet",
    "read_structure",
    "to_atoms",
    "to_structure",
    "write",
]
