"""Give matgym what no user should: damaged command lines, files and arguments, all drawn from a seed.

    python -m scripts.fuzz                          5,000 command lines, 2,000 files, 1,000 arguments of environments
    python -m scripts.fuzz --lines 200 --files 100 --arguments 50 --seed 1
    python -m scripts.fuzz --store                  writes docs/results/fuzz.json, too

A case fails if it ends in an error other than matgym's and the command line's own, allocates more than 1 GiB, takes
more than 10 s, ends the process, or leaves files behind although it failed. The exit status is 1 if a case failed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from matgym.files import write_json
from scripts.fuzz import arguments, files, lines
from scripts.fuzz.engine import timed
from scripts.studies.common import machine

RESULT = Path(__file__).parents[2] / "docs" / "results" / "fuzz.json"


def fuzz(n_lines: int, n_files: int, n_arguments: int, seed: int) -> list[dict[str, Any]]:
    """Run cases of each kind and return their counts and failures; see `timed`."""
    here = Path.cwd()

    def progress(case: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{case}", end="", file=sys.stderr)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, valid = Path(name), Path(name) / "valid"
        valid.mkdir()
        files.make_valid(valid)
        found = [
            timed(lines.case_maker(seed, folder, valid), "command lines", n_lines, progress),
            timed(files.case_maker(seed, folder, valid), "files", n_files, progress),
            timed(arguments.case_maker(seed), "arguments", n_arguments, progress),
        ]
        os.chdir(here)
    return found


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("lines", 5000), ("files", 2000), ("arguments", 1000)):
        parser.add_argument(f"--{name}", type=int, default=count, help=f"cases, {count} by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", action="store_true", help="write docs/results/fuzz.json")
    asked = parser.parse_args()
    found = fuzz(asked.lines, asked.files, asked.arguments, asked.seed)
    if asked.store:
        command = " ".join(["python -m scripts.fuzz", *sys.argv[1:]])
        write_json(RESULT, {"command": command, "machine": machine(), "rows": found})
    sys.exit(any(row["failed"] for row in found))


if __name__ == "__main__":
    main()
