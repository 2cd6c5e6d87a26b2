"""Hypervolume against pymoo, Optuna and Monte Carlo; non-dominated points against their definition."""

import numpy as np
import pytest

from matgym.benchmark.fronts import hypervolume, non_dominated


def test_hypervolumes_by_hand():
    assert hypervolume(np.array([[0.5, 0.5]])) == pytest.approx(0.25)
    assert hypervolume(np.array([[1.0, 0.2], [0.2, 1.0]])) == pytest.approx(0.2 + 0.2 - 0.04)
    assert hypervolume(np.array([[1.0, 0.2], [0.2, 1.0], [0.1, 0.1]])) == pytest.approx(0.36)
    assert hypervolume(np.array([[0.0, 1.0], [-1.0, 2.0]])) == 0.0  # nothing above the reference in both
    assert hypervolume(np.array([[3.0, 4.0]]), np.array([1.0, 2.0])) == pytest.approx(4.0)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_that_of_pymoo_or_optuna(objectives):
    points = np.random.default_rng(objectives).random((40, objectives))
    try:
        from pymoo.indicators.hv import HV

        theirs = HV(ref_point=np.zeros(objectives))(-points)
    except ImportError:
        from optuna._hypervolume import compute_hypervolume

        theirs = compute_hypervolume(-points, np.zeros(objectives))
    assert hypervolume(points) == pytest.approx(float(theirs), rel=1e-9)


def test_hypervolume_is_the_share_of_random_points_that_are_dominated():
    rng = np.random.default_rng(5)
    points, drawn = rng.random((12, 3)), rng.random((200_000, 3))
    dominated = (drawn[:, None] <= points[None]).all(axis=2).any(axis=1).mean()
    assert hypervolume(points) == pytest.approx(dominated, abs=5.0 * np.sqrt(0.25 / len(drawn)))


def test_only_points_that_no_other_dominates_are_kept():
    points = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.4, 0.5], [0.5, 0.5]])
    np.testing.assert_array_equal(non_dominated(points), [True, True, True, False, True])
