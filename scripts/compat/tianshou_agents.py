"""Tianshou's DQN trains with masks, and its collector's returns are those of a plain loop."""

import gymnasium as gym
import numpy as np
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

from scripts.compat.common import make

NAME = "matgym/NanotubeChirality-v0"


class MaskBeside(gym.Wrapper):
    """The mask beside the observation, where Tianshou looks for it."""

    def __init__(self, env):
        super().__init__(env)
        mask = gym.spaces.MultiBinary(int(env.action_space.n))
        self.observation_space = gym.spaces.Dict({"obs": env.observation_space, "mask": mask})

    def reset(self, **arguments):
        observation, info = self.env.reset(**arguments)
        return {"obs": observation, "mask": info["action_mask"]}, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return {"obs": observation, "mask": info["action_mask"]}, reward, terminated, truncated, info


def environments(count):
    return DummyVectorEnv([lambda: MaskBeside(make(NAME))] * count)


def main():
    plain = make(NAME)
    net = Net(state_shape=plain.observation_space.shape, action_shape=int(plain.action_space.n), hidden_sizes=[32])
    policy = DiscreteQLearningPolicy(model=net, action_space=plain.action_space, eps_training=0.5)
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3))
    algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=Collector(
                algorithm, environments(3), VectorReplayBuffer(600, 3), exploration_noise=True
            ),
            test_collector=Collector(algorithm, environments(2)),
            max_epochs=1,
            epoch_num_steps=120,
            collection_step_num_env_steps=12,
            test_step_num_episodes=2,
            batch_size=16,
            update_step_num_gradient_steps_per_sample=0.1,
        )
    )
    buffer = VectorReplayBuffer(100, 1)
    collector = Collector(algorithm, environments(1), buffer, exploration_noise=True)
    stats = collector.collect(n_episode=1, reset_before_collect=True, gym_reset_kwargs={"seed": 0})
    actions = buffer.act[: len(buffer)]
    assert buffer.obs.mask[np.arange(len(buffer)), actions].all(), "an action was not allowed"
    plain.reset(seed=0)
    total = sum(plain.step(action)[1] for action in actions)
    assert np.isclose(stats.returns[0], total, atol=1e-5), f"{stats.returns} and {total}"


if __name__ == "__main__":
    main()
