"""Crystals with a number each: the rows of a fetched table from which a surrogate of crystals can be learned."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np

from matgym.data.fetched_labels import common_method, methods_of
from matgym.data.labels import CONSTANT
from matgym.data.sources import Fetched, OutsideProperty
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.structures.crystals import Crystal
from matgym.typing import FloatArray, IntArray

FEWEST: Final = 20
"""Crystals below which nothing can be learned and measured. A choice of ours, as is the next one."""

MOST_ATOMS: Final = 500
"""Most atoms in the cell of a crystal that is learned or predicted."""

MOST_VALUE: Final = 1e8
"""Largest magnitude of a value: coefficients of some times as much can be stored. A choice of ours."""

WHOLE: Final = 1e-6
"""Difference from 1 up to which an occupancy is that of a whole atom."""

Grouping: TypeAlias = Literal["composition", "anonymous"]
"""What is left out together: crystals of one reduced composition, or of one anonymous formula such as AB2."""


@dataclass(frozen=True, eq=False)
class CrystalTable(ValueObject):
    """Crystals with a number each.

    Attributes:
        crystals: B crystals of whole atoms.
        values: (B,) values.
        prop: the property.
        ids: (B,) identifiers.
        method: how the values were obtained; empty if the source does not say.
        is_periodic: whether all crystals are periodic in three directions, so that their volumes mean something.
        left_out: number of rows that are not used, by the reason.
        provenance: where the rows come from, as `Fetched` has it.

    Raises:
        DatasetError: if there are too few crystals, all values are equal, or one is too large to be learned.
    """

    crystals: tuple[Crystal, ...]
    values: FloatArray
    prop: OutsideProperty
    ids: tuple[str, ...] = ()
    method: str = ""
    is_periodic: bool = True
    left_out: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.values.shape != (len(self.crystals),):
            raise DatasetError(f"values have shape {self.values.shape}: give one for each of {len(self)} crystals")
        if len(self) < FEWEST:
            lost = "; ".join(f"{count:,} {reason}" for reason, count in self.left_out.items())
            raise DatasetError(
                f"there are values of {self.prop.name!r} for {len(self)} crystals, and {FEWEST} are the fewest to "
                f"learn from{f'; not used: {lost}' if lost else ''}"
            )
        if not np.isfinite(self.values).all():
            raise DatasetError(f"{int((~np.isfinite(self.values)).sum())} values of {self.prop.name!r} are not finite")
        if (largest := float(np.abs(self.values).max())) > MOST_VALUE:
            raise DatasetError(
                f"values of {self.prop.name!r} are as large as {largest:g}, and {MOST_VALUE:g} is the limit: leave "
                "such rows out, or give a larger unit"
            )
        if np.ptp(self.values) <= CONSTANT * np.abs(self.values).max():
            raise DatasetError(
                f"all {len(self)} values of {self.prop.name!r} are {self.values[0]:g}: a constant teaches nothing"
            )
        for crystal in self.crystals:
            if reason := unusable(crystal):
                raise DatasetError(f"a crystal has {reason}: leave it out")

    def __len__(self) -> int:
        return len(self.crystals)

    @classmethod
    def of(cls, fetched: Fetched, column: str, *, name: str = "", unit: str = "", method: str = "") -> Self:
        """Return the usable rows of a fetched table.

        Args:
            fetched: the table.
            column: name of the column of values.
            name: name of the property; that of the column if it is empty.
            unit: unit of the values, if the table states none.
            method: the method whose values are taken; empty for the most common one.

        Raises:
            DatasetError: if the table has no such column or method, or too few rows can be used.
            ConfigurationError: if the table states another unit.
        """
        values = fetched.values(column)  # says which columns there are
        stated = next(each for each in fetched.properties if each.name == column)
        if unit and stated.unit not in {"", "1", unit}:
            raise ConfigurationError(f"the table states {column!r} in {stated.unit}, not in {unit}: leave the unit out")
        prop = OutsideProperty(name or column, stated.unit or unit or "1", stated.description)
        entries = list(fetched.entries())
        methods = methods_of(entries, column)
        chosen = common_method(methods, values, column, method)
        kept, left_out = list[int](), Counter[str]()
        for row, entry in enumerate(entries):
            if not np.isfinite(values[row]):
                left_out["without a value"] += 1
            elif methods[row] != chosen:
                left_out[f"with values by {methods[row] or 'a method that is not stated'}"] += 1
            elif reason := unusable(entry.crystal):
                left_out[f"with {reason}"] += 1
            else:
                kept.append(row)
        return cls(
            tuple(entries[row].crystal for row in kept), values[kept], prop, tuple(entries[row].id for row in kept),
            chosen, all(bool(entries[row].periodic.all()) for row in kept), dict(left_out), fetched.provenance,
        )  # fmt: skip

    def groups(self, grouping: Grouping) -> IntArray:
        """Return the (B,) numbers of what is left out together.

        Raises:
            ConfigurationError: if there is no such grouping.
        """
        if grouping not in get_args(Grouping):
            raise ConfigurationError(f"groups={grouping!r} is unknown: give {' or '.join(get_args(Grouping))}")
        found = [composition(crystal) for crystal in self.crystals]
        keys = found if grouping == "composition" else [tuple(sorted(count for _, count in key)) for key in found]
        number: dict[object, int] = {}
        return np.array([number.setdefault(key, len(number)) for key in keys])

    @cached_property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers of the elements of the crystals."""
        return tuple(sorted({int(number) for crystal in self.crystals for number in np.unique(crystal.numbers)}))


def unusable(crystal: Crystal) -> str:
    """Return what a crystal has that can neither be learned nor predicted; empty if there is nothing."""
    if (np.abs(crystal.occupancies - 1.0) > WHOLE).any():
        return "partly occupied sites"
    return f"more than {MOST_ATOMS} atoms in the cell" if len(crystal.numbers) > MOST_ATOMS else ""


def composition(crystal: Crystal) -> tuple[tuple[int, int], ...]:
    """Return the reduced composition of a crystal: atomic numbers with the smallest whole numbers of atoms."""
    elements, counts = np.unique(crystal.numbers, return_counts=True)
    return tuple(zip(elements.tolist(), (counts // np.gcd.reduce(counts)).tolist(), strict=True))


def table_of(
    crystals: Sequence[Crystal], values: Sequence[float] | FloatArray, name: str, unit: str = "1"
) -> CrystalTable:
    """Return the table of crystals with a number each, for models in Python."""
    return CrystalTable(tuple(crystals), np.array(values, dtype=np.float64), OutsideProperty(name, unit, ""))
