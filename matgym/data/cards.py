"""Data cards: what a table holds, where it is from and under which licence, in the words of MLCommons' Croissant.

A card is JSON-LD with the context and the required properties of the Croissant format 1.0
(https://docs.mlcommons.org/croissant/docs/croissant-spec.html), so that tools for Croissant read the table by it. What
Croissant has no words for, such as rejected rows, has names with the prefix "matgym:".
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data.columns import Column, Kind, columns_of, licence_of, provenance_of
from matgym.files import write_json
from matgym.version import __version__

SUFFIX: Final = ".card.json"
"""What replaces the suffix of a table in the name of its card."""

MATGYM: Final = "https://github.com/matgym/matgym"

MOST_REJECTED: Final = 1000
"""Most rejected rows whose reasons a card lists; it counts all of them. A choice of ours."""

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"

CONTEXT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataBiases": "cr:dataBiases",
        "dataCollection": "cr:dataCollection",
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "equivalentProperty": "cr:equivalentProperty",
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "extract": "cr:extract",
        "field": "cr:field",
        "fileObject": "cr:fileObject",
        "fileProperty": "cr:fileProperty",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "matgym": f"{MATGYM}#",
        "matgym:levels": {"@id": "matgym:levels", "@type": "@json"},
        "matgym:provenance": {"@id": "matgym:provenance", "@type": "@json"},
        "matgym:query": {"@id": "matgym:query", "@type": "@json"},
        "matgym:rejected": {"@id": "matgym:rejected", "@type": "@json"},
        "md5": "cr:md5",
        "parentField": "cr:parentField",
        "path": "cr:path",
        "personalSensitiveInformation": "cr:personalSensitiveInformation",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform",
    }
)
"""The context that the specification recommends, with the prefix of matgym."""

_TYPES: Final[Mapping[Kind, str]] = {
    "float": "sc:Float",
    "integer": "sc:Integer",
    "boolean": "sc:Boolean",
    "string": "sc:Text",
    "list": "sc:Text",
}


@dataclass(frozen=True)
class CardFacts:
    """What a table itself does not say.

    Attributes:
        name: name of the data.
        description: what the data are, in a sentence.
        licence: licence, as an SPDX identifier such as "CC-BY-4.0" or a URL; empty if it is not known.
        source: who the data are from: a URL, or the name of a provider.
        creator: who made the data.
        version: version of the data, or of the provider's database, such as "2026.1".
        query: what was asked of the provider.
        created: when the data were fetched or computed.
        cite_as: how the data are cited, in BibTeX or words.
        rejected: reasons why rows were left out, by identifier.
    """

    name: str
    description: str
    licence: str = ""
    source: str = MATGYM
    creator: str = ""
    version: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    created: datetime | None = None
    cite_as: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, provenance: Mapping[str, Any], rejected: Mapping[str, str] = MappingProxyType({})) -> Self:
        """Return what a provenance says: that of a fetched table, or of a data set of matgym.

        Args:
            name: name of the data.
            provenance: provenance, as `matgym.data.columns.provenance_of` gives it.
            rejected: reasons why rows were left out, by identifier.
        """
        if "source" not in provenance:
            return cls(name, f"Structures of {name}, made by: {provenance.get('command', 'an unknown command')}.")
        source = str(provenance.get("database") or provenance["source"])
        try:
            fetched = datetime.fromisoformat(str(provenance.get("fetched")))
        except ValueError:
            fetched = None
        return cls(
            name,
            f"Structures from {source}.",
            licence_of(provenance),
            str(provenance.get("url") or source),
            source,
            str(provenance.get("version", "")),
            provenance.get("query", {}),
            fetched,
            rejected=rejected,
        )


def card_of(table: pa.Table, facts: CardFacts, file: Path | None = None) -> dict[str, Any]:
    """Return the card of a table.

    Args:
        table: the table, whose fields carry unit and description.
        facts: what the table does not say.
        file: the Parquet file that holds the table, for its size and hash; None if there is none yet.
    """
    created = (facts.created or datetime.now(UTC)).isoformat(timespec="seconds")
    columns = columns_of(table.schema)
    parquet = f"{facts.name}.parquet" if file is None else file.name
    url = facts.source if facts.source.startswith(("http://", "https://")) else MATGYM
    levels = {
        column.name.removesuffix(".level"): sorted({each for each in table.column(column.name).to_pylist() if each})
        for column in columns
        if column.name.endswith(".level")
    }
    optional = {
        "license": licence_url(facts.licence),
        "citeAs": facts.cite_as,
        "version": facts.version,
        "matgym:providerVersion": facts.version,
        "matgym:query": dict(facts.query),
        "matgym:levels": levels,
        "matgym:provenance": provenance_of(table.schema),
    }
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": facts.name,
        "description": facts.description,
        "url": url,
        "creator": {"@type": "sc:Organization", "name": facts.creator or facts.source},
        "datePublished": created,
        "dateCreated": created,
        "isBasedOn": facts.source,
        **{name: value for name, value in optional.items() if value},
        "matgym:version": __version__,
        "matgym:rows": table.num_rows,
        "matgym:rejectedRows": len(facts.rejected),
        "matgym:rejected": dict(list(facts.rejected.items())[:MOST_REJECTED]),
        "distribution": [_file(parquet, file)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": "one record for each structure",
                **({"key": {"@id": f"rows/{key}"}} if (key := _key(table)) else {}),
                "field": [_field(column, table, parquet) for column in columns],
            }
        ],
    }


def write_card(path: Path | str, facts: CardFacts) -> Path:
    """Write the card of a Parquet file beside it, as NAME.card.json, atomically; return its path.

    Args:
        path: the Parquet file.
        facts: what the table does not say.
    """
    file = Path(path)
    card = card_path(file)
    write_json(card, card_of(pq.ParquetFile(file).read(), facts, file))
    return card


def card_path(file: Path) -> Path:
    """Return the path of the card of a Parquet file."""
    return file.parent / (file.name.removesuffix(".parquet") + SUFFIX)  # a folder has no name; it is refused elsewhere


def licence_url(licence: str) -> str:
    """Return the URL of a licence; that of SPDX for an identifier."""
    return f"https://spdx.org/licenses/{licence}.html" if licence and "://" not in licence else licence


def _file(name: str, file: Path | None) -> dict[str, Any]:
    described = {"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name}
    described["encodingFormat"] = "application/x-parquet"
    if file is not None:
        described["contentSize"] = f"{file.stat().st_size} B"
        with file.open("rb") as content:
            described["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
    return described


def _key(table: pa.Table) -> str:
    """Return the name of the column that identifies rows; empty if there is none."""
    for name in ("id", "key"):
        if name in table.column_names and len(table.column(name).unique()) == table.num_rows:
            return name
    return ""


def _field(column: Column, table: pa.Table, parquet: str) -> dict[str, Any]:
    repeated = {"repeated": True} if pa.types.is_nested(table.schema.field(column.name).type) else {}
    unit = {} if column.unit == "1" else {"matgym:unit": column.unit}
    described = column.description or f"column {column.name}, which has no description"
    return {
        "@type": "cr:Field",
        "@id": f"rows/{column.name}",
        "name": column.name,
        "description": described if column.unit == "1" else f"{described}; unit: {column.unit}",
        "dataType": _field_type(column, table),
        **repeated,
        **unit,
        "matgym:count": table.num_rows - table.column(column.name).null_count,
        "source": {"fileObject": {"@id": parquet}, "extract": {"column": column.name}},
    }


def _field_type(column: Column, table: pa.Table) -> str:
    """Return the type of the values of a column, or of what its lists hold."""
    if column.kind != "list":
        return _TYPES[column.kind]
    inner = table.schema.field(column.name).type
    while pa.types.is_nested(inner) and hasattr(inner, "value_type"):
        inner = inner.value_type
    return _TYPES[columns_of(pa.schema([pa.field("n", inner)]))[0].kind]
