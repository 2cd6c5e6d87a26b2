"""`matgym furnace grow` and `matgym experiments`, as programs call them."""

import json

import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.errors import ConfigurationError, DatasetError, TableWarning
from matgym.processes.growth.recipe import Stage, recipe_of
from matgym.processes.growth.runs import grow

PLANE = [(a / 4, b / 2) for a in range(5) for b in range(3)]


def run(*words):
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_grow_prints_what_the_reactor_grows():
    printed = json.loads(run("furnace", "grow", "20:705:150", "5:690:300", "--json").stdout)
    assert printed == pytest.approx(grow(recipe_of(Stage(20, 705.0, 150.0), Stage(5, 690.0, 300.0))))


@pytest.mark.parametrize("stage", ["20:705", "20:705:150:1:2:3", "x:705:150", "1.5:705:150"])
def test_a_stage_that_is_none_is_named(stage):
    with pytest.raises(ConfigurationError, match=f"stage '{stage}' must be MINUTES:CELSIUS:C2H2"):
        run("furnace", "grow", stage)


@pytest.fixture
def plane(tmp_path):
    table = tmp_path / "plane.csv"
    table.write_text("a,b,y\n" + "".join(f"{a},{b},{1 + 2 * a + b}\n" for a, b in PLANE))
    return str(table)


@pytest.mark.parametrize(
    ("direction", "best"),
    [("maximize", "maximum of y is 4, at a = 1, b = 1"), ("minimize", "minimum of y is 1, at a = 0, b = 0")],
)
def test_experiments_says_what_is_best_in_the_table_and_how_well_it_is_learned(plane, direction, best):
    found = json.loads(run("experiments", plane, "--model", "gp", "--direction", direction, "--json").stdout)
    assert [row["input"] for row in found["inputs"]] == ["a", "b"]
    assert f"the {best}" in found["remarks"][0]
    assert found["models"][0]["r2"] > 0.99  # a plane without noise
    assert not found["replicated"]


def test_a_direction_that_is_none_or_is_without_effect_is_named(plane):
    with pytest.raises(DatasetError, match="direction='most' must be 'maximize' or 'minimize'"):
        run("experiments", plane, "--direction", "most")
    with pytest.raises(ConfigurationError, match="direction='minimize' has no effect on a published campaign"):
        run("experiments", "suzuki", "--direction", "minimize")


def test_experiments_takes_what_a_file_does_not_say(tmp_path):
    """Decimal commas, Latin-1, a name with a comma, a column that is no input, and cells without a value."""
    rows = [f"{a};{b};S{k};{1 + 2 * a + b}".replace(".", ",") for k, (a, b) in enumerate(PLANE)]
    rows[3:5] = ["NA;0,5;S3;2,0", "0,25;;S4;2,0"]
    file = tmp_path / "mine.csv"
    file.write_bytes("\n".join(["température;b;sample, new;y", *rows]).encode("latin-1"))
    options = ["--model", "gp", "--decimal", ",", "--encoding", "latin-1", "--delimiter", ";", "--na", "NA,", "--json"]
    for more in (["--ignore", '"sample, new"'], ["--inputs", "température, b", "--target", "y"]):
        with pytest.warns(TableWarning, match="2 of 15 rows were left out"):
            found = json.loads(run("experiments", str(file), *options, *more).stdout)
        assert [row["input"] for row in found["inputs"]] == ["température", "b"]
        assert "13 experiments, 13 different ones; the maximum of y is 4, at température = 1" in found["remarks"][0]
    with pytest.raises(ConfigurationError, match=r"categorical=\['y'\] has no effect"):
        run("experiments", str(file), *options, "--categorical", "y")
