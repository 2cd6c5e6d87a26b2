"""Disturb every long job of the command line, repeat it, and compare the result with that of an undisturbed run.

    python -m scripts.crash                            200 kills, 50 truncations, 2 of each other kind per job
    python -m scripts.crash --kills 10 --truncations 4 --others 0 --seed 1
    python -m scripts.crash --jobs "surrogate train,train"
    python -m scripts.crash --store                    writes docs/results/crash.json, too

Kinds of disturbance:

- kill: SIGKILL at a random moment, or before a random change of the file system, up to three times;
- truncation: a kill, then the newest file of the job is emptied or cut off at a random place;
- full disk: no file can grow beyond a random size; where the system permits it, also a small file system in memory;
- read-only folder: the folder of the job cannot be written to, nor by root;
- two writers: a second call of the same job begins while the first one holds its lock.

A case fails if the result differs from the undisturbed one in a bit (measured times apart), if anything is left behind,
if a file of the user is touched, or if an error is not one sentence. A repeated call may also say that the output
exists, if the killed call had finished it. The exit status is 1 if a case failed. The script needs Linux.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.files import write_json
from scripts.crash.engine import (
    Reference,
    check_result,
    check_sentence,
    cut,
    new_case,
    reference,
    run,
    start,
    unfinished,
)
from scripts.crash.jobs import JOBS, Job
from scripts.studies.common import machine

RESULT: Final = Path(__file__).parents[2] / "docs" / "results" / "crash.json"

KINDS: Final = ("kill", "truncation", "full disk", "read-only folder", "two writers")

_MOST_KILLS: Final = 3

Disturb = Callable[[Job, Path, Reference, np.random.Generator], tuple[str, list[str], dict[str, str]]]
"""Returns what was done in words, what was wrong at once, and further files of the user."""


def kill(job: Job, case: Path, expected: Reference, rng: np.random.Generator) -> tuple[str, list[str], dict[str, str]]:
    """Kill the job at random moments, and put a file of the user into its work folder in some cases."""
    done, kept = [], {}
    for _ in range(int(rng.integers(1, _MOST_KILLS + 1))):
        if rng.random() < 0.5:
            number = int(rng.integers(1, expected.changes + 1))
            run(job, case, kill_at=number)
            done.append(f"before change {number} of {expected.changes}")
        else:
            running, moment = start(job, case), float(rng.random()) * expected.seconds
            time.sleep(moment)
            running.kill()
            running.wait()
            done.append(f"after {moment:.2f} of {expected.seconds:.2f} s")
    folders = [path for path in ((case / "here").rglob("*.work")) if (path / "matgym-work.json").exists()]
    if folders and rng.random() < 0.25:
        mine = folders[0] / "thesis.txt"
        mine.write_text("mine", encoding="utf-8")
        kept[str(mine.relative_to(case / "here"))] = "mine"
        done.append("with a file of the user in the work folder")
    return ", ".join(done), [], kept


def truncation(
    job: Job, case: Path, expected: Reference, rng: np.random.Generator
) -> tuple[str, list[str], dict[str, str]]:
    """Kill the job when it has written something, and cut its newest file off."""
    for _ in range(20):
        number = int(rng.integers(1, expected.changes + 1))
        run(job, case, kill_at=number)
        files = unfinished(case)
        if files and any(path.name == "matgym-work.json" or "records" in path.parts for path in files):
            size = cut(files[0], rng)
            return f"{files[0].relative_to(case / 'here')} cut to {size} bytes, before change {number}", [], {}
        shutil.rmtree(case)
        new_case(case, case.parent / "inputs")
    return "no piece was found", ["no piece was found"], {}


def full_disk(
    job: Job, case: Path, expected: Reference, rng: np.random.Generator
) -> tuple[str, list[str], dict[str, str]]:
    """Run the job where its largest file cannot be written."""
    size = int(rng.integers(expected.largest))
    ended = run(job, case, largest_file=size)
    words = ("free some space", "File too large", "No space left")
    return f"files up to {size} bytes", check_sentence(ended, *words), {}


def read_only(
    job: Job, case: Path, expected: Reference, rng: np.random.Generator
) -> tuple[str, list[str], dict[str, str]]:
    """Run the job in a folder that cannot be written to: the error comes before the work."""
    del rng, expected
    here = case / "here"
    before = sorted(str(path) for path in here.rglob("*"))
    here.chmod(0o555)
    ended = run(job, case, powerless=True)
    here.chmod(0o755)
    wrong = check_sentence(ended, "is not writable")
    if sorted(str(path) for path in here.rglob("*")) != before:
        wrong.append("something was written")
    if ended.changes:
        wrong.append("work had begun")
    return "the folder is read-only", wrong, {}


def two_writers(
    job: Job, case: Path, expected: Reference, rng: np.random.Generator
) -> tuple[str, list[str], dict[str, str]]:
    """Start the job again while the first one holds its lock, and is stopped so that it keeps it."""
    del rng
    first = start(job, case)
    held = first.stop_in_lock(case / "here")
    second = run(job, case)
    first.go_on()
    ended = first.wait()
    wrong = check_sentence(second, "another call")
    if not held:
        wrong.append("the first never held a lock")
    if ended.status:
        wrong.append(f"the first ended with {ended.status}: {ended.said[-300:]}")
    return "a second call", wrong + check_result(case, expected, {}), {}


DISTURB: Final[dict[str, Disturb]] = dict(
    zip(KINDS, (kill, truncation, full_disk, read_only, two_writers), strict=True)
)


def tried(kind: str, job: Job, folder: Path, expected: Reference, seed: Sequence[int]) -> dict[str, Any] | None:
    """Run one case, and return how it failed, if it did."""
    rng = np.random.default_rng(seed)
    case = new_case(folder / "case", folder / "inputs")
    what, wrong, kept = DISTURB[kind](job, case, expected, rng)
    if kind != "two writers":
        ended = run(job, case)
        said = " ".join(ended.said.split())
        finished = ended.status == 2 and "exists: name another file" in said
        if ended.status and not finished:
            wrong.append(f"the repeated call ended with {ended.status}: {said[-300:]}")
        differs = check_result(case, expected, kept)
        if finished and kind == "kill" and kept:
            differs = [each for each in differs if "/matgym-work.json" not in each]
        wrong += differs
    shutil.rmtree(case)
    return {"kind": kind, "job": job.name, "seed": list(seed), "what": what, "wrong": wrong} if wrong else None


def crash(counts: dict[str, int], jobs: Sequence[Job], seed: int, folder: Path) -> list[dict[str, Any]]:
    """Run `counts` cases of each kind, over the jobs in turn, and return the counts and failures by job."""
    inputs = folder / "inputs"
    inputs.mkdir()
    subprocess.run([sys.executable, "-m", "scripts.crash.inputs", str(inputs)], check=True)  # noqa: S603
    _preload()
    cases: Counter[tuple[str, str]] = Counter()
    failures: list[dict[str, Any]] = []
    references = {}
    for job in jobs:
        references[job.name] = reference(job, folder / "case", inputs)
        found = references[job.name]
        print(
            f"{job.name}: {found.seconds:.1f} s, {found.changes} changes, largest file {found.largest} bytes",
            flush=True,
        )
    for code, kind in enumerate(KINDS):
        suited = [job for job in jobs if kind != "truncation" or job.pieces]
        for number in range(counts[kind] if suited else 0):
            job = suited[number % len(suited)]
            failure = tried(kind, job, folder, references[job.name], (seed, code, number))
            cases[job.name, kind] += 1
            if failure is not None:
                failures.append(failure)
                print(f"FAILED {kind} {number}, {job.name}: {failure['what']}: {failure['wrong'][:4]}", flush=True)
    return [
        {
            "job": job.name,
            **{kind: cases[job.name, kind] for kind in KINDS},
            "failures": [f for f in failures if f["job"] == job.name],
        }
        for job in jobs
    ]


def _preload() -> None:
    """Import what the jobs import, so that each run is a fork that begins its work at once."""
    import matgym.agents.training
    import matgym.app.report
    import matgym.benchmark.report
    import matgym.benchmark.solve
    import matgym.cli
    import matgym.generative.store
    import matgym.processes.sequences.fitting
    import matgym.surrogates.training  # noqa: F401


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--truncations", type=int, default=50)
    parser.add_argument("--others", type=int, default=2, help="cases of each other kind for each job")
    parser.add_argument("--jobs", default="", help="names of jobs, separated by semicolons; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", action="store_true", help="write docs/results/crash.json")
    asked = parser.parse_args()
    names = [name.strip() for name in asked.jobs.split(";") if name.strip()]
    if unknown := set(names) - {job.name for job in JOBS}:
        parser.error(f"there are no jobs {', '.join(unknown)}; there are {'; '.join(job.name for job in JOBS)}")
    jobs = [job for job in JOBS if not names or job.name in names]
    counts = {"kill": asked.kills, "truncation": asked.truncations} | dict.fromkeys(KINDS[2:], asked.others * len(jobs))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        rows = crash(counts, jobs, asked.seed, Path(name))
    failed = sum(len(row["failures"]) for row in rows)
    for kind in KINDS:
        print(f"{kind}: {sum(row[kind] for row in rows)} cases")
    print(f"{failed} failed, {time.perf_counter() - began:.0f} s")
    if asked.store:
        command = " ".join(["python -m scripts.crash", *sys.argv[1:]])
        write_json(RESULT, {"command": command, "machine": machine(), "rows": rows})
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
