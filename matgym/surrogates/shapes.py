"""How far a tube's shape lies outside those of the training data."""

import math
from functools import lru_cache
from typing import Final

import numpy as np

from matgym.structures import TubeLattice, tube_lattice

SHAPE_TOLERANCE: Final = 1e-6
"""By which two shapes differ from rounding alone."""


@lru_cache(maxsize=1024)
def shape_distance(lattice: TubeLattice, trained: tuple[tuple[int, int, int], ...]) -> float:
    """How far a tube's shape lies outside those of the training data.

    A network sees a tube's neighbourhoods, not how wide it is, so that features alone cannot tell. Our choice.

    Args:
        lattice: of the tube.
        trained: (n, m, cells) of the training data.

    Returns:
        0 if diameter, chiral angle and length lie between the training data's; otherwise 1 plus the largest excess,
        of the logarithms of diameter and length, and of the angle in units of 30 degrees.
    """
    seen = np.array([_shape(tube_lattice(*shape)) for shape in trained])
    found = np.array(_shape(lattice))
    excess = np.maximum(seen.min(axis=0) - found, found - seen.max(axis=0)).max()
    return float(1.0 + excess) if excess > SHAPE_TOLERANCE else 0.0


def _shape(lattice: TubeLattice) -> tuple[float, float, float]:
    """Logarithms of diameter and length, and the chiral angle."""
    angle = math.atan2(math.sqrt(3.0) * lattice.m, 2.0 * lattice.n + lattice.m)
    return math.log(lattice.diameter_nm), math.log(lattice.length_angstrom), angle / (math.pi / 6.0)
