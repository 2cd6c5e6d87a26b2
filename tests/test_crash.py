"""A small draw of `python -m scripts.crash`: disturbed long jobs resume to the same bits, and leave nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SHORT = "furnace train;benchmark solve"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, audits and limits as on Linux")


def test_disturbed_jobs_give_the_results_of_undisturbed_ones():
    counts = ("--kills", "10", "--truncations", "4", "--others", "1", "--jobs", SHORT, "--seed", "7")
    done = subprocess.run([sys.executable, "-m", "scripts.crash", *counts], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill: 10 cases\ntruncation: 4 cases\nfull disk: 2 cases" in done.stdout


@pytest.mark.long
def test_every_long_job_survives_a_kill_and_a_cut_file():
    counts = ("--kills", "13", "--truncations", "9", "--others", "0", "--seed", "8")
    done = subprocess.run([sys.executable, "-m", "scripts.crash", *counts], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
