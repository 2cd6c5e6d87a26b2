import numpy as np
import pytest
from ase.build import nanotube
from ase.io import read as read_with_ase
from ase.io import write as write_with_ase
from pymatgen.core import Structure
from pymatgen.io.lammps.data import LammpsData

from matgym.errors import FormatError, RecognitionError
from matgym.structures import Nanotube
from matgym.structures.io import read, to_atoms, write

PLAIN = Nanotube(6, 2, 1, strain=0.0125).decorated({0: "B", 7: "N", 9: "N", 30: "vacancy", 44: "vacancy"})
ISOTOPES = PLAIN.strained(1.0 / 30.0).decorated({11: "13C", 12: "14C", 13: "14C", 14: "13C"})
NAMES = [
    "tube.cif",
    "POSCAR",
    "CONTCAR",
    "tube.vasp",
    "tube.poscar",
    "tube.extxyz",
    "tube.XYZ",
    "tube.lmp",
    "a.data",
]
SPARSE = Nanotube(8, 0, 2).decorated(dict.fromkeys(range(0, 64, 3), "vacancy"))


@pytest.mark.parametrize("name", [*NAMES, "tube.lammps", "odd@1 name.xyz"])
def test_every_format_gives_the_tube_back_site_by_site(tmp_path, name):
    write(tmp_path / name, PLAIN)
    assert read(tmp_path / name) == PLAIN
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "tube", [ISOTOPES, SPARSE, Nanotube(5, 5, 2).decorated(dict.fromkeys(range(40), "14C"))], ids=str
)
@pytest.mark.parametrize("name", ["tube.extxyz", "tube.lmp"])
def test_extended_xyz_and_lammps_data_are_lossless(tmp_path, name, tube):
    write(tmp_path / name, tube)
    assert read(tmp_path / name) == tube


@pytest.mark.parametrize("name", ["tube.cif", "POSCAR"])
def test_a_format_that_cannot_hold_isotopes_raises_an_error_that_names_others(tmp_path, name):
    with pytest.raises(FormatError, match=r"cannot store the 13C and 14C of this tube: write extxyz or lammps instead"):
        write(tmp_path / name, ISOTOPES)
    assert not list(tmp_path.iterdir())


def test_format_may_be_given_instead_of_the_name(tmp_path):
    write(tmp_path / "tube.txt", ISOTOPES, format="lammps")
    assert "Masses" in (tmp_path / "tube.txt").read_text()
    assert read(str(tmp_path / "tube.txt"), format="lammps") == ISOTOPES


@pytest.mark.parametrize(("name", "given_format"), [("tube.pdb", None), ("tube", None), ("tube.cif", "pdb")])
def test_an_unknown_format_raises_an_error_with_the_known_ones(tmp_path, name, given_format):
    known = r"cif \(\.cif\), poscar \(.*\), extxyz \(.*\), lammps \(.*\)"
    with pytest.raises(FormatError, match=known):
        write(tmp_path / name, PLAIN, given_format)


def test_files_that_ase_cannot_read_either_raise(tmp_path):
    (tmp_path / "tube.foo").write_text("no structure\n")
    with pytest.raises(FormatError, match=r"tube.foo is not a structure file"):
        read(tmp_path / "tube.foo")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "tube")


@pytest.mark.parametrize("name", ["tube.xsf", "tube.gen"])
def test_any_format_that_ase_writes_and_reads_is_supported(tmp_path, name):
    atoms = to_atoms(PLAIN)
    atoms.pbc = True
    atoms.write(tmp_path / name)
    assert read(tmp_path / name).key == PLAIN.key


# ---- files that matgym writes, read by other programs


@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
@pytest.mark.parametrize("name", ["tube.cif", "POSCAR"])
def test_pymatgen_reads_our_cif_and_poscar(tmp_path, name):
    write(tmp_path / name, PLAIN)
    structure = Structure.from_file(tmp_path / name)
    assert structure.composition.as_dict() == {"C": 99.0, "B": 1.0, "N": 2.0}
    assert structure.lattice.c == pytest.approx(PLAIN.length_angstrom, abs=1e-6)
    ours = to_atoms(PLAIN)
    ours.pbc = True
    theirs = np.sort(structure.distance_matrix.ravel())
    assert theirs == pytest.approx(np.sort(ours.get_all_distances(mic=True).ravel()), abs=1e-5)


def test_pymatgen_reads_our_lammps_data_with_a_type_for_each_species_present(tmp_path):
    write(tmp_path / "tube.lmp", ISOTOPES)
    data = LammpsData.from_file(str(tmp_path / "tube.lmp"), atom_style="atomic")
    assert data.masses["mass"].tolist() == [12.0, 13.003355, 14.003242, 10.81, 14.007]
    assert data.atoms["type"].value_counts().to_dict() == {1: 95, 2: 2, 3: 2, 4: 1, 5: 2}
    atoms = to_atoms(ISOTOPES)
    assert np.allclose(data.atoms[["x", "y", "z"]].to_numpy(), atoms.positions, atol=1e-12)
    assert data.box.bounds[2] == [0.0, pytest.approx(ISOTOPES.length_angstrom)]
    text = (tmp_path / "tube.lmp").read_text()
    assert [line.split("# ")[1] for line in text.splitlines() if ". #" not in line and " # " in line][:5] == [
        "12C",
        "13C",
        "14C",
        "B",
        "N",
    ]
    write(tmp_path / "pristine.lmp", Nanotube(5, 0))
    assert "1 atom types" in (tmp_path / "pristine.lmp").read_text()


def test_ase_reads_our_extended_xyz_with_isotope_masses(tmp_path):
    write(tmp_path / "tube.xyz", ISOTOPES)
    atoms = read_with_ase(tmp_path / "tube.xyz")
    assert atoms.get_masses() == pytest.approx(to_atoms(ISOTOPES).get_masses())
    assert atoms.positions == pytest.approx(to_atoms(ISOTOPES).positions, abs=1e-7)
    assert atoms.info["strain"] == ISOTOPES.strain


# ---- files of other programs, read by matgym


@pytest.mark.parametrize(
    ("name", "theirs"), [("a.cif", "cif"), ("POSCAR", "vasp"), ("a.xyz", "extxyz"), ("a.data", "lammps-data")]
)
@pytest.mark.parametrize("chirality", [(9, 0), (6, 4)])
def test_tubes_of_ase_are_recognised_from_its_files(tmp_path, name, theirs, chirality):
    atoms = nanotube(*chirality, length=1)
    atoms.center(vacuum=6.0, axis=(0, 1))
    atoms.positions += [7.0, 2.0, 0.4]  # half out of the cell, to be wrapped
    atoms.symbols[3] = "N"
    atoms.pbc = True
    atoms.wrap()
    write_with_ase(tmp_path / name, atoms, format=theirs, **({"masses": True} if theirs == "lammps-data" else {}))
    tube = read(tmp_path / name)
    assert tube.key == Nanotube(*chirality).decorated({0: "N"}).key


@pytest.mark.parametrize(("mass", "label"), [("14.003", "14C"), ("14.0067", "N"), ("12.011", "12C"), ("13.0", "13C")])
def test_lammps_elements_are_recognised_by_mass_only(tmp_path, mass, label):
    write(tmp_path / "a.data", Nanotube(5, 0, 2).decorated(dict.fromkeys(range(40), "14C")))
    text = (tmp_path / "a.data").read_text().replace("1 14.003242 # 14C", f"1 {mass}")
    (tmp_path / "a.data").write_text("another program\n" + text.partition("\n")[2])
    assert read(tmp_path / "a.data") == Nanotube(5, 0, 2).decorated(dict.fromkeys(range(40), label))


# ---- damage


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_raises_an_error_that_names_it(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"no file .*{name}"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["tube.cif", "POSCAR", "tube.xyz", "tube.lmp"])
def test_a_truncated_file_raises_an_error_of_one_sentence(tmp_path, name):
    write(tmp_path / name, PLAIN)
    lines = (tmp_path / name).read_text().splitlines(keepends=True)
    for kept in [0, 1, 2, 5, 9, len(lines) // 4, len(lines) // 2, len(lines) - 10, len(lines) - 2]:
        (tmp_path / name).write_text("".join(lines[:kept]))
        with pytest.raises(FormatError, match="is damaged or incomplete") as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["tube.cif", "POSCAR", "tube.xyz", "tube.lmp"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 50, b"not a structure\n" * 5])
def test_a_file_that_holds_no_structure_raises(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["tube.cif", "POSCAR", "tube.xyz", "tube.lmp", "tube.pdb"])
def test_a_file_of_powershell_is_named(tmp_path, name):
    (tmp_path / name).write_bytes("C 0 0 0\n".encode("utf-16"))
    with pytest.raises(FormatError, match=r"UTF-16 text.*store it as UTF-8"):
        read(tmp_path / name)


def test_a_file_of_another_structure_raises(tmp_path):
    atoms = nanotube(6, 0, symbol="Si", bond=2.2)
    atoms.write(tmp_path / "a.xyz")
    with pytest.raises(RecognitionError, match="element Si"):
        read(tmp_path / "a.xyz")


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write(tmp_path / "a.xyz", PLAIN)

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("ase.io.write", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "a.xyz", ISOTOPES)
    assert read(tmp_path / "a.xyz") == PLAIN
    assert [path.name for path in tmp_path.iterdir()] == ["a.xyz"]


def test_a_tube_without_atoms_is_not_written(tmp_path):
    with pytest.raises(FormatError, match="every site of the tube is vacant"):
        write(tmp_path / "a.xyz", Nanotube(4, 0).decorated(dict.fromkeys(range(16), "vacancy")))
