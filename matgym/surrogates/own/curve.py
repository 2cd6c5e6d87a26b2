"""The error by the number of labels, and whether more labels would lower it."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.models import Property
from matgym.statistics import LEVELS
from matgym.typing import FloatArray, IntArray
from matgym.viz.curves import Picture, Series

WORTH: Final = 0.10
"""Share of the error by which twice the labels must lower it for more labels to pay. A choice of ours."""

GOOD: Final = 0.8
"""R² from which labels that no longer lower the error are called enough. A choice of ours."""

SHARES: Final = (0.125, 0.25, 0.5, 0.75, 1.0)
"""Numbers of labels of the curve, as shares of all that are not left out."""

FEWEST_FITTED: Final = 8
"""Fewest labels of a fit."""

RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        """Return text such as "0.081 [0.074, 0.090]"."""
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


@dataclass(frozen=True, eq=False)
class Curve(ValueObject):
    """Cross-validated errors by the number of labels, with 95 % intervals over what is left out together.

    Attributes:
        sizes: numbers of labels of the fits; the last but one or two is half of the last.
        errors: root mean square error at each, in the property's unit.
        skill: R² at the last size.
        gain: share of the error by which the last doubling of the labels lowered it.
        labels: number of all labels.
        spread: standard deviation of the labels.
        unit: unit of the labels; empty for a pure number.
        grouped: whether whole chiralities are left out.
    """

    sizes: tuple[int, ...]
    errors: tuple[Figure, ...]
    skill: Figure
    gain: Figure
    labels: int
    spread: float
    unit: str
    grouped: bool

    @classmethod
    def of(
        cls,
        sizes: tuple[int, ...],
        squares: FloatArray,
        values: FloatArray,
        groups: IntArray,
        prop: Property,
        seed: int,
        *,
        grouped: bool,
    ) -> "Curve":
        """Return the curve of squared errors.

        Args:
            sizes: numbers of labels of the fits.
            squares: (sizes, B) squared errors of each tube when it was left out, the means over repeats.
            values: (B,) labels.
            groups: (B,) what is left out together, which the bootstrap draws.
            prop: the property.
            seed: random seed of the bootstrap.
            grouped: whether whole chiralities are left out.
        """
        number = np.unique(groups, return_inverse=True)[1]
        count = int(number.max()) + 1
        totals = np.stack([np.bincount(number, row, count) for row in squares])  # (sizes, groups)
        spread = np.bincount(number, (values - values.mean()) ** 2, count)
        members = np.bincount(number, minlength=count)
        drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
        rows = members[drawn].sum(axis=1)
        errors = np.sqrt(totals[:, drawn].sum(axis=2) / rows)  # (sizes, resamples)
        skill = 1.0 - totals[-1][drawn].sum(axis=1) / spread[drawn].sum(axis=1)
        half = sizes.index(_half(sizes[-1]))
        own = np.sqrt(squares.mean(axis=1))
        return cls(
            sizes,
            tuple(_figure(float(value), sample) for value, sample in zip(own, errors, strict=True)),
            _figure(1.0 - float(squares[-1].sum() / spread.sum()), skill),
            _figure(1.0 - float(own[-1] / own[half]), 1.0 - errors[-1] / errors[half]),
            len(values), float(values.std()), "" if prop.unit == "1" else prop.unit, grouped,
        )  # fmt: skip

    @property
    def verdict(self) -> str:
        """Whether the labels are enough, in one sentence.

        More labels pay if the lower end of the interval of `gain` is above `WORTH`, and hardly help if the upper end is
        below it; then the labels are enough if `skill` is `GOOD`.
        """
        error, gain, unit = self.errors[-1], self.gain, f" {self.unit}" if self.unit else ""
        tubes = "tubes of other chiralities" if self.grouped else "other tubes"
        known = (
            f"with {self.sizes[-1]} labels the error on {tubes} is {error:.3g}{unit}, {error.value / self.spread:.0%} "
            "of the spread of the labels"
        )
        if self.skill.low <= 0.0:
            return f"The labels are not enough: {known}, which is not surely better than to answer their mean."
        measured = f"{100 * gain.value:.0f} % [{100 * gain.low:.0f}, {100 * gain.high:.0f}]"
        last = f"the last doubling {'lowered it by' if gain.value > 0.0 else 'did not lower it:'} {measured}"
        expected = error.value * (1.0 - max(gain.value, 0.0))
        brought = "bring it to" if gain.value > 0.0 else "leave it at"
        more = f"{self.labels} more labels would {brought} about {expected:.2g}{unit}"
        if gain.low > WORTH:
            return f"More labels pay: {known}, {last}, and {more}."
        if gain.high >= WORTH:
            return f"Whether more labels pay is not certain: {known}, {last}, and {more}."
        if self.skill.value >= GOOD:
            return f"The labels are enough: {known}, {last}, and {more}."
        rest = "the rest is noise of the labels, or beyond this model"
        return f"More labels hardly help: {known}, {last}, and {more}; {rest}."

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary for JSON."""
        return asdict(self) | {"sizes": list(self.sizes), "errors": [asdict(each) for each in self.errors]}

    def picture(self, name: str) -> Picture:
        """Return the picture of the curve.

        Args:
            name: name of the property.
        """
        x = np.array(self.sizes, dtype=np.float64)
        middle, low, high = (
            np.array([getattr(each, part) for each in self.errors]) for part in ("value", "low", "high")
        )
        left_out = "whole chiralities left out" if self.grouped else "tubes left out"
        return Picture(
            f"Error of {name} by the number of labels",
            "number of labels",
            f"root mean square error{f', {self.unit}' if self.unit else ''}",
            (
                Series("95 % interval", x, low, "reference"),
                Series("95 % interval", x, high, "reference"),
                Series("cross-validated error", x, middle, "points"),
                Series("cross-validated error", x, middle),
            ),
            (0.0, 1.05 * float(x[-1])),
            (0.0, 1.1 * max(float(high.max()), self.spread)),
            (("without a model", self.spread),),
            f"cross-validation, {left_out}; {self.labels} labels",
        )


def curve_sizes(most: int) -> tuple[int, ...]:
    """Return the numbers of labels of a curve that ends with `most`, one of which is half of it."""
    found = {max(FEWEST_FITTED, _half(most) if share == 0.5 else round(share * most)) for share in SHARES}
    return tuple(sorted(found))


def _half(most: int) -> int:
    return math.ceil(most / 2)


def _figure(value: float, sample: FloatArray) -> Figure:
    low, high = np.quantile(sample, LEVELS)
    return Figure(value, float(low), float(high))
