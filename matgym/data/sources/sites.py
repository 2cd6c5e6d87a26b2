"""Structures as OPTIMADE and pymatgen describe them, by sites and species; NOMAD does it like OPTIMADE."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from matgym.data.sources.entries import array, crystal_of
from matgym.data.sources.properties import at
from matgym.data.sources.query import is_element
from matgym.errors import RowError
from matgym.structures import Crystal
from matgym.typing import BoolArray

VACANCY: Final = "vacancy"
"""Name of an empty part of a site among the species."""


def structure_of(known: Mapping[str, Any]) -> tuple[Crystal, BoolArray]:
    """Return a structure, and (3,) whether it is periodic along each vector.

    Args:
        known: the fields of OPTIMADE: lattice_vectors and cartesian_site_positions in Å, species_at_sites, species,
            dimension_types, structure_features.

    Raises:
        RowError: if there is no structure, or one that a `Crystal` does not hold.
    """
    if "assemblies" in (known.get("structure_features") or ()):
        raise RowError("it has correlated occupancies (assemblies), which matgym does not hold")
    sites, numbers, shares = _atoms(known.get("species_at_sites"), known.get("species"))
    cell, places = known.get("lattice_vectors"), known.get("cartesian_site_positions")
    if not isinstance(places, list) or len(places) != len(known["species_at_sites"]):
        raise RowError("it has no coordinates (cartesian_site_positions) for each of its sites")
    periodic = _periodic(known.get("dimension_types"), cell)
    return crystal_of(cell, [places[site] for site in sites], numbers, shares, periodic), periodic


def crystal_of_pymatgen(content: Any, periodic: BoolArray) -> Crystal:
    """Return the crystal of `Structure.as_dict` of pymatgen, which is not needed for it.

    Args:
        content: the mapping.
        periodic: (3,) whether the structure is periodic along each vector.

    Raises:
        RowError: if it holds none.
    """
    from ase.data import atomic_numbers

    sites = at(content, "sites")
    if not isinstance(sites, list) or not sites:
        raise RowError("it has no structure")
    cell = array(at(content, "lattice.matrix"), (3, 3), "cell vectors")
    places, numbers, shares = [], [], []
    for site in sites:
        place = array(at(site, "abc"), (3,), "coordinates")
        species = at(site, "species")
        for each in species if isinstance(species, list) else [species]:
            symbol, share = at(each, "element"), at(each, "occu")
            if not isinstance(symbol, str) or not is_element(symbol) or not isinstance(share, int | float):
                raise RowError(f"it has a site with {symbol!r:.20} and the occupancy {share!r:.20}")
            places.append(place)
            numbers.append(atomic_numbers[symbol])
            shares.append(float(share))
    return crystal_of(cell, np.reshape(places, (-1, 3)) @ cell, numbers, shares, periodic)


def _periodic(types: Any, cell: Any) -> BoolArray:
    """Return along which vectors a structure is periodic; without a word on it, along those that it has."""
    if isinstance(types, list) and len(types) == 3 and all(each in {0, 1} for each in types):
        return np.array(types, dtype=bool)
    if types is not None:
        raise RowError(f"its dimension_types are {types!r:.40}, not three of 0 and 1")
    vectors = cell if isinstance(cell, list) and len(cell) == 3 else [None] * 3
    return np.array([isinstance(vector, list) and None not in vector for vector in vectors])


def _atoms(names: Any, species: Any) -> tuple[list[int], list[int], list[float]]:
    """Return site, atomic number and occupancy of each atom; a site of several species is several atoms.

    Args:
        names: name of the species of each site.
        species: the species. Without them, names are those of elements.
    """
    from ase.data import atomic_numbers

    if not isinstance(names, list) or not names:
        raise RowError("it has no species_at_sites")
    listed = species if isinstance(species, list) else []
    kinds = {each["name"]: each for each in listed if isinstance(each, dict) and isinstance(each.get("name"), str)}
    sites, numbers, shares = [], [], []
    for site, name in enumerate(names):
        kind = kinds.get(name) or {"chemical_symbols": [name], "concentration": [1.0]}
        for symbol, share in zip(kind["chemical_symbols"], kind["concentration"], strict=True):
            if symbol == VACANCY:
                continue
            if not is_element(symbol):
                raise RowError(f"its site {site} holds {symbol!r:.20}, which is no element")
            sites.append(site)
            numbers.append(atomic_numbers[symbol])
            shares.append(float(share))
    return sites, numbers, shares
