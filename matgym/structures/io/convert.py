"""Conversion of nanotubes to and from the structure objects of ASE and pymatgen."""

from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import MissingExtraError, RecognitionError, StructureError
from matgym.structures.lattice import tube_lattice
from matgym.structures.nanotube import Nanotube
from matgym.structures.recognition import check_atoms, recognise, species_of
from matgym.structures.species import SPECIES_DATA, Species
from matgym.typing import IntArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

VACUUM_ANGSTROM: Final = 10.0
"""Width of the empty space on every side of the tube."""

_RECORD: Final = ("n", "m", "cells", "strain")

_MOVED_ANGSTROM: Final = 0.5
"""Largest distance of an atom from its recorded site: closer atoms are relaxed, others have changed places."""

_PERIOD_ANGSTROM: Final = 1e-4
"""Largest difference of the period from the recorded one: with a larger one the cell was strained or repeated."""


def to_atoms(tube: Nanotube) -> "Atoms":
    """Return a tube as ASE atoms, without its vacancies.

    Returns:
        Atoms, Å, in the order of their sites. The axis is along z through the middle of the cell, which is periodic
        along z only. Atoms have isotope masses (u) and the arrays `site` and `species` (codes). `info` holds n, m,
        cells and strain, and `stone_wales` if bonds are turned.

    Raises:
        StructureError: if the tube is twisted, because such a tube has no period along its axis.
    """
    from ase import Atoms

    if tube.torsion:
        raise StructureError(f"{tube} has no period along its axis: convert tube.twisted(0.0)")
    sites = np.flatnonzero(tube.species != Species.VACANCY)
    held = [SPECIES_DATA[Species(code)] for code in tube.species[sites]]
    side = tube.diameter_nm * 10.0 + 2.0 * VACUUM_ANGSTROM
    atoms = Atoms(
        [species.symbol for species in held],
        positions=tube.positions_angstrom[sites] + np.array([side / 2.0, side / 2.0, 0.0]),
        cell=[side, side, tube.length_angstrom],
        pbc=(False, False, True),
        info={"n": tube.n, "m": tube.m, "cells": tube.cells, "strain": tube.strain},
    )
    atoms.set_masses([species.mass_amu for species in held])
    atoms.set_array("site", sites)
    atoms.set_array("species", tube.species[sites].astype(np.int64))
    if tube.stone_wales:
        atoms.info["stone_wales"] = np.array(tube.stone_wales)
    return atoms


def from_atoms(atoms: "Atoms") -> Nanotube:
    """Return the tube that ASE atoms form.

    The entries of `to_atoms` in `info` and `arrays` are used if they agree with the atoms; otherwise the tube is
    recognised from its geometry.

    Raises:
        RecognitionError: if the atoms form no single-walled tube.
    """
    check_atoms(atoms)
    original = recorded(atoms)
    return recognise(atoms) if original is None else original


def to_structure(tube: Nanotube) -> "Structure":
    """Return a tube as a pymatgen structure, with `site` and `species` (codes) as site properties.

    `properties` holds n, m, cells and strain. Only the species codes identify isotopes.

    Raises:
        StructureError: if the tube is twisted.
        MissingExtraError: if pymatgen is not installed.
    """
    lattice_type, structure_type = _pymatgen()
    atoms = to_atoms(tube)
    return structure_type(
        lattice_type(atoms.cell.array, pbc=tuple(atoms.pbc.tolist())),
        atoms.get_chemical_symbols(),
        atoms.positions,
        coords_are_cartesian=True,
        site_properties={name: atoms.arrays[name].tolist() for name in ("site", "species")},
        properties=dict(atoms.info),
    )


def from_structure(structure: "Structure") -> Nanotube:
    """Return the tube that a pymatgen structure holds; the original one if `to_structure` made the structure.

    Raises:
        MissingExtraError: if pymatgen is not installed.
        RecognitionError: if the structure is disordered or forms no single-walled tube.
    """
    _pymatgen()
    from ase import Atoms

    if not structure.is_ordered:
        raise RecognitionError("the structure has partly occupied sites: give each site one element")
    atoms = Atoms(
        [site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=structure.lattice.pbc,
        info=dict(structure.properties),
    )
    sites, codes = (structure.site_properties.get(name, [None]) for name in ("site", "species"))
    if None not in sites:
        atoms.set_array("site", np.array(sites, dtype=np.int64))
    if set(codes) <= set(Species):
        held = [SPECIES_DATA[Species(code)] for code in codes]
        atoms.set_masses([species.mass_amu if species.symbol == "C" else None for species in held])
    return from_atoms(atoms)


def _pymatgen() -> tuple[type, type]:
    """Return the classes `Lattice` and `Structure` of pymatgen.

    Raises:
        MissingExtraError: if pymatgen is not installed.
    """
    try:
        from pymatgen.core import Lattice, Structure
    except ImportError:
        raise MissingExtraError("pymatgen", "pymatgen") from None
    return Lattice, Structure


def recorded(atoms: "Atoms") -> Nanotube | None:
    """Return the tube that `info` and `arrays` record, as `to_atoms` does; None if the atoms differ from it.

    Atoms that the script of `matgym export` relaxed differ from it: see `relabelled`.
    """
    sites = atoms.arrays.get("site")
    if sites is None or "unloaded" in atoms.info or not len(atoms) or not all(name in atoms.info for name in _RECORD):
        return None
    try:
        if not _has_period(atoms, sites):
            return None
        pairs = np.asarray(atoms.info.get("stone_wales", ()), dtype=np.int64).reshape(-1, 2)
        empty = Nanotube(
            **{name: atoms.info[name] for name in _RECORD}, stone_wales=tuple((a, b) for a, b in pairs.tolist())
        )
    except (StructureError, TypeError, ValueError):
        return None
    found = species_of(atoms)
    intact = (
        len(np.unique(sites)) == len(sites)
        and 0 <= sites.min() <= sites.max() < empty.n_sites
        and np.array_equal(atoms.arrays.get("species", found), found)
        and _is_in_place(atoms, empty, sites)
    )
    if not intact:
        return None
    codes = np.full(empty.n_sites, Species.VACANCY, dtype=np.uint8)
    codes[sites] = found
    return empty.with_species(codes)


def relabelled(atoms: "Atoms", tube: Nanotube) -> Nanotube:
    """Return a recognised tube with the sites that relaxed atoms record, if it is a symmetric copy of that tube."""
    sites = atoms.arrays.get("site")
    if sites is None or not all(name in atoms.info for name in _RECORD):
        return tube
    try:
        pairs = np.asarray(atoms.info.get("stone_wales", ()), dtype=np.int64).reshape(-1, 2)
        n, m, cells = (atoms.info[name] for name in ("n", "m", "cells"))
        if (n, m, cells) != (tube.n, tube.m, tube.cells):
            return tube
        codes = np.full(tube.n_sites, Species.VACANCY, dtype=np.uint8)
        codes[sites] = species_of(atoms)
        original = Nanotube(n, m, cells, codes, tube.strain, stone_wales=tuple((a, b) for a, b in pairs.tolist()))
    except (IndexError, StructureError, TypeError, ValueError):
        return tube
    return original if original.key == tube.key else tube


def _has_period(atoms: "Atoms", sites: IntArray) -> bool:
    """Whether the recorded tube has these sites and the cell's period, asked before arrays of its size are made.

    Raises:
        StructureError: if there is no such tube.
    """
    n, m, cells, strain = (atoms.info[name] for name in _RECORD)
    lattice = tube_lattice(n, m, cells)
    period = lattice.length_angstrom * (1.0 + float(strain))
    return bool(sites.max() < lattice.n_sites and abs(atoms.cell[2, 2] - period) <= _PERIOD_ANGSTROM)


def _is_in_place(atoms: "Atoms", tube: Nanotube, sites: IntArray) -> bool:
    """Return whether the cell has the tube's period and the atoms are at their (atoms,) sites, up to a common shift."""
    period = np.array([0.0, 0.0, tube.length_angstrom])
    moved = atoms.positions - tube.positions_angstrom[sites]  # (atoms, 3)
    moved -= moved[0]
    moved -= np.rint(moved[:, 2:] / period[2]) * period
    distance = np.linalg.norm(moved - moved.mean(axis=0), axis=1)
    same_period = np.allclose(atoms.cell[2], period, rtol=0.0, atol=_PERIOD_ANGSTROM)
    return bool(same_period and distance.max() <= _MOVED_ANGSTROM)
