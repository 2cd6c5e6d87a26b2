"""The package as a user gets it."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPORT_SECONDS = 1.0
HEAVY = ("torch", "stable_baselines3", "ase", "pymatgen", "matplotlib", "scipy", "pyarrow")


def run(*command, **kwargs):
    return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs)


@pytest.mark.parametrize("module", ["matgym", "matgym.cli"])
def test_import_is_light_and_quick(module):
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
        "matgym/agents/hyperparams/nanotube-doping.yml",
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


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_an_installed_package_gives_agents_and_generative(built, tmp_path, kind):
    (archive,) = built.glob(kind)
    target = tmp_path / "site"
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
        str(archive),
    )
    code = (
        "import matgym, matgym.agents.base, matgym.generative; print(matgym.__file__);"
        "from matgym.surrogates import load; load('nanotube-doping')"
    )
    # -I leaves out the current folder, so that it is the installed copy which is imported.
    found = run(
        sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}", cwd=tmp_path
    ).stdout
    assert found.startswith(str(target))
    assert {p.name for p in target.iterdir() if p.is_dir() and not p.name.endswith((".dist-info", "bin"))} == {"matgym"}


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


def test_brackets_in_messages_reach_the_reader():
    from matgym.errors import MissingExtraError

    code = (
        "import sys; import matgym.cli as c; from matgym.errors import MissingExtraError as E\n"
        "def fail(): raise E('pymatgen', 'pymatgen')\n"
        "c.app = fail; c.main()"
    )
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert failed.stderr.strip() == f"Error: {MissingExtraError('pymatgen', 'pymatgen')}"
    assert "[pymatgen]" in failed.stderr


def test_a_missing_file_is_one_sentence():
    failed = subprocess.run(
        [sys.executable, "-m", "matgym.cli", "oracle", "evaluate", "no-such.cif"], capture_output=True, text=True
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("Error: ")
    assert "no-such.cif" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_every_subcommand_takes_json():
    for command in (
        ["demo"],
        ["data", "build"],
        ["data", "info"],
        ["oracle", "evaluate"],
        ["surrogate", "train"],
        ["surrogate", "evaluate"],
    ):
        assert "--json" in run(sys.executable, "-m", "matgym.cli", *command, "--help").stdout


def test_oracle_evaluate_reads_structure_files(tmp_path):
    from matgym.physics import PiElectrons
    from matgym.structures import Nanotube
    from matgym.structures.io import write

    tube = Nanotube(8, 0, 2).decorated({3: "B", 40: "N"})
    files = []
    for name in ("a.extxyz", "b.cif"):
        write(tmp_path / name, tube)
        files.append(str(tmp_path / name))
    rows = json.loads(run(sys.executable, "-m", "matgym.cli", "oracle", "evaluate", *files, "--json").stdout)
    gap = PiElectrons().predict([tube])["gap_ev"][0]
    assert [row["gap_ev"] for row in rows] == pytest.approx([gap, gap], abs=1e-5)
