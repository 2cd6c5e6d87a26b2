"""A task is rewarded by one level and verified by another one."""

import numpy as np
import pytest

from matgym.errors import PropertyError
from matgym.models import Level
from matgym.physics import PiElectrons
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import tube_lattice
from matgym.surrogates import as_model
from matgym.tasks import decoration_task

SMALL = {"lattice": tube_lattice(8, 0, 2), "budget": {"B": 2, "N": 2}}


def test_rewards_by_one_level_and_verification_by_another():
    task = decoration_task(**SMALL, model="oracle:pi")
    assert (task.objective.model.level, task.objective.oracle.level) == (Level.PI, Level.SCC_PI)
    assert decoration_task(**SMALL, model="oracle").objective.model.level is Level.SCC_PI
    designs, targets = task.space.sample(3, np.random.default_rng(0)), np.full(3, 0.9)
    tubes = task.tubes(designs)
    rewarded, verified = task.score(designs, targets), task.verify(designs, targets)
    assert rewarded.value == pytest.approx(PiElectrons().predict(tubes)["gap_ev"])
    assert verified.value == pytest.approx(SelfConsistentElectrons().predict(tubes)["gap_ev"])
    assert np.abs(rewarded.value - verified.value).max() > 0.01


def test_another_level_verifies_a_given_task():
    task = decoration_task(**SMALL)
    higher = task.verified_by("xtb")
    assert higher.objective.model is task.objective.model
    assert (task.objective.oracle.level, higher.objective.oracle.level) == (Level.SCC_PI, Level.XTB)
    assert higher.ledger is not task.ledger
    with pytest.raises(PropertyError, match="'gap' by level='classical'; give one of 'pi'"):
        task.verified_by("classical")
    with pytest.raises(PropertyError, match="'gap' by level='dft'"):
        decoration_task(**SMALL, oracle="dft")


def test_a_level_is_a_source_of_rewards():
    assert as_model("oracle:scc-pi", "gap_ev") == SelfConsistentElectrons()
    task = decoration_task(**SMALL, model="oracle:scc-pi", oracle=Level.XTB)
    assert (task.objective.model.level, task.objective.oracle.level) == (Level.SCC_PI, Level.XTB)
    with pytest.raises(PropertyError, match="level='dft'"):
        as_model("oracle:dft", "gap_ev")
