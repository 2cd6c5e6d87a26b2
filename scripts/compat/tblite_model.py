"""A tight-binding calculator, GFN1-xTB by tblite, gives the reward."""

import gymnasium as gym
import numpy as np
from tblite.ase import TBLite

import matgym  # noqa: F401  # registers the environments
from matgym.surrogates import AseModel
from scripts.compat.common import play


def main():
    env = gym.make("matgym/NanotubeDoping-v0", model=AseModel(TBLite(method="GFN1-xTB", verbosity=0)))
    _, total = play(env, np.random.default_rng(0))
    assert 0.0 <= total <= 1.0


if __name__ == "__main__":
    main()
