"""Band edges, Fermi level and filling of stacked Bloch Hamiltonians.

Bands are computed on a grid that holds every phase onto which the Dirac points of a tube fold (θ = kL = 0
and 2π/3), then each edge is refined by golden-section search on either side of the best grid point: the
edges of chiral tubes lie beside the symmetry points, by trigonal warping.
"""

from typing import Final

import numpy as np

from matgym.physics.electrons.tight_binding import PiSystem
from matgym.typing import BoolArray, FloatArray, IntArray

GRID: Final = np.linspace(0.0, np.pi, 7)
"""Phases θ in multiples of 30°; E(-θ) = E(θ), so half the zone is enough."""

GRID_WEIGHTS: Final = np.array([0.5, 1, 1, 1, 1, 1, 0.5]) / 6.0
"""Trapezoid rule over [0, π]: a 12-point mesh of the whole zone."""

EDGE_TOLERANCE_EV: Final = 1e-7
"""A band edge is found when the energies across its bracket differ by less, eV."""

MAX_REFINEMENTS: Final = 60
_GOLDEN: Final = (5.0**0.5 - 1.0) / 2.0


def grid_energies(system: PiSystem) -> FloatArray:
    """(b, grid, N) band energies at each phase of the grid, eV, ascending."""
    batch = len(system.rows)
    return np.stack([np.linalg.eigvalsh(system.bloch(np.full(batch, theta))) for theta in GRID], axis=1)


def band_edge(system: PiSystem, energies: FloatArray, band: IntArray, sign: float) -> FloatArray:
    """(b,) lowest (sign = +1) or highest (sign = -1) energy of (b,) bands, eV, from (b, grid, N) `grid_energies`."""
    rows = np.arange(len(band))
    on_grid = sign * energies[rows, :, band]  # (b, grid)
    nearest = on_grid.argmin(axis=1)
    best = on_grid[rows, nearest]
    low, high = GRID[np.maximum(nearest - 1, 0)], GRID[np.minimum(nearest + 1, len(GRID) - 1)]

    def value(theta: FloatArray, active: BoolArray) -> FloatArray:
        part = system.subset(active)
        found = np.linalg.eigvalsh(part.bloch(theta[active]))
        return np.asarray(sign * found[np.arange(len(found)), band[active]])

    every = np.ones(len(band), dtype=bool)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left, every), value(right, every)
    for _ in range(MAX_REFINEMENTS):
        best = np.minimum(best, np.minimum(at_left, at_right))
        # A bracket is done once the function is flat across it, or the bracket is as fine as phases go.
        active = (np.abs(at_left - at_right) + np.maximum(at_left, at_right) - best > EDGE_TOLERANCE_EV) & (
            high - low > 1e-10
        )
        if not active.any():
            break
        go_left = active & (at_left < at_right)
        go_right = active & ~go_left
        high = np.where(go_left, right, high)
        low = np.where(go_right, left, low)
        new_left, new_right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        # One of the two inner points is the old other one; only the new one is evaluated.
        theta = np.where(go_left, new_left, new_right)
        fresh = np.zeros(len(band))
        fresh[active] = value(theta, active)
        at_left, at_right = (
            np.where(go_left, fresh, np.where(go_right, at_right, at_left)),
            np.where(go_right, fresh, np.where(go_left, at_left, at_right)),
        )
        left, right = np.where(active, new_left, left), np.where(active, new_right, right)
    return np.asarray(sign * best)


def filling(energies: FloatArray, electrons: IntArray) -> tuple[FloatArray, FloatArray]:
    """(b,) Fermi level and (b,) band energy a cell, eV, of (b, grid, N) bands filled by (b,) electrons, two a state."""
    batch, _, n_bands = energies.shape
    flat = energies.reshape(batch, -1)
    weights = np.repeat(GRID_WEIGHTS, n_bands)
    order = flat.argsort(axis=1, kind="stable")
    ascending, weight = np.take_along_axis(flat, order, axis=1), weights[order]
    below = np.cumsum(weight, axis=1) - weight
    occupied = np.clip(electrons[:, None] / 2 - below, 0.0, weight)
    highest = np.maximum((occupied > 1e-12).sum(axis=1) - 1, 0)
    return ascending[np.arange(batch), highest], 2.0 * (occupied * ascending).sum(axis=1)
