"""`matgym export --to nomad`: an archive of designs that NOMAD takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matgym.cli.console import print_left_out, print_note, print_result, progress, split_names
from matgym.errors import ConfigurationError
from matgym.files import check_output

if TYPE_CHECKING:
    from matgym.data.publishing import Published
    from matgym.structures.io import Reading

ARCHIVE: Final = "nomad.zip"
"""Name of the archive in the output folder."""


def export_to_nomad(
    design: str,
    output: Path,
    reading: "Reading",
    properties: str,
    licence: str,
    comment: str,
    references: Sequence[str],
    *,
    force: bool,
    json: bool,
) -> None:
    """Write the archive of a tube, or of all rows of a table; arguments are those of `matgym export`.

    Raises:
        ConfigurationError: if properties are asked of a table, whose values are those of its columns.
    """
    from matgym.data.publishing import published, write_nomad_archive

    is_table = design.endswith(".parquet")
    if is_table and properties:
        raise ConfigurationError(
            f"--properties {properties} has no effect on {design}: a table is exported with the values of its columns"
        )
    archive = output / ARCHIVE
    check_output(output, folder=True)
    check_output(archive, force=force, inputs=[Path(design)])
    notes: tuple[str, ...] = ()
    if is_table:
        table = published(design)
    else:
        table, notes = _of_tube(design, reading, split_names(properties))
    files = write_nomad_archive(archive, table, licence=licence, comment=comment, references=references)
    licence = licence or table.licence
    left_out = {f"row {row}": reason for row, reason in table.rejected.items()}
    if not licence:
        notes = (*notes, "no licence is stated: give --licence, such as CC-BY-4.0, under which NOMAD publishes")
    said = f"{len(table.entries)} entries in {archive}: upload it at https://nomad-lab.eu, under PUBLISH / Uploads."
    content = {
        "archive": str(archive), "entries": len(table.entries), "files": files, "licence": licence,
        "left_out": left_out, "notes": list(notes),
    }  # fmt: skip
    print_result(content, lines=[said], json=json)
    if not json:
        print_left_out("Left out", table.rejected)
        for note in notes:
            print_note("Note", "yellow", note)


def _of_tube(design: str, reading: "Reading", names: Sequence[str]) -> "tuple[Published, tuple[str, ...]]":
    """Return the table of one tube, with the coordinates of its file and the properties that physics computes now."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from matgym.data import Dataset
    from matgym.data.publishing import published_table
    from matgym.models import Predictions
    from matgym.physics.registry import judge_of, parse_properties, predict
    from matgym.structures.io import parse_structure

    read = parse_structure(design, reading)
    tube = read.periodic(design)
    oracles = {prop.key: judge_of(prop.key) for prop in parse_properties(names)} if names else {}
    values = Predictions({})
    if oracles:
        levels = {key: oracle.level for key, oracle in oracles.items()}
        with progress() as show:
            values = predict(
                [tube], list(oracles), level=levels, atoms=[read.own_coordinates],
                on_oracle=lambda name, done, total: show("physics", done, total, name),
            )  # fmt: skip
    made = Dataset.of([tube], values, oracles, command=f"matgym export {design} --to nomad")
    table = published_table(made.table, str(tube), datetime.now(UTC))
    if read.is_ideal:
        return table, read.notes
    atoms = read.upright()
    (entry,) = table.entries
    entry = replace(entry, cell=atoms.cell.array, positions=atoms.positions, numbers=atoms.numbers)
    return replace(table, entries=(entry,)), read.notes
