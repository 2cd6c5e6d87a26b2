"""`matgym export`: input for other programs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from matgym.cli.console import print_result, stderr
from matgym.cli.options import Json


def export(
    design: Annotated[str, typer.Argument(help="A structure file, or a chirality and cells, such as '(8,0)x4'.")],
    to: Annotated[str, typer.Option(help="The program to write for: lammps, vasp, ovito or vesta.")],
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("export"),
    json: Json = False,
) -> None:
    """Write a tube as input that another program runs or opens."""
    from matgym.structures import io

    tube = io.parse_design(design)
    written = io.export(tube, to, output)
    lines = [f"{tube} for {to}: {written.use}", *(f"  {path}" for path in written.files)]
    print_result({"tube": str(tube), "to": to} | asdict(written), lines=lines, json=json)
    for note in () if json else written.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)
