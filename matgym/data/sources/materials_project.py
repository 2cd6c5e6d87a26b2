"""Materials Project, by its own client, mp-api.

A page is fetched in two steps. Materials Project lists the identifiers, in their order, and then gives the documents of
the next identifiers. A cursor is a place in the list of identifiers.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from matgym.data.sources.base import Page, Row
from matgym.data.sources.entries import Entry
from matgym.data.sources.mp_client import ENDPOINT, NAME, PAGES, Collection, MpApi
from matgym.data.sources.properties import Field, at
from matgym.data.sources.query import Query
from matgym.data.sources.sites import crystal_of_pymatgen
from matgym.data.sources.web import WebSource
from matgym.errors import ConfigurationError, FetchError, RowError, require_within

THERMO_TYPES: Final = ("GGA_GGA+U_R2SCAN", "GGA_GGA+U", "R2SCAN")
"""Mixing schemes of energies; the first is mp-api's default. Energies of two schemes cannot be compared."""

THERMO: Final = "thermo."
"""Begin of the paths of fields in the documents of energies; all others are in the summary."""

MOST_IDS: Final = 100
"""Most identifiers in a request: some servers in between take no longer addresses."""

MOST_LISTED: Final = 1000
"""Most rows that Materials Project gives in an answer."""

FIELDS: Final = {
    "band_gap": Field("band_gap", method="DFT"),
    "formation_energy": Field(f"{THERMO}formation_energy_per_atom"),
    "energy_above_hull": Field(f"{THERMO}energy_above_hull"),
    "energy": Field(f"{THERMO}energy_per_atom"),
    "bulk_modulus": Field("bulk_modulus.vrh", method="DFT, Voigt–Reuss–Hill"),
    "shear_modulus": Field("shear_modulus.vrh", method="DFT, Voigt–Reuss–Hill"),
    "magnetization": Field("total_magnetization", method="DFT"),
}


@dataclass(frozen=True)
class MaterialsProject(WebSource):
    """Crystals of Materials Project with computed values.

    The key comes from the environment, `MP_API_KEY` or `PMG_MAPI_KEY`, and so does the address, `MP_API_ENDPOINT`, if
    `url` is empty. Energies come from the documents of one thermo type, which is stored with each value. The first
    question imports mp-api, which takes 20 s or more.

    Attributes:
        thermo_type: mixing scheme of the energies, one of `THERMO_TYPES`.
        gnome: whether structures of GNoME belong to the answer; their licence is CC BY-NC 4.0.
        page_rows: documents in a page, up to `MOST_IDS`.
        list_rows: identifiers in an answer that lists them, up to 1000.

    Raises:
        ConfigurationError: if a setting is impossible.
    """

    thermo_type: str = THERMO_TYPES[0]
    gnome: bool = False
    page_rows: int = MOST_IDS
    list_rows: int = MOST_LISTED
    name: ClassVar[str] = "mp"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.thermo_type not in THERMO_TYPES:
            raise ConfigurationError(f"thermo_type={self.thermo_type!r}: choose from {', '.join(THERMO_TYPES)}")
        require_within(1, MOST_IDS, page_rows=self.page_rows)
        require_within(1, MOST_LISTED, list_rows=self.list_rows)

    @property
    @override
    def title(self) -> str:
        return NAME

    @property
    @override
    def delay(self) -> str:
        return "imports mp-api, 20 s or more"

    @property
    @override
    def base(self) -> str:
        return (self.url or os.environ.get("MP_API_ENDPOINT") or ENDPOINT).rstrip("/")

    @property
    @override
    def fields(self) -> Mapping[str, Field]:
        return FIELDS

    @property
    @override
    def identity(self) -> dict[str, str]:
        gnome = "included" if self.gnome else "excluded"
        return {**super().identity, "thermo_type": self.thermo_type, "gnome": gnome}

    @override
    def about(self) -> dict[str, str]:
        licence = "CC BY 4.0" + (", and CC BY-NC 4.0 of the structures of GNoME" if self.gnome else "")
        return {"version": self._api.heartbeat[0], "licence": licence}

    @override
    def count(self, query: Query) -> int:
        return sum(self._api.count(each) for each in self._conditions(query))

    @override
    def pages(self, query: Query, cursor: str | None) -> Iterator[Page]:
        fields = self._fields(query)
        searches = self._conditions(query)
        totals = [self._api.count(each) for each in searches]
        ids = chain.from_iterable(map(self._listed, searches, totals))
        place, _, last = (cursor or "0:").partition(":")
        done, seen = int(place), set[str]()
        if done and list(islice(ids, done))[-1:] != [last]:
            raise FetchError(f"the list of materials of {NAME} has changed meanwhile: fetch it anew (--refresh)")
        chunk = list(islice(ids, self.page_rows))
        while chunk:
            following = list(islice(ids, self.page_rows))
            done += len(chunk)
            new = [each for each in dict.fromkeys(chunk) if each not in seen]
            seen |= set(new)
            found = self._documents(new, fields)
            # What is listed twice, or has no document, is a row without a structure.
            rows = [found.pop(each, {"material_id": each}) for each in chunk]
            yield Page(rows, f"{done}:{chunk[-1]}" if following else None, sum(totals))
            chunk = following

    @override
    def label(self, row: Row) -> str:
        return str(row["material_id"])

    @override
    def entry(self, row: Row, query: Query) -> Entry:
        crystal = crystal_of_pymatgen(row.get("structure"), np.ones(3, dtype=bool))
        values, _ = self.read_values(row, query, len(crystal.numbers))
        methods = {name: _method(row, where) for name, where in self.chosen(query).items() if name in values}
        modified = row.get("last_updated")
        return Entry(
            self.label(row),
            crystal,
            values=values,
            methods=methods,
            url=f"{PAGES}/materials/{self.label(row)}",
            modified=modified if isinstance(modified, str) else "",
        )

    # ---- questions

    @cached_property
    def _api(self) -> MpApi:
        return MpApi(self.base, self.client)

    def _conditions(self, query: Query) -> list[dict[str, Any]]:
        """Return the arguments of one or more searches, whose answers together are that of a query.

        Raises:
            ConfigurationError: if Materials Project cannot be asked so.
        """
        if query.periodic in {1, 2}:
            raise ConfigurationError(
                f"periodic={query.periodic}: {NAME} holds crystals, which have 3 periodic directions; ask jarvis for "
                "sheets and chains"
            )
        for each in query.ids:
            # emmet takes any word as a number to the base 26, and finds another material.
            if not (each.startswith(("mp-", "mvc-")) and each.partition("-")[2].isalnum() and each.islower()):
                raise ConfigurationError(f"{each!r} is no identifier of {NAME}: give one such as mp-149")
        conditions: dict[str, Any] = {"deprecated": False, "include_gnome": self.gnome}
        if query.formulas:
            conditions["formula"] = [_named_formula(each) for each in query.formulas]
        if query.elements:
            conditions["elements"] = list(query.elements)
        if query.atoms:
            conditions["num_sites"] = query.atoms
        parts = [list(query.ids[k : k + MOST_IDS]) for k in range(0, len(query.ids), MOST_IDS)]
        return [{**conditions, "material_ids": part} for part in parts] or [conditions]

    def _fields(self, query: Query) -> dict[Collection, list[str]]:
        """Return the fields of the summary, and those of the documents of energies, that a query needs.

        Raises:
            ConfigurationError: if there is no such field.
        """
        paths = [each.path for each in self.chosen(query).values()]
        wanted: dict[Collection, list[str]] = {
            "summary": [path.partition(".")[0] for path in paths if not path.startswith(THERMO)],
            "thermo": [path.removeprefix(THERMO).partition(".")[0] for path in paths if path.startswith(THERMO)],
        }
        always: dict[Collection, list[str]] = {
            "summary": ["material_id", "structure", "last_updated", "origins"],
            "thermo": ["material_id", "thermo_type", "energy_type"] if wanted["thermo"] else [],
        }
        for collection, names in wanted.items():
            known = self._api.fields(collection)
            for name in names:
                if name not in known:
                    raise ConfigurationError(
                        f"{NAME} has no field {name!r} in its {collection}: it has {', '.join(known)}"
                    )
        return {each: list(dict.fromkeys(names + wanted[each])) for each, names in always.items()}

    def _listed(self, conditions: Mapping[str, Any], total: int) -> Iterator[str]:
        """Yield the identifiers of the materials that meet the conditions of a search, as the server lists them."""
        listed = set[str]()
        for page in range(1, -(-total // self.list_rows) + 1):
            place = {"_page": page, "_sort_fields": "material_id"}
            for _ in range(self.retries + 1):
                rows = self._api.search("summary", ["material_id"], self.list_rows, **conditions, **place)
                ids = [self.label(row) for row in rows]
                if listed.isdisjoint(ids):
                    break  # otherwise it is the page before, which may come once by mistake
            if not ids:
                raise FetchError(f"{NAME} announces {total:,} materials, but lists fewer: repeat the call later")
            listed |= set(ids)
            yield from ids

    def _documents(self, ids: Sequence[str], fields: Mapping[Collection, list[str]]) -> dict[str, dict[str, Any]]:
        """Return the documents of materials by identifier, with those of their energies as the field `thermo`."""
        if not ids:
            return {}
        asked = {"material_ids": list(ids)}
        found = {self.label(row): row for row in self._api.search("summary", fields["summary"], len(ids), **asked)}
        if fields["thermo"]:
            kind = {"thermo_types": [self.thermo_type]}
            for row in self._api.search("thermo", fields["thermo"], len(ids), **asked, **kind):
                found.get(self.label(row), {})["thermo"] = row
        return found


def _method(row: Any, where: Field) -> str:
    """Return how a value was obtained: the thermo type of an energy, the calculation of the band gap.

    Raises:
        RowError: if an energy has no thermo type.
    """
    if where.path.startswith(THERMO):
        kind, functional = at(row, f"{THERMO}thermo_type"), at(row, f"{THERMO}energy_type")
        if not isinstance(kind, str):
            raise RowError("its energies name no thermo type, so they cannot be compared with others")
        return f"{kind}, {functional}" if isinstance(functional, str) else kind
    if where.path != "band_gap":
        return where.method
    origins = row.get("origins") if isinstance(row.get("origins"), list) else []
    tasks = [at(each, "task_id") for each in origins if at(each, "name") == "electronic_structure"]
    return ", ".join([where.method, *(f"task {task}" for task in tasks[:1] if isinstance(task, str))])


def _named_formula(formula: str) -> str:
    """Return a formula as Materials Project names it: "SiO2" for "O2Si", and "N2" for "N"."""
    from pymatgen.core import Composition

    return str(Composition(formula).reduced_formula)
