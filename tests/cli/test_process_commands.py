"""`matgym furnace grow` and `matgym experiments`, as programs call them."""

import json

import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.errors import ConfigurationError
from matgym.processes.growth.growth import CVDGrowth
from matgym.processes.growth.recipe import Recipe, Stage

PLANE = [(a / 4, b / 2) for a in range(5) for b in range(3)]


def run(*words):
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_grow_prints_what_the_reactor_grows():
    printed = json.loads(run("furnace", "grow", "20:705:150", "5:690:300", "--json").stdout)
    oracle = CVDGrowth()
    grown = oracle.evaluate([Recipe.of(Stage(20, 705.0, 150.0), Stage(5, 690.0, 300.0))])
    assert printed == {str(prop): pytest.approx(float(grown[prop][0])) for prop in oracle.provides}


@pytest.mark.parametrize("stage", ["20:705", "20:705:150:1:2:3", "x:705:150", "1.5:705:150"])
def test_a_stage_that_is_none_is_named(stage):
    with pytest.raises(ConfigurationError, match=f"stage '{stage}' must be MINUTES:CELSIUS:C2H2"):
        run("furnace", "grow", stage)


@pytest.mark.parametrize(("goal", "extreme", "at"), [("max", "4", "a = 1, b = 1"), ("min", "1", "a = 0, b = 0")])
def test_experiments_says_what_is_best_in_the_table_and_how_well_it_is_learned(tmp_path, goal, extreme, at):
    table = tmp_path / "plane.csv"
    table.write_text("a,b,y\n" + "".join(f"{a},{b},{1 + 2 * a + b}\n" for a, b in PLANE))
    found = json.loads(run("experiments", str(table), "--model", "gp", "--goal", goal, "--json").stdout)
    assert [row["input"] for row in found["inputs"]] == ["a", "b"]
    assert f"the {goal}imum of y is {extreme}, at {at}" in found["remarks"][0]
    assert found["models"][0]["r2"] > 0.99  # a plane without noise
    assert not found["replicated"]


def test_a_goal_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="goal='most' must be max or min"):
        run("experiments", str(tmp_path / "t.csv"), "--goal", "most")
