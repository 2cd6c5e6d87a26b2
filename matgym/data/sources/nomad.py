"""NOMAD's own interface (https://nomad-lab.eu/prod/v1/api/v1), also that of an Oasis.

`entries/query` says how many entries there are. Its index holds no coordinates, so that pages come from
`entries/archive/query`, which takes the same queries. Values of archives are in SI units.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from typing_extensions import override

from matgym.data.sources.base import Page, Row
from matgym.data.sources.entries import Entry
from matgym.data.sources.properties import Field, OutsideProperty, at, number
from matgym.data.sources.query import Query
from matgym.data.sources.sites import structure_of
from matgym.data.sources.web import WebSource
from matgym.errors import RowError
from matgym.units import CHARGE_C

URL: Final = "https://nomad-lab.eu/prod/v1/api/v1"

LICENCE: Final = "CC-BY-4.0"
"""Licence of the public data of NOMAD; entries name it as well."""

ALL: Final = "*"
"""What asks for a whole part of an archive."""

BANDS: Final = "results.properties.electronic.band_structure_electronic"

_METADATA: Final = ("entry_id", "last_processing_time", "optimade")
_METHOD: Final = "results.method.simulation"


@dataclass(frozen=True)
class Nomad(WebSource):
    """NOMAD. An entry is a calculation, so that there may be many of one material.

    Attributes:
        page_rows: entries in a page. An entry with all that is asked for is large.
    """

    page_rows: int = 100
    name: ClassVar[str] = "nomad"

    @property
    @override
    def fields(self) -> Mapping[str, Field]:
        return {"band_gap": Field(BANDS)}  # several numbers: see `_band_gap_ev`

    @property
    @override
    def title(self) -> str:
        return "NOMAD"

    @property
    @override
    def base(self) -> str:
        given = (self.url or URL).rstrip("/")
        return given if given.endswith("/api/v1") else f"{given}/api/v1"

    @override
    def about(self) -> dict[str, str]:
        version = at(self.client.get(f"{self.base}/info"), "version")
        if not isinstance(version, str):
            raise self.changed("text 'version'")
        return {"version": f"NOMAD {version}", "licence": LICENCE}

    @override
    def columns(self, query: Query) -> tuple[OutsideProperty, ...]:
        return tuple(
            each if each.unit else OutsideProperty(each.name, "SI", "Quantity of NOMAD's archive, in SI units.")
            for each in super().columns(query)
        )

    @override
    def count(self, query: Query) -> int | None:
        body = {"owner": "public", "query": query_of(query), "pagination": {"page_size": 0}}
        return self._total(self.client.post(f"{self.base}/entries/query", body))

    @override
    def pages(self, query: Query, cursor: str | None) -> Iterator[Page]:
        rows = min(self.page_rows, query.limit or self.page_rows)
        paths = [f"metadata.{name}" for name in _METADATA]
        paths += [each.path for each in self.chosen(query).values()] + [_METHOD] * bool(query.properties)
        pagination: dict[str, Any] = {"page_size": rows, "order_by": "entry_id", "order": "asc"}
        body = {"owner": "public", "query": query_of(query), "pagination": pagination, "required": _required(paths)}
        while True:
            if cursor is not None:
                pagination["page_after_value"] = cursor
            answer = self.client.post(f"{self.base}/entries/archive/query", body)
            found = self.listed(answer, "data")
            following = at(answer, "pagination.next_page_after_value")
            cursor = following if isinstance(following, str) and found else None
            yield Page(found, cursor, self._total(answer))
            if cursor is None:
                return

    @override
    def label(self, row: Row) -> str:
        found = at(row, "entry_id") or at(row, "archive.metadata.entry_id")
        return found if isinstance(found, str) else ""

    @override
    def entry(self, row: Row, query: Query) -> Entry:
        archive = at(row, "archive")
        known = at(archive, "metadata.optimade")
        if not isinstance(known, dict):
            raise RowError("it has no structure (metadata.optimade)")
        types = known.get("dimension_types")
        if isinstance(types, int):  # as older entries have it
            known = known | {"dimension_types": [1] * types + [0] * (3 - types)}
        crystal, periodic = structure_of(known)
        values, methods = self.read_values(archive, query, len(known["species_at_sites"]))
        name, changed = self.label(row), at(archive, "metadata.last_processing_time")
        address = f"{self.base.removesuffix('/api/v1')}/gui/entry/id/{name}"
        return Entry(name, crystal, periodic, values, methods, address, changed if isinstance(changed, str) else "")

    @override
    def read_values(self, row: Row, query: Query, atoms: int) -> tuple[dict[str, float], dict[str, str]]:
        values: dict[str, float] = {}
        for name, field in self.chosen(query).items():
            value = _band_gap_ev(at(row, BANDS)) if field.path == BANDS else field.read(row, atoms)
            if value is not None:
                values[name] = value
        return values, dict.fromkeys(values, _method(at(row, _METHOD)))

    def _total(self, answer: Any) -> int | None:
        total = at(answer, "pagination.total")
        if not isinstance(total, int) or total < 0:
            raise self.changed("number 'pagination.total'")
        return total


def query_of(query: Query) -> dict[str, Any]:
    """Return the query in NOMAD's form: {"results.material.elements:all": ["B", "N"], …}."""
    low, high = query.atoms or (1, None)
    bounds = {"gte": low} | ({"lte": high} if high else {})
    asked: dict[str, Any] = {"processed": True, "optimade.nsites": bounds}
    if query.formulas:
        asked["results.material.chemical_formula_reduced:any"] = list(query.formulas)
    if query.elements:
        asked["results.material.elements:all"] = list(query.elements)
    if query.ids:
        asked["entry_id:any"] = list(query.ids)
    if query.periodic is not None:
        asked["optimade.nperiodic_dimensions"] = query.periodic
    return asked


def _required(paths: list[str]) -> dict[str, Any]:
    """Return what is asked for of an archive: "a.b" → {"a": {"b": "*"}}. Numbers in paths count in lists."""
    tree: dict[str, Any] = {}
    for path in paths:
        *outer, last = [part for part in path.split(".") if not part.isdigit()]
        place = tree
        for part in outer:
            place = place.setdefault(part, {})
            if place == ALL:
                break
        else:
            place[last] = ALL
    return tree


def _band_gap_ev(bands: Any) -> float | None:
    """Return the band gap of a band structure, eV: between the edges of all spin channels, where they are known.

    Raises:
        RowError: if it is no number.
    """
    for each in bands if isinstance(bands, list) else [bands]:
        channels = each.get("band_gap") if isinstance(each, dict) else None
        channels = channels if isinstance(channels, list) else [channels]
        edges = [
            (
                number(at(one, "energy_highest_occupied"), "band edge"),
                number(at(one, "energy_lowest_unoccupied"), "band edge"),
            )
            for one in channels
        ]
        tops, bottoms = [top for top, _ in edges if top is not None], [low for _, low in edges if low is not None]
        gaps = [gap for one in channels if (gap := number(at(one, "value"), "band_gap")) is not None]
        if len(tops) == len(bottoms) == len(channels):
            return max(0.0, min(bottoms) - max(tops)) / CHARGE_C
        if gaps:
            return min(gaps) / CHARGE_C
    return None


def _method(simulation: Any) -> str:
    """Return program and functional: "VASP 5.4.4, GGA_C_PBE GGA_X_PBE"."""
    program = " ".join(str(each) for name in ("program_name", "program_version") if (each := at(simulation, name)))
    names = at(simulation, "dft.xc_functional_names")
    functional = " ".join(map(str, names)) if isinstance(names, list) else ""
    return ", ".join(filter(None, [program[:80], functional[:80]]))
