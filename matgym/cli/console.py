"""Shared parts of commands: options, results on stdout (tables, JSON or CSV), and progress on stderr."""

import csv
import math
import shlex
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
"""Largest count in an option, such as the number of training steps. This limit and the next one are our choice."""

MAX_DRAWN: Final = 1_000_000
"""Largest count of objects that are in memory at the same time, such as drawn tubes."""

MOST_LEFT_OUT: Final = 5
"""Most rows that are left out of a table whose reasons are printed."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON. Progress goes to stderr.")]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Number of processes.")]
Scheduler = Annotated[
    str,
    typer.Option(
        help="Address of a Dask scheduler, such as tcp://127.0.0.1:8786. Dask exchanges pickles: who reaches a tcp:// "
        "address can run any program as you. Use tls:// outside of a private network."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Log = Annotated[Path | None, typer.Option(help="Folder for TensorBoard logs.")]
Weights = Annotated[Path, typer.Argument(help="Output .safetensors file.")]

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows of a table, all with the same keys."""

GAP: Final = "  "
"""Space between columns."""

stderr = Console(stderr=True)
stdout = Console()

_as_csv: ContextVar[bool] = ContextVar("as_csv", default=False)
"""Whether tables are printed as CSV: the value of `--csv`."""


def printing(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the option `--csv`, which `print_result` uses.

    A command that another command calls uses the value of the first one.
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
    """A function that shows the progress of work."""

    def __call__(self, stage: str, completed: int, total: int | None = None, note: str = "") -> None:
        """Show the progress of a stage, each with its own bar.

        Args:
            stage: name of the stage.
            completed: number of completed steps.
            total: total number of steps; None if it is unknown.
            note: text after the bar.
        """


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Yield a function that shows the progress of stages of work."""
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
        TextColumn("{task.description}", style="bold", markup=False),  # names of files can look like markup
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=stderr,
    )


def print_note(label: str, style: str, text: str) -> None:
    """Print a sentence on stderr after a coloured label, without interpreting markup.

    Args:
        label: the label.
        style: style of the label in rich.
        text: the sentence.
    """
    stderr.print(Text.assemble((f"{label}: ", style), text), highlight=False, soft_wrap=True)


def command_line(command: str, options: Mapping[str, object]) -> str:
    """Return a command with options as one would type them; None, False and empty text are left out, True has no value.

    Args:
        command: the command and its arguments.
        options: values by option.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False and value != ""}
    typed = (name if value is True else f"{name} {shlex.quote(str(value))}" for name, value in given.items())
    return " ".join([command, *typed])


def print_left_out(label: str, reasons: Mapping[int, str]) -> None:
    """Print on stderr why the first of some rows of a table are left out.

    Args:
        label: what became of the rows, such as "Not served".
        reasons: reasons by row.
    """
    for row, reason in list(reasons.items())[:MOST_LEFT_OUT]:
        print_note(label, "yellow", f"row {row}: {reason}")


def print_result(
    content: Any, *tables: tuple[str, Rows], lines: Iterable[str] = (), csv_rows: Rows | None = None, json: bool
) -> None:
    """Print the result of a command.

    Args:
        content: the result for `--json`.
        *tables: titles and rows of tables, which are also the rows for `--csv`.
        lines: sentences below the tables.
        csv_rows: other rows for `--csv`, if tables hold numbers as text.
        json: whether to print JSON.
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
    """Return the result of a command without tables as rows."""
    return [content] if isinstance(content, Mapping) else [{"result": value} for value in content]


def _print_csv(tables: Sequence[Rows]) -> None:
    """Print tables as CSV, each with a header and with numbers in full precision."""
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
    """Print rows as a table, with numbers to four significant digits.

    No text is cut. Text wraps between words. If the longest words do not fit next to each other, each row is printed as
    a block of names and values.
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
    """Return the widths of columns; those that need the fewest characters are widened first, so that few wrap.

    Args:
        least: smallest widths.
        most: widths without wrapping.
        room: number of characters to distribute.
    """
    widths = list(least)
    for i in sorted(range(len(widths)), key=lambda i: most[i] - least[i]):
        added = min(most[i] - least[i], room)
        widths[i] += added
        room -= added
    return widths


def _empty_table(title: str) -> Table:
    """Print a title, and return a table without frames, which is narrow."""
    stdout.print(Text(title, "italic"))
    return Table(box=box.SIMPLE_HEAD, padding=(0, len(GAP) - 1, 0, 0), show_edge=False)


def _print_blocks(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of names and values."""
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
    """Return the text of a cell, in which characters that a terminal cannot show are escaped."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def split_names(text: str) -> list[str]:
    """Return the names in a text with commas; none if the text is empty."""
    return [name.strip() for name in text.split(",") if name.strip()]
