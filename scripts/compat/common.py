"""What the scripts share: environments that are quick, and plain episodes to compare with."""

import gymnasium as gym
import numpy as np

import matgym  # noqa: F401  # registers the environments
from matgym.registration import SPECS, variant_id
from matgym.tasks.annealing import AnnealingTask
from scripts.studies.common import BOWL

QUICK = {
    "matgym/CVDGrowth-v0": {"minutes": 5},
    "matgym/CVDRecipe-v0": {"minutes": 5, "experiments": 3},
    "matgym/Experiments-v0": {"data": str(BOWL), "experiments": 3},
    "matgym/FilmAnnealing-v0": {"task": AnnealingTask(size=40, steps=4)},
    "matgym/NanotubeThermoelectric-v0": {"instance": "thermoelectric-easy"},
}
"""Arguments that make an environment quick, or without which it cannot be made."""

ARGUMENTS = {variant_id(spec.id, variant): QUICK.get(spec.id, {}) for spec in SPECS for variant in ("", *spec.variants)}
"""Every registered id, and the arguments that it is made with here."""

PLAIN = tuple(name for name in ARGUMENTS if "Goal" not in name and "MO-" not in name)
GOAL = tuple(name for name in ARGUMENTS if "Goal" in name)
VECTOR = tuple(name for name in ARGUMENTS if "MO-" in name)


def make(name, **more):
    """Return an environment with quick arguments."""
    return gym.make(name, **{**ARGUMENTS[name], **more})


def random_action(env, rng, info):
    """Return an action that is allowed."""
    if "action_mask" in info:
        return int(rng.choice(np.flatnonzero(info["action_mask"])))
    return rng.uniform(env.action_space.low, env.action_space.high).astype(np.float32)


def play(env, rng, seed=0):
    """Play one episode of random allowed actions and return its actions and the sum of its rewards."""
    _, info = env.reset(seed=seed)
    actions, total, done = [], 0.0, False
    while not done:
        actions.append(random_action(env, rng, info))
        _, reward, terminated, truncated, info = env.step(actions[-1])
        total, done = total + reward, terminated or truncated
    return actions, total
