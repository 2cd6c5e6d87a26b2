"""Metrics of predictions."""

import numpy as np
import pytest

from matgym.learning.metrics import property_metrics


def test_r2_within_chiralities_is_zero_for_a_model_of_their_means():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 50)
    truth = 10.0 * groups + rng.normal(size=200)
    means = np.repeat(truth.reshape(4, 50).mean(axis=1), 50)
    found = property_metrics("gap_ev", means, truth, groups=groups + 3)
    assert found.r2 > 0.98
    assert found.r2_within == pytest.approx(0.0, abs=1e-12)
    assert property_metrics("gap_ev", truth, truth, groups=groups).r2_within == 1.0
    assert property_metrics("gap_ev", means, truth).r2_within is None
