"""Outputs of every command: what exists is replaced only with --force, inputs never, and faults are said at once."""

import shutil

import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.errors import ExecutionError, FormatError, WeightsError
from matgym.surrogates.store import STORE
from matgym.work import alone_in

COMMANDS = {
    "data build out.parquet": "out.parquet",
    "surrogate train out.safetensors --property gap": "out.safetensors",
    "surrogate train out.safetensors --property gap --cv 2": "out.json",  # the card
    "surrogate improve nanotube-doping out.safetensors": "out.parquet",  # the data
    "generate train out.safetensors": "out.json",
    "generate sample out --samples 2": "out/tube-01.xyz",
    "furnace train cvd-growth out.safetensors": "out.safetensors",
    "train CartPole-v1 --output out.safetensors": "out.json",
    "train CartPole-v1 --output out.zip": "out.zip",
    "train CartPole-v1 --output out": "out/agent.safetensors",
    "benchmark solve doping-easy --output out": "out/doping-easy.json",
    "benchmark solve growth-recipe --output out": "out/growth-recipe.json",
    "benchmark run quick --output out --track none": "out/leaderboard.md",
    "demo --output out": "out/structures/best-3.cif",
    "export (8,0)x1 --to ovito --output out": "out/tube.extxyz",
    "export (8,0)x1 --to nomad --output out": "out/nomad.zip",
    "data card nanotube-xtb": "nanotube-xtb.card.json",
}
"""Of each command a file that it would write."""


def error_of(line):
    return CliRunner().invoke(app, line.split()).exception


@pytest.mark.parametrize("line", COMMANDS)
def test_no_command_replaces_a_file_without_force(line, tmp_path, monkeypatch):
    """In 0.1 each of them did, cards of weights (OUT.json) among them."""
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / COMMANDS[line]
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    error = error_of(line)
    assert isinstance(error, FormatError)
    assert f"{COMMANDS[line]} exists: name another file, or replace it by --force" in str(error)
    assert mine.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.endswith(".zip")])  # which takes a folder
def test_a_folder_in_the_place_of_a_file_is_said_before_the_work(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / COMMANDS[line]).mkdir(parents=True)
    error = error_of(f"{line} --force")
    assert isinstance(error, FormatError | WeightsError)
    assert f"the output {COMMANDS[line]} is a folder: name a file" in str(error)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "line", [line for line in COMMANDS if not line.startswith(("benchmark run", "export", "data card"))]
)
def test_a_second_writer_is_refused(line, tmp_path, monkeypatch):
    """In 0.1 one of two trainings died, and the last one to end determined the file."""
    monkeypatch.chdir(tmp_path)
    place, name = (tmp_path / COMMANDS[line]).parent, COMMANDS[line].rpartition("/")[2]
    first = {
        "tube-01.xyz": "tubes", "best-3.cif": "../demo", "out.json": "out.safetensors",
        "doping-easy.json": "doping-easy.parquet",
    }  # fmt: skip  # the output after which the work folder is named
    if line.startswith("surrogate improve"):
        name = "out.json"
    folder = place / f"{first.get(name, name)}.work"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(folder.parent.resolve() / folder.name, "held by this test"):
        error = error_of(line)
    assert isinstance(error, ExecutionError)
    assert "another call writes" in str(error)


@pytest.mark.parametrize("output", ["mine.safetensors", "link.safetensors"])
def test_improve_never_replaces_its_input(output, tmp_path, monkeypatch):
    """In 0.1 it did, without a word."""
    monkeypatch.chdir(tmp_path)
    for suffix in (".safetensors", ".json"):
        shutil.copy(STORE.located("nanotube-doping").with_suffix(suffix), tmp_path / f"mine{suffix}")
    (tmp_path / "link.safetensors").symlink_to("mine.safetensors")
    before = (tmp_path / "mine.safetensors").read_bytes()
    error = error_of(f"surrogate improve mine.safetensors {output} --force")
    assert f"the output {output} is also an input: name another file" in str(error)
    assert (tmp_path / "mine.safetensors").read_bytes() == before


def test_a_card_never_replaces_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in (
        "surrogate train out.safetensors --settings out.json",
        "generate train out.safetensors --settings out.json",
    ):
        (tmp_path / "out.json").write_text('{"properties": ["gap_ev"]}' if "surrogate" in line else '{"epochs": 1}')
        assert "the output out.json is also an input" in str(error_of(f"{line} --force"))
