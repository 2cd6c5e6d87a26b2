"""Shipped surrogates, measured again: floors that were fixed beforehand, and the figures of their cards."""

from functools import cache

import numpy as np
import pytest

from matgym.data import Dataset
from matgym.structures import Nanotube
from matgym.surrogates import load, load_card, shipped
from matgym.surrogates.training import measure

CARD_TOLERANCE = 1e-3  # the card's figures against the same recomputed on another processor
NOMINAL, SLACK = 0.90, 0.02  # tolerance of coverage beyond the binomial error
UNSEEN_SLACK = 0.03  # the same on unseen chiralities, of which there are few: 87 to 93 %

FLOORS = {  # of R², fixed before any training; within chiralities for surrogates of many
    "nanotube-doping": 0.90,  # the goal for self-consistent gaps; 0.98 was that of gaps of the π model on (8,0)
    "nanotube-doping-small": 0.90,
    "nanotube-gap": 0.90,
    "nanotube-heat": 0.97,
    "nanotube-young": 0.97,
    "nanotube-formation": 0.97,
    "nanotube-xtb": 0.85,
    "nanotube-zt": 0.95,
}
ONE_TUBE = {"nanotube-doping", "nanotube-doping-small"}  # trained on (11,0) alone
LOWER = {"wider": 0.1, "longer": 0.1}  # how far below the floor larger tubes may be

LARGER = "tubes longer or wider than those of the training: out of distribution, which its own score says"
TOO_LOW = {
    ("nanotube-doping-small", "wider", "gap_ev"): LARGER,
    ("nanotube-doping", "wider", "gap_ev"): LARGER,
    ("nanotube-zt", "test", "zt"): "33 tubes with an interval of 0.78 to 0.98; the 64 unseen ones hold it",
}
NOT_NOMINAL = {
    ("nanotube-doping-small", "wider", "gap_ev"): LARGER,
    ("nanotube-doping", "wider", "gap_ev"): LARGER,
    ("nanotube-xtb", "unseen", "gap_ev"): "150 labels of ten chiralities: it holds 97 %, more than it should",
}
SLOW = {"nanotube-gap", "nanotube-zt"}  # whose physics takes 30 ms to seconds for each tube
PROMISES = [
    (name, split, figure.property)
    for name in shipped()
    for split, group in load_card(name).metrics.items()
    for figure in group
]


def case(name, *rest, reason=""):
    marks = [pytest.mark.long] if name in SLOW else []
    return pytest.param(name, *rest, marks=[*marks, pytest.mark.xfail(strict=True, reason=reason)] if reason else marks)


def cases(misses):
    return [case(*promise, reason=misses.get(promise, "")) for promise in PROMISES]


@cache
def measured(name, every=1):
    """Return metrics on every split that the training did not use, or on one in `every` rows of them."""
    card = load_card(name)
    data = Dataset.load(card.data["name"])
    assert card.data["digest"] == data.digest, "the weights were trained on other data: retrain"
    found = measure(load(name), data.take(np.arange(0, len(data), every)))
    return {(split, figure.property): figure for split, group in found.items() for figure in group}


def test_every_surrogate_has_a_floor_and_known_misses_are_of_documented_properties():
    assert set(shipped()) == set(FLOORS)
    assert set(PROMISES) >= set(NOT_NOMINAL) | set(TOO_LOW)


@pytest.mark.parametrize(("name", "split", "key"), cases(TOO_LOW))
def test_r2_is_above_the_floor(name, split, key):
    found = measured(name)[split, key]
    assert (found.r2 if name in ONE_TUBE else found.r2_within) >= FLOORS[name] - LOWER.get(split, 0.0)


@pytest.mark.parametrize(("name", "split", "key"), cases(NOT_NOMINAL))
def test_intervals_hold_the_declared_share(name, split, key):
    """Those of surrogates of many chiralities are calibrated apart for known and for unseen ones.

    A few dozen validation tubes calibrate those of known ones, which may hold more. Those of wider and longer tubes
    promise nothing, as the notes of wider ones say; see docs/surrogates.md for what they hold.
    """
    found = measured(name)[split, key]
    if name in ONE_TUBE:
        check_coverage(found)
    elif split == "unseen":
        assert abs(found.coverage - NOMINAL) <= UNSEEN_SLACK + scatter(found)
    elif split == "test":
        assert found.coverage >= NOMINAL - SLACK - scatter(found)


def check_coverage(found):
    assert abs(found.coverage - NOMINAL) <= SLACK + scatter(found)


def scatter(found):
    return 2 * np.sqrt(NOMINAL * (1 - NOMINAL) / found.n)


def test_zt_from_learned_parts_is_within_twice_its_interval():
    data = Dataset.load("nanotube-zt").split("unseen")
    small = data.take(np.argsort(data.batch.n_sites, kind="stable")[:3])
    found = load("nanotube-zt").predict(small.batch)
    assert (np.abs(found["zt"] - small.values("zt")) <= 2.0 * found.half_width["zt"]).all()
    assert (found.half_width["zt"] < 0.5 * small.values("zt")).all()


@pytest.mark.long
@pytest.mark.xfail(strict=True, reason="0.93 on 80 tubes: less than the goal, which it meets on unseen chiralities")
def test_zt_of_the_environments_tube_is_above_the_floor():
    data = Dataset.load("nanotube-thermoelectric")
    unseen = data.take(np.flatnonzero(np.isin(data.table["split"].to_pylist(), ["test", "validation"])))
    truth, found = unseen.values("zt"), load("nanotube-zt").predict(unseen.batch)["zt"]
    assert 1.0 - ((found - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum() >= FLOORS["nanotube-zt"]


@pytest.mark.parametrize("name", sorted(SLOW - {"nanotube-zt"}))  # of which a tenth are three tubes
def test_slow_surrogates_are_above_the_floor_on_one_in_ten_rows(name):
    told = {figure.property: figure.n for figure in load_card(name).metrics["test"]}
    for (split, key), found in measured(name, every=10).items():
        if split == "test":
            assert found.n >= 0.05 * told[key]
            assert found.r2 >= FLOORS[name]
            assert found.coverage >= NOMINAL - SLACK - scatter(found)


@pytest.mark.parametrize("name", [case(name) for name in shipped()])
def test_cards_hold_the_measured_figures(name):
    for split, group in load_card(name).metrics.items():
        for told in group:
            found = measured(name)[split, told.property]
            assert found.n == told.n
            assert found.r2 == pytest.approx(told.r2, abs=CARD_TOLERANCE)
            assert found.mae == pytest.approx(told.mae, rel=1e-2)
            assert found.coverage == pytest.approx(told.coverage, abs=2e-2)


@pytest.mark.parametrize("name", ["nanotube-heat", "nanotube-young", "nanotube-formation"])
def test_two_turned_bonds_have_an_infinite_interval_where_the_data_hold_one(name):
    # measured on (11,0)x3: of two turned bonds nanotube-heat has an error of 0.09 nW/K where physics varies by 0.025
    tube, surrogate = Nanotube(11, 0, cells=3), load(name)
    one = tube.turned((40, int(tube.lattice.neighbours[40, 0])))
    two = one.turned((90, int(tube.lattice.neighbours[90, 0])))
    found, key = surrogate.predict([one, two]), surrogate.keys[0]
    assert np.isfinite(found.half_width[key][0])
    assert found.distance[0] < 1.0
    assert np.isinf(found.half_width[key][1])
    assert found.distance[1] > 1.0
    assert found.notes[key] == {1: "out of distribution: number of turned bonds 2, and 0 to 1 in the training data"}
