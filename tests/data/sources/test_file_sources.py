"""Files as a source: folders, frames, databases of ASE, JSON of pymatgen, tables; compared with those libraries."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from pymatgen.core import Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry
from pymatgen.io.cif import CifWriter

from matgym.data.sources import Query, source_of
from matgym.errors import ConfigurationError, FetchError

MIXED = Structure(Lattice.cubic(2.87), [{"Ni": 0.75, "Fe": 0.25}, "Al"], [[0, 0, 0], [0.5] * 3])


def crystals():
    found = [bulk("C", "diamond", a=3.567), bulk("BN", "zincblende", a=3.615), graphene("C2", a=2.46, vacuum=8.0)]
    for number, atoms in enumerate(found):
        atoms.pbc = [True, True, number < 2]
        atoms.info["band_gap"] = 1.5 + number
    return found


def fetched_of(path, **query):
    return source_of("files", path=path).fetch(Query(**query))


def check(fetched, expected):
    assert len(fetched) == len(expected)
    for crystal, atoms in zip(fetched.crystals(), expected, strict=True):
        read = Atoms(crystal.numbers, scaled_positions=crystal.fractional, cell=crystal.cell, pbc=True)
        np.testing.assert_allclose(read.cell.cellpar(), atoms.cell.cellpar(), atol=1e-5)  # CIF turns cells
        np.testing.assert_allclose(read.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-5)
        assert crystal.numbers.tolist() == atoms.numbers.tolist()


def test_a_folder_of_structures_of_several_formats(tmp_path):
    written = crystals()
    for atoms, name in zip(written, ("a.cif", "b.vasp", "c.extxyz"), strict=True):
        write(tmp_path / name, atoms)
    (tmp_path / "d.cif").write_text("data_broken\n_cell_length_a x\n")
    with pytest.warns(UserWarning, match="1 of 4 rows of files are kept out, for example d.cif"):
        fetched = fetched_of(tmp_path)
    check(fetched, written)
    assert fetched.ids == ["a.cif", "b.vasp", "c.extxyz, 1"]
    assert [each.id for each in fetched.rejected] == ["d.cif"]
    assert fetched.provenance["path"] == str(tmp_path)


def test_frames_with_values_and_energies_for_each_atom(tmp_path):
    written = crystals()
    for atoms in written:
        atoms.calc = SinglePointCalculator(atoms, energy=-9.0 * len(atoms))
    write(tmp_path / "all.extxyz", written)
    fetched = fetched_of(tmp_path / "all.extxyz", properties=("band_gap", "energy"))
    check(fetched, written)
    assert fetched.values("band_gap").tolist() == [1.5, 2.5, 3.5]
    assert fetched.values("energy").tolist() == [-9.0] * 3
    assert [entry.periodic.sum() for entry in fetched.entries()] == [3, 3, 2]


@pytest.mark.parametrize("name", ["all.db", "all.json"])
def test_databases_of_ase(tmp_path, name):
    written = crystals()
    with connect(tmp_path / name) as database:
        for number, atoms in enumerate(written):
            atoms.calc = SinglePointCalculator(atoms, energy=-2.0 * len(atoms))
            database.write(atoms, band_gap=0.5 * number, method="test")
    fetched = fetched_of(tmp_path / name, properties=("band_gap", "energy"))
    check(fetched, written)
    assert fetched.values("band_gap").tolist() == [0.0, 0.5, 1.0]
    assert fetched.values("energy").tolist() == [-2.0] * 3
    assert fetched.ids == ["1", "2", "3"]


def test_json_of_pymatgen(tmp_path):
    dicts = [MIXED.as_dict(), Structure(Lattice.cubic(4.0), ["Na+"], [[0, 0, 0]]).as_dict()]
    contents = (
        dicts,
        dict(zip("ab", dicts, strict=True)),
        [{"id": "a", "structure": each, "gap": 2} for each in dicts],
    )
    for content in (*contents, dicts[0]):
        (tmp_path / "s.json").write_text(json.dumps(content, default=str))
        fetched = fetched_of(tmp_path / "s.json")
        crystal = fetched.crystals()[0]
        assert sorted(zip(crystal.numbers.tolist(), crystal.occupancies.tolist(), strict=True)) == [
            (13, 1.0), (26, 0.25), (28, 0.75),
        ]  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps({"a": dicts[0], "b": {"lattice": 1, "sites": []}}, default=str))
    with pytest.warns(UserWarning, match="kept out, for example b"):
        assert fetched_of(tmp_path / "s.json").ids == ["a"]


def test_energies_of_entries_of_pymatgen_are_those_of_the_cell(tmp_path):
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    entries = [ComputedStructureEntry(cell, -3.4 * len(cell)) for cell in (salt, salt.get_primitive_structure())]
    (tmp_path / "s.json").write_text(json.dumps([entry.as_dict() for entry in entries], default=str))
    fetched = fetched_of(tmp_path / "s.json", properties=("energy",))
    assert fetched.values("energy").tolist() == pytest.approx([entry.energy_per_atom for entry in entries])


def test_partial_occupancies_of_cif(tmp_path):
    CifWriter(MIXED).write_file(tmp_path / "mixed.cif")
    (entry,) = fetched_of(tmp_path / "mixed.cif").entries()
    assert entry.formula == "AlFe0.25Ni0.75"
    assert entry.crystal.volume == pytest.approx(MIXED.volume, rel=1e-6)


def test_tables_name_files_or_hold_cif_or_json(tmp_path):
    written = crystals()[:2]
    write(tmp_path / "a.cif", written[0])
    write(tmp_path / "b.cif", written[1])
    (tmp_path / "t.csv").write_text("id,file,band_gap,note\nx,a.cif,5.5,good\ny,b.cif,6.4,\nz,c.cif,1,\nw,,1,\n")
    with pytest.warns(UserWarning, match="2 of 4 rows of files are kept out"):
        fetched = fetched_of(tmp_path, properties=("band_gap",))  # a folder with one table
    check(fetched, written)
    assert fetched.ids == ["x", "y"]
    assert fetched.values("band_gap").tolist() == [5.5, 6.4]
    assert [each.reason for each in fetched.rejected] == ["there is no file 'c.cif'", "it names no structure"]
    rows = [{"cif": (tmp_path / "a.cif").read_text()}, {"cif": json.dumps(MIXED.as_dict(), default=str)}]
    import csv

    with (tmp_path / "u.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["cif"])
        writer.writeheader()
        writer.writerows(rows)
    fetched = fetched_of(tmp_path / "u.csv")
    assert [entry.formula for entry in fetched.entries()] == ["C2", "AlFe0.25Ni0.75"]
    assert fetched.ids == ["row 1", "row 2"]


def test_conditions_select_among_files(tmp_path):
    write(tmp_path / "all.extxyz", crystals())
    path = tmp_path / "all.extxyz"
    for query, expected in (
        ({"formulas": ("NB",)}, [2]), ({"elements": ("C",)}, [1, 3]), ({"periodic": 2}, [3]), ({"limit": 2}, [1, 2]),
        ({"ids": ("all.extxyz, 3",)}, [3]), ({"atoms": (3, 5)}, []),
    ):  # fmt: skip
        assert fetched_of(path, **query).ids == [f"all.extxyz, {number}" for number in expected]
    assert source_of("files", path=path).count(Query(elements=("C",))) == 2


def test_changed_files_are_read_again(tmp_path):
    write(tmp_path / "a.cif", crystals()[0])
    assert fetched_of(tmp_path).ids == ["a.cif"]
    write(tmp_path / "b.cif", crystals()[1])
    assert fetched_of(tmp_path).ids == ["a.cif", "b.cif"]


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no file or folder"):
        source_of("files", path=tmp_path / "none")
    with pytest.raises(FetchError, match="holds no files"):
        fetched_of(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(
        FetchError, match=r"a\.csv has no column of structures \(file, path, structure, filename, cif\)"
    ):
        fetched_of(tmp_path / "a.csv")
    with pytest.raises(FetchError, match="has no column 'z': it has x, y"):
        source_of("files", path=tmp_path / "a.csv", column="z").fetch(Query())
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(FetchError, match=r"a\.db is no database of ASE, or is damaged"):
        fetched_of(tmp_path / "a.db")
    write(tmp_path / "m.extxyz", Atoms("CO", positions=[[0, 0, 0], [0, 0, 1.1]]))
    with pytest.raises(FetchError, match="it is periodic in no direction: matgym takes crystals, sheets and chains"):
        fetched_of(tmp_path / "m.extxyz")
