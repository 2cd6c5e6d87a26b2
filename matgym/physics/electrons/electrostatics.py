"""Interaction of π electrons by Ohno's formula, summed over the periodic images along a tube.

γ_ij = e²/(4πε₀ε) / sqrt(r² + a_ij²) with a_ij such that γ = U_ij = (U_i + U_j)/2 at r = 0: Ohno, Theor. Chim. Acta 2,
219 (1964), here with a relative permittivity ε of the other electrons for the long range.

The sum over all images of one charge diverges, that of a neutral cell does not. The part that diverges is the same for
all pairs, 2 ln(X)/L with the largest distance X that is summed; it is left out here, so that the product with charges
of zero sum is the limit of the sum, with potentials that vanish far from the tube. Images beyond `DIRECT_ANGSTROM` are
summed by the midpoint rule with its first correction.
"""

from math import ceil
from typing import Final

import numpy as np

from matgym.typing import FloatArray

COULOMB_EV_ANGSTROM: Final = 14.399645
"""e²/(4πε₀), eV Å (CODATA 2018)."""

DIRECT_ANGSTROM: Final = 60.0
"""Distance along the tube up to which images are summed one by one, Å."""

TWISTED_ANGSTROM: Final = 600.0
"""The same for twisted tubes, whose images turn: beyond it the distance across the tube is averaged over the turns."""


def ohno(
    positions: FloatArray, period: float, u_ev: FloatArray, permittivity: float, twist_rad: float = 0.0
) -> FloatArray:
    """Return (b, N, N) interactions with all images, eV per squared charge, without the part that all pairs share.

    Args:
        positions: (N, 3) positions, Å, with the axis of the tube at x = y = 0.
        period: axial period, Å.
        u_ev: (b, N) interaction of two electrons on a site, eV; an average of zero means no interaction.
        permittivity: relative permittivity of the long range.
        twist_rad: rotation of each period relative to the one before, rad.
    """
    x, y, z = positions.T
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    rise, turn = z[None, :] - z[:, None], angle[None, :] - angle[:, None]
    mean = (u_ev[:, :, None] + u_ev[:, None, :]) / 2.0
    strength = COULOMB_EV_ANGSTROM / permittivity
    with np.errstate(divide="ignore"):
        softening = np.where(mean > 0.0, (strength / mean) ** 2, np.inf)  # Å²
    total = np.zeros_like(mean)
    images = max(1, ceil((TWISTED_ANGSTROM if twist_rad else DIRECT_ANGSTROM) / period - 0.5))
    product = 2.0 * radius[:, None] * radius[None, :]
    squares = radius[:, None] ** 2 + radius[None, :] ** 2
    for image in range(-images, images + 1):
        across = squares - product * np.cos(turn + image * twist_rad)
        total += 1.0 / np.sqrt(across + (rise + image * period) ** 2 + softening)
    across = squares - product * np.cos(turn) if not twist_rad else squares
    broad, end = across + softening, (images + 0.5) * period
    with np.errstate(invalid="ignore"):
        for height in (end + rise, end - rise):
            far = np.sqrt(height**2 + broad)
            total -= np.log((height + far) / period) / period + period * height / (24.0 * far**3)
    return np.asarray(np.where(mean > 0.0, strength * total, 0.0))
