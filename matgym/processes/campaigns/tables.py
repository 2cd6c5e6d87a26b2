"""Tables of text with a header, from CSV files and Excel workbooks, and the roles of their columns."""

import csv
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Final, get_args

from matgym.errors import ConfigurationError, DatasetError, FormatError, MissingExtraError, one_line
from matgym.files import decoded, read_bytes
from matgym.processes.campaigns.columns import Decimal, TextColumn

MAX_TABLE_BYTES: Final = 1 << 24
"""Largest file that is read: half a million rows. A choice of ours; published campaigns have thousands."""

MAX_WORKBOOK_BYTES: Final = 1 << 27
"""Largest size of a workbook that is unpacked. A choice of ours, too."""

WORKBOOKS: Final = (".xlsx", ".xlsm")
"""Ends of the names of workbooks."""

DELIMITERS: Final = ",;\t"
"""What can stand between cells without being named."""

_DELIMITER: Final = re.compile(r"[\t !#$%&*,/:;<=>?@^_|~]")
"""What can stand between cells: no part of numbers, words and quotations."""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        name: name of the file.
        header: names of the columns.
        cells: cells of each row, without spaces around them.
        rows: numbers of the rows, as a spreadsheet counts them.
        decimal: the decimal mark of its numbers.
    """

    name: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]
    decimal: Decimal = "."

    def check_known(self, names: Iterable[str]) -> None:
        """Check the names of columns.

        Raises:
            DatasetError: if the table has no column of such a name.
        """
        for name in names:
            if name not in self.header:
                close = get_close_matches(name, self.header, n=1)
                raise DatasetError(
                    f"{self.name} has no column {name!r}; it has {', '.join(self.header) or 'none'}"
                    + (f"; did you mean {close[0]!r}?" if close else "")
                )

    def column(self, name: str) -> TextColumn:
        """Return a column.

        Raises:
            DatasetError: if there is none of such a name, or more than one, or it has no name.
        """
        self.check_known([name])
        at = self.header.index(name)
        if not name:
            raise DatasetError(
                f"{self.name}: column {at + 1} has no name; give it one, or leave it out with ignore=['']"
            )
        if (count := self.header.count(name)) > 1:
            raise DatasetError(f"{self.name} has {count} columns {name!r}: give each a name of its own")
        return TextColumn(self.name, name, tuple(row[at] for row in self.cells), self.rows, self.decimal)

    def roles(
        self, target: str | None, inputs: Sequence[str] | None, ignore: Sequence[str] | None
    ) -> tuple[str, list[str]]:
        """Return the names of the target and of the inputs.

        Raises:
            ConfigurationError: if a column has two roles, or `ignore` is given in vain.
            DatasetError: if there is no such column, or none for the target.
        """
        self.check_known([*([target] if target else []), *(inputs or ()), *(ignore or ())])
        if inputs is not None and ignore is not None:
            raise ConfigurationError(f"ignore={list(ignore)!r} has no effect with inputs: give one or the other")
        for option, names in {"inputs": inputs, "ignore": ignore}.items():
            if target and names is not None and target in names:
                raise ConfigurationError(f"target={target!r} is also in {option}={list(names)!r}: give it one role")
        left = [name for name in self.header if name not in {*(inputs or ()), *(ignore or ())}]
        if not left:
            raise DatasetError(f"{self.name} has no column for the target; it has {', '.join(self.header)}")
        target = target or left[-1]
        return target, [name for name in left if name != target] if inputs is None else list(inputs)


def read_table(
    path: Path, *, decimal: Decimal | None = None, delimiter: str | None = None, encoding: str | None = None
) -> Table:
    """Read a table with a header from a CSV file, or from a workbook with one sheet that is not empty.

    Args:
        path: path of the file.
        decimal: decimal mark of a CSV file: "." or ","; "." by default.
        delimiter: character between the cells of a CSV file; by default the one of comma, semicolon and tab that makes
            most of the header.
        encoding: encoding of a CSV file; by default UTF-8, or UTF-16 with its byte order mark.

    Raises:
        ConfigurationError: if an option is not right, or has no effect on a workbook.
        DatasetError: if the file is missing or no table.
        MissingExtraError: if a workbook is read without openpyxl.
    """
    if path.suffix.lower() in WORKBOOKS:
        for option, value in {"decimal": decimal, "delimiter": delimiter, "encoding": encoding}.items():
            if value is not None:
                raise ConfigurationError(f"{option}={value!r} has no effect on a workbook: leave it out")
        lines = _workbook(path)
    else:
        lines = _csv(path, delimiter, encoding)
    if decimal not in (None, *get_args(Decimal)):
        raise ConfigurationError(f"decimal={decimal!r} must be '.' or ','")
    numbered = [(number, row) for number, row in enumerate(lines, 1) if any(row)]
    if not numbered:
        raise DatasetError(f"{path.name} is empty: give a table with a header")
    header, rows = numbered[0][1], numbered[1:]
    if not rows:
        raise DatasetError(f"{path.name} has no rows under its header {', '.join(header)}")
    width = len(header)
    while width and not header[width - 1] and not any("".join(row[width - 1 : width]) for _, row in rows):
        width -= 1  # spreadsheets write empty columns at the end
    for number, row in rows:
        if len(row) != len(header):
            raise DatasetError(
                f"{path.name}, row {number}: {len(row)} cells under {len(header)} column names; give each row as many "
                "cells, or the right delimiter=..."
            )
    return Table(
        path.name,
        tuple(header[:width]),
        tuple(tuple(row[:width]) for _, row in rows),
        tuple(number for number, _ in rows),
        decimal or ".",
    )


def _csv(path: Path, delimiter: str | None, encoding: str | None) -> list[list[str]]:
    """Return the rows of a CSV file."""
    if delimiter is not None and not _DELIMITER.fullmatch(delimiter):
        raise ConfigurationError(f"delimiter={delimiter!r} must be one character such as ',', ';' or '\\t'")
    try:
        text = decoded(read_bytes(path, MAX_TABLE_BYTES), encoding)
        first = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
        delimiter = delimiter or max(DELIMITERS, key=lambda each: len(next(csv.reader([first], delimiter=each), [])))
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        return [[cell.strip() for cell in row] for row in reader]
    except UnicodeError as error:
        raise DatasetError(
            f"{path} is not {error}; store it as UTF-8, or name its encoding, such as encoding='latin-1'"
        ) from None
    except (FormatError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a table: {error}") from None
    except (LookupError, ValueError):  # ValueError: a null character
        raise ConfigurationError(f"encoding={encoding!r} is unknown; there are utf-8, latin-1, cp1252") from None


def _workbook(path: Path) -> list[list[str]]:
    """Return the rows of the only sheet of a workbook that is not empty."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingExtraError("openpyxl", "xlsx") from None
    try:
        content = BytesIO(read_bytes(path, MAX_TABLE_BYTES))
        _check_size(content)
        book = load_workbook(content, read_only=True, data_only=True)
        sheets = {
            sheet.title: [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
            for sheet in book.worksheets
        }
    except Exception as error:  # noqa: BLE001  # openpyxl raises whatever a damaged file provokes
        raise DatasetError(f"{path} cannot be read as a workbook: {one_line(error)}") from None
    filled = {title: rows for title, rows in sheets.items() if any(map(any, rows))}
    if len(filled) > 1:
        raise DatasetError(f"{path.name} has tables in {len(filled)} sheets ({', '.join(filled)}): store one alone")
    rows = next(iter(filled.values()), [])
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _check_size(content: BytesIO) -> None:
    """Check the size of a workbook before it is unpacked.

    Raises:
        FormatError: if it is larger than `MAX_WORKBOOK_BYTES`.
    """
    with zipfile.ZipFile(content) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_WORKBOOK_BYTES:
        raise FormatError(f"it unpacks to {size:,} bytes, and {MAX_WORKBOOK_BYTES:,} are the limit")


def _text(cell: Any) -> str:
    """Return the text of a cell of a workbook."""
    return "" if cell is None else str(cell).strip()


def check_texts(option: str, texts: Sequence[str] | None) -> None:
    """Check an option that is a list of texts.

    Raises:
        ConfigurationError: if it is something else, or has a text twice.
    """
    if texts is None:
        return
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not all(isinstance(each, str) for each in texts):
        raise ConfigurationError(f"{option}={texts!r} must be a list of texts, such as {option}=['a', 'b']")
    if len(set(texts)) < len(texts):
        raise ConfigurationError(f"{option}={list(texts)!r} names one of them twice")
