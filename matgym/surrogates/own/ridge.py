"""Ridge regression on few labels: the penalty by cross-validation, whose models are the members of an ensemble.

Folds, and the choice among candidates by their errors, are those of all models of few labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from matgym.frozen import ValueObject
from matgym.surrogates.honeycomb.pairs import PENALTIES, constant_columns
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import FloatArray, IntArray

MEMBERS: Final = 5
"""Groups that the choice of the penalty leaves out in turn, and members of the ensemble. A choice of ours."""


MARGIN: Final = 0.03
"""How much larger the error of a cheaper candidate may be, as a share, for it to be chosen. A choice of ours."""

Candidate = TypeVar("Candidate")


def choose(errors: Mapping[Candidate, float]) -> Candidate:
    """Return the first candidate, in the order of cost, whose error is within `MARGIN` of the least."""
    least = min(errors.values())
    return next(each for each, error in errors.items() if error <= (1.0 + MARGIN) * least)


@dataclass(frozen=True, eq=False)
class Fitted(ValueObject):
    """Linear models that leave out some rows each.

    Attributes:
        weights: (members, F) weights of features.
        bias: (members,) constants.
        rmse: error on the rows left out, by the penalty of the least one, in the unit of values.
    """

    weights: FloatArray
    bias: FloatArray
    rmse: float

    def predict(self, features: FloatArray) -> FloatArray:
        """Return the (members, B) learned values of (B, F) features."""
        return np.asarray(self.weights @ features.T + self.bias[:, None])


def folds_of(groups: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Return (rows,) the fold of each row; rows of one group are in one fold, and folds are of about one size."""
    number, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # large groups first, each into the smallest fold
    fold, load = np.empty(len(sizes), dtype=np.int64), np.zeros(min(count, len(sizes)), dtype=np.int64)
    for group in order.tolist():
        fold[group] = load.argmin()
        load[fold[group]] += sizes[group]
    return np.asarray(fold[number])


def ridge(features: FloatArray, values: FloatArray, targets: Targets, trust: FloatArray, folds: IntArray) -> Fitted:
    """Fit linear models of learned values with the penalty of the least error of values on folds left out.

    Args:
        features: (T, F) features.
        values: (T,) values.
        targets: how learned values become values.
        trust: (F,) factors of the standardised features: the larger, the less a coefficient is penalised.
        folds: (T,) fold of each row, two or more; each member leaves one out.
    """
    mean, spread, constant = features.mean(axis=0), features.std(axis=0), constant_columns(features)
    factor = np.where(constant, 0.0, trust / np.where(constant, 1.0, spread))
    scaled, learned = (features - mean) * factor, targets.learned(values[:, None])[:, 0]
    parts, squares = [], np.zeros(len(PENALTIES))
    for fold in range(int(folds.max()) + 1):
        kept, left = folds != fold, folds == fold
        centre, level = scaled[kept].mean(axis=0), float(learned[kept].mean())
        rows = scaled[kept] - centre
        eigenvalues, vectors = np.linalg.eigh(rows @ rows.T)
        eigenvalues = np.maximum(eigenvalues, 0.0)
        inside = vectors.T @ (learned[kept] - level)
        coefficients = inside / (eigenvalues + PENALTIES[:, None])  # (penalties, rows)
        found = level + coefficients @ (vectors.T @ (rows @ (scaled[left] - centre).T))
        answers = targets.take(np.flatnonzero(left)).values(found[..., None])[..., 0]
        squares += ((answers - values[left]) ** 2).sum(axis=1)
        parts.append((rows, vectors, coefficients, centre, level))
    best = int(squares.argmin())
    weights = np.stack([(vectors @ inner[best]) @ rows for rows, vectors, inner, _, _ in parts])
    bias = np.array([level for *_, level in parts]) - np.einsum(
        "mf,mf->m", weights, np.stack([centre for *_, centre, _ in parts])
    )
    weights = weights * factor
    return Fitted(weights, bias - weights @ mean, float(np.sqrt(squares[best] / len(values))))
