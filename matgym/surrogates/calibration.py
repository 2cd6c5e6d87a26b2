"""How far to trust a network: standard deviations, conformal intervals, and a distance from the training data."""

import math
from functools import lru_cache
from typing import Final

import numpy as np

from matgym.structures import TubeLattice, tube_lattice
from matgym.typing import FloatArray

COVERAGE: Final = 0.90
"""Nominal coverage of the intervals."""

DISTANCE_QUANTILE: Final = 0.99
"""A tube further from the training data than this share of validation tubes counts as out of distribution."""

SHAPE_TOLERANCE: Final = 1e-6
"""By which two shapes differ from rounding alone."""


def spread_model(residuals: FloatArray, spread: FloatArray) -> tuple[float, float]:
    """How members' disagreement translates into error: sd² = floor² + (factor · spread)².

    Fitted by maximum likelihood of the residuals under a normal distribution.

    Args:
        residuals: (V,) errors on the validation split.
        spread: (V,) standard deviation among members; zeros for a single network.

    Returns:
        floor, in the property's unit, and factor.
    """
    from scipy.optimize import minimize

    rmse = float(np.sqrt((residuals**2).mean()))
    if not spread.any():
        return rmse, 0.0
    squared = (spread / np.sqrt((spread**2).mean())) ** 2

    def loss(logs: FloatArray) -> float:
        variance = np.exp(2 * logs[0]) + np.exp(2 * logs[1]) * squared
        return float((np.log(variance) + (residuals / rmse) ** 2 / variance).mean())

    floor, factor = np.exp(minimize(loss, np.log([0.7, 0.7]), method="Nelder-Mead").x)
    return float(floor * rmse), float(factor * rmse / np.sqrt((spread**2).mean()))


def interval_factor(residuals: FloatArray, sd: FloatArray) -> float:
    """Half-width of the 90 % interval in standard deviations.

    Normalised split-conformal regression (Papadopoulos, Gammerman and Vovk, 2008; Lei et al., J. Am. Stat. Assoc.
    113, 1094 (2018)) by crepes. The promise holds for tubes like those of the validation split only.

    Args:
        residuals: (V,) errors on the validation split.
        sd: (V,) standard deviations that were predicted for them.
    """
    from crepes import ConformalRegressor

    regressor = ConformalRegressor().fit(residuals=residuals, sigmas=sd)
    interval = regressor.predict_int(y_hat=np.zeros(1), sigmas=np.ones(1), confidence=COVERAGE)
    return float(interval[0, 1])


def distance_model(features: FloatArray, held_out: FloatArray) -> dict[str, FloatArray]:
    """Mahalanobis distance to the training features (Lee et al., NeurIPS 2018, for the score).

    Args:
        features: (T, F) of the training split.
        held_out: (V, F) of the validation split.

    Returns:
        `centre` (F,), `whitening` (F, F), `threshold` (1,).
    """
    centre = features.mean(axis=0)
    # In units of each feature's own spread. What hardly varies in training, such as the share of vacancies
    # where there are none, gets a floor: to deviate there is to be far out.
    spread = features.std(axis=0)
    spread = np.maximum(spread, 1e-3 * spread.mean())
    covariance = np.cov(features / spread, rowvar=False) + 1e-3 * np.eye(features.shape[1])
    whitening = np.linalg.cholesky(np.linalg.inv(covariance)) / spread[:, None]
    lengths = np.linalg.norm((held_out - centre) @ whitening, axis=1)
    return {
        "centre": centre,
        "whitening": whitening,
        "threshold": np.quantile(lengths, DISTANCE_QUANTILE)[None],
    }


@lru_cache(maxsize=1024)
def shape_distance(lattice: TubeLattice, trained: tuple[tuple[int, int, int], ...]) -> float:
    """How far a tube's shape lies outside those of the training data.

    A network sees a tube's neighbourhoods, not how wide it is, so that features alone cannot tell. Our choice.

    Args:
        lattice: of the tube.
        trained: (n, m, cells) of the training data.

    Returns:
        0 if diameter, chiral angle and length lie between the training data's; otherwise 1 plus the largest excess,
        of the logarithms of diameter and length, and of the angle in units of 30 degrees.
    """
    seen = np.array([_shape(tube_lattice(*shape)) for shape in trained])
    found = np.array(_shape(lattice))
    excess = np.maximum(seen.min(axis=0) - found, found - seen.max(axis=0)).max()
    return float(1.0 + excess) if excess > SHAPE_TOLERANCE else 0.0


def _shape(lattice: TubeLattice) -> tuple[float, float, float]:
    """Logarithms of diameter and length, and the chiral angle."""
    angle = math.atan2(math.sqrt(3.0) * lattice.m, 2.0 * lattice.n + lattice.m)
    return math.log(lattice.diameter_nm), math.log(lattice.length_angstrom), angle / (math.pi / 6.0)
