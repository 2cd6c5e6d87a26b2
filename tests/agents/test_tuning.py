"""Tuning: samplers that the algorithms accept, a budget that holds, files that rl_zoo3 and `matgym train` read."""

import gymnasium as gym
import numpy as np
import optuna
import pytest
import yaml

from matgym.agents.sb3 import ALGORITHMS, hyperparameters
from matgym.agents.training import first_returns, learner, settings_in
from matgym.agents.tuning import SAMPLERS, Tuning, write_settings
from matgym.errors import ConfigurationError


class Line(gym.Env):
    """An environment in which larger actions pay more; an episode has eight steps."""

    observation_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):  # noqa: ARG002  # Gymnasium's face
        super().reset(seed=seed)
        self.left = 8
        return self.np_random.random(2).astype(np.float32), {}

    def step(self, action):
        self.left -= 1
        return self.np_random.random(2).astype(np.float32), float(action) / 24.0, self.left == 0, False, {}


gym.register("tuned/Line-v0", entry_point=Line)


def test_every_algorithm_has_a_sampler_whose_hyper_parameters_it_accepts():
    assert SAMPLERS.keys() == set(ALGORITHMS)
    for algorithm, sample in SAMPLERS.items():
        environment = "Pendulum-v1" if algorithm in {"SAC", "TD3", "TQC"} else "CartPole-v1"
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
        settings = {"n_envs": 2} | sample(trial, 2, 2, {})
        agent, _ = learner(environment, algorithm, seed=0, settings=settings)
        for name, value in settings.items():
            if name == "gamma":
                assert agent.gamma == value
        agent.get_env().close()


def test_a_sampled_batch_is_no_larger_than_a_rollout():
    for number in range(20):
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number)).ask()
        settings = SAMPLERS["PPO"](trial, 4, 8, {})
        assert settings["batch_size"] <= 8 * settings["n_steps"]


def tuning(**changes):
    return Tuning(**{
        "environment": "tuned/Line-v0", "algorithm": "PPO", "steps": 512, "seed": 3, "n_envs": 4, "arguments": {},
    } | changes)  # fmt: skip


def test_the_best_trial_is_returned_and_the_budget_holds():
    seen = []
    best, done = tuning().run(4, seen.append)
    assert seen == done
    assert len(done) == 4
    assert best.score == max(trial.score for trial in done if trial.score is not None)
    assert done[0].settings == {"n_envs": 1, "n_timesteps": 512, "policy": "MlpPolicy"}  # the defaults
    for trial in done[1:]:
        assert trial.steps < 512 + trial.settings["n_steps"] * 4  # the last rollout is completed
    again, _ = tuning().run(4)
    assert again == best


def test_a_trial_starts_from_stored_hyper_parameters():
    arguments = {"n": 8, "cells": 1, "budget": {"B": 1}, "model": boron, "targets": (0.5, 1.5)}
    _, (first,) = tuning(
        environment="matgym/NanotubeDoping-v0", algorithm="MaskablePPO", steps=64, arguments=arguments
    ).run(1)
    stored = hyperparameters("matgym/NanotubeDoping-v0", "MaskablePPO")
    assert first.settings == stored | {"n_envs": 4, "n_timesteps": 64}
    _, (first,) = tuning(
        environment="matgym/NanotubeDoping-v0", algorithm="MaskablePPO", steps=64,
        arguments=arguments | {"observation": "honeycomb"},
    ).run(1)  # fmt: skip
    assert first.settings["policy"] == "HoneycombPolicy"
    assert "policy_kwargs" not in first.settings  # the stored ones are of a flat network


def boron(tubes):
    return [float((tube.species == 3).sum()) for tube in tubes]


def test_tuned_hyper_parameters_are_written_as_rl_zoo3_reads_them(tmp_path):
    settings = {"n_envs": 2, "n_timesteps": 100, "policy": "MlpPolicy", "policy_kwargs": {"net_arch": [8]}}
    write_settings(tmp_path / "a.yml", "tuned/Line-v0", settings, "made by\na test")
    text = (tmp_path / "a.yml").read_text()
    assert text.startswith("# made by\n# a test\n")
    assert yaml.safe_load(text) == {"tuned/Line-v0": settings}
    assert settings_in(tmp_path / "a.yml", "module:tuned/Line-v0") == settings
    with pytest.raises(ConfigurationError, match="has no hyper-parameters of CartPole-v1"):
        settings_in(tmp_path / "a.yml", "CartPole-v1")


def test_first_returns_are_those_of_the_first_episodes_only():
    agent, _ = learner("tuned/Line-v0", "PPO", seed=0, settings={"n_envs": 2})
    returns = first_returns("tuned/Line-v0", {}, agent, 5, seed=0)
    env, expected = Line(), []
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            action = agent.predict(observation, deterministic=True)[0]
            observation, reward, over, *_ = env.step(int(action))
            total += reward
        expected.append(total)
    np.testing.assert_allclose(returns, expected, atol=1e-6)
