"""What the command line and the demo print: progress on stderr, results on stdout."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

stderr = Console(stderr=True)
stdout = Console()


def progress_bar() -> Progress:
    """A progress bar on stderr, so that stdout stays for results."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=stderr,
    )


def print_json(content: Any) -> None:
    """Plain JSON on stdout, for programs; what is not finite becomes null, which JSON has a word for."""
    print(json.dumps(finite(content), indent=2, default=str, allow_nan=False))  # noqa: T201  # what --json is for


def finite(content: Any) -> Any:
    """The same with None in place of every number that is not finite."""
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same keys as a table for people."""
    table = Table(title=escape(title), title_justify="left")
    columns = list(rows[0]) if rows else []
    for column in columns:
        numeric = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(escape(format_value(row[column])) for column in columns))
    stdout.print(table)


def format_value(value: Any) -> str:
    """Numbers to four significant digits, the rest as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
