"""SBX's agents (JAX) train on the adapter and on DummyVecEnv."""

import gymnasium as gym
import numpy as np
from sbx import DQN, PPO, SAC, CrossQ
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from matgym.agents import SB3VecEnv
from scripts.compat.common import ARGUMENTS, make

DISCRETE, CONTINUOUS = "matgym/NanotubeChirality-v0", "matgym/CVDGrowth-v0"
OFF_POLICY = {"learning_starts": 20, "buffer_size": 500, "batch_size": 16}
ALGORITHMS = {
    PPO: (DISCRETE, {"n_steps": 16, "batch_size": 16}),
    DQN: (DISCRETE, OFF_POLICY),
    SAC: (CONTINUOUS, OFF_POLICY),
    CrossQ: (CONTINUOUS, OFF_POLICY),
}
STEPS = 64


def main():
    for algorithm, (name, settings) in ALGORITHMS.items():
        adapted = SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), seed=0)
        # SBX's DQN takes no batches.
        batches = () if algorithm is DQN else (adapted,)
        for envs in (*batches, DummyVecEnv([lambda name=name: Monitor(make(name))])):
            agent = algorithm("MlpPolicy", envs, seed=0, **settings).learn(STEPS)
            assert len(agent.ep_info_buffer) > 0, f"{algorithm.__name__}: no episode was monitored"
            mean, _ = evaluate_policy(agent, envs, n_eval_episodes=2)
            assert np.isfinite(mean), f"{algorithm.__name__}: a mean return of {mean}"


if __name__ == "__main__":
    main()
