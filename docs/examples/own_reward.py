"""A reward of your own: a property to maximize or to meet, a function in place of the reward, and one of a furnace."""

import gymnasium as gym
import numpy as np

import matgym  # noqa: F401  # registers the environments


def boron_pairs(tubes):
    """Bonds between two boron atoms."""
    bonds = [tube.species[tube.lattice.bonds[:, :2]] for tube in tubes]
    return [float((pair == 3).all(axis=1).sum()) for pair in bonds]


# A property to be small: from 8 pairs, which earn 0, down to none, which earns 1.
small = gym.make("matgym/NanotubeDoping-v0", model=boron_pairs, direction="minimize", values=(0.0, 8.0))

# A property to meet a target drawn from 0 to 8: an error of 2 earns a tenth.
met = gym.make("matgym/NanotubeDoping-v0", model=boron_pairs, targets=(0.0, 8.0), margin=2.0)


def within_a_tenth(predictions, targets):
    """1 where the gap is within 0.1 eV of the target: predictions by property, and targets, to rewards in [0, 1]."""
    return np.abs(predictions["gap_ev"] - targets) < 0.1


sparse = gym.make("matgym/NanotubeDoping-v0", reward=within_a_tenth)


def long_for_little_gas(outcomes, controls):
    """What growth is worth so far: outcomes by name, and the (B, minutes, 4) controls, to a worth in [0, 1]."""
    acetylene = controls[:, :, 1].mean(axis=1) / 1000.0
    return np.clip(outcomes["yield_um"] / 200.0, 0.0, 1.0) * (1.0 - 0.5 * acetylene)


furnace = gym.make("matgym/CVDGrowth-v0", reward=long_for_little_gas)
recipe = gym.make("matgym/CVDRecipe-v0", reward=long_for_little_gas)


def right_size(outcomes, targets):
    """What annealed films are worth so far."""
    return np.exp(-np.abs(np.log(outcomes["radius"] / targets)))


film = gym.make("matgym/FilmAnnealing-v0", reward=right_size)

for name, env in {"boron pairs": small, "growth": furnace, "recipes": recipe, "annealing": film}.items():
    env.reset(seed=0)
    env.action_space.seed(0)
    total, done = 0.0, False
    while not done:
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        total, done = total + reward, terminated or truncated
    print(f"{name}: {total:.2f} by random actions")
