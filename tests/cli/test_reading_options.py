"""Every command that takes one tube takes what its file does not say."""

import json
from pathlib import Path

import pytest
from ase.io import write as write_atoms
from typer.testing import CliRunner

from matgym.cli import app
from matgym.structures import Nanotube
from matgym.structures.io import to_atoms

CASES = Path(__file__).parents[1] / "structures" / "cases"
BARE = str(CASES / "no_masses.data")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda *words: json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("predict", BARE, "--no-physics"),
        ("export", BARE, "--to", "vesta"),
        ("oracle", "plot", BARE, "--output", "x.csv"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_elements_are_an_option(run, words):
    assert run(*words, "--elements", "C")["tube"] == "(8,0)x1 nanotube"


def test_generators_take_the_lattice_of_a_file(run):
    words = ("--generator", "random", "--boron", "1", "--nitrogen", "1", "--samples", "1")
    (row,) = run("generate", "sample", "out", "--tube", BARE, "--elements", "C", *words)
    assert row["file"] == "tube-00.xyz"


def test_strain_is_relative_to_a_period_at_rest(run):
    atoms = to_atoms(Nanotube(10, 0, 2, strain=0.004))
    atoms.rattle(0.02, seed=0)
    write_atoms("a.vasp", atoms, format="vasp")
    rest = f"{Nanotube(10, 0, 2).length_angstrom:.6f}"
    (row,) = run("oracle", "evaluate", "a.vasp", "--properties", "gap", "--rest-period", rest)
    assert row["tube"] == "(10,0)x2 nanotube at +0.4% strain"
    assert f"strain relative to a period at rest of {float(rest):.4f} Å, as given" in row["notes"]["gap_ev"]


def test_networks_say_that_a_tube_is_out_of_distribution(run):
    found = run("predict", str(CASES / "B3N2_8_0x4.extxyz"), "--no-physics")
    balanced = {
        "nanotube-doping",
        "nanotube-doping-small",
        "nanotube-formation",
    }  # whose training data have as many B as N
    assert balanced <= {row["surrogate"] for row in found["predictions"]}
    for row in found["predictions"]:
        if row["surrogate"] in balanced:
            assert row["in_domain"] is False
            assert row["half_width"] is None  # infinite
            assert "1 more B than N" in row["note"] or "excess of N over B -0.781 %, and 0 to 0" in row["note"]
