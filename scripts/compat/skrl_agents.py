"""skrl's PPO trains on a natively batched environment, and its wrapper hands on the same rewards."""

import tempfile

import gymnasium as gym
import numpy as np
import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
from skrl.trainers.torch import SequentialTrainer
from torch import nn

import matgym  # noqa: F401  # registers the environments

NAME = "matgym/NanotubeChirality-v0"
COUNT, ROLLOUTS = 4, 16


class Policy(CategoricalMixin, Model):
    """Logits of actions."""

    def __init__(self, **spaces):
        Model.__init__(self, **spaces)
        CategoricalMixin.__init__(self, unnormalized_log_prob=True)
        self.net = nn.Sequential(nn.Linear(self.num_observations, 32), nn.ReLU(), nn.Linear(32, self.num_actions))

    def compute(self, inputs, role):  # noqa: ARG002  # skrl's signature
        return self.net(inputs["observations"]), {}


class Value(DeterministicMixin, Model):
    """Values of observations."""

    def __init__(self, **spaces):
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.net = nn.Sequential(nn.Linear(self.num_observations, 32), nn.ReLU(), nn.Linear(32, 1))

    def compute(self, inputs, role):  # noqa: ARG002  # skrl's signature
        return self.net(inputs["observations"]), {}


def main():
    wrapped, plain = (gym.make_vec(NAME, num_envs=COUNT) for _ in range(2))
    env, rng = wrap_env(wrapped, wrapper="gymnasium", verbose=False), np.random.default_rng(0)
    wrapped.reset(seed=0)
    plain.reset(seed=0)
    for _ in range(30):
        actions = rng.integers(plain.single_action_space.n, size=COUNT)
        _, expected, terminated, truncated, _ = plain.step(actions)
        _, reward, ended, cut, _ = env.step(torch.as_tensor(actions).unsqueeze(-1))
        assert np.allclose(reward.squeeze(-1), expected, atol=1e-6), f"{reward} and {expected}"
        assert np.array_equal(ended.squeeze(-1) | cut.squeeze(-1), terminated | truncated)
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    models = {"policy": Policy(**spaces), "value": Value(**spaces)}
    before = [parameter.detach().clone() for parameter in models["policy"].parameters()]
    with tempfile.TemporaryDirectory() as folder:
        experiment = {"directory": folder, "write_interval": 0, "checkpoint_interval": 0}
        agent = PPO(
            models=models, memory=RandomMemory(memory_size=ROLLOUTS, num_envs=COUNT, device=env.device),
            cfg=PPO_CFG(rollouts=ROLLOUTS, experiment=experiment), **spaces,
        )  # fmt: skip
        SequentialTrainer(
            env=env, agents=agent, cfg={"timesteps": 4 * ROLLOUTS, "headless": True, "disable_progressbar": True}
        ).train()
    after = models["policy"].parameters()
    assert any((new != old).any() for new, old in zip(after, before, strict=True)), "PPO has learned nothing"


if __name__ == "__main__":
    main()
