"""Data sets of JARVIS (NIST), which are files on figshare: crystals, sheets, chains, vacancies.

Numbers of files and names of fields are those of jarvis-tools 2026.6.12, `jarvis.db.figshare.get_db_info`. The library
itself is not needed: a file is a zip with one JSON list. It is downloaded once, and rows are chosen on this machine.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from matgym.data.sources.archives import downloaded, rows_of
from matgym.data.sources.base import Page, Row
from matgym.data.sources.entries import Entry, array, crystal_of
from matgym.data.sources.fetching import cache_folder
from matgym.data.sources.properties import Field, at
from matgym.data.sources.query import Query, is_element
from matgym.data.sources.web import WebSource
from matgym.errors import ConfigurationError, RowError, require_within
from matgym.structures import Crystal
from matgym.typing import BoolArray

FILES: Final = "https://ndownloader.figshare.com"
ARTICLES: Final = "https://api.figshare.com"

DFT: Final = {
    "band_gap": Field("optb88vdw_bandgap", method="OptB88vdW"),
    "formation_energy": Field("formation_energy_peratom", method="OptB88vdW"),
    "energy_above_hull": Field("ehull", method="OptB88vdW"),
    "energy": Field("optb88vdw_total_energy", method="OptB88vdW"),
    "exfoliation_energy": Field("exfoliation_energy", factor=1e-3, method="OptB88vdW"),  # of meV/atom
    "bulk_modulus": Field("bulk_modulus_kv", method="OptB88vdW, Voigt"),
    "shear_modulus": Field("shear_modulus_gv", method="OptB88vdW, Voigt"),
    "magnetization": Field("magmom_oszicar", method="OptB88vdW"),
}
"""Fields of JARVIS-DFT."""

ALEXANDRIA: Final = {
    "band_gap": Field("band_gap_ind", method="PBE"),
    "formation_energy": Field("e_form", method="PBE"),
    "energy_above_hull": Field("e_above_hull", method="PBE"),
    "energy": Field("energy_total", method="PBE", per_cell=True),
    "magnetization": Field("total_mag", method="PBE"),
}
"""Fields of Alexandria, as JARVIS passes them on."""


@dataclass(frozen=True)
class DataSet:
    """A data set on figshare.

    Attributes:
        file: number of the file.
        article: number of the article that describes it.
        periodic: number of periodic directions; 0 if the rows say "3D" or "2D" as their `material_type`.
        label: fields that identify a row.
        structure: field of the structure.
        fields: where the rows hold properties.
    """

    file: int
    article: int
    periodic: int
    label: tuple[str, ...] = ("id",)
    structure: str = "atoms"
    fields: Mapping[str, Field] = field(default_factory=dict)


DATA_SETS: Final[Mapping[str, DataSet]] = {
    "dft_3d": DataSet(64391379, 6815699, 3, ("jid",), fields=DFT),
    "dft_2d": DataSet(38521268, 6815705, 2, ("jid",), fields=DFT),
    "alex_pbe_2d_all": DataSet(49622988, 27174897, 2, fields=ALEXANDRIA),
    "alex_pbe_1d_all": DataSet(49622991, 27174897, 1, fields=ALEXANDRIA),
    "vacancydb": DataSet(52845425, 23000573, 0, ("jid", "symbol", "wycoff"), "defective_atoms"),
}
"""The data sets, by the names that jarvis-tools gives them."""


@dataclass(frozen=True)
class Jarvis(WebSource):
    """A data set of JARVIS.

    Which cell vectors of sheets and chains are periodic is found from the structure: those along which the empty space
    is smallest.

    Attributes:
        dataset: one of `DATA_SETS`.
        store: folder of the downloaded files; that of the user's cache if it is None.
        page_rows: rows in a page.

    Raises:
        ConfigurationError: if a setting is impossible.
    """

    dataset: str = "dft_2d"
    store: Path | None = None
    page_rows: int = 500
    name: ClassVar[str] = "jarvis"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(1, 100_000, page_rows=self.page_rows)
        if self.dataset not in DATA_SETS:
            raise ConfigurationError(f"dataset={self.dataset!r}: choose from {', '.join(DATA_SETS)}")

    @property
    @override
    def title(self) -> str:
        return f"JARVIS ({self.dataset})"

    @property
    @override
    def base(self) -> str:
        return (self.url or FILES).rstrip("/")

    @property
    @override
    def fields(self) -> Mapping[str, Field]:
        return self._set.fields

    @property
    @override
    def identity(self) -> dict[str, str]:
        return {**super().identity, "dataset": self.dataset, "file": str(self._set.file)}

    @override
    def about(self) -> dict[str, str]:
        articles = self.base if self.url else ARTICLES
        answer = self.client.get(f"{articles}/v2/articles/{self._set.article}")
        licence = at(answer, "license.name")
        if not isinstance(licence, str):
            raise self.changed("text 'license.name'")
        return {
            "version": f"figshare file {self._set.file}",
            "licence": licence,
            "doi": f"10.6084/m9.figshare.{self._set.article}",
        }

    @override
    def count(self, query: Query) -> int | None:
        return sum(_fits(row, query, self._set, self.label(row)) for row in self._rows())

    @override
    def pages(self, query: Query, cursor: str | None) -> Iterator[Page]:
        begin, found = int(cursor or 0), []
        for place, row in enumerate(self._rows()):
            if place < begin or not _fits(row, query, self._set, self.label(row)):
                continue
            found.append(row)
            if len(found) == self.page_rows:
                yield Page(found, str(place + 1))
                found = []
        yield Page(found)

    @override
    def label(self, row: Row) -> str:
        parts = [at(row, name) for name in self._set.label]
        return "_".join(str(part) for part in parts) if all(isinstance(part, str | int) for part in parts) else ""

    @override
    def entry(self, row: Row, query: Query) -> Entry:
        crystal = _crystal(at(row, self._set.structure))
        values, methods = self.read_values(row, query, len(crystal.numbers))
        return Entry(self.label(row), crystal, periodic_along(crystal, _directions(row, self._set)), values, methods)

    @property
    def _set(self) -> DataSet:
        return DATA_SETS[self.dataset]

    def _rows(self) -> Iterator[Row]:
        """Yield all rows of the data set, whose file is downloaded if it is not there."""
        path = (self.store or cache_folder() / "jarvis") / f"{self.dataset}-{self._set.file}.zip"
        downloaded(self.client, f"{self.base}/files/{self._set.file}", path)
        return rows_of(path, self.title)


def periodic_along(crystal: Crystal, directions: int) -> BoolArray:
    """Return (3,) along which vectors a structure is periodic: those with the smallest empty spaces.

    Args:
        crystal: the structure.
        directions: number of periodic directions, 1 to 3.
    """
    heights = 1.0 / np.linalg.norm(crystal.reciprocal, axis=1)
    places = np.sort(crystal.fractional % 1.0, axis=0)
    gaps = np.diff(places, axis=0, append=places[:1] + 1.0).max(axis=0) * heights
    periodic = np.zeros(3, dtype=bool)
    periodic[np.argsort(gaps, kind="stable")[:directions]] = True
    return periodic


def _directions(row: Row, known: DataSet) -> int:
    """Return the number of periodic directions of a row.

    Raises:
        RowError: if it does not say.
    """
    if known.periodic:
        return known.periodic
    kind = at(row, "material_type")
    if kind not in {"3D", "2D"}:
        raise RowError(f"its material_type is {kind!r:.20}, neither 3D nor 2D")
    return int(kind[0])


def _fits(row: Row, query: Query, known: DataSet, label: str) -> bool:
    """Return whether a row meets the conditions of a query; a damaged one meets all but those that it lacks."""
    if query.ids and label not in query.ids:
        return False
    if query.periodic and query.periodic != (known.periodic or {"3D": 3, "2D": 2}.get(str(at(row, "material_type")))):
        return False
    if not (query.formulas or query.elements or query.atoms):
        return True
    symbols = at(row, f"{known.structure}.elements")
    if not isinstance(symbols, list) or not all(isinstance(each, str) and is_element(each.strip()) for each in symbols):
        return False
    symbols = [each.strip() for each in symbols]
    return bool(symbols) and query.selects(symbols, lambda: _formula(symbols))


def _formula(symbols: Sequence[str]) -> str:
    """Return the composition in the form of `reduced_formula`, which would parse a text for each row."""
    counts = Counter(symbols)
    common = math.gcd(*counts.values())
    return "".join(f"{each}{counts[each] // common if counts[each] > common else ''}" for each in sorted(counts))


def _crystal(atoms: Any) -> Crystal:
    """Return the crystal of the atoms of jarvis-tools.

    Raises:
        RowError: if they are none.
    """
    from ase.data import atomic_numbers

    if not isinstance(atoms, Mapping):
        raise RowError("it has no structure")
    symbols = atoms.get("elements")
    if not isinstance(symbols, list) or not symbols:
        raise RowError("it has no elements")
    names = [each.strip() if isinstance(each, str) else each for each in symbols]
    if unknown := next((each for each in names if not isinstance(each, str) or not is_element(each)), None):
        raise RowError(f"it holds {unknown!r:.20}, which is no element")
    cell = array(atoms.get("lattice_mat"), (3, 3), "cell vectors")
    places = array(atoms.get("coords"), (len(names), 3), "coordinates")
    cartesian = places if atoms.get("cartesian") else places @ cell
    numbers = [atomic_numbers[each] for each in names]
    return crystal_of(cell, cartesian, numbers, np.ones(len(names)).tolist(), np.ones(3, dtype=bool))
