"""Methods that search and control processes: cross-entropy, multiple shooting, predictive control, agents of SB3."""

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.agents.controllers.predictive import PredictiveController
from matgym.agents.controllers.shooting import climb
from matgym.agents.sb3 import hyperparameters, make_agent
from matgym.errors import ConfigurationError
from matgym.processes.growth.furnace import STANDARD, Variation
from matgym.processes.growth.recipe import scaled_actions, scaled_controls
from matgym.tasks.growth import GrowthTask

SHORT = 6  # minutes
CENTRE = 0.02  # tolerance for the known minimum of a bowl
RECIPE = (705.0, 170.0, 100.0, 12.0)


def test_cross_entropy_finds_the_bottom_of_a_bowl():
    bottom = np.array([[0.3, -0.5], [0.1, 0.9]])
    found = cross_entropy(
        lambda points: -((points - bottom) ** 2).sum(axis=(1, 2)), np.zeros((2, 2)), np.random.default_rng(0),
        population=64, elite=8, generations=40,
    )  # fmt: skip
    np.testing.assert_allclose(found.point, bottom, atol=CENTRE)
    assert found.evaluations == 64 * 40


def test_cross_entropy_is_never_worse_than_its_start():
    found = cross_entropy(
        lambda points: -np.abs(points).sum(axis=1), np.zeros(5), np.random.default_rng(0), generations=2
    )
    assert found.value == 0.0


def test_shooting_improves_a_recipe_and_its_value_is_that_of_the_task():
    task = GrowthTask(minutes=SHORT, variation=None)
    start = np.tile(RECIPE, (SHORT, 1))
    found = climb(task, start, iterations=30)
    assert found.objective > task.run(start[None], STANDARD)[0] + 1.0
    assert found.objective == pytest.approx(task.run(found.controls[None], STANDARD)[0])
    # No small change of one control improves the solver's result by much.
    rng = np.random.default_rng(0)
    near = np.clip(scaled_actions(found.controls) + 0.02 * rng.standard_normal((200, SHORT, 4)), -1.0, 1.0)
    assert task.run(scaled_controls(near), STANDARD).max() < found.objective + 0.1


def test_a_predictive_controller_estimates_the_parameters_of_its_reactor():
    """On a catalyst that deactivates quickly, with a plan for one that does not."""
    reactor = (10.0, 2.5, 1.0, 0.0, 0.0)
    task = GrowthTask(minutes=12, variation=Variation(covering=0.5))
    plan = np.tile(scaled_actions(np.array(RECIPE)), (12, 1))
    env = gym.make("matgym/CVDGrowth-v0", task=task)
    controller = PredictiveController(task, plan, np.random.default_rng(0), believed=128, population=32)
    observation, _ = env.reset(seed=0, options={"reactor": reactor})
    done = False
    while not done:
        observation, _, done, _, info = env.step(controller.act(observation))
    alone = task.run(scaled_controls(plan)[None], np.array(reactor))[0]
    assert info["objectives"]["objective"] > alone
    weights = np.exp(controller._doubt.min() - controller._doubt)  # the estimate is what the test checks
    believed = np.average(controller._reactor.covering, weights=weights)  # likewise
    assert believed > 1.3


def test_controllers_with_wrong_arguments_raise():
    with pytest.raises(ConfigurationError, match="reactors vary"):
        PredictiveController(GrowthTask(variation=None), np.zeros((30, 4)), np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match=r"plan of shape \(3, 4\)"):
        PredictiveController(GrowthTask(), np.zeros((3, 4)), np.random.default_rng(0))


@pytest.mark.parametrize("algorithm", ["PPO", "SAC", "RecurrentPPO"])
def test_agents_train_on_the_furnace(algorithm):
    small = {"n_envs": 4, "batch_size": 32} | ({"learning_starts": 10} if algorithm == "SAC" else {"n_steps": 8})
    task = GrowthTask(minutes=5)
    agent = make_agent(algorithm, task, 0, small, environment="matgym/CVDGrowth-v0")
    agent.learn(64)
    assert task.ledger.counts["simulation"] >= 64
    assert hyperparameters("matgym/CVDGrowth-v0", algorithm)["n_timesteps"] >= 100_000
