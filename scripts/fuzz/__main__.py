"""Give matgym what no user should, all drawn from a seed: 20,000 inputs of eleven kinds.

    python -m scripts.fuzz                          all of them: half an hour
    python -m scripts.fuzz --share 0.01 --seed 1    a hundredth of each kind
    python -m scripts.fuzz cards onnx               these kinds only
    python -m scripts.fuzz --store                  writes docs/results/fuzz.json, too
    python -m scripts.fuzz --keep                   keeps what fails in tests/corpus, which is run first

A case fails if it ends in an error other than matgym's and the command line's own, allocates more than 1 GiB, takes
more than 5 s before its physics begins, ends the process, or leaves files behind although it failed. The exit status is
1 if a case failed.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from matgym.files import write_json
from scripts.fuzz import actions, arguments, calls, files, lines
from scripts.fuzz.engine import Make, timed
from scripts.fuzz.readers import make_valid
from scripts.studies.common import machine

RESULT = Path(__file__).parents[2] / "docs" / "results" / "fuzz.json"

COUNTS: Final = {
    "lines": 5000, "structures": 3000, "cards": 1750, "weights": 1500, "onnx": 500, "tables": 2000, "settings": 2000,
    "results": 250, "arguments": 1500, "actions": 1250, "calls": 1250,
}  # fmt: skip
"""Cases by kind."""


def fuzz(kinds: Iterable[str], share: float, seed: int, *, keep: bool = False) -> list[dict[str, Any]]:
    """Run a share of the cases of some kinds and return their counts and failures; see `timed`."""
    here, found = Path.cwd(), []

    def progress(case: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{case}", end="", file=sys.stderr)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, valid = Path(name), Path(name) / "valid"
        valid.mkdir()
        make_valid(valid)
        _warm_up()
        for kind in kinds:
            make, kept = _maker(kind, seed, folder, valid)
            row = timed(make, kind, max(1, round(COUNTS[kind] * share)), progress, kept)
            found.append(row)
            os.chdir(here)
            if keep:
                _keep(kind, seed, make, row["failures"], folder)
    return found


def _maker(kind: str, seed: int, folder: Path, valid: Path) -> tuple[Make, int]:
    """Return what makes the cases of a kind, and how many its corpus holds."""
    if kind == "lines":
        return lines.case_maker(seed, folder, valid), len(lines.corpus())
    if kind in files.KINDS:
        return files.case_maker(kind, seed, folder, valid), len(files.corpus(kind))
    makers: dict[str, Callable[[int], Make]] = {
        "arguments": arguments.case_maker,
        "actions": actions.case_maker,
        "calls": lambda seed: calls.case_maker(seed, valid),
    }
    drawn = json.loads((files.CORPUS / "drawn.json").read_text(encoding="utf-8"))[kind]
    fresh = makers[kind](seed)

    def make(case: int) -> Any:
        return fresh(case) if case >= 0 else makers[kind](drawn[case][0])(drawn[case][1])

    return make, len(drawn)


def _keep(kind: str, seed: int, make: Make, failures: list[dict[str, Any]], folder: Path) -> None:
    """Add to the corpus an input for each place that failed."""
    places: dict[tuple[str, str], dict[str, Any]] = {}
    for failure in failures:
        if failure["case"] >= 0:
            places.setdefault((failure["kind"], failure["where"]), failure)
    for failure in places.values():
        case = failure["case"]
        if kind in files.KINDS:
            what, _ = make(case)
            path = next(folder.glob(f"{kind}-{os.getpid()}/{what.partition(':')[0]}"))
            if path.stat().st_size <= files.KEPT_BYTES:
                files.keep(path, kind, f"{seed}-{case}")
        else:
            store = files.CORPUS / ("lines.json" if kind == "lines" else "drawn.json")
            content = json.loads(store.read_text(encoding="utf-8"))
            if kind == "lines":
                content.append(failure["what"])
            else:
                content[kind].append([seed, case])
            write_json(store, content)


def _store(found: list[dict[str, Any]]) -> None:
    """Write the rows of these kinds in place of their former ones."""
    command = " ".join(["python -m scripts.fuzz", *sys.argv[1:]])
    former = json.loads(RESULT.read_text(encoding="utf-8"))["rows"] if RESULT.exists() else []
    rows = {row["kind"]: row for row in former if row["kind"] in COUNTS}
    rows |= {row["kind"]: row | {"command": command} for row in found}
    ordered = [rows[kind] for kind in COUNTS if kind in rows]
    write_json(RESULT, {"command": "python -m scripts.fuzz --store", "machine": machine(), "rows": ordered})


def _warm_up() -> None:
    """Import what takes seconds, which no case is to be charged for."""
    import onnxruntime  # noqa: F401
    import sklearn.ensemble
    import sklearn.gaussian_process  # noqa: F401

    import matgym.agents.storage
    import matgym.app.report
    import matgym.benchmark.runner
    import matgym.cli
    import matgym.generative.store
    import matgym.physics.validation
    import matgym.processes.sequences.fitting
    import matgym.surrogates.training  # noqa: F401


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(COUNTS)}; all by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", action="store_true", help="write docs/results/fuzz.json")
    parser.add_argument("--keep", action="store_true", help="keep what fails in tests/corpus")
    asked = parser.parse_args()
    if unknown := set(asked.kinds) - set(COUNTS):
        parser.error(f"there are no kinds {', '.join(sorted(unknown))}; there are {', '.join(COUNTS)}")
    found = fuzz(asked.kinds or COUNTS, asked.share, asked.seed, keep=asked.keep)
    if asked.store:
        _store(found)
    sys.exit(any(row["failed"] for row in found))


if __name__ == "__main__":
    main()
