"""Every figure of matgym equals that of 0.1; see scripts/studies/reference/compare.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("part", ["--quick", pytest.param("--slow", marks=pytest.mark.long)])
def test_every_figure_is_the_same_as_in_0_1(part):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "studies" / "reference" / "compare.py", part],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    different = [line for line in done.stdout.splitlines() if not line.endswith("yes")]
    assert done.returncode == 0, "\n".join(different) + done.stderr
    assert "figures are the same as 0.1's, 0 differ" in done.stdout
