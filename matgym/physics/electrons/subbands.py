"""Subbands of undecorated tubes: at which energies leads carry current, and where their transmission has steps."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject, cached_by_bytes
from matgym.physics.electrons.tight_binding import SCANNED, PiParameters, helical_bands, hoppings
from matgym.structures import Nanotube, TubeLattice
from matgym.typing import BoolArray, FloatArray

ZOOMS: Final = 7
"""Times that the neighbourhood of an extremum is searched, each time on a range ten times narrower."""

TOUCHING_EV: Final = 1e-6
"""Least energy of a band edge, eV: below it, bands meet at zero, and their number does not change."""


@dataclass(frozen=True)
class Subbands(ValueObject):
    """The upper bands of an undecorated tube; the lower ones are their mirror image.

    Attributes:
        ranges_ev: (lines, 2) lowest and highest energy on each line of allowed wave vectors, eV.
        edges_ev: (K,) energies at which the number of bands changes, eV, ascending, of both signs.
    """

    ranges_ev: FloatArray
    edges_ev: FloatArray

    def carry(self, energies_ev: FloatArray) -> BoolArray:
        """Return whether the tube has states at each of (E,) energies, eV."""
        size = np.abs(energies_ev)[:, None]
        return np.asarray(((self.ranges_ev[:, 0] <= size) & (size <= self.ranges_ev[:, 1])).any(axis=1))

    @property
    def half_gap_ev(self) -> float:
        """The lowest energy of the upper bands, eV."""
        return float(self.ranges_ev[:, 0].min())


def subbands(tube: Nanotube, parameters: PiParameters) -> Subbands:
    """Return the subbands of the undecorated tube; tubes of the same chirality and deformation share them."""
    # The order of the three bonds depends on the number of cells.
    cell = Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion)
    return _subbands(cell.lattice, tuple(hoppings(cell, parameters).tolist()))


@cached_by_bytes()
def _subbands(lattice: TubeLattice, strengths: tuple[float, ...]) -> Subbands:
    step = 2.0 * np.pi / (SCANNED - 1)
    scan = np.asarray(
        step * np.arange(-1, SCANNED + 1) - np.pi, dtype=np.float64
    )  # one step beyond the zone, where each line goes on
    lines = np.arange(lattice.n_cells)
    bands = helical_bands(lattice, lines[:, None], scan, strengths)
    extrema = []
    for sign in (1.0, -1.0):
        values = sign * bands
        line, place = np.nonzero((values[:, 1:-1] <= values[:, :-2]) & (values[:, 1:-1] <= values[:, 2:]))
        best, width = scan[place + 1], step
        for _ in range(ZOOMS):
            near = best[:, None] + width * np.linspace(-1.0, 1.0, 21)
            found = sign * helical_bands(lattice, line[:, None], near, strengths)
            least = found.argmin(axis=1)
            best, width = near[np.arange(len(near)), least], width / 10.0
        extrema.append((line, sign * found.min(axis=1, initial=np.inf)))
    lowest, highest = bands.min(axis=1), bands.max(axis=1)
    np.minimum.at(lowest, *extrema[0])
    np.maximum.at(highest, *extrema[1])
    lowest[lowest < TOUCHING_EV] = 0.0
    edges = np.concatenate([extrema[0][1], extrema[1][1]])
    edges = np.unique(np.round(edges[edges > TOUCHING_EV] / TOUCHING_EV)) * TOUCHING_EV
    return Subbands(np.stack([lowest, highest], axis=1), np.concatenate([-edges[::-1], edges]))
