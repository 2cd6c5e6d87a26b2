"""What commands share: options, results on stdout (tables for people; JSON or CSV for programs), progress on stderr."""

import csv
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, signature
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, TypeAlias

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

MAX_COUNT: Final = 1_000_000_000
"""Largest count that a command takes, such as training steps. This limit and the next are ours."""

MAX_DRAWN: Final = 1_000_000
"""Largest count of what is held in memory at once, such as tubes to draw."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON. Progress goes to stderr.")]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Number of processes.")]
Scheduler = Annotated[str, typer.Option(help="Address of a Dask scheduler, such as tcp://127.0.0.1:8786.")]
Log = Annotated[Path | None, typer.Option(help="Folder for TensorBoard logs.")]
Weights = Annotated[Path, typer.Argument(help="Output .safetensors file.")]

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows of a table, all with the same keys."""

GAP: Final = "  "
"""Between columns."""

stderr = Console(stderr=True)
stdout = Console()

_as_csv: ContextVar[bool] = ContextVar("as_csv", default=False)
"""Whether tables are printed as CSV: what `--csv` of the command that was called says."""


def printing(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the option `--csv` beside its `--json`, which `print_result` obeys.

    Commands that call each other share what the first one was told.
    """
    option = typer.Option("--csv", help="Print CSV. An empty line separates tables.")
    more = Parameter("csv", Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option])

    @wraps(command)
    def told(*args: Any, csv: bool = False, **options: Any) -> None:
        if csv and options.get("json"):
            raise typer.BadParameter("give --json or --csv, not both")
        for name, value in options.items():
            if isinstance(value, float) and not math.isfinite(value):  # NaN lies within every range
                raise typer.BadParameter(f"--{name.replace('_', '-')} {value} is not finite")
        token = _as_csv.set(csv or _as_csv.get())
        try:
            command(*args, **options)
        finally:
            _as_csv.reset(token)

    known = signature(command)
    told.__signature__ = known.replace(parameters=[*known.parameters.values(), more])  # type: ignore[attr-defined]
    told.__annotations__ = {**command.__annotations__, "csv": more.annotation}
    return told


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
    """Return a progress bar on stderr, because stdout is for results; its tasks need a `note`."""
    return Progress(
        TextColumn("{task.description}", style="bold", markup=False),  # names of files may look like markup
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=stderr,
    )


def print_note(label: str, style: str, text: str) -> None:
    """Print one sentence on stderr after a coloured label; nothing in it is taken for markup."""
    stderr.print(Text.assemble((f"{label}: ", style), text), highlight=False, soft_wrap=True)


def print_result(
    content: Any, *tables: tuple[str, Rows], lines: Iterable[str] = (), csv_rows: Rows | None = None, json: bool
) -> None:
    """Print a command's result.

    Args:
        content: what programs get, as JSON.
        *tables: titles and rows, for people, or as CSV.
        lines: sentences below the tables, for people.
        csv_rows: rows for CSV in place of those tables, where these show numbers as text.
        json: whether a program reads it.
    """
    if json:
        print(dumps(finite(content), indent=2, default=str, allow_nan=False))  # noqa: T201  # what --json is for
        return
    if _as_csv.get():
        _print_csv([csv_rows] if csv_rows is not None else [rows for _, rows in tables] or [_row_of(content)])
        return
    for title, rows in tables:
        print_table(title, rows)
    for line in lines:
        print(line)  # noqa: T201  # the result, on stdout


def _row_of(content: Any) -> Rows:
    """What a command that prints no table says, as one row."""
    return [content] if isinstance(content, Mapping) else [{"result": value} for value in content]


def _print_csv(tables: Sequence[Rows]) -> None:
    """Rows as CSV with a header each, numbers in full."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, rows in enumerate(tables):
        if number:
            writer.writerow([])
        columns = list(rows[0]) if rows else []
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)


def finite(content: Any) -> Any:
    """Return the content with None for each number that is not finite, because JSON has no such numbers."""
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def print_table(title: str, rows: Rows) -> None:
    """Print rows as a table for people, numbers to four significant digits.

    Nothing is cut: text wraps between words, and where even the longest words do not fit side by side, each row is
    printed as a block of names and values.
    """
    columns = list(rows[0]) if rows else []
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    texts = [(name, *(line[i] for line in cells)) for i, name in enumerate(columns)]
    words = [max(cell_len(word) for text in column for word in text.split() or [""]) for column in texts]
    whole = [max(cell_len(text) for text in column) for column in texts]
    room = stdout.width - 1 - len(GAP) * len(columns) - sum(words)
    if room < 0:
        _print_blocks(title, columns, cells)
        return
    widths = _widths(words, whole, room)
    table = _empty_table(title)
    for column, width in zip(columns, widths, strict=True):
        numeric = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(escape(column), justify="right" if numeric else "left", width=width, overflow="fold")
    for line in cells:
        table.add_row(*(Text(text) for text in line))
    stdout.print(table)


def _widths(least: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """Return the columns' widths: those that lack the fewest characters are widened first, so that few columns wrap."""
    widths = list(least)
    for i in sorted(range(len(widths)), key=lambda i: most[i] - least[i]):
        added = min(most[i] - least[i], room)
        widths[i] += added
        room -= added
    return widths


def _empty_table(title: str) -> Table:
    """A table without frames, so that it is narrow, below its title."""
    stdout.print(Text(title, "italic"))
    return Table(box=box.SIMPLE_HEAD, padding=(0, len(GAP) - 1, 0, 0), show_edge=False)


def _print_blocks(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of name and value, under its first value."""
    table = _empty_table(title)
    table.show_header = False
    table.add_column(overflow="fold", max_width=stdout.width // 2)
    table.add_column(overflow="fold")
    for line in cells:
        for i, (column, text) in enumerate(zip(columns, line, strict=True)):
            style = "bold" if i == 0 else ""
            table.add_row(Text(column, style), Text(text, style), end_section=i == len(columns) - 1)
    stdout.print(table)


def _shown(value: Any) -> str:
    """A cell's text; what a terminal cannot show is escaped."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def split_names(text: str) -> list[str]:
    """Return the names in a text with commas; none if the text is empty."""
    return [name.strip() for name in text.split(",") if name.strip()]
