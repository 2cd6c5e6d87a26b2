"""Scripted experts and blind policies: legal, repeatable, better than random actions, and counted."""

import json

import gymnasium as gym
import numpy as np
import pytest
from typer.testing import CliRunner

import matgym  # noqa: F401  # registers the environments
from matgym.agents.blind import Budget, blind
from matgym.agents.designers import search
from matgym.agents.experts import EXPERTS, expert_of
from matgym.agents.scripted import ByDesign
from matgym.cli import app
from matgym.errors import ConfigurationError
from matgym.registration import SPECS, variant_id
from scripts.studies.common import ARGUMENTS
from scripts.studies.environments import RandomActions, mean_return
from tests.envs.env_cases import cheap, needs

SMALL = {
    "matgym/NanotubeImprovement-v0": {"tubes": [(6, 4, 1), (5, 5, 4)]},
    "matgym/NanotubeDoping-v0": {"n": 7, "cells": 2, "budget": {"B": 2, "N": 2}, "model": cheap("Doping")},
    "matgym/NanotubeChirality-v0": {},
    "matgym/NanotubeIsotopes-v0": {},
    "matgym/NanotubeThermoelectric-v0": {"n": 7, "budget": {"SW": 1, "14C": 2}, "model": cheap("Thermoelectric")},
    "matgym/CVDGrowth-v0": {"level": "easy"},
    "matgym/CVDRecipe-v0": {"experiments": 4},
    "matgym/FilmAnnealing-v0": {},
    **ARGUMENTS,
}


def returns(identity, policy, size=16, **arguments):
    envs = gym.make_vec(identity, num_envs=size, **{**SMALL[identity], **arguments})
    return mean_return(envs, policy, 10, np.random.default_rng(3))


def test_every_environment_and_variant_has_an_expert():
    assert {spec.id for spec in SPECS} == set(EXPERTS)
    for spec in SPECS:
        for variant in ("", *spec.variants):
            assert expert_of(variant_id(spec.id, variant)) is EXPERTS[spec.id]
    with pytest.raises(ConfigurationError, match="no scripted expert of 'CartPole-v1'"):
        expert_of("CartPole-v1")


@pytest.mark.parametrize("identity", SMALL)
def test_experts_are_better_than_random_actions_and_repeatable(identity):
    for name, table in (("Chirality", "chirality"), ("Isotopes", "isotope-rings")):
        if name in identity:
            needs(table)
    mine = returns(identity, expert_of(identity).make())
    assert mine == returns(identity, expert_of(identity).make())
    assert mine > returns(identity, RandomActions()) + 0.02


def test_the_predictive_controller_acts_in_each_run_of_a_batch():
    envs = gym.make_vec("matgym/CVDGrowth-v0", num_envs=2, level="hard", minutes=3)
    observation, _ = envs.reset(seed=0)
    policy = expert_of("matgym/CVDGrowth-v0").make()
    policy.begin(envs.episodes, np.random.default_rng(0))
    acted = []
    for _ in range(3):
        acted.append(policy.act(observation))
        observation, *_ = envs.step(acted[-1])
    assert np.shape(acted) == (3, 2, 4)
    np.testing.assert_array_equal(acted[0][0], acted[0][1])  # nothing was observed yet
    assert (acted[2][0] != acted[2][1]).any()


def test_a_design_is_made_as_it_was_decided_and_every_action_is_allowed():
    for identity in ("matgym/NanotubeDoping-v0", "matgym/NanotubeThermoelectric-v0"):
        envs = gym.make_vec(identity, num_envs=8, **SMALL[identity])
        envs.reset(seed=0)
        decided = envs.task.space.sample(8, np.random.default_rng(4))
        policy = ByDesign(lambda *_, decided=decided: decided)
        policy.begin(envs.episodes, np.random.default_rng(0))
        for _ in range(envs.episodes.steps):
            *_, info = envs.step(policy.act(None))
        np.testing.assert_array_equal(info["final_info"]["design"], decided)
        assert info["final_info"]["allowed"].all()


def test_a_search_counts_its_evaluations_once_without_targets():
    task = gym.make("matgym/NanotubeDoping-v0", **SMALL["matgym/NanotubeDoping-v0"]).unwrapped.task
    search(task, np.full(3, 0.3), np.random.default_rng(0), evaluations=10)
    assert task.ledger.counts["surrogate"] == 30
    extreme = gym.make("matgym/NanotubeDoping-v0", direction="maximize", **SMALL["matgym/NanotubeDoping-v0"])
    found = search(extreme.unwrapped.task, np.zeros((3, 0)), np.random.default_rng(0), evaluations=10)
    assert extreme.unwrapped.task.ledger.counts["surrogate"] == 10
    assert (found == found[0]).all()


@pytest.mark.parametrize("identity", ["matgym/NanotubeDoping-v0", "matgym/CVDGrowth-v0", "matgym/Experiments-v0"])
def test_blind_policies_ignore_observations_and_are_better_than_random_actions(identity):
    budget = Budget(population=24, generations=6, episodes=2, targets=32)
    policy, again = (blind(identity, SMALL[identity], budget, np.random.default_rng(0)) for _ in range(2))
    assert returns(identity, policy) == returns(identity, again)
    assert returns(identity, policy) > returns(identity, RandomActions())
    envs = gym.make_vec(identity, num_envs=2, **SMALL[identity])
    envs.reset(seed=1)
    acted = []
    for observation in (envs.reset(seed=1)[0], envs.reset(seed=2)[0]):
        policy.begin(envs.episodes, np.random.default_rng(0))
        acted.append(policy.act(observation))
    np.testing.assert_array_equal(acted[0], acted[1])


def test_the_command_evaluates_an_expert():
    call = ["evaluate", "--expert", "--env", "matgym/CVDGrowth-v0", "--arg", "level=easy", "--episodes", "2", "--json"]
    content = json.loads(CliRunner().invoke(app, call).stdout)
    expert, random = content["policies"]
    assert (expert["policy"], random["policy"]) == ("expert", "random")
    assert expert["returns"]["mean"] > random["returns"]["mean"]
    assert CliRunner().invoke(app, ["evaluate"]).exit_code != 0
    assert CliRunner().invoke(app, ["evaluate", "--expert", "--env", "CartPole-v1"]).exit_code != 0
