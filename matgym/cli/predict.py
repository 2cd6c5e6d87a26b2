"""`matgym predict`: predict the properties of one tube by the shipped networks and compute them by physics."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from matgym.cli.console import Json, print_result, progress
from matgym.cli.structures import reads_files
from matgym.errors import ConfigurationError, StructureError

if TYPE_CHECKING:
    from matgym.structures import Nanotube
    from matgym.structures.io import Reading

WIDTH: Final = 80
"""Letters in a line of notes."""

MAX_PREDICTED_SITES: Final = 20_000
"""Largest number of sites of a predicted tube: its features take 1 GB. This limit is our choice."""

MAX_SECONDS: Final = 10.0
"""Longest estimated time for one property by physics, s; slower properties are left out. This limit is our choice."""


@reads_files
def predict(
    tube: Annotated[str, typer.Argument(help="Structure file, or chirality and cells such as '(10,0)x4'.")],
    physics: Annotated[bool, typer.Option(help="Also compute the properties by physics, up to 10 s each.")] = True,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="<path>", help="Stored surrogates (.safetensors) in place of the shipped ones."),
    ] = None,
    *,
    reading: "Reading",
    json: Json = False,
) -> None:
    """Predict a tube's properties by networks, with 90 % intervals, and by physics.

    Surrogates of crystals (`matgym surrogate train --data`) predict the crystal that a file holds.
    """
    from matgym.surrogates.crystals.store import holds_crystals

    of_crystals = [path for path in model or [] if holds_crystals(path)]
    if of_crystals:
        if len(of_crystals) < len(model or []):
            raise ConfigurationError(
                f"{of_crystals[0]} predicts crystals, and other surrogates that are given predict tubes: ask them apart"
            )
        _predict_crystal(Path(tube), of_crystals, reading, json=json)
        return
    from matgym.structures.io import parse_structure

    found = parse_structure(tube, reading)
    read = found.periodic(tube)
    if read.n_sites > MAX_PREDICTED_SITES:
        raise StructureError(
            f"{read} has {read.n_sites:,} sites: give a tube of {MAX_PREDICTED_SITES:,} sites or fewer"
        )
    rows, reasons = _by_networks(read, [str(path) for path in model or []])
    for row in rows:
        row.update({"physics": None, "level": "", "physics_failure": ""})
    if physics:
        with progress() as show:
            for done, row in enumerate(rows):
                show("physics", done, len(rows), _name(row))
                row.update(_by_physics(read, row["property"], row["labels_by"]))
            show("physics", len(rows), len(rows))
    shown = [
        {
            "property": f"{_name(row)}{_unit(row['unit'])}",
            "network": row["failure"] or f"{row['predicted']:.4g} ± {row['half_width']:.2g}",
            "in domain": "" if row["in_domain"] is None else "yes" if row["in_domain"] else "no",
        }
        | (_beside(row) if physics else {})
        for row in rows
    ]
    notes = [
        "± is half the width of the 90 % interval. It is valid for tubes in the domain,",
        "which resemble the training data. For other tubes the interval is too narrow.",
        *(f"{name} cannot predict this tube: {reason}." for name, reason in reasons.items()),
        *(f"{'networks' if said else 'tube'}: {note}." for said, note in _notes(found.notes, rows)),
    ]
    print_result(
        {"tube": str(read), "sites": read.n_sites, "predictions": rows, "unknown_to": reasons, "notes": found.notes},
        (str(read), shown),
        lines=["", *(line for note in notes for line in wrap(note, WIDTH)), *(_failures(rows) if physics else [])],
        json=json,
    )


def _predict_crystal(file: Path, models: Sequence[Path], reading: "Reading", *, json: bool) -> None:
    """Print what surrogates of crystals predict of the crystal in a file.

    Raises:
        ConfigurationError: if an option on files is given that crystals do not have.
    """
    from matgym.structures.io import Reading, read_crystal
    from matgym.surrogates import crystals

    if reading != Reading(reading.format):
        raise ConfigurationError("of the options on structure files, crystals have only --format")
    crystal = read_crystal(file, reading.format)
    rows = list[dict[str, Any]]()
    for path in models:
        surrogate = crystals.load(path)
        found = surrogate.predict([crystal])
        distance = None if 0 in found.failures else float(found.distance[0])
        rows.append(
            {
                "surrogate": str(path),
                "property": surrogate.prop.name,
                "unit": surrogate.prop.unit,
                "predicted": float(found.values[0]),
                "half_width": float(found.half_width[0]),
                "distance": distance,
                "in_domain": None if distance is None else distance <= 1.0,
                "failure": found.failures.get(0, ""),
            }
        )
    shown = [
        {
            "property": f"{row['property']}{_unit(row['unit'])}",
            "predicted": "" if row["failure"] else f"{row['predicted']:.4g} ± {row['half_width']:.2g}",
            "in domain": "" if row["in_domain"] is None else "yes" if row["in_domain"] else "no",
        }
        for row in rows
    ]
    notes = [
        "± is half the width of the 90 % interval. It is valid for crystals in the",
        "domain, which resemble the training data.",
        *(f"{row['surrogate']} cannot predict this crystal: {row['failure']}." for row in rows if row["failure"]),
    ]
    content = {"crystal": str(file), "atoms": len(crystal.numbers), "predictions": rows}
    lines = ["", *(line for note in notes for line in wrap(note, WIDTH))]
    print_result(content, (str(file), shown), lines=lines, json=json)


def _notes(of_file: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[tuple[bool, str]]:
    """Return the notes of the file and of the networks, each once, and whether they are of the networks."""
    of_networks = dict.fromkeys(row["note"] for row in rows if row["note"])
    return [*((False, note) for note in of_file), *((True, note) for note in of_networks)]


def _beside(row: dict[str, Any]) -> dict[str, str]:
    """Return the columns of a table for people that hold the value by physics; a failure is explained below it."""
    value = "" if row["physics"] is None else f"{round(row['physics'], 9):.4g}"
    return {"physics": "failed" if row["physics_failure"] else value, "by": row["level"]}


def _failures(rows: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each reason for which physics has no value, with the properties that it concerns."""
    names: dict[tuple[str, str], dict[str, None]] = {}  # of several surrogates of a property one name
    for row in rows:
        if row["physics_failure"]:
            names.setdefault((row["level"], row["physics_failure"]), {})[_name(row)] = None
    return [f"{level} gives no value of {', '.join(of)}: {reason}." for (level, reason), of in names.items()]


def _name(row: dict[str, Any]) -> str:
    """Return the name of the property of a row, as people read it."""
    from matgym.models import suffix_of

    return str(row["property"]).removesuffix(suffix_of(row["unit"])).replace("_", " ")


def _unit(unit: str) -> str:
    return "" if unit == "1" else f", {unit}"


def _by_networks(tube: "Nanotube", names: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return a row for each property that networks predict, and the reasons of the networks that predict none.

    Args:
        tube: the tube.
        names: names or files of surrogates; none for all shipped ones.
    """
    from matgym.surrogates import load, load_card, shipped

    rows, reasons = [], {}
    for name in names or shipped():
        surrogate, levels = load(name), load_card(name).levels
        found = surrogate.predict([tube])
        failures = {key: of_key[0] for key, of_key in found.failures.items() if 0 in of_key}
        if len(failures) == len(found.values):
            reasons[name] = next(iter(failures.values()))
            continue
        distance = None if found.distance is None else float(found.distance[0])
        rows += [
            {
                "surrogate": name,
                "property": key,
                "labels_by": str(levels.get(key, "")),
                "unit": surrogate.property_of(key).unit,
                "predicted": float(values[0]),
                "half_width": float(found.half_width[key][0]) if key in found.half_width else float("nan"),
                "distance": distance,
                "in_domain": None if distance is None else distance <= 1.0,
                "failure": failures.get(key, ""),
                "note": found.notes.get(key, {}).get(0, ""),
            }
            for key, values in found.values.items()
        ]
    return rows, reasons


def _by_physics(tube: "Nanotube", key: str, level: str) -> dict[str, Any]:
    """Return the columns of one property by its oracle; a failure if it would take longer than `MAX_SECONDS`.

    Args:
        tube: the tube.
        key: key of the property.
        level: level of the oracle; empty for the first.
    """
    from matgym.models import Level
    from matgym.physics.registry import oracle_of

    if level == Level.USER:
        return {}  # no physics of matgym computes a property of the user's own
    oracle = oracle_of(key, level=level or None)
    cost = oracle.cost
    seconds = 0.0 if cost is None else cost.seconds * (tube.n_sites / cost.sites) ** cost.exponent
    if seconds > MAX_SECONDS:
        reason = f"it would take about {seconds:.0f} s, and `matgym predict` allows {MAX_SECONDS:.0f} s"
        return {"physics_failure": reason, "level": str(oracle.level)}
    found = oracle.predict([tube])
    reason = found.failures.get(key, {}).get(0, "").removeprefix(f"{tube}: ")
    return {
        "physics": None if reason else float(found[key][0]), "physics_failure": reason, "level": str(oracle.level)
    }  # fmt: skip
