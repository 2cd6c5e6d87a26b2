"""Metrics of predictions and of their uncertainty: errors, standard deviations, conformal intervals, distances."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import bootstrap

from matgym.typing import BoolArray, FloatArray, IntArray

RESAMPLES: Final = 1000

NO_SPREAD: Final = 1e-9
"""Spread of members, relative to the error, that rounding explains: they are equal."""

COVERAGE: Final = 0.90
"""Nominal coverage of the conformal intervals."""

DISTANCE_QUANTILE: Final = 0.99
"""Fraction of validation samples with a distance below the threshold; samples above it are out of distribution."""


class PropertyMetrics(BaseModel):
    """Metrics of one property on one split; intervals are 95 % bootstrap intervals over rows.

    `r2_within` is R² about the means of the chiralities: a model that knows only the mean of each has zero.
    """

    model_config = ConfigDict(extra="forbid")

    property: str
    n: int
    r2: float
    r2_interval: tuple[float, float] | None = None
    r2_within: float | None = None
    r2_within_interval: tuple[float, float] | None = None
    mae: float
    mae_interval: tuple[float, float] | None = None
    rmse: float
    rmse_interval: tuple[float, float] | None = None
    coverage: float | None = None


def property_metrics(
    key: str,
    predicted: FloatArray,
    truth: FloatArray,
    covered: BoolArray | None = None,
    groups: IntArray | None = None,
) -> PropertyMetrics:
    """Compute R², mean absolute and root mean square error, with 95 % percentile bootstrap intervals.

    Args:
        key: key of the property.
        predicted: (rows,) predictions.
        truth: (rows,) true values.
        covered: (rows,) whether the 90 % interval contains the true value; None leaves the coverage out.
        groups: (rows,) number of the chirality of each row, for R² within chiralities; None leaves it out.
    """
    statistics: dict[str, Callable[[FloatArray, FloatArray, FloatArray], float]] = {
        "r2": lambda p, t, _: float(1.0 - ((p - t) ** 2).sum() / ((t - t.mean()) ** 2).sum()),
        "mae": lambda p, t, _: float(np.abs(p - t).mean()),
        "rmse": lambda p, t, _: float(np.sqrt(((p - t) ** 2).mean())),
    }
    means = truth
    if groups is not None:
        statistics["r2_within"] = lambda p, t, mean: float(1.0 - ((p - t) ** 2).sum() / ((t - mean) ** 2).sum())
        number = np.unique(groups, return_inverse=True)[1]
        means = (np.bincount(number, truth) / np.bincount(number))[number]
    figures: dict[str, Any] = {}
    for name, statistic in statistics.items():
        interval = bootstrap(
            (predicted, truth, means), statistic, paired=True, vectorized=False, n_resamples=RESAMPLES,
            method="percentile", rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        figures |= {
            name: statistic(predicted, truth, means),
            f"{name}_interval": (float(interval.low), float(interval.high)),
        }
    coverage = None if covered is None else float(covered.mean())
    return PropertyMetrics(property=key, n=len(truth), coverage=coverage, **figures)


# ---- uncertainty


def calibrate(
    labels: FloatArray, members: FloatArray, features: FloatArray, held_out: FloatArray
) -> dict[str, FloatArray]:
    """Fit the uncertainty of an ensemble's predictions on the validation split.

    Args:
        labels: (V, properties) true values of the validation split.
        members: (members, V, properties) predictions of each member for the validation split.
        features: (T, F) features of the training split.
        held_out: (V, F) features of the validation split.

    Returns:
        `floor`, `factor` and `interval`, (properties,) each, and the arrays of `distance_model`.
    """
    columns = range(labels.shape[1])
    residuals, spread = labels - members.mean(axis=0), member_spread(members)
    floor, factor = np.array([spread_model(residuals[:, k], spread[:, k]) for k in columns]).T
    sd = standard_deviation(members, floor, factor)
    interval = np.array([interval_factor(residuals[:, k], sd[:, k]) for k in columns])
    return {"floor": floor, "factor": factor, "interval": interval} | distance_model(features, held_out)


def member_spread(members: FloatArray) -> FloatArray:
    """Return the (V, properties) standard deviation among members; zeros for a single network."""
    return members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros(members.shape[1:])


def standard_deviation(members: FloatArray, floor: FloatArray, factor: FloatArray) -> FloatArray:
    """Return the (V, properties) standard deviation of predictions.

    Args:
        members: (members, V, properties) predictions of each member.
        floor: (properties,) floors from `spread_model`.
        factor: (properties,) factors from `spread_model`.
    """
    return np.asarray(np.sqrt(floor**2 + (factor * member_spread(members)) ** 2))


def judge(members: FloatArray, calibration: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the (V, properties) means, standard deviations and half-widths of intervals of predictions.

    Args:
        members: (members, V, properties) predictions of each member.
        calibration: arrays from `calibrate`; without them, standard deviations and half-widths are NaN.
    """
    unknown = np.full(members.shape[2], np.nan)
    floor, factor, interval = (calibration.get(name, unknown) for name in ("floor", "factor", "interval"))
    sd = standard_deviation(members, floor, factor)
    return members.mean(axis=0), sd, sd * interval


def column_scales(values: FloatArray) -> FloatArray:
    """Return (columns,) standard deviations, by which columns are scaled; 1 for a constant column."""
    spread = values.std(axis=0)
    return np.where(spread > 0.0, spread, 1.0)


def spread_model(residuals: FloatArray, spread: FloatArray) -> tuple[float, float]:
    """Fit the standard deviation to the (V,) spread of members: sd² = floor² + (factor · spread)².

    The fit maximises the likelihood of the (V,) residuals under a normal distribution.

    Returns:
        The floor, in the unit of the property, and the factor.
    """
    from scipy.optimize import minimize

    rmse = float(np.sqrt((residuals**2).mean()))
    if spread.max() <= NO_SPREAD * rmse:
        return rmse, 0.0
    squared = (spread / np.sqrt((spread**2).mean())) ** 2

    def loss(logs: FloatArray) -> float:
        variance = np.exp(2 * logs[0]) + np.exp(2 * logs[1]) * squared
        return float((np.log(variance) + (residuals / rmse) ** 2 / variance).mean())

    floor, factor = np.exp(minimize(loss, np.log([0.7, 0.7]), method="Nelder-Mead").x)
    return float(floor * rmse), float(factor * rmse / np.sqrt((spread**2).mean()))


def interval_factor(residuals: FloatArray, sd: FloatArray) -> float:
    """Return the half-width of the 90 % interval in standard deviations.

    The method is normalised split-conformal regression (Papadopoulos, Gammerman and Vovk, 2008; Lei et al., J. Am.
    Stat. Assoc. 113, 1094 (2018)) by crepes. The coverage is valid only for samples from the distribution of the
    validation split.

    Args:
        residuals: (V,) errors on the validation split.
        sd: (V,) predicted standard deviations.
    """
    from crepes import ConformalRegressor

    regressor = ConformalRegressor().fit(residuals=residuals, sigmas=sd)
    interval = regressor.predict_int(y_hat=np.zeros(1), sigmas=np.ones(1), confidence=COVERAGE)
    return float(interval[0, 1])


def distance_model(features: FloatArray, held_out: FloatArray) -> dict[str, FloatArray]:
    """Fit the Mahalanobis distance to the training features (Lee et al., NeurIPS 2018, for the score).

    Args:
        features: (T, F) features of the training split.
        held_out: (V, F) features of the validation split, which determine the threshold.

    Returns:
        `centre` (F,), `whitening` (F, F) and `threshold` (1,).
    """
    centre = features.mean(axis=0)
    # Distances are in units of the spread of each feature. The floor avoids a division by zero; a deviation in a
    # feature that hardly varies in training still gives a large distance.
    spread = features.std(axis=0)
    spread = np.maximum(spread, 1e-3 * spread.mean())
    covariance = np.cov(features / spread, rowvar=False) + 1e-3 * np.eye(features.shape[1])
    whitening = np.linalg.cholesky(np.linalg.inv(covariance)) / spread[:, None]
    lengths = np.linalg.norm((held_out - centre) @ whitening, axis=1)
    return {"centre": centre, "whitening": whitening, "threshold": np.quantile(lengths, DISTANCE_QUANTILE)[None]}


def distance(features: FloatArray, model: Mapping[str, FloatArray]) -> FloatArray:
    """Return the (B,) distances of (B, F) features by a `distance_model`, in units of its threshold."""
    return np.asarray(np.linalg.norm((features - model["centre"]) @ model["whitening"], axis=1) / model["threshold"])
