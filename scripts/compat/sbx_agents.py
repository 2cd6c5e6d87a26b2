"""Four algorithms of SBX (JAX) train through the adapter."""

import gymnasium as gym
import numpy as np
from sbx import DQN, PPO, SAC, TQC
from stable_baselines3.common.evaluation import evaluate_policy

from matgym.agents import SB3VecEnv
from scripts.compat.common import ARGUMENTS

DISCRETE, CONTINUOUS = "matgym/NanotubeChirality-v0", "matgym/CVDGrowth-v0"
OFF_POLICY = {"learning_starts": 20, "buffer_size": 500, "batch_size": 16}
ALGORITHMS = {
    PPO: (DISCRETE, {"n_steps": 16, "batch_size": 16}),
    DQN: (DISCRETE, OFF_POLICY),
    SAC: (CONTINUOUS, OFF_POLICY),
    TQC: (CONTINUOUS, OFF_POLICY),
}


def main():
    for algorithm, (name, settings) in ALGORITHMS.items():
        envs = SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), seed=0)
        agent = algorithm("MlpPolicy", envs, seed=0, **settings).learn(100)
        mean, _ = evaluate_policy(agent, envs, n_eval_episodes=2)
        assert np.isfinite(mean), f"{algorithm.__name__}: {mean}"


if __name__ == "__main__":
    main()
