"""Steps a second of the furnace environments at batch 1, 64 and 1024, beside the reactors of PC-Gym and GymChem.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python scripts/furnace_speed.py

The peers are no dependencies of ours: `pip install pcgym gymchem` (PC-Gym brings JAX); those that are missing are left
out. Each is stepped with random actions on one core, the best of three runs of two seconds. A step of ours is a minute
of furnace time, a whole growth run, or two minutes of annealing on 64 x 64 sites; theirs are one step of a stirred
tank. Writes docs/results/furnace-speed.json.
"""

import importlib
import time
from pathlib import Path

import gymnasium as gym
import numpy as np

import matgym  # noqa: F401  # registers the environments
from matgym.files import write_json

REPORT = Path(__file__).parents[1] / "docs" / "results" / "furnace-speed.json"
OURS = ("CVDGrowth", "CVDRecipe", "FilmAnnealing")
BATCHES = (1, 64, 1024)
SECONDS, REPEATS = 2.0, 3


def rate(step, steps_a_call):
    """Steps a second, the best of some runs."""
    best = 0.0
    for _ in range(REPEATS):
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            step()
            calls += 1
        best = max(best, calls * steps_a_call / (time.perf_counter() - start))
    return best


def ours(name, batch):
    """One of our environments, batched."""
    env = gym.make_vec(f"matgym/{name}-v0", num_envs=batch)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(16)]
    turn = iter(range(10**9))
    return rate(lambda: env.step(actions[next(turn) % 16]), batch)


def scalar(env):
    """A peer's environment, one at a time."""
    env.reset(seed=0)
    actions = [env.action_space.sample() for _ in range(16)]
    turn = iter(range(10**9))

    def step():
        _, _, terminated, truncated, _ = env.step(actions[next(turn) % 16])
        if terminated or truncated:
            env.reset()

    return rate(step, 1)


def pc_gym():
    """Its continuous stirred tank, as its front page sets it up."""
    steps = 100
    return importlib.import_module("pcgym").make_env(
        {
            "N": steps,
            "tsim": 25,
            "SP": {"Ca": [0.85] * (steps // 2) + [0.9] * (steps // 2)},
            "a_space": {"low": np.array([295.0]), "high": np.array([302.0])},
            "o_space": {"low": np.array([0.7, 300.0, 0.8]), "high": np.array([1.0, 350.0, 0.9])},
            "x0": np.array([0.8, 330.0, 0.8]),
            "model": "cstr",
        }
    )


def gym_chem():
    """Its continuous stirred tank."""
    return importlib.import_module("gymchem").CSTREnv()


def main():
    rows = [{"environment": name} | {str(batch): ours(name, batch) for batch in BATCHES} for name in OURS]
    for name, make in (("PC-Gym CSTR", pc_gym), ("GymChem CSTR", gym_chem)):
        try:
            rows.append({"environment": name, "1": scalar(make())})
        except ImportError as missing:
            print(f"{name} is left out: {missing}")
    peers = {row["environment"]: row["1"] for row in rows[len(OURS) :]}
    print("| environment | 1 | 64 | 1024 |" + "".join(f" 1024 : {peer} |" for peer in peers))
    print("|---|---|---|---|" + "---|" * len(peers))
    for row in rows:
        row["ratios"] = {peer: row.get("1024", row["1"]) / own for peer, own in peers.items()}
        cells = [f"{row[str(batch)]:,.0f}" if str(batch) in row else "" for batch in BATCHES]
        print("| " + " | ".join([row["environment"], *cells, *(f"{x:,.3g}" for x in row["ratios"].values())]) + " |")
    write_json(REPORT, {"seconds": SECONDS, "repeats": REPEATS, "rows": rows})


if __name__ == "__main__":
    main()
