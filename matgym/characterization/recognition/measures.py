"""Measures of classifications: accuracy, calibration of probabilities, and refusal by confidence."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from matgym.typing import FloatArray, IntArray

BINS: Final = 15
"""Bins of the expected calibration error, as in Guo et al. (2017)."""


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Return (B, classes) probabilities of (B, classes) logits."""
    from scipy.special import softmax as of_scipy

    return np.asarray(of_scipy(logits / temperature, axis=1))


def top_accuracy(probabilities: FloatArray, labels: IntArray, k: int = 1) -> float:
    """Return the share of rows whose label is among the `k` most probable classes."""
    best = np.argpartition(-probabilities, min(k, probabilities.shape[1]) - 1, axis=1)[:, :k]
    return float((best == labels[:, None]).any(axis=1).mean())


def expected_calibration_error(probabilities: FloatArray, labels: IntArray, bins: int = BINS) -> float:
    """Return the mean difference between confidence and accuracy over bins of equal width of the confidence.

    Source: Guo et al., ICML 2017.

    Args:
        probabilities: (B, classes) probabilities.
        labels: (B,) true classes.
        bins: number of bins.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, confidence, bins) - np.bincount(place, right, bins)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(logits: FloatArray, labels: IntArray) -> float:
    """Return the temperature that minimises the negative log-likelihood (Guo et al., ICML 2017).

    Args:
        logits: (B, classes) logits of rows that were not trained on.
        labels: (B,) true classes.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(labels))
    found = minimize_scalar(
        lambda log: -float(log_softmax(logits / np.exp(log), axis=1)[rows, labels].mean()),
        bounds=(-3.0, 3.0),
        method="bounded",
    )
    return float(np.exp(found.x))


def refusal_curve(
    probabilities: FloatArray, labels: IntArray, shares: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
) -> dict[float, float]:
    """Return the accuracy on the rest when the least confident share of rows is refused, by that share."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    return {share: float(right[: max(1, round((1.0 - share) * len(right)))].mean()) for share in shares}


def refusal_threshold(probabilities: FloatArray, labels: IntArray, accuracy: float) -> float:
    """Return the lowest confidence above which the given accuracy is reached.

    Returns:
        The threshold; 1 if no threshold reaches the accuracy.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    reached = np.flatnonzero(np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= accuracy)
    return float(confidence[order[reached[-1]]]) if len(reached) else 1.0
