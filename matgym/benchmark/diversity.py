"""How different designs are: the best k of a search, and their diversity."""

from hashlib import blake2b

import numpy as np

from matgym.tasks import Cube, Designs, DesignSpace
from matgym.tasks.space import KeyArray
from matgym.typing import FloatArray, IntArray


def distances(space: DesignSpace, first: Designs, second: Designs) -> FloatArray:
    """Return (A, B) distances between designs, from 0 for equal ones to 1.

    For choices and decorations it is the Tanimoto distance of the counts in `DesignSpace.features`, which are equal for
    symmetric copies: 1 - Σ min / Σ max (Bajusz et al., J. Cheminform. 7, 20 (2015)). For numbers in [-1, 1] it is half
    of the root mean square difference.
    """
    if isinstance(space, Cube):
        return np.asarray(np.sqrt(((first[:, None] - second[None]) ** 2).mean(axis=2)) / 2.0)
    a, b = space.features(first)[:, None], space.features(second)[None]
    union = np.maximum(a, b).sum(axis=2)
    return np.asarray(1.0 - np.minimum(a, b).sum(axis=2) / np.where(union > 0.0, union, 1.0))


def keys(space: DesignSpace, designs: Designs) -> KeyArray:
    """Return (B,) keys of designs: those of the space, which are equal for symmetric copies, or hashes of numbers."""
    if not isinstance(space, Cube):
        return space.key(designs)
    hashes = [blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest() for row in designs]
    return np.frombuffer(b"".join(hashes), dtype=np.uint64)


def best_different(space: DesignSpace, designs: Designs, losses: FloatArray, count: int) -> IntArray:
    """Return the indices of the designs with the lowest losses, the best first; symmetric copies count once.

    Designs without a finite loss are left out, so that there may be fewer than `count`.
    """
    order = np.argsort(losses, kind="stable")
    order = order[np.isfinite(losses[order])]
    first = np.unique(keys(space, designs[order]), return_index=True)[1]
    return np.asarray(order[np.sort(first)][:count])


def diversity(space: DesignSpace, designs: Designs) -> float:
    """Return the mean distance between different rows; NaN for fewer than two."""
    apart = distances(space, designs, designs)
    return float(apart[np.triu_indices(len(designs), 1)].mean()) if len(designs) > 1 else float("nan")
