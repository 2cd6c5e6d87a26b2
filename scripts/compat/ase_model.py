"""An ASE calculator gives the reward."""

import gymnasium as gym
import numpy as np
from ase.calculators.lj import LennardJones

import matgym  # noqa: F401  # registers the environments
from matgym.surrogates import AseModel
from scripts.compat.common import play


def main():
    env = gym.make("matgym/NanotubeDoping-v0", model=AseModel(LennardJones(sigma=1.25)))
    _, total = play(env, np.random.default_rng(0))
    assert 0.0 <= total <= 1.0


if __name__ == "__main__":
    main()
