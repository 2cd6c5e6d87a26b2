"""Surrogates flag tubes with other numbers of electrons than those of their training data."""

from pathlib import Path

import numpy as np
import pytest

from matgym.data import Dataset
from matgym.structures import Nanotube, Species
from matgym.structures.io import read
from matgym.surrogates import FitConfig, fit, load, shipped
from matgym.surrogates.domain import excess_notes
from matgym.tasks import decoration_task

CASES = Path(__file__).parents[1] / "structures" / "cases"
UNBALANCED, BALANCED = (read(CASES / f"{name}_8_0x4.extxyz") for name in ("B3N2", "BN4"))
NOTE = "out of distribution: 1 more B than N, and as many B as N in the training data: use the oracle"


OF_ONE_TUBE = ("nanotube-doping", "nanotube-doping-small")
OF_OTHER_TUBES = ("nanotube-xtb",)  # of 0.7 nm and wider and 8 to 9 Å long, unlike the tubes here
OF_BALANCED_TUBES = ("nanotube-formation",)  # the others of any tube know tubes with more B or more N


@pytest.mark.parametrize("name", sorted(set(shipped()) - {*OF_ONE_TUBE, *OF_OTHER_TUBES}))
def test_a_surrogate_of_any_tube_knows_whether_its_data_had_unequal_b_and_n(name):
    found = load(name).predict([UNBALANCED, BALANCED])
    for key in found.values:
        assert np.isfinite([found.values[key][1], found.sd[key][1], found.half_width[key][1]]).all()
        assert 1 not in found.notes.get(key, {})
        if name in OF_BALANCED_TUBES:
            assert "excess of N over B -0.781 %, and 0 to 0 in the training data" in found.notes[key][0]
            assert np.isinf([found.sd[key][0], found.half_width[key][0]]).all()
            assert found.distance[0] > 1.0
        else:
            assert 0 not in found.notes.get(key, {})
            assert np.isfinite(found.half_width[key][0])


@pytest.mark.parametrize("name", OF_ONE_TUBE)
def test_every_shipped_surrogate_of_one_tube_flags_unequal_b_and_n(name):
    found = load(name).predict([UNBALANCED, BALANCED])
    for key in found.values:
        assert found.notes[key] == {0: NOTE}
        assert np.isinf([found.sd[key][0], found.half_width[key][0], found.distance[0]]).all()
        assert np.isfinite([found.values[key][1], found.sd[key][1], found.half_width[key][1]]).all()
    assert found.take(np.array([1])).notes == {}


def test_the_data_have_the_electrons_that_cards_state():
    for name in OF_ONE_TUBE:
        assert load(name).excess == (0, 0)
    batch = Dataset.load("nanotube-properties").batch
    assert {tube.counts[Species.N] - tube.counts[Species.B] for tube in batch} == {0}


def test_a_cautious_reward_of_a_flagged_design_is_zero():
    cautious = decoration_task(budget={"B": 3, "N": 2}, estimate="lcb")
    design = cautious.space.sample(1, np.random.default_rng(0))
    scores = cautious.score(design, np.array([1.0]))
    assert scores.reward[0] == 0.0


def test_fits_know_the_electrons_of_their_data():
    data = Dataset.load("nanotube-properties").take(np.arange(300))
    fitted = fit(data, FitConfig(("young_gpa",), network="lenet", epochs=1))
    assert fitted.excess == (0, 0)
    found = fitted.predict([UNBALANCED, BALANCED, Nanotube(8, 0, 4)])
    assert found.notes == {"young_gpa": {0: NOTE}}


def test_notes_say_what_the_data_have():
    assert excess_notes(np.array([-2, 0, 3]), None) == {}
    notes = excess_notes(np.array([-2, 0, 3]), (-1, 2))
    assert notes == {
        0: "out of distribution: 2 more B than N, and 1 more B than N to 2 more N than B in the training data: "
        "use the oracle",
        2: "out of distribution: 3 more N than B, and 1 more B than N to 2 more N than B in the training data: "
        "use the oracle",
    }
