"""Errors of surrogates on one tube: what the verified designs say of those that are not verified yet.

The error of a property has a trend that is linear in the composition and the same on all tubes, and a remainder. The
remainders on a tube are one Gaussian process, with a part that all designs of the tube share and a part that designs
share which look alike: k = a² + s² exp(-d / l), where d is the distance of their features. Remainders on different
tubes are independent. The numbers of each property are fitted to verified designs of other tubes: the trend by
generalized least squares, and a, s, l by the likelihood with this trend (universal kriging; Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, section 2.7 and equation 2.30).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import norm

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.structures import Species
from matgym.tasks import Designs
from matgym.tasks.any_tube import HEAD, STRAINS, AnyTube
from matgym.typing import FloatArray

NUGGET: Final = 1e-3
"""Share of the variance that no two designs share, so that matrices have an inverse; a choice of ours."""

BOUNDS: Final = ((-4.0, 3.0), (-4.0, 3.0), (-3.0, 3.0))
"""Logarithms of the least and largest a and s, in standard deviations of the errors, and l, in mean distances."""


@dataclass(frozen=True, eq=False)
class Looks(ValueObject):
    """What of designs their errors hang on.

    Attributes:
        features: (N, F) features, of which like designs have like ones.
        composition: (N, K) numbers of the trend, the first of which is 1.
    """

    features: FloatArray
    composition: FloatArray

    @classmethod
    def of(cls, space: AnyTube, designs: Designs) -> Self:
        """Return what errors of designs hang on.

        The trend has a constant, the share of B and N atoms in % of the sites and its square, that of 14C, and the
        strain in %.
        """
        sites = np.asarray(space.n_sites)[designs[:, 0].astype(np.int64)]
        atoms = designs[:, HEAD:]
        doped = 100.0 * np.isin(atoms, (Species.B, Species.N)).sum(axis=1) / sites
        heavy = 100.0 * (atoms == Species.C14).sum(axis=1) / sites
        strain = 100.0 * np.asarray(STRAINS)[designs[:, 1].astype(np.int64)]
        return cls(space.features(designs), np.stack([np.ones(len(designs)), doped, doped**2, heavy, strain], axis=1))

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Any) -> Self:
        """Return some rows."""
        return type(self)(self.features[rows], self.composition[rows])

    def and_also(self, other: Self) -> Self:
        """Return the rows of both."""
        pairs = ((self.features, other.features), (self.composition, other.composition))
        return type(self)(*map(np.concatenate, pairs))


@dataclass(frozen=True)
class ErrorModel:
    """What is known of one property's errors on any tube.

    Attributes:
        trend: the K slopes of the trend, in the unit of the property.
        shared: a, the standard deviation of what all designs of a tube share, in the unit of the property.
        own: s, that of what only like designs share.
        length: l, in units of the distance of features.
    """

    trend: tuple[float, ...]
    shared: float
    own: float
    length: float

    def covariance(self, looks: Looks, others: Looks) -> FloatArray:
        """Return the (N, M) covariances of the remainders of N and M other designs on one tube."""
        distance = cdist(looks.features, others.features)
        return np.asarray(self.shared**2 + self.own**2 * np.exp(-distance / self.length))

    def matrix(self, looks: Looks) -> FloatArray:
        """Return the (N, N) covariances of the remainders of N designs on one tube with each other."""
        return self.covariance(looks, looks) + NUGGET * self.own**2 * np.eye(len(looks))

    @classmethod
    def fitted(cls, looks: Sequence[Looks], errors: Sequence[FloatArray]) -> "ErrorModel":
        """Return the model of the largest likelihood.

        Args:
            looks: for each tube, its N verified designs.
            errors: for each tube, their (N,) errors.

        Raises:
            ConfigurationError: if fewer than two tubes have two designs, there are not more designs than slopes, or
                errors are not finite.
        """
        every = np.concatenate([np.zeros(0), *errors])
        enough = sum(len(each) > 1 for each in errors) > 1 and len(every) > looks[0].composition.shape[1]
        if not enough or not np.isfinite(every).all():
            raise ConfigurationError(
                f"{len(every)} errors on {len(errors)} tubes do not say what others are: give finite errors of more "
                "designs, of two or more on two tubes or more"
            )
        phi = np.concatenate([each.composition for each in looks])
        scale = float(every.std()) or 1.0
        apart = np.concatenate([cdist(each.features, each.features)[np.triu_indices(len(each), 1)] for each in looks])
        mean = float(apart.mean()) or 1.0

        def model(logs: FloatArray, trend: FloatArray) -> ErrorModel:
            shared, own, length = np.exp(logs).tolist()
            return cls(tuple(trend.tolist()), scale * shared, scale * own, mean * length)

        def solved(logs: FloatArray) -> tuple[float, FloatArray]:
            kernel = model(logs, np.zeros(0))
            matrix = block_diag(*map(kernel.matrix, looks))
            trend = np.linalg.lstsq(phi.T @ np.linalg.solve(matrix, phi), phi.T @ np.linalg.solve(matrix, every))[0]
            rest = every - phi @ trend
            return float(0.5 * (np.linalg.slogdet(matrix)[1] + rest @ np.linalg.solve(matrix, rest))), trend

        def loss(logs: FloatArray) -> float:
            return solved(logs)[0]

        starts = [np.array([first, second, 0.0]) for first in (-1.0, 0.0) for second in (-1.0, 0.0)]
        found = [minimize(loss, each, method="L-BFGS-B", bounds=BOUNDS) for each in starts]
        best = min(found, key=lambda each: float(each.fun)).x
        return model(best, solved(best)[1])


@dataclass(frozen=True, eq=False)
class Verified(ValueObject):
    """Verified designs of one tube.

    Attributes:
        looks: the N designs.
        errors: (N, P) verified minus predicted properties; NaN where the oracle failed.
    """

    looks: Looks
    errors: FloatArray

    def error(self, models: Sequence[ErrorModel], others: Looks) -> tuple[FloatArray, FloatArray]:
        """Return the (B, P) expected errors of B other designs on the tube, and their standard deviations."""
        means, deviations = [], []
        for place, model in enumerate(models):
            known, trend = np.isfinite(self.errors[:, place]), np.array(model.trend)
            seen = self.looks.take(known)
            rest = self.errors[known, place] - seen.composition @ trend
            cross = model.covariance(others, seen)
            weights = np.linalg.solve(model.matrix(seen), np.column_stack([rest, cross.T]))
            means.append(others.composition @ trend + cross @ weights[:, 0])
            prior = model.shared**2 + model.own**2 * (1.0 + NUGGET)
            left = prior - (cross * weights[:, 1:].T).sum(axis=1)
            deviations.append(np.sqrt(np.maximum(left, NUGGET * prior)))
        return np.stack(means, axis=1), np.stack(deviations, axis=1)

    def chance(
        self, models: Sequence[ErrorModel], others: Looks, values: FloatArray, targets: FloatArray
    ) -> FloatArray:
        """Return the (B,) logarithms of the chance that designs meet a brief.

        Args:
            models: the model of each property.
            others: the B designs.
            values: (B, P) predicted properties.
            targets: (2 P,) lower and upper bounds, one after the other.
        """
        mean, deviation = self.error(models, others)
        low, high = ((end - values - mean) / deviation for end in (targets[::2], targets[1::2]))
        far = low > 0.0  # the tails of one side lose fewer digits
        low, high = np.where(far, -high, low), np.where(far, -low, high)
        inside = norm.logcdf(high) + np.log1p(-np.exp(np.minimum(norm.logcdf(low) - norm.logcdf(high), -1e-300)))
        return np.asarray(inside.sum(axis=1))
