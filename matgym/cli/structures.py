"""Options of commands that read structure files."""

from typing import TYPE_CHECKING, Annotated

import typer

from matgym.cli.console import split_names

if TYPE_CHECKING:
    from matgym.structures.io import Reading

Format = Annotated[
    str, typer.Option("--format", help="Format of the files: cif, poscar, extxyz, lammps, or a name of ASE.")
]
Wall = Annotated[
    int, typer.Option(min=0, metavar="<int>", help="Wall of a tube of several walls, from 1, the innermost one.")
]
Period = Annotated[
    float,
    typer.Option(
        min=0.0, metavar="<float>", help="Period of the tube, Å, for files without a cell or with a wrong one."
    ),
]
Axis = Annotated[str, typer.Option(help="Axis of the period: x, y or z. Default: that of the tube.")]
Elements = Annotated[str, typer.Option(help="Elements of atom types, such as C,B,N, for files that name none.")]
AtomStyle = Annotated[str, typer.Option(help="Atom style of LAMMPS data that do not tell it, such as charge.")]


def reading_of(
    file_format: str,
    wall: int,
    period: float,
    axis: str,
    elements: str,
    atom_style: str,  # its option's name
) -> "Reading":
    """Return how files are read, from the options.

    Raises:
        ConfigurationError: if one is out of range.
    """
    from matgym.structures.io import Hints, Reading

    hints = Hints(tuple(split_names(elements)), atom_style)
    return Reading(file_format or None, wall or None, period or None, axis, hints)
