"""Intervals of surrogates of tubes of any lattice, as wide as a tube is difficult.

The errors on chiralities that were left out of a fit are regressed on what is known of a tube before its label: its
numbers, its bonded pairs of dopants, its distance from the data, its prediction, and how unusual the prediction is for
its numbers, which is what a search for an extreme drives up. The result is the difficulty of a tube. An interval is the
difficulty times a quantile of errors over difficulty: normalised conformal prediction (Papadopoulos, Gammerman and
Vovk, 2008), by crepes. Tubes of chiralities of the training data and others have a quantile each (Mondrian: Vovk et
al., Algorithmic Learning in a Random World, 2005): from validation tubes, and from the chiralities left out.

The clues, the kind of regression and its two constants were chosen by the coverage and the interval score (Gneiting and
Raftery, J. Am. Stat. Assoc. 102, 359 (2007)) of training tubes of chiralities that were left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from matgym.frozen import ValueObject
from matgym.learning.metrics import column_scales, interval_factor
from matgym.surrogates.honeycomb.graph import CHARGED, NAMES, SITE_SPECIES, TUBE_FEATURES, Honeycombs
from matgym.typing import BoolArray, FloatArray, IntArray

PENALTY: Final = 0.1
"""Penalty of the regression of errors, and of that of predictions."""

LEAST: Final = 0.05
"""Error that is added to all, in mean errors: the regression is of logarithms, and errors may be zero."""

_SIGNED: Final = tuple(column for column, (name, _, _) in enumerate(NAMES) if name in {"strain", "excess of N over B"})
_NUMBERS: Final = TUBE_FEATURES + len(_SIGNED)

CLUES: Final = _NUMBERS + len(CHARGED) * (len(CHARGED) + 1) // 2 + 3
"""Number of the clues to the difficulty of a tube."""

SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "typical": (1 + _NUMBERS,),
    "typical_sd": (),
    "difficulty": (1 + CLUES,),
    "easiest": (CLUES,),
    "hardest": (CLUES,),
    "sd": (2,),
    "quantile": (2,),
}
"""Shapes of the arrays of `calibrate_intervals` after their first axis, which is that of properties."""


@dataclass(frozen=True, eq=False)
class Asked(ValueObject):
    """What is known of B tubes before their labels.

    Attributes:
        numbers: (B, numbers) features of tubes, and the absolute values of those that are difficult at both ends.
        bonded: (B, 3) numbers of B-B, B-N and N-N bonds per site.
        distance: (B,) distances from the training data.
        learned: (B, properties) predictions, as learned values.
    """

    numbers: FloatArray
    bonded: FloatArray
    distance: FloatArray
    learned: FloatArray

    @classmethod
    def of(cls, graph: Honeycombs, distance: FloatArray, learned: FloatArray) -> Self:
        """Return what is known of the tubes of a graph; see the attributes."""
        tubes = graph.tubes.astype(np.float64)
        return cls(np.concatenate([tubes, np.abs(tubes[:, _SIGNED])], axis=1), _bonded(graph), distance, learned)

    def take(self, rows: IntArray | BoolArray) -> Self:
        """Return what is known of some tubes."""
        return type(self)(self.numbers[rows], self.bonded[rows], self.distance[rows], self.learned[rows])

    def clues(self, calibration: Mapping[str, FloatArray]) -> FloatArray:
        """Return the (B, properties, CLUES) clues to the difficulty of the tubes."""
        weights = calibration["typical"]
        unusual = np.abs(self.learned - weights[:, 0] - self.numbers @ weights[:, 1:].T) / calibration["typical_sd"]
        shared = np.concatenate([self.numbers, self.bonded, np.log(np.maximum(self.distance, 1e-6))[:, None]], axis=1)
        shared = np.broadcast_to(shared[:, None, :], (*unusual.shape, shared.shape[1]))
        return np.concatenate([shared, self.learned[:, :, None], unusual[:, :, None]], axis=2)


def _bonded(graph: Honeycombs) -> FloatArray:
    """Return the (B, 3) numbers of B-B, B-N and N-N bonds per site."""
    marks = graph.sites[:, [SITE_SPECIES.index(kind) for kind in CHARGED]]
    near, count = marks[graph.neighbours].sum(axis=1), len(graph.tubes)
    (one, other), sites = np.triu_indices(len(CHARGED)), np.bincount(graph.tube, minlength=count)
    ends = marks[:, one] * near[:, other] * np.where(one == other, 0.5, 1.0)
    return np.stack([np.bincount(graph.tube, column, count) for column in ends.T], axis=1) / sites[:, None]


def calibrate_intervals(
    left_out: Asked, errors: FloatArray, groups: IntArray, held_out: Asked, their_errors: FloatArray
) -> dict[str, FloatArray]:
    """Fit the difficulty of tubes and the quantiles of errors over difficulty.

    Args:
        left_out: T tubes, with predictions by a fit without their chirality.
        errors: (T, properties) errors of these predictions, in learned values.
        groups: (T,) number of the chirality of each.
        held_out: V validation tubes, with predictions by a fit with their chiralities.
        their_errors: (V, properties) errors of these.

    Returns:
        Arrays whose first axis is that of properties: `typical`, constant and weights of the prediction that is usual
        for a tube's numbers, and `typical_sd`, the deviation from it; `difficulty`, constant and weights of clues, and
        `easiest` and `hardest`, the range of each; `sd` and `quantile`, standard deviation and half-width of the
        interval in difficulties, of tubes of chiralities in the data and of others.
    """
    result = _fitted(left_out, errors)
    crossed = np.empty_like(errors)  # difficulty by regressions without the tube's chirality
    for group in np.unique(groups):
        inside = groups == group
        crossed[inside] = difficulty(left_out.take(inside), _fitted(left_out.take(~inside), errors[~inside]))
    scaled = their_errors / difficulty(held_out, result), errors / crossed
    quantiles = [[interval_factor(column, np.ones_like(column)) for column in each.T] for each in scaled]
    sds = [np.sqrt((each**2).mean(axis=0)) for each in scaled]
    return result | {"sd": np.stack(sds, axis=1), "quantile": np.array(quantiles).T.copy()}


def difficulty(asked: Asked, calibration: Mapping[str, FloatArray]) -> FloatArray:
    """Return the (B, properties) expected absolute errors of learned values, up to a factor.

    A clue outside its range among the tubes that were left out counts as the end of this range.
    """
    inside = np.clip(asked.clues(calibration), calibration["easiest"], calibration["hardest"])
    weights = calibration["difficulty"]
    return np.asarray(np.exp(weights[:, 0] + (inside * weights[:, 1:]).sum(axis=2)))


def widths(asked: Asked, is_unseen: BoolArray, calibration: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return the (B, properties) standard deviations and half-widths of intervals of learned values.

    Args:
        asked: B tubes.
        is_unseen: (B,) whether the chirality of a tube is none of the training data's.
        calibration: arrays from `calibrate_intervals`.
    """
    scale, kind = difficulty(asked, calibration), is_unseen.astype(np.int64)
    return scale * calibration["sd"].T[kind], scale * calibration["quantile"].T[kind]


def _fitted(asked: Asked, errors: FloatArray) -> dict[str, FloatArray]:
    """Return the usual predictions by ridge regression, and the difficulty by a gamma regression of absolute errors."""
    from sklearn.linear_model import GammaRegressor, Ridge

    usual = [_weights(Ridge(PENALTY), asked.numbers, column) for column in asked.learned.T]
    off = asked.learned - np.stack([weights[0] + asked.numbers @ weights[1:] for weights in usual], axis=1)
    typical = {"typical": np.array(usual), "typical_sd": column_scales(off)}
    clues, sizes = asked.clues(typical), np.abs(errors)
    weights = np.empty((errors.shape[1], 1 + CLUES))
    for k, mean in enumerate(np.maximum(sizes.mean(axis=0), np.finfo(np.float64).tiny)):
        weights[k] = _weights(GammaRegressor(alpha=PENALTY, max_iter=1000), clues[:, k], sizes[:, k] / mean + LEAST)
        weights[k, 0] += np.log(mean)
    return typical | {"difficulty": weights, "easiest": clues.min(axis=0), "hardest": clues.max(axis=0)}


def _weights(model: Any, inputs: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return the (1 + inputs,) constant and weights of a linear model of scikit-learn, fitted to scaled inputs."""
    mean, scale = inputs.mean(axis=0), column_scales(inputs)
    found = model.fit((inputs - mean) / scale, wanted)
    weights = found.coef_ / scale
    return np.concatenate([[found.intercept_ - weights @ mean], weights])
