"""Masks and hindsight replay as the libraries use them that our users bring."""

import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from env_cases import cheap
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics, TimeLimit, TransformReward
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from sb3_contrib.common.wrappers import ActionMasker
from stable_baselines3 import DQN, SAC, HerReplayBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.tasks.annealing import AnnealingTask

CHIRALITY = "matgym/NanotubeChirality-v0"
make = partial(gym.make, CHIRALITY)


def wrapped():
    """An environment in wrappers that know nothing of masks."""
    env = FlattenObservation(RecordEpisodeStatistics(TimeLimit(make(), 20)))
    return TransformReward(env, lambda reward: 2.0 * reward)


def doubled():
    return ActionMasker(wrapped(), lambda env: env.unwrapped.action_masks())


def test_masks_survive_wrappers():
    env = wrapped()
    _, info = env.reset(seed=0)
    for _ in range(4):
        mask = info["action_mask"]
        np.testing.assert_array_equal(mask, env.get_wrapper_attr("action_masks")())
        assert mask.dtype == np.int8
        _, _, terminated, _, info = env.step(env.action_space.sample(mask=mask))
        assert info["allowed"]
    assert terminated


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_masks_survive_gymnasiums_vector_environments(kind):
    envs = kind([wrapped] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    try:
        _, info = envs.reset(seed=0)
        for _ in range(9):
            masks = info["action_mask"]
            assert masks.shape == (3, 21)
            assert masks.dtype == np.int8
            np.testing.assert_array_equal(masks, np.stack(envs.call("action_masks")))
            *_, info = envs.step(masks.argmax(axis=1))
            assert info["allowed"].dtype == np.bool_
            assert info["allowed"].all()
    finally:
        envs.close()


@pytest.mark.parametrize("kind", [DummyVecEnv, SubprocVecEnv])
def test_masks_reach_sb3_contrib(kind):
    envs = kind([lambda: Monitor(wrapped()), lambda: Monitor(doubled())])
    try:
        envs.seed(0)
        envs.reset()
        assert is_masking_supported(envs)
        masks = get_action_masks(envs)
        assert masks.dtype == np.bool_
        for _ in range(4):
            _, _, done, infos = envs.step(get_action_masks(envs).argmax(axis=1))
            assert all(info["allowed"] for info in infos)
        assert done.all()
    finally:
        envs.close()


def test_maskable_ppo_learns_in_wrappers():
    agent = MaskablePPO("MlpPolicy", wrapped(), n_steps=32, batch_size=32, device="cpu", seed=0).learn(64)
    assert {info["l"] for info in agent.ep_info_buffer} == {4}


def test_numbers_in_infos_have_a_dtype():
    """TorchRL asks each entry for its dtype; in 0.1 they were Python's own."""

    def check(info):
        for name, value in info.items():
            if isinstance(value, dict):
                check(value)
            else:
                assert value.dtype.kind in "biuf", name

    for identity in (CHIRALITY, "matgym/CVDGrowth-v0", "matgym/NanotubeDoping-v0"):
        env = gym.make(identity)
        check(env.reset(seed=0)[1])
        check(env.step(env.action_space.sample())[-1])


# ---- hindsight

GOALS = {
    "matgym/NanotubeDopingGoal-v0": {"budget": {"B": 2, "N": 2}, "cells": 1, "model": cheap("Doping")},
    "matgym/NanotubeChiralityGoal-v0": {},
    "matgym/NanotubeIsotopesGoal-v0": {},
    "matgym/NanotubeThermoelectricGoal-v0": {"instance": "thermoelectric-easy"},
    "matgym/FilmAnnealingGoal-v0": {"task": AnnealingTask(size=16, steps=4, grains=(120, 121))},
}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("identity", GOALS)
def test_hindsight_replay_with_sb3s_default_settings(identity, native):
    """By default goals are what any later step achieved: what is unfinished earns nothing, not even by chance."""
    env = gym.make(identity, **GOALS[identity])
    if native:
        env = SB3VecEnv(gym.make_vec(identity, num_envs=2, **GOALS[identity]), seed=0)
    algorithm = SAC if "Film" in identity else DQN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent = algorithm(
            "MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, buffer_size=1_000, seed=0, device="cpu",
            policy_kwargs={"net_arch": [16]},
        ).learn(140)  # fmt: skip
    assert agent._n_updates > 0
    batch = agent.replay_buffer.sample(512)
    goals, achieved = (batch.next_observations[name].numpy() for name in ("desired_goal", "achieved_goal"))
    rewards = batch.rewards.numpy()[:, 0]
    real = (goals[:, -1] > 0.5) & (achieved[:, -1] > 0.5)
    assert 0 < real.sum() < len(real)
    assert not rewards[~real].any()
    assert (rewards[real & (goals == achieved).all(axis=1)] > 0.9).all()
