"""A stub of NOMAD's interface.

    python -m scripts.studies.loopback.nomad
    matgym data fetch nomad --url http://127.0.0.1:PORT --formula C,BN --properties band_gap

It answers `/info`, `/entries/query` and `/entries/archive/query` in the form of NOMAD 1.3 (nomad/app/v1/models), with
the conditions that matgym uses; others are an error, as there. Values are made up, and in SI units, as in archives.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.studies.loopback.server import Answer, Loopback, Request, run
from scripts.studies.loopback.structures import GapOf, Held, attributes_of, with_gaps

VERSION: Final = "1.3.16"
CHARGE_C: Final = 1.602176634e-19
MAX_PAGE: Final = 10_000


def archives(held: Held | None = None, gap_of: GapOf | None = None) -> list[dict[str, Any]]:
    """Return archives of entries: of two spin channels every fourth, without a band structure every fifth.

    For the arguments see `with_gaps`.
    """
    found = []
    for number, structure, periodic, gap_ev in with_gaps(held, gap_of):
        gap = gap_ev * CHARGE_C
        top = (1.0 + 0.1 * number) * CHARGE_C
        channel = {"value": gap, "energy_highest_occupied": top, "energy_lowest_unoccupied": top + gap}
        other = {"value": 3 * gap, "energy_highest_occupied": top - gap, "energy_lowest_unoccupied": top + 2 * gap}
        channels = [channel, other] if number % 4 == 0 else [channel]
        bands = {} if number % 5 == 0 else {"band_structure_electronic": [{"band_gap": channels}]}
        functionals = ["GGA_C_PBE", "GGA_X_PBE"]
        known = attributes_of(structure, periodic)
        known["dimension_types"] = sum(periodic) if sum(periodic) == 3 else list(periodic)  # as older entries have it
        metadata = {
            "entry_id": f"entry-{number:03d}",
            "last_processing_time": "2026-02-03T04:05:06.000000+00:00",
            "license": "CC BY 4.0",
            "optimade": known,
        }
        method = {"program_name": "VASP", "program_version": "5.4.4", "dft": {"xc_functional_names": functionals}}
        density = 1000.0 + number
        properties = {"electronic": bands, "structures": {"structure_original": {"mass_density": density}}}
        material = {"chemical_formula_reduced": known["chemical_formula_reduced"], "elements": known["elements"]}
        results = {"method": {"simulation": method}, "material": material, "properties": properties}
        found.append({"metadata": metadata, "results": results})
    return found


@dataclass(frozen=True)
class Nomad:
    """The function that answers; see `Loopback`.

    It adds the faults "field less", "field more", "paging loop", "duplicate page" and "other schema".

    Attributes:
        archives: archives of the entries.
    """

    archives: Sequence[Mapping[str, Any]]

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        path = request.path.removeprefix("/api/v1")
        if path == "/info":
            return Answer({"version": VERSION, "parsers": ["parsers/vasp"]})
        if path not in {"/entries/query", "/entries/archive/query"}:
            return Answer({"detail": "Not Found"}, 404)
        body = json.loads(request.body)
        try:
            matching = [each for each in self.archives if _meets(each, body["query"])]
        except KeyError as error:
            return Answer({"detail": [{"loc": ["body", "query"], "msg": f"{error} is not a doc quantity"}]}, 422)
        matching.sort(key=_id)
        return self._page(matching, body, request.fault, whole=path == "/entries/archive/query")

    @staticmethod
    def _page(matching: Sequence[Mapping[str, Any]], body: Mapping[str, Any], fault: str, *, whole: bool) -> Answer:
        pagination = dict(body["pagination"])
        size, after = pagination["page_size"], pagination.get("page_after_value", "")
        if size > MAX_PAGE:
            return Answer({"detail": [{"loc": ["body", "pagination"], "msg": f"at most {MAX_PAGE}"}]}, 422)
        begin = sum(_id(each) <= after for each in matching)
        if fault == "duplicate page":
            begin = max(0, begin - size)
        chosen = matching[begin : begin + size]
        pagination["total"] = len(matching)
        if begin + size < len(matching) and chosen:
            pagination["next_page_after_value"] = _id(chosen[-1])
        if fault == "paging loop":
            pagination["next_page_after_value"] = after
        rows: list[dict[str, Any]] = [{"entry_id": _id(each), "upload_id": "upload"} for each in chosen]
        if whole:
            parts = (json.loads(json.dumps(_part(each, body["required"]))) for each in chosen)
            rows = [row | {"archive": part} for row, part in zip(rows, parts, strict=True)]
        if fault == "field less":
            for row in rows:
                del row["archive"]["metadata"]["optimade"]["lattice_vectors"]
        if fault == "field more":
            rows = [row | {"colour": "blue", "new_in_2027": {"nested": [1, None]}} for row in rows]
        name = "items" if fault == "other schema" else "data"
        return Answer({**body, "pagination": pagination, name: rows})


def _id(archive: Mapping[str, Any]) -> str:
    return str(archive["metadata"]["entry_id"])


def _meets(archive: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Return whether an archive meets all conditions.

    Raises:
        KeyError: on a condition that the stub does not know.
    """
    known, material = archive["metadata"]["optimade"], archive["results"]["material"]
    met = []
    for name, value in query.items():
        if name == "processed":
            met.append(value is True)
        elif name == "optimade.nsites":
            met.append(value.get("gte", 0) <= known["nsites"] <= value.get("lte", 10**9))
        elif name == "optimade.nperiodic_dimensions":
            met.append(known["nperiodic_dimensions"] == value)
        elif name == "results.material.chemical_formula_reduced:any":
            met.append(material["chemical_formula_reduced"] in value)
        elif name == "results.material.elements:all":
            met.append(set(value) <= set(material["elements"]))
        elif name == "entry_id:any":
            met.append(_id(archive) in value)
        else:
            raise KeyError(name)
    return all(met)


def _part(archive: Any, required: Any) -> Any:
    """Return the part of an archive that is required: {"a": {"b": "*"}}."""
    if required == "*":
        return archive
    if isinstance(archive, list):
        return [_part(each, required) for each in archive]
    return {name: _part(archive[name], inner) for name, inner in required.items() if name in archive}


if __name__ == "__main__":
    run(Loopback(Nomad(archives())), "Stub of NOMAD")
