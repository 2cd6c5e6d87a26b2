"""Goal-conditioned and multi-objective variants."""

import warnings

import gymnasium as gym
import mo_gymnasium
import numpy as np
import pytest
from env_cases import ALL, DESIGNS, EASY, SAME, case, cheap, cheap_values, draw, some
from mo_gymnasium.wrappers import LinearReward, MORecordEpisodeStatistics
from mo_gymnasium.wrappers.vector import MORecordEpisodeStatistics as VectorStatistics
from stable_baselines3 import DQN, HerReplayBuffer

import matgym  # noqa: F401  # registers the environments
from matgym.envs.design import DesignEnv
from matgym.errors import ConfigurationError
from matgym.physics import PiElectrons
from matgym.structures import Nanotube
from matgym.tasks import decoration_task
from matgym.tasks.furnace_design import furnace_task

# ---- goals

MARGINS = {
    "matgym/NanotubeDopingGoal-v0": {"gap_ev": 0.15},
    "matgym/NanotubeChiralityGoal-v0": {"gap_ev": 0.1, "diameter_nm": 0.1, "length_nm": 0.5},
    "matgym/NanotubeIsotopesGoal-v0": {"thermal_conductance_nw_k": 0.05},
    "matgym/NanotubeThermoelectricGoal-v0": {"zt": 0.02},
    "isotope-sites, goal": {"thermal_conductance_nw_k": 0.001},
    f"{EASY}, goal": {"zt": 0.02},
}
"""Errors at which a reward has fallen to a tenth, as the environments' documentation has them."""


@pytest.mark.parametrize("name", some([name for name in ALL if "Goal" in name or "goal" in name]))
def test_computed_rewards_are_those_of_the_step(name):
    identity, arguments = case(name)
    envs = gym.make_vec(identity, num_envs=32, **arguments)
    envs.reset(seed=0)
    rng, done = np.random.default_rng(0), np.zeros(32, dtype=bool)
    while not done.any():
        observation, reward, done, _, info = envs.step(draw(envs, rng))
    if "NanotubeDesign" in name:
        return  # whose episodes end at different steps: tests/envs/test_nanotube_design.py
    assert done.all()
    ended = {key: np.stack([last[key] for last in info["final_obs"]]) for key in observation}
    achieved, desired = ended["achieved_goal"], ended["desired_goal"]
    computed = envs.compute_reward(achieved, desired, info)
    np.testing.assert_array_equal(achieved[:, -1], 1.0)
    inside = (np.abs(achieved[:, :-1]) < 3.0).all(axis=1)  # what lies further out is told as if it did not
    assert inside.sum() > 5
    np.testing.assert_allclose(computed[inside], reward[inside], atol=SAME)
    np.testing.assert_allclose(computed, reward, atol=SAME)
    one = [envs.compute_reward(a, d, {}) for a, d in zip(achieved, desired, strict=True)]
    assert all(isinstance(value, float) for value in one)
    np.testing.assert_allclose(one, computed, atol=SAME)
    assert envs.compute_reward(achieved.reshape(4, 8, -1), desired.reshape(4, 8, -1), None).shape == (4, 8)
    # Had it been asked for what it made, it would have earned all there is; what is not finished earns nothing.
    np.testing.assert_allclose(envs.compute_reward(achieved, achieved, None), 1.0, atol=SAME)
    assert not envs.compute_reward(observation["achieved_goal"], desired, None).any()
    if "Annealing" in name:
        return  # its own formula: tests/envs/test_process_envs.py
    final = info["final_info"]
    targets = final[envs.episodes.options[0]].reshape(32, -1)
    margins = MARGINS[name]
    errors = [final["objectives"][key] - target for key, target in zip(margins, targets.T, strict=True)]
    tolerances = [
        1.0 / (1.0 + 9.0 * (error / margin) ** 2) for error, margin in zip(errors, margins.values(), strict=True)
    ]
    np.testing.assert_allclose(reward[inside], np.mean(tolerances, axis=0)[inside], atol=SAME)
    assert np.ptp(reward) > 0.01
    if "Chirality" in name:  # whose gaps physics has at once
        tubes = envs.task.tubes(np.stack(list(final["design"])))
        gaps = PiElectrons().predict([Nanotube(t.n, t.m, 1, strain=t.strain) for t in tubes])["gap_ev"]
        np.testing.assert_allclose(final["objectives"]["gap_ev"], gaps, atol=1e-6)
        np.testing.assert_allclose(final["objectives"]["diameter_nm"], [t.diameter_nm for t in tubes], atol=1e-6)


@pytest.mark.parametrize("identity", ["matgym/NanotubeChiralityGoal-v0", "matgym/NanotubeDopingGoal-v0"])
def test_hindsight_replay_learns_on_goal_variants(identity):
    from matgym.agents import SB3VecEnv

    budget = {} if "Chirality" in identity else {"budget": {"B": 2, "N": 2}, "cells": 1}
    envs = SB3VecEnv(gym.make_vec(identity, num_envs=2, model=cheap(identity), **budget), seed=0)
    agent = DQN(
        "MultiInputPolicy",
        envs,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "final"},
        learning_starts=100,
        train_freq=8,
        batch_size=32,
        buffer_size=1_000,
        policy_kwargs={"net_arch": [16]},
        seed=0,
    )
    agent.learn(500)
    assert agent.num_timesteps >= 500
    assert agent._n_updates > 10
    batch = agent.replay_buffer.sample(256)
    finished = batch.next_observations["achieved_goal"][:, -1] > 0.5
    assert finished.any()
    assert not batch.rewards[~finished].any()
    # Goals that were put in afterwards are what the episode came to: of them a reward of one is earned.
    assert (batch.rewards[finished] > 0.99).any()


# ---- vector rewards

VECTORS = [identity for identity in DESIGNS if "MO-" in identity]


@pytest.mark.parametrize("name", some([*VECTORS, f"{EASY}, multi-objective"]))
def test_mo_gymnasiums_wrappers_take_multi_objective_variants(name):
    identity, arguments = case(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = mo_gymnasium.make(identity, **arguments)
        plain = gym.make(identity.replace("MO-", ""), **arguments)
    size = env.unwrapped.reward_dim
    assert size == len(env.unwrapped.task.component_names) >= 2
    assert env.unwrapped.reward_space.shape == (size,)
    first = np.eye(size)[0]
    linear = LinearReward(mo_gymnasium.make(identity, **arguments), weight=first)
    counted = MORecordEpisodeStatistics(env)
    for each in (linear, counted, plain):
        each.reset(seed=4)
    rng, done = np.random.default_rng(0), False
    while not done:
        action = int(rng.choice(np.flatnonzero(plain.unwrapped.action_masks())))
        _, vector, done, _, info = counted.step(action)
        _, weighed, *_ = linear.step(action)
        _, reward, *_ = plain.step(action)
        assert vector.dtype == np.float32
        assert env.unwrapped.reward_space.contains(vector)
        if "NanotubeDesign" in identity:  # the mean of the parts that are asked: tests/envs/test_nanotube_design.py
            assert weighed == vector[0]
        elif "Chirality" in identity:  # the reward is the mean of the parts there
            assert weighed == vector[0]
            assert reward == pytest.approx(float(vector.mean()), abs=SAME)
        else:
            assert weighed == pytest.approx(reward, abs=SAME)
    np.testing.assert_allclose(info["episode"]["r"], vector)
    envs = VectorStatistics(gym.make_vec(identity, num_envs=3, **arguments))
    envs.reset(seed=4)
    done = np.zeros(3, dtype=bool)
    while not done.any():
        _, rewards, done, _, info = envs.step(draw(envs.unwrapped, rng))
        assert rewards.shape == (3, size)
    np.testing.assert_allclose(info["episode"]["r"][done], rewards[done])
    assert envs.unwrapped.reward_space.shape == (size,)


@pytest.mark.parametrize("identity", [i for i in DESIGNS if "MO-" not in i and "Goal" not in i])
def test_plain_variants_have_no_face_of_another(identity):
    many = any(name in identity for name in ("NanotubeDesign", "NanotubeImprovement"))  # models of several properties
    env = gym.make(identity, **({} if many else {"model": cheap(identity)})).unwrapped
    assert not hasattr(env, "compute_reward")
    assert not hasattr(env, "reward_space")


def test_variants_that_a_task_cannot_have_are_refused():
    with pytest.raises(
        ConfigurationError,
        match="variant='both' of DesignEpisodes is not right: must be 'plain', 'goal' or 'multi-objective'",
    ):
        DesignEnv(task=decoration_task(model=cheap_values, low=0.5, high=1.5), variant="both")
    with pytest.raises(ConfigurationError, match="needs a task with targets and without a reward function"):
        gym.make("matgym/NanotubeDopingGoal-v0", instance="doping")
    with pytest.raises(ConfigurationError, match="no vector reward"):
        DesignEnv(task=furnace_task(), variant="multi-objective")
    with pytest.raises(ConfigurationError, match="no vector reward"):
        gym.make("matgym/MO-NanotubeIsotopes-v0", instance="isotope-sites")
    with pytest.raises(ConfigurationError, match="give isotope-rings or isotope-sites"):
        gym.make("matgym/NanotubeIsotopes-v0", instance="isotope-site")
