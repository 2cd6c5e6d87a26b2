"""Dense and sparse rewards have the same return; levels set what episodes begin with."""

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError
from matgym.tasks.growth import VARIATIONS
from tests.envs.env_cases import cheap, needs

DESIGNS = {
    "matgym/NanotubeDoping-v0": {"n": 7, "cells": 2, "budget": {"B": 2, "N": 2}, "model": cheap("Doping")},
    "matgym/MO-NanotubeChirality-v0": {},
    "matgym/NanotubeChirality-v0": {},
    "matgym/NanotubeIsotopes-v0": {},
    "matgym/NanotubeThermoelectric-v0": {"n": 7, "budget": {"SW": 1, "14C": 2}, "model": cheap("Thermoelectric")},
}
PROCESSES = {
    "matgym/CVDGrowth-v0": {"minutes": 5},
    "matgym/MO-CVDGrowth-v0": {"minutes": 5},
    "matgym/CVDRecipe-v0": {"minutes": 5, "experiments": 4},
    "matgym/FilmAnnealing-v0": {},
    "matgym/MO-FilmAnnealing-v0": {},
}
TABLES = {"Chirality": "chirality", "Isotopes": "isotope-rings"}
SIZE = 3


def played(identity, reward_type, **arguments):
    """Return (steps, SIZE, ...) rewards of the first episodes of a batch under random actions, and the batch."""
    envs = gym.make_vec(identity, num_envs=SIZE, reward_type=reward_type, **arguments)
    envs.reset(seed=5)
    rng, rewards, over = np.random.default_rng(1), [], np.zeros(SIZE, dtype=bool)
    while not over.any():
        space = envs.single_action_space
        if isinstance(space, gym.spaces.Discrete):
            actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in envs.action_masks()])
        else:
            actions = rng.uniform(-1.0, 1.0, (SIZE, *space.shape)).astype(np.float32)
        _, reward, terminated, truncated, _ = envs.step(actions)
        rewards.append(reward)
        over = terminated | truncated
    assert over.all()
    return np.array(rewards), envs


def tables(identity):
    for name, table in TABLES.items():
        if name in identity:
            needs(table)


@pytest.mark.parametrize(("identity", "arguments"), [*DESIGNS.items(), *PROCESSES.items()])
def test_dense_and_sparse_rewards_have_the_same_return(identity, arguments):
    tables(identity)
    dense, _ = played(identity, "dense", **arguments)
    sparse, _ = played(identity, "sparse", **arguments)
    assert (sparse[:-1] == 0.0).all()
    assert np.abs(sparse[-1]).max() > 0.0
    assert (dense[:-1] != 0.0).any()
    np.testing.assert_allclose(dense.sum(axis=0), sparse[-1], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize(("identity", "arguments"), [*DESIGNS.items(), *PROCESSES.items()])
def test_scalar_environments_pay_the_same_to_the_bit(identity, arguments):
    tables(identity)
    for reward_type in ("dense", "sparse"):
        batch, envs = played(identity, reward_type, **arguments)
        rng = np.random.default_rng(1)
        alone = [
            gym.make(identity, reward_type=reward_type, disable_env_checker=True, **arguments) for _ in range(SIZE)
        ]
        for seed, env in enumerate(alone):
            env.reset(seed=5 + seed)
        for rewards in batch:
            if isinstance(envs.single_action_space, gym.spaces.Discrete):
                actions = [rng.choice(np.flatnonzero(env.unwrapped.action_masks())) for env in alone]
            else:
                actions = rng.uniform(-1.0, 1.0, (SIZE, *envs.single_action_space.shape)).astype(np.float32)
            one_by_one = [env.step(action)[1] for env, action in zip(alone, actions, strict=True)]
            np.testing.assert_array_equal(np.float32(one_by_one), np.float32(rewards))


def test_the_default_is_sparse_for_designs_and_dense_for_processes():
    for identity, arguments, usual in (
        ("matgym/NanotubeDoping-v0", DESIGNS["matgym/NanotubeDoping-v0"], "sparse"),
        ("matgym/CVDGrowth-v0", {"minutes": 5}, "dense"),
        ("matgym/FilmAnnealing-v0", {}, "dense"),
    ):
        default, _ = played(identity, None, **arguments)
        np.testing.assert_array_equal(default, played(identity, usual, **arguments)[0])


@pytest.mark.parametrize("on_forbidden", ["penalty", "terminate"])
def test_forbidden_actions_keep_the_return_of_dense_rewards(on_forbidden):
    given = {**DESIGNS["matgym/NanotubeDoping-v0"], "on_forbidden": on_forbidden}
    totals = {}
    for reward_type in ("sparse", "dense"):
        env = gym.make("matgym/NanotubeDoping-v0", reward_type=reward_type, **given)
        env.reset(seed=2)
        rewards = []
        for action in (0, 0, 1, 60, 61):  # the second one is forbidden
            _, reward, over, _, _ = env.step(action)
            rewards.append(reward)
            if over:
                break
        totals[reward_type] = (sum(rewards), len(rewards))
    assert totals["dense"] == pytest.approx(totals["sparse"], abs=1e-12)
    assert totals["dense"][1] == (5 if on_forbidden == "penalty" else 2)


def test_a_ledger_counts_the_unfinished_designs_of_dense_rewards():
    given = DESIGNS["matgym/NanotubeDoping-v0"]
    for reward_type, evaluations in (("sparse", SIZE), ("dense", 4 * SIZE)):
        _, envs = played("matgym/NanotubeDoping-v0", reward_type, **given)
        assert sum(envs.task.ledger.counts.values()) == evaluations


def test_dense_rewards_that_cannot_be_are_errors():
    needs("isotope-sites")
    for identity, arguments, reason in (
        ("matgym/NanotubeChiralityGoal-v0", {}, 'no effect with variant="goal"'),
        ("matgym/FilmAnnealingGoal-v0", {}, 'no effect with variant="goal"'),
        ("matgym/NanotubeIsotopes-v0", {"instance": "isotope-sites"}, "the table of isotope-sites holds finished ones"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            gym.make(identity, reward_type="dense", **arguments)


def test_the_level_of_growth_sets_how_reactors_differ():
    spreads = []
    for level in VARIATIONS:
        envs = gym.make_vec("matgym/CVDGrowth-v0", num_envs=256, level=level)
        envs.reset(seed=0)
        spreads.append(np.log(envs.episodes.reactor.diameter_nm).std())
    assert spreads[0] == 0.0
    assert 0.0 < 2.0 * spreads[1] < spreads[2]


def test_the_level_of_films_sets_their_particles_and_targets():
    particles, targets = {}, {}
    for level in ("easy", "medium", "hard"):
        envs = gym.make_vec("matgym/FilmAnnealing-v0", num_envs=64, level=level)
        envs.reset(seed=0)
        particles[level] = (envs.episodes.films.state.labels == 0).mean(axis=(1, 2))
        targets[level] = envs.episodes.targets
    assert (particles["easy"] == 0.0).all()
    assert 0.04 <= particles["medium"].min() < particles["medium"].max() <= 0.13
    assert particles["hard"].min() < 0.03
    assert particles["hard"].max() > 0.15
    assert targets["hard"].max() > 10.0 > targets["medium"].max()
