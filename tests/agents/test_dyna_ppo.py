"""DyNA-PPO: which models it uses, what it asks, and that a good model helps it."""

import numpy as np
import pytest

from matgym.agents import Problem, check_optimizer
from matgym.agents.optimizers.dyna_ppo import REPEATED, DynaPPO
from matgym.agents.optimizers.rl_search import PPO
from matgym.models import Level, Property
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective

SMALL = {"n_envs": 8, "n_steps": 24, "batch_size": 48, "n_epochs": 3}
WORTH = Property("worth", "1")


def problem(worth=lambda rows: rows.mean(axis=1), places=12):
    model = FunctionModel(worth, WORTH, level=Level.CALCULATOR)
    task = DesignTask(Choices((2,) * places), (Objective(WORTH, model, "maximize", 0.0, 1.0, oracle=model),))
    return Problem(task, np.zeros(0))


def played(optimizer, budget):
    """Return all designs of a search, and their rewards."""
    designs, rewards, task = [], [], optimizer.problem.task
    while sum(map(len, designs)) < budget:
        asked = optimizer.ask()
        scores = task.score(asked, optimizer.problem.targets(len(asked)))
        designs.append(asked)
        rewards.append(scores.reward)
        optimizer.tell(asked, scores)
    return np.concatenate(designs), np.concatenate(rewards)


def made(seed=0, rehearsals=20, **more):
    return DynaPPO(problem(**more), 128, np.random.default_rng(seed), rehearsals, SMALL)


def test_it_keeps_the_optimizers_contract():
    check_optimizer(DynaPPO, problem(), budget=40)


def test_no_design_is_evaluated_twice():
    designs, _ = played(made(rehearsals=5), 96)
    assert len(np.unique(designs, axis=0)) == len(designs)


def test_rewards_that_can_be_learned_are_rehearsed_and_others_are_not():
    linear, random = made(), made(worth=lambda rows: np.random.default_rng(0).random(len(rows)))
    for optimizer in (linear, random):
        played(optimizer, 32)
    names = [type(each[-1]).__name__ for each in linear._fitted()]
    assert "BayesianRidge" in names  # the reward is linear in the choices
    assert random._fitted() == []


def test_models_help_where_the_reward_is_linear():
    best = {}
    for name, make in (
        ("alone", lambda seed: PPO(problem(places=32), 64, np.random.default_rng(seed), SMALL)),
        ("with models", lambda seed: made(seed, places=32)),
    ):
        best[name] = np.mean([played(make(seed), 64)[1].max() for seed in range(3)])
    assert best["with models"] > best["alone"] + 0.05


def test_the_same_seed_asks_the_same_designs():
    first, second = (played(made(3, rehearsals=2), 40)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_repeats_cost_more_each_time():
    optimizer = made()
    design = np.zeros((3, 12), dtype=np.int64)
    np.testing.assert_allclose(REPEATED * optimizer._repeats(design), [0.0, 0.1, 0.2])
    assert optimizer._repeats(design[:1])[0] == pytest.approx(3.0)
