"""Statistics over seeds and tasks with their intervals.

They follow Agarwal et al., NeurIPS 2021: interquartile means, stratified bootstrap, performance profiles, probability
of improvement. The tests compare them with the library rliable of these authors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.typing import FloatArray

LEVELS: Final = (0.025, 0.975)
"""Quantiles at the ends of a 95 % interval."""


MOST_RESAMPLES: Final = 100_000
"""Most resamples of a bootstrap; thousands are usual. A choice of ours."""


@dataclass(frozen=True)
class Estimate:
    """A statistic over seeds with its 95 % interval; the bounds are NaN for one seed."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Return half of the width of the interval."""
        return (self.high - self.low) / 2

    def __format__(self, form: str) -> str:
        """Return text such as "0.812 [0.790, 0.833]" for the format ".3f"."""
        return f"{self.mean:{form}}" + (f" [{self.low:{form}}, {self.high:{form}}]" if np.isfinite(self.low) else "")


def estimate(figures: Sequence[float]) -> Estimate:
    """Return mean and 95 % Student-t interval of one value per seed."""
    from scipy.stats import t as student

    per_seed = np.asarray(figures, dtype=np.float64)
    mean = float(per_seed.mean())
    if len(per_seed) < 2 or not np.isfinite(per_seed).all():
        return Estimate(mean, float("nan"), float("nan"))
    half = float(student.ppf(LEVELS[1], len(per_seed) - 1) * per_seed.std(ddof=1) / np.sqrt(len(per_seed)))
    return Estimate(mean, mean - half, mean + half)


def middle_mean(scores: FloatArray) -> FloatArray:
    """Return the interquartile mean along the first axis."""
    cut = len(scores) // 4
    means: FloatArray = np.sort(scores, axis=0)[cut : len(scores) - cut].mean(axis=0)
    return means


def optimality_gap(scores: FloatArray) -> FloatArray:
    """Return the mean distance of scores below 1 from 1, along the first axis."""
    return np.asarray(1.0 - np.minimum(scores, 1.0).mean(axis=0))


def probability_of_improvement(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return P(x > y) of the (runs, …) scores of two methods, along the first axis; ties count half."""
    difference = x[:, None] - y[None]
    return np.asarray(((difference > 0).mean(axis=(0, 1)) + (difference >= 0).mean(axis=(0, 1))) / 2)


def performance_profile(scores: FloatArray, taus: FloatArray) -> FloatArray:
    """Return the (…, taus) share of (runs, …) scores above each score, along the first axis."""
    return np.stack([(scores > tau).mean(axis=0) for tau in taus], axis=-1)


def stratified_bootstrap(
    figures: Callable[..., FloatArray], samples: Sequence[FloatArray], rng: np.random.Generator, resamples: int = 2000
) -> FloatArray:
    """Return the (2, n) ends of 95 % percentile intervals; runs are resampled within each task.

    Args:
        figures: function that returns (n,) statistics of the samples.
        samples: (runs, tasks, …) arrays, which are resampled independently.
        rng: the only source of randomness.
        resamples: number of resamples of the bootstrap.

    Raises:
        ConfigurationError: if there are none, or more than `MOST_RESAMPLES`.
    """
    if not 1 <= resamples <= MOST_RESAMPLES:
        raise ConfigurationError(f"resamples={resamples} must be from 1 to {MOST_RESAMPLES:,}")
    found = []
    for _ in range(resamples):
        drawn = [x[rng.integers(len(x), size=x.shape[:2]), np.arange(x.shape[1])] for x in samples]
        found.append(figures(*drawn))
    return np.quantile(np.stack(found), LEVELS, axis=0)


def interquartile_mean(scores: FloatArray, rng: np.random.Generator, resamples: int = 2000) -> Estimate:
    """Return the interquartile mean of all (runs, tasks) scores, with a 95 % interval by stratified bootstrap."""

    def figure(x: FloatArray) -> FloatArray:
        return middle_mean(x.reshape(-1, 1))

    (low,), (high,) = stratified_bootstrap(figure, [scores], rng, resamples)
    return Estimate(float(figure(scores)[0]), float(low), float(high))
