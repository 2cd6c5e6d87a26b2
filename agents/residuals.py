"""Errors of surrogates on one tube: what the verified designs say of those that are not verified yet.

The errors of a property are one Gaussian process for each tube, with a part that all designs of the tube share and a
part that designs share which look alike: k = a² + s² exp(-d / l), where d is the distance of their features. Errors on
different tubes are independent. The three numbers of each property are fitted to verified designs of other tubes by the
marginal likelihood (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 2.30).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import norm

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.typing import FloatArray

NUGGET: Final = 1e-3
"""Share of the variance that no two designs share, so that matrices have an inverse; a choice of ours."""

BOUNDS: Final = ((-4.0, 3.0), (-4.0, 3.0), (-3.0, 3.0))
"""Logarithms of the least and largest a and s, in root mean square errors, and l, in mean distances."""


@dataclass(frozen=True)
class ErrorModel:
    """The kernel of one property's errors.

    Attributes:
        shared: a, the standard deviation of what all designs of a tube share, in the unit of the property.
        own: s, that of what only like designs share.
        length: l, in units of the distance of features.
    """

    shared: float
    own: float
    length: float

    def covariance(self, features: FloatArray, others: FloatArray) -> FloatArray:
        """Return the (N, M) covariances of the errors of (N, F) and (M, F) other designs on one tube."""
        return np.asarray(self.shared**2 + self.own**2 * np.exp(-cdist(features, others) / self.length))

    def matrix(self, features: FloatArray) -> FloatArray:
        """Return the (N, N) covariances of the errors of (N, F) designs on one tube with each other."""
        return self.covariance(features, features) + NUGGET * self.own**2 * np.eye(len(features))

    @classmethod
    def fitted(cls, features: Sequence[FloatArray], errors: Sequence[FloatArray]) -> "ErrorModel":
        """Return the kernel of the largest likelihood.

        Args:
            features: for each tube, the (N, F) features of its verified designs.
            errors: for each tube, their (N,) errors.

        Raises:
            ConfigurationError: if fewer than two tubes have two designs, or errors are not finite.
        """
        if sum(len(each) > 1 for each in errors) < 2 or not all(np.isfinite(each).all() for each in errors):
            raise ConfigurationError("give finite errors of two designs or more on two tubes or more")
        every = np.concatenate(errors)
        scale = float(np.sqrt((every**2).mean()))
        apart = np.concatenate([cdist(each, each)[np.triu_indices(len(each), 1)] for each in features])
        mean = float(apart.mean())

        def model(logs: FloatArray) -> ErrorModel:
            shared, own, length = np.exp(logs).tolist()
            return cls(scale * shared, scale * own, mean * length)

        def loss(logs: FloatArray) -> float:
            kernel = model(logs)
            matrix = block_diag(*map(kernel.matrix, features))
            return float(0.5 * np.linalg.slogdet(matrix)[1] + 0.5 * every @ np.linalg.solve(matrix, every))

        starts = [np.array([first, second, 0.0]) for first in (-1.0, 0.0) for second in (-1.0, 0.0)]
        found = [minimize(loss, start, method="L-BFGS-B", bounds=BOUNDS) for start in starts]
        return model(min(found, key=lambda each: float(each.fun)).x)


@dataclass(frozen=True, eq=False)
class Verified(ValueObject):
    """Verified designs of one tube.

    Attributes:
        features: (N, F) features of the designs.
        errors: (N, P) verified minus predicted properties; NaN where the oracle failed.
    """

    features: FloatArray
    errors: FloatArray

    def error(self, models: Sequence[ErrorModel], features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the (B, P) expected errors of (B, F) other designs on the tube, and their standard deviations."""
        means, deviations = [], []
        for place, model in enumerate(models):
            known = np.isfinite(self.errors[:, place])
            seen, y = self.features[known], self.errors[known, place]
            cross = model.covariance(features, seen)
            weights = np.linalg.solve(model.matrix(seen), np.column_stack([y, cross.T]))
            means.append(cross @ weights[:, 0])
            prior = model.shared**2 + model.own**2 * (1.0 + NUGGET)
            rest = prior - (cross * weights[:, 1:].T).sum(axis=1)
            deviations.append(np.sqrt(np.maximum(rest, NUGGET * prior)))
        return np.stack(means, axis=1), np.stack(deviations, axis=1)

    def chance(
        self, models: Sequence[ErrorModel], features: FloatArray, values: FloatArray, targets: FloatArray
    ) -> FloatArray:
        """Return the (B,) logarithms of the chance that designs meet a brief.

        Args:
            models: kernel of each property.
            features: (B, F) features of the designs.
            values: (B, P) predicted properties.
            targets: (2 P,) lower and upper bounds, one after the other.
        """
        mean, deviation = self.error(models, features)
        low, high = ((end - values - mean) / deviation for end in (targets[::2], targets[1::2]))
        far = low > 0.0  # the tails of one side lose fewer digits
        low, high = np.where(far, -high, low), np.where(far, -low, high)
        inside = norm.logcdf(high) + np.log1p(-np.exp(np.minimum(norm.logcdf(low) - norm.logcdf(high), -1e-300)))
        return np.asarray(inside.sum(axis=1))
