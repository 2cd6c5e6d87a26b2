"""`matgym oracle`: compute the properties of tubes in files by physics."""

from pathlib import Path
from typing import Annotated

import typer

from matgym.cli.console import Json, print_result, progress, split_names

app = typer.Typer(no_args_is_help=True, help="Compute properties by physics models.")


@app.command()
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="Structure files of nanotubes, in any format that ASE reads.")],
    properties: Annotated[
        str, typer.Option("--properties", help="Names, separated by commas. `matgym oracle list` lists all.")
    ] = "gap,fermi,pi_formation",
    temperature: Annotated[float, typer.Option(help="Temperature, K.")] = 300.0,
    mu: Annotated[
        float | None,
        typer.Option(
            help="Chemical potential, eV. Default: that of the neutral tube; for ZT, the one with the largest ZT."
        ),
    ] = None,
    cache: Annotated[bool, typer.Option(help="Cache results in the user's cache folder, or in MATGYM_CACHE.")] = True,
    json: Json = False,
) -> None:
    """Compute the properties of tubes in structure files."""
    from matgym import physics
    from matgym.physics.cache import default_cache
    from matgym.physics.registry import parse_properties
    from matgym.structures.io import read

    names = split_names(properties)
    parse_properties(names)  # an unknown name is an error before files are read
    tubes = [read(file) for file in files]
    with progress() as show:
        found = physics.predict(
            tubes,
            names,
            physics.Conditions(temperature, mu),
            cache=default_cache() if cache else None,
            on_oracle=lambda name, done, total: show("physics", done, total, name),
        )
        show("physics", 1, 1)
    rows = [
        {"file": str(file), "tube": str(tube)}
        | {key: float(values[i]) for key, values in found.values.items()}
        | {"failures": {key: failed[i] for key, failed in found.failures.items() if i in failed}}
        | {"notes": {key: notes[i] for key, notes in found.notes.items() if i in notes}}
        for i, (file, tube) in enumerate(zip(files, tubes, strict=True))
    ]
    reasons = found.reasons
    shown = [
        {name: value for name, value in row.items() if name != "notes"} | {"failures": reasons.get(i, "")}
        for i, row in enumerate(rows)
    ]
    notes = dict.fromkeys(f"{rows[i]['file']}: {note}" for said in found.notes.values() for i, note in said.items())
    print_result(rows, (f"physics at {temperature:g} K", shown), lines=list(notes), json=json)


@app.command("list")
def list_all(json: Json = False) -> None:
    """List all properties with their keys and units."""
    from matgym.physics import PROPERTIES

    rows = [
        {"name": name, "key": prop.key, "unit": prop.unit, "description": prop.description}
        for name, prop in PROPERTIES.items()
    ]
    print_result(rows, ("properties", rows), json=json)
