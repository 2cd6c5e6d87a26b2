"""Relaxation with any ASE calculator, LAMMPS as one of them, and the examples of users' calculators."""

import re
import runpy
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from ase.calculators.tersoff import Tersoff

from matgym.errors import ConfigurationError, MissingExtraError
from matgym.physics.mechanics import lammps
from matgym.physics.mechanics.calculators import (
    Relaxation,
    RelaxationError,
    axial_force,
    bond_lengths,
    canonical,
    check_bonds,
    relaxed,
    running,
    spread,
)
from matgym.physics.mechanics.formation import FormationEnergy
from matgym.physics.mechanics.lammps import REBO, REBO_FRACTURE, TERSOFF_BNC, LammpsPotential, lammps_module
from matgym.physics.oracles import atom_bonds, check_one_piece
from matgym.structures import Nanotube
from matgym.structures.io.convert import to_atoms

SAME_MODEL_TOLERANCE = 1e-9  # eV, eV/Å
RELAXED_TOLERANCE_EV = 1e-3  # two codes, each relaxed to 1e-3 eV/Å
UNITS_TOLERANCE = 1e-7  # LAMMPS has 1.6021765e6 bar per eV/Å³, ASE 1.602176634e6
DIFFERENCE_TOLERANCE = 1e-6  # eV/Å, of forces against differences of energies
FOLDER = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLES = [FOLDER / f"{name}.py" for name in ("own_ase_calculator", "own_lammps_potential")]
POTENTIALS = Path(lammps_module().__file__).parent / "share" / "lammps" / "potentials"


def doped_and_shaken():
    tube = Nanotube(5, 5, 2).decorated({0: "B", 7: "N", 20: "vacancy", 33: "N"})
    atoms = to_atoms(tube)
    atoms.positions += 0.05 * np.random.default_rng(3).standard_normal(atoms.positions.shape)
    return atoms


def test_lammps_and_ase_agree_on_energy_forces_and_tension():
    ours, theirs = doped_and_shaken(), doped_and_shaken()
    theirs.calc = Tersoff.from_lammps(POTENTIALS / "BNC.tersoff")
    with running(TERSOFF_BNC) as ours.calc:
        assert ours.get_potential_energy() == pytest.approx(theirs.get_potential_energy(), abs=SAME_MODEL_TOLERANCE)
        assert np.abs(ours.get_forces() - theirs.get_forces()).max() < SAME_MODEL_TOLERANCE
        assert axial_force(ours) == pytest.approx(axial_force(theirs), rel=UNITS_TOLERANCE)


def test_tension_without_stress_comes_from_energies():
    atoms = doped_and_shaken()
    with running(TERSOFF_BNC) as atoms.calc:
        expected = axial_force(atoms)

        def refuse(*_args, **_kwargs):
            raise PropertyNotImplementedError

        atoms.get_stress = refuse
        assert axial_force(atoms) == pytest.approx(expected, abs=DIFFERENCE_TOLERANCE)


def test_rebo_fracture_is_rebo_for_short_bonds_and_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    atoms = to_atoms(Nanotube(6, 3))
    energies = []
    for potential in (REBO, REBO_FRACTURE):
        with running(potential) as atoms.calc:
            energies.append(atoms.get_potential_energy())
    assert energies[0] == pytest.approx(energies[1], abs=SAME_MODEL_TOLERANCE)
    assert list(tmp_path.iterdir()) == []


def test_lammps_is_ended_after_use():
    atoms = to_atoms(Nanotube(5, 0))
    with running(REBO) as calculator:
        atoms.calc = calculator
        atoms.get_potential_energy()
        assert calculator.lmp is not None
    assert calculator.lmp is None


def test_relaxed_tube_is_at_rest_and_keeps_its_bonds():
    tube = Nanotube(7, 2).turned((0, int(Nanotube(7, 2).lattice.neighbours[0][2]))).strained(0.03)
    settings = Relaxation()
    with running(REBO) as calculator:
        atoms = relaxed(tube, calculator, settings)
        assert np.linalg.norm(atoms.get_forces(), axis=1).max() <= settings.force_ev_per_angstrom
        unloaded = relaxed(tube.strained(0.0), calculator, settings)
        assert abs(axial_force(unloaded)) <= 1e-3
    assert atoms.cell[2, 2] == pytest.approx(1.03 * unloaded.cell[2, 2], rel=1e-12)
    check_bonds(atoms, atom_bonds(canonical(tube)))


def test_springs_separate_the_close_atoms_of_a_turned_bond():
    tube = Nanotube(6, 6, 4).turned((0, int(Nanotube(6, 6, 4).lattice.neighbours[0][1])))
    atoms, bonds = to_atoms(tube), atom_bonds(tube)
    before = bond_lengths(atoms, bonds).max()
    spread(atoms, bonds)
    assert bond_lengths(atoms, bonds).max() < before - 0.03
    assert np.sort(atoms.get_all_distances(mic=True), axis=1)[:, 4].min() > 2.2  # next neighbours
    check_bonds(atoms, bonds)


def test_torn_and_cut_tubes_raise():
    tube = Nanotube(6, 0, 2)
    atoms, bonds = to_atoms(tube), atom_bonds(tube)
    check_bonds(atoms, bonds)
    atoms.positions[5] *= 1.2
    with pytest.raises(RelaxationError, match="broken bond: atoms"):
        check_bonds(atoms, bonds)
    check_one_piece(tube.n_sites, bonds)
    with pytest.raises(RelaxationError, match="cut in two"):
        check_one_piece(tube.n_sites, bonds[bonds[:, 2] == 0])
    with pytest.raises(RelaxationError, match="cut out: 1 atoms"):
        check_one_piece(tube.n_sites, bonds[(bonds[:, :2] != 3).all(axis=1)])
    with pytest.raises(ConfigurationError, match="max_steps=0"):
        Relaxation(max_steps=0)


def test_the_failure_of_a_calculator_raises():
    unknown = LammpsPotential("none", "rebo", "{potentials}/CH.rebo", elements=("Xx",))
    with running(unknown) as calculator, pytest.raises(RelaxationError, match="the calculator failed"):
        relaxed(Nanotube(5, 0), calculator, Relaxation())


def test_the_reason_of_an_error_without_words_is_its_name():
    class Wordless(Calculator):
        implemented_properties = ("energy", "forces")

        def calculate(self, *_args, **_kwargs):
            raise AssertionError

    with pytest.raises(RelaxationError, match="the calculator failed: AssertionError"):
        relaxed(Nanotube(5, 0), Wordless(), Relaxation())


def test_missing_files_and_packages_raise_an_error_that_names_them(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"no parameter file /nowhere/C\.rebo"):
        LammpsPotential("lost", "rebo", "/nowhere/C.rebo")()
    with pytest.raises(ConfigurationError, match="does not hold 'absent'"):
        LammpsPotential("edited", "rebo", "{potentials}/CH.rebo", replacing=(("absent", "x"),))()
    monkeypatch.setattr(lammps, "lammps_module", lammps_module.__wrapped__)
    monkeypatch.setitem(sys.modules, "lammps", None)
    with pytest.raises(MissingExtraError, match=r"matgym\[lammps\]"):
        REBO()


def test_importing_the_oracles_starts_nothing():
    code = (
        "import sys, matgym.physics.mechanics.strength, matgym.physics.mechanics.formation; "
        "print({'ase', 'lammps'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@cache
def run(path):
    """Run an example and return its variables, its output and its files."""
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(StringIO()) as out:
        return runpy.run_path(str(path), run_name="__main__"), out.getvalue(), list(Path().iterdir())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_and_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 30
    _, printed, files = run(path)
    assert re.search(r" \d+\.\d+ (eV|GPa)", printed)
    assert files == []


def test_ase_has_the_same_tersoff():
    """The example of an ASE calculator is ASE's own implementation of the potential of LAMMPS."""
    (path,) = (path for path in EXAMPLES if path.stem == "own_ase_calculator")
    variables, _, _ = run(path)
    ours = FormationEnergy(TERSOFF_BNC).predict([variables["stone_wales"]])
    assert ours["formation_ev"] == pytest.approx(variables["found"]["formation_ev"], abs=RELAXED_TOLERANCE_EV)
