"""`matgym cache`: what it shows and removes, and the settings that no command takes."""

import csv
import json
import re

import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube
from matgym.structures.io import write

TUBES = (7, 8, 10)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(words), catch_exceptions=False)


@pytest.fixture
def filled(run, tmp_path):
    """The folder of a cache with one entry per tube."""
    files = [f"{n}.cif" for n in TUBES]
    for n, file in zip(TUBES, files, strict=True):
        write(file, Nanotube(n, 0, 2))
    assert run("oracle", "evaluate", *files, "--properties", "gap").exit_code == 0
    return tmp_path / "cache" / "oracles"


def entries(folder):
    return sorted(folder.rglob("*.json"))


def test_info_counts_the_files_of_the_folder(run, filled):
    row = json.loads(run("cache", "info", "--json").stdout)
    sizes = [path.stat().st_size for path in entries(filled)]
    assert (row["folder"], row["entries"], len(sizes)) == (str(filled), 3, 3)
    assert row["megabytes"] == pytest.approx(sum(sizes) / 1e6, abs=0.001)
    (shown,) = csv.DictReader(run("cache", "info", "--csv").stdout.splitlines())
    assert int(shown["entries"]) == 3


def test_prune_removes_the_damaged_entry_and_then_all_above_the_size(run, filled):
    first, *others = entries(filled)
    first.write_text("{")
    assert json.loads(run("cache", "prune", "--json").stdout)["removed"] == 1
    assert entries(filled) == others
    assert json.loads(run("cache", "prune", "--megabytes", "0", "--json").stdout)["removed"] == 2
    assert entries(filled) == []


def test_clear_removes_the_entries_and_no_file_of_the_user(run, filled):
    mine = entries(filled)[0].parent / "thesis.txt"
    mine.write_text("mine")
    assert json.loads(run("cache", "clear", "--json").stdout)["removed"] == 3
    assert [path for path in filled.rglob("*") if path.is_file()] == [mine]
    assert json.loads(run("cache", "info", "--json").stdout)["entries"] == 0


def test_a_cache_that_does_not_exist_is_empty(run, tmp_path):
    assert json.loads(run("cache", "info", "--json").stdout)["entries"] == 0
    assert json.loads(run("cache", "clear", "--json").stdout)["removed"] == 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("oracle", "evaluate", "tube.cif"), "--temperature"),
        (("generate", "sample", "out"), "--target"),
    ],
)
def test_no_option_takes_a_number_that_is_not_finite(run, tmp_path, command, option, value):
    result = run(*command, option, value)
    said = " ".join((result.stdout + result.stderr).split())
    assert result.exit_code == 2
    assert re.search("is not finite|than or equal to -?100 |is not in the range", said)  # the last ones by typer
    assert "Traceback" not in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "the tube"])
def test_no_chemical_potential_is_taken_that_is_none(run, tmp_path, value):
    with pytest.raises(ConfigurationError, match=r"mu_ev=.* must be"):
        run("oracle", "evaluate", "tube.cif", "--mu", value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
