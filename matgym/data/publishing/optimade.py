"""Structures as OPTIMADE has them: the fields of `structures` and the fields of the provider `matgym`.

Source: OPTIMADE specification 1.2 (Evans et al., Digital Discovery 3, 1509 (2024)), "Structures entries".
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from ase.data import chemical_symbols

from matgym.data.columns import Column, Kind
from matgym.data.publishing.entries import PublishedEntry
from matgym.errors import DatasetError

PREFIX: Final = "matgym"
"""Prefix of the fields of the provider."""

_KINDS: Final[dict[Kind, str]] = {
    "float": "float",
    "integer": "integer",
    "boolean": "boolean",
    "string": "string",
    "list": "list",
}
"""Types of OPTIMADE, by kind of column."""


def field_name(column: str) -> str:
    """Return the name of the field of a column, such as "_matgym_gap_ev_level" for "gap_ev.level"."""
    return f"_{PREFIX}_{re.sub(r'[^a-z0-9]+', '_', column.lower()).strip('_')}"


def provider_fields(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the fields of columns, as `/info/structures` declares them.

    Raises:
        DatasetError: if two columns would have the same field.
    """
    names = [field_name(column.name) for column in columns]
    for name in {name for name in names if names.count(name) > 1}:
        same = [column.name for column in columns if field_name(column.name) == name]
        raise DatasetError(f"columns {', '.join(same)} would all be the field {name}: rename them")
    return [
        {
            "name": name,
            "description": column.description or f"column {column.name!r} of the table, which has no description",
            "unit": None if column.unit == "1" else column.unit,
            "type": _KINDS[column.kind],
            "sortable": column.kind != "list",
            "queryable": "must",
            "support": "optional",
        }
        for column, name in zip(columns, names, strict=True)
    ]


def optimade_fields(entry: PublishedEntry) -> dict[str, Any]:
    """Return the fields of an entry of `structures`, with its id.

    Directions without a period have a lattice vector nevertheless: OPTIMADE leaves the choice between such a vector and
    nulls, and pymatgen's `OptimadeRester` drops every structure with nulls.
    """
    composition = entry.composition
    total = sum(composition.values())
    species, at_sites = _species(entry)
    return {
        "id": entry.id,
        "last_modified": entry.modified,
        "elements": list(composition),
        "nelements": len(composition),
        "elements_ratios": [number / total for number in composition.values()],
        "chemical_formula_descriptive": entry.hill_formula,
        "chemical_formula_reduced": entry.reduced_formula,
        "chemical_formula_hill": entry.hill_formula,
        "chemical_formula_anonymous": anonymous_formula(entry),
        "dimension_types": entry.periodic.astype(int).tolist(),
        "nperiodic_dimensions": int(entry.periodic.sum()),
        "lattice_vectors": entry.cell.tolist(),
        "cartesian_site_positions": [entry.positions[atoms[0]].tolist() for atoms in entry.sites],
        "nsites": len(entry.sites),
        "species": species,
        "species_at_sites": at_sites,
        "structure_features": ["disorder"] if any(len(each["chemical_symbols"]) > 1 for each in species) else [],
        **{field_name(name): value for name, value in entry.values.items()},
    }


def anonymous_formula(entry: PublishedEntry) -> str:
    """Return the formula with letters for elements, the most frequent first, such as "A6BC"."""
    reduced = sorted((int(n or 1) for _, n in re.findall(r"([A-Z][a-z]?)(\d*)", entry.reduced_formula)), reverse=True)
    return "".join(
        f"{letter}{'' if number == 1 else number}" for letter, number in zip(_letters(), reduced, strict=False)
    )


def _letters() -> Iterator[str]:
    """Yield A to Z, then Aa to Za, Ab to Zb and so on."""
    yield from ascii_uppercase
    for length in count(1):
        for ending in product(ascii_lowercase, repeat=length):
            yield from (first + "".join(reversed(ending)) for first in ascii_uppercase)


def _species(entry: PublishedEntry) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the different species, in the order of their first site, and the name of that of each site."""
    found: dict[str, dict[str, Any]] = {}
    at_sites = []
    isotopic = entry.is_isotopic
    for atoms in entry.sites:
        symbols = [chemical_symbols[entry.numbers[atom]] for atom in atoms]
        shares = [float(entry.occupancies[atom]) for atom in atoms]
        masses = [float(entry.masses[atom]) for atom in atoms]
        whole = len(atoms) == 1 and shares[0] >= 1.0
        if whole:
            name = f"{round(masses[0])}{symbols[0]}" if isotopic[atoms[0]] else symbols[0]
        else:
            name = "".join(f"{symbol}{share:g}" for symbol, share in zip(symbols, shares, strict=True))
        at_sites.append(name)
        vacant = 1.0 - sum(shares)
        if vacant > 1e-6:  # rounding of tables
            symbols, shares, masses = [*symbols, "vacancy"], [*shares, vacant], [*masses, 0.0]
        found.setdefault(name, {"name": name, "chemical_symbols": symbols, "concentration": shares, "mass": masses})
    return list(found.values()), at_sites
