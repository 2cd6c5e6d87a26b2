"""Figures over seeds and tasks with their intervals, for tables and pictures alike.

After Agarwal et al., NeurIPS 2021: interquartile means, stratified bootstrap, performance profiles, probability of
improvement. Their library rliable is what the tests compare with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.typing import FloatArray

LEVELS: Final = (0.025, 0.975)
"""Quantiles between which a 95 % interval lies."""


@dataclass(frozen=True)
class Estimate:
    """A figure of all seeds with its 95 % interval; NaN bounds for one seed."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    def __format__(self, form: str) -> str:
        """Such as "0.812 [0.790, 0.833]", by the format ".3f"."""
        return f"{self.mean:{form}}" + (f" [{self.low:{form}}, {self.high:{form}}]" if np.isfinite(self.low) else "")


def estimate(figures: Sequence[float]) -> Estimate:
    """Mean and 95 % Student-t interval of one figure a seed."""
    from scipy.stats import t as student

    per_seed = np.asarray(figures, dtype=np.float64)
    mean = float(per_seed.mean())
    if len(per_seed) < 2 or not np.isfinite(per_seed).all():
        return Estimate(mean, float("nan"), float("nan"))
    half = float(student.ppf(LEVELS[1], len(per_seed) - 1) * per_seed.std(ddof=1) / np.sqrt(len(per_seed)))
    return Estimate(mean, mean - half, mean + half)


def middle_mean(scores: FloatArray) -> FloatArray:
    """Mean of the middle half along the first axis: the interquartile mean."""
    cut = len(scores) // 4
    means: FloatArray = np.sort(scores, axis=0)[cut : len(scores) - cut].mean(axis=0)
    return means


def optimality_gap(scores: FloatArray) -> float:
    """Mean shortfall of scores from 1."""
    return float(1.0 - np.minimum(scores, 1.0).mean())


def probability_of_improvement(x: FloatArray, y: FloatArray) -> float:
    """P(x > y) of two methods' (seeds, tasks) scores, ties counted half, mean over tasks."""
    difference = x[:, None] - y[None]
    return float(((difference > 0).mean() + (difference >= 0).mean()) / 2)


def performance_profile(scores: FloatArray, taus: FloatArray) -> FloatArray:
    """(taus,) share of runs above each score."""
    ordered = np.sort(scores, axis=None)
    return 1.0 - np.searchsorted(ordered, taus, side="right") / len(ordered)


def stratified_bootstrap(
    figures: Callable[..., FloatArray], samples: Sequence[FloatArray], rng: np.random.Generator, resamples: int = 2000
) -> FloatArray:
    """(2, n) ends of the 95 % percentile intervals of figures: runs are resampled within each task.

    Args:
        figures: (n,) of the samples.
        samples: (runs, tasks, …) arrays, which are resampled apart.
        rng: the only source of randomness.
        resamples: of the bootstrap.
    """
    found = []
    for _ in range(resamples):
        drawn = [x[rng.integers(len(x), size=x.shape[:2]), np.arange(x.shape[1])] for x in samples]
        found.append(figures(*drawn))
    return np.quantile(np.stack(found), LEVELS, axis=0)


def interquartile_mean(scores: FloatArray, rng: np.random.Generator, resamples: int = 2000) -> Estimate:
    """Mean of the middle half of all (runs, tasks) scores, with a 95 % interval by stratified bootstrap."""

    def figure(x: FloatArray) -> FloatArray:
        return middle_mean(x.reshape(-1, 1))

    (low,), (high,) = stratified_bootstrap(figure, [scores], rng, resamples)
    return Estimate(float(figure(scores)[0]), float(low), float(high))
