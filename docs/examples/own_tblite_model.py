"""Semi-empirical quantum chemistry as a reward: tblite's GFN1-xTB energy, `pip install tblite`.

A calculation that does not converge is a failure: it is rewarded 0, warned of once, and told by `info["failed"]`.
"""

import gymnasium as gym
from tblite.ase import TBLite

import matgym  # noqa: F401  # registers the environments

model = TBLite(method="GFN1-xTB", verbosity=0)
tube = {"n": 5, "cells": 1, "budget": {"B": 1, "N": 1}}
env = gym.make("matgym/NanotubeDoping-v0", **tube, model=model, direction="minimize", values=(-1200.0, -1100.0))
env.reset(seed=0)
for action in (0, 21):  # boron on the first site, nitrogen on the second
    _, reward, _, _, info = env.step(action)
print(f"energy {info['objectives']['energy_ev']:.1f} eV, reward {reward:.2f}")
