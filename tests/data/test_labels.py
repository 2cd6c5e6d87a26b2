"""A user's own labels: every form in which they come, and every row that cannot be used is named with its reason."""

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as write_atoms

from matgym.data.labels import FEWEST, Labels, read_labels
from matgym.errors import DatasetError
from matgym.structures import Nanotube
from matgym.structures.io import to_atoms
from matgym.structures.symmetry import symmetry_group

COUNT = FEWEST + 4


def tubes(count=COUNT):
    """Return tubes that differ up to symmetry: one N, and one B at a growing number of places."""
    empty = Nanotube(6, 4)
    found, keys = [], set()
    for site in range(1, empty.n_sites):
        tube = empty.decorated({0: "N", site: "B"})
        if tube.key not in keys and len(found) < count:
            keys.add(tube.key)
            found.append(tube)
    assert len(found) == count
    return found


@pytest.fixture
def folder(tmp_path):
    for number, tube in enumerate(tubes()):
        atoms = to_atoms(tube)
        atoms.info["mine"] = 1.5 * number
        write_atoms(tmp_path / f"{number:02}.extxyz", atoms)
    return tmp_path


def assert_all_read(labels):
    assert [tube.key for tube in labels.tubes] == [tube.key for tube in tubes()]
    np.testing.assert_allclose(labels.values, 1.5 * np.arange(COUNT))
    assert not labels.unread


def test_a_folder_with_labels_in_its_files(folder):
    assert_all_read(read_labels(folder, "mine"))


def test_a_folder_with_labels_in_its_table_names_files_without_a_row(folder):
    rows = [f"{number:02}.extxyz,{1.5 * number}" for number in range(COUNT)]
    write_atoms(folder / "stray.extxyz", to_atoms(Nanotube(5, 5)))
    (folder / "table.csv").write_text("\n".join(["file,mine", *rows]))
    labels = read_labels(folder, "mine")
    assert labels.unread == {"stray.extxyz": "table.csv has no row for it"}
    np.testing.assert_allclose(labels.values, 1.5 * np.arange(COUNT))


def test_frames_hold_labels_in_info_or_as_results(tmp_path):
    frames = []
    for number, tube in enumerate(tubes()):
        atoms = to_atoms(tube)
        atoms.calc = SinglePointCalculator(atoms, energy=1.5 * number)
        frames.append(atoms)
    write_atoms(tmp_path / "all.extxyz", frames)
    assert_all_read(read_labels(tmp_path / "all.extxyz", "energy"))


def test_a_damaged_frame_does_not_end_the_file(folder, tmp_path):
    text = "".join(file.read_text() for file in sorted(folder.glob("*.extxyz")))
    lines = text.splitlines()
    lines[5] = "C not a number"
    (tmp_path / "all.extxyz").write_text("\n".join(lines))
    labels = read_labels(tmp_path / "all.extxyz", "mine")
    assert list(labels.unread) == ["all.extxyz, frame 1"]
    assert "damaged" in labels.unread["all.extxyz, frame 1"]
    assert len(labels) == COUNT - 1


def test_a_table_of_tubes_by_their_sites(tmp_path):
    rows = []
    for number, tube in enumerate(tubes()):
        (boron,) = np.flatnonzero(tube.species == 3).tolist()
        rows.append(f"6;4;1;0:N {boron}:B;{1.5 * number}")
    (tmp_path / "mine.csv").write_text("\n".join(["n;m;cells;sites;mine", *rows]))
    assert_all_read(read_labels(tmp_path / "mine.csv", "mine"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("6,4,1,0:B,NA", "its label 'NA' is not a finite number"),
        ("6,4,1,0:B,nan", "its label 'nan' is not a finite number"),
        ("6,4,1,0:B,inf", "its label 'inf' is not a finite number"),
        ("6,4,1,0:B,", "it has no label"),
        ("6,4,1,0:P,1", "unknown species 'P'"),
        ("6,4,1,0 B,1", "sites is '0 B'"),
        ("6,4,1,0:B 0:N,1", "it names a site twice"),
        ("6,4,1,999:B,1", "site 999 does not exist"),
        ("six,4,1,0:B,1", "n is 'six': give a whole number"),
        ("6,4,1", "it has 3 cells under 5 column names"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_reason(tmp_path, row, reason):
    good = [f"{n},0,1,0:N,{n}" for n in range(5, 5 + FEWEST)]
    (tmp_path / "mine.csv").write_text("\n".join(["n,m,cells,sites,mine", *good, row]))
    labels = read_labels(tmp_path / "mine.csv", "mine")
    assert len(labels) == FEWEST
    assert list(labels.unread) == [f"row {FEWEST + 2}"]
    assert reason in labels.unread[f"row {FEWEST + 2}"]


def test_structures_that_are_no_tubes_are_named(folder):
    from ase.build import graphene

    sheet = graphene(size=(4, 4, 1), vacuum=8.0)
    sheet.info["mine"] = 1.0
    write_atoms(folder / "sheet.extxyz", sheet)
    assert list(read_labels(folder, "mine").unread) == ["sheet.extxyz"]


def test_symmetric_copies_count_once_and_different_labels_are_told():
    found = tubes()
    turned = found[3].with_species(found[3].species[symmetry_group(found[3].lattice)[1]])
    assert not np.array_equal(turned.species, found[3].species)
    values = [*range(COUNT), 3.0]
    assert len(same := Labels.of([*found, turned], values)) == COUNT
    assert same.structures == COUNT + 1
    assert not same.conflicts
    told = Labels.of([*found, turned], [*range(COUNT), 5.0])
    assert told.conflicts == {f"structure 4 = structure {COUNT + 1}": (3.0, 5.0)}
    assert told.values[3] == 4.0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("n,m,mine\n6,4,1\n", "there are labels of 1 different tubes"),
        ("n,m,other\n6,4,1\n", "has no column 'mine'; it has n, m, other"),
        ("name,mine\nx,1\n", "names no structures"),
        ("n,m,mine,mine\n6,4,1,1\n", "has 2 columns 'mine'"),
        ("n,m,mine\n" + "".join(f"{n},0,1\n" for n in range(5, 5 + FEWEST)), "a constant teaches nothing"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(DatasetError, match=sentence):
        read_labels(tmp_path / "mine.csv", "mine")


def test_a_folder_without_such_labels_is_one_sentence(folder):
    with pytest.raises(DatasetError, match="has a label 'other'"):
        read_labels(folder, "other")


def test_values_and_structures_must_match():
    with pytest.raises(DatasetError, match="24 structures and 2 values"):
        Labels.of(tubes(), [1.0, 2.0])
