"""Archives that NOMAD takes: a zip with an entry, structure files and the provenance of each value for every structure.

Followed: "How to upload and publish data" (files, and user metadata in `nomad.yaml`) and "How to write a schema" (files
that end in `.archive.json`, with `definitions` and `data`) of NOMAD's documentation,
https://nomad-lab.eu/prod/v1/docs/howto/manage/upload.html and https://nomad-lab.eu/prod/v1/docs/howto/customization/basics.html.

Every entry holds its own schema, so that it does not depend on the order in which NOMAD processes files.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from matgym.data.columns import Column, Kind, base_of
from matgym.data.publishing.entries import Published, PublishedEntry, unique
from matgym.data.publishing.optimade import anonymous_formula, optimade_fields
from matgym.errors import ConfigurationError
from matgym.files import write_bytes
from matgym.version import __version__

METADATA: Final = "nomad.yaml"
"""Name of the file of metadata in an upload."""

MOST_ENTRIES: Final = 10_000
"""Most structures in an archive. A choice of ours."""

METRES: Final = 1e-10
"""Metres in an ångström."""

LONGEST_NAME: Final = 100
"""Longest part of an identifier in the name of a folder. A choice of ours."""

_SECTION: Final = "Design"

_TYPES: Final[Mapping[Kind, str]] = {
    "float": "np.float64",
    "integer": "int",
    "boolean": "bool",
    "string": "str",
    "list": "str",
}

_STRUCTURAL_TYPES: Final = ("molecule / cluster", "1D", "2D", "bulk")
"""NOMAD's words for the number of periodic directions."""

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""Time of files in the archive, which is the same for the same table: the earliest that a zip can hold."""

_HOMEPAGE: Final = "https://github.com/matgym/matgym"


def write_nomad_archive(
    path: Path,
    table: Published,
    *,
    licence: str = "",
    comment: str = "",
    references: Sequence[str] = (),
    models: Mapping[str, str] | None = None,
) -> list[str]:
    """Write a zip that can be uploaded to NOMAD, atomically; return the names of the files in it.

    Args:
        path: path of the zip.
        table: the structures with their values.
        licence: licence, as an SPDX identifier or a URL; empty for that of the table. NOMAD publishes under CC BY 4.0,
            whatever is written here.
        comment: comment on the upload.
        references: URLs, such as that of a paper.
        models: what computed each property, by column, with all its settings; by default what the table's provenance
            says.

    Raises:
        ConfigurationError: if there are too many structures, or a reference is no URL.
    """
    if len(table.entries) > MOST_ENTRIES:
        raise ConfigurationError(f"{len(table.entries):,} structures are more than {MOST_ENTRIES:,}: export fewer rows")
    for each in references:
        if not each.startswith(("http://", "https://")):
            raise ConfigurationError(f"reference {each!r} is no URL: give one such as https://doi.org/10.1000/1")
    licence = licence or table.licence
    said = dict(models if models is not None else table.provenance.get("oracles", {}))
    files = {METADATA: yaml.safe_dump(_upload(table, licence, comment, references), allow_unicode=True).encode()}
    folders = unique(re.sub(r"[^\w-]+", "_", entry.id)[:LONGEST_NAME] for entry in table.entries)
    for entry, folder in zip(table.entries, folders, strict=True):
        archive = _archive(entry, table.columns, licence, references, said)
        files[f"{folder}/{folder}.archive.json"] = json.dumps(archive, indent=1, ensure_ascii=False).encode()
        files |= {f"{folder}/{name}": content for name, content in _structure_files(entry)}
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    write_bytes(path, content.getvalue())
    return list(files)


def quantity_name(column: str) -> str:
    """Return the name of the quantity of a column, such as "gap_ev_level" for "gap_ev.level"."""
    return re.sub(r"\W+", "_", column).strip("_")


def nomad_unit(unit: str) -> str:
    """Return a unit as Pint reads it, which NOMAD uses; empty for pure numbers. "Per atom" is not a unit there."""
    text = unit.removesuffix("/atom").replace("µ", "micro").replace("Å", "angstrom")
    for symbol, name in (("microS", "microsiemens"), ("microV", "microvolt")):
        text = text.replace(symbol, name)
    text = re.sub(r"(?<=\w) (?=\w)", "*", text.replace("²", "**2").replace("⁻¹", "**-1"))
    return "" if text == "1" else text


def _upload(table: Published, licence: str, comment: str, references: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of the upload."""
    said = [comment or f"Structures of the table {table.name}", f"written by matgym {__version__}"]
    said += [f"licence: {licence}"] if licence else []
    return {"comment": "; ".join(said) + ".", "references": [*references, _HOMEPAGE]}


def _archive(
    entry: PublishedEntry, columns: Sequence[Column], licence: str, references: Sequence[str], models: Mapping[str, str]
) -> dict[str, Any]:
    """Return the archive of one entry: schema, data, and what NOMAD's search shows."""
    given = [column for column in columns if entry.values.get(column.name) is not None]
    label = str(entry.tube) if entry.tube is not None else f"{entry.reduced_formula} {entry.id}"
    periods = int(entry.periodic.sum())
    return {
        "definitions": {
            "name": "matgym",
            "sections": {
                "Computed": {
                    "quantities": {name: {"type": "str", "description": text} for name, text in _COMPUTED.items()}
                },
                _SECTION: {  # after what it refers to
                    "base_sections": ["nomad.datamodel.data.EntryData"],
                    "quantities": {quantity_name(column.name): _quantity(column) for column in given}
                    | {name: {"type": "str", "description": text} for name, text in _FACTS.items()},
                    "sub_sections": {"computed": {"section": "Computed", "repeats": True}},
                },
            },
        },
        "data": {
            "m_def": _SECTION,
            "name": label,
            "licence": licence or "not stated",
            "program": f"matgym {__version__}",
            **{quantity_name(column.name): _value(entry.values[column.name]) for column in given},
            "computed": list(_computed(entry, columns, models)),
        },
        "metadata": {"entry_name": label, "references": [*references, _HOMEPAGE]},
        "results": {
            "material": {
                "elements": list(entry.composition),
                "chemical_formula_descriptive": entry.hill_formula,
                "chemical_formula_hill": entry.hill_formula,
                "chemical_formula_reduced": entry.reduced_formula,
                "chemical_formula_anonymous": anonymous_formula(entry),
                "structural_type": _STRUCTURAL_TYPES[periods],
                "dimensionality": f"{periods}D",
            },
            "properties": {"structures": {"structure_original": _structure(entry)}},
        },
    }


def _structure(entry: PublishedEntry) -> dict[str, Any]:
    """Return the structure as NOMAD's results have it: the fields of OPTIMADE, with lengths in metres.

    A species has one mass there, so those of mixed sites have none.
    """
    fields = optimade_fields(entry)
    species = [
        {name: value for name, value in each.items() if name != "mass"}
        | ({"mass": each["mass"][0]} if len(each["mass"]) == 1 else {})
        for each in fields["species"]
    ]
    return {
        "dimension_types": fields["dimension_types"],
        "species_at_sites": fields["species_at_sites"],
        "species": species,
        **{
            name: (METRES * np.array(fields[name])).tolist() for name in ("lattice_vectors", "cartesian_site_positions")
        },
    }


_FACTS: Final = {
    "name": "name of the structure",
    "licence": "licence under which the structure and its values may be used",
    "program": "program that wrote this entry",
}

_COMPUTED: Final = {
    "quantity": "name of a quantity of this entry",
    "unit": "its unit, as matgym prints it",
    "level": "level of the model that computed it",
    "model": "the model with all its settings",
    "failure": "why there is no value",
}


def _quantity(column: Column) -> dict[str, Any]:
    unit = nomad_unit(column.unit)
    return {
        "type": _TYPES[column.kind],
        "description": column.description or f"column {column.name}, which has no description",
        **({"unit": unit} if unit else {}),
    }


def _value(value: Any) -> Any:
    """Return a value as its quantity holds it: lists are text with commas."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _computed(entry: PublishedEntry, columns: Sequence[Column], models: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield, for each computed value, which model at which level gave it, or why there is none."""
    names = [column.name for column in columns]
    for column in columns:
        level = entry.values.get(f"{column.name}.level") or entry.values.get(f"{column.name}.method")
        failure = entry.values.get(f"{column.name}.failure")
        if base_of(column.name, names)[1] or not (level or failure):
            continue
        facts = {
            "quantity": quantity_name(column.name), "unit": column.unit, "level": level, "failure": failure,
            "model": models.get(column.name),
        }  # fmt: skip
        yield {name: str(value) for name, value in facts.items() if value}


def _structure_files(entry: PublishedEntry) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of structure files: extended XYZ, which stores isotopes, and CIF."""
    from ase import Atoms
    from ase.io import write

    atoms = Atoms(entry.numbers, entry.positions, cell=entry.cell, pbc=entry.periodic, masses=entry.masses)
    if bool((entry.occupancies < 1.0).any()):
        atoms.set_array("occupancy", entry.occupancies)
    text = StringIO()
    columns = ["symbols", "positions", "masses", *(["occupancy"] if "occupancy" in atoms.arrays else [])]
    write(text, atoms, format="extxyz", columns=columns)
    yield "structure.extxyz", text.getvalue().encode()
    if "occupancy" not in atoms.arrays:  # ASE writes full occupancies only
        cif = BytesIO()
        write(cif, atoms, format="cif")
        yield "structure.cif", cif.getvalue()
