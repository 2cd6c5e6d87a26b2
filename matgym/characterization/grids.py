"""Atoms on grids for Fourier transforms: a non-uniform FFT with a Kaiser-Bessel window.

Each atom is spread over a few points of the grid by a window whose transform is known, and divided by it. This gives
the transform of a sum of delta functions at the atoms' own places, not at grid points, up to two thirds of the largest
frequency of the grid, the limit of a multislice calculation as well (Beatty, Nishimura and Pauly, IEEE Trans. Med.
Imaging 24, 799 (2005); Kirkland, *Advanced Computing in Electron Microscopy*, 2010, sec. 6.8).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.frozen import ValueObject, returns_read_only
from matgym.typing import ComplexArray, FloatArray, IntArray

WINDOW: Final = 6
"""Width of the window in grid points: with it the transform is right to 1e-3 at the edge of the band, 1e-5 at half."""

BAND: Final = 2.0 / 3.0
"""Share of the largest frequency of the grid that is kept."""

SHAPE: Final = np.pi * WINDOW * (1.0 - BAND / 2.0)
"""Parameter β of the window for that band."""


@dataclass(frozen=True, eq=False)
class Grid(ValueObject):
    """A periodic square grid around the origin.

    Attributes:
        points: number of points in a row, and of rows.
        pitch_angstrom: distance of points, Å.
    """

    points: int
    pitch_angstrom: float

    @cached_property
    @returns_read_only
    def q_rows(self) -> FloatArray:
        """(points,) frequencies along y of transforms, 1/Å."""
        return np.asarray(np.fft.fftfreq(self.points, self.pitch_angstrom))

    @cached_property
    @returns_read_only
    def q_columns(self) -> FloatArray:
        """(points//2 + 1,) frequencies along x of transforms of real functions, 1/Å."""
        return np.asarray(np.fft.rfftfreq(self.points, self.pitch_angstrom))

    @cached_property
    @returns_read_only
    def squared(self) -> FloatArray:
        """(points, points//2 + 1) squares of the frequencies, 1/Å²."""
        return np.asarray(self.q_rows[:, None] ** 2 + self.q_columns**2)

    @property
    def limit(self) -> float:
        """Largest frequency that is kept, 1/Å."""
        return BAND * 0.5 / self.pitch_angstrom

    @cached_property
    @returns_read_only
    def _correction(self) -> FloatArray:
        """(points, points//2 + 1) one over the transform of the window, zero beyond the band, with the origin moved."""
        axes = []
        for q in (self.q_rows, self.q_columns):
            root = np.sqrt((SHAPE**2 - (np.pi * WINDOW * q * self.pitch_angstrom) ** 2).astype(complex))
            axes.append((np.i0(SHAPE) * root / (WINDOW * np.sinh(root))).real)
        return np.asarray(axes[0][:, None] * axes[1] * (self.squared <= self.limit**2))

    def transforms(self, positions: FloatArray, layers: IntArray, count: int) -> ComplexArray:
        """Return the transforms of atoms as delta functions, layer by layer, divided by the area of the grid.

        Args:
            positions: (A, 2) places x and y, Å; the origin is in the middle of the grid. Atoms outside appear where
                they are by the grid's period.
            layers: (A,) layer of each atom, from 0.
            count: number L of layers.

        Returns:
            (L, points, points//2 + 1) transforms, complex64: `irfft2` of them times points² is a density, 1/Å².
        """
        from scipy.fft import rfft2
        from scipy.special import i0

        places = positions / self.pitch_angstrom + self.points // 2
        first = np.ceil(places - WINDOW / 2.0).astype(np.int64)
        near = first[:, None] + np.arange(WINDOW)[:, None]  # (A, WINDOW, 2)
        inside = 1.0 - (2.0 * (near - places[:, None]) / WINDOW) ** 2
        weights = i0(SHAPE * np.sqrt(np.maximum(inside, 0.0))) / np.i0(SHAPE)
        near %= self.points
        cells = (layers[:, None, None] * self.points + near[:, :, None, 1]) * self.points + near[:, None, :, 0]
        spread = np.bincount(
            cells.ravel(), (weights[:, :, None, 1] * weights[:, None, :, 0]).ravel(), count * self.points**2
        )
        stacked = spread.reshape(count, self.points, self.points).astype(np.float32)
        area = (self.points * self.pitch_angstrom) ** 2
        return np.asarray(rfft2(stacked) * (self._correction / area).astype(np.float32))

    def middle(self, values: FloatArray, pixels: int, every: int) -> FloatArray:
        """Return (pixels, pixels) of the (points, points) values in the middle, `every` point of them."""
        start = self.points // 2 - (pixels * every) // 2
        return values[start : start + pixels * every : every, start : start + pixels * every : every]
