"""What commands share: options, results on stdout (tables for people, JSON for programs), progress on stderr."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; progress goes to stderr.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, each on one core.")]
Scheduler = Annotated[str, typer.Option(help="Dask scheduler, such as tcp://127.0.0.1:8786, whose workers run it.")]
Log = Annotated[Path | None, typer.Option(help="Folder for TensorBoard.")]
Weights = Annotated[Path, typer.Argument(help="Weights to write, ending in .safetensors.")]

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows of a table, all with the same keys."""

stderr = Console(stderr=True)
stdout = Console()


class OnProgress(Protocol):
    """Called as work goes on."""

    def __call__(self, stage: str, completed: int, total: int | None = None, note: str = "") -> None:
        """Show how far a stage is; each stage has a bar of its own."""


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Show stages of work as they are reported to what this yields."""
    tasks: dict[str, TaskID] = {}
    with progress_bar() as bar:

        def show(stage: str, completed: int, total: int | None = None, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, note=note)
            bar.update(tasks[stage], completed=completed, total=total, note=note)

        yield show


def progress_bar() -> Progress:
    """A progress bar on stderr, so that stdout stays for results; its tasks need a `note`."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=stderr,
    )


def print_result(content: Any, *tables: tuple[str, Rows], lines: Iterable[str] = (), json: bool) -> None:
    """Print a command's result.

    Args:
        content: what programs get, as JSON.
        *tables: titles and rows, for people.
        lines: sentences below the tables, likewise.
        json: whether a program reads it.
    """
    if json:
        print(dumps(finite(content), indent=2, default=str, allow_nan=False))  # noqa: T201  # what --json is for
        return
    for title, rows in tables:
        print_table(title, rows)
    for line in lines:
        print(line)  # noqa: T201  # the result, on stdout


def finite(content: Any) -> Any:
    """The same with None in place of every number that is not finite, for which JSON has no word."""
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def print_table(title: str, rows: Rows) -> None:
    """Rows as a table for people, numbers to four significant digits."""
    table = Table(title=escape(title), title_justify="left")
    columns = list(rows[0]) if rows else []
    for column in columns:
        numeric = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        values = (row[column] for column in columns)
        table.add_row(*(escape(f"{value:.4g}" if isinstance(value, float) else str(value)) for value in values))
    stdout.print(table)


def split_names(text: str) -> list[str]:
    """Names that commas separate; none if the text is empty."""
    return [name.strip() for name in text.split(",") if name.strip()]
