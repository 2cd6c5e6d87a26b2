"""Numbers that ask for the impossible: errors before memory is allocated, in tubes and in files of them."""

import resource
from math import prod
from pathlib import Path

import numpy as np
import pytest

from matgym.errors import FormatError, RecognitionError, StructureError
from matgym.structures import Nanotube, tube_lattice
from matgym.structures.io import parse_design, read, to_atoms, write
from matgym.structures.lattice import MAX_SITES, unit_sites


@pytest.fixture(autouse=True)
def _one_gib():
    """Let no test of this file allocate more than 1 GiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    held = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + (1 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@pytest.mark.parametrize("shape", [(99_999, 12_345, 1), (8, 0, 10**12), (10**9, 10**9, 1), (8, 0, MAX_SITES // 32 + 1)])
def test_tubes_beyond_the_limit_are_one_sentence(shape):
    with pytest.raises(StructureError, match="give a tube of 2,000,000 or fewer"):
        Nanotube(*shape)


def test_a_million_sites_are_allowed():
    tube = Nanotube(10, 0, 25_000)
    assert tube.n_sites == 1_000_000
    assert tube.positions_angstrom.shape == (1_000_000, 3)


@pytest.mark.parametrize("shape", [(1, 0), (8, 0), (5, 3), (10, 10), (12, 4)])
def test_sites_of_a_unit_cell(shape):
    assert unit_sites(*shape) == tube_lattice(*shape, 1).n_sites == 2 * prod(tube_lattice(*shape, 1).raster_shape)


@pytest.mark.parametrize("text", ["(8,0)x1000000000000", "(99999,12345)", "(8,0)x" + "9" * 5000])
def test_designs_beyond_the_limit(text):
    with pytest.raises(StructureError, match="2,000,000"):
        parse_design(text)


def test_digits_of_other_scripts_are_no_chirality():
    with pytest.raises(FormatError, match="nor a chirality"):
        parse_design("(٨,0)x4")


@pytest.mark.parametrize(
    ("name", "value"), [("strain", "a"), ("strain", float("nan")), ("torsion", None), ("strain", 10**400)]
)
def test_deformations_that_are_no_numbers(name, value):
    with pytest.raises(StructureError, match=name):
        Nanotube(8, 0, **{name: value})


# ---- files


def _damaged(tmp_path, name, change):
    """A file of a plain tube, changed as text."""
    path = tmp_path / name
    write(path, Nanotube(8, 0, 2))
    path.write_text(change(path.read_text()))
    return path


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e308", "1e999"])
@pytest.mark.parametrize("name", ["tube.xyz", "tube.vasp", "tube.data", "tube.cif"])
def test_coordinates_that_are_not_finite(tmp_path, name, number):
    last = -2 if name == "tube.cif" else -1  # before the occupancy

    def change(text):
        *lines, line = text.rstrip("\n").split("\n")
        words = line.split()
        words[last] = number
        return "\n".join([*lines, " ".join(words), ""])

    path = _damaged(tmp_path, name, change)
    with pytest.raises((FormatError, RecognitionError), match=str(path)):
        read(path)


@pytest.mark.parametrize("length", ["1e-9", "1e12", "nan"])
def test_absurd_cells(tmp_path, length):
    period = repr(Nanotube(8, 0, 2).length_angstrom)[:8]

    def change(text):
        assert text.count(f" {period}") == 1
        before, _, after = text.partition(f" {period}")
        return f'{before} {length}"{after.partition(chr(34))[2]}'

    path = _damaged(tmp_path, "tube.xyz", change)
    with pytest.raises((FormatError, RecognitionError), match=str(path)):
        read(path)


def test_headers_that_promise_more_than_the_file_holds(tmp_path):
    lammps = _damaged(tmp_path, "tube.data", lambda text: text.replace("64 atoms", "90000000000 atoms"))
    with pytest.raises(FormatError, match="states 9e"):
        read(lammps)
    poscar = _damaged(tmp_path, "tube.vasp", lambda text: text.replace("  64\n", "  90000000000\n"))
    with pytest.raises(FormatError, match="states 9e"):
        read(poscar)


@pytest.mark.parametrize("count", ["90000000000", "9_0000000000", "9" * 400])
@pytest.mark.parametrize("frames", [0, 1])
def test_xyz_frames_that_promise_more_than_the_file_holds(count, frames, tmp_path):
    whole = _damaged(tmp_path, "tube.extxyz", lambda text: text).read_text()
    path = tmp_path / "frames.xyz"
    path.write_text(whole * frames + count + whole[whole.index("\n") :])
    with pytest.raises(FormatError, match="states"):
        read(path)


def test_atoms_in_one_place_are_no_tube(tmp_path):
    atoms = to_atoms(Nanotube(10, 10, 20))
    atoms.positions[:] = 1.0
    del atoms.arrays["site"]
    atoms.write(tmp_path / "heap.xyz", format="extxyz")
    with pytest.raises(FormatError, match="are within 3"):
        read(tmp_path / "heap.xyz")


def test_walls_too_wide_to_recognise(tmp_path):
    angles = np.linspace(0.0, 2.0 * np.pi, 20_000, endpoint=False)
    from ase import Atoms

    ring = np.stack([4500.0 * np.cos(angles), 4500.0 * np.sin(angles), np.zeros_like(angles)], axis=1)
    Atoms(f"C{len(ring)}", positions=ring, cell=[9100, 9100, 2.46], pbc=[False, False, True]).write(tmp_path / "r.xyz")
    with pytest.raises(RecognitionError, match="do not form one cylinder"):
        read(tmp_path / "r.xyz")


def test_compressed_files_are_read_and_bombs_are_not(tmp_path):
    import gzip

    write(tmp_path / "tube.xyz", Nanotube(8, 0, 2))
    (tmp_path / "tube.xyz.gz").write_bytes(gzip.compress((tmp_path / "tube.xyz").read_bytes()))
    assert read(tmp_path / "tube.xyz.gz", "extxyz") == Nanotube(8, 0, 2)
    with gzip.open(tmp_path / "bomb.xyz.gz", "wb", compresslevel=1) as bomb:
        for _ in range(40):
            bomb.write(bytes(1 << 24))
    with pytest.raises(FormatError, match="too large: give a structure file of 536,870,912 bytes"):
        read(tmp_path / "bomb.xyz.gz", "extxyz")
