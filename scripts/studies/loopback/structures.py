"""Structures that the servers of OPTIMADE and NOMAD hold, in the form of OPTIMADE.

They are the crystals of the stub of Materials Project, two sheets, a chain, and a crystal of mixed occupancy.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms
from ase.build import graphene
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from scripts.studies.loopback.materials_project import prototypes


def structures() -> list[tuple[Structure, tuple[int, int, int]]]:
    """Return 28 structures, each with its periodic directions."""
    sheets = [graphene(formula, a=a, vacuum=8.0) for formula, a in (("C2", 2.46), ("BN", 2.50))]
    chain = Atoms("C2", positions=[[7.5, 7.5, 0.0], [7.5, 7.5, 1.29]], cell=[15.0, 15.0, 2.58], pbc=[0, 0, 1])
    mixed = Structure(
        [[2.87, 0, 0], [0, 2.87, 0], [0, 0, 2.87]], [{"Ni": 0.75, "Fe": 0.25}, "Al"], [[0, 0, 0], [0.5] * 3]
    )
    flat = [(AseAtomsAdaptor.get_structure(sheet), (1, 1, 0)) for sheet in sheets]
    crystals = [(crystal, (1, 1, 1)) for crystal in (*prototypes(), mixed)]
    return [*crystals, *flat, (AseAtomsAdaptor.get_structure(chain), (0, 0, 1))]


Held: TypeAlias = Sequence[tuple[Structure, tuple[int, int, int]]]
"""Structures with their periodic directions."""

GapOf: TypeAlias = Callable[[Structure], float]
"""Function that returns the gap of a structure, eV."""


def with_gaps(held: Held | None, gap_of: GapOf | None) -> Iterator[tuple[int, Structure, tuple[int, int, int], float]]:
    """Yield number, from 1, structure, periodic directions and gap, eV, of each entry of a server.

    Args:
        held: the structures; None for `structures`.
        gap_of: function that returns the gap of a structure; None for gaps by the number of the entry.
    """
    for number, (structure, periodic) in enumerate(structures() if held is None else held, 1):
        yield number, structure, periodic, gap_of(structure) if gap_of else round(0.25 * (number % 9), 3)


def several(copies: int = 4) -> list[tuple[Structure, tuple[int, int, int]]]:
    """Return copies of the structures at different volumes, enough of them to learn from."""
    return [
        (structure.copy().scale_lattice(factor * structure.volume), periodic)
        for factor in (1.0 + 0.05 * copy for copy in range(copies))
        for structure, periodic in structures()
    ]


def made_up_gap(structure: Structure) -> float:
    """Return a gap, eV, that is no real one but that can be learned: by electronegativities and the volume."""
    electronegativity = [float(sum(element.X * share for element, share in site.species.items())) for site in structure]
    ionic = float(np.std(electronegativity))
    return round(0.3 + 2.0 * ionic + 6.0 * len(structure) / float(structure.volume), 4)


def attributes_of(structure: Structure, periodic: tuple[int, int, int]) -> dict[str, Any]:
    """Return the fields of OPTIMADE that describe a structure."""
    composition = structure.composition
    shares = composition.get_el_amt_dict()
    elements = sorted(shares)
    kinds = {site.species_string: site.species.get_el_amt_dict() for site in structure}
    whole = all(float(share).is_integer() for share in shares.values())
    reduced = composition.get_reduced_composition_and_factor()[0].get_el_amt_dict() if whole else shares
    formula = "".join(f"{name}{'' if reduced[name] == 1 else f'{reduced[name]:g}'}" for name in elements)
    return {
        "elements": elements,
        "nelements": len(elements),
        "elements_ratios": [shares[name] / sum(shares.values()) for name in elements],
        "chemical_formula_reduced": formula if whole else "Al4FeNi3",
        "chemical_formula_descriptive": composition.formula,
        "chemical_formula_anonymous": "A4B3C" if not whole else _anonymous(reduced),
        "dimension_types": list(periodic),
        "nperiodic_dimensions": sum(periodic),
        "lattice_vectors": structure.lattice.matrix.tolist(),
        "cartesian_site_positions": structure.cart_coords.tolist(),
        "nsites": len(structure),
        "species_at_sites": [site.species_string for site in structure],
        "species": [
            {"name": name, "chemical_symbols": sorted(parts), "concentration": [parts[each] for each in sorted(parts)]}
            for name, parts in kinds.items()
        ],
        "structure_features": [] if whole else ["disorder"],
        "last_modified": "2026-01-02T03:04:05Z",
    }


def _anonymous(counts: dict[str, float]) -> str:
    ordered = sorted(counts.values(), reverse=True)
    return "".join(f"{'ABCDEF'[k]}{'' if count == 1 else f'{count:g}'}" for k, count in enumerate(ordered))
