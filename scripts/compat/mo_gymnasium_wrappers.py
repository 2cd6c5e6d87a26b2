"""MO-Gymnasium's wrappers take every multi-objective environment, scalar and batched."""

import gymnasium as gym
import mo_gymnasium
import numpy as np
from mo_gymnasium.wrappers import LinearReward, MONormalizeReward, MORecordEpisodeStatistics

from scripts.compat.common import ARGUMENTS, VECTOR, random_action


def main():
    for name in VECTOR:
        env = mo_gymnasium.make(name, **ARGUMENTS[name])
        dimensions = env.unwrapped.reward_space.shape[0]
        weights = np.arange(1.0, dimensions + 1.0)
        env = LinearReward(MORecordEpisodeStatistics(env, gamma=1.0), weight=weights)
        rng, (_, info) = np.random.default_rng(0), env.reset(seed=0)
        total, done = 0.0, False
        while not done:
            _, reward, terminated, truncated, info = env.step(random_action(env, rng, info))
            assert info["vector_reward"] in env.unwrapped.reward_space, f"{name}: {info['vector_reward']}"
            total, done = total + reward, terminated or truncated
        assert np.isclose(weights @ info["episode"]["r"], total, atol=1e-4), f"{name}: {info['episode']} and {total}"
        normalised = MONormalizeReward(mo_gymnasium.make(name, **ARGUMENTS[name]), 0)
        _, info = normalised.reset(seed=0)
        normalised.step(random_action(normalised, rng, info))
        envs = gym.make_vec(name, num_envs=2, **ARGUMENTS[name])
        envs.reset(seed=0)
        _, rewards, *_ = envs.step(envs.action_space.sample())
        assert rewards.shape == (2, dimensions), f"{name}: rewards of shape {rewards.shape}"


if __name__ == "__main__":
    main()
