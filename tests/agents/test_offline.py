"""Recorded episodes equal those of the environment, and Minari reads them."""

import sys

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO

import matgym  # noqa: F401  # registers the environments
from matgym.agents.offline import record_episodes
from matgym.errors import ConfigurationError, DatasetError, MissingExtraError

minari = pytest.importorskip("minari")
DOPING = "matgym/NanotubeDoping-v0"
SMALL = {"n": 5, "m": 0, "cells": 1, "budget": {"B": 3}, "targets": (0.0, 3.0)}


def boron(tubes):
    """A model that needs no time: the boron on the first ten sites."""
    return [float((tube.species[:10] == 3).sum()) for tube in tubes]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def replayed(environment, episode, seed, **arguments):
    """Repeat the recorded actions in the environment."""
    env = gym.make(environment, **arguments)
    observation, _ = env.reset(seed=seed)
    np.testing.assert_array_equal(episode.observations[0], observation)
    for t, action in enumerate(episode.actions):
        observation, reward, terminated, truncated, _ = env.step(action)
        np.testing.assert_array_equal(episode.observations[t + 1], observation)
        assert (episode.rewards[t], episode.terminations[t], episode.truncations[t]) == (reward, terminated, truncated)
    assert terminated or truncated


def test_random_episodes_replay_as_recorded(folder):
    record_episodes(DOPING, "random", 5, 7, "doping/random-v0", model=boron, **SMALL)
    data = minari.load_dataset("doping/random-v0")
    assert (data.total_episodes, data.total_steps) == (5, 15)
    assert folder in data.storage.data_path.parents
    env = gym.make(DOPING, model=boron, **SMALL)
    assert (data.observation_space, data.action_space) == (env.observation_space, env.action_space)
    for i, episode in enumerate(data.iterate_episodes()):
        assert len(episode) == 3  # three allowed edits complete a design, so that the masks were obeyed
        assert episode.observations.dtype == np.float32
        assert np.issubdtype(episode.actions.dtype, np.integer)
        replayed(DOPING, episode, 7 + i, model=boron, **SMALL)
    assert [meta["seed"] for meta in data.storage.get_episode_metadata(range(5))] == [7, 8, 9, 10, 11]
    first = [episode.actions.tolist() for episode in data.iterate_episodes()]
    again = record_episodes(DOPING, "random", 5, 7, "doping/random-v1", model=boron, **SMALL)
    assert [episode.actions.tolist() for episode in again.iterate_episodes()] == first


@pytest.mark.parametrize("algorithm", [MaskablePPO, PPO])
def test_recorded_episodes_of_an_agent_have_its_actions(algorithm):
    agent = algorithm(
        "MlpPolicy", gym.make(DOPING, model=boron, **SMALL), n_steps=32, batch_size=32, device="cpu", seed=0
    ).learn(64)
    data = record_episodes(DOPING, agent, 2, 3, "doping/agent-v0", deterministic=True, model=boron, **SMALL)
    assert data.storage.metadata["algorithm_name"] == algorithm.__name__
    for i, episode in enumerate(data.iterate_episodes()):
        replayed(DOPING, episode, 3 + i, model=boron, **SMALL)
        if algorithm is PPO:
            chosen = agent.predict(episode.observations[:-1], deterministic=True)[0]
            np.testing.assert_array_equal(episode.actions, chosen)


def test_episodes_of_a_furnace_by_an_agent_with_memory_are_recorded():
    growth = "matgym/CVDGrowth-v0"
    agent = RecurrentPPO("MlpLstmPolicy", gym.make(growth, minutes=4), n_steps=8, batch_size=8, device="cpu", seed=0)
    for name, policy in (("growth/random-v0", "random"), ("growth/agent-v0", agent)):
        data = record_episodes(growth, policy, 2, 0, name, deterministic=True, minutes=4)
        env = minari.load_dataset(name).recover_environment()  # possible because the arguments can be stored
        assert env.unwrapped.task.minutes == 4
        for i, episode in enumerate(data.iterate_episodes()):
            assert episode.actions.shape == (4, 4)
            replayed(growth, episode, i, minutes=4)


def test_a_name_can_be_used_once():
    record_episodes(DOPING, "random", 1, 0, "doping/once-v0", model=boron, **SMALL)
    with pytest.raises(DatasetError, match="'doping/once-v0' already"):
        record_episodes(DOPING, "random", 1, 0, "doping/once-v0", model=boron, **SMALL)
    with pytest.raises(DatasetError, match="does not take"):
        record_episodes(DOPING, "random", 1, 0, "no name", model=boron, **SMALL)


def test_episodes_that_cannot_be_recorded_raise(monkeypatch):
    with pytest.raises(ConfigurationError, match="policy 'best' is unknown"):
        record_episodes(DOPING, "best", 1, 0, "doping/x-v0", model=boron, **SMALL)
    with pytest.raises(ConfigurationError, match="episodes=0"):
        record_episodes(DOPING, "random", 0, 0, "doping/x-v0", model=boron, **SMALL)
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(MissingExtraError, match=r"matgym\[offline\]"):
        record_episodes(DOPING, "random", 1, 0, "doping/x-v0", model=boron, **SMALL)


KINDS = {
    "matgym/NanotubeDopingGoal-v0": SMALL | {"model": boron, "targets": (0.0, 3.0)},
    "matgym/MO-NanotubeDoping-v0": {
        "n": 5,
        "m": 0,
        "cells": 1,
        "budget": {"B": 3},
        "model": boron,
        "targets": (0.0, 3.0),
    },
    "matgym/NanotubeChirality-v0": {},
    "matgym/CVDGrowth-v0": {"minutes": 3},
    "matgym/MO-CVDGrowth-v0": {"minutes": 3},
}


@pytest.mark.parametrize("identity", KINDS)
def test_goals_vector_rewards_and_infos_are_given_back(identity):
    """In 0.1 the first two crashed, left a broken data set, and no infos could be kept."""
    from gymnasium.utils.env_checker import data_equivalence

    record_episodes(identity, "random", 2, 7, "kinds/one-v0", infos=True, **KINDS[identity])
    env = gym.make(identity, disable_env_checker=True, **KINDS[identity])
    for i, episode in enumerate(minari.load_dataset("kinds/one-v0").iterate_episodes()):
        observation, info = env.reset(seed=7 + i)

        def check(t, observation, info, episode=episode):
            for column, now in ((episode.observations, observation), (episode.infos, info)):
                if not isinstance(now, dict):
                    np.testing.assert_array_equal(column[t], now)
                    continue
                for name, value in now.items():
                    if isinstance(value, dict):
                        for inner, each in value.items():
                            np.testing.assert_array_equal(column[name][inner][t], each)
                    else:
                        np.testing.assert_array_equal(column[name][t], value)

        check(0, observation, info)
        for t, action in enumerate(episode.actions):
            observation, reward, *_, info = env.step(action)
            check(t + 1, observation, info)
            assert data_equivalence(np.asarray(episode.rewards[t]), np.asarray(reward, dtype=np.float64))


def test_what_fails_leaves_nothing_behind(folder, monkeypatch):
    storage = sys.modules["minari"].dataset.minari_storage.MinariStorage

    def broken(*_args):
        raise ValueError("the disk is full")

    monkeypatch.setattr(storage, "update_episodes", broken)
    for kind in storage.__subclasses__():
        monkeypatch.setattr(kind, "update_episodes", broken, raising=False)
    with pytest.raises(DatasetError, match="the disk is full"):
        record_episodes(DOPING, "random", 1, 0, "doping/full-v0", model=boron, **SMALL)
    assert minari.list_local_datasets() == {}
    assert not list(folder.rglob("full-v0"))
    monkeypatch.undo()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    record_episodes(DOPING, "random", 1, 0, "doping/full-v0", model=boron, **SMALL)
