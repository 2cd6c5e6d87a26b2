"""Measure the steps per second of native batches, scalar environments, and the reactors of other projects.

`NanotubeDoping` in a native batch, its bare network, and `SyncVectorEnv` are measured by turns, so that other work on
the machine disturbs all of them alike. The furnace environments are measured at batch 1, 64 and 1024, beside the
stirred tanks of PC-Gym and GymChem. These are not dependencies of matgym (`pip install pcgym gymchem`; PC-Gym requires
JAX); those that are not installed are left out. A step in matgym is one edit, a minute of furnace time, a whole growth
run, or two minutes of annealing on 64 x 64 sites; in the others it is one step of a stirred tank. Actions are random,
and their drawing is not timed.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m scripts.studies.speed.environments

takes three minutes, writes docs/results/environment-speed.json and prints the tables of docs/results.md and
docs/furnace.md.
"""

import importlib
import time
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import matgym  # noqa: F401  # registers the environments
from matgym.tasks import decoration_task
from scripts.studies.common import Study, print_markdown


@dataclass(frozen=True)
class Settings:
    """The settings of the measurements."""

    batch: int = 1024  # the batch of NanotubeDoping
    rounds: int = 5
    furnaces: tuple[str, ...] = ("CVDGrowth", "CVDRecipe", "FilmAnnealing")
    batches: tuple[int, ...] = (1, 64, 1024)
    seconds: float = 2.0  # shortest duration of a measurement, the best of several
    repeats: int = 3


QUICK = Settings(batch=4, rounds=1, batches=(1, 4), seconds=0.05, repeats=1)
EPISODE = 16  # edits of a design; each design is scored once


def doping(settings):
    """Return designs and steps per second, medians over rounds."""
    task, rng = decoration_task(), np.random.default_rng(0)
    native = gym.make_vec("matgym/NanotubeDoping-v0", num_envs=settings.batch, task=task)
    sync = SyncVectorEnv(
        [partial(gym.make, "matgym/NanotubeDoping-v0", task=task)] * settings.batch,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    masks_of = {native: native.action_masks, sync: lambda: np.stack(sync.call("action_masks"))}
    designs = task.space.sample(settings.batch, rng)
    rates = {"surrogate": [], "native": [], "sync": [], "share_in_surrogate": []}
    for env in masks_of:
        env.reset(seed=0)
    for _ in range(settings.rounds):
        start = time.perf_counter()
        task.objective.model.mean(task.space.lattice, designs)
        rates["surrogate"].append(settings.batch / (time.perf_counter() - start))
        for name, env in zip(("native", "sync"), masks_of, strict=True):
            before, spent = task.ledger.seconds["surrogate"], 0.0
            for _ in range(EPISODE):
                masks = masks_of[env]()
                actions = (rng.random(masks.shape) * masks).argmax(axis=1)  # the agent's part is not timed
                start = time.perf_counter()
                env.step(actions)
                spent += time.perf_counter() - start
            rates[name].append(settings.batch * EPISODE / spent)
            if env is native:
                rates["share_in_surrogate"].append((task.ledger.seconds["surrogate"] - before) / spent)
    middle = {name: float(np.median(values)) for name, values in rates.items()}
    return {
        "batch": settings.batch,
        "surrogate_designs_per_s": middle["surrogate"],
        "native_designs_per_s": middle["native"] / EPISODE,
        "native_steps_per_s": middle["native"],
        "sync_steps_per_s": middle["sync"],
        "designs_over_bare_network": middle["native"] / EPISODE / middle["surrogate"],
        "native_over_sync": middle["native"] / middle["sync"],
        "share_of_step_time_in_surrogate": middle["share_in_surrogate"],
    }


def rate(step, steps_a_call, settings):
    """Return steps per second, the best of some runs."""
    best = 0.0
    for _ in range(settings.repeats):
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < settings.seconds:
            step()
            calls += 1
        best = max(best, calls * steps_a_call / (time.perf_counter() - start))
    return best


def batched(name, batch, settings):
    """Return the rate of one of matgym's environments."""
    env = gym.make_vec(f"matgym/{name}-v0", num_envs=batch)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = cycle([env.action_space.sample() for _ in range(16)])
    return rate(lambda: env.step(next(actions)), batch, settings)


def scalar(env, settings):
    """Return the rate of another project's environment, which is not batched."""
    env.reset(seed=0)
    actions = cycle([env.action_space.sample() for _ in range(16)])

    def step():
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()

    return rate(step, 1, settings)


def pc_gym():
    """Return PC-Gym's continuous stirred tank, configured as on its front page."""
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
    """Return GymChem's continuous stirred tank."""
    return importlib.import_module("gymchem").CSTREnv()


def furnaces(settings):
    """Return rows of rates by batch."""
    rows = []
    for name in settings.furnaces:
        rates = {str(batch): batched(name, batch, settings) for batch in settings.batches}
        rows.append({"environment": name} | rates)
    for name, make in (("PC-Gym CSTR", pc_gym), ("GymChem CSTR", gym_chem)):
        try:
            rows.append({"environment": name, "1": scalar(make(), settings)})
        except ImportError as missing:
            print(f"{name} is left out: {missing}")
    return rows


def main():
    study = Study.from_command_line("environment-speed", __doc__, Settings(), QUICK)
    torch.set_num_threads(1)
    doped, rows = doping(study.settings), furnaces(study.settings)
    study.write({"NanotubeDoping": doped, "furnaces": rows})
    print_markdown(("NanotubeDoping", ""), doped.items())
    peers = {row["environment"]: row["1"] for row in rows[len(study.settings.furnaces) :]}
    largest = str(study.settings.batches[-1])
    print_markdown(
        ("environment", *map(str, study.settings.batches), *(f"{largest} : {peer}" for peer in peers)),
        (
            (
                row["environment"],
                *(f"{row[str(batch)]:,.0f}" if str(batch) in row else None for batch in study.settings.batches),
                *(row.get(largest, row["1"]) / own for own in peers.values()),
            )
            for row in rows
        ),
    )


if __name__ == "__main__":
    main()
