"""Gymnasium's vector wrappers and all three autoreset modes work on the natively batched environments."""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

from matgym.testing import check_vector_env
from scripts.compat.common import ARGUMENTS, PLAIN, make

COUNT = 3
SAME = 1e-4


def random_actions(envs, rng, info):
    """Return allowed actions of all environments."""
    if "action_mask" in info:
        return np.array([rng.choice(np.flatnonzero(mask)) for mask in info["action_mask"]])
    space = envs.single_action_space
    return rng.uniform(space.low, space.high, (COUNT, *space.shape)).astype(np.float32)


def main():
    for name in PLAIN:
        arguments = ARGUMENTS[name]
        for mode in AutoresetMode:
            envs = gym.make_vec(name, num_envs=COUNT, autoreset_mode=mode, **arguments)
            check_vector_env(envs, lambda name=name: make(name), steps=20)
        # Gymnasium's vector wrappers of observations take no batches that begin anew within a step.
        envs = gym.make_vec(name, num_envs=COUNT, autoreset_mode=AutoresetMode.NEXT_STEP, **arguments)
        envs = wrappers.RecordEpisodeStatistics(wrappers.DtypeObservation(envs, np.float64))
        envs = wrappers.TransformReward(envs, lambda reward: 2.0 * reward)
        rng, (_, info) = np.random.default_rng(0), envs.reset(seed=0)
        returns, ended = np.zeros(COUNT), 0
        while ended < 5:
            _, reward, terminated, truncated, info = envs.step(random_actions(envs, rng, info))
            returns += reward
            done = terminated | truncated
            if done.any():
                recorded = 2.0 * info["episode"]["r"]
                assert np.allclose(recorded[done], returns[done], atol=SAME), f"{name}: {recorded} and {returns}"
            returns[done] = 0.0
            ended += int(done.sum())
        listed = wrappers.DictInfoToList(gym.make_vec(name, num_envs=COUNT, **arguments))
        _, infos = listed.reset(seed=0)
        assert len(infos) == COUNT, f"{name}: DictInfoToList gave {len(infos)} infos"
        separate = gym.make_vec(name, num_envs=COUNT, vectorization_mode="sync", **arguments)
        _, info = separate.reset(seed=0)
        if isinstance(separate.single_action_space, gym.spaces.Discrete):
            masks = np.stack(list(info["action_mask"]))
            assert masks.shape == (COUNT, separate.single_action_space.n), f"{name}: masks of shape {masks.shape}"


if __name__ == "__main__":
    main()
