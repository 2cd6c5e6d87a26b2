"""Numbers that describe structures are whole where they must be, finite, and compared with the atoms first."""

import signal

import numpy as np
import pytest

from matgym.errors import ConfigurationError, FormatError, RecognitionError, SiteError, SpeciesError, StructureError
from matgym.structures import Nanotube
from matgym.structures.edits import DefectEdits, SubstitutionEdits
from matgym.structures.io import from_atoms, from_structure, read, to_atoms, to_structure, write
from matgym.structures.recognition import recognise

TUBE = Nanotube(8, 0, 4)
NAN = float("nan")


@pytest.fixture(autouse=True)
def _within_a_minute():
    """A number that is believed may never return: end the test then."""
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("species", [3.7, 3.0, True, None, NAN, 9, -1, "3"])
def test_only_names_and_codes_are_species(species):
    with pytest.raises(SpeciesError, match="unknown species"):
        TUBE.decorated({0: species})


@pytest.mark.parametrize("site", [1.5, NAN, True, "0", None, 10**30])
def test_only_whole_numbers_are_sites(site):
    with pytest.raises(SiteError, match="site"):
        TUBE.decorated({site: "B"})


@pytest.mark.parametrize(
    "make",
    [
        lambda: TUBE.decorated([1]),
        lambda: Nanotube(8, 0, 1, [True] * 32),
        lambda: Nanotube(8, 0, 1, [3.7] * 32),
        lambda: TUBE.turned((0.7, 64.2)),
        lambda: TUBE.turned((NAN, 1)),
        lambda: TUBE.turned("ab"),
        lambda: TUBE.turned((10**30, 1)),
        lambda: Nanotube(8, 0, 4, stone_wales=((0, 64, 1),)),
        lambda: TUBE.repeated(1.5),
        lambda: TUBE.repeated(10**9),
        lambda: TUBE.extended(NAN),
        lambda: TUBE.extended(10**18),
        lambda: TUBE.rotated(1.5),
        lambda: TUBE.screwed(0.5, 1),
        lambda: TUBE.strained(NAN),
        lambda: TUBE.twisted("a"),
        lambda: Nanotube(10**30, 0),
        lambda: Nanotube(8.0, 0),
        lambda: Nanotube(8, 0, 10**6),
    ],
)
def test_other_numbers_are_errors_of_structures(make):
    with pytest.raises(StructureError):
        make()


def test_numbers_of_numpy_and_large_symmetric_moves_are_taken():
    assert TUBE.decorated({np.int64(3): np.uint8(3)}) == TUBE.decorated({3: "B"})
    doped = TUBE.decorated({3: "B"})
    assert doped.rotated(8 * 10**29 + 3) == doped.rotated(3)
    assert doped.screwed(64 * 10**29 + 3, -64 * 10**29 + 1) == doped.screwed(3, 1)


@pytest.mark.parametrize("count", [2.7, 2.0, True, NAN, 0, "2"])
def test_budgets_are_whole_numbers(count):
    for make in (lambda: SubstitutionEdits(32, {"B": count}), lambda: DefectEdits(TUBE.lattice, {"SW": count})):
        with pytest.raises(ConfigurationError):
            make()


MISLEADING = {
    "coordinates of 1e308": lambda atoms: atoms.positions.__setitem__((0, 0), 1e308),
    "coordinates of NaN": lambda atoms: atoms.positions.__setitem__(0, NAN),
    "a period of 1e-7": lambda atoms: atoms.cell.array.__setitem__((2, 2), 1e-7),
    "a period of NaN": lambda atoms: atoms.cell.array.__setitem__((2, 2), NAN),
    "masses of 1e308": lambda atoms: atoms.set_masses([1e308] * len(atoms)),
}


@pytest.mark.parametrize("fault", MISLEADING)
@pytest.mark.parametrize("reader", [from_atoms, recognise])
def test_numbers_that_no_atom_has_are_no_tube(fault, reader):
    atoms = to_atoms(TUBE)
    MISLEADING[fault](atoms)
    with pytest.raises(RecognitionError, match=r"holds no tube: its"):
        reader(atoms)


@pytest.mark.parametrize(
    "record",
    [{"n": 10**8}, {"cells": 10**6}, {"cells": 62_500}, {"strain": NAN}, {"strain": "a"}, {"n": "8"}, {"n": 8.5}],
    ids=str,
)
def test_a_record_that_does_not_fit_the_atoms_is_not_believed(record, monkeypatch):
    atoms = to_atoms(TUBE)
    atoms.info |= record
    made = []
    whole = Nanotube._validated_codes  # every tube's species pass through it
    monkeypatch.setattr(Nanotube, "_validated_codes", lambda tube: made.append(tube.cells) or whole(tube))
    assert from_atoms(atoms) == TUBE
    assert max(made) == TUBE.cells  # arrays of the recorded size were never made
    structure = to_structure(TUBE)
    structure.properties |= record
    assert from_structure(structure) == TUBE


@pytest.mark.parametrize("record", ["n=100000000", "n=62500", f"n={'9' * 5000}"])
def test_a_comment_in_a_file_is_not_believed(record, tmp_path):
    path = tmp_path / "tube.lmp"
    write(path, TUBE)
    path.write_text(path.read_text().replace("n=8", record, 1))
    try:
        assert read(path) == TUBE
    except FormatError as error:
        assert "lammps" in str(error)  # noqa: PT017  # either is right: it reads the atoms, or says what is wrong
