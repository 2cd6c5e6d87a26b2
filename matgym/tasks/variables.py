"""The variables of a design space, as optimizers of other libraries take them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError
from matgym.typing import FloatArray

Kind: TypeAlias = Literal["continuous", "integer", "ordinal", "categorical"]
"""Any number of an interval, a whole number of an interval, one of several ordered values, one of several values."""

Value: TypeAlias = float | int | str

_NEAR: Final = 1e-9
"""Largest difference between an ordinal number and the value that is meant, relative to the larger one. Ours."""


@dataclass(frozen=True)
class Variable:
    """One variable of a design space.

    A value has a number: that of a continuous or integer variable is the value, and that of an ordinal or categorical
    one is its place in `values`.

    Attributes:
        name: name, different from those of the space's other variables.
        kind: see `Kind`.
        low: least number.
        high: largest number.
        values: values of an ordinal or categorical variable; empty for others.
        unit: unit of the values; "1" if they have none.

    Raises:
        ConfigurationError: if the bounds or the values do not fit the kind.
    """

    name: str
    kind: Kind = "continuous"
    low: float = 0.0
    high: float = 1.0
    values: tuple[Value, ...] = ()
    unit: str = "1"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigurationError(f"kind={self.kind!r} is none of {', '.join(get_args(Kind))}")
        if self.values and (self.low, self.high) != (0.0, len(self.values) - 1.0):
            raise ConfigurationError(
                f"{self.name} from {self.low:g} to {self.high:g} does not number {len(self.values)} values: use "
                "`Variable.of`"
            )
        if (self.kind in ("ordinal", "categorical")) != bool(self.values):
            raise ConfigurationError(f"values={self.values} of {self.name} do not fit a variable that is {self.kind}")
        if not self.low <= self.high:
            raise ConfigurationError(f"{self.name} from {self.low:g} to {self.high:g} has no value: low is above high")

    @classmethod
    def of(cls, name: str, values: Sequence[Value], *, ordered: bool = False, unit: str = "1") -> "Variable":
        """Return a variable that takes one of several values."""
        kind: Kind = "ordinal" if ordered else "categorical"
        return cls(name, kind, 0.0, len(values) - 1.0, tuple(values), unit)

    @property
    def count(self) -> int:
        """The number of values; 0 for a continuous variable."""
        return 0 if self.kind == "continuous" else round(self.high - self.low) + 1

    @property
    def is_ordered(self) -> bool:
        """Whether values with neighbouring numbers are similar; two values need no order."""
        return self.kind != "categorical" or self.count <= 2

    def value(self, number: float) -> Value:
        """Return the value of a number."""
        if self.kind == "continuous":
            return float(number)
        return self.values[round(number)] if self.values else round(number)

    def number(self, value: Any) -> float:
        """Return the number of a value.

        Raises:
            ConfigurationError: if the variable has no such value.
        """
        if not self.values:
            if isinstance(value, int | float | np.number) and self.low <= value <= self.high:
                return float(value)
            raise ConfigurationError(f"{self.name}={value!r} is no number from {self.low:g} to {self.high:g}")
        for place, known in enumerate(self.values):
            if known == value or _is_near(known, value):
                return float(place)
        raise ConfigurationError(f"{self.name}={value!r} is none of {', '.join(map(str, self.values))}")


def _is_near(known: Value, value: Any) -> bool:
    """Return whether a number is the one that is meant; other libraries compute with rounded numbers."""
    if isinstance(known, str) or not isinstance(value, float | np.number):
        return False
    given = float(value)
    return abs(known - given) <= _NEAR * max(abs(known), abs(given))


def numbers_of(variables: Sequence[Variable], points: Sequence[Mapping[str, Any]]) -> FloatArray:
    """Return (B, d) numbers of B mappings from the name of each variable to its value.

    Raises:
        ConfigurationError: if a variable is missing or unknown, or has no such value.
    """
    names = {variable.name for variable in variables}
    for point in points:
        if differing := names ^ set(point):
            word = "lacks" if differing - set(point) else "has the unknown variable"
            raise ConfigurationError(f"a point {word} {min(differing)!r}: give all of {', '.join(sorted(names))}")
    rows = [[variable.number(point[variable.name]) for variable in variables] for point in points]
    return np.array(rows, dtype=np.float64).reshape(len(points), len(variables))


def points_of(variables: Sequence[Variable], numbers: FloatArray) -> list[dict[str, Value]]:
    """Return B mappings from the name of each variable to its value, from (B, d) numbers."""
    return [
        {variable.name: variable.value(number) for variable, number in zip(variables, row, strict=True)}
        for row in numbers.tolist()
    ]
