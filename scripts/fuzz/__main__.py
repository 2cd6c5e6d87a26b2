"""Give matgym what no user should: damaged command lines, files and arguments, all drawn from a seed.

    python -m scripts.fuzz                          5,000 command lines, 2,000 files, 1,000 arguments of environments
    python -m scripts.fuzz --lines 200 --files 100 --arguments 50 --seed 1

A case fails if it ends in an error other than matgym's and the command line's own, allocates more than 1 GiB, takes
more than 10 s, ends the process, or leaves files behind although it failed. The exit status is 1 if a case failed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from scripts.fuzz import arguments, files, lines
from scripts.fuzz.engine import Failure, timed


def fuzz(n_lines: int, n_files: int, n_arguments: int, seed: int) -> dict[str, list[Failure]]:
    """Run cases of each kind and return the failures."""
    here = Path.cwd()

    def progress(case: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{case}", end="", file=sys.stderr)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, valid = Path(name), Path(name) / "valid"
        valid.mkdir()
        files.make_valid(valid)
        found = {
            "command lines": timed(lines.case_maker(seed, folder, valid), "command lines", n_lines, progress),
            "files": timed(files.case_maker(seed, folder, valid), "files", n_files, progress),
            "arguments": timed(arguments.case_maker(seed), "arguments", n_arguments, progress),
        }
        os.chdir(here)
    return found


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("lines", 5000), ("files", 2000), ("arguments", 1000)):
        parser.add_argument(f"--{name}", type=int, default=count, help=f"cases, {count} by default")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = fuzz(asked.lines, asked.files, asked.arguments, asked.seed)
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
