"""Tubes to and from other programs: files, inputs, and the objects of ASE and pymatgen."""

from matgym.structures.io.convert import from_atoms, from_structure, to_atoms, to_structure
from matgym.structures.io.files import parse_design, read, write
from matgym.structures.io.programs import PROGRAMS, Exported, export

__all__ = [
    "PROGRAMS",
    "Exported",
    "export",
    "from_atoms",
    "from_structure",
    "parse_design",
    "read",
    "to_atoms",
    "to_structure",
    "write",
]
