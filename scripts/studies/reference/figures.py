"""Compute figures that must stay the same to the bit: predictions, samples, optima, physics, trajectories, searches.

Each group takes a version (`version_0_1` or `present`) and yields names and figures. A figure is a number, or the
SHA-256 of an array (over type, shape and bytes) with a few of its values, which show the size of a difference. Names
are those of 0.1. `python figures.py VERSION` prints all figures as JSON, of the matgym that Python imports.
"""

import hashlib
import json
import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version as installed
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}  # before numpy is imported

import numpy as np

SURROGATES = ("nanotube-doping", "nanotube-heat", "nanotube-young", "nanotube-formation")
GENERATORS = ("random", "nearest", "swap", "gan", "vae", "diffusion")
OPTIMA = ("chirality", "doping-easy", "isotope-rings", "isotope-sites", "thermoelectric-easy")
OPTIMIZERS = {  # with numbers of evaluations; agents learn little from 32
    **dict.fromkeys(("random", "qmc", "annealing", "tempering", "genetic", "nsga2", "cma-es", "tpe", "gp"), 32),
    **dict.fromkeys(("ppo", "maskable-ppo", "recurrent-ppo", "a2c", "dqn", "qr-dqn", "sac", "td3", "tqc"), 256),
}
ENVIRONMENTS = tuple(
    f"matgym/{name}{variant}-v0"
    for name, variants in {
        "NanotubeDoping": ("", "Goal", "Vector"),
        "NanotubeChirality": ("", "Goal", "Vector"),
        "NanotubeIsotopes": ("", "Goal", "Vector"),
        "NanotubeThermoelectric": ("", "Goal", "Vector"),
        "CVDGrowth": ("", "Vector"),
        "CVDRecipe": ("",),
        "Experiments": ("",),
        "Annealing": ("", "Goal", "Vector"),
    }.items()
    for variant in variants
)

SLOW_ENVIRONMENTS = ("matgym/CVDRecipe-v0", "matgym/Experiments-v0")  # they integrate the kinetics, or fit emulators

SAMPLES = 64  # tubes of each generator
RUNS = 32  # runs that networks over time predict
FILMS, FRAMES = 2, 6  # films and frames that are drawn
EPISODES = 3  # episodes of each environment, and the size of batched ones
SEARCHED = "doping-easy"  # a task with a table, so that a search needs no physics
RANDOM_DESIGNS = 10_000  # as `Optimum.random_designs` has it
LONG_S = 3.6e5  # a time at which growth has ended
BOWL = Path(__file__).parent / "bowl.csv"  # heights of a bowl at 20 random places, with a little noise
KWANT = Path(__file__).parents[3] / "tests" / "physics" / "data" / "kwant.npz"


def digest(*arrays):
    """Return the figure of arrays: their hash, and up to four values of the last array, evenly spaced."""
    state = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        state.update(f"{array.dtype.str}{array.shape}".encode())
        state.update(array.tobytes())
    last = np.asarray(arrays[-1]).ravel()
    shown = last[np.linspace(0, len(last) - 1, min(4, len(last))).astype(int)]
    return {"sha256": state.hexdigest(), "values": [float(value) for value in shown]}


# ---- groups


def surrogates(version):
    for name in SURROGATES:
        keys, predicted, half_width, measured = version.surrogate_on_test_split(version.RENAMED.get(name, name))
        for k, (key, figures) in enumerate(zip(keys, measured, strict=True)):
            yield f"{name}, {key}: predictions", digest(predicted[:, k])
            yield f"{name}, {key}: interval half-widths", digest(half_width[:, k])
            for figure in ("n", "r2", "mae", "rmse", "coverage"):
                yield f"{name}, {key}: {figure}", figures[figure]


def sequences(version):
    for name, make, count in (
        ("growth", version.growth_sequences, RUNS),
        ("annealing", version.annealing_sequences, FILMS),
    ):
        simulated, predicted = make(count, np.random.default_rng(0))
        yield f"{name}: simulated outcomes", digest(simulated)
        yield f"{name}: predicted outcomes", digest(predicted)
    yield "micrographs: simulated frames", digest(version.micrographs(FILMS, FRAMES, np.random.default_rng(0)))


def generators(version):
    targets = np.linspace(0.4, 1.3, SAMPLES)
    for name in GENERATORS:
        drawn = version.samples(version.RENAMED.get(name, name), targets, np.random.default_rng(0))
        yield f"{name}: {SAMPLES} tubes", digest(drawn)


def optima(version):
    for name in OPTIMA:
        here = version.RENAMED.get(name, name)
        recorded, recorded_random, losses, drawn = version.optimum(here, RANDOM_DESIGNS, np.random.default_rng(0))
        yield f"{name}: recorded loss", recorded
        yield f"{name}: least loss of all designs", float(np.nanmin(losses))
        yield f"{name}: which design", int(np.nanargmin(losses))
        yield f"{name}: losses of all designs", digest(losses)
        yield f"{name}: recorded loss of random designs", recorded_random
        yield f"{name}: loss of random designs", float(np.nanmean(drawn))


def growth_kinetics(version):
    for number, length in enumerate(version.terminal_lengths_um(LONG_S), 1):
        yield f"terminal length {number} of 12, µm", float(length)


def transmissions(version):
    data = np.load(KWANT)
    found = []
    for i in range(len(data["n"])):
        species = data["species"][data["species_start"][i] : data["species_start"][i + 1]]
        turned = tuple((int(a), int(b)) for tube, a, b in data["stone_wales"] if tube == i)
        tube = (*(int(data[name][i]) for name in ("n", "m", "cells")), species, float(data["strain"][i]), turned)
        found.append(version.transmission(tube, data["energies_ev"][i]))
    yield f"transmission of {len(found)} tubes", digest(np.stack(found))
    yield "largest difference from kwant", float(np.abs(np.stack(found) - data["transmission"]).max())


def environments(version):
    yield from played(version, [name for name in ENVIRONMENTS if name not in SLOW_ENVIRONMENTS])


def slow_environments(version):
    yield from played(version, SLOW_ENVIRONMENTS)


def played(version, names):
    """Yield the figures of environments."""
    import gymnasium as gym

    import matgym  # noqa: F401  # registers the environments

    for name in names:
        here, arguments = version.RENAMED.get(name, name), arguments_of(name) | version.arguments_like_0_1(name)
        yield f"{name}: {EPISODES} episodes", digest(*episodes(gym.make(here, **arguments)))
        yield f"{name}: {EPISODES} side by side", digest(*side_by_side(gym.make_vec(here, EPISODES, **arguments)))


def searches(version):
    instance = version.RENAMED.get(SEARCHED, SEARCHED)
    for name, evaluations in OPTIMIZERS.items():
        found = version.search(version.RENAMED.get(name, name), instance, evaluations, np.random.default_rng(0))
        yield f"{name}: {evaluations} designs and rewards", digest(*found)


GROUPS = {
    group.__name__: group
    for group in (
        growth_kinetics, optima, generators, sequences, environments, slow_environments, surrogates, searches,
        transmissions
    )
}  # fmt: skip


# ---- environments


def arguments_of(name):
    """Return the required arguments of an environment: a table of experiments."""
    return {"data": BOWL} if "Experiments" in name else {}


def random_actions(space, masks, count, rng):
    """Yield random allowed actions for a number of episodes."""
    if masks is None:
        return rng.uniform(space.low, space.high, (count, *space.shape)).astype(np.float32)
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])


def flat(observation):
    """Return the arrays of an observation."""
    if isinstance(observation, dict):
        return [np.asarray(observation[name]) for name in sorted(observation)]
    return [np.asarray(observation)]


def episodes(env):
    """Return observations, rewards and ends of successive seeded episodes; rewards come last."""
    trace, rewards = [], []
    for seed in range(EPISODES):
        rng, done = np.random.default_rng(seed), False
        trace += flat(env.reset(seed=seed)[0])
        while not done:
            masks = env.unwrapped.action_masks()[None] if hasattr(env.unwrapped, "action_masks") else None
            observation, reward, *ends, _ = env.step(random_actions(env.action_space, masks, 1, rng)[0])
            trace += [*flat(observation), np.array(ends)]
            rewards.append(reward)
            done = any(ends)
    return [*trace, np.array(rewards)]


def side_by_side(envs):
    """Return the same of a batch, until each of its episodes has ended once."""
    rng, ended = np.random.default_rng(0), np.zeros(EPISODES, dtype=bool)
    trace, rewards = flat(envs.reset(seed=0)[0]), []
    while not ended.all():
        masks = envs.action_masks() if hasattr(envs, "action_masks") else None
        observation, reward, *ends, _ = envs.step(random_actions(envs.single_action_space, masks, EPISODES, rng))
        trace += [*flat(observation), np.array(ends)]
        rewards.append(reward)
        ended |= ends[0] | ends[1]
    return [*trace, np.array(rewards)]


# ---- all of them


def compute(version, groups=tuple(GROUPS)):
    """Yield group, name and figure."""
    import torch

    torch.set_num_threads(1)
    for group in groups:
        for name, figure in GROUPS[group](version):
            yield group, name, figure


def machine():
    """Return the properties of the machine that may change the bits."""
    packages = ("numpy", "scipy", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "scikit-learn", "optuna")
    cpu = Path("/proc/cpuinfo")
    models = [line for line in cpu.read_text().splitlines() if line.startswith("model name")] if cpu.is_file() else []
    processor = models[0].split(":", 1)[1].strip() if models else platform.processor()
    return {"processor": processor, "python": platform.python_version()} | {name: installed(name) for name in packages}


if __name__ == "__main__":
    found = {}
    for group, name, figure in compute(import_module(sys.argv[1])):
        found.setdefault(group, {})[name] = figure
    print(json.dumps(found))
