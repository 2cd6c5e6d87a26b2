"""`matgym structures`: roll sheets, find similar structures; and the options of commands that read structure files."""

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import Force, Json, print_left_out, print_result, split_names
from matgym.errors import ConfigurationError, DatasetError
from matgym.files import check_output

if TYPE_CHECKING:
    from matgym.structures import Sheet
    from matgym.structures.io import Reading

app = typer.Typer(no_args_is_help=True, help="Work with structures.")

MAX_INDEX = 100_000
"""Largest chiral index; a choice of ours."""

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


@app.command()
def roll(
    sheet: Annotated[
        Path,
        typer.Argument(
            help="Structure file of one layer, in any format that ASE reads, or a table of `matgym data fetch`."
        ),
    ],
    chirality: Annotated[str, typer.Option("--chirality", help="n,m: the circumference is n a1 + m a2, such as 10,4.")],
    output: Annotated[Path, typer.Option(help="Output file: .cif, .extxyz, .vasp or POSCAR.")] = Path("tube.extxyz"),
    cells: Annotated[int, typer.Option(min=1, max=MAX_INDEX, help="Number of periods along the axis.")] = 1,
    outside: Annotated[str, typer.Option(help="Side of the sheet that becomes the outside: bottom or top.")] = "bottom",
    max_torsion: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest shear strain that makes the tube periodic.")
    ] = 0.01,
    vacuum: Annotated[float, typer.Option(min=0.0, max=1000.0, help="Empty space on every side, Å.")] = 10.0,
    row_id: Annotated[
        str, typer.Option("--id", help="Of a table: identifier of the layer. Default: its only row.")
    ] = "",
    file_format: Format = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Roll a sheet of any material into a tube. a1 and a2 are the cell vectors in the sheet; hexagonal ones at 60°."""
    from matgym.structures import io

    n, m = _chirality(chirality)
    if outside not in {"bottom", "top"}:
        raise ConfigurationError(f"--outside {outside}: give bottom or top")
    check_output(output, force=force, inputs=[sheet])
    flat = _sheet(sheet, row_id, file_format)
    flat = flat.flipped() if outside == "top" else flat
    period = flat.translation(n, m, max_torsion=max_torsion, cells=cells)
    tube = flat.rolled(n, m, cells, max_torsion=max_torsion, vacuum_angstrom=vacuum)
    io.write(output, tube)
    row = {
        "n": n,
        "m": m,
        "cells": cells,
        "atoms": len(tube.numbers),
        "radius_angstrom": flat.radius_angstrom(n, m),
        "period_angstrom": period.length_angstrom,
        "torsion": period.torsion,
    }
    vectors = {"a1": flat.cell[0].round(4).tolist(), "a2": flat.cell[1].round(4).tolist()}
    lines = [f"sheet: a1 = {vectors['a1']} Å, a2 = {vectors['a2']} Å, as seen from the {outside}", f"written: {output}"]
    print_result(row | vectors | {"file": str(output)}, (f"{sheet}, rolled", [row]), lines=lines, json=json)


def _sheet(file: Path, row: str, file_format: str) -> "Sheet":
    """Return the layer in a file, or in a row of a fetched table.

    Raises:
        ConfigurationError: if an option has no effect, or no row is named where there are several.
        DatasetError: if the table cannot be read, or has no such row.
    """
    from matgym.data.columns import PARQUET
    from matgym.structures import Sheet, io

    if file.suffix.lower() != PARQUET:
        if row:
            raise ConfigurationError(f"--id {row} has no effect: {file} is no table of `matgym data fetch`")
        return io.read_sheet(file, file_format or None)
    if file_format:
        raise ConfigurationError(f"--format {file_format} has no effect on a table of `matgym data fetch`")
    from matgym.data.sources import Fetched

    table = Fetched.load(file)
    if not row and len(table) != 1:
        such = f": name one by --id, such as {table.ids[0]}" if len(table) else ": fetch a layer"
        raise ConfigurationError(f"{file} has {len(table)} rows{such}")
    found = next((entry for entry in table.entries() if row in {"", entry.id}), None)
    if found is None:
        known = ", ".join(table.ids[:5]) + (", …" if len(table) > 5 else "")
        raise DatasetError(f"{file} has no row {row!r}: it has {known}")
    atoms = found.crystal.to_atoms()
    atoms.pbc = found.periodic
    return Sheet.of(atoms)


@app.command()
def similar(
    design: Annotated[Path, typer.Argument(help="Structure file of a crystal, a layer or a tube, with a whole cell.")],
    others: Annotated[
        list[Path], typer.Argument(help="Structure files, and Parquet tables of tubes or of fetched structures.")
    ],
    count: Annotated[int, typer.Option(min=1, max=MAX_INDEX, help="Number of structures that are shown.")] = 5,
    periodic: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="Compare only rows of tables with so many periodic directions: 1 for tubes."),
    ] = None,
    json: Json = False,
) -> None:
    """Show which structures are most similar to a design, by elements and by distances of atoms, and which are it."""
    from matgym.data.known import nearest_known, read_known
    from matgym.structures.io import read_crystal

    crystal = read_crystal(design)
    known, left_out = read_known(others, periodic)
    if not json:
        for path, reasons in left_out.items():
            print_left_out(f"Not compared, of {path}", reasons)
    rows = [asdict(each) for each in nearest_known(crystal, known, count)]
    again = [" ".join(filter(None, (row["file"], row["id"]))) for row in rows if row["same"]]
    line = f"The same structure: {', '.join(again)}" if again else "None of these is the same structure."
    if any(row["same"] is None for row in rows) and not again:
        line = "Not compared atom by atom: sites are partly occupied, or pymatgen is not installed (extra pymatgen)."
    print_result(rows, (f"Most similar to {design}, of {len(known):,} structures", rows), lines=[line], json=json)


def _chirality(text: str) -> tuple[int, int]:
    """Return n and m of a text such as "10,4".

    Raises:
        ConfigurationError: if it is none.
    """
    try:
        n, m = (int(part) for part in text.strip("() ").split(","))
    except ValueError:
        raise ConfigurationError(f"--chirality {text!r} is no pair of whole numbers: give n,m such as 10,4") from None
    if max(abs(n), abs(m)) > MAX_INDEX:
        raise ConfigurationError(f"--chirality {text}: give n and m up to {MAX_INDEX:,}")
    return n, m
