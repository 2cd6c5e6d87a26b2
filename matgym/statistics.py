"""One interval for every mean over seeds, in tables and in figures alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matgym.typing import FloatArray


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % Student-t interval; NaN bounds for one seed."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def in_thousandths(self) -> str:
        """Such as "12.3 ± 0.8": eV as meV."""
        return f"{1000 * self.mean:.1f}" + (f" ± {1000 * self.half_width:.1f}" if np.isfinite(self.half_width) else "")


def estimate(figures: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of one figure a seed."""
    from scipy.stats import t as student

    per_seed = np.asarray(figures, dtype=np.float64)
    mean = float(per_seed.mean())
    if len(per_seed) < 2 or not np.isfinite(per_seed).all():
        return Estimate(mean, float("nan"), float("nan"))
    half = float(student.ppf(0.975, len(per_seed) - 1) * per_seed.std(ddof=1) / np.sqrt(len(per_seed)))
    return Estimate(mean, mean - half, mean + half)


def interquartile_mean(scores: FloatArray, rng: np.random.Generator, resamples: int = 2000) -> Estimate:
    """Mean of the middle half of all scores, with a 95 % interval by stratified bootstrap.

    The aggregate that Agarwal et al. (NeurIPS 2021) recommend for few runs on several tasks: runs are resampled within
    each task.

    Args:
        scores: (runs, tasks).
        rng: of the bootstrap.
        resamples: of it.
    """
    from scipy.stats import trim_mean

    scores = np.asarray(scores, dtype=np.float64)
    runs, tasks = scores.shape
    drawn = rng.integers(0, runs, (resamples, runs, tasks))
    means = trim_mean(scores[drawn, np.arange(tasks)].reshape(resamples, -1), 0.25, axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(trim_mean(scores.ravel(), 0.25)), float(low), float(high))
