"""Compute the figures of matgym 0.1 and write them to reference.json, beside this file.

    python scripts/studies/reference/collect_0_1.py

The script extracts the commit from the history into a temporary folder and runs `figures.py version_0_1` there, on one
thread. Floats are written as Python's shortest exact decimals, so that reading them gives the same bits.
"""

import json
import subprocess
import sys

from checkout import COMMIT, HERE, checkout, environment
from figures import machine

REFERENCE = HERE / "reference.json"


def collect():
    """Return the figures of 0.1, computed on this machine."""
    command = [sys.executable, HERE / "figures.py", "version_0_1"]
    with checkout() as folder:
        done = subprocess.run(  # noqa: S603  # our own
            command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.PIPE
        )
    made_by = "python scripts/studies/reference/collect_0_1.py"
    figures = json.loads(done.stdout.splitlines()[-1])
    return {"commit": COMMIT, "made_by": made_by, "machine": machine(), "figures": figures}


if __name__ == "__main__":
    REFERENCE.write_text(json.dumps(collect(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(REFERENCE)
