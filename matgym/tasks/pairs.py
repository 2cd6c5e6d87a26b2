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
        batch, (n_alone, n_together) = len(designs), self._widths
        row, place = np.nonzero(designs)
        edit = place * len(self.codes) + self._kind_of[designs[row, place]]
        alone = np.bincount(row * n_alone + self._alone[edit], minlength=batch * n_alone)

        most = int(np.bincount(row, minlength=batch).max(initial=0))
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # of an edit among those of its row
        edits = np.full((batch, most), len(self._alone), dtype=np.int64)  # what is no edit has the last number
        edits[row, rank] = edit
        first, second = np.triu_indices(most, 1)
        column = self._together[edits[:, first], edits[:, second]]
        column += (n_together + 1) * np.arange(batch)[:, None]
        together = np.bincount(column.ravel(), minlength=batch * (n_together + 1))
        together = together.reshape(batch, n_together + 1)[:, :-1]
        return np.concatenate([alone.reshape(batch, n_alone), together], axis=1).astype(np.float64)

    # ---- where an edit, and a pair of edits, is counted; edit `place * K + kind` puts code `codes[kind]` on a place

    @property
    def _widths(self) -> tuple[int, int]:
        """The numbers of columns of edits and of pairs of edits."""
        kinds = len(self.codes)
        pairs = int(self.of_pair.max()) + 1
        return kinds * (int(self.of_place.max()) + 1), kinds * (kinds + 1) // 2 * pairs

    @cached_property
    @returns_read_only
    def _kind_of(self) -> IntArray:
        """(codes,) number of the kind of each code."""
        kinds = np.zeros(int(self.codes.max()) + 1, dtype=np.int64)
        kinds[self.codes] = np.arange(len(self.codes))
        return kinds

    @cached_property
    @returns_read_only
    def _alone(self) -> IntArray:
        """(P K,) column of each edit."""
        kinds, orbits = np.arange(len(self.codes)), int(self.of_place.max()) + 1
        return np.asarray((kinds * orbits + self.of_place[:, None]).ravel())

    @cached_property
    @returns_read_only
    def _together(self) -> IntArray:
        """(P K + 1, P K + 1) column of each pair of edits; one column more stands for pairs with what is no edit."""
        places, kinds = len(self.of_place), len(self.codes)
        order = np.zeros((kinds, kinds), dtype=np.int64)  # of pairs of kinds, whichever comes first
        low, high = np.triu_indices(kinds)
        order[low, high] = order[high, low] = np.arange(len(low))
        pairs = int(self.of_pair.max()) + 1
        columns = np.full((places * kinds + 1,) * 2, self._widths[1], dtype=np.int64)
        whole = order[None, :, None, :] * pairs + self.of_pair[:, None, :, None]
        columns[:-1, :-1] = whole.reshape(places * kinds, -1)
        return columns
