"""What the command line and the demo print: progress on stderr, results on stdout."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

stderr = Console(stderr=True)
stdout = Console()


def progress_bar(*, quiet: bool = False) -> Progress:
    """A progress bar on stderr, so that stdout stays for results."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=stderr,
        disable=quiet,
    )


def print_json(content: Any) -> None:
    """Plain JSON on stdout, for programs."""
    print(json.dumps(content, indent=2, default=str))  # noqa: T201  # this is what --json is for


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same keys as a table for people."""
    table = Table(title=title, title_justify="left")
    columns = list(rows[0]) if rows else []
    for column in columns:
        numeric = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(format_value(row[column]) for column in columns))
    stdout.print(table)


def format_value(value: Any) -> str:
    """Numbers to four significant digits, the rest as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
