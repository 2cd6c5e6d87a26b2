"""Nanotubes, sheets and crystals as value objects: lattice, decoration, symmetry, edits, and files."""

from matgym.structures.batch import LatticeGroup, TubeBatch, TubeDomain
from matgym.structures.crystals import Crystal
from matgym.structures.edits import STONE_WALES, DefectEdits, SubstitutionEdits, lattice_edits
from matgym.structures.lattice import TubeLattice, tube_lattice
from matgym.structures.nanotube import Nanotube
from matgym.structures.sheets import Sheet
from matgym.structures.species import CARBONS, SPECIES_DATA, Species, parse_species

__all__ = [
    "CARBONS",
    "SPECIES_DATA",
    "STONE_WALES",
    "Crystal",
    "DefectEdits",
    "LatticeGroup",
    "Nanotube",
    "Sheet",
    "Species",
    "SubstitutionEdits",
    "TubeBatch",
    "TubeDomain",
    "TubeLattice",
    "lattice_edits",
    "parse_species",
    "tube_lattice",
]
