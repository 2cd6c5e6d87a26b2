"""`matgym oracle`: compute the properties of tubes in files by physics."""

from pathlib import Path
from typing import Annotated

import typer

from matgym.cli.console import Force, Json, print_result, progress, split_names

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


@app.command()
def plot(
    tube: Annotated[
        str, typer.Argument(metavar="FILE", help="Structure file, or chirality and cells such as '(10,0)x4'.")
    ],
    what: Annotated[str, typer.Option(help="bands, dos, transmission, kataura, phonons or iv.")] = "bands",
    output: Annotated[
        Path | None, typer.Option(help="Output file: .png, .svg or .pdf, or .csv for its values.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Temperature of the leads for iv, K.")] = 300.0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw a tube's bands, density of states, transmission, optical transitions, phonons or current."""
    from matgym.errors import ConfigurationError
    from matgym.files import check_output
    from matgym.physics.pictures import picture
    from matgym.structures.io import parse_design
    from matgym.viz.curves import check_picture_name, write_picture

    if output is None:
        raise ConfigurationError(f"no file for the picture of {what}: give --output, such as --output {what}.png")
    check_picture_name(output)
    check_output(output, force=force)
    read = parse_design(tube)
    with progress() as show:
        show(what, 0, 1, str(read))
        drawn = picture(read, what, temperature)
        show(what, 1, 1)
    write_picture(drawn, output)
    print_result(
        {"tube": str(read), "what": what, "title": drawn.title, "note": drawn.note, "file": str(output)},
        lines=[f"{drawn.title}: {output}", drawn.note],
        json=json,
    )


@app.command("list")
def list_all(json: Json = False) -> None:
    """List all properties with their keys and units."""
    from matgym.physics import PROPERTIES

    rows = [
        {"name": name, "key": prop.key, "unit": prop.unit, "description": prop.description}
        for name, prop in PROPERTIES.items()
    ]
    print_result(rows, ("properties", rows), json=json)
