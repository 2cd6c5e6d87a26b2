"""How little a new property model takes: one class, which then rewards, is verified, and passes the conformance kit."""

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.models import Level, Model, Predictions, Property
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.tasks import decoration_task
from matgym.testing import check_env, check_model, check_task

UNLIKE_BONDS = Property("unlike_bonds", "1", "share of the bonds of a tube that join atoms of two species")


class UnlikeBonds(Model):
    """Share of bonds between unlike atoms, from the structure itself."""

    properties = (UNLIKE_BONDS,)
    level = Level.GEOMETRY

    def predict(self, tubes, /):
        batch = TubeBatch.of(tubes)
        shares, failures = np.full(len(batch), np.nan), {}
        for group in batch.by_lattice():
            one, other = group.species[:, group.lattice.bonds[:, 0]], group.species[:, group.lattice.bonds[:, 1]]
            shares[group.rows] = (one != other).mean(axis=1)
        for row in np.flatnonzero(batch.reconstructed).tolist():
            shares[row], failures[row] = np.nan, f"{batch[row]}: its bonds are turned"
        return Predictions.together({"unlike_bonds": shares}, failures)


def test_it_conforms_and_counts_bonds():
    check_model(UnlikeBonds())
    plain = Nanotube(8, 0, 2)
    tubes = [plain, plain.decorated({5: "B"}), plain.decorated(dict.fromkeys(range(64), "13C"))]
    np.testing.assert_allclose(UnlikeBonds().predict(tubes)["unlike_bonds"], [0.0, 3 / 96, 0.0])
    pair = (40, int(plain.lattice.neighbours[40, 0]))
    assert "turned" in UnlikeBonds().predict([plain.turned(pair)]).reasons[0]


def test_it_rewards_and_verifies_in_an_environment():
    env = gym.make("matgym/NanotubeDoping-v0", model=UnlikeBonds(), targets=(0.05, 0.25))
    check_env(env)
    task = env.unwrapped.task
    assert task.value_name == "unlike_bonds"
    designs, targets = task.space.sample(4, np.random.default_rng(0)), np.full(4, 0.2)
    np.testing.assert_array_equal(task.verify(designs, targets).value, task.score(designs, targets).value)
    assert set(np.unique(designs)) == {Species.C12, Species.B, Species.N}


def test_a_task_of_it_conforms():
    with pytest.raises(AssertionError, match="the ledger counted nothing"):
        check_task(decoration_task(model=UnlikeBonds(), low=0.0, high=0.3))  # to read a structure costs nothing
