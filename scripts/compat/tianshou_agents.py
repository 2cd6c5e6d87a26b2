"""Tianshou's DQN and PPO train, on its own vector environments."""

import numpy as np
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.modelfree.ppo import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, CollectStats, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams, OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic
from torch.distributions import Independent, Normal

from scripts.compat.common import make

DISCRETE, CONTINUOUS = "matgym/NanotubeChirality-v0", "matgym/CVDGrowth-v0"
AMOUNT = {"max_epochs": 1, "epoch_num_steps": 200, "batch_size": 32, "test_step_num_episodes": 4}


def environments(name):
    """Return four training and two test environments."""
    return DummyVectorEnv([lambda: make(name)] * 4), DummyVectorEnv([lambda: make(name)] * 2)


def collectors(algorithm, train, test):
    """Return those of training and testing."""
    return (
        Collector[CollectStats](algorithm, train, VectorReplayBuffer(2000, 4)),
        Collector[CollectStats](algorithm, test),
    )


def dqn():
    """Train DQN on choices."""
    env = make(DISCRETE)
    model = Net(state_shape=env.observation_space.shape, action_shape=env.action_space.n, hidden_sizes=(32,))
    policy = DiscreteQLearningPolicy(model=model, action_space=env.action_space, eps_training=0.5)
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), target_update_freq=50)
    train, test = collectors(algorithm, *environments(DISCRETE))
    return algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=train, test_collector=test, collection_step_num_env_steps=20, **AMOUNT
        )
    )


def ppo():
    """Train PPO on numbers."""
    env = make(CONTINUOUS)
    shape = env.observation_space.shape
    actor = ContinuousActorProbabilistic(
        preprocess_net=Net(state_shape=shape, hidden_sizes=(32,)), action_shape=env.action_space.shape, unbounded=True
    )
    critic = ContinuousCritic(preprocess_net=Net(state_shape=shape, hidden_sizes=(32,)))
    policy = ProbabilisticActorPolicy(
        actor=actor, dist_fn=lambda mean_sd: Independent(Normal(*mean_sd), 1), action_space=env.action_space
    )
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3))
    train, test = collectors(algorithm, *environments(CONTINUOUS))
    return algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=train, test_collector=test, collection_step_num_env_steps=80,
            update_step_num_repetitions=2, **AMOUNT,
        )
    )  # fmt: skip


def main():
    for train in (dqn, ppo):
        stats = train()
        assert np.isfinite(stats.best_reward), f"{train.__name__}: {stats}"


if __name__ == "__main__":
    main()
