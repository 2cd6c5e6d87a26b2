"""Intervals as wide as a tube is difficult: planted errors, crepes' own intervals, and the end of what is known."""

from dataclasses import replace

import numpy as np
import pytest
from crepes import ConformalRegressor
from sklearn.metrics import roc_auc_score

from matgym.structures import Nanotube, Species, TubeBatch
from matgym.surrogates.honeycomb.graph import NAMES, honeycombs
from matgym.surrogates.honeycomb.intervals import CLUES, Asked, calibrate_intervals, difficulty, widths

NOMINAL = 0.90
ROUNDING = 1e-9  # of sums in another order, relative
VACANCIES = next(column for column, (name, _, _) in enumerate(NAMES) if name == "share of vacancies")


def drawn(count, rng, groups=20):
    """Return made-up tubes with errors, their planted spread, and numbers of chiralities.

    The spread grows with the share of vacancies and the distance. Of the second property it is a hundred times larger.
    """
    numbers, bonded = rng.normal(size=(count, len(NAMES) + 2)), rng.normal(size=(count, 3))
    distance, learned = np.exp(0.3 * rng.normal(size=count)), rng.normal(size=(count, 2))
    spread = np.exp(0.8 * numbers[:, VACANCIES] + 1.5 * np.log(distance))[:, None] * np.array([1.0, 100.0])
    asked = Asked(numbers, bonded, distance, learned)
    return asked, spread * rng.normal(size=(count, 2)), spread, np.arange(count) % groups


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    asked, errors, _, groups = drawn(2000, rng)
    others, theirs, _, _ = drawn(2000, rng)
    return calibrate_intervals(asked, errors, groups, others, 0.5 * theirs), others, 0.5 * theirs


@pytest.fixture
def calibration(made):
    return made[0]


@pytest.mark.parametrize("is_unseen", [True, False])
def test_coverage_is_nominal_and_nearly_so_for_easy_and_for_difficult_tubes(calibration, is_unseen):
    """Of 3000 tubes: a standard deviation of the share is 0.0055, and 0.0067 that of the 2000 calibrated.

    Conformal intervals promise no more than that share of all. Of the thirds by planted spread, a constant width holds
    nearly all of the easiest and too few of the most difficult; the difficulty is to halve that at least.
    """
    asked, errors, spread, _ = drawn(3000, np.random.default_rng(1))
    errors = errors if is_unseen else 0.5 * errors
    half_width = widths(asked, np.full(3000, is_unseen), calibration)[1]
    covered = np.abs(errors) <= half_width
    assert np.abs(covered.mean(axis=0) - NOMINAL).max() < 3 * np.hypot(0.0055, 0.0067)
    constant = np.abs(errors) <= np.quantile(np.abs(errors), NOMINAL, axis=0)
    thirds = np.array_split(np.argsort(spread[:, 0]), 3)
    off, off_constant = (
        max(np.abs(each[third].mean(axis=0) - NOMINAL).max() for third in thirds) for each in (covered, constant)
    )
    assert off < 0.5 * off_constant


def test_the_standard_deviation_tells_large_errors_from_small_ones(calibration):
    """As well as the planted spread does, but for 0.03; a constant has 0.5."""
    asked, errors, spread, _ = drawn(3000, np.random.default_rng(2))
    large = np.abs(errors[:, 0]) > 2.0 * np.sqrt((errors[:, 0] ** 2).mean())
    sd = widths(asked, np.ones(3000, dtype=bool), calibration)[0]
    assert roc_auc_score(large, sd[:, 0]) > roc_auc_score(large, spread[:, 0]) - 0.03 > 0.8


def test_intervals_of_known_chiralities_are_those_of_crepes(made):
    calibration, others, theirs = made
    asked = drawn(50, np.random.default_rng(3))[0]
    half_width = widths(asked, np.zeros(50, dtype=bool), calibration)[1]
    for k in range(2):
        regressor = ConformalRegressor().fit(theirs[:, k], sigmas=difficulty(others, calibration)[:, k])
        ends = regressor.predict_int(np.zeros(50), sigmas=difficulty(asked, calibration)[:, k], confidence=NOMINAL)
        np.testing.assert_allclose(half_width[:, k], ends[:, 1], rtol=ROUNDING)


def test_a_clue_outside_its_range_counts_as_its_end(calibration):
    asked = drawn(10, np.random.default_rng(4))[0]
    assert asked.clues(calibration).shape == (10, 2, CLUES)
    column = len(NAMES) + 2  # B-B bonds, which the usual prediction does not depend on
    beyond, end = asked.bonded.copy(), asked.bonded.copy()
    beyond[:, 0], end[:, 0] = 1e6, calibration["hardest"][0, column]
    found, expected = (difficulty(replace(asked, bonded=each), calibration) for each in (beyond, end))
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_bonds_between_dopants_are_counted_by_the_list_of_bonds():
    rng = np.random.default_rng(5)
    tubes = [
        Nanotube(n, m, cells).decorated(dict(zip(rng.permutation(60).tolist(), "B" * 15 + "N" * 15, strict=False)))
        for n, m, cells in ((8, 0, 3), (6, 4, 1), (5, 5, 4))
    ]
    found = Asked.of(honeycombs(TubeBatch.of(tubes)), np.ones(3), np.zeros((3, 1))).bonded
    for row, tube in zip(found, tubes, strict=True):
        ends = [
            "".join(sorted(Species(tube.species[site]).name for site in bond)) for bond in tube.bonds[:, :2].tolist()
        ]
        np.testing.assert_allclose(row * tube.n_sites, [ends.count(pair) for pair in ("BB", "BN", "NN")], atol=1e-9)


def test_an_unusual_prediction_is_further_from_what_its_numbers_make_usual(calibration):
    asked = drawn(200, np.random.default_rng(6))[0]
    usual = calibration["typical"][:, 0] + asked.numbers @ calibration["typical"][:, 1:].T
    further = replace(asked, learned=usual + 3.0 * calibration["typical_sd"])
    np.testing.assert_allclose(further.clues(calibration)[:, :, -1], 3.0, rtol=ROUNDING)
