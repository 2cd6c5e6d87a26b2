"""What a user asks of a tube: targets, bounds and extremes of named quantities."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, is_number
from matgym.typing import BoolArray, FloatArray

Extreme: TypeAlias = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Quantity:
    """A quantity that a brief may name.

    Attributes:
        name: name that users type.
        unit: unit; "1" for a pure number.
        description: one line.
        tolerance: distance within which a target counts as met. A choice of ours, as is the scale.
        scale: difference that counts as much as one scale of another quantity.
        least: least possible value; -inf if there is none.
    """

    name: str
    unit: str
    description: str
    tolerance: float
    scale: float
    least: float = 0.0

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{round(value, 9) + 0.0:.4g}{'' if self.unit == '1' else ' ' + self.unit}"


QUANTITIES: Final[Mapping[str, Quantity]] = {
    each.name: each
    for each in (
        Quantity("gap", "eV", "band gap", 0.02, 0.1),
        Quantity("diameter", "nm", "diameter", 0.02, 0.1),
        Quantity("length", "nm", "length of the decorated section, or period", 0.1, 0.5),
        Quantity("thermal_conductance", "nW/K", "thermal conductance of the lattice between leads, 300 K", 0.05, 0.5),
        Quantity("young", "GPa", "Young's modulus", 10.0, 50.0),
        Quantity("formation", "eV/atom", "formation energy of dopants and defects", 0.005, 0.05, -math.inf),
        Quantity("conductance", "µS", "electrical conductance between leads at the Fermi level, 300 K", 1.0, 20.0),
        Quantity("zt", "1", "thermoelectric figure of merit between leads, 300 K", 0.005, 0.02),
    )
}
"""All quantities by name."""


@dataclass(frozen=True)
class Ask:
    """What a brief asks of one quantity.

    Attributes:
        quantity: the quantity.
        low: least value; -inf for no bound.
        high: largest value; inf for no bound.
        target: value that is to be met within the tolerance; None for none.
        extreme: whether the value is to be as small or as large as possible; None for neither.

    Raises:
        ConfigurationError: if the bounds leave no range, or a target stands beside bounds or an extreme.
    """

    quantity: Quantity
    low: float = -math.inf
    high: float = math.inf
    target: float | None = None
    extreme: Extreme | None = None

    def __post_init__(self) -> None:
        name = self.quantity.name
        if self.target is not None and (self.extreme or math.isfinite(self.low) or math.isfinite(self.high)):
            raise ConfigurationError(f"{name}={self.target:g} is a target: give it no bound or extreme beside it")
        if self.low > self.high:
            raise ConfigurationError(f"{name} from {self.low:g} to {self.high:g} leaves no range: give the least first")
        for value in (self.target, self.high):
            if value is not None and value < self.quantity.least:
                raise ConfigurationError(f"{name}={value:g} cannot be met: it is never below {self.quantity.least:g}")

    def excess(self, values: FloatArray, doubt: FloatArray | float = 0.0) -> FloatArray:
        """Return (B,) distances of values from what is asked, in scales; `doubt` counts as distance. NaN is infinite.

        Args:
            values: (B,) values.
            doubt: (B,) standard deviations.
        """
        if self.target is not None:
            outside = np.abs(values - self.target) + doubt - self.quantity.tolerance
        elif math.isfinite(self.low) or math.isfinite(self.high):
            outside = np.maximum(self.low - values, values - self.high) + doubt
        else:
            outside = np.where(np.isnan(values), np.inf, 0.0)
        return np.nan_to_num(np.maximum(outside, 0.0) / self.quantity.scale, nan=np.inf, posinf=np.inf)

    def loss(self, values: FloatArray, doubt: FloatArray | float = 0.0) -> FloatArray:
        """Return (B,) losses among designs that meet the brief, in scales: the extreme, or the distance to a target.

        Arguments are those of `excess`.
        """
        if self.extreme:
            worst = values + doubt if self.extreme == "minimize" else doubt - values
            return np.nan_to_num(worst / self.quantity.scale, nan=np.inf, posinf=np.inf)
        if self.target is not None:  # a tenth: where there is an extreme, the target is met within the tolerance
            return np.nan_to_num(0.1 * np.abs(values - self.target) / self.quantity.scale, nan=np.inf, posinf=np.inf)
        return np.zeros(len(values))

    def __str__(self) -> str:
        quantity, parts = self.quantity, []
        if self.target is not None:
            parts.append(f"{quantity.shown(self.target)} ± {quantity.tolerance:g}")
        elif math.isfinite(self.low) and math.isfinite(self.high):
            parts.append(f"{self.low:g} to {quantity.shown(self.high)}")
        elif math.isfinite(self.low):
            parts.append(f"at least {quantity.shown(self.low)}")
        elif math.isfinite(self.high):
            parts.append(f"at most {quantity.shown(self.high)}")
        if self.extreme:
            parts.append("as small as possible" if self.extreme == "minimize" else "as large as possible")
        return f"{quantity.name} {', '.join(parts)}"


@dataclass(frozen=True)
class Brief:
    """What a user asks of a tube: one ask for each quantity."""

    asks: tuple[Ask, ...]

    @classmethod
    def of(cls, minimize: Sequence[str] | str = (), maximize: Sequence[str] | str = (), **asked: Any) -> "Brief":
        """Return the brief of a user's words.

        Args:
            minimize: names of quantities to be as small as possible.
            maximize: names of quantities to be as large as possible.
            **asked: by the name of a quantity a target or a pair (least, largest); by `min_NAME` and `max_NAME` bounds.

        Raises:
            ConfigurationError: if nothing is asked, a name is unknown, a quantity is asked in two ways, or a value is
                no number.
        """
        words: dict[str, dict[str, Any]] = {}
        told = [part for name, value in asked.items() for part in _parts(name, value)]
        for extreme, names in (("minimize", minimize), ("maximize", maximize)):
            told += [(name, "extreme", extreme) for name in ((names,) if isinstance(names, str) else names)]
        for name, word, value in told:
            if word in words.setdefault(_known(name), {}):
                raise ConfigurationError(f"{name} is asked twice: leave out one of {words[name][word]} and {value}")
            words[name][word] = value
        if not words:
            raise ConfigurationError(f"the brief asks nothing: name one of {', '.join(QUANTITIES)}")
        return cls(tuple(Ask(QUANTITIES[name], **words[name]) for name in QUANTITIES if name in words))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quantities that are asked."""
        return tuple(each.quantity.name for each in self.asks)

    def of_quantity(self, name: str) -> Ask | None:
        """Return what is asked of a quantity; None if it is not asked."""
        return next((each for each in self.asks if each.quantity.name == name), None)

    def excess(self, values: Mapping[str, FloatArray], doubts: Mapping[str, FloatArray] | None = None) -> FloatArray:
        """Return (B,) sums of the distances of quantities from what is asked of them, in scales.

        Quantities that are not among the (B,) values count as met.
        """
        return self._sum("excess", values, doubts or {})

    def loss(self, values: Mapping[str, FloatArray], doubts: Mapping[str, FloatArray] | None = None) -> FloatArray:
        """Return (B,) losses among designs that meet the brief; see `Ask.loss`."""
        return self._sum("loss", values, doubts or {})

    def met(self, values: Mapping[str, FloatArray]) -> BoolArray:
        """Return (B,) whether designs meet all that is asked."""
        return np.asarray(self.excess(values) == 0.0)

    def _sum(self, what: str, values: Mapping[str, FloatArray], doubts: Mapping[str, FloatArray]) -> FloatArray:
        total = np.zeros(len(next(iter(values.values()))))
        for ask in self.asks:
            name = ask.quantity.name
            if name in values:
                total = total + getattr(ask, what)(values[name], np.nan_to_num(doubts.get(name, 0.0), posinf=np.inf))
        return total

    def __str__(self) -> str:
        return "; ".join(str(each) for each in self.asks)


def _parts(name: str, value: Any) -> list[tuple[str, str, Any]]:
    """Return what a keyword of a brief asks: quantities, attributes of `Ask` and their values."""
    for prefix, word in (("min_", "low"), ("max_", "high")):
        if name.startswith(prefix):
            return [(name.removeprefix(prefix), word, _number(name, value))]
    if is_number(value):
        return [(name, "target", _number(name, value))]
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ConfigurationError(f"{name}={value!r} must be a target, or a pair: the least and the largest")
    return [(name, "low", _number(name, value[0])), (name, "high", _number(name, value[1]))]


def _known(name: str) -> str:
    if name not in QUANTITIES:
        close = get_close_matches(name, QUANTITIES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigurationError(f"{name!r} is no quantity of a brief; {hint}known are {', '.join(QUANTITIES)}")
    return name


def _number(name: str, value: Any) -> float:
    if not is_number(value) or not math.isfinite(value):
        raise ConfigurationError(f"{name}={value!r} must be a finite number")
    return float(value)
