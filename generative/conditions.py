"""What a generator is asked for, as numbers: target, composition, and the tube's shape."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.structures import TubeLattice
from matgym.surrogates.baseline import pristine_value
from matgym.typing import Float32Array, FloatArray, IntArray

COLUMNS: Final = ("target", "share of first", "share of second", "1 / length", "1 / diameter", "cos(3 angle)")


@dataclass(frozen=True)
class ConditionScaling:
    """Centre and scale of every column over the training data.

    A column that does not vary there, as the chirality's in data of one chirality, has scale zero: it is left out, for
    what a network would make of another value was never learned.

    Attributes:
        centre: (columns,).
        scale: (columns,).
    """

    centre: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> "ConditionScaling":
        """From (rows, columns) raw conditions."""
        scale = columns.std(axis=0)
        return cls(columns.mean(axis=0), np.where(scale > _CONSTANT, scale, 0.0))

    def __call__(self, columns: FloatArray) -> Float32Array:
        """(B, columns) raw conditions, standardised."""
        inverse = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0.0)
        return np.asarray((columns - self.centre) * inverse, dtype=np.float32)


_CONSTANT: Final = 1e-9


def raw_conditions(lattice: TubeLattice, key: str, targets: FloatArray, budget: IntArray) -> FloatArray:
    """(B, columns) what is asked for, in `COLUMNS`' order.

    The target stands as its distance from what the undecorated tube has, which is known without learning: so a network
    that was trained on one chirality can be asked for another.

    Args:
        lattice: shared by the batch.
        key: of the property.
        targets: (B,) in the property's unit.
        budget: (B, K) atoms of each species; K at most 2.
    """
    offset = pristine_value(lattice, key)
    shares = np.zeros((len(targets), 2))
    shares[:, : budget.shape[1]] = budget / lattice.n_sites
    n, m = lattice.n, lattice.m
    angle = np.arctan2(np.sqrt(3.0) * m, 2.0 * n + m)  # Saito, Dresselhaus and Dresselhaus (1998), eq. 3.7
    shape = [10.0 / lattice.length_angstrom, 1.0 / lattice.diameter_nm, np.cos(3.0 * angle)]
    return np.column_stack([targets - offset, shares, np.tile(shape, (len(targets), 1))])
