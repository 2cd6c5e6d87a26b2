import json
import sys

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from matgym.errors import MissingExtraError, RecognitionError
from matgym.structures import Nanotube, Species
from matgym.structures.io import from_atoms, from_structure, to_atoms, to_structure
from matgym.units import POISSON_RATIO

TUBE = Nanotube(6, 2, 1, strain=0.0123456789).decorated({0: "B", 7: "N", 9: "13C", 10: "14C", 30: "vacancy"})


@st.composite
def tubes(draw):
    n = draw(st.integers(4, 8))
    blank = Nanotube(n, draw(st.sampled_from([0, 1, n])), 1, strain=draw(st.floats(-0.2, 0.2)))
    codes = draw(st.binary(min_size=blank.n_sites, max_size=blank.n_sites).filter(any))
    return blank.with_species([code % len(Species) for code in codes]).decorated({0: "C"})


@settings(max_examples=40, deadline=None)
@given(tubes())
def test_ase_round_trip_is_lossless(tube):
    assert from_atoms(to_atoms(tube)) == tube


@settings(max_examples=20, deadline=None)
@given(tubes())
def test_pymatgen_round_trip_is_lossless(tube):
    assert from_structure(to_structure(tube)) == tube


def test_pymatgen_round_trip_through_json_is_lossless():
    text = json.dumps(to_structure(TUBE).as_dict())
    assert from_structure(Structure.from_dict(json.loads(text))) == TUBE


def test_atoms_hold_the_tube_in_the_middle_of_a_cell_with_vacuum():
    atoms = to_atoms(TUBE)
    assert atoms.pbc.tolist() == [False, False, True]
    assert atoms.cell[2].tolist() == [0.0, 0.0, TUBE.length_angstrom]
    assert len(atoms) == TUBE.n_sites - 1
    clean = to_atoms(Nanotube(6, 2))
    from_axis = np.linalg.norm(clean.positions[:, :2] - np.diag(clean.cell)[:2] / 2.0, axis=1)
    assert from_axis == pytest.approx(np.full(len(clean), Nanotube(6, 2).diameter_nm * 5.0))
    assert clean.cell[0, 0] == pytest.approx(2.0 * (from_axis[0] + 10.0))
    assert np.bincount(neighbor_list("i", clean, 1.6)).tolist() == [3] * len(clean)


def test_atoms_hold_elements_isotope_masses_and_site_numbers():
    atoms = to_atoms(TUBE)
    assert atoms.get_chemical_formula() == "C101BN"
    assert atoms.info == {"n": 6, "m": 2, "cells": 1, "strain": TUBE.strain}
    at = {int(site): atom for site, atom in zip(atoms.arrays["site"], atoms, strict=True)}
    assert {site: at[site].mass for site in (0, 1, 7, 9, 10)} == {
        0: 10.81,
        1: 12.0,
        7: 14.007,
        9: 13.003355,
        10: 14.003242,
    }
    assert 30 not in at
    assert atoms.arrays["species"].tolist() == [code for code in TUBE.species.tolist() if code != Species.VACANCY]


def test_a_record_that_disagrees_with_the_atoms_is_ignored():
    atoms = to_atoms(TUBE)
    atoms.set_cell(atoms.cell * [1.0, 1.0, 1.05], scale_atoms=True)
    ratio = 1.05 * (1.0 + TUBE.strain) / (1.0 - POISSON_RATIO * TUBE.strain)  # of the axial to the radial scale
    assert from_atoms(atoms).strain == pytest.approx((ratio - 1.0) / (1.0 + POISSON_RATIO * ratio), abs=1e-6)

    assert from_atoms(to_atoms(TUBE).repeat((1, 1, 2))).key == recognised(TUBE.repeated(2)).key

    atoms = to_atoms(TUBE)
    atoms[4].symbol = "N"  # site 4; the array `species` still says carbon
    atoms[4].mass = 14.007
    assert from_atoms(atoms) == recognised(TUBE.decorated({4: "N"}))

    atoms = to_atoms(TUBE)
    atoms.info |= {"n": 7, "m": 1}
    assert from_atoms(atoms) == recognised(TUBE)


def recognised(tube):
    """Return the tube as geometry determines it: with the strain to six decimals."""
    return tube.strained(round(tube.strain, 6))


def test_a_record_is_used_for_relaxed_and_shifted_atoms():
    atoms = to_atoms(TUBE)
    atoms.rattle(0.05, seed=0)
    atoms.translate([1.0, 2.0, 0.3])
    atoms.pbc = True
    assert from_atoms(atoms) == TUBE


def test_a_record_is_used_if_recognition_fails():
    sparse = Nanotube(8, 0, 2).decorated(dict.fromkeys(range(0, 64, 3), "vacancy"))
    assert from_atoms(to_atoms(sparse)) == sparse


def test_structure_without_a_record_is_recognised():
    atoms = to_atoms(Nanotube(7, 1).decorated({3: "B"}))
    structure = AseAtomsAdaptor.get_structure(atoms)
    structure.properties = {}
    for name in list(structure.site_properties):
        structure.remove_site_property(name)
    assert from_structure(structure) == Nanotube(7, 1).decorated({3: "B"})


def test_structure_has_the_positions_and_elements_of_the_atoms():
    atoms, structure = to_atoms(TUBE), to_structure(TUBE)
    assert structure.composition.as_dict() == {"C": 101.0, "B": 1.0, "N": 1.0}
    assert structure.lattice.pbc == (False, False, True)
    assert structure.distance_matrix[0] == pytest.approx(atoms.get_distances(0, range(len(atoms)), mic=True), abs=1e-9)


def test_a_disordered_structure_raises():
    structure = to_structure(Nanotube(5, 0))
    structure.replace(0, {"C": 0.5, "B": 0.5})
    with pytest.raises(RecognitionError, match="partly occupied"):
        from_structure(structure)


def test_missing_pymatgen_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatgen.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'matgym\[pymatgen\]'"):
        to_structure(TUBE)
