"""Gymnasium's wrappers leave returns and masks as they are, in every environment."""

import warnings

import gymnasium as gym
import numpy as np
from gymnasium import wrappers

from scripts.compat.common import ARGUMENTS, make, play, random_action

SAME = 1e-6  # rewards pass as floats of single precision


def same_return(name, wrap, of=lambda total: total):
    """Assert that a wrapper leaves the return of one random episode as it is."""
    actions, expected = play(make(name), np.random.default_rng(0))
    env = wrap(make(name))
    env.reset(seed=0)
    total, info = 0.0, {}
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        total = total + reward
    assert terminated or truncated, f"{name}: the wrapped episode did not end"
    assert np.allclose(of(total), expected, atol=SAME), f"{name}: {wrap} gave {total}, not {expected}"
    return info


def main():
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="overflow encountered in cast")  # Gymnasium's own, of DtypeObservation
    for name in ARGUMENTS:
        if "MO-" in name:  # rewards that are vectors: see mo_gymnasium_wrappers.py
            continue
        info = same_return(name, wrappers.RecordEpisodeStatistics)
        assert info["episode"]["l"] > 0, "RecordEpisodeStatistics counted no step"
        same_return(name, wrappers.FlattenObservation)
        same_return(name, lambda env: wrappers.TimeLimit(env, 1000))
        same_return(name, lambda env: wrappers.TransformReward(env, lambda reward: 2.0 * reward), lambda r: r / 2.0)
        same_return(name, lambda env: wrappers.ClipReward(env, -1.0, 1.0))
        if "Goal" not in name:
            same_return(name, lambda env: wrappers.FrameStackObservation(env, 2))
            same_return(name, lambda env: wrappers.DtypeObservation(env, np.float64))
            same_return(name, lambda env: wrappers.DelayObservation(env, 1))
            same_return(name, wrappers.NormalizeObservation)
            same_return(name, lambda env: wrappers.RescaleObservation(env, np.float32(0.0), np.float32(1.0)))
            same_return(name, wrappers.TimeAwareObservation)
        env = make(name)
        if isinstance(env.action_space, gym.spaces.Box):
            same_return(name, wrappers.ClipAction)
            same_return(name, lambda env: wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0)))
        else:
            masked = wrappers.RecordEpisodeStatistics(wrappers.TransformReward(env, float))
            _, info = masked.reset(seed=0)
            assert np.array_equal(info["action_mask"], masked.get_wrapper_attr("action_masks")())
            assert masked.action_space.sample(mask=info["action_mask"].astype(np.int8)) in masked.action_space
        rng = np.random.default_rng(0)
        for mode in env.metadata["render_modes"]:
            collected = wrappers.RenderCollection(make(name, render_mode=mode))
            _, info = collected.reset(seed=0)
            collected.step(random_action(collected, rng, info))
            frames = collected.render()
            assert len(frames) == 2, f"{name}: RenderCollection has {len(frames)} frames after one step"
        if "rgb_array" in env.metadata["render_modes"]:
            pictured = wrappers.AddRenderObservation(make(name, render_mode="rgb_array"), render_only=True)
            observation, _ = pictured.reset(seed=0)
            assert observation in pictured.observation_space, f"{name}: the picture has another shape than its space"
        normal = wrappers.NormalizeReward(make(name))
        play(normal, rng)


if __name__ == "__main__":
    main()
