"""Bad files of every question: each is refused by one sentence with the offending value and the fix."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.errors import MatgymError
from scripts.studies.characterization.refused import CASES, rows, stand_ins, trained

ROOT = Path(__file__).parents[2]
BAD = [case for case in CASES if not case.content]
CONTENT = [case for case in CASES if case.content]


def named(case):
    return f"{case.task}-{case.wrong}"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return stand_ins(tmp_path_factory.mktemp("models"))


def test_every_question_has_bad_files_and_bad_contents():
    tasks = {"chirality-hrtem", "chirality-diffraction", "crystal-system", "species-raman", "species-absorption"}
    tasks |= {"defects-hrtem", "film-micrograph", "forest-curves"}
    assert {case.task for case in BAD} == {case.task for case in CONTENT} == tasks
    assert len(BAD) >= 30
    assert len({named(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", BAD, ids=named)
def test_a_bad_file_is_refused_with_the_value_and_the_fix(case, models, tmp_path):
    sentence = case.sentence(tmp_path, models[case.task], np.random.default_rng(0))
    assert case.says
    assert case.says in sentence
    assert case.fix
    assert case.fix in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert not re.search(r"Traceback|Error\b|<class|array\(", sentence)


@pytest.mark.parametrize("case", CONTENT, ids=named)
def test_a_file_of_wrong_content_is_refused_where_a_trained_network_is_shipped(case, tmp_path):
    if case.task not in trained():
        pytest.skip(f"{case.task} has no trained network yet")
    assert case.sentence(tmp_path, None, np.random.default_rng(0)).startswith(
        ("it differs from all", "no class is", "no answer explains")
    )


def test_good_files_pass_what_refuses_bad_ones(models, tmp_path):
    """Files of wrong content have the right kind, scale and range: an untrained network answers them, with any tube."""
    for number, case in enumerate(CONTENT):
        folder = tmp_path / str(number)
        folder.mkdir()
        sentence = case.sentence(folder, models[case.task], np.random.default_rng(0))
        assert sentence == "" or sentence.startswith(("nothing is known well enough", "the layer lines of"))


def test_a_row_without_a_trained_network_is_pending():
    for row, case in zip(rows(0), CASES, strict=True):
        assert row["pending"] == (case.content and case.task not in trained())
        assert (row["sentence"] is None) == row["pending"]


def test_the_command_prints_the_sentence(models, tmp_path):
    case = next(case for case in BAD if case.wrong == "a short range")
    case.write(tmp_path / case.file, np.random.default_rng(0))
    arguments = ["characterize", str(tmp_path / case.file), "--what", case.what, "--wavelength", "1.5406"]
    done = CliRunner().invoke(app, [*arguments, "--model", str(models[case.task])])
    assert isinstance(done.exception, MatgymError)  # `main` prints it as one sentence
    assert case.says in str(done.exception)


def test_results_and_the_page_hold_the_sentences():
    found = {(row["question"], row["wrong"], row["sentence"]) for row in rows(0)}
    stored = json.loads((ROOT / "docs" / "results" / "refused.json").read_text(encoding="utf-8"))
    assert {(row["question"], row["wrong"], row["sentence"]) for row in stored["rows"]} == found
    assert stored["answered"] == []
    page = (ROOT / "docs" / "characterization.md").read_text(encoding="utf-8")
    table = page.partition("| question | what is wrong | sentence |\n|---|---|---|\n")[2].partition("\n\n")[0]
    shown = {tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table.splitlines()}
    assert len(shown) == 8
    assert shown <= found
