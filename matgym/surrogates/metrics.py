"""Figures of merit of predictions, with intervals."""

from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

from matgym.surrogates.store import PropertyMetrics
from matgym.typing import BoolArray, FloatArray

RESAMPLES = 1000


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
