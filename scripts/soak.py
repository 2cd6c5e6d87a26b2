"""An hour of work in one process: do memory, file descriptors, threads or disk grow?

    python -m scripts.soak                  an hour; writes nothing
    python -m scripts.soak --minutes 5
    python -m scripts.soak --store          writes docs/results/soak.json, too

A round makes every environment, plays an episode, draws a frame, and does the same with two of them side by side; it
computes properties of tubes by physics and by networks, samples a generator, writes, reads and exports structures, and
calls the command line. Ten rounds with different seeds are repeated: what is computed again must not need more. After
the warm-up (the first fifth) the measurements are averaged over ten blocks of time, and a straight line is fitted to
the ten averages; a slope whose 95 % interval (Student's t with 8 degrees of freedom) lies above zero fails. We chose
these numbers before the first run.
"""

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Final

import gymnasium as gym
import numpy as np
from scipy import stats

from matgym.files import write_json
from scripts.compat.common import ARGUMENTS, random_action
from scripts.studies.common import ROOT, machine, print_markdown

RESULT = ROOT / "docs" / "results" / "soak.json"
SEEDS: Final = 10
BLOCKS: Final = 10
WARM_UP: Final = 0.2


def measured(folder: Path) -> dict[str, float]:
    """Return what the process uses now, and what lies in the folder that all its files go to."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory, MiB": int(status["VmRSS"].split()[0]) / 1024.0,
        "file descriptors": float(sum(1 for _ in Path("/proc/self/fd").iterdir())),
        "threads": float(status["Threads"]),
        "disk, MiB": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2.0**20,
        "files": float(sum(1 for _ in folder.rglob("*"))),
    }


def environments(rng: np.random.Generator, _folder: Path) -> None:
    """Play an episode of each environment, alone and as one of two, and draw its end."""
    for name, arguments in ARGUMENTS.items():
        env = gym.make(name, render_mode="rgb_array", **arguments)
        _, info = env.reset(seed=int(rng.integers(2**31)))
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(random_action(env, rng, info))
            over = terminated or truncated
        env.render()
        env.close()
        envs = gym.make_vec(name, num_envs=2, **arguments)
        envs.reset(seed=int(rng.integers(2**31)))
        for _ in range(3):
            envs.step(envs.action_space.sample())
        envs.close()


def models(rng: np.random.Generator, _folder: Path) -> None:
    """Compute properties of random tubes by physics and by a network, and sample the generator."""
    from matgym import physics, surrogates
    from matgym.structures import Nanotube
    from matgym.tasks import as_design_generator, decoration_task

    tubes = []
    for _ in range(4):
        n = int(rng.integers(5, 12))
        tube = Nanotube(n, int(rng.integers(0, 2)) * n, 2)
        sites = rng.choice(tube.n_sites, 3, replace=False).tolist()
        tubes.append(tube.decorated(dict(zip(sites, ("B", "N", "vacancy"), strict=True))))
    physics.predict(tubes, ("gap", "conductance"))
    task = decoration_task()
    designs = task.space.sample(8, rng)
    surrogates.load("nanotube-doping").predict(task.space.decode(designs))
    as_design_generator("gan").sample(task.space, np.full(4, 0.5), rng)


def files(rng: np.random.Generator, folder: Path) -> None:
    """Write, read and export a structure."""
    from matgym.structures import Nanotube
    from matgym.structures.io import read, write

    tube = Nanotube(8, 0, 3).decorated({int(rng.integers(96)): "B"})
    for name in ("tube.cif", "tube.extxyz", "tube.lmp", "POSCAR"):
        write(folder / name, tube)
    assert read(folder / "tube.extxyz") == tube, "a structure changed on its way through a file"  # noqa: S101


def commands(_rng: np.random.Generator, folder: Path) -> None:
    """Call the command line, rightly and wrongly."""
    from typer.testing import CliRunner

    from matgym.cli import app

    calls = (
        ["envs", "list"], ["predict", "(8,0)x2"], ["oracle", "evaluate", str(folder / "tube.cif")],
        ["predict", str(folder / "missing.cif")], ["benchmark", "report", str(folder / "none")],
    )  # fmt: skip
    for call in calls:
        CliRunner().invoke(app, call)


WORK: Final[tuple[Callable[[np.random.Generator, Path], None], ...]] = (files, environments, models, commands)


def soak(minutes: float, folder: Path) -> list[dict[str, float]]:
    """Work for a time, and return the measurements after each round, with its time in minutes."""
    began, rows = time.monotonic(), []
    while (now := (time.monotonic() - began) / 60.0) < minutes:
        for work in WORK:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                work(np.random.default_rng(len(rows) % SEEDS), folder)
        rows.append({"minutes": (time.monotonic() - began) / 60.0} | measured(folder))
        if sys.stderr.isatty():
            print(f"\r{now:.1f} of {minutes:g} minutes, round {len(rows)}", end="", file=sys.stderr)
    return rows


def slopes(rows: list[dict[str, float]], minutes: float) -> list[dict[str, float | str | bool]]:
    """Return the slope per hour of each measurement after the warm-up, with its 95 % interval."""
    kept = [row for row in rows if row["minutes"] >= WARM_UP * minutes]
    edges = np.linspace(WARM_UP * minutes, minutes, BLOCKS + 1)
    blocks = [[row for row in kept if low <= row["minutes"] < high] for low, high in pairwise(edges)]
    if not all(blocks):
        raise SystemExit(f"{len(rows)} rounds do not fill {BLOCKS} blocks: soak for longer")
    hours = [float(np.mean([row["minutes"] for row in block])) / 60.0 for block in blocks]
    found: list[dict[str, float | str | bool]] = []
    for name in list(rows[0])[1:]:
        means = [float(np.mean([row[name] for row in block])) for block in blocks]
        line = stats.linregress(hours, means)
        half = float(stats.t.ppf(0.975, BLOCKS - 2) * np.nan_to_num(line.stderr))  # NaN if all are equal
        low, high = float(line.slope) - half, float(line.slope) + half
        found.append(
            {"what": name, "start": rows[0][name], "end": rows[-1][name], "slope_an_hour": float(line.slope),
             "low": low, "high": high, "grows": low > 0.0}
        )  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--store", action="store_true", help="write docs/results/soak.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["MATGYM_CACHE"] = str(Path(name) / "cache")
        rows = soak(asked.minutes, Path(name))
    found = slopes(rows, asked.minutes)
    head = ("what", "at the start", "at the end", "slope an hour", "95 % interval")
    print_markdown(
        head,
        [(r["what"], r["start"], r["end"], r["slope_an_hour"], f"[{r['low']:.3g}, {r['high']:.3g}]") for r in found],
    )
    if asked.store:
        settings = {"minutes": asked.minutes, "rounds": len(rows), "seeds": SEEDS, "blocks": BLOCKS, "warm_up": WARM_UP}
        write_json(
            RESULT, {"command": "python -m scripts.soak --store", "machine": machine(), **settings, "rows": found}
        )
    sys.exit(any(row["grows"] for row in found))


if __name__ == "__main__":
    main()
