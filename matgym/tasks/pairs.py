"""Counts of pairs of edits by symmetry: the terms of a cluster expansion up to pairs.

Two pairs of places belong to one orbit if a symmetry operation of the space maps one onto the other. Properties that
depend on which atoms are how far from each other are functions of these counts (Sanchez, Ducastelle and Gratias,
Physica A 128, 334 (1984)).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matgym.frozen import ValueObject, returns_read_only
from matgym.typing import FloatArray, IntArray, SpeciesArray


@dataclass(frozen=True, eq=False)
class PairOrbits(ValueObject):
    """The orbits of places and of pairs of places under a group.

    Attributes:
        operations: (G, P) sources: an operation puts the edit of place `operations[g, p]` on place p.
        codes: (K,) codes of the edits, other than 0.
    """

    operations: IntArray
    codes: IntArray

    @cached_property
    @returns_read_only
    def of_place(self) -> IntArray:
        """(P,) number of the orbit of each place, from 0."""
        return np.unique(self.operations.min(axis=0), return_inverse=True)[1]

    @cached_property
    @returns_read_only
    def of_pair(self) -> IntArray:
        """(P, P) number of the orbit of each pair of two places, from 0; symmetric, and -1 on the diagonal."""
        places = self.operations.shape[1]
        first, second = np.triu_indices(places, 1)
        least = np.full(len(first), places * places, dtype=np.int64)
        for operation in self.operations:
            a, b = operation[first], operation[second]
            np.minimum(least, np.minimum(a, b) * places + np.maximum(a, b), out=least)
        numbers = np.full((places, places), -1, dtype=np.int64)
        numbers[first, second] = numbers[second, first] = np.unique(least, return_inverse=True)[1]
        return numbers

    def counts(self, designs: SpeciesArray) -> FloatArray:
        """Return the numbers of edits and of pairs of edits in each orbit.

        Args:
            designs: (B, P) codes, 0 where there is no edit.

        Returns:
            (B, F) counts: for each code, the edits in each orbit of places; then, for each pair of codes, the pairs of
            edits in each orbit of pairs.
        """
        batch, singles, pairs = len(designs), int(self.of_place.max()) + 1, int(self.of_pair.max()) + 1
        kinds = len(self.codes)
        kind_of = np.zeros(int(self.codes.max()) + 1, dtype=np.int64)
        kind_of[self.codes] = np.arange(kinds)
        row, place = np.nonzero(designs)
        kind = kind_of[designs[row, place]]
        alone = np.bincount((row * kinds + kind) * singles + self.of_place[place], minlength=batch * kinds * singles)

        most = int(np.bincount(row, minlength=batch).max(initial=0))
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # of an edit among those of its row
        table = np.full((batch, most), -1, dtype=np.int64)
        table[row, rank] = place * kinds + kind
        a, b = (table[:, index] for index in np.triu_indices(most, 1))
        there = (a >= 0) & (b >= 0)
        rows = np.broadcast_to(np.arange(batch)[:, None], a.shape)[there]
        a, b = a[there], b[there]
        low, high = np.minimum(a % kinds, b % kinds), np.maximum(a % kinds, b % kinds)
        mixed = low * kinds + high
        order = np.full(kinds * kinds, -1, dtype=np.int64)
        order[[i * kinds + j for i in range(kinds) for j in range(i, kinds)]] = np.arange(kinds * (kinds + 1) // 2)
        n_mixed = kinds * (kinds + 1) // 2
        column = order[mixed] * pairs + self.of_pair[a // kinds, b // kinds]
        together = np.bincount(rows * n_mixed * pairs + column, minlength=batch * n_mixed * pairs)
        return np.concatenate([alone.reshape(batch, -1), together.reshape(batch, -1)], axis=1).astype(np.float64)
