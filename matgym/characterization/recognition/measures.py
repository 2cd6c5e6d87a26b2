"""Measures of classifications: accuracy, calibration of probabilities, and refusal by confidence.

Labels are (B,) numbers of the classes, or (B, classes) shares of the classes in a mixture. Of a mixture, the answer "a
tube that is taken from it is of this class" is right in that share: all measures hold for both.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from matgym.typing import Float32Array, FloatArray, IntArray

Labels: TypeAlias = IntArray | Float32Array | FloatArray
"""(B,) numbers of the classes, or (B, classes) shares of a mixture."""

BINS: Final = 15
"""Bins of the expected calibration error, as in Guo et al. (2017)."""


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Return (B, classes) probabilities of (B, classes) logits."""
    from scipy.special import softmax as of_scipy

    return np.asarray(of_scipy(logits / temperature, axis=1))


def shares_of(labels: Labels, classes: int) -> FloatArray:
    """Return the (B, classes) shares that labels say: 1 for a class that is alone."""
    return np.asarray(labels if labels.ndim == 2 else np.arange(classes) == labels[:, None], dtype=np.float64)


def hits(answers: IntArray, labels: Labels) -> FloatArray:
    """Return how right (B, k) different classes are as answers to each row: 1 or 0, and for mixtures their share."""
    if labels.ndim == 1:
        return np.asarray((answers == labels[:, None]).any(axis=1), dtype=np.float64)
    return np.asarray(np.take_along_axis(labels, answers, axis=1).sum(axis=1), dtype=np.float64)


def top_accuracy(probabilities: FloatArray, labels: Labels, k: int = 1) -> float:
    """Return the share of rows whose label is among the `k` most probable classes."""
    best = np.argpartition(-probabilities, min(k, probabilities.shape[1]) - 1, axis=1)[:, :k]
    return float(hits(best, labels).mean())


def accuracy_among_occurring(probabilities: FloatArray, labels: IntArray) -> float:
    """Return the share of rows whose label is the most probable of the classes that occur among the labels."""
    occurring, places = np.unique(labels, return_inverse=True)
    return top_accuracy(probabilities[:, occurring], places)


def share_error(probabilities: FloatArray, labels: Labels) -> float:
    """Return the mean share of a mixture that is given to a wrong class: half the sum of absolute differences."""
    return float(0.5 * np.abs(probabilities - shares_of(labels, probabilities.shape[1])).sum(axis=1).mean())


def cross_entropy(logits: FloatArray, labels: Labels) -> float:
    """Return the mean negative log-likelihood of labels."""
    from scipy.special import log_softmax

    logs = log_softmax(logits, axis=1)
    if labels.ndim == 1:
        return -float(logs[np.arange(len(labels)), labels].mean())
    return -float((labels * logs).sum(axis=1).mean())


def expected_calibration_error(probabilities: FloatArray, labels: Labels, bins: int = BINS) -> float:
    """Return the mean difference between confidence and accuracy over bins of equal width of the confidence.

    Source: Guo et al., ICML 2017.

    Args:
        probabilities: (B, classes) probabilities.
        labels: true classes.
        bins: number of bins.
    """
    confidence, right = probabilities.max(axis=1), hits(probabilities.argmax(axis=1)[:, None], labels)
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, confidence, bins) - np.bincount(place, right, bins)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(logits: FloatArray, labels: Labels) -> float:
    """Return the temperature that minimises the negative log-likelihood (Guo et al., ICML 2017).

    Args:
        logits: (B, classes) logits of rows that were not trained on.
        labels: true classes.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: cross_entropy(logits / np.exp(log), labels),
        bounds=(-3.0, 3.0),
        method="bounded",
    )
    return float(np.exp(found.x))


def refusal_curve(
    probabilities: FloatArray, labels: Labels, shares: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
) -> dict[float, float]:
    """Return the accuracy on the rest when the least confident share of rows is refused, by that share."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = hits(probabilities.argmax(axis=1)[:, None], labels)[order]
    return {share: float(right[: max(1, round((1.0 - share) * len(right)))].mean()) for share in shares}


def least_value(values: FloatArray, right: FloatArray, accuracy: float) -> float:
    """Return the lowest value from which on answers have an accuracy.

    Args:
        values: (B,) numbers that are larger for surer answers, at most 1.
        right: (B,) how right the answers are; see `hits`.
        accuracy: the accuracy.

    Returns:
        The value; 1 if no value reaches the accuracy.
    """
    order = np.argsort(-values, kind="stable")
    reached = np.flatnonzero(np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= accuracy)
    return float(values[order[reached[-1]]]) if len(reached) else 1.0
