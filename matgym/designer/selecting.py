"""The best designs of a search that differ from each other."""

from typing import Final

import numpy as np

from matgym.agents.diversity import best
from matgym.designer.lattices import Lattices
from matgym.designer.searching import Pool
from matgym.structures import Species
from matgym.tasks.any_tube import HEAD, KINDS
from matgym.tasks.space import Designs
from matgym.typing import FloatArray, IntArray

CHIRALITY: Final = 1000.0
"""Distance of designs of different chiralities."""

LEAST: Final = (CHIRALITY / 2.0, 2.0, 0.0)
"""Distances that designs must exceed, tried in turn until there are enough: another chirality, a composition that
differs by more than two atoms, any other composition."""

BEST: Final = 2000
"""Number of the best designs from which different ones are taken."""


def described(designs: Designs, lattices: Lattices) -> FloatArray:
    """Return (B, F) numbers of which half the sum of absolute differences is the distance of two designs.

    These are the numbers of atoms of each kind. Designs of different chiralities are at least `CHIRALITY` apart.
    Undecorated tubes of one chirality and several lengths are the same; decorated ones count as one atom apart.
    """
    counts = np.stack([(designs[:, HEAD:] == kind).sum(axis=1) for kind in (*KINDS, Species.C12)], axis=1)
    shapes = np.array([(each.n, each.m, each.cells) for each in lattices.space.lattices])
    of_design = shapes[designs[:, 0].astype(np.int64)].astype(np.float64)
    is_decorated = counts[:, : len(KINDS)].any(axis=1)
    return np.concatenate(
        [2.0 * CHIRALITY * of_design[:, :2], 2.0 * (of_design[:, 2] * is_decorated)[:, None], counts[:, : len(KINDS)]],
        axis=1,
    )


def different(pool: Pool, count: int, lattices: Lattices) -> IntArray:
    """Return the places of the best designs that differ, the best first.

    Those that meet the brief come first, within the domain of the surrogates before outside; then those that are
    nearest to it. Different chiralities are taken as long as there are designs that meet the brief; then different
    compositions.

    Args:
        pool: the designs.
        count: largest number of designs.
        lattices: the lattices of the designs.
    """
    rank = np.select([pool.met & ~pool.estimates.outside, pool.met, ~pool.estimates.outside], [0, 1, 2], 3)
    chosen = np.zeros(0, dtype=np.int64)
    for least in range(4):
        for distance in LEAST:
            rows = np.flatnonzero(rank == least)
            if len(chosen) < count and rows.size:
                chosen = _more(pool, chosen, rows, count, distance, lattices)
    return chosen


def _more(pool: Pool, chosen: IntArray, rows: IntArray, count: int, distance: float, lattices: Lattices) -> IntArray:
    """Return chosen designs, and the best of some rows that differ from them and from each other."""
    rows = rows[np.lexsort((pool.loss[rows], pool.excess[rows]))][:BEST]
    places = np.concatenate([chosen, rows[~np.isin(rows, chosen)]])
    rewards = -np.arange(len(places), dtype=np.float64)
    taken = best(
        pool.designs[places], rewards, max(count, len(chosen)), lattices.space,
        distance=distance, describe=lambda designs: described(designs, lattices),
    )  # fmt: skip
    return np.concatenate([chosen, places[taken[taken >= len(chosen)]]])[:count]
