"""A stub of figshare with data sets of JARVIS: parts of files by Range, and the articles that describe them.

    python -m scripts.studies.loopback.figshare
    matgym data fetch jarvis --dataset dft_2d --url http://127.0.0.1:PORT --formula BN

The structures are sheets, chains and crystals of ASE, in the form of jarvis-tools; their values are made up.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ase import Atoms
from ase.build import bulk, graphene

from matgym.data.sources.jarvis import DATA_SETS
from scripts.studies.loopback.server import Answer, Loopback, Request, run

LICENCE: Final = "CC BY 4.0"

PARTIAL: Final = 206


def atoms_of(cell: Atoms, *, cartesian: bool = False) -> dict[str, Any]:
    """Return atoms in the form of `jarvis.core.atoms.Atoms.to_dict`."""
    lengths = cell.cell.cellpar()
    return {
        "lattice_mat": cell.cell.array.tolist(),
        "coords": (cell.positions if cartesian else cell.get_scaled_positions()).tolist(),
        "elements": cell.get_chemical_symbols(),
        "abc": lengths[:3].tolist(),
        "angles": lengths[3:].tolist(),
        "cartesian": cartesian,
        "props": [""] * len(cell),
    }


def data_sets() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each data set, by its name."""
    sheets = [
        graphene(formula, a=a, vacuum=8.0, size=(size, size, 1))
        for formula, a in (("C2", 2.46), ("BN", 2.50), ("SiC", 3.10))
        for size in (1, 2, 3, 4)
    ]
    crystals = [bulk(symbol, "diamond", a=a) for symbol, a in (("C", 3.567), ("Si", 5.431), ("Ge", 5.658))]
    chains = [
        Atoms("C2", positions=[[7.5, 7.5, 0.0], [7.5, 7.5, gap]], cell=[15.0, 15.0, 2.58], pbc=True)
        for gap in (1.20, 1.25, 1.29)
    ]
    lying = Atoms("BN", positions=[[0.0, 8.0, 8.0], [1.31, 8.0, 8.0]], cell=[2.62, 16.0, 16.0], pbc=True)
    host = bulk("Si", "diamond", a=5.431, cubic=True)
    flat = graphene("C2", a=2.46, vacuum=8.0, size=(3, 3, 1))
    return {
        "dft_2d": [_dft(sheet, number) for number, sheet in enumerate(sheets, 1)],
        "dft_3d": [_dft(crystal, number) for number, crystal in enumerate(crystals, 101)],
        "alex_pbe_1d_all": [_alexandria(chain, number) for number, chain in enumerate([*chains, lying], 1)],
        "alex_pbe_2d_all": [_alexandria(sheet, number) for number, sheet in enumerate(sheets[:4], 11)],
        "vacancydb": [_vacancy(host, "Si", "3D", 1), _vacancy(flat, "C", "2D", 2)],
    }


def _dft(cell: Atoms, number: int) -> dict[str, Any]:
    return {
        "jid": f"JVASP-{number}",
        "formula": cell.get_chemical_formula(),
        "atoms": atoms_of(cell, cartesian=number % 2 == 0),
        "optb88vdw_bandgap": 0.1 * number,
        "mbj_bandgap": "na",
        "formation_energy_peratom": -0.01 * number,
        "optb88vdw_total_energy": -9.0,
        "ehull": 0.0,
        "exfoliation_energy": 70.0 if number % 3 else "na",
        "bulk_modulus_kv": 100.0,
        "shear_modulus_gv": "na",
        "magmom_oszicar": 0.0,
    }


def _alexandria(cell: Atoms, number: int) -> dict[str, Any]:
    return {
        "id": f"agm{number:09d}",
        "formula": cell.get_chemical_formula(),
        "atoms": atoms_of(cell),
        "nsites": len(cell),
        "spg": 1,
        "band_gap_ind": 0.2 * number,
        "band_gap_dir": 0.3 * number,
        "dos_ef": 0.0,
        "energy_total": -8.0 * len(cell),
        "e_form": -0.1 * number,
        "e_above_hull": 0.05,
        "total_mag": 0.0,
    }


def _vacancy(host: Atoms, symbol: str, kind: str, number: int) -> dict[str, Any]:
    defective = host.copy()
    del defective[0]
    return {
        "id": number,
        "jid": f"JVASP-{number}",
        "symbol": symbol,
        "wycoff": "a",
        "material_type": kind,
        "bulk_atoms": atoms_of(host),
        "defective_atoms": atoms_of(defective),
        "ef": 3.5 + number,
        "chem_pot": -5.0,
    }


def zipped(content: Any, name: str = "rows.json") -> bytes:
    """Return a zip file with JSON."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return file.getvalue()


@dataclass(frozen=True)
class Figshare:
    """The function that answers; see `Loopback`. It adds the fault "no parts": whole files whatever is asked for.

    Attributes:
        files: content of the files by number.
    """

    files: Mapping[int, bytes]

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        *_, kind, number = request.path.split("/")
        if kind == "articles":
            return Answer({"id": int(number), "license": {"value": 1, "name": LICENCE}, "version": 3})
        content = self.files.get(int(number)) if kind == "files" else None
        if content is None:
            return Answer({"message": "Not found"}, 404)
        headers = {"Content-Type": "application/zip"}
        place = request.headers.get("range", "").removeprefix("bytes=")
        if not place or request.fault == "no parts":
            return Answer(content, headers=headers)
        first, last = (int(each) for each in place.split("-"))
        if first >= len(content):
            return Answer({"message": "Range Not Satisfiable"}, 416)
        part = content[first : last + 1]
        return Answer(
            part, PARTIAL, headers | {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"}
        )


def figshare() -> Figshare:
    """Return a stub with all data sets."""
    return Figshare({DATA_SETS[name].file: zipped(rows) for name, rows in data_sets().items()})


if __name__ == "__main__":
    run(Loopback(figshare()), "Stub of figshare")
