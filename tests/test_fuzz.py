"""A small draw of `python -m scripts.fuzz`: nothing that users give ends in a traceback."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from matgym.errors import ConfigurationError
from scripts.fuzz.__main__ import COUNTS
from scripts.fuzz.engine import Failure, TooLong, judge


def test_nothing_that_users_give_ends_in_a_traceback():
    """The corpus, and one in two hundred of each kind.

    In a process of its own: the fuzzer forks, and other tests may have loaded libraries with threads.
    """
    done = subprocess.run(
        [sys.executable, "-m", "scripts.fuzz", "--share", "0.005", "--seed", "8"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for kind, count in COUNTS.items():
        told = re.search(rf"^{kind}: 0 of (\d+) cases failed", done.stdout, re.MULTILINE)
        assert int(told[1]) >= count // 200


def test_twenty_thousand_inputs_are_drawn():
    assert sum(COUNTS.values()) == 20_000


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: _raise(KeyError("x")), "KeyError"),
        (lambda: bytearray(3 << 30), "memory"),
        (lambda: _raise(ConfigurationError("")), "no words"),
        (lambda: _raise(TooLong()), "time"),
        (lambda: _raise(RuntimeError("[/red]")), "RuntimeError"),
    ],
)
def test_the_judge_sees_what_it_is_to_see(call, kind):
    found = judge(0, "a case", call)
    assert isinstance(found, Failure)
    assert found.kind == kind


def test_the_judge_lets_sentences_pass():
    assert judge(0, "a case", lambda: _raise(ConfigurationError("cells=0 must be 1 or more"))) is None
