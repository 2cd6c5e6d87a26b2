"""Compare the speed of the present code with that of matgym 0.1, in pairs, on one thread.

    python scripts/studies/reference/speed.py                       # a quarter of an hour on an idle core
    python scripts/studies/reference/speed.py --control             # 0.1 against itself: all ratios about 1
    python scripts/studies/reference/speed.py --only CVDGrowth      # measurements whose names contain a text

0.1 is extracted from the history into a temporary folder. In each repeat a new worker (`timings.py`) of either version
is started, and both run the same measurement in short alternating rounds, of which the fastest counts. Cold starts are
measured in separate processes. The ratio is the present speed over that of 0.1 (above 1 is faster), of medians over
repeats; its 95 % interval is a percentile bootstrap over pairs. The script prints a table and writes
docs/results/speed-against-0.1.json.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
from checkout import COMMIT, HERE, ROOT, checkout, environment
from figures import ENVIRONMENTS, machine
from timings import names

RESULT = ROOT / "docs" / "results" / "speed-against-0.1.json"
REPEATS = 5
FEWEST_ROUNDS, MOST_ROUNDS, ENOUGH_S = 3, 20, 2.5  # rounds of a measurement, and seconds after which it ends
RESAMPLES = 10_000
ACCEPTED = 0.95


def start(version, folder):
    """Start a worker of a version whose matgym is in a folder."""
    command = [sys.executable, HERE / "timings.py", version]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(  # noqa: S603  # this file's own
        command, cwd=folder, env=environment(folder), **pipes
    )


def ask(worker, name=""):
    """Prepare a worker for a measurement; without a name, return the CPU seconds of a round of it."""
    worker.stdin.write(name + "\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def best_of_rounds(workers):
    """Return the (2,) least CPU seconds of both workers in alternating rounds, those of the least disturbed round."""
    began, rounds = time.perf_counter(), []
    while len(rounds) < FEWEST_ROUNDS or (len(rounds) < MOST_ROUNDS and time.perf_counter() - began < ENOUGH_S):
        rounds.append([ask(worker) for worker in workers])
    return np.min(rounds, axis=0)


def cold(version, folder, name):
    """Return CPU seconds in a new process."""
    command = [sys.executable, HERE / "timings.py", version, "--cold", name]
    done = subprocess.run(  # noqa: S603  # this file's own
        command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


def measure(sides, wanted, cold_names, repeats):
    """Return (repeats, 2) CPU seconds by name, 0.1 first."""
    seconds = {name: [] for name in (*wanted, *cold_names)}
    for side in sides:
        cold(*side, "matgym")  # compiles to byte code and fills the file cache
    for repeat in range(repeats):
        order = slice(None, None, 1 if repeat % 2 == 0 else -1)  # alternate the first worker
        with ExitStack() as running:
            workers = [running.enter_context(start(*side)) for side in sides[order]] if wanted else []
            for name in wanted:
                for worker in workers:
                    ask(worker, name)
                seconds[name].append(best_of_rounds(workers)[order])
                print(f"repeat {repeat + 1} of {repeats}: {name}", file=sys.stderr, flush=True)
            for worker in workers:
                worker.stdin.close()
        for name, identity in cold_names.items():
            seconds[name].append([cold(*side, identity) for side in sides[order]][order])
            print(f"repeat {repeat + 1} of {repeats}: {name}", file=sys.stderr, flush=True)
    return {name: np.array(pairs) for name, pairs in seconds.items()}


def ratio(pairs):
    """Return the present speed over that of 0.1, and its 95 % interval."""
    rows = np.random.default_rng(0).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    old, now = np.median(pairs[rows], axis=1).T
    low, high = np.percentile(old / now, (2.5, 97.5))
    middle = np.median(pairs, axis=0)
    return float(middle[0] / middle[1]), (float(low), float(high))


def main():
    parser = argparse.ArgumentParser(description="Compare the speed of the present code with that of matgym 0.1.")
    parser.add_argument("--control", action="store_true", help="measure 0.1 against itself; writes no file")
    parser.add_argument("--only", default="", help="measure only what has this text in its name; writes no file")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    chosen = parser.parse_args()

    wanted = [name for name in names(ENVIRONMENTS) if chosen.only in name]
    cold_names = {"import matgym": "matgym"} | {
        f"make {name.removeprefix('matgym/')}, cold": name for name in ENVIRONMENTS
    }
    cold_names = {name: identity for name, identity in cold_names.items() if chosen.only in name}
    with checkout() as old, checkout() as copy:
        sides = [("version_0_1", old), ("version_0_1", copy) if chosen.control else ("present", ROOT)]
        measured = measure(sides, wanted, cold_names, chosen.repeats)

    print(f"{'measurement':<44} {'0.1, ms':>10} {'now, ms':>10} {'speed now / 0.1':>16}   95 % interval")
    rows = []
    for name, pairs in measured.items():
        middle, (low, high) = ratio(pairs)
        old_ms, now_ms = 1000.0 * np.median(pairs, axis=0)
        mark = "  slower" if middle < ACCEPTED else ""
        print(f"{name:<44} {old_ms:>10.3f} {now_ms:>10.3f} {middle:>16.3f}   {low:.3f} to {high:.3f}{mark}")
        rows.append(
            {"measurement": name, "ratio": middle, "interval": [low, high], "cpu_seconds_0_1_and_now": pairs.tolist()}
        )
    if not chosen.control and not chosen.only:
        content = {"commit": COMMIT, "repeats": chosen.repeats, "machine": machine(), "rows": rows}
        RESULT.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(RESULT)


if __name__ == "__main__":
    main()
