"""Noise of one-dimensional patterns and spectra."""

import numpy as np

from matgym.errors import require_positive
from matgym.typing import FloatArray


def count_photons(expected: FloatArray, highest: float, rng: np.random.Generator) -> FloatArray:
    """Return (..., X) measured patterns or spectra: Poisson counts, divided by their scale.

    Args:
        expected: (..., X) intensities without noise.
        highest: counts expected at an intensity of 1.
        rng: source of the noise.

    Raises:
        ConfigurationError: if `highest` is not positive.
    """
    require_positive(highest=highest)
    return np.asarray(rng.poisson(np.maximum(expected, 0.0) * highest) / highest)
