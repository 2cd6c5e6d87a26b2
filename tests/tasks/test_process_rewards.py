"""Reward functions of one's own in furnaces: of outcomes and controls, or of outcomes and targets."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError, FailureWarning, ModelError
from matgym.tasks.annealing import AnnealingTask
from matgym.tasks.furnace_design import furnace_task
from matgym.tasks.growth import GrowthTask
from matgym.testing import check_env, check_vector_env

GROWN = {"yield_um", "disorder", "amorphous", "energy_kwh"}
ROUNDING = 1e-12


def long_and_thrifty(outcomes, controls):
    """From 0 to 1: long tubes, less what acetylene was let in; and it must not change what it was given."""
    assert set(outcomes) == GROWN
    assert controls.shape[0] == len(outcomes["yield_um"])
    assert controls.shape[2] == 4
    worth = np.clip(outcomes["yield_um"] / 200.0 - controls[:, :, 1].mean(axis=1) / 1e4, 0.0, 1.0)
    for values in (*outcomes.values(), controls):
        values[...] = np.nan
    return worth


def sized(outcomes, targets):
    """Films of the target size."""
    assert set(outcomes) == {"radius", "defects", "energy_kwh"}
    return torch.from_numpy(np.exp(-np.abs(outcomes["radius"] - targets)) * (1.0 - outcomes["defects"]))


PLAYS = {
    "growth": ("matgym/CVDGrowth-v0", {"reward": long_and_thrifty}),
    "growth by a network": ("matgym/CVDGrowth-v0", {"reward": long_and_thrifty, "model": "cvd-growth"}),
    "recipe": ("matgym/CVDRecipe-v0", {"reward": long_and_thrifty, "minutes": 5, "experiments": 3}),
    "annealing": ("matgym/FilmAnnealing-v0", {"reward": sized, "task": None}),
}


@pytest.mark.parametrize(("identity", "arguments"), PLAYS.values(), ids=PLAYS)
def test_environments_with_a_reward_of_one_s_own_conform(identity, arguments):
    check_env(gym.make(identity, **arguments))
    check_vector_env(gym.make_vec(identity, num_envs=2, **arguments), lambda: gym.make(identity, **arguments))


@pytest.mark.parametrize("model", ["oracle", "cvd-growth"])
def test_rewards_of_growth_sum_to_what_the_finished_run_is_worth(model):
    env = gym.make("matgym/CVDGrowth-v0", reward=long_and_thrifty, model=model, minutes=8)
    env.reset(seed=0)
    rng, rewards, controls, done = np.random.default_rng(0), [], [], False
    while not done:
        action = rng.uniform(-1.0, 1.0, 4).astype(np.float32)
        _, reward, done, _, info = env.step(action)
        rewards.append(reward)
        controls.append(action)
        assert info["objectives"]["worth"] == pytest.approx(sum(rewards), abs=ROUNDING)
    assert info["objectives"]["worth"] > 0.0
    from matgym.processes.growth.recipe import scaled_controls

    run = scaled_controls(np.array(controls, dtype=np.float32))[None]
    reactor = np.stack(env.unwrapped.episodes.reactor, axis=1)
    grown = env.unwrapped.task.grown(run, reactor)
    assert sum(rewards) == pytest.approx(long_and_thrifty(grown, run.copy())[0], abs=1e-6)
    assert set(info) == {"cost", "failed", "objectives"}


def test_runs_that_began_at_different_times_are_told_their_own_minutes():
    seen = []

    def minutes(outcomes, controls):
        seen.append((len(outcomes["yield_um"]), controls.shape[1]))
        return np.full(len(controls), controls.shape[1] / 10.0)

    envs = gym.make_vec("matgym/CVDGrowth-v0", num_envs=3, reward=minutes, minutes=4, autoreset_mode="DISABLED")
    envs.reset(seed=0)
    actions = np.zeros((3, 4), dtype=np.float32)
    envs.step(actions)
    envs.reset(options={"reset_mask": np.array([True, False, False])})
    _, rewards, *_ = envs.step(actions)
    assert seen == [(3, 1), (1, 1), (2, 2)]
    np.testing.assert_allclose(rewards, 0.1)


def test_a_recipe_s_score_is_what_the_function_says():
    def by_energy(outcomes, controls):
        assert controls.shape[1:] == (5, 4)
        return 1.0 / (1.0 + outcomes["energy_kwh"])

    env = gym.make("matgym/CVDRecipe-v0", reward=by_energy, minutes=5, experiments=4)
    env.reset(seed=0)
    scores, total = [], 0.0
    for action in np.random.default_rng(0).uniform(-1.0, 1.0, (4, 8)):
        _, reward, _, _, info = env.step(action)
        scores.append(info["objectives"]["score"])
        total += reward
    assert 0.0 < min(scores) < max(scores) < 1.0
    assert total == pytest.approx(max(scores), abs=ROUNDING)
    assert info["objectives"]["objective"] == scores[-1]
    assert 0.0 < abs(info["objectives"]["measured"] - scores[-1]) < 0.1


def test_rewards_of_annealing_sum_to_what_the_finished_film_is_worth():
    env = gym.make("matgym/FilmAnnealing-v0", reward=sized)
    env.reset(seed=0)
    total, done = 0.0, False
    while not done:
        _, reward, done, _, info = env.step(np.array([0.5], dtype=np.float32))
        total += reward
    objectives = info["objectives"]
    expected = np.exp(-abs(objectives["radius"] - info["target"])) * (1.0 - objectives["defects"])
    assert total == pytest.approx(expected, abs=ROUNDING)
    assert objectives["worth"] == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("identity", ["matgym/CVDGrowth-v0", "matgym/CVDRecipe-v0", "matgym/FilmAnnealing-v0"])
def test_what_is_nan_adds_nothing_and_is_told_once(identity):
    def sometimes(outcomes, _other):
        calls.append(len(outcomes["energy_kwh"]))
        return np.where(np.arange(calls[-1]) % 2, np.nan, 0.5)

    calls = []
    envs = gym.make_vec(identity, num_envs=4, reward=sometimes)
    assert not envs.reset(seed=0)[1]["failed"].any()
    with pytest.warns(FailureWarning, match="the reward function sometimes has no value for 2 of 4 runs") as caught:
        steps = [envs.step(envs.action_space.sample()) for _ in range(3)]
    assert len(caught) == 1
    np.testing.assert_array_equal([rewards for _, rewards, *_ in steps], [[0.5, 0, 0.5, 0], [0] * 4, [0] * 4])
    for *_, info in steps:
        np.testing.assert_array_equal(info["failed"], [False, True, False, True])


@pytest.mark.parametrize("identity", ["matgym/CVDGrowth-v0", "matgym/CVDRecipe-v0", "matgym/FilmAnnealing-v0"])
def test_wrong_rewards_are_named(identity):
    def high(outcomes, _other):
        return 2.0 + 0.0 * outcomes["energy_kwh"]

    def broken(outcomes, _other):
        return outcomes["length"]

    for reward, message in (
        (high, "the reward function high gave 2: rewards must lie from 0 to 1"),
        (broken, "the reward function broken raised KeyError on 1 run:"),
        (lambda _outcomes, _other: "high", r"returned 'high' for 1 run, which matgym cannot read as numbers"),
        (
            lambda _outcomes, _other: 0.5,
            r"returned a single number, of shape \(\), for 1 run: return an array of 1 number, of shape \(1,\)$",
        ),
    ):
        env = gym.make(identity, reward=reward)
        env.reset(seed=0)
        with pytest.raises(ModelError, match=message):
            env.step(np.zeros(env.action_space.shape, dtype=np.float32))
    with pytest.raises(ConfigurationError, match=r"reward=3 of .* is not right: must be a function"):
        gym.make(identity, reward=3)
    task = AnnealingTask() if "Film" in identity else GrowthTask()
    with pytest.raises(ConfigurationError, match="reward has no effect with task"):
        gym.make(identity, reward=high, task=task)


def test_a_reward_function_is_not_ignored_where_it_would_be_without_effect():
    for identity, variant in (
        ("matgym/CVDGrowth-v0", "multi-objective"),
        ("matgym/FilmAnnealing-v0", "multi-objective"),
        ("matgym/FilmAnnealing-v0", "goal"),
    ):
        with pytest.raises(ConfigurationError, match=f"reward function has no effect in the {variant}"):
            gym.make(identity, reward=lambda outcomes, _: 0.0 * outcomes["energy_kwh"], variant=variant)
    with pytest.raises(ConfigurationError, match=r"the reward function .* of growth has no effect"):
        furnace_task(growth=GrowthTask(reward=long_and_thrifty))
