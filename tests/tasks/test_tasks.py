"""Tasks: reward, target, ledger."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.models import Level, Model, Predictions
from matgym.physics import GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import tube_lattice
from matgym.surrogates import FunctionModel
from matgym.tasks import Ledger, RandomDesigns, decoration_task, tolerance


def test_reward_is_one_on_target_a_tenth_at_the_margin_and_zero_for_a_failure():
    reward = tolerance(np.array([0.0, 0.15, -0.15, 0.05, np.nan]), margin=0.15)
    np.testing.assert_allclose(reward, [1.0, 0.1, 0.1, 0.5, 0.0])


def test_reward_falls_with_the_error():
    reward = tolerance(np.linspace(0, 3, 100), margin=0.2)
    assert (np.diff(reward) < 0).all()
    assert ((reward >= 0) & (reward <= 1)).all()


def test_ledger_also_counts_failed_evaluations():
    ledger = Ledger()
    with ledger.charge("oracle", 3):
        pass
    with pytest.raises(RuntimeError), ledger.charge("oracle", 2):
        raise RuntimeError
    assert ledger.as_dict()["oracle"]["evaluations"] == 5
    assert ledger.as_dict()["oracle"]["seconds"] > 0


def zeros(tubes):
    return [0.0] * len(tubes)


def test_random_designs_have_the_composition_and_cover_all_sites():
    task = decoration_task(lattice=tube_lattice(5, 0, 1), budget={"B": 2, "N": 3}, model=FunctionModel(zeros, "gap_ev"))
    tubes = RandomDesigns().sample(task.space, np.zeros(2000), np.random.default_rng(0))
    species = task.space.encode(tubes)
    assert (task.space.edits.remaining(species) == 0).all()
    share = (species == 3).mean(axis=0)  # each of 20 sites holds one of two B in a tenth of all tubes
    np.testing.assert_allclose(share, 0.1, atol=4 * np.sqrt(0.09 / 2000))


def test_impossible_tasks_raise():
    with pytest.raises(ConfigurationError, match="low must be below high"):
        decoration_task(low=1.0, high=0.5)
    with pytest.raises(ConfigurationError, match="margin=0"):
        decoration_task(margin=0.0)


class Doubtful(Model):
    """A model of two networks that differ by 0.2 eV for every tube."""

    properties = (GAP_EV,)
    is_uncertain = True

    def predict(self, tubes, /):
        mean = np.linspace(0.1, 0.6, len(tubes))
        sd = {"gap_ev": np.full(len(tubes), 0.1)}
        return Predictions({"gap_ev": mean}, sd=sd, members={"gap_ev": np.stack([mean - 0.1, mean + 0.1])})


def test_estimates_give_the_mean_or_less():
    species, targets = np.zeros((6, 132), np.uint8), np.full(6, 0.3)
    found = {
        estimate: decoration_task(model=Doubtful(), estimate=estimate).score(species, targets)
        for estimate in ("mean", "lcb", "worst")
    }
    error = found["mean"].loss
    np.testing.assert_allclose(found["mean"].reward, tolerance(error, 0.15))
    np.testing.assert_allclose(found["lcb"].reward, tolerance(error + 0.1, 0.15))  # one standard deviation
    np.testing.assert_allclose(found["worst"].reward, tolerance(error + 0.1, 0.15))  # the member with the larger error
    for scores in found.values():
        np.testing.assert_array_equal(scores.loss, error)
        np.testing.assert_array_equal(scores.sd, 0.1)


def test_the_oracle_as_a_model_rewards_by_physics_and_is_counted():
    task = decoration_task(lattice=tube_lattice(8, 0, 1), budget={"B": 1, "N": 1}, model="oracle")
    species = task.space.sample(3, np.random.default_rng(0))
    scores = task.score(species, np.full(3, 0.3))
    np.testing.assert_array_equal(scores.value, SelfConsistentElectrons().predict(task.space.decode(species))["gap_ev"])
    assert dict(task.ledger.counts) == {"oracle": 3}
    assert task.objective.model.level is Level.SCC_PI
    with pytest.raises(ConfigurationError, match="estimate='blind' is none of mean, lcb, worst"):
        decoration_task(estimate="blind")
