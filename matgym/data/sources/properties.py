"""Properties of structures in databases: names, units, and the fields of a source that hold them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matgym.errors import ConfigurationError, RowError
from matgym.files import MAX_NUMBER, parsed_number


@dataclass(frozen=True)
class OutsideProperty:
    """A property that databases hold.

    Attributes:
        name: name of the column.
        unit: unit of the values.
        description: what it is.
    """

    name: str
    unit: str
    description: str


PROPERTIES: Final[Mapping[str, OutsideProperty]] = {
    each.name: each
    for each in (
        OutsideProperty("band_gap", "eV", "Band gap of the Kohn–Sham states, unless the method says otherwise."),
        OutsideProperty("formation_energy", "eV/atom", "Formation energy from the elements."),
        OutsideProperty("energy_above_hull", "eV/atom", "Energy above the convex hull of the source's structures."),
        OutsideProperty("energy", "eV/atom", "Total energy; comparable within one method of one source only."),
        OutsideProperty("exfoliation_energy", "eV/atom", "Energy to separate a layer from its layered crystal."),
        OutsideProperty("bulk_modulus", "GPa", "Bulk modulus, Voigt–Reuss–Hill or Voigt average: see the method."),
        OutsideProperty("shear_modulus", "GPa", "Shear modulus, Voigt–Reuss–Hill or Voigt average: see the method."),
        OutsideProperty("magnetization", "µB", "Total magnetic moment of the cell."),
    )
}
"""The properties that several sources share, by name."""


@dataclass(frozen=True)
class Field:
    """Where a source holds a property.

    Attributes:
        path: name of the field; names within each other are joined by dots, and numbers count in lists.
        factor: what the source's value is multiplied with to have the unit of the property.
        method: how the value was obtained, as far as it is the same for all rows.
        per_cell: whether the source's value is that of the cell, and has to be divided by the number of atoms.
        missing: values that stand for none, such as -99999.
    """

    path: str
    factor: float = 1.0
    method: str = ""
    per_cell: bool = False
    missing: tuple[float, ...] = ()

    def read(self, row: Any, atoms: int) -> float | None:
        """Return the value in a row of the source, in the unit of the property; None if there is none.

        Args:
            row: the row.
            atoms: number of atoms in the cell.

        Raises:
            RowError: if the field holds something else than a number.
        """
        value = number(at(row, self.path), self.path)
        if value is None or value in self.missing:
            return None
        return value * self.factor / (atoms if self.per_cell else 1)


def chosen_fields(names: Sequence[str], known: Mapping[str, Field], source: str) -> dict[str, Field]:
    """Return the fields of properties by name; a name that is not in `PROPERTIES` is that of a source's own field.

    Raises:
        ConfigurationError: if the source does not have one of `PROPERTIES`.
    """
    for name in names:
        if name in PROPERTIES and name not in known:
            able = ", ".join(known) or "no property, only structures"
            raise ConfigurationError(f"{source} has no {name!r}: it has {able}, and you can name fields of its own")
    return {name: known.get(name) or Field(name) for name in names}


def at(row: Any, path: str) -> Any:
    """Return the value at a path in a row; None if a part of the path is missing."""
    if isinstance(row, Mapping) and path in row:  # a name that has dots itself
        return row[path]
    for part in path.split("."):
        if isinstance(row, Mapping):
            row = row.get(part)
        elif isinstance(row, list) and part.isdigit() and int(part) < len(row):
            row = row[int(part)]
        else:
            return None
    return row


def number(value: Any, name: str) -> float | None:
    """Return a number that a source gave; None for null, for text that says there is none, and for NaN.

    Raises:
        RowError: if it is no number.
    """
    if isinstance(value, str):
        if value.strip().lower() in {"", "na", "n/a", "nan", "none", "null", "-"}:
            return None
        value = parsed_number(value.strip())
        if value is None:
            raise RowError(f"its field {name!r} is no number")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError(f"its field {name!r} is {value!r:.40}, no number")
    if math.isnan(value):
        return None
    if abs(value) > MAX_NUMBER:
        raise RowError(f"its field {name!r} is {value:g}, which is not finite, or beyond ±{MAX_NUMBER:g}")
    return float(value)
