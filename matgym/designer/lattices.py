"""The tubes that a brief is searched on: chiralities whose size fits, and the lengths of their decorated sections."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from matgym.designer.brief import Brief
from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.self_consistent import SelfConsistentParameters
from matgym.structures import Nanotube, TubeLattice, tube_lattice
from matgym.structures.lattice import unit_sites
from matgym.tasks.any_tube import DIAMETERS_NM, LENGTHS_NM, AnyTube
from matgym.typing import BoolArray, FloatArray
from matgym.units import ANGSTROM_PER_NM

WIDEST_NM: Final = 3.0
THINNEST_NM: Final = 0.6
"""Range of the diameters. Below it the π-electron model does not hold; above it is a choice, as are all limits here."""

LARGEST: Final = 600
"""Largest number of sites of an undecorated tube."""

DECORATED: Final = 256
SHORT: Final = 160
"""Largest number of sites of a decorated tube; the lower one where quantities between leads need electrons, whose
physics grows with the square of the number."""

MOST: Final = 200
"""Largest number of lattices; a row of `AnyTube` holds fewer than 256."""

NEAREST: Final = 20
"""Number of chiralities that are taken where none fits."""

EDITS: Final = 64
"""Largest number of atoms that are placed."""


@dataclass(frozen=True, eq=False)
class Lattices(ValueObject):
    """The lattices of a search.

    Attributes:
        space: the design space on them.
        decorable: (L,) whether a lattice may be decorated: its size is one that the shipped surrogates saw.
    """

    space: AnyTube
    decorable: BoolArray

    @cached_property
    @returns_read_only
    def gap_ev(self) -> FloatArray:
        """(L,) gaps of the undecorated tubes, eV."""
        return np.array([_gap_ev(each.n, each.m) for each in self.space.lattices])


def lattices_for(brief: Brief, more: Sequence[TubeLattice] = ()) -> Lattices:
    """Return the lattices on which designs for a brief are searched.

    The chiralities are those whose diameter fits, or the nearest if there is none. Among those that are too large to be
    decorated, the ones are taken whose undecorated gap comes nearest to what is asked.

    Args:
        brief: the brief.
        more: further lattices, of tubes from which a search begins.
    """
    between_leads = bool({"conductance", "zt"} & set(brief.names))
    shapes = _shapes()
    by_size = brief.excess({"diameter": np.array([tube_lattice(n, m, 1).diameter_nm for n, m in shapes])})
    is_taken = by_size <= (0.0 if (by_size == 0.0).any() else np.sort(by_size)[NEAREST - 1])
    small, large = [], []
    for (n, m), fits_size in zip(shapes, is_taken.tolist(), strict=True):
        if fits_size:
            lengths = _lengths(brief, n, m)
            small += lengths
            if not lengths:
                large.append(tube_lattice(n, m, 1))
    if "gap" in brief.names and large:
        order = brief.excess({"gap": np.array([_gap_ev(each.n, each.m) for each in large])})
        large = [large[place] for place in np.argsort(order, kind="stable").tolist()]
    small = list(dict.fromkeys([*more, *small]))[:MOST]
    if small and between_leads:  # physics between leads takes seconds where a unit cell is large
        large = []
    taken = (*small, *large[: MOST - len(small)])
    space = AnyTube(taken, max(each.n_sites for each in taken), EDITS)
    is_short = np.array([each.n_sites <= (SHORT if between_leads else DECORATED) for each in taken])
    return Lattices(space, is_short & (np.arange(len(taken)) < len(small)))


def _shapes() -> list[tuple[int, int]]:
    """Return all chiralities within the range of diameters and sites, those of the smallest unit cells first."""
    found = [
        (n, m)
        for n in range(4, 40)
        for m in range(n + 1)
        if unit_sites(n, m) <= LARGEST and THINNEST_NM <= tube_lattice(n, m, 1).diameter_nm <= WIDEST_NM
    ]
    return sorted(found, key=lambda shape: unit_sites(*shape))


def _lengths(brief: Brief, n: int, m: int) -> list[TubeLattice]:
    """Return the lattices of one chirality that may be decorated: two lengths, or those nearest to what is asked."""
    unit = tube_lattice(n, m, 1)
    if not DIAMETERS_NM[0] <= unit.diameter_nm <= DIAMETERS_NM[1]:
        return []
    period = unit.length_angstrom / ANGSTROM_PER_NM
    possible = np.arange(1, DECORATED // unit.n_sites + 1)
    possible = possible[(possible * period >= LENGTHS_NM[0]) & (possible * period <= LENGTHS_NM[1])]
    if not possible.size:
        return []
    lengths: dict[str, FloatArray] = {"length": np.asarray(possible * period, dtype=np.float64)}
    excess = np.asarray(brief.excess(lengths) + brief.loss(lengths))
    near = possible[excess == excess.min()]
    chosen = {int(near[-1]), int(near[len(near) // 2])}
    return [tube_lattice(n, m, cells) for cells in sorted(chosen)]


@lru_cache(maxsize=4096)
def _gap_ev(n: int, m: int) -> float:
    """Return the gap of an undecorated tube, eV, by the oracle of the gap: there are no charges to be computed."""
    return pristine_gap(Nanotube(n, m, 1), SelfConsistentParameters().carbon)
