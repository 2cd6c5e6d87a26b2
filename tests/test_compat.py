"""Scripts of scripts/compat whose libraries are in the development environment."""

import pytest

from scripts.compat.run import HERE, LIBRARIES, run

QUICK = ("gymnasium_wrappers", "gymnasium_vector", "mo_gymnasium_wrappers", "cleanrl_file", "ase_model")
LONG = ("stable_baselines", "sb3_contributed", "hindsight")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
def test_library_works(name):
    assert run(name)["result"] == "ok"


def test_each_script_is_in_the_table():
    assert {path.stem for path in HERE.glob("*.py")} - {"__init__", "common", "run"} == set(LIBRARIES)
