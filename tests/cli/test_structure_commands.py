"""`matgym structures roll` and `similar`, as people and programs call it."""

import json

import pytest
from ase.build import graphene, mx2
from ase.io import read
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data.sources import Query, source_of
from matgym.errors import ConfigurationError, DatasetError, FormatError, StructureError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graphene(vacuum=8.0).write("graphene.cif")
    mx2("MoS2", vacuum=8.0).write("mos2.vasp", format="vasp")
    return lambda *words: command("roll", *words)


def command(*words):
    return CliRunner().invoke(app, ["structures", *words], catch_exceptions=False)


def test_a_sheet_in_a_file_becomes_a_tube_in_a_file(run):
    result = json.loads(run("graphene.cif", "--chirality", "10,4", "--output", "tube.cif", "--json").stdout)
    assert result["atoms"] == len(read("tube.cif")) == 104
    assert result["radius_angstrom"] == pytest.approx(4.89, abs=0.01)
    assert result["period_angstrom"] == pytest.approx(read("tube.cif").cell[2, 2], abs=1e-6)
    assert "rolled" in run("mos2.vasp", "--chirality", "20,0", "--cells", "2", "--outside", "top").stdout
    assert len(read("tube.extxyz")) == 2 * 2 * 20 * 3


def test_what_cannot_be_rolled_is_one_sentence(run):
    for words, error, message in (
        (("graphene.cif", "--chirality", "10"), ConfigurationError, "give n,m such as 10,4"),
        (("graphene.cif", "--chirality", "10,4", "--outside", "left"), ConfigurationError, "give bottom or top"),
        (("graphene.cif", "--chirality", "0,0"), StructureError, "not both 0"),
        (("graphene.cif", "--chirality", "8,0", "--output", "graphene.cif"), FormatError, "graphene.cif"),
    ):
        with pytest.raises(error, match=message):
            run(*words)


@pytest.mark.usefixtures("run")
def test_the_most_similar_file_comes_first():
    graphene("BN", a=2.504, vacuum=12.0).write("bn.extxyz")
    rows = json.loads(command("similar", "bn.extxyz", "mos2.vasp", "graphene.cif", "bn.extxyz", "--json").stdout)
    assert rows[0]["file"] == "bn.extxyz"
    assert rows[0]["distance"] == pytest.approx(0.0, abs=1e-9)
    assert [row["composition"] for row in rows[1:]] == [1.0, 1.0]


def test_a_row_of_a_fetched_table_is_rolled(run, tmp_path):
    folder = tmp_path / "sheets"
    folder.mkdir()
    for name, a in (("C2", 2.46), ("BN", 2.50)):
        graphene(name, a=a, vacuum=8.0).write(folder / f"{name}.vasp")
    fetched = source_of("files", path=folder).fetch(Query(), tmp_path / "cache")
    fetched.save("sheets.parquet")
    target = ("--chirality", "8,4", "--force")
    name = next(each for each in fetched.ids if "BN" in each)
    run("sheets.parquet", *target, "--id", name)
    assert read("tube.extxyz").get_chemical_formula() == "B56N56"
    for words, error, message in (
        (("sheets.parquet", *target), ConfigurationError, "has 2 rows: name one by --id"),
        (("sheets.parquet", *target, "--id", "none"), DatasetError, "has no row 'none': it has"),
        (("graphene.cif", *target, "--id", "x"), ConfigurationError, "--id x has no effect"),
    ):
        with pytest.raises(error, match=message):
            run(*words)
