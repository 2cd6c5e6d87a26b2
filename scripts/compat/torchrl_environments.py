"""TorchRL collects from scalar and natively batched environments, with masks."""

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torchrl.collectors import Collector
from torchrl.data import Binary, Composite
from torchrl.envs import ActionMask, GymEnv, GymWrapper, RewardSum, TransformedEnv, check_env_specs
from torchrl.envs.gym_like import default_info_dict_reader

from scripts.compat.common import ARGUMENTS, PLAIN, make

MASKED = "matgym/NanotubeChirality-v0"
COUNT = 3


def wrap(env):
    """Return an environment of TorchRL."""
    return GymWrapper(env, categorical_action_encoding=True)


def batch(name):
    """Return a natively batched environment that TorchRL resets itself."""
    return gym.make_vec(name, num_envs=COUNT, autoreset_mode=AutoresetMode.DISABLED, **ARGUMENTS[name])


def masked(env):
    """Return an environment of TorchRL that draws allowed actions alone."""
    wrapped = wrap(env)
    shape = (*wrapped.batch_size, wrapped.action_spec.space.n)
    mask = Composite(action_mask=Binary(shape=shape, dtype=torch.int8), shape=wrapped.batch_size)
    wrapped.set_info_dict_reader(default_info_dict_reader(["action_mask"], spec=mask))
    return TransformedEnv(wrapped, ActionMask())


def any_allowed(data):
    """Set a random action that the mask allows; a collector's own random policy looks at no mask."""
    return data.set("action", torch.distributions.Categorical(data["action_mask"].float()).sample())


def same_return(name):
    """Assert that a rollout's rewards are those of a plain loop with its actions."""
    env = TransformedEnv(wrap(make(name)), RewardSum())
    env.set_seed(0)  # resets, and the rollout resets again
    rollout = env.rollout(1000)
    plain = make(name)
    plain.reset(seed=0)
    plain.reset()
    total = sum(plain.step(action.numpy())[1] for action in rollout["action"])
    found = rollout["next", "episode_reward"][-1].item()
    assert np.isclose(found, total, atol=1e-4), f"{name}: {found}, not {total}"


def main():
    for name in PLAIN:
        check_env_specs(wrap(make(name)))
        check_env_specs(wrap(batch(name)))
        same_return(name)
    for env in (make(MASKED), batch(MASKED)):
        rollout = masked(env).rollout(60, break_when_any_done=False)
        assert rollout["action_mask"].gather(-1, rollout["action"].unsqueeze(-1)).all(), "ActionMask was ignored"
        collector = Collector(masked(env), any_allowed, frames_per_batch=60, total_frames=120, trust_policy=True)
        for data in collector:
            allowed = data["action_mask"].gather(-1, data["action"].unsqueeze(-1))
            assert allowed.all(), "an action was not allowed"
            assert data["next", "done"].any(), "no episode ended"
        collector.shutdown()
    check_env_specs(GymEnv(MASKED, categorical_action_encoding=True))


if __name__ == "__main__":
    main()
