"""Errors of surrogates: the Gaussian process of scikit-learn, the normal distribution of SciPy, and known numbers."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from matgym.agents.residuals import NUGGET, ErrorModel, Verified
from matgym.errors import ConfigurationError

MODELS = (ErrorModel(0.5, 1.2, 2.0), ErrorModel(3.0, 0.4, 1.0))


def sample(count, rng=None):
    rng = rng or np.random.default_rng(0)
    return rng.normal(size=(count, 3)), rng.normal(size=(count, 2))


def test_expected_errors_are_those_of_scikit_learn():
    features, errors = sample(7)
    others = np.random.default_rng(1).normal(size=(5, 3))
    mean, deviation = Verified(features, errors).error(MODELS, others)
    for place, model in enumerate(MODELS):
        kernel = (
            ConstantKernel(model.shared**2)
            + ConstantKernel(model.own**2) * Matern(model.length, nu=0.5)
            + WhiteKernel(NUGGET * model.own**2)
        )
        peer = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-12).fit(features, errors[:, place])
        expected, spread = peer.predict(others, return_std=True)
        np.testing.assert_allclose(mean[:, place], expected, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(deviation[:, place], spread, rtol=1e-5)


def test_without_a_verified_design_errors_are_those_of_other_tubes():
    mean, deviation = Verified(np.zeros((0, 3)), np.zeros((0, 2))).error(MODELS, np.zeros((4, 3)))
    assert (mean == 0.0).all()
    np.testing.assert_allclose(deviation, np.tile([np.hypot(0.5, 1.2), np.hypot(3.0, 0.4)], (4, 1)), rtol=1e-3)


def test_an_oracle_that_failed_says_nothing():
    features, errors = sample(4)
    failed = errors.copy()
    failed[1, 0] = np.nan
    mean, _ = Verified(features, failed).error(MODELS, features)
    shorter, _ = Verified(features[[0, 2, 3]], errors[[0, 2, 3]]).error(MODELS, features)
    np.testing.assert_allclose(mean[:, 0], shorter[:, 0])
    np.testing.assert_allclose(mean[:, 1], errors[:, 1], atol=0.01)


def test_chances_are_those_of_the_normal_distribution():
    features, errors = sample(3)
    known, others = Verified(features, errors), np.random.default_rng(2).normal(size=(6, 3))
    values = np.random.default_rng(3).normal(size=(6, 2))
    targets = np.array([-0.5, 0.7, -np.inf, 0.2])
    mean, deviation = known.error(MODELS, others)
    first = norm(values[:, 0] + mean[:, 0], deviation[:, 0])
    second = norm(values[:, 1] + mean[:, 1], deviation[:, 1])
    expected = (first.cdf(0.7) - first.cdf(-0.5)) * second.cdf(0.2)
    np.testing.assert_allclose(np.exp(known.chance(MODELS, others, values, targets)), expected, rtol=1e-9)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_chances_far_outside_are_ordered(side):
    known = Verified(np.zeros((0, 3)), np.zeros((0, 2)))
    values = side * np.array([[100.0, 0.0], [200.0, 0.0], [400.0, 0.0]])
    chances = known.chance(MODELS, np.zeros((3, 3)), values, np.array([-1.0, 1.0, -np.inf, np.inf]))
    assert np.isfinite(chances).all()
    assert (np.diff(chances) < 0.0).all()


def test_the_fit_finds_the_numbers_that_made_the_errors():
    rng, true = np.random.default_rng(5), ErrorModel(2.0, 0.5, 1.5)
    features = [rng.normal(size=(12, 2)) for _ in range(40)]
    errors = [rng.multivariate_normal(np.zeros(12), true.matrix(each)) for each in features]
    found = ErrorModel.fitted(features, errors)
    assert found.shared == pytest.approx(2.0, rel=0.25)  # of 40 tubes: a standard error of 11 %
    assert found.own == pytest.approx(0.5, rel=0.25)
    assert found.length == pytest.approx(1.5, rel=0.4)


def test_designs_with_the_same_features_do_no_harm():
    features = [np.zeros((3, 2)), np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])]
    found = ErrorModel.fitted(features, [np.array([1.0, 1.1, 0.9]), np.array([-1.0, -1.0, -0.5])])
    mean, deviation = Verified(features[0], np.ones((3, 1))).error([found], np.zeros((1, 2)))
    assert mean == pytest.approx(1.0, abs=0.05)
    assert 0.0 < deviation < 0.5


def test_too_little_to_fit_raises_an_error():
    for errors in ([np.ones(3)], [np.ones(1), np.ones(1)], [np.ones(2), np.array([1.0, np.nan])]):
        with pytest.raises(ConfigurationError, match="finite errors of two designs or more on two tubes"):
            ErrorModel.fitted([np.zeros((len(each), 2)) for each in errors], errors)
