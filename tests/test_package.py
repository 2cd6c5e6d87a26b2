"""The package as users install it."""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from matgym import cli
from matgym.errors import MissingExtraError
from matgym.physics import PiElectrons
from matgym.structures import Nanotube
from matgym.structures.io import write

ROOT = Path(__file__).parents[1]
IMPORT_SECONDS = 1.0
HEAVY = ("torch", "stable_baselines3", "ase", "pymatgen", "matplotlib", "scipy", "pyarrow")


def run(*command, **kwargs):
    return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs)


@pytest.mark.parametrize("module", ["matgym", "matgym.cli"])
def test_import_loads_few_modules_and_is_fast(module):
    code = (
        f"import time, sys; t = time.perf_counter(); import {module}; s = time.perf_counter() - t;"
        f"print(s, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    run(sys.executable, "-c", code)  # warm the file cache
    seconds, loaded = run(sys.executable, "-c", code).stdout.split(" ", 1)
    assert float(seconds) < IMPORT_SECONDS
    assert loaded.strip() == "[]"


def test_importing_twice_registers_once_and_make_finds_the_environment():
    code = (
        "import warnings; warnings.simplefilter('error'); import importlib, gymnasium, matgym;"
        "importlib.reload(matgym); print(gymnasium.spec('matgym/NanotubeDoping-v0').id)"
    )
    assert run(sys.executable, "-c", code).stdout.strip() == "matgym/NanotubeDoping-v0"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


def test_wheel_and_sdist_hold_matgym_and_no_other_top_level_name(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if not name.startswith("matgym-")} == {"matgym"}
    for wanted in (
        "matgym/agents/base.py",
        "matgym/agents/hyperparams/ppo.yml",
        "matgym/agents/zoo/doping.json",
        "matgym/agents/zoo/doping.safetensors",
        "matgym/generative/nearest.py",
        "matgym/generative/weights/gan.safetensors",
        "matgym/generative/weights/gan.json",
        "matgym/py.typed",
        "matgym/surrogates/weights/nanotube-doping.safetensors",
        "matgym/data/shipped/nanotube-doping.parquet",
        "matgym/viz/vendor/3Dmol-min.js",
        "matgym/viz/page.html",
        "matgym/app/report.html",
        "matgym/benchmark/benchmark.html",
    ):
        assert wanted in names
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getnames()
    assert any(name.endswith("matgym/agents/base.py") for name in members)


def test_an_installed_package_gives_agents_and_generative(built, tmp_path):
    """`build` makes the wheel from the source distribution; installing a wheel of Python files is to unpack it."""
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    shutil.unpack_archive(wheel, target, format="zip")
    code = (
        "import matgym, matgym.agents.base, matgym.generative; print(matgym.__file__);"
        "from matgym.surrogates import load; load('nanotube-doping')"
    )
    # -I leaves out the current folder, so that the installed copy is imported.
    found = run(
        sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}", cwd=tmp_path
    ).stdout
    assert found.startswith(str(target))
    assert {p.name for p in target.iterdir() if not p.name.endswith(".dist-info")} == {"matgym"}


def test_errors_reach_the_command_line_as_one_sentence(tmp_path):
    failed = subprocess.run(
        [sys.executable, "-m", "matgym.cli", "data", "info", str(tmp_path / "none.parquet")],
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("Error: there is no data set")
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""


def test_brackets_in_messages_are_printed(monkeypatch, capsys):
    def fail():
        raise MissingExtraError("pymatgen", "pymatgen")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr().err
    assert said.strip() == f"Error: {MissingExtraError('pymatgen', 'pymatgen')}"
    assert "[pymatgen]" in said


def test_a_missing_file_is_an_error_of_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["matgym", "oracle", "evaluate", "no-such.cif"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert "no-such.cif" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "command",
    ["demo", "data build", "data info", "oracle evaluate", "surrogate train", "surrogate evaluate"],
)
def test_every_subcommand_takes_json(command):
    assert "--json" in CliRunner().invoke(cli.app, [*command.split(), "--help"], catch_exceptions=False).stdout


def test_oracle_evaluate_reads_structure_files(tmp_path):
    tube = Nanotube(8, 0, 2).decorated({3: "B", 40: "N"})
    files = []
    for name in ("a.extxyz", "b.cif"):
        write(tmp_path / name, tube)
        files.append(str(tmp_path / name))
    printed = CliRunner().invoke(cli.app, ["oracle", "evaluate", *files, "--json"], catch_exceptions=False).stdout
    gap = PiElectrons().predict([tube])["gap_ev"][0]
    assert [row["gap_ev"] for row in json.loads(printed)] == pytest.approx([gap, gap], abs=1e-5)
