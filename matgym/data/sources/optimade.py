"""Any provider with an OPTIMADE interface (https://www.optimade.org), version 1 of the specification."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

from typing_extensions import override

from matgym.data.columns import UNKNOWN_LICENCE
from matgym.data.sources.base import Page, Row
from matgym.data.sources.entries import Entry
from matgym.data.sources.http import same_host
from matgym.data.sources.properties import Field, at
from matgym.data.sources.providers import PROVIDERS
from matgym.data.sources.query import Query
from matgym.data.sources.sites import structure_of
from matgym.data.sources.web import WebSource
from matgym.errors import ConfigurationError, RowError

STRUCTURE_FIELDS: Final = (
    "chemical_formula_reduced", "cartesian_site_positions", "dimension_types", "last_modified", "lattice_vectors",
    "species", "species_at_sites", "structure_features",
)  # fmt: skip

_VERSION: Final = re.compile(r"/v1(\.\d+)*(/structures)?$")


@dataclass(frozen=True)
class Optimade(WebSource):
    """A provider with an OPTIMADE interface.

    Attributes:
        provider: a name of `PROVIDERS`; empty if there is an address.
        page_rows: rows in a page. Providers have different upper bounds.

    Raises:
        ConfigurationError: if there is no such provider, or neither a provider nor an address.
    """

    provider: str = ""
    page_rows: int = 100
    name: ClassVar[str] = "optimade"

    @override
    def __post_init__(self) -> None:
        if self.provider and self.provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            raise ConfigurationError(
                f"there is no provider {self.provider!r}: choose from {known}, or give an address (url, --url)"
            )
        if not self.provider and not self.url:
            raise ConfigurationError(f"OPTIMADE needs a provider ({', '.join(PROVIDERS)}) or an address (url, --url)")
        super().__post_init__()

    @property
    @override
    def fields(self) -> Mapping[str, Field]:
        return PROVIDERS[self.provider].fields if self.provider else {}

    @property
    @override
    def base(self) -> str:
        return _VERSION.sub("", (self.url or PROVIDERS[self.provider].url).rstrip("/"))

    @property
    @override
    def title(self) -> str:
        return f"the OPTIMADE provider {self.provider}" if self.provider else "the OPTIMADE provider"

    @property
    @override
    def identity(self) -> dict[str, str]:
        return {"provider": self.provider or urlsplit(self.base).netloc.rpartition("@")[2], "url": self.base}

    @override
    def about(self) -> dict[str, str]:
        answer = self.client.get(f"{self.base}/v1/info")
        version = at(answer, "data.attributes.api_version")
        if not isinstance(version, str):
            raise self.changed("text 'data.attributes.api_version'")
        database = at(answer, "meta.provider.name")
        known = PROVIDERS[self.provider].licence if self.provider else UNKNOWN_LICENCE
        found = {"version": f"OPTIMADE {version}", "licence": _licence(answer) or known}
        return found | ({"database": database} if isinstance(database, str) else {})

    @override
    def count(self, query: Query) -> int | None:
        return _total(self.client.get(self._first(query, 1, "id")))

    @override
    def pages(self, query: Query, cursor: str | None) -> Iterator[Page]:
        # The provider's own fields may lie within others, and are asked for by the outermost one.
        own = dict.fromkeys(each.path.split(".")[0] for each in self.chosen(query).values())
        rows = min(self.page_rows, query.limit or self.page_rows)
        following: str | None = cursor or self._first(query, rows, ",".join((*STRUCTURE_FIELDS, *own)))
        while following is not None:
            answer = self.client.get(following)
            found = self.listed(answer, "data")
            following = self._next(answer, following)
            yield Page(found, following, _total(answer))

    @override
    def label(self, row: Row) -> str:
        found = row.get("id") if isinstance(row, Mapping) else None
        return str(found) if isinstance(found, str | int) else ""

    @override
    def entry(self, row: Row, query: Query) -> Entry:
        known = row.get("attributes")
        if not isinstance(known, dict):
            raise RowError("it has no attributes")
        crystal, periodic = structure_of(known)
        values, methods = self.read_values(known, query, len(known["species_at_sites"]))
        name, modified = self.label(row), known.get("last_modified")
        address = f"{self.base}/v1/structures/{quote(name, safe='')}"
        return Entry(name, crystal, periodic, values, methods, address, modified if isinstance(modified, str) else "")

    def _first(self, query: Query, rows: int, fields: str) -> str:
        """Return the address of the first page."""
        asked = {"filter": filter_of(query), "page_limit": str(rows), "response_fields": fields}
        return f"{self.base}/v1/structures?" + urlencode({name: text for name, text in asked.items() if text})

    def _next(self, answer: Any, here: str) -> str | None:
        """Return the address of the next page: some providers give it as text, some in a mapping."""
        link = at(answer, "links.next")
        if isinstance(link, dict):
            link = link.get("href")
        if link is None or link == "":
            return None
        if not isinstance(link, str):
            raise self.changed("address in 'links.next'")
        return same_host(urljoin(here, link), self.base, self.title)


def filter_of(query: Query) -> str:
    """Return the OPTIMADE filter of a query: BN, at most 4 atoms → chemical_formula_reduced="BN" AND nsites<=4."""
    parts = [_any("chemical_formula_reduced", query.formulas), _any("id", query.ids)]
    if query.elements:
        parts.append("elements HAS ALL " + ",".join(map(_quoted, query.elements)))
    if query.atoms is not None:
        parts.append(f"nsites>={query.atoms[0]} AND nsites<={query.atoms[1]}")
    if query.periodic is not None:
        parts.append(f"nperiodic_dimensions={query.periodic}")
    return " AND ".join(filter(None, parts))


def _any(field: str, values: tuple[str, ...]) -> str:
    alternatives = " OR ".join(f"{field}={_quoted(value)}" for value in values)
    return f"({alternatives})" if len(values) > 1 else alternatives


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _total(answer: Any) -> int | None:
    total = at(answer, "meta.data_returned")
    return total if isinstance(total, int) and total >= 0 else None


def _licence(answer: Any) -> str:
    """Return the licence that an interface states: names of SPDX, an address, or nothing."""
    names = at(answer, "data.attributes.available_licenses_for_entries") or at(
        answer, "data.attributes.available_licenses"
    )
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return ", ".join(names)
    stated = at(answer, "data.attributes.license")
    stated = stated.get("href") if isinstance(stated, dict) else stated
    return stated if isinstance(stated, str) else ""
