"""Structure files as people have them, each with its right answer: files of `cases`, and random ones of each kind."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import nanotube
from ase.io import write as write_atoms
from typer.testing import CliRunner

from matgym.cli import app
from matgym.errors import ConfigurationError, FormatError, RecognitionError
from matgym.physics import REBO, TERSOFF_BNC, PiElectrons
from matgym.physics.mechanics.calculators import Relaxation, relaxed, running
from matgym.structures import Nanotube, Species
from matgym.structures.io import Hints, Reading, parse_structure, read, read_structure, to_atoms, write
from matgym.structures.recognition import survey

CASES = Path(__file__).with_name("cases")
SEAM = (
    r"bonds across the cell's end differ from all others: {short} Å instead of 1.42 Å; .* period that fits is {fits} Å"
)
GAP_EV = 0.8699
"""Gap of (10, 0)."""

SEEDS = range(10)


@pytest.mark.parametrize(
    ("name", "short", "fits"),
    [
        ("seam_short_10_0x2.vasp", "1.22", "8.52"),
        ("seam_long_10_0x2.vasp", "1.88", "8.52"),
        ("bounding_box.data", "1.25", "12.78"),
    ],
)
def test_a_cell_that_does_not_fit_is_an_error_that_names_the_period(name, short, fits):
    with pytest.raises(RecognitionError, match=SEAM.format(short=short, fits=fits)):
        read(CASES / name)
    found = read_structure(CASES / name, Reading(period_angstrom=float(fits)))
    assert found.tube == Nanotube(10, 0, round(float(fits) / 4.26))
    assert PiElectrons().predict([found.tube])["gap_ev"][0] == pytest.approx(GAP_EV, abs=1e-3)
    assert found.notes == (f"period {float(fits):g} Å as given",)


@pytest.mark.parametrize("bond", [1.40, 1.44])
def test_bond_length_is_no_strain(bond):
    found = read_structure(CASES / f"bond_{bond:.2f}.vasp")
    assert found.tube == Nanotube(10, 0)
    assert found.bond_length_angstrom == pytest.approx(bond, abs=1e-4)
    assert found.note == f"bond length {bond:.3f} Å in the file; computed at the model's own 1.42 Å"
    assert PiElectrons().predict([found.tube])["gap_ev"][0] == pytest.approx(GAP_EV, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "species"),
    [
        ("B3N2_8_0x4.extxyz", {"B": 3, "N": 2}),
        ("BN4_8_0x4.extxyz", {"B": 2, "N": 2}),
        ("vacancy_8_0x4.extxyz", {"vacancy": 1}),
    ],
)
def test_decorated_tubes_are_read_without_strain(name, species):
    tube = read(CASES / name)
    assert (tube.n, tube.m, tube.cells, tube.strain) == (8, 0, 4, 0.0)
    counts = {"B": tube.counts[Species.B], "N": tube.counts[Species.N], "vacancy": tube.counts[Species.VACANCY]}
    assert counts == {"B": 0, "N": 0, "vacancy": 0} | species


@pytest.mark.parametrize("name", ["data.cnt", "charge_no_hint.data"])
def test_lammps_data_are_read_by_any_name_and_without_a_hint(name, tmp_path):
    assert read(CASES / name) == Nanotube(8, 0)
    shutil.copy(CASES / name, tmp_path / "data.swcnt-8-0")
    assert read(tmp_path / "data.swcnt-8-0") == Nanotube(8, 0)


def test_lammps_data_without_masses_ask_for_elements():
    path = CASES / "no_masses.data"
    with pytest.raises(FormatError, match=r"names no elements, .*: pass --elements, such as C, for its 1 types"):
        read(path)
    assert read_structure(path, Reading(hints=Hints(elements=("C",)))).tube == Nanotube(8, 0)
    with pytest.raises(FormatError, match="has 1 atom types, and --elements names 2"):
        read_structure(path, Reading(hints=Hints(elements=("C", "N"))))
    with pytest.raises(ConfigurationError, match="no element 'Q'"):
        Hints(elements=("Q",))


@pytest.mark.parametrize("columns", ["{i} 1 1 {x} {y} {z}", "{i} 1 1 0.0 {x} {y} {z}", "{i} 1 {x} {y} {z} 0 0 0"])
def test_atom_styles_are_told_from_columns(tmp_path, columns):
    head, _, rows = (CASES / "data.cnt").read_text().partition("Atoms\n\n")
    lines = [dict(zip("itxyz", row.split(), strict=True)) for row in rows.strip().split("\n")]
    (tmp_path / "a.data").write_text(f"{head}Atoms\n\n" + "\n".join(columns.format(**line) for line in lines) + "\n")
    if columns.startswith("{i} 1 1 {x}"):  # molecule and type, or type and a whole charge
        with pytest.raises(FormatError, match="pass --atom-style"):
            read(tmp_path / "a.data")
        return
    assert read(tmp_path / "a.data") == Nanotube(8, 0)


@pytest.mark.parametrize(
    ("name", "tube"), [("finite_in_box.vasp", (8, 0, 3)), ("finite_6_6_small_gap.vasp", (6, 6, 4))]
)
def test_finite_tubes_are_named_and_are_devices(name, tube):
    n, m, cells = tube
    with pytest.raises(RecognitionError, match=rf"finite tube of {cells} cells of \({n}, {m}\).*between leads"):
        read(CASES / name)
    found = read_structure(CASES / name)
    assert found.is_finite
    assert found.tube == Nanotube(*tube)
    assert not found.upright().pbc.any()


def test_a_bent_tube_is_read_and_said():
    found = read_structure(CASES / "bent_8_0_0.6A.extxyz")
    assert found.tube == Nanotube(8, 0, 12)
    assert "bent by 0.60 Å in the file" in found.note


# ---- kinds without a file


def boxed(atoms):
    atoms.center(vacuum=8.0, axis=(0, 1))
    atoms.pbc = True
    return atoms


def bare(tube):
    atoms = to_atoms(tube)
    return Atoms(atoms.symbols, atoms.positions, masses=atoms.get_masses(), cell=atoms.cell, pbc=atoms.pbc)


def double_wall():
    walls = boxed(nanotube(10, 10, length=4))
    inner = nanotube(5, 5, length=4)
    inner.positions += walls.positions.mean(axis=0) - inner.positions.mean(axis=0)
    walls.extend(inner)
    return walls


def test_walls_are_named_and_can_be_chosen(tmp_path):
    double_wall().write(tmp_path / "two.cif")
    with pytest.raises(RecognitionError, match=r"two walls: \(5, 5\) and \(10, 10\); choose one .*--wall 1"):
        read(tmp_path / "two.cif")
    for wall, n in ((1, 5), (2, 10)):
        found = read_structure(tmp_path / "two.cif", Reading(wall=wall))
        assert found.tube == Nanotube(n, n, 4)
        assert len(found.atoms) == found.tube.n_sites
        assert f"wall {wall} of 2, ({n}, {n})" in found.note
    with pytest.raises(RecognitionError, match="there is no wall 3: give a number from 1 to 2"):
        read_structure(tmp_path / "two.cif", Reading(wall=3))


def test_xyz_without_a_cell_takes_a_period(tmp_path):
    atoms = nanotube(8, 0, length=3)
    rows = [f"C {x} {y} {z}" for z, x, y in atoms.positions]  # along x
    path = tmp_path / "a.xyz"
    path.write_text(f"{len(rows)}\n\n" + "\n".join(rows) + "\n")
    with pytest.raises(RecognitionError, match=r"finite tube of 3 cells of \(8, 0\); give the period .*--period"):
        read(path)
    for axis in ("", "x"):
        assert read_structure(path, Reading(period_angstrom=12.78, axis=axis)).tube == Nanotube(8, 0, 3)
    with pytest.raises(RecognitionError, match="bonds across the cell's end"):
        read_structure(path, Reading(period_angstrom=12.40))
    with pytest.raises(ConfigurationError, match="without a period has no effect"):
        Reading(axis="x")


def test_duplicated_atoms_at_the_end_are_named(tmp_path):
    atoms = boxed(nanotube(8, 0, length=2))
    ring = atoms[atoms.positions[:, 2] < 0.1]
    ring.positions[:, 2] += atoms.cell[2, 2]
    atoms.extend(ring)
    atoms.write(tmp_path / "a.vasp", format="vasp")
    with pytest.raises(RecognitionError, match=r"0.0 Å apart, as are 8 pairs in all: remove duplicated atoms"):
        read(tmp_path / "a.vasp")


def test_files_of_vasp_4_ask_for_elements(tmp_path):
    atoms = boxed(nanotube(8, 0, length=2))
    atoms.symbols[3] = "N"
    write_atoms(tmp_path / "POSCAR", atoms, format="vasp", sort=True)
    lines = (tmp_path / "POSCAR").read_text().split("\n")
    assert lines[5].split() == ["C", "N"]
    (tmp_path / "POSCAR").write_text("\n".join(["carbon nanotube", *lines[1:5], *lines[6:]]))
    with pytest.raises(
        FormatError, match=r"names no elements, as files of VASP 4: pass --elements, such as C,B, .* 2 "
    ):
        read(tmp_path / "POSCAR")
    tube = read_structure(tmp_path / "POSCAR", Reading(hints=Hints(elements=("C", "N")))).tube
    assert tube.key == Nanotube(8, 0, 2).decorated({0: "N"}).key
    (tmp_path / "POSCAR").write_text("\n".join(["C N", *lines[1:5], *lines[6:]]))
    assert read(tmp_path / "POSCAR") == tube


OPENMX = "System.Name nt\n<Atoms.SpeciesAndCoordinates\n 1 C 0.0 0.0 0.0 2 2\nAtoms.SpeciesAndCoordinates>\n"
ESPRESSO = "&CONTROL\n calculation='scf'\n/\n&SYSTEM\n ibrav=0, nat=1\n/\nATOMIC_POSITIONS {crystal_sg}\nC 0 0 0\n"


@pytest.mark.parametrize(("name", "text"), [("nt.dat", OPENMX), ("pw.in", ESPRESSO), ("notes.txt", "no structure\n")])
def test_what_ase_cannot_read_is_a_format_not_known(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match="format not known") as caught:
        read(tmp_path / name)
    assert not re.search(r"attribute|subscript|index out|NoneType|Traceback|keyword", str(caught.value))


def test_a_twisted_period_is_named():
    tube = Nanotube(8, 0, 12)
    atoms = bare(tube)
    centre = atoms.positions[:, :2].mean(axis=0)
    x, y = (atoms.positions[:, :2] - centre).T
    turn = 2.0 * np.pi / 16.0 * atoms.positions[:, 2] / tube.length_angstrom  # to a symmetry of the ring
    atoms.positions[:, :2] = centre + np.stack(
        [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1
    )
    with pytest.raises(RecognitionError, match=r"fits|twisted"):
        survey(atoms)


def test_the_file_s_own_coordinates_are_at_hand(tmp_path):
    tube = Nanotube(6, 4).decorated({3: "B", 50: "vacancy"})
    atoms = bare(tube)
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.06, atoms.positions.shape)
    order = np.random.default_rng(1).permutation(len(atoms))
    moved = atoms[order]
    moved.rotate(50.0, (1, 2, 3), rotate_cell=True)
    moved.pbc = True
    moved.positions += [3.0, -5.0, 31.0]
    moved.wrap()
    moved.write(tmp_path / "a.extxyz")
    found = read_structure(tmp_path / "a.extxyz")
    assert found.tube.key == tube.key
    assert "the ideal geometry, which is computed instead of the file's" in found.note
    np.testing.assert_allclose(found.atoms.positions, moved.positions, atol=1e-7)
    upright = found.upright()
    assert upright.cell.lengths()[2] == pytest.approx(tube.length_angstrom)
    species = found.tube.species[found.tube.species != Species.VACANCY]
    assert [symbol == "B" for symbol in upright.symbols] == (species == Species.B).tolist()
    ours, theirs = (np.sort(one.get_all_distances(mic=True).ravel()) for one in (upright, atoms))
    np.testing.assert_allclose(ours[ours < 8.0], theirs[theirs < 8.0], atol=1e-6)


# ---- ten of each kind, made at random


def random_shape(seed, longest=300):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 13))
    m = int(rng.integers(0, n + 1))
    cells = int(rng.integers(1, max(2, longest // Nanotube(n, m).n_sites + 1)))
    return rng, (n, m, cells), float(rng.choice([0.0, 0.02, 0.05]))


def shape_of(tube):
    return tube.n, tube.m, tube.cells


def shaken(atoms, rng, noise):
    atoms.positions += rng.normal(0.0, noise, atoms.positions.shape)
    return atoms


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_random_cells_that_do_not_fit(seed, sign):
    rng, shape, noise = random_shape(seed)
    atoms = shaken(bare(Nanotube(*shape)), rng, noise)
    length, error = atoms.cell[2, 2], sign * rng.uniform(0.25, min(0.9, 0.2 * atoms.cell[2, 2]))
    atoms.positions[:, 2] = np.mod(atoms.positions[:, 2] - rng.uniform(0.0, length), length)
    atoms.cell[2, 2] += error
    if seed % 2:  # wrapped at another height
        atoms.positions[:, 2] += rng.uniform(0.0, length)
        atoms.pbc = True
        atoms.wrap()
    with pytest.raises(RecognitionError, match=r"period that fits|Å apart") as caught:
        survey(atoms)
    if named := re.search(r"period that fits is ([\d.]+)", str(caught.value)):
        assert float(named.group(1)) == pytest.approx(length, abs=0.02 + 2.0 * noise)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_bond_lengths(seed):
    rng, (n, m, cells), noise = random_shape(seed + 100)
    bond = rng.uniform(1.38, 1.46)
    found = survey(shaken(boxed(nanotube(n, m, length=cells, bond=bond)), rng, noise))
    assert shape_of(found.tube) == (n, m, cells)
    assert abs(found.tube.strain) < 3e-4
    assert found.bond_length_angstrom == pytest.approx(bond, abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_finite_tubes(seed):
    rng, (n, m, cells), noise = random_shape(seed + 200)
    cells = max(cells, int(np.ceil(5.0 / Nanotube(n, m).length_angstrom)))
    atoms = nanotube(n, m, length=cells)
    atoms.center(vacuum=rng.uniform(2.0, 12.0))
    atoms.pbc = True
    found = survey(shaken(atoms, rng, noise))
    assert found.is_finite
    assert shape_of(found.tube) == (n, m, cells)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_mirror_images(seed):
    rng, shape, noise = random_shape(seed + 300)
    atoms = shaken(bare(Nanotube(*shape)), rng, noise)
    atoms.positions[:, rng.integers(0, 2)] *= -1.0
    found = survey(atoms)
    assert found.tube == Nanotube(*shape)
    assert any("mirror image" in note for note in found.notes) == (shape[1] not in {0, shape[0]})


@pytest.mark.parametrize("seed", SEEDS)
def test_random_bent_and_flattened_tubes(seed):
    rng, shape, noise = random_shape(seed + 400)
    tube = Nanotube(*shape)
    tube = tube.repeated(int(np.ceil(45.0 / tube.length_angstrom)))
    atoms, amplitude = bare(tube), rng.uniform(0.3, 1.0)
    centre = atoms.positions[:, :2].mean(axis=0)
    turns = np.linspace(0.0, 2.0 * np.pi, 4001)
    ellipse = np.stack([np.cos(turns), np.sin(turns)]) * (1.0 + rng.uniform(0.0, 0.15) * np.array([[1.0], [-1.0]]))
    way = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(ellipse), axis=0)))  # bonds keep their lengths around it
    angle = np.mod(np.arctan2(*(atoms.positions[:, 1::-1] - centre[::-1]).T), 2.0 * np.pi)
    for axis in (0, 1):
        along = np.interp(angle / (2.0 * np.pi) * way[-1], way, ellipse[axis])
        atoms.positions[:, axis] = centre[axis] + along * tube.diameter_nm * 10.0 * np.pi / way[-1]
    atoms.positions[:, 0] += amplitude * np.sin(2.0 * np.pi * atoms.positions[:, 2] / tube.length_angstrom)
    found = survey(shaken(atoms, rng, noise))
    assert shape_of(found.tube) == shape_of(tube)
    assert abs(found.tube.strain) < 3e-4
    assert any(note.startswith("bent by") for note in found.notes)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_strained_tubes(seed):
    rng, shape, noise = random_shape(seed + 500)
    strain = rng.choice([-1.0, 1.0]) * rng.uniform(0.02, 0.08)
    tube = Nanotube(*shape, strain=strain)
    found = survey(shaken(bare(tube), rng, noise))
    assert shape_of(found.tube) == shape
    error = 6.0 * noise / (tube.diameter_nm * 5.0) / np.sqrt(tube.n_sites)
    assert found.tube.strain == pytest.approx(strain, abs=1e-6 + error)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_decorated_tubes(seed):
    rng, shape, noise = random_shape(seed + 600)
    tube = Nanotube(*shape)
    sites = rng.permutation(tube.n_sites)[:6].tolist()
    tube = tube.decorated(dict(zip(sites, ["B", "B", "N", "N", "N", "vacancy"], strict=True)))
    atoms = shaken(bare(tube), rng, noise)
    atoms.rotate(rng.uniform(0.0, 360.0), "z", center="COU")
    assert survey(atoms[rng.permutation(len(atoms))]).tube.key == tube.key


@pytest.mark.parametrize("seed", SEEDS)
def test_random_lammps_data(seed, tmp_path):
    _, shape, _ = random_shape(seed + 700)
    tube = Nanotube(*shape)
    atoms = bare(tube)
    style = ["atomic", "charge", "full"][seed % 3]
    write_atoms(tmp_path / "data.tube", atoms, format="lammps-data", atom_style=style, masses=bool(seed % 2))
    text = re.sub(r"Atoms\s*#.*", "Atoms", (tmp_path / "data.tube").read_text())
    (tmp_path / "data.tube").write_text(text)
    hints = Hints() if seed % 2 else Hints(elements=("C",))
    assert shape_of(read_structure(tmp_path / "data.tube", Reading(hints=hints)).tube) == shape


@pytest.mark.parametrize("seed", SEEDS)
def test_random_double_walls(seed):
    rng, (n, _, _), noise = random_shape(seed + 800)
    outer, inner = (boxed(nanotube(k, k, length=3)) for k in (n + 5, n))
    inner.positions += outer.positions.mean(axis=0) - inner.positions.mean(axis=0)
    outer.extend(inner)
    shaken(outer, rng, noise)
    with pytest.raises(RecognitionError, match=rf"two walls: \({n}, {n}\) and \({n + 5}, {n + 5}\)"):
        survey(outer)
    assert survey(outer, 2).tube == Nanotube(n + 5, n + 5, 3)


# ---- molecular dynamics

FRAMES = np.load(Path(__file__).with_name("frames.npz"))


@pytest.mark.parametrize("name", [name for name in FRAMES.files if not name.endswith("cell")])
def test_frames_of_molecular_dynamics_are_read(name):
    *shape, _ = map(int, name.split("_"))
    right = 0
    for frame in FRAMES[name]:
        atoms = Atoms("C" * len(frame), frame / 1000.0, cell=FRAMES[f"{name}_cell"], pbc=True)
        atoms.wrap()
        try:
            found = survey(atoms)
        except RecognitionError:
            continue
        assert found.tube == Nanotube(*shape)  # none is read wrongly
        right += 1
    assert right >= 0.95 * len(FRAMES[name])


# ---- the command line


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path / "cache"))
    return lambda *words: CliRunner().invoke(app, list(words))


def test_one_bad_file_does_not_end_a_batch(run):
    bad, bond, finite = (
        str(CASES / name) for name in ("seam_long_10_0x2.vasp", "bond_1.40.vasp", "finite_in_box.vasp")
    )
    words = ("oracle", "evaluate", bad, bond, "(10,0)x2", finite, "--properties", "gap,conductance")
    result = run(*words, "--json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert [row["tube"] for row in rows] == [None, "(10,0)x1 nanotube", "(10,0)x2 nanotube", "(8,0)x3 nanotube"]
    assert rows[0]["gap_ev"] is None
    assert "period that fits is 8.52 Å" in rows[0]["failures"]["gap_ev"]
    assert [rows[1]["gap_ev"], rows[2]["gap_ev"]] == pytest.approx([GAP_EV, GAP_EV], abs=1e-3)
    assert rows[1]["bond_length_angstrom"] == pytest.approx(1.40)
    assert "computed at the model's own 1.42 Å" in rows[1]["notes"]["gap_ev"]
    assert rows[3]["gap_ev"] is None
    assert "a finite tube of 3 cells" in rows[3]["failures"]["gap_ev"]
    assert rows[3]["conductance_us"] >= 0.0
    assert "taken as the device between two leads" in rows[3]["notes"]["conductance_us"]
    shown = run(*words)
    assert "bond_1.40.vasp: bond length 1.400 Å in the file" in shown.stdout
    assert run("oracle", "evaluate", bond, "--properties", "gap").exit_code == 0


def test_options_tell_what_a_file_does_not(run, tmp_path):
    double_wall().write(tmp_path / "two.cif")
    for words, tube in (
        ((str(CASES / "no_masses.data"), "--elements", "C"), "(8,0)x1 nanotube"),
        ((str(CASES / "seam_short_10_0x2.vasp"), "--period", "8.52"), "(10,0)x2 nanotube"),
        ((str(tmp_path / "two.cif"), "--wall", "1"), "(5,5)x4 nanotube"),
        ((str(CASES / "data.cnt"), "--format", "lammps", "--atom-style", "atomic"), "(8,0)x1 nanotube"),
    ):
        result = run("oracle", "evaluate", *words, "--properties", "gap", "--json")
        assert [row["tube"] for row in json.loads(result.stdout)] == [tube]


def test_export_writes_the_file_s_own_coordinates(run, tmp_path):
    result = run("export", str(CASES / "bond_1.40.vasp"), "--to", "vasp", "--output", str(tmp_path / "out"), "--json")
    assert any("bond length 1.400 Å" in note for note in json.loads(result.stdout)["notes"])
    assert read_structure(tmp_path / "out" / "POSCAR").bond_length_angstrom == pytest.approx(1.40, abs=1e-4)


def test_a_chirality_is_a_tube_without_a_file():
    found = parse_structure("(10,0)x4")
    assert (found.tube, found.atoms, found.note) == (Nanotube(10, 0, 4), None, "")
    assert found.upright() == to_atoms(found.tube)


def test_a_record_of_moved_atoms_is_said(tmp_path):
    write(tmp_path / "a.extxyz", Nanotube(8, 0, 2))
    assert read_structure(tmp_path / "a.extxyz").notes == ()
    atoms = to_atoms(Nanotube(8, 0, 2))
    atoms.rattle(0.08, seed=0)
    write_atoms(tmp_path / "a.extxyz", atoms)
    found = read_structure(tmp_path / "a.extxyz")
    assert found.tube == Nanotube(8, 0, 2)
    assert re.fullmatch(r"atoms 0.1[0-9] Å \(rms\) from the ideal geometry, .*", found.note)


# ---- round trips


@pytest.mark.parametrize("shape", [(6, 4, 1), (10, 0, 3), (6, 6, 4)])
@pytest.mark.parametrize("potential", [REBO, TERSOFF_BNC], ids=["REBO", "Tersoff"])
def test_relaxed_tubes_are_unstrained_and_loaded_ones_are_strained(shape, potential):
    for strain in (0.0, 0.03, -0.02):
        with running(potential) as calculator:
            atoms = relaxed(Nanotube(*shape, strain=strain), calculator, Relaxation())
        found = survey(Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc))
        assert shape_of(found.tube) == shape
        # The radius follows the potential's own Poisson ratio.
        assert found.tube.strain == pytest.approx(strain, abs=0.16 * abs(strain))
