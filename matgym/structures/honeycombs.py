"""Sheets that are honeycombs of carbon, boron and nitrogen, as decorations of `TubeLattice`.

The bonds of a honeycomb have six directions, 60° apart, and a lattice constant of √3 bond lengths. Together they give
the lattice vectors g₁ and g₂ of the honeycomb, of which the cell vectors of the sheet are whole multiples. The (n, m)
tube of the sheet thereby is the (n', m') tube of the honeycomb, with n g₁' + m g₂' for one of the six choices of g₁.
"""

import math
from typing import Final

import numpy as np

from matgym.errors import StructureError
from matgym.structures.lattice import TubeLattice, tube_lattice
from matgym.structures.sheets import Sheet
from matgym.structures.species import SPECIES_DATA, Species
from matgym.typing import IntArray, SpeciesArray

FLAT_ANGSTROM: Final = 0.4
"""Largest thickness of a sheet that is read as a honeycomb: that of tubes' walls is SITE_TOLERANCE_ANGSTROM, too."""

SITE_ANGSTROM: Final = 0.4
"""Largest distance of an atom from its site; sites are 1.42 Å apart."""

STRETCHED: Final = 0.1
"""Largest strain of the sheet's honeycomb relative to the even one of its mean bond length; a choice of ours."""

_ELEMENTS: Final = {6: Species.C12, 5: Species.B, 7: Species.N}


def decorated_lattice(sheet: Sheet, n: int, m: int, cells: int) -> tuple[TubeLattice, SpeciesArray]:
    """Return the lattice of a rolled honeycomb, and the (n_sites,) species of its sites.

    Sites of the honeycomb without an atom are vacancies. A left-handed tube is returned as its mirror image.

    Args:
        sheet: the sheet.
        n: first chiral index, in units of the sheet's cell.
        m: second chiral index.
        cells: number of periods of the decorated tube.

    Raises:
        StructureError: if the sheet is no honeycomb of C, B and N, or n and m are both 0.
    """
    if unknown := set(sheet.numbers.tolist()) - _ELEMENTS.keys():
        from ase.data import chemical_symbols

        raise _no_honeycomb(f"it holds {chemical_symbols[min(unknown)]}")
    if sheet.thickness_angstrom > FLAT_ANGSTROM:
        raise _no_honeycomb(f"it is {sheet.thickness_angstrom:.2f} Å thick")
    i, _, _ = sheet.bonds
    counts = np.bincount(i, minlength=len(sheet.numbers))
    if not set(counts.tolist()) <= {2, 3}:
        raise _no_honeycomb(f"one of its atoms has {counts[np.argmax(np.abs(2.5 - counts))]} bonds")
    for side in (sheet, sheet.flipped()):
        for turn in range(6):
            multiples, places, sublattice = _sites(side, turn)
            chirality = np.array([n, m]) @ multiples
            if chirality[0] >= 1 and 0 <= chirality[1] <= chirality[0]:
                return _decorated(sheet.numbers, chirality, multiples, places, sublattice, cells)
    raise StructureError(f"n={n}, m={m}: give n and m that are not both 0")


def _sites(sheet: Sheet, turn: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the sheet as a decorated honeycomb.

    Args:
        sheet: the sheet.
        turn: number of turns of g₁ by 60°.

    Returns:
        (2, 2) a₁ and a₂ in units of g₁ and g₂; (A, 2) cells of the atoms in the same units; (A,) sublattices.

    Raises:
        StructureError: if the atoms are not on the sites of a honeycomb.
    """
    i, _, vectors = sheet.bonds
    bond = vectors[:, 0] + 1j * vectors[:, 1]
    unit = bond / np.abs(bond)
    towards = np.exp(1j * (np.angle((unit**6).mean()) / 6.0 + turn * math.pi / 3.0))  # from A to B
    corner = math.sqrt(3.0) * np.abs(bond).mean() * towards * np.exp(1j * math.pi / 6.0 * np.array([1.0, -1.0]))
    even = np.stack([corner.real, corner.imag], axis=1)  # g₂ is clockwise from g₁, as seen from outside
    multiples = np.rint(sheet.cell @ np.linalg.inv(even)).astype(np.int64)
    count = abs(round(float(np.linalg.det(multiples))))
    if not len(sheet.numbers) / 2 <= count <= len(sheet.numbers):
        raise _no_honeycomb("its atoms do not fill the sites of a honeycomb of its bond length")
    own = np.linalg.solve(multiples.astype(float), sheet.cell)  # g₁ and g₂ of the sheet itself
    sublattice = (np.bincount(i, ((unit / towards) ** 3).real) < 0.0).astype(np.int64)
    phase = sheet.fractional @ multiples - sublattice[:, None] / 3.0
    phase -= np.angle(np.exp(2j * np.pi * phase).mean(axis=0)) / (2.0 * np.pi)
    places = np.rint(phase).astype(np.int64)
    off = float(np.linalg.norm((phase - places) @ own, axis=1).max())
    strain = float(np.abs(np.linalg.svd(np.linalg.solve(even, own), compute_uv=False) - 1.0).max())
    if off > SITE_ANGSTROM or strain > STRETCHED:
        raise _no_honeycomb(f"atoms are up to {off:.2f} Å from its sites, at a strain of {strain:.0%}")
    return multiples, places, sublattice


def _decorated(
    numbers: IntArray, chirality: IntArray, multiples: IntArray, places: IntArray, sublattice: IntArray, cells: int
) -> tuple[TubeLattice, SpeciesArray]:
    """Return the lattice and the species of the tube of a canonical chirality."""
    (a, b), (c, d) = multiples.tolist()
    count = abs(a * d - b * c)
    inverse = np.array([[d, -b], [-c, a]])  # times `count`: a cell of the honeycomb modulo the sheet's lattice
    n, m = chirality.tolist()
    step = np.array(tube_lattice(n, m, 1).translation) @ inverse
    repeats = count // math.gcd(count, *step.tolist())  # translations of the honeycomb after which it repeats
    species = np.full((2, count, count), Species.VACANCY, dtype=np.uint8)
    first, second = (places @ inverse % count).T
    species[sublattice, first, second] = [_ELEMENTS[number] for number in numbers.tolist()]
    held = int((species != Species.VACANCY).sum())
    if held < len(numbers):
        raise _no_honeycomb(f"{len(numbers) - held} of its atoms share a site with another")
    lattice = tube_lattice(n, m, repeats * cells)
    of_site = np.repeat([0, 1], lattice.n_cells)
    first, second = (lattice.site_cells @ inverse % count).T
    return lattice, species[of_site, first, second]


def _no_honeycomb(reason: str) -> StructureError:
    known = ", ".join(SPECIES_DATA[species].symbol for species in _ELEMENTS.values())
    return StructureError(
        f"the sheet is no honeycomb of {known}: {reason}; matgym.structures.Sheet.rolled(n, m) rolls any sheet"
    )
