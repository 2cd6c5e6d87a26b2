"""Matching of found and true defects: by hand, by SciPy's maximum matching, and by scikit-learn's F1."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from sklearn.metrics import f1_score

from matgym.characterization.recognition.defective import KINDS
from matgym.characterization.recognition.detection import (
    Places,
    Score,
    best_threshold,
    matched,
    peaks,
    right,
    scores,
)


def places(*rows, image=0):
    array = np.array(rows, dtype=float).reshape(-1, 3)
    return Places(np.full(len(array), image), array[:, :2], array[:, 2].astype(int), np.ones(len(array)))


def test_as_many_places_as_possible_are_matched():
    """The nearest pair of all, (0, 1) with (0, 1.5), would leave the other two without a partner."""
    found, true = np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.5], [0.0, 3.0]])
    rows, columns = matched(found, true, tolerance=2.0)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert len(matched(found, true, tolerance=0.6)[0]) == 1
    assert len(matched(found, true[:0], tolerance=2.0)[0]) == 0
    assert len(matched(found[:0], true, tolerance=2.0)[0]) == 0


def test_the_number_of_matches_is_that_of_a_maximum_matching():
    rng = np.random.default_rng(0)
    for _ in range(20):
        found, true = rng.uniform(0.0, 6.0, (9, 2)), rng.uniform(0.0, 6.0, (7, 2))
        near = np.linalg.norm(found[:, None] - true, axis=2) <= 1.0
        expected = (maximum_bipartite_matching(csr_array(near), perm_type="column") >= 0).sum()
        assert len(matched(found, true, 1.0)[0]) == expected


def test_scores_count_kinds_images_and_duplicates():
    true = places((10, 10, 0), (20, 20, 1), (30, 30, 1))
    found = places((10, 11, 0), (10.5, 10, 0), (20, 20, 0), (30, 31, 1))
    score = scores(found, true, 2.0, KINDS)
    assert score["vacancy"] == Score(1, 3, 1)
    assert score["Stone-Wales"] == Score(1, 1, 2)
    assert score["pooled"] == Score(2, 4, 3)
    assert score["any kind"] == Score(3, 4, 3)
    assert score["pooled"].f1 == pytest.approx(4 / 7)
    assert not right(places((10, 10, 0), image=1), true, 2.0).any()
    nothing = places()
    assert scores(nothing, true, 2.0, KINDS)["pooled"].f1 == 0.0
    assert scores(nothing, nothing, 2.0, KINDS)["pooled"].f1 == 1.0


def test_f1_is_that_of_scikit_learn_and_symmetric():
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth, told = rng.integers(2, size=(2, 30))
        score = Score(int((truth & told).sum()), int(told.sum()), int(truth.sum()))
        assert score.f1 == pytest.approx(f1_score(truth, told))
        assert score.f1 == Score(score.right, score.true, score.found).f1
        assert min(score.precision, score.recall) <= score.f1 <= max(score.precision, score.recall)


def test_the_threshold_of_the_largest_f1_is_found():
    certainty = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, True, False, True, False])
    assert best_threshold(certainty, correct, true=3) == 0.6
    assert best_threshold(certainty, correct, true=2) == 0.8
    assert best_threshold(certainty, np.zeros(5, dtype=bool), true=2) == np.inf


def test_peaks_are_found_between_points():
    down, across = np.indices((40, 40))
    maps = np.full((2, 2, 40, 40), -9.0)
    for image, kind, row, column in ((0, 0, 10.3, 12.8), (0, 1, 30.0, 8.4), (1, 1, 20.6, 20.0)):
        bump = 5.0 - 0.5 * ((down - row) ** 2 + (across - column) ** 2)
        maps[image, kind] = np.maximum(maps[image, kind], bump)
    found = peaks(maps, 0.0, 2)
    assert found.image.tolist() == [0, 0, 1]
    assert found.kinds.tolist() == [0, 1, 1]
    assert np.allclose(found.places, [[10.3, 12.8], [30.0, 8.4], [20.6, 20.0]])
