"""A small draw of `python -m scripts.fuzz`: nothing that users give ends in a traceback."""

import pytest

from matgym.errors import ConfigurationError
from scripts.fuzz import files, lines
from scripts.fuzz.engine import Failure, judge, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz")
    (path / "valid").mkdir()
    files.make_valid(path / "valid")
    return path


def test_command_lines_end_in_results_or_sentences(folder):
    assert run(lines.case_maker(7, folder, folder / "valid"), 200) == []


def test_damaged_files_end_in_results_or_sentences(folder):
    assert run(files.case_maker(7, folder, folder / "valid"), 200) == []


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: _raise(KeyError("x")), "KeyError"),
        (lambda: bytearray(3 << 30), "memory"),
        (lambda: _raise(ConfigurationError("")), "no words"),
    ],
)
def test_the_judge_sees_what_it_is_to_see(call, kind):
    found = judge(0, "a case", call)
    assert isinstance(found, Failure)
    assert found.kind == kind


def test_the_judge_lets_sentences_pass():
    assert judge(0, "a case", lambda: _raise(ConfigurationError("cells=0 must be 1 or more"))) is None
