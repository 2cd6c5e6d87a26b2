"""Hindsight experience replay trains with Stable-Baselines3's default settings in every goal environment."""

import gymnasium as gym
import numpy as np
from stable_baselines3 import DQN, SAC, HerReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

from matgym.agents import SB3VecEnv
from scripts.compat.common import ARGUMENTS, GOAL, make

STEPS = 300


def main():
    for name in GOAL:
        discrete = isinstance(make(name).action_space, gym.spaces.Discrete)
        algorithm = DQN if discrete else SAC
        adapted = SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), seed=0)
        for envs in (adapted, DummyVecEnv([lambda name=name: make(name)])):
            agent = algorithm(
                "MultiInputPolicy", envs, replay_buffer_class=HerReplayBuffer, learning_starts=120, seed=0
            )
            agent.learn(STEPS)
            batch = agent.replay_buffer.sample(64)
            assert np.isfinite(batch.rewards.numpy()).all(), f"{name}: a relabelled reward is not finite"
            assert (batch.rewards.numpy() >= -1.0).all()
            assert (batch.rewards.numpy() <= 1.0).all()


if __name__ == "__main__":
    main()
