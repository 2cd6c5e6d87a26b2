"""Verification: the same designs through a surrogate and an oracle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from matgym.models import Model
from matgym.structures import Nanotube
from matgym.typing import BoolArray, FloatArray


@dataclass(frozen=True)
class Verification:
    """What a surrogate predicted for some designs, and what physics says.

    Attributes:
        predicted: (B,) surrogate's values.
        truth: (B,) oracle's values; NaN where it failed.
        out_of_distribution: (B,) whether the surrogate's own score calls the design far out.
        failures: designs that the oracle could not compute.
    """

    predicted: FloatArray
    truth: FloatArray
    out_of_distribution: BoolArray
    failures: int

    @property
    def mae(self) -> float:
        """Mean absolute error, in the property's unit."""
        return float(np.nanmean(np.abs(self.predicted - self.truth)))

    @property
    def rmse(self) -> float:
        """Root mean square error, in the property's unit."""
        return float(np.sqrt(np.nanmean((self.predicted - self.truth) ** 2)))

    @property
    def bias(self) -> float:
        """Mean of prediction less truth, in the property's unit."""
        return float(np.nanmean(self.predicted - self.truth))

    @property
    def spearman(self) -> float:
        """Rank correlation of prediction and truth; NaN where either is constant."""
        good = np.isfinite(self.truth)
        if min(np.ptp(self.predicted[good]), np.ptp(self.truth[good])) == 0.0:
            return float("nan")
        return float(spearmanr(self.predicted[good], self.truth[good]).statistic)

    @property
    def share_out_of_distribution(self) -> float:
        """Share of designs that the surrogate's own score calls far out."""
        return float(self.out_of_distribution.mean())

    def exploitation_gap(self, targets: FloatArray) -> float:
        """How much further designs are from (B,) targets than was predicted: mean true less mean predicted error."""
        good = np.isfinite(self.truth)
        expected, true = np.abs(self.predicted - targets)[good], np.abs(self.truth - targets)[good]
        return float(true.mean() - expected.mean())

    def as_dict(self) -> dict[str, float]:
        """Flat form for tables and JSON."""
        return {
            "designs": len(self.predicted),
            "mae_ev": self.mae,
            "rmse_ev": self.rmse,
            "bias_ev": self.bias,
            "spearman": self.spearman,
            "out_of_distribution": self.share_out_of_distribution,
            "oracle_failures": self.failures,
        }


def verify(surrogate: Model, oracle: Model, tubes: Sequence[Nanotube], key: str = "gap_ev") -> Verification:
    """Put designs through surrogate and oracle, and compare one property."""
    truth, found = oracle.predict(tubes), surrogate.predict(tubes)
    return Verification(found[key], truth[key], found.known_distance > 1.0, len(truth.failures.get(key, {})))
