"""Tubes as devices: one copy between pristine leads."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from matgym.physics.rows import rows_by
from matgym.physics.transport.slabs import Slabs, slabs_of
from matgym.structures import Nanotube, Species
from matgym.typing import SpeciesArray

Deformation: TypeAlias = tuple[int, int, float, float]


def not_between_leads(tube: Nanotube) -> str | None:
    """Why a tube cannot stand between leads, if it cannot."""
    one, other, image = tube.bonds.T
    for a, b in tube.stone_wales:
        touching = np.isin(one, (a, b)) & np.isin(other, (a, b))
        if image[touching].any():
            return f"{tube}: the turned bond ({a}, {b}) crosses the end of the tube; move it inside with screwed()"
    return cut_in_two(tube)


def cut_in_two(tube: Nanotube) -> str | None:
    """The reason, if vacancies leave no path of bonds from one end of a tube to the other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if Species.VACANCY not in tube.species:
        return None
    one, other, image = tube.bonds.T
    left, right = tube.n_sites, tube.n_sites + 1  # two more nodes: what lies beyond either end
    below, above = np.where(image < 0, other, one), np.where(image < 0, one, other)
    across = image != 0
    start = np.concatenate([one[~across], below[across], np.full(int(across.sum()), left)])
    stop = np.concatenate([other[~across], np.full(int(across.sum()), right), above[across]])
    gone = np.append(tube.species == Species.VACANCY, [False, False])
    kept = ~gone[start] & ~gone[stop]
    size = tube.n_sites + 2
    graph = coo_array((np.ones(int(kept.sum())), (start[kept], stop[kept])), shape=(size, size))
    _, part = connected_components(graph, directed=False)
    return f"{tube}: vacancies cut the tube in two" if part[left] != part[right] else None


def by_lead(tubes: Sequence[Nanotube]) -> list[list[int]]:
    """Rows of tubes that stand between the same leads."""
    return rows_by(map(deformation, tubes))


def deformation(tube: Nanotube) -> Deformation:
    """Chirality, strain and torsion: all that a pristine tube is known by."""
    return tube.n, tube.m, tube.strain, tube.torsion


def alike(tubes: Sequence[Nanotube], hops: tuple[int, int]) -> Iterator[tuple[list[int], Slabs]]:
    """Rows of tubes that share lattice, strain and the reach of their interaction, with their slabs.

    `hops` are the bonds of the intact lattice that the interaction reaches without and with turned bonds.
    """
    for rows in rows_by((tube.lattice, tube.strain, tube.torsion, bool(tube.stone_wales)) for tube in tubes):
        first = tubes[rows[0]]
        yield rows, slabs_of(first.lattice, hops[bool(first.stone_wales)])


def stacked_species(tubes: Sequence[Nanotube], slabs: Slabs) -> SpeciesArray:
    """(B, S + 2, M) species of the slabs of tubes between one slab of each lead."""
    slab, index = slabs.sites
    species = np.full((len(tubes), slabs.count + 2, slabs.n_sites), Species.C12, dtype=np.uint8)
    species[:, slab + 1, index] = np.stack([tube.species for tube in tubes])
    return species
