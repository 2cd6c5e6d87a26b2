"""The command line `matgym`. Its commands print tables for people, or JSON or CSV for programs."""

import sys
import warnings
from typing import Annotated, Any

import typer

from matgym.cli import (
    agents,
    benchmark,
    cache,
    characterize,
    commands,
    data,
    design,
    envs,
    furnace,
    generate,
    oracle,
    predict,
    structures,
    surrogate,
    tune,
)
from matgym.cli.console import print_note, printing
from matgym.errors import DamagedFileWarning, FetchWarning, KeptFilesWarning, MatgymError, TableWarning
from matgym.version import __version__

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (
    design.design, agents.train, tune.tune, agents.evaluate, predict.predict, characterize.characterize,
    commands.demo, commands.export, commands.experiments,
):  # fmt: skip
    app.command()(printing(command))
for group in (agents, envs, benchmark, oracle, cache, surrogate, data, furnace, generate, structures):
    for registered in group.app.registered_commands:
        if registered.callback is not None:
            registered.callback = printing(registered.callback)
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"matgym {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # used by its callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Design and simulate carbon nanotubes, train agents, and compare methods. Most commands accept --json or --csv."""


def _show_warnings() -> None:
    """Print warnings about files and tables as notes of one sentence; all others are shown as Python shows them."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DamagedFileWarning | FetchWarning | KeptFilesWarning | TableWarning):
            print_note("Note", "yellow", str(message))
        else:
            shown(message, category, *place, **more)

    warnings.showwarning = show


def main() -> None:
    """Run the command line, and print the errors of matgym as one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # file names may hold characters that the encoding of the terminal lacks
            stream.reconfigure(errors="backslashreplace")
    _show_warnings()
    try:
        app()
    except (MatgymError, OSError) as error:
        print_note("Error", "bold red", str(error))
        sys.exit(2)
