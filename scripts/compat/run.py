"""Run matgym with the libraries that its users bring, and print a table of what works.

    pip install -e ".[dev,compat,compat-d3rlpy]" && pip install --no-deps d3rlpy
    python -m scripts.compat.run                  # all, about fifteen minutes on two cores
    python -m scripts.compat.run tianshou skrl    # some

Each script of this folder asserts what its first line says. The table and docs/results/compat.json hold the version of
the library, the seconds, and the last line of the error if there was one. The exit status is 1 if a script failed; a
library that is not installed counts as neither. d3rlpy 2.8 pins gymnasium 1.0.0, which matgym does not take; it runs
with newer ones all the same, and is therefore installed without its pins.
"""

import json
import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from matgym.cli.console import print_table
from matgym.files import write_json
from scripts.studies.common import ROOT, machine

HERE = Path(__file__).parent
LIBRARIES = {
    "gymnasium_wrappers": "gymnasium",
    "gymnasium_vector": "gymnasium",
    "stable_baselines": "stable-baselines3",
    "sb3_contributed": "sb3-contrib",
    "hindsight": "stable-baselines3",
    "sbx_agents": "sbx-rl",
    "zoo": "rl_zoo3",
    "torchrl_environments": "torchrl",
    "tianshou_agents": "tianshou",
    "skrl_agents": "skrl",
    "minari_datasets": "minari",
    "d3rlpy_agents": "d3rlpy",
    "mo_gymnasium_wrappers": "mo-gymnasium",
    "morl_envelope": "morl-baselines",
    "cleanrl_file": "torch",
    "keras_model": "keras",
    "transformers_model": "transformers",
    "tblite_model": "tblite",
    "ase_model": "ase",
}
"""Script, and the distribution without which it cannot run."""

RESULT = ROOT / "docs" / "results" / "compat.json"
"""Rows of the last run of each script."""

LIMIT_S = 600.0


def run(name):
    """Run one script and return a row of the results."""
    library = LIBRARIES[name]
    try:
        row = {"script": name, "library": library, "version": version(library)}
    except PackageNotFoundError:
        return {"script": name, "library": library, "version": "", "seconds": 0.0, "result": "not installed"}
    began = time.perf_counter()
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONPATH": paths}
    try:
        done = subprocess.run(  # noqa: S603  # our own scripts
            [sys.executable, HERE / f"{name}.py"], capture_output=True, text=True, timeout=LIMIT_S, cwd=ROOT,
            check=False, env=os.environ | one_thread,
        )  # fmt: skip
        lines = done.stderr.strip().splitlines() or [""]
        errors = [line for line in lines if "Error" in line] or lines
        result = "ok" if done.returncode == 0 else f"failed: {errors[-1]}"
    except subprocess.TimeoutExpired:
        result = f"failed: not done within {LIMIT_S:.0f} s"
    return row | {"seconds": round(time.perf_counter() - began, 1), "result": result, "machine": machine()}


def main():
    names = sys.argv[1:] or list(LIBRARIES)
    unknown = [name for name in names if name not in LIBRARIES]
    if unknown:
        sys.exit(f"{', '.join(unknown)}: there is no such script; there are {', '.join(LIBRARIES)}")
    rows = []
    for name in names:
        rows.append(run(name))
        print(f"{name}: {rows[-1]['result']} ({rows[-1]['seconds']:.0f} s)", flush=True)
    shown = ("script", "library", "version", "seconds", "result")  # the machine is the same for all of them
    print_table("matgym and other libraries", [{name: row[name] for name in shown} for row in rows])
    before = json.loads(RESULT.read_text(encoding="utf-8"))["rows"] if RESULT.exists() else []
    by_name = {row["script"]: row for row in (*before, *rows)}
    kept = [by_name[name] for name in LIBRARIES if name in by_name]
    write_json(RESULT, {"command": "python -m scripts.compat.run", "rows": kept})
    print(RESULT.relative_to(ROOT))
    return int(any(row["result"].startswith("failed") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
