"""Errors of surrogates: the Gaussian process of scikit-learn, the normal distribution of SciPy, and known numbers."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from matgym.agents.residuals import NUGGET, ErrorModel, Looks, Verified
from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.structures.lattice import tube_lattice
from matgym.tasks.any_tube import AnyTube

MODELS = (ErrorModel((0.1, -0.7), 0.5, 1.2, 2.0), ErrorModel((0.0, 0.0), 3.0, 0.4, 1.0))


def looks(features):
    """What errors hang on: features, of which the first has the trend."""
    return Looks(features, np.stack([np.ones(len(features)), features[:, 0]], axis=1))


def drawn(count, seed):
    return looks(np.random.default_rng(seed).normal(size=(count, 3)))


def sample(count):
    return drawn(count, 0), np.random.default_rng(10).normal(size=(count, 2))


NOTHING = Verified(drawn(0, 0), np.zeros((0, 2)))


def test_expected_errors_are_those_of_scikit_learn():
    known, errors = sample(7)
    others = drawn(5, 1)
    mean, deviation = Verified(known, errors).error(MODELS, others)
    for place, model in enumerate(MODELS):
        kernel = (
            ConstantKernel(model.shared**2)
            + ConstantKernel(model.own**2) * Matern(model.length, nu=0.5)
            + WhiteKernel(NUGGET * model.own**2)
        )
        peer = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-12)
        peer.fit(known.features, errors[:, place] - known.composition @ model.trend)
        expected, spread = peer.predict(others.features, return_std=True)
        np.testing.assert_allclose(mean[:, place], expected + others.composition @ model.trend, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(deviation[:, place], spread, rtol=1e-5)


def test_without_a_verified_design_errors_are_those_of_other_tubes():
    mean, deviation = NOTHING.error(MODELS, looks(np.full((4, 3), 2.0)))
    np.testing.assert_allclose(mean, np.tile([0.1 - 2.0 * 0.7, 0.0], (4, 1)))
    np.testing.assert_allclose(deviation, np.tile([np.hypot(0.5, 1.2), np.hypot(3.0, 0.4)], (4, 1)), rtol=1e-3)


def test_an_oracle_that_failed_says_nothing():
    known, errors = sample(4)
    failed = errors.copy()
    failed[1, 0] = np.nan
    mean, _ = Verified(known, failed).error(MODELS, known)
    shorter, _ = Verified(known.take([0, 2, 3]), errors[[0, 2, 3]]).error(MODELS, known)
    np.testing.assert_allclose(mean[:, 0], shorter[:, 0])
    np.testing.assert_allclose(mean[:, 1], errors[:, 1], atol=0.01)


def test_chances_are_those_of_the_normal_distribution():
    known, others = Verified(*sample(3)), drawn(6, 2)
    values = np.random.default_rng(3).normal(size=(6, 2))
    targets = np.array([-0.5, 0.7, -np.inf, 0.2])
    mean, deviation = known.error(MODELS, others)
    first = norm(values[:, 0] + mean[:, 0], deviation[:, 0])
    second = norm(values[:, 1] + mean[:, 1], deviation[:, 1])
    expected = (first.cdf(0.7) - first.cdf(-0.5)) * second.cdf(0.2)
    np.testing.assert_allclose(np.exp(known.chance(MODELS, others, values, targets)), expected, rtol=1e-9)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_chances_far_outside_are_ordered(side):
    values = side * np.array([[100.0, 0.0], [200.0, 0.0], [400.0, 0.0]])
    chances = NOTHING.chance(MODELS, looks(np.zeros((3, 3))), values, np.array([-1.0, 1.0, -np.inf, np.inf]))
    assert np.isfinite(chances).all()
    assert (np.diff(chances) < 0.0).all()


def test_the_fit_finds_the_numbers_that_made_the_errors():
    rng, true = np.random.default_rng(5), ErrorModel((1.0, -2.0), 2.0, 0.5, 1.5)
    tubes = [drawn(12, seed) for seed in range(40)]
    errors = [rng.multivariate_normal(each.composition @ true.trend, true.matrix(each)) for each in tubes]
    found = ErrorModel.fitted(tubes, errors)
    assert found.trend[0] == pytest.approx(1.0, abs=1.0)  # three standard errors of the mean of 40 tubes
    assert found.trend[1] == pytest.approx(-2.0, abs=0.1)
    assert found.shared == pytest.approx(2.0, rel=0.25)  # of 40 tubes: a standard error of 11 %
    assert found.own == pytest.approx(0.5, rel=0.25)
    assert found.length == pytest.approx(1.5, rel=0.4)


def test_designs_with_the_same_features_do_no_harm():
    tubes = [looks(np.zeros((3, 2))), looks(np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))]
    found = ErrorModel.fitted(tubes, [np.array([1.0, 1.1, 0.9]), np.array([-1.0, -1.0, -0.5])])
    mean, deviation = Verified(tubes[0], np.ones((3, 1))).error([found], looks(np.zeros((1, 2))))
    assert mean == pytest.approx(1.0, abs=0.05)
    assert 0.0 < deviation < 0.5


def test_too_little_to_fit_raises_an_error():
    for errors in ([np.ones(3)], [np.ones(1), np.ones(1)], [np.ones(2), np.array([1.0, np.nan])]):
        with pytest.raises(ConfigurationError, match="give finite errors of more designs"):
            ErrorModel.fitted([looks(np.zeros((len(each), 2))) for each in errors], errors)


def test_the_composition_of_designs_is_counted():
    space = AnyTube((tube_lattice(6, 4, 1), tube_lattice(5, 5, 4)), sites=160, edits=8)
    designs = space.sample(20, np.random.default_rng(0))
    found = Looks.of(space, designs)
    for tube, row in zip(space.decode(designs), found.composition, strict=True):
        doped = 100.0 * np.isin(tube.species, [Species.B, Species.N]).sum() / tube.n_sites
        heavy = 100.0 * (tube.species == Species.C14).sum() / tube.n_sites
        np.testing.assert_allclose(row, [1.0, doped, doped**2, heavy, 100.0 * tube.strain])
    assert found.features.shape[0] == len(found) == 20
