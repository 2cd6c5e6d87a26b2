"""The scattering amplitude of a pristine tube as a sum of layer lines: helical theory with Bessel functions.

The amplitude of an infinite tube is zero but on layer lines. Each reciprocal lattice point (h, k) of the sheet gives
one term, a Bessel function of order v = h n + k m on the line at the axial frequency

    Z = [(n + 2m) h - (2n + m) k] / (√3 C)

with C the circumference (Qin, Rep. Prog. Phys. 69, 2761 (2006); Lucas, Bruyninckx and Lambin, Europhys. Lett. 35, 355
(1996); derived here for matgym's own lattice by the Jacobi-Anger expansion). There are as many terms as lattice points
in the rectangle that the pattern covers, some 30, because a Bessel function is negligible below its order.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from matgym.errors import ChiralityError, is_whole
from matgym.frozen import ValueObject
from matgym.typing import ComplexArray, FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM, POISSON_RATIO

TAIL: Final = 2.0
"""Orders above x + TAIL x^(1/3) + 2 are left out: there J_v(x) is below 0.002."""

STEP: Final = 0.01
"""Step of the table of Bessel functions. Linear interpolation is then right to 6e-6."""


@dataclass(frozen=True, eq=False)
class LayerLines(ValueObject):
    """The terms of the amplitude of an infinite tube.

    Attributes:
        radius_angstrom: radius, Å.
        per_angstrom: number of unit cells of two atoms for each Å of the tube.
        order: (T,) order v of the Bessel function.
        frequency: (T,) axial frequency Z, 1/Å.
        structure: (T,) sum of the phases of the two atoms of the unit cell.
    """

    radius_angstrom: float
    per_angstrom: float
    order: IntArray
    frequency: FloatArray
    structure: ComplexArray

    def amplitudes(self, radial: FloatArray, azimuth: FloatArray) -> ComplexArray:
        """Return the (T, X) amplitude of each term, per Å of tube and unit of scattering factor, of its own line.

        Args:
            radial: (T, X) distance of the scattering vector from the axis, 1/Å.
            azimuth: (T, X) its angle about the axis, in the tube's own frame.
        """
        values = bessel(self.order, 2.0 * np.pi * self.radius_angstrom * radial)
        phase = np.exp(1j * self.order[:, None] * (np.pi / 2.0 - azimuth))
        return np.asarray(self.per_angstrom * self.structure[:, None] * phase * values)


def layer_lines(n: int, m: int, reach: float, *, strain: float = 0.0, torsion: float = 0.0) -> LayerLines:
    """Return the layer lines of an (n, m) tube up to an axial and a radial frequency of `reach`.

    Args:
        n: first chiral index. (m, n) is the mirror image of (n, m), and both are allowed.
        m: second chiral index.
        reach: largest frequency, 1/Å.
        strain: axial strain, a fraction; the radius shrinks by Poisson's ratio.
        torsion: shear strain of the twist, a fraction.

    Raises:
        ChiralityError: if an index is no whole number, is negative, or both are zero.

    Example:
        >>> lines = layer_lines(10, 5, 0.6)
        >>> highest = lines.frequency[abs(lines.order) == 5].max()  # the line of order m
        >>> round(float(highest), 3)
        0.444
    """
    if not (is_whole(n) and is_whole(m) and n >= 0 and m >= 0 and n + m > 0):
        raise ChiralityError(f"({n}, {m}) is no chirality: give two whole numbers of 0 or more, not both 0")
    return _layer_lines(int(n), int(m), float(reach), float(strain), float(torsion))


@lru_cache(maxsize=4096)
def _layer_lines(n: int, m: int, reach: float, strain: float, torsion: float) -> LayerLines:
    side = np.sqrt(3.0) * CARBON_BOND_ANGSTROM
    around = side * np.sqrt(n * n + n * m + m * m)
    radius = around / (2.0 * np.pi) * (1.0 - POISSON_RATIO * strain)
    highest = _highest_order(2.0 * np.pi * radius * reach)
    most = int(side * np.hypot(reach * (1.0 + abs(strain)), highest / around)) + 2
    h, k = (grid.ravel() for grid in np.meshgrid(np.arange(-most, most + 1), np.arange(-most, most + 1)))
    order = h * n + k * m
    frequency = ((n + 2 * m) * h - (2 * n + m) * k) / (np.sqrt(3.0) * around * (1.0 + strain))
    frequency -= order * torsion / (2.0 * np.pi * radius)  # a twist turns heights into angles
    inside = (np.abs(order) <= highest) & (np.abs(frequency) <= reach)
    return LayerLines(
        float(radius),
        float(2.0 * around / (np.sqrt(3.0) * side**2 * (1.0 + strain))),
        order[inside],
        frequency[inside],
        1.0 + np.exp(2j * np.pi * (h + k)[inside] / 3.0),
    )


def _highest_order(x: float) -> int:
    return int(x + TAIL * np.cbrt(x)) + 2


_TABLE: Final[dict[int, FloatArray]] = {}
"""J_v at multiples of `STEP` up to `LARGEST`, by v >= 0; orders are added when they first occur."""

LARGEST: Final = 400.0
"""Largest argument of the table: a tube of 8 nm up to 1.6 1/Å."""


def bessel(orders: IntArray, x: FloatArray) -> FloatArray:
    """Return the (T, X) Bessel functions of (T,) orders at (T, X) arguments from 0 to `LARGEST`."""
    from scipy.special import jv

    grid = np.arange(0.0, LARGEST + 2.0 * STEP, STEP)
    for order in np.unique(np.abs(orders)).tolist():
        if order not in _TABLE:
            _TABLE[order] = jv(order, grid)
    place = x / STEP
    low = place.astype(np.int64)
    part = place - low
    values = np.empty(x.shape)
    for row, order in enumerate(orders.tolist()):
        table = _TABLE[abs(order)]
        sign = -1.0 if order < 0 and order % 2 else 1.0
        at = low[row]
        values[row] = sign * (table[at] * (1.0 - part[row]) + table[at + 1] * part[row])
    return values
