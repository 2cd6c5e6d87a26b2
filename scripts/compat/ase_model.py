"""An ASE calculator gives the reward."""

import gymnasium as gym
import numpy as np
from ase.calculators.lj import LennardJones

import matgym  # noqa: F401  # registers the environments
from matgym.surrogates import AseModel
from scripts.compat.common import random_action


def check_reward(calculator):
    """Assert that an episode is paid by the energy of its design, as the calculator gives it."""
    model = AseModel(calculator)
    low, high = -1e6, 1e6  # eV
    env = gym.make("matgym/NanotubeDoping-v0", model=model, direction="minimize", values=(low, high))
    _, info = env.reset(seed=0)
    rng, reward, done = np.random.default_rng(0), 0.0, False
    while not done:
        _, reward, done, _, info = env.step(random_action(env, rng, info))
    energy_ev = float(model.predict([env.unwrapped.tube])["energy_ev"][0])
    assert np.isclose(info["objectives"]["energy_ev"], energy_ev), f"{info['objectives']}, not {energy_ev} eV"
    assert np.isclose(reward, (high - energy_ev) / (high - low)), f"{reward} of {energy_ev} eV"


def main():
    check_reward(LennardJones(sigma=1.25))


if __name__ == "__main__":
    main()
