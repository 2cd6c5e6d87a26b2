"""`matgym oracle`: compute the properties of tubes in files by physics."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import Force, Json, print_result, progress, split_names
from matgym.cli.structures import AtomStyle, Axis, Elements, Format, Period, Wall, reading_of
from matgym.errors import MatgymError

if TYPE_CHECKING:
    from matgym.models import Predictions
    from matgym.structures.io import Reading, ReadTube

app = typer.Typer(no_args_is_help=True, help="Compute properties by physics models.")

UNREAD = 1
"""Exit status if some of several files cannot be read; the others are answered."""


@app.command()
def evaluate(  # options of a command
    tubes: Annotated[
        list[str],
        typer.Argument(help="Structure files of nanotubes, in any format that ASE reads, or '(10,0)x4' for a tube."),
    ],
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
    format: Format = "",  # noqa: A002  # its option's name
    wall: Wall = 0,
    period: Period = 0.0,
    axis: Axis = "",
    elements: Elements = "",
    atom_style: AtomStyle = "",
    json: Json = False,
) -> None:
    """Compute the properties of tubes in structure files. A file that cannot be read is a row with the reason."""
    from matgym import physics
    from matgym.physics.cache import default_cache
    from matgym.physics.registry import parse_properties

    names = split_names(properties)
    asked = parse_properties(names)  # an unknown name is an error before files are read
    conditions = physics.Conditions(temperature, mu)
    read, unread = _read_all(tubes, reading_of(format, wall, period, axis, elements, atom_style))
    found = None
    with progress() as show:
        if read:
            found = physics.predict(
                [one.tube for one in read.values()],
                names,
                conditions,
                cache=default_cache() if cache else None,
                on_oracle=lambda name, done, total: show("physics", done, total, name),
            )
            found = _of_files(found, list(read.values()), [prop.key for prop in asked if not prop.between_leads])
        show("physics", 1, 1)
    places = {number: i for i, number in enumerate(read)}
    keys = list(dict.fromkeys(prop.key for prop in asked))
    rows = []
    for number, text in enumerate(tubes):
        if number in unread or found is None:
            rows.append(
                {"file": text, "tube": None, "bond_length_angstrom": None}
                | dict.fromkeys(keys)
                | {"failures": dict.fromkeys(keys, unread[number]), "notes": {}}
            )
            continue
        i = places[number]
        rows.append(
            {"file": text, "tube": str(read[number].tube), "bond_length_angstrom": read[number].bond_length_angstrom}
            | {key: float(values[i]) for key, values in found.values.items()}
            | {"failures": {key: failed[i] for key, failed in found.failures.items() if i in failed}}
            | {"notes": {key: notes[i] for key, notes in found.notes.items() if i in notes}}
        )
    print_result(rows, (f"physics at {temperature:g} K", _shown(rows, keys)), lines=_lines(rows), json=json)
    if unread:
        raise typer.Exit(UNREAD)


def _read_all(texts: Sequence[str], reading: "Reading") -> tuple[dict[int, "ReadTube"], dict[int, str]]:
    """Return what was read, and why the others could not be, by number.

    Raises:
        MatgymError: if there is a single text, and it cannot be read.
        OSError: likewise.
    """
    from matgym.structures.io import parse_structure

    read, unread = {}, {}
    for number, text in enumerate(texts):
        try:
            read[number] = parse_structure(text, reading)
        except (MatgymError, OSError) as error:
            if len(texts) == 1:
                raise
            unread[number] = str(error)
    return read, unread


def _of_files(found: "Predictions", read: Sequence["ReadTube"], periodic: Sequence[str]) -> "Predictions":
    """Return predictions with the notes of the files; finite tubes have properties between leads only.

    Args:
        found: predictions for the tubes.
        read: the tubes.
        periodic: keys of the properties of periodic tubes.
    """
    from dataclasses import replace

    import numpy as np

    finite = np.array([one.is_finite for one in read])
    values = {key: np.where(finite & (key in periodic), np.nan, column) for key, column in found.values.items()}
    failures = {key: dict(failed) for key, failed in found.failures.items()}
    for row in np.flatnonzero(finite).tolist():
        for key in periodic:
            failures.setdefault(key, {})[row] = f"{read[row].notes[0]}: this is a property of a periodic tube"
    device = "taken as the device between two leads of the pristine tube"
    notes = {
        row: "; ".join((*one.notes, *([device] if one.is_finite else []))) for row, one in enumerate(read) if one.notes
    }
    return replace(found, values=values, failures=failures).annotated(notes)


def _shown(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the table for people, in which several properties say one reason once."""
    return [
        {"file": row["file"], "tube": row["tube"] or "not read"}
        | {key: float("nan") if row[key] is None else row[key] for key in keys}
        | {"failures": "; ".join(dict.fromkeys(row["failures"].values()))}
        for row in rows
    ]


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(f"{row['file']}: {note}" for row in rows for note in row["notes"].values()))


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
