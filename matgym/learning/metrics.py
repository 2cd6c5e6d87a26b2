"""Figures of merit of predictions, with intervals."""

from collections.abc import Callable
from typing import Final

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

    def r2(p: FloatArray, t: FloatArray) -> float:
        return float(1.0 - ((p - t) ** 2).sum() / ((t - t.mean()) ** 2).sum())

    def mae(p: FloatArray, t: FloatArray) -> float:
        return float(np.abs(p - t).mean())

    def rmse(p: FloatArray, t: FloatArray) -> float:
        return float(np.sqrt(((p - t) ** 2).mean()))

    def interval(statistic: Callable[[FloatArray, FloatArray], float]) -> tuple[float, float]:
        found = bootstrap(
            (predicted, truth),
            statistic,
            paired=True,
            vectorized=False,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        return float(found.low), float(found.high)

    return PropertyMetrics(
        property=key,
        n=len(truth),
        r2=r2(predicted, truth),
        r2_interval=interval(r2),
        mae=mae(predicted, truth),
        mae_interval=interval(mae),
        rmse=rmse(predicted, truth),
        rmse_interval=interval(rmse),
        coverage=None if covered is None else float(covered.mean()),
    )
