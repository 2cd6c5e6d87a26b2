"""Options of commands that read structure files."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import split_names

if TYPE_CHECKING:
    from matgym.structures.io import Reading

Format = Annotated[
    str, typer.Option("--format", help="Format of the files: cif, poscar, extxyz, lammps, or a name of ASE.")
]
Wall = Annotated[
    int, typer.Option("--wall", min=0, metavar="<int>", help="Wall of a tube of several walls, from 1, the innermost.")
]
Period = Annotated[
    float,
    typer.Option(
        "--period", min=0.0, metavar="<float>", help="Period of the tube, Å, for files without a cell or a wrong one."
    ),
]
RestPeriod = Annotated[
    float,
    typer.Option(
        "--rest-period",
        min=0.0,
        metavar="<float>",
        help="Period of the same tube without load, Å: strain is relative to it. Default: strain from the atoms, which "
        "takes small ones for relaxation.",
    ),
]
Axis = Annotated[str, typer.Option("--axis", help="Axis of the period: x, y or z. Default: that of the tube.")]
Elements = Annotated[
    str, typer.Option("--elements", help="Elements of atom types, such as C,B,N, for files that name none.")
]
AtomStyle = Annotated[
    str, typer.Option("--atom-style", help="Atom style of LAMMPS data that do not tell it, such as charge.")
]

_OPTIONS: tuple[tuple[str, object, object], ...] = (
    ("file_format", Format, ""),
    ("wall", Wall, 0),
    ("period", Period, 0.0),
    ("rest_period", RestPeriod, 0.0),
    ("axis", Axis, ""),
    ("elements", Elements, ""),
    ("atom_style", AtomStyle, ""),
)
"""Name, annotation and default of each option."""


def reads_files(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options that tell what a structure file does not.

    The command takes them together, as its keyword argument `reading`.
    """

    @wraps(command)
    def told(*args: Any, **options: Any) -> None:
        given = {name: options.pop(name, default) for name, _, default in _OPTIONS}
        command(*args, reading=_reading(**given), **options)

    known = [each for each in signature(command).parameters.values() if each.name != "reading"]
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in _OPTIONS
    ]
    last = [each for each in known if each.name in {"force", "json"}]  # as in all commands
    parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in known if each not in last] + more
    parameters += [each.replace(kind=Parameter.KEYWORD_ONLY) for each in last]
    told.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {each.name: each.annotation for each in parameters}
    return told


def _reading(
    file_format: str,
    wall: int,
    period: float,
    rest_period: float,
    axis: str,
    elements: str,
    atom_style: str,
) -> "Reading":
    """Return how files are read, from the options.

    Raises:
        ConfigurationError: if one is out of range.
    """
    from matgym.structures.io import Hints, Reading

    hints = Hints(tuple(split_names(elements)), atom_style)
    return Reading(file_format or None, wall or None, period or None, axis, hints, rest_period or None)
