"""`matgym oracle`: compute the properties of tubes in files by physics."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from matgym.cli.console import Force, Json, print_result, progress, split_names
from matgym.cli.structures import reads_files
from matgym.errors import ConfigurationError, MatgymError
from matgym.files import parsed_number

if TYPE_CHECKING:
    from matgym.models import Level, Model, Predictions
    from matgym.physics.electrons.neutrality import Potential
    from matgym.physics.mechanics.references import Condition, References
    from matgym.structures.io import Reading, ReadTube

app = typer.Typer(no_args_is_help=True, help="Compute properties by physics models.")

UNREAD = 1
"""Exit status if some of several files cannot be read; the others are answered."""


@app.command()
@reads_files
def evaluate(  # options of a command
    tubes: Annotated[
        list[str],
        typer.Argument(help="Structure files of nanotubes, in any format that ASE reads, or '(10,0)x4' for a tube."),
    ],
    properties: Annotated[
        str,
        typer.Option(
            "--properties",
            show_default=False,
            help="Names, separated by commas. `matgym oracle list` lists all. Default: gap, fermi, pi_formation.",
        ),
    ] = "gap,fermi,pi_formation",
    level: Annotated[
        str, typer.Option(help="Level of theory, such as xtb. `matgym oracle list` lists those of each property.")
    ] = "",
    temperature: Annotated[float, typer.Option(help="Temperature, K.")] = 300.0,
    mu: Annotated[
        str,
        typer.Option(
            help="Chemical potential between leads: that of the neutral leads (leads), that at which the tube itself "
            "is neutral (tube), or eV. Default: leads; for ZT, the one with the largest ZT."
        ),
    ] = "",
    chemical_potential: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="ELEMENT=REFERENCE of formation energies, such as N=N2, B=alpha-B, C=graphite, or eV per atom on the "
            "level's own scale, such as N=-8.3.",
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Fetched table with energies of phases by the level's own method, for formation energies."),
    ] = None,
    condition: Annotated[
        str, typer.Option(help="What fixes B and N with --references: elements, N-rich, B-rich or balanced.")
    ] = "elements",
    cache: Annotated[bool, typer.Option(help="Cache results in the user's cache folder, or in MATGYM_CACHE.")] = True,
    *,
    reading: "Reading",
    json: Json = False,
) -> None:
    """Compute the properties of tubes in structure files. A file that cannot be read is a row with the reason."""
    from matgym import physics
    from matgym.physics.cache import default_cache
    from matgym.physics.registry import oracle_of, parse_properties, takes_coordinates

    names = split_names(properties)
    asked = list(dict.fromkeys(parse_properties(names)))  # an unknown name is an error before files are read
    potentials = _references(chemical_potential or [], references, condition)
    conditions = physics.Conditions(temperature, _potential(mu), potentials)
    levels = {prop.key: oracle_of(prop.key, conditions, level=level or None).level for prop in asked}
    read, unread = _read_all(tubes, reading)
    found = None
    with progress() as show:
        if read:
            found = physics.predict(
                [one.tube for one in read.values()],
                names,
                conditions,
                level=level or None,
                atoms=[one.own_coordinates for one in read.values()],
                cache=default_cache() if cache else None,
                on_oracle=lambda name, done, total: show("physics", done, total, name),
            )
            at_atoms = [prop.key for prop in asked if takes_coordinates(prop.key, level=level or None)]
            periodic = [prop.key for prop in asked if not prop.between_leads]
            found = _of_files(found, list(read.values()), periodic, at_atoms)
        show("physics", 1, 1)
    places = {number: i for i, number in enumerate(read)}
    rows = []
    for number, text in enumerate(tubes):
        if number in unread or found is None:
            rows.append(
                {"file": text, "tube": None, "bond_length_angstrom": None}
                | dict.fromkeys(levels)
                | {"levels": levels, "failures": dict.fromkeys(levels, unread[number]), "notes": {}}
            )
            continue
        i = places[number]
        rows.append(
            {"file": text, "tube": str(read[number].tube), "bond_length_angstrom": read[number].bond_length_angstrom}
            | {key: float(values[i]) for key, values in found.values.items()}
            | {"levels": levels}
            | {"failures": {key: failed[i] for key, failed in found.failures.items() if i in failed}}
            | {"notes": {key: notes[i] for key, notes in found.notes.items() if i in notes}}
        )
    title = f"physics at {temperature:g} K"
    print_result(
        rows,
        (title, _shown(rows, levels)),
        lines=[*_by_level(levels), *_lines(rows)],
        csv_rows=_csv(rows, levels),
        json=json,
    )
    if unread:
        raise typer.Exit(UNREAD)


def _potential(text: str) -> "Potential | None":
    """Return the chemical potential of an option: a neutrality, or eV; None if it is empty."""
    try:
        return float(text) if text else None
    except ValueError:
        return cast("Potential", text)  # checked by `Conditions`


def _references(texts: Sequence[str], table: Path | None, condition: str) -> "References":
    """Return chemical potentials of atoms from texts such as "N=N2", or from energies of phases in a table.

    Raises:
        ConfigurationError: if a text has another form, or there are both texts and a table.
        DatasetError: if the table cannot be read, or has no energies of phases.
    """
    if table is not None:
        if texts:
            raise ConfigurationError(f"--chemical-potential {texts[0]} and --references {table}: give one of them")
        from matgym.data.phases import read_energies

        return read_energies(table).references(cast("Condition", condition))  # checked there
    given: dict[str, float | str] = {}
    for text in (part for each in texts for part in split_names(each)):
        element, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise ConfigurationError(f"{text!r} is no chemical potential: give ELEMENT=REFERENCE, such as N=N2")
        number = parsed_number(value)
        given[element] = value if number is None else number
    return given


def _by_level(levels: Mapping[str, "Level"]) -> list[str]:
    """Return a sentence for each level, with the properties that it computed."""
    by_level: dict[Level, list[str]] = {}
    for key, level in levels.items():
        by_level.setdefault(level, []).append(key)
    return [f"{', '.join(keys)}: by {level} ({level.short})" for level, keys in by_level.items()]


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


def _of_files(
    found: "Predictions", read: Sequence["ReadTube"], periodic: Sequence[str], at_atoms: Sequence[str]
) -> "Predictions":
    """Return predictions with the notes of the files; finite tubes have properties between leads only.

    Args:
        found: predictions for the tubes.
        read: the tubes.
        periodic: keys of the properties of periodic tubes.
        at_atoms: keys of the properties that are computed from the coordinates of the file.
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
        key: dict(
            enumerate(
                "; ".join((*(one.own_notes if key in at_atoms else one.notes), *([device] if one.is_finite else [])))
                for one in read
            )
        )
        for key in values
    }
    return replace(found, values=values, failures=failures).annotated(notes)


def _shown(rows: Sequence[dict[str, Any]], keys: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of the table for people, in which several properties say one reason once."""
    return [
        {"file": row["file"], "tube": row["tube"] or "not read"}
        | {key: float("nan") if row[key] is None else row[key] for key in keys}
        | {"failures": "; ".join(dict.fromkeys(row["failures"].values()))}
        for row in rows
    ]


def _csv(rows: Sequence[dict[str, Any]], levels: Mapping[str, "Level"]) -> list[dict[str, Any]]:
    """Return the rows of CSV, with the levels and notes of all properties in one column each."""
    by = "; ".join(_by_level(levels))
    return [
        row | {"levels": by, "notes": "; ".join(dict.fromkeys(source["notes"].values()))}
        for row, source in zip(_shown(rows, levels), rows, strict=True)
    ]


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each note of a file, with the properties that it is of unless it is of all."""
    lines = []
    for row in rows:
        keys: dict[str, list[str]] = {}
        for key, note in row["notes"].items():
            keys.setdefault(note, []).append(key)
        every = len(keys) == 1 and len(row["notes"]) == len(row["levels"])
        lines += [f"{row['file']}: {'' if every else ', '.join(of) + ': '}{note}" for note, of in keys.items()]
    return lines


@app.command()
@reads_files
def plot(
    tube: Annotated[
        str, typer.Argument(metavar="FILE", help="Structure file, or chirality and cells such as '(10,0)x4'.")
    ],
    what: Annotated[
        str,
        typer.Option(
            help="bands, dos, transmission, kataura, phonons, iv, or against μ: carriers, conductance, seebeck."
        ),
    ] = "bands",
    output: Annotated[
        Path | None, typer.Option(help="Output file: .png, .svg or .pdf, or .csv for its values.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Temperature for iv and for curves against the chemical potential μ, K.")
    ] = 300.0,
    *,
    reading: "Reading",
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw a tube's bands, states, transmission, optical transitions, phonons, current, or response to μ."""
    from matgym.files import check_output
    from matgym.physics.pictures import picture
    from matgym.structures.io import parse_structure
    from matgym.viz.curves import check_picture_name, write_picture

    if output is None:
        raise ConfigurationError(f"no file for the picture of {what}: give --output, such as --output {what}.png")
    check_picture_name(output)
    check_output(output, force=force)
    read = parse_structure(tube, reading)
    shown = read.periodic(tube)
    with progress() as show:
        show(what, 0, 1, str(shown))
        drawn = picture(shown, what, temperature)
        show(what, 1, 1)
    write_picture(drawn, output)
    notes = list(filter(None, (drawn.note, *read.notes)))
    print_result(
        {"tube": str(shown), "what": what, "title": drawn.title, "note": "; ".join(notes), "file": str(output)},
        lines=[f"{drawn.title}: {output}", *notes],
        json=json,
    )


@app.command("list")
def list_all(json: Json = False) -> None:
    """List all properties, and the levels that compute them with cost and validity; the first is the default."""
    from matgym.physics import PROPERTIES
    from matgym.physics.registry import oracles_of

    rows: list[dict[str, Any]] = []
    for name, prop in PROPERTIES.items():
        levels = [_level_row(oracle) for oracle in oracles_of(name)]
        rows.append(
            {"name": name, "key": prop.key, "unit": prop.unit, "description": prop.description, "levels": levels}
        )
    print_result(
        rows,
        ("properties", [row | {"levels": ", ".join(level["level"] for level in row["levels"])} for row in rows]),
        ("levels", _levels_shown(rows)),
        json=json,
    )


def _level_row(oracle: "Model") -> dict[str, Any]:
    cost = oracle.cost
    return {
        "level": oracle.level.short,
        "title": str(oracle.level),
        "oracle": oracle.name,
        "seconds": cost and cost.seconds,
        "sites": cost and cost.sites,
        "exponent": cost and cost.exponent,
        "validity": oracle.validity,
    }


def _levels_shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return a row for each oracle with the properties that it computes by one level."""
    names: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        for level in row["levels"]:
            cost = "unknown"
            if level["seconds"] is not None:
                cost = f"{level['seconds']:g} s at {level['sites']} sites, grows as sites^{level['exponent']:g}"
            shown = (level["level"], level["title"], cost, level["validity"])
            names.setdefault(shown, []).append(row["name"])
    return [
        {"level": level, "is": title, "properties": ", ".join(of), "cost": cost, "valid for": validity}
        for (level, title, cost, validity), of in names.items()
    ]
