"""After how many targets a training pays: the evaluations that it took against those that it saves on each target."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np

from matgym.typing import FloatArray, IntArray


@dataclass(frozen=True)
class BreakEven:
    """The number of targets after which a trained policy has used fewer evaluations than the best search.

    Attributes:
        targets: number of targets.
        is_bound: whether no search meets as many targets with the most queries, so that training pays even earlier.
    """

    targets: int
    is_bound: bool

    def __str__(self) -> str:
        return f"{'< ' if self.is_bound else ''}{self.targets:,}"


def share_within(reached: Iterable[tuple[float, float]], queries: IntArray) -> FloatArray:
    """Return the (Q,) largest shares that a method reaches with at most Q numbers of queries; 0 with fewer than it has.

    Args:
        reached: pairs of a number of queries and the share that the method reaches with it.
        queries: (Q,) numbers of queries.
    """
    pairs = list(reached)
    return np.array([max((share for used, share in pairs if used <= most), default=0.0) for most in queries.tolist()])


def break_even(designs: int, queries: IntArray, share: FloatArray, searches: Iterable[FloatArray]) -> BreakEven | None:
    """Return when a training pays, or None if searches meet as many targets with as few queries.

    With some number of queries the policy meets a share of the targets. The best search needs more queries for as large
    a share; the training pays after designs / (queries of the search - queries of the policy) targets. The policy's own
    number of queries is the one with the earliest break-even.

    Args:
        designs: evaluations of the training.
        queries: (Q,) numbers of queries, ascending.
        share: (Q,) shares of targets that the policy meets; NaN beyond its budget.
        searches: (Q,) shares of each search without training.
    """
    best = np.max([np.nan_to_num(own, nan=-1.0) for own in searches], axis=0, initial=-1.0)
    best = np.broadcast_to(best, queries.shape)
    found: list[BreakEven] = []
    for number, met in zip(queries.tolist(), share.tolist(), strict=True):
        if np.isnan(met) or met <= 0.0:
            continue
        there = np.flatnonzero(best >= met)
        needed = int(queries[there[0]]) if len(there) else int(queries[-1])
        if needed > number:
            found.append(BreakEven(ceil(designs / (needed - number)), not len(there)))
    return min(found, key=lambda each: (each.targets, each.is_bound), default=None)
