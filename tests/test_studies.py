"""The studies behind the documentation's figures: all can be imported, and each runs in its small settings."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scripts" / "studies"
STUDIES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in FOLDER.rglob("*.py")
    if "Study.from_command_line" in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", [*STUDIES, "scripts.studies.physics.kwant_reference"])
def test_a_study_can_be_imported_and_states_its_command(name):
    assert f"python -m {name}" in (import_module(name).__doc__ or "")


def test_all_studies_are_found():
    assert len(STUDIES) >= 18


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_in_its_small_settings(name, monkeypatch, tmp_path, capsys):
    common = import_module("scripts.studies.common")
    monkeypatch.setattr(common, "OUTPUT", tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "--quick", "--workers", "1"])
    import_module(name).main()
    assert capsys.readouterr().out
    for file in tmp_path.glob("runs/quick/results/*.json"):
        assert json.loads(file.read_text(encoding="utf-8"))["command"] == f"python -m {name}"
    # The table of published values is printed only: it goes into a page.
    assert list(tmp_path.glob("runs/quick/*/*")) or name.endswith("physics.table")


def test_the_documentation_names_studies_that_exist():
    named = set()
    for page in (*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named |= set(re.findall(r"python -m (scripts\.studies\.[a-z0-9_.]+)`", page.read_text(encoding="utf-8")))
    assert named
    assert named <= set(STUDIES)
