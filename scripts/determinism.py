"""Are results the same to the bit under every setting of the machine that a user may change?

    python -m scripts.determinism            runs the work in 8 processes of different settings, and prints a table
    python -m scripts.determinism --store    writes docs/results/determinism.json, too

The settings are the number of threads (of BLAS, OpenMP and torch), the seed of Python's hashes, and whether the work is
done in the first process or in one that it has spawned. Each process computes SHA-256 sums of: episodes of every
environment; the same episodes of a batch; physics, networks and generators on random tubes; designs of the optimizers;
weights after short trainings; and the files of `data build` by one or two processes. The exit status is 1 if a sum
differs, or if an episode of a batch differs from the same episode alone. Sums of the trainings may depend on the number
of threads, because torch then adds in another order; they are compared at equal numbers of threads.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from matgym.cli.console import progress_bar
from matgym.files import write_json
from scripts.studies.common import ROOT, machine, print_markdown

RESULT = ROOT / "docs" / "results" / "determinism.json"
SETTINGS = tuple(product((1, 2), ("0", "1"), ("first", "spawned")))
"""Threads, the seed of hashes, and the process."""

EPISODES = 2
DIFFERENCE = "side by side and alone, largest difference"
"""The end of the names of differences, which are compared with `ROUNDING`, and not only with each other."""

ROUNDING = 1e-6
"""Largest difference of a reward in a batch from the same reward alone; rewards are of the order of 1. Networks compute
in 32 bits, and matrices of other heights are summed in another order. We set it after 1e-7 had been seen as the largest
difference of five environments: it is ten roundings of a number of 32 bits."""

TRAINED = "training"
"""The beginning of the names of sums that may depend on the number of threads."""


def digest(*arrays: Any) -> str:
    """Return a hash of the type, shape and bytes of arrays."""
    state = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        state.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return state.hexdigest()[:16]


def flat(value: Any) -> list[Any]:
    """Return the arrays of an observation or info in the order of their names."""
    if isinstance(value, dict):
        return [array for name in sorted(value) for array in flat(value[name])]
    return [np.asarray(value)]


def environments() -> Iterator[tuple[str, str]]:
    """Yield the sums of episodes alone, and of the same episodes side by side."""
    import gymnasium as gym

    from scripts.compat.common import ARGUMENTS, random_action

    for name, arguments in ARGUMENTS.items():
        env, rewards, played = gym.make(name, **arguments), [], []
        for seed in range(EPISODES):
            rng, (seen, info), over, total = np.random.default_rng(seed), env.reset(seed=seed), False, []
            trace, actions = [*flat(seen), *flat(info)], []
            while not over:
                actions.append(random_action(env, rng, info))
                seen, reward, terminated, truncated, info = env.step(actions[-1])
                trace += [*flat(seen), *flat(info), np.array([terminated, truncated])]
                total.append(reward)
                over = terminated or truncated
            yield f"{name}: episode {seed}", digest(*trace)
            rewards.append(total)
            played.append(actions)
        envs = gym.make_vec(name, num_envs=EPISODES, **arguments)
        envs.reset(seed=list(range(EPISODES)))
        steps = min(map(len, played))
        beside = [envs.step(np.stack([actions[step] for actions in played]))[1] for step in range(steps)]
        for seed in range(EPISODES):
            alone = np.array(rewards[seed][:steps], dtype=np.float64)
            together = np.array([step[seed] for step in beside], dtype=np.float64)
            yield f"{name}: rewards of episode {seed}, side by side", digest(together)
            yield f"{name}: rewards of episode {seed}, {DIFFERENCE}", f"{np.abs(together - alone).max():.2g}"


def models() -> Iterator[tuple[str, str]]:
    """Yield the sums of predictions of random tubes, and of samples of the generators."""
    from matgym import physics, surrogates
    from matgym.tasks import as_design_generator, decoration_task

    space = decoration_task().space
    designs = space.sample(16, np.random.default_rng(0))
    tubes = space.decode(designs)
    for name in ("gap", "pi_formation", "conductance", "formation"):
        found = physics.predict(tubes, (name,))
        yield f"physics, {name}", digest(*(found.values[key] for key in sorted(found.values)))
    for name in ("nanotube-doping", "nanotube-young"):
        found = surrogates.load(name).predict(tubes)
        yield f"network, {name}", digest(*(found.values[key] for key in sorted(found.values)))
    for name in ("random", "nearest", "swap", "gan", "vae", "diffusion"):
        made = as_design_generator(name).sample(space, np.full(8, 0.5), np.random.default_rng(0))  # type: ignore[arg-type]
        yield f"generator, {name}", digest(np.array([tube.digest for tube in made]))


def optimizers() -> Iterator[tuple[str, str]]:
    """Yield the sums of designs and rewards of each optimizer in 32 evaluations."""
    from scripts.studies.reference.figures import OPTIMIZERS
    from scripts.studies.reference.present import search

    for name, evaluations in OPTIMIZERS.items():
        kind = TRAINED if evaluations > 32 else "optimizer"
        yield f"{kind}, {name}", digest(*search(name, "doping-easy", evaluations, np.random.default_rng(0)))


def trainings() -> Iterator[tuple[str, str]]:
    """Yield the sums of weights after an epoch."""
    from scripts.studies.reference.present import sequences_fit, surrogate_fit

    for name, make in (("surrogate", surrogate_fit(256)), ("furnace", sequences_fit(64, np.random.default_rng(0)))):
        fitted = make()
        networks = fitted.networks if hasattr(fitted, "networks") else [fitted.network]
        weights = [tensor.numpy() for net in networks for tensor in net.state_dict().values()]
        yield f"{TRAINED}, {name}", digest(*weights)


def data_sets() -> Iterator[tuple[str, str]]:
    """Yield the sum of a data set that is built by one process, and by two."""
    from matgym.data import Dataset, DatasetSpec, Family, build

    spec = DatasetSpec(name="small", families=(Family(n=8, m=0, cells=2, samples=24),))
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            made = build(spec, Path(folder) / "small.parquet", workers=workers)
            yield f"data set, workers: {workers}", str(Dataset.load(made).digest)


def work(threads: int) -> dict[str, str]:
    """Return all sums by name."""
    import torch

    torch.set_num_threads(threads)
    return {
        name: sum_
        for group in (environments, models, optimizers, trainings, data_sets)
        for name, sum_ in group()
    }  # fmt: skip


def in_process(threads: int, hash_seed: str, process: str) -> dict[str, str]:
    """Return the sums of a process with these settings."""
    number = str(threads)
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), number)
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | variables | {"PYTHONHASHSEED": hash_seed, "MATGYM_CACHE": cache}
        command = [sys.executable, "-m", "scripts.determinism", "--worker", number, process]
        done = subprocess.run(  # noqa: S603  # this file's own
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def judged(found: dict[tuple[int, str, str], dict[str, str]]) -> list[dict[str, Any]]:
    """Return a row for each sum: its values, and whether they are equal where they must be."""
    rows = []
    for name in next(iter(found.values())):
        sums = {settings: sums[name] for settings, sums in found.items()}
        groups = [[each for settings, each in sums.items() if settings[0] == threads] for threads in (1, 2)]
        equal = all(len(set(group)) == 1 for group in groups) and (
            name.startswith(TRAINED) or len(set(sums.values())) == 1
        )
        if name.endswith(DIFFERENCE):
            equal &= all(float(value) <= ROUNDING for value in sums.values())
        if name == "data set, workers: 2":
            equal &= all(each[name] == each["data set, workers: 1"] for each in found.values())
        rows.append({"what": name, "sums": sorted(set(sums.values())), "equal": bool(equal)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="write docs/results/determinism.json")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        threads, process = int(asked.worker[0]), asked.worker[1]
        if process == "spawned":
            # A process of multiprocessing.Pool could not start those of `data build`.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                sums = pool.submit(work, threads).result()
        else:
            sums = work(threads)
        print(json.dumps(sums))
        return
    found = {}
    with progress_bar() as bar:
        task = bar.add_task("determinism", total=len(SETTINGS), note="")
        for settings in SETTINGS:
            found[settings] = in_process(*settings)
            bar.update(task, advance=1, note=str(settings))
    rows = judged(found)
    shown = [(r["what"], r["sums"][0] if len(r["sums"]) == 1 else len(r["sums"]), r["equal"]) for r in rows]
    print_markdown(("what", "the sum, or how many there are", "as it must be"), shown)
    unequal = sum(not row["equal"] for row in rows)
    print(f"\n{len(rows)} sums under {len(SETTINGS)} settings: {unequal} differ")
    if asked.store:
        command = "python -m scripts.determinism --store"
        write_json(RESULT, {"command": command, "machine": machine(), "settings": SETTINGS, "rows": rows})
    sys.exit(unequal > 0)


if __name__ == "__main__":
    main()
