"""The command line: `matgym`, whose subcommands all take `--json`."""

import sys

import typer
from rich.markup import escape

from matgym.cli import benchmark, commands, data, furnace, generate, oracle, surrogate
from matgym.cli.console import stderr
from matgym.errors import MatgymError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for command in (commands.demo, commands.export, commands.experiments):
    app.command()(command)
for group in (data, oracle, surrogate, furnace, generate, benchmark):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])


def main() -> None:
    """Entry point: errors that matgym raises on purpose are shown as one sentence."""
    try:
        app()
    except (MatgymError, OSError) as error:
        stderr.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)
