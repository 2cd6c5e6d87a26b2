"""The audit: the same designs through surrogate and oracle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from matgym.physics import Oracle
from matgym.structures import Nanotube
from matgym.surrogates.learned import NetworkSurrogate
from matgym.typing import BoolArray, FloatArray


@dataclass(frozen=True)
class Audit:
    """What a surrogate believed of some designs, and what physics says.

    Attributes:
        belief: (B,) surrogate's values.
        truth: (B,) oracle's values; NaN where it failed.
        out_of_distribution: (B,) whether the surrogate's own score calls the design far out.
        failures: designs that the oracle could not compute.
    """

    belief: FloatArray
    truth: FloatArray
    out_of_distribution: BoolArray
    failures: int

    @property
    def mae(self) -> float:
        """Mean absolute error, in the property's unit."""
        return float(np.nanmean(np.abs(self.belief - self.truth)))

    @property
    def rmse(self) -> float:
        """Root mean square error, in the property's unit."""
        return float(np.sqrt(np.nanmean((self.belief - self.truth) ** 2)))

    @property
    def bias(self) -> float:
        """Mean of belief less truth, in the property's unit."""
        return float(np.nanmean(self.belief - self.truth))

    @property
    def spearman(self) -> float:
        """Rank correlation of belief and truth; NaN where either is constant."""
        good = np.isfinite(self.truth)
        if min(np.ptp(self.belief[good]), np.ptp(self.truth[good])) == 0.0:
            return float("nan")
        return float(spearmanr(self.belief[good], self.truth[good]).statistic)

    @property
    def share_out_of_distribution(self) -> float:
        """Share of designs that the surrogate's own score calls far out."""
        return float(self.out_of_distribution.mean())

    def exploitation_gap(self, targets: FloatArray) -> float:
        """How much worse designs are than the optimizer believed: mean true error less mean believed error.

        Args:
            targets: (B,) values that the designs were to reach.
        """
        good = np.isfinite(self.truth)
        believed, true = np.abs(self.belief - targets)[good], np.abs(self.truth - targets)[good]
        return float(true.mean() - believed.mean())

    def as_dict(self) -> dict[str, float]:
        """Flat form for tables and JSON."""
        return {
            "designs": len(self.belief),
            "mae_ev": self.mae,
            "rmse_ev": self.rmse,
            "bias_ev": self.bias,
            "spearman": self.spearman,
            "out_of_distribution": self.share_out_of_distribution,
            "oracle_failures": self.failures,
        }


def audit(surrogate: NetworkSurrogate, oracle: Oracle, tubes: Sequence[Nanotube], key: str = "gap_ev") -> Audit:
    """Put designs through surrogate and oracle.

    Args:
        surrogate: the learned reward.
        oracle: physics.
        tubes: designs.
        key: the property to compare.
    """
    truth = oracle.evaluate(tubes)
    belief = surrogate.evaluate(tubes)[key]
    return Audit(belief, truth[key], surrogate.out_of_distribution(tubes), len(truth.failures))
