"""What the columns of tables mean: unit, description and kind, from the metadata of Arrow fields.

A field holds its unit and its description under the keys `UNIT` and `DESCRIPTION`. Tables that matgym wrote before have
none; the columns of its own data sets are then described by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from matgym.files import parse_json
from matgym.models import unit_of

UNIT: Final = b"unit"
DESCRIPTION: Final = b"description"

PROVENANCE: Final = b"matgym"
"""Key of the provenance of matgym's own data sets in the metadata of a schema, as JSON."""

FETCHED: Final = b"matgym.source"
"""Key of the provenance and of the rejected rows of fetched tables in the metadata of a schema, as JSON."""

PARQUET: Final = ".parquet"
"""End of the names of tables."""

UNKNOWN_LICENCE: Final = "unknown"
"""What a fetched table states if its source states no licence."""

Kind: TypeAlias = Literal["float", "integer", "boolean", "string", "list"]

TUBE_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "key": ("1", "hash of the tube, equal for all rotated and mirrored copies"),
    "sample": ("1", "number of the sample that was drawn; negative for tubes that a search proposed"),
    "split": ("1", "part of the data set: train, validation, test, or a family that no training sees"),
    "n": ("1", "first chiral index"),
    "m": ("1", "second chiral index"),
    "cells": ("1", "number of translational unit cells"),
    "strain": ("1", "axial strain, a fraction"),
    "torsion": ("1", "shear strain of the twist, a fraction"),
    "species": ("1", "species of each lattice site, in raster order"),
    "turned": ("1", "numbers of the turned (Stone-Wales) bonds, as rows of TubeLattice.bonds"),
}
"""Unit and description of the columns of `matgym.data.table` that hold no labels."""

CRYSTAL_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "id": ("1", "identifier of the row at its source"),
    "formula": ("1", "chemical formula"),
    "cell": ("Å", "coordinates of the three cell vectors, in turn"),
    "fractional": ("1", "three fractional coordinates of each atom"),
    "numbers": ("1", "atomic number of each atom"),
    "occupancies": ("1", "occupancy of each atom"),
    "periodic": ("1", "whether the structure is periodic along each cell vector"),
    "url": ("1", "page of the row at its source"),
    "modified": ("1", "when the source changed the row"),
}
"""Unit and description of the columns of fetched tables that hold no properties."""

_SUFFIXES: Final = {
    ".level": "level of the model that computed {}",
    ".failure": "why there is no value of {}",
    ".method": "method that computed {}",
    ".predicted": "prediction of {} by a surrogate",
    ".half_width": "half the width of the interval that holds {} in 90 % of cases, by a surrogate",
}
"""Descriptions of the columns that say something of another column."""

_NUMERIC: Final = (".predicted", ".half_width")
"""Suffixes of columns in the unit of the column that they belong to."""


@dataclass(frozen=True)
class Column:
    """The meaning of a column.

    Attributes:
        name: name of the column.
        kind: kind of its values.
        unit: unit as printed; "1" for numbers without one, and for text.
        description: one line; empty if nothing is known.
    """

    name: str
    kind: Kind
    unit: str = "1"
    description: str = ""


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the meaning of each column of a schema."""
    return tuple(Column(field.name, _kind(field.type), *_meaning(field)) for field in schema)


def described(schema: pa.Schema) -> pa.Schema:
    """Return the schema with unit and description in the metadata of each field of which they are known."""
    return pa.schema(
        [
            field.with_metadata({**(field.metadata or {}), UNIT: unit.encode(), DESCRIPTION: text.encode()})
            for field, (unit, text) in ((field, _meaning(field)) for field in schema)
        ],
        schema.metadata,
    )


def provenance_of(schema: pa.Schema) -> dict[str, Any]:
    """Return the provenance in the metadata of a schema; empty if there is none.

    Raises:
        FormatError: if it is not valid JSON.
    """
    if (schema.metadata or {}).get(PROVENANCE):
        return _json(schema, PROVENANCE)
    found = _json(schema, FETCHED).get("provenance", {})
    return found if isinstance(found, dict) else {}


def licence_of(provenance: Mapping[str, Any]) -> str:
    """Return the licence that a provenance states, as an SPDX identifier or a URL; empty if it states none."""
    stated = str(provenance.get("licence", ""))
    return "" if stated == UNKNOWN_LICENCE else stated


def rejected_of(schema: pa.Schema) -> dict[str, str]:
    """Return the reasons why rows were kept out of a fetched table, by identifier; empty for other tables.

    Raises:
        FormatError: if the metadata of the schema is not valid JSON.
    """
    return {str(name): str(reason) for name, reason in _json(schema, FETCHED).get("rejected", [])}


def _json(schema: pa.Schema, key: bytes) -> dict[str, Any]:
    text = (schema.metadata or {}).get(key)
    content = parse_json(text, "the provenance of the table") if text else {}
    return content if isinstance(content, dict) else {}


def base_of(name: str, names: Iterable[str]) -> tuple[str, str]:
    """Return the column that a column says something of, and the suffix; the column itself and "" for any other."""
    base, dot, ending = name.rpartition(".")
    return (base, dot + ending) if dot and dot + ending in _SUFFIXES and base in set(names) else (name, "")


def _meaning(field: pa.Field) -> tuple[str, str]:
    """Return unit and description of a field: those of its metadata, or by its name."""
    held = field.metadata or {}
    if DESCRIPTION in held:
        return held.get(UNIT, b"1").decode(), held[DESCRIPTION].decode()
    if known := TUBE_COLUMNS.get(field.name) or CRYSTAL_COLUMNS.get(field.name):
        return known
    base, dot, ending = field.name.rpartition(".")
    if dot and dot + ending in _SUFFIXES:
        unit = _property(base)[0] if dot + ending in _NUMERIC else "1"
        return unit, _SUFFIXES[dot + ending].format(base)
    return _property(field.name)


def _property(key: str) -> tuple[str, str]:
    """Return unit and description of a property; no description for a key that no physics of matgym computes."""
    from matgym.physics.geometry import Geometry
    from matgym.physics.registry import PROPERTIES_BY_KEY  # imports the oracles, which takes seconds

    known = PROPERTIES_BY_KEY.get(key) or {prop.key: prop for prop in Geometry.properties}.get(key)
    return (unit_of(key), "") if known is None else (known.unit, known.description)


def _kind(kind: pa.DataType) -> Kind:
    types = pa.types
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind):
        return "float"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_binary(kind):
        return "list"
    return "string"
