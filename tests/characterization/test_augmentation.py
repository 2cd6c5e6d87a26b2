"""Random changes of inputs: Gaussian blurs against scipy, shifts against numpy, and noise by its moments."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from matgym.characterization.recognition.augmentation import blurred, moved, noise

WITHIN = 2e-3
"""scipy ends its kernels at 4 standard deviations, and ours end at 3."""


@pytest.mark.parametrize("shape", [(3, 2, 40), (3, 1, 24, 31)])
def test_blurs_are_those_of_scipy(shape):
    inputs = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    widths = np.random.default_rng(1).uniform(0.3, 2.5, (shape[0], len(shape) - 2))
    found = blurred(torch.from_numpy(inputs), widths).numpy()
    for row, sigmas in enumerate(widths):
        for channel in range(shape[1]):
            wanted = gaussian_filter(inputs[row, channel], sigmas, mode="nearest", truncate=3.0)
            assert found[row, channel] == pytest.approx(wanted, abs=WITHIN)


def test_no_blur_changes_nothing():
    inputs = torch.rand(2, 1, 9, 8)
    assert torch.equal(blurred(inputs, np.zeros((2, 2))), inputs)


def test_shifts_are_interpolations():
    inputs = np.random.default_rng(0).uniform(size=(2, 3, 50)).astype(np.float32)
    points = np.random.default_rng(1).uniform(-4.0, 4.0, (2, 3, 1))
    found = moved(torch.from_numpy(inputs), points).numpy()
    grid = np.arange(50)
    for row in range(2):
        for channel in range(3):
            wanted = np.interp(grid - points[row, channel, 0], grid, inputs[row, channel])
            assert found[row, channel] == pytest.approx(wanted, abs=1e-4)


def test_noise_has_the_spread_of_each_input_and_is_repeated_by_its_seed():
    inputs, spreads = torch.zeros(2, 1, 200, 200), np.array([0.1, 2.0])
    found = noise(inputs, spreads, np.random.default_rng(3))
    assert found.std(dim=(1, 2, 3)).numpy() == pytest.approx(spreads, rel=0.02)  # 3 standard errors of 40,000 values
    assert torch.equal(found, noise(inputs, spreads, np.random.default_rng(3)))
