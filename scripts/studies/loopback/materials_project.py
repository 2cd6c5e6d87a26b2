"""A stub of the server of Materials Project, to which the real mp-api speaks.

    python -m scripts.studies.loopback.materials_project
    MP_API_ENDPOINT=http://127.0.0.1:PORT/ MP_API_KEY=00000000000000000000000000000000 matgym data fetch mp --formula BN

It answers `/heartbeat`, `/materials/summary/` and `/materials/thermo/` in the form of release 0.87 of emmet, with the
conditions that matgym uses. The structures are prototypes of ASE. Their values are made up, and are not those of
Materials Project.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ase.build import bulk, graphene
from pymatgen.core import Composition, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from scripts.studies.loopback.server import Answer, Loopback, Request, run

KEY: Final = "0123456789abcdefghijklmnopqrstuv"
"""The key that the stub takes."""

RELEASE: Final = "2026.11.13"

THERMO_TYPES: Final = {"GGA_GGA+U": 0.0, "GGA_GGA+U_R2SCAN": -0.05, "r2SCAN": -0.1}
"""Thermo types, with what each adds to the energies, so that no test can take one for another."""

MAX_LIMIT: Final = 1000


def prototypes() -> list[Structure]:
    """Return 24 crystals, from diamond to rock salt."""
    cells = [
        *(bulk(symbol, "diamond", a=a) for symbol, a in (("C", 3.567), ("Si", 5.431), ("Ge", 5.658))),
        *(bulk(pair, "zincblende", a=a) for pair, a in (("BN", 3.615), ("AlN", 4.38), ("SiC", 4.36), ("GaAs", 5.65))),
        *(bulk(pair, "wurtzite", a=a, c=1.63 * a) for pair, a in (("BN", 2.55), ("AlN", 3.11), ("GaN", 3.19))),
        *(bulk(pair, "rocksalt", a=a) for pair, a in (("MgO", 4.21), ("NaCl", 5.64), ("LiF", 4.03), ("TiC", 4.33))),
        *(bulk(pair, "cesiumchloride", a=a) for pair, a in (("CsCl", 4.12), ("NiAl", 2.89))),
        *(bulk(symbol, "fcc", a=a) for symbol, a in (("Cu", 3.61), ("Al", 4.05), ("Au", 4.08))),
        *(bulk(symbol, "bcc", a=a) for symbol, a in (("Fe", 2.87), ("W", 3.16), ("Na", 4.23))),
        *(graphene(formula, a=a, vacuum=3.35 / 2) for formula, a in (("C2", 2.46), ("BN", 2.50))),
    ]
    for cell in cells:
        cell.pbc = True
    return [AseAtomsAdaptor.get_structure(cell) for cell in cells]


def documents(structures: Sequence[Structure]) -> list[dict[str, Any]]:
    """Return the documents of the summary for structures, with made-up values, one row in eight of GNoME."""
    found = []
    for number, structure in enumerate(structures, 1):
        composition = structure.composition
        found.append(
            {
                "material_id": f"mp-{100 + 7 * number}",
                "deprecated": False,
                "formula_pretty": composition.reduced_formula,
                "elements": sorted(symbol.symbol for symbol in composition.elements),
                "nsites": len(structure),
                "structure": structure.as_dict(),
                "last_updated": f"2026-01-{1 + number % 28:02d}T00:00:00",
                "band_gap": round(0.25 * (number % 9), 3),
                "energy_per_atom": -5.0 - 0.01 * number,
                "formation_energy_per_atom": -0.5 - 0.01 * number,
                "energy_above_hull": 0.01 * (number % 5),
                "efermi": 2.0 + 0.1 * number,
                "bulk_modulus": {"voigt": 101.0, "reuss": 99.0, "vrh": 100.0 + number} if number % 2 else None,
                "shear_modulus": None,
                "total_magnetization": 0.0,
                "origins": [{"name": "electronic_structure", "task_id": f"mp-{9000 + number}"}],
                "builder_meta": {"batch_id": "gnome_r2scan_statics" if number % 8 == 0 else None},
            }
        )
    return found


@dataclass(frozen=True)
class MaterialsProject:
    """The function that answers; see `Loopback`.

    The faults "401", "403", "404", "429", "500", "truncated", "silence" and "not JSON" are the server's. This class
    adds "field less", "field more", "paging loop", "duplicate page", "other schema" and "echo of the key".

    Attributes:
        summary: documents of the summary.
    """

    summary: Sequence[Mapping[str, Any]]

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        path = request.path.strip("/")
        if path == "heartbeat":
            return Answer({"status": "OK", "db_version": RELEASE, "version": "0.87.3", **_RESTRICTED})
        if request.headers.get("x-api-key") != KEY:
            return Answer({"message": "Invalid authentication credentials"}, 401)
        if request.fault == "echo of the key":
            return Answer({"detail": f"the key {KEY} is not allowed to do this"}, 400)
        if path not in {"materials/summary", "materials/thermo"}:
            return Answer({"detail": "Not Found"}, 404)
        rows = self._matching(request.parameters)
        if path == "materials/thermo":
            rows = [_thermo(row, kind) for row in rows for kind in request.parameters["thermo_types"].split(",")]
        return self._page(rows, request)

    def _matching(self, asked: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Return the documents that meet the conditions of a request."""
        formulas = {Composition(each).reduced_formula for each in _names(asked, "formula")}
        ids, elements = set(_names(asked, "material_ids")), set(_names(asked, "elements"))
        low, high = int(asked.get("nsites_min", 0)), int(asked.get("nsites_max", 10_000))
        return [
            row
            for row in self.summary
            if (not formulas or row["formula_pretty"] in formulas)
            and (not ids or row["material_id"] in ids)
            and elements <= set(row["elements"])
            and low <= row["nsites"] <= high
            and row["builder_meta"]["batch_id"] != asked.get("batch_id_not_eq", "")
        ]

    @staticmethod
    def _page(rows: Sequence[Mapping[str, Any]], request: Request) -> Answer:
        """Answer with one page of documents and the fields that are asked for."""
        asked = request.parameters
        if order := asked.get("_sort_fields"):
            rows = sorted(rows, key=lambda row: row[order])
        limit = int(asked.get("_per_page") or asked.get("_limit") or 100)
        start = int(asked.get("_skip") or 0) or (int(asked.get("_page") or 1) - 1) * limit
        if limit > MAX_LIMIT:
            return Answer({"detail": [{"loc": ["query", "_limit"], "msg": f"at most {MAX_LIMIT}"}]}, 422)
        if request.fault == "paging loop":
            start = 0
        if request.fault == "duplicate page":
            start = max(0, start - limit)
        wanted = _names(asked, "_fields")
        data = [{name: row[name] for name in wanted if name in row} for row in rows[start : start + limit]]
        if request.fault == "field less":
            data = [
                {name: value for name, value in row.items() if name not in {"structure", "thermo_type"}} for row in data
            ]
        if request.fault == "field more":
            data = [{**row, "colour": "blue", "new_in_2027": {"nested": [1, None]}} for row in data]
        meta = {"api_version": "0.87.3", "total_doc": len(rows), "max_limit": MAX_LIMIT}
        if request.fault == "other schema":
            return Answer({"items": data, "meta": meta})
        return Answer({"data": data, "meta": meta})


_RESTRICTED: Final = {"access_controlled_batch_ids": ["gnome_r2scan_statics"]}


def _thermo(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the document of a material's energies in one thermo type."""
    names = ("energy_per_atom", "formation_energy_per_atom", "energy_above_hull")
    values = {name: row[name] + THERMO_TYPES[kind] for name in names}
    return {"material_id": row["material_id"], "thermo_type": kind, "energy_type": "GGA", **values}


def _names(asked: Mapping[str, str], name: str) -> list[str]:
    return [each for each in asked.get(name, "").split(",") if each]


if __name__ == "__main__":
    run(Loopback(MaterialsProject(documents(prototypes()))), f"Stub of Materials Project, key {KEY},")
