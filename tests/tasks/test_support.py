"""Making a task raises if its model does not support the space; a property without an oracle is verified as NaN."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError
from matgym.models import Property
from matgym.physics import FORMATION_EV, GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.surrogates import FunctionModel, as_model
from matgym.tasks import Constraint, DesignTask, Objective, decoration_task
from matgym.testing import check_model, check_task

LATTICE = tube_lattice(8, 0, 3)
TURNED = {"B": 2, "N": 2, "SW": 1}
NETWORK = as_model("nanotube-doping", "gap_ev")


class Sum(torch.nn.Module):
    def forward(self, raster):
        return raster.sum(dim=(1, 2, 3))


def ones(tubes):
    return np.ones(len(tubes))


@pytest.mark.parametrize("budget", [TURNED, {"B": 2, "vacancy": 1}], ids=["turned bonds", "vacancy"])
@pytest.mark.parametrize(
    "settings",
    [
        {"model": NETWORK},
        {
            "model": ones,
            "low": 0.0,
            "high": 2.0,
            "others": (Objective(GAP_EV, NETWORK, "minimize", weight=0.0),),
        },
        {"model": ones, "low": 0.0, "high": 2.0, "constraint": Constraint(GAP_EV, NETWORK, 0.3)},
    ],
    ids=["objective", "second objective", "constraint"],
)
def test_making_a_task_raises_if_the_network_does_not_support_its_space(settings, budget):
    """In 0.1 a turned bond counted as 13C, and a vacancy failed only at the last step."""
    with pytest.raises(ConfigurationError, match=r"these designs: .*(not trained on turned bonds|vacancy)"):
        decoration_task(lattice=LATTICE, budget=budget, **settings)


def test_a_torch_module_raises_one_sentence_for_turned_bonds():
    """In 0.1 it failed with an error of reshaping."""
    with pytest.raises(ConfigurationError, match=r"Sum cannot predict these designs: .*not trained on turned bonds"):
        gym.make("matgym/NanotubeThermoelectric-v0", budget={"SW": 1}, model=Sum())
    gym.make("matgym/NanotubeDoping-v0", budget={"B": 2, "vacancy": 1}, model=Sum())  # its raster has a channel for it


def test_rows_of_tubes_with_turned_bonds_hold_species_codes():
    task = decoration_task(lattice=LATTICE, budget={"SW": 2}, model=FunctionModel(thirteens, "gap_ev"))
    designs = task.space.sample(5, np.random.default_rng(0))
    assert designs.sum(axis=1).tolist() == [2] * 5
    scores = task.score(designs, np.full(5, 0.8), components=True)
    np.testing.assert_array_equal(scores.value, 0.0)
    assert all(len(tube.stone_wales) == 2 for tube in task.space.decode(designs))


def thirteens(tubes):
    """Return the number of 13C atoms, whose code is that of a turned bond."""
    return [float(np.count_nonzero(tube.species == Species.C13)) for tube in tubes]


def test_a_network_supports_carbon_isotopes_that_it_treats_as_carbon():
    decoration_task(lattice=LATTICE, budget={"13C": 3}, model=NETWORK)


# ---- users' rewards


def boron_nitrogen_bonds(tubes):
    """The function of the README."""
    pairs = [tube.species[tube.lattice.bonds[:, :2]] for tube in tubes]
    return [float(((pair == (3, 4)) | (pair == (4, 3))).all(axis=1).sum()) for pair in pairs]


def test_a_function_of_tubes_predicts_a_separate_property_without_an_oracle():
    """In 0.1 bond counts were reported as `gap_ev`, and verified against the π gap."""
    check_model(boron_nitrogen_bonds)
    env = gym.make("matgym/NanotubeDoping-v0", model=boron_nitrogen_bonds, targets=(0.0, 12.0))
    task = env.unwrapped.task
    assert task.value_name == "boron_nitrogen_bonds"
    assert task.unit == "1"
    assert env.reset(seed=0, options={"target": 3.0})[1]["target"] == 3.0
    rng, done = np.random.default_rng(0), False
    while not done:
        *_, done, _, info = env.step(rng.choice(np.flatnonzero(env.unwrapped.action_masks())))
    count = boron_nitrogen_bonds([env.unwrapped.tube])[0]
    assert info["objectives"] == {"boron_nitrogen_bonds": count, "error": abs(count - 3.0)}
    verified = task.verify(info["design"][None], np.array([3.0]))
    assert np.isnan(verified.value).all()
    assert not verified.reward.any()
    assert "no oracle computes boron_nitrogen_bonds" in verified.predictions.reasons[0]
    check_task(task)


def test_a_function_that_declares_the_gap_is_verified_by_the_gaps_oracle():
    task = decoration_task(model=FunctionModel(ones, GAP_EV))
    designs = task.space.sample(2, np.random.default_rng(0))
    truth = SelfConsistentElectrons().predict(task.space.decode(designs))["gap_ev"]
    np.testing.assert_array_equal(task.verify(designs, np.full(2, 0.8)).value, truth)
    own = decoration_task(model=ones, low=0.0, high=2.0, oracle=FunctionModel(lambda tubes: 2.0 * ones(tubes), "ones"))
    np.testing.assert_array_equal(own.verify(designs, np.full(2, 0.8)).value, 2.0)


def test_an_estimate_without_effect_raises():
    with pytest.raises(ConfigurationError, match="predicts without uncertainty"):
        decoration_task(model="oracle", estimate="lcb")
    with pytest.raises(ConfigurationError, match="has no effect with a reward function"):
        decoration_task(reward=lambda _predictions, targets: 0.0 * targets, estimate="worst")


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (
            lambda _predictions, targets: np.tile(targets, (3, 1)),
            r"returned an array of shape \(3, 2\) for 2 designs: return an array of 2 numbers, of shape \(2,\)$",
        ),
        (lambda _predictions, targets: targets + 1.0, "gave 1.8: rewards must lie from 0 to 1"),
    ],
)
def test_a_reward_function_must_give_one_number_from_0_to_1_for_each_design(reward, said):
    task = decoration_task(reward=reward)
    with pytest.raises(ConfigurationError, match=said):
        task.score(task.space.sample(2, np.random.default_rng(0)), np.full(2, 0.8))


def test_a_reward_function_sees_predictions_and_targets_and_replaces_the_reward_alone():
    def by_sign(predictions, targets):
        return (predictions["gap_ev"] > targets).astype(float)

    task, plain = decoration_task(reward=by_sign), decoration_task()
    designs, targets = task.space.sample(16, np.random.default_rng(0)), np.full(16, 0.1)
    scores, usual = task.score(designs, targets), plain.score(designs, targets)
    np.testing.assert_array_equal(scores.reward, usual.value > 0.1)
    np.testing.assert_array_equal(scores.loss, usual.loss)
    assert 0.0 < scores.reward.mean() < 1.0


def test_a_constraint_on_a_users_property_is_applied():
    bound = Constraint(Property("ones"), FunctionModel(ones), 2.0)
    task = decoration_task(model=ones, low=0.0, high=2.0, constraint=bound)
    scores = task.score(task.space.sample(3, np.random.default_rng(0)), np.full(3, 0.8))
    np.testing.assert_array_equal(scores.cost, 0.5)
    assert isinstance(task.tubes(task.space.sample(1, np.random.default_rng(0)))[0], Nanotube)


def test_the_uncertainty_of_scores_is_that_of_their_value():
    """Also if a component without weight comes first."""
    stability = as_model("nanotube-formation", FORMATION_EV)
    energy = Objective(FORMATION_EV, stability, "minimize", 16.0, 38.0, weight=0.0)
    gap = Objective(GAP_EV, NETWORK, "target", 0.1, 0.5, 0.15)
    space = decoration_task(model=NETWORK).space
    designs, targets = space.sample(3, np.random.default_rng(0)), np.full(3, 0.8)
    expected = NETWORK.predict(space.decode(designs)).sd["gap_ev"]
    for objectives in ((gap, energy), (energy, gap)):
        scores = DesignTask(space, objectives).score(designs, targets, components=True)
        np.testing.assert_array_equal(scores.sd, expected)
        assert scores.components.shape == (3, 2)


def test_meaningless_objectives_and_bounds_raise_an_error_that_names_them():
    gap = Objective(GAP_EV, NETWORK)
    with pytest.raises(ConfigurationError, match="gap_ev, gap_ev must be of different properties"):
        DesignTask(decoration_task(model=NETWORK).space, (gap, gap))
    for bound in (0.0, float("nan")):
        with pytest.raises(ConfigurationError, match="must be a number other than zero"):
            Constraint(GAP_EV, NETWORK, bound)
