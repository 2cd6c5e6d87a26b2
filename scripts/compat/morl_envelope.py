"""Envelope of morl-baselines trains on a multi-objective environment."""

import mo_gymnasium
import numpy as np
from morl_baselines.multi_policy.envelope.envelope import Envelope

from scripts.compat.common import ARGUMENTS

NAME = "matgym/MO-NanotubeChirality-v0"


def main():
    env = mo_gymnasium.make(NAME, **ARGUMENTS[NAME])
    agent = Envelope(
        env, net_arch=[32], batch_size=16, buffer_size=1000, learning_starts=20, num_sample_w=2, log=False, seed=0,
        device="cpu",
    )  # fmt: skip
    agent.train(200)
    observation, _ = env.reset(seed=0)
    action = agent.eval(observation, np.full(env.unwrapped.reward_dim, 1.0 / env.unwrapped.reward_dim, np.float32))
    assert env.action_space.contains(np.int64(action))


if __name__ == "__main__":
    main()
