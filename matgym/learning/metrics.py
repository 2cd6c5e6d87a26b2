"""Figures of merit of predictions, with intervals."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import bootstrap

from matgym.typing import BoolArray, FloatArray

RESAMPLES: Final = 1000


class PropertyMetrics(BaseModel):
    """Figures of one property on one split; intervals are 95 % bootstrap intervals over rows."""

    model_config = ConfigDict(extra="forbid")

    property: str
    n: int
    r2: float
    r2_interval: tuple[float, float] | None = None
    mae: float
    mae_interval: tuple[float, float] | None = None
    rmse: float
    rmse_interval: tuple[float, float] | None = None
    coverage: float | None = None


def property_metrics(
    key: str, predicted: FloatArray, truth: FloatArray, covered: BoolArray | None = None
) -> PropertyMetrics:
    """R², mean absolute and root mean square error, with 95 % percentile bootstrap intervals.

    Args:
        key: of the property.
        predicted: (rows,).
        truth: (rows,).
        covered: (rows,) whether the 90 % interval holds the truth.
    """
    statistics: dict[str, Callable[[FloatArray, FloatArray], float]] = {
        "r2": lambda p, t: float(1.0 - ((p - t) ** 2).sum() / ((t - t.mean()) ** 2).sum()),
        "mae": lambda p, t: float(np.abs(p - t).mean()),
        "rmse": lambda p, t: float(np.sqrt(((p - t) ** 2).mean())),
    }
    figures: dict[str, Any] = {}
    for name, statistic in statistics.items():
        interval = bootstrap(
            (predicted, truth),
            statistic,
            paired=True,
            vectorized=False,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        figures |= {
            name: statistic(predicted, truth),
            f"{name}_interval": (float(interval.low), float(interval.high)),
        }
    coverage = None if covered is None else float(covered.mean())
    return PropertyMetrics(property=key, n=len(truth), coverage=coverage, **figures)
