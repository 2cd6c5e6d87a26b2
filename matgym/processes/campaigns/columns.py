"""Columns of text tables as numbers or words; a column of numbers with other cells is an error that names the first."""

import re
import warnings
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, Literal, TypeAlias

import numpy as np

from matgym.errors import DatasetError, TableWarning
from matgym.files import MAX_NUMBER, parsed_number
from matgym.typing import FloatArray

Decimal: TypeAlias = Literal[".", ","]
"""A decimal mark."""

NEARLY_NUMERIC: Final = 0.5
"""Share of cells, or of different cells, that look like numbers, from which a column is no column of words.

A choice of ours. A refused column of words is named in `categorical`, and costs a line; an accepted column of numbers
would be as many words as it has values.
"""

_LIKE_NUMBER: Final = re.compile(r"[-+\u2212]?[\d.,' \u00a0]+(e[-+]?\d+)?|[-+]?inf(inity)?|nan", re.IGNORECASE)
"""Cells that look like numbers, if they have a digit, with any decimal mark and separators of thousands."""


@dataclass(frozen=True)
class TextColumn:
    """A column of a table as text.

    Attributes:
        table: name of the table, for errors.
        name: name of the column.
        cells: (N,) text of its cells.
        rows: (N,) numbers of their rows, as a spreadsheet counts them; from 1 if empty.
        decimal: the decimal mark.
    """

    table: str
    name: str
    cells: tuple[str, ...]
    rows: tuple[int, ...] = ()
    decimal: Decimal = "."

    def without(self, dropped: Sequence[bool]) -> "TextColumn":
        """Return the column without some of its (N,) rows."""
        kept = [k for k, drop in enumerate(dropped) if not drop]
        rows = tuple(self.rows[k] for k in kept) if self.rows else ()
        return replace(self, cells=tuple(self.cells[k] for k in kept), rows=rows)

    def check_filled(self) -> None:
        """Check the cells.

        Raises:
            DatasetError: if one is empty.
        """
        if "" in self.cells:
            raise DatasetError(f"{self._place('')} is empty; fill it in, or drop such rows with na=['']")

    def numbers(self) -> FloatArray | None:
        """Return (N,) numbers; None for a column of words.

        Raises:
            DatasetError: if a cell is no finite number, though most cells look like numbers.
        """
        values = self._values()
        if None not in values:
            return np.array(values, dtype=np.float64)
        like = [cell for cell in self.cells if _looks_like_number(cell)]
        if max(len(like) / len(self.cells), len(set(like)) / len(set(self.cells))) < NEARLY_NUMERIC:
            return None
        cell, what = self._first_other(values)
        fixes = [*self._fixes(cell), f"leave the column out with ignore=[{self.name!r}]"]
        names = f", or give categorical=[{self.name!r}] if these are names"
        raise DatasetError(
            f"{what}, while {len(like)} of {len(self.cells)} cells look like numbers: {', '.join(fixes)}{names}"
        )

    def measurements(self) -> FloatArray:
        """Return (N,) numbers of a column that was measured.

        Raises:
            DatasetError: if a cell is no finite number.
        """
        values = self._values()
        if None in values:
            cell, what = self._first_other(values)
            raise DatasetError(f"{what}: {', '.join(self._fixes(cell))}, or name another target")
        return np.array(values, dtype=np.float64)

    def _values(self) -> list[float | None]:
        """Return (N,) numbers; None for cells that are none, or none that is finite and at most `MAX_NUMBER`."""
        return [parsed_number(self._with_point(cell)) for cell in self.cells]

    def _place(self, cell: str) -> str:
        """Return where a cell is: table, row and column."""
        at = self.cells.index(cell)
        return f"{self.table}, row {self.rows[at] if self.rows else at + 1}: {self.name!r}"

    def _with_point(self, cell: str) -> str:
        """Return the text of a number with a point as its decimal mark; other text as one that spells no number."""
        return cell if self.decimal == "." else cell.replace(".", "?").replace(",", ".")

    def _first_other(self, values: Sequence[float | None]) -> tuple[str, str]:
        """Return the first cell whose value is None, and what it is, with its place."""
        cell = self.cells[values.index(None)]
        what = "no number"
        with suppress(ValueError):
            number = float(self._with_point(cell))
            what = what if abs(number) <= MAX_NUMBER else f"beyond {MAX_NUMBER:g}" if isfinite(number) else "not finite"
        return cell, f"{self._place(cell)} is {cell!r:.60}, {what}"

    def _fixes(self, cell: str) -> list[str]:
        """Return what can be done about a cell that is no number."""
        fixes = [f"drop such rows with na=[{cell!r:.60}]"]
        other: Decimal = "," if self.decimal == "." else "."
        if other not in cell:
            return fixes
        both = any(self.decimal in each for each in self.cells)
        return ["write numbers without separators of thousands" if both else f"give decimal={other!r}", *fixes]


def _looks_like_number(cell: str) -> bool:
    digits = any(map(str.isdigit, cell)) or cell.lstrip("+-").lower() in {"inf", "infinity", "nan"}
    return digits and _LIKE_NUMBER.fullmatch(cell) is not None


def complete(columns: Sequence[TextColumn], missing: Collection[str]) -> list[TextColumn]:
    """Return columns without the rows that have a missing value, and warn of these rows.

    Args:
        columns: the columns of a table that are used, at least one.
        missing: cells that stand for a missing value.

    Raises:
        DatasetError: if no row is left.

    Warns:
        TableWarning: if rows are left out.
    """
    table, total = columns[0].table, len(columns[0].cells)
    counts = {column.name: sum(cell in missing for cell in column.cells) for column in columns}
    dropped = [any(cell in missing for cell in row) for row in zip(*(column.cells for column in columns), strict=True)]
    if not any(dropped):
        return list(columns)
    if all(dropped):
        worst = max(counts, key=counts.__getitem__)
        raise DatasetError(
            f"{table}: each of its {total} rows has a missing value (na={sorted(missing)!r}); {worst!r} has the "
            f"most, {counts[worst]}: leave it out with ignore=[{worst!r}]"
        )
    where = ", ".join(f"{name!r} {count}" for name, count in counts.items() if count)
    warnings.warn(
        f"{table}: {sum(dropped)} of {total} rows were left out for missing values (by column: {where})",
        TableWarning,
        stacklevel=3,
    )
    return [column.without(dropped) for column in columns]
