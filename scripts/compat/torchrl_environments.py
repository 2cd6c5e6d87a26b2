"""TorchRL's wrapper, collector and action mask work on scalar and on natively batched environments."""

import gymnasium as gym
import numpy as np
import torch
from torchrl.collectors import Collector
from torchrl.envs import GymEnv, GymWrapper, TransformedEnv
from torchrl.envs.transforms import ActionMask, RewardSum
from torchrl.envs.utils import check_env_specs

from scripts.compat.common import ARGUMENTS, PLAIN, make

STEPS = 40


def main():
    for name in PLAIN:
        scalar = GymWrapper(make(name), categorical_action_encoding=True)
        check_env_specs(scalar)
        batched = GymWrapper(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), categorical_action_encoding=True)
        scalar.set_seed(0)
        collected = batched.rollout(STEPS, break_when_any_done=False)
        assert collected.batch_size == (2, STEPS), f"{name}: {collected.batch_size}"
        rewards = collected["next", "reward"]
        assert torch.isfinite(rewards).all(), f"{name}: a reward is not finite"
        assert collected["next", "done"].any(), f"{name}: no episode ended"
    env = TransformedEnv(GymWrapper(make("matgym/CVDGrowth-v0")), RewardSum())
    collector = Collector(env, None, frames_per_batch=20, total_frames=40)
    assert sum(len(batch) for batch in collector) == 40
    collector.shutdown()

    masked = GymEnv("matgym/NanotubeChirality-v0", categorical_action_encoding=True)
    space = masked.action_spec
    masked = TransformedEnv(masked.auto_register_info_dict(), ActionMask())
    rollout = masked.rollout(4)
    assert bool(rollout["action_mask"].gather(-1, rollout["action"].unsqueeze(-1).long()).all()), "a forbidden action"
    assert space.n == rollout["action_mask"].shape[-1]
    assert np.isfinite(rollout["next", "reward"].numpy()).all()


if __name__ == "__main__":
    main()
