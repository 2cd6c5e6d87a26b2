"""The honeycomb lattice of a nanotube as a periodic raster.

A tube of chirality (n, m) and c cells is the honeycomb lattice modulo its circumference vector
C = n a₁ + m a₂ and c times its translation vector T (Saito, Dresselhaus and Dresselhaus, *Physical
Properties of Carbon Nanotubes*, 1998, ch. 3). Its unit cells form a finite Abelian group, Z² modulo the
lattice that C and cT span. In Hermite normal form this group is a raster of H rows and W columns. The last row
is followed by the first one, shifted by `shift` columns:

    (row + H, column) = (row, column + shift),    (row, column + W) = (row, column)

Each pixel is a unit cell of two atoms, A and B, and for every chirality the bonds are the same three:

    A(row, column) — B(row, column), B(row - 1, column), B(row, column - 1)

A convolution with circular padding and that shift therefore reads true neighbours everywhere: at the seam,
along the helix, and across the ends of the cell.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matgym.errors import ChiralityError, StructureError
from matgym.frozen import ValueObject, cached_by_bytes, returns_read_only
from matgym.typing import BoolArray, FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM

A: Final = 0
B: Final = 1

MAX_SITES: Final = 2_000_000
"""Largest number of sites of a tube: one of 10 nm diameter and 1.6 µm length. This limit is our choice. It keeps each
array of sites and bonds below 150 MB, so that a mistyped number raises an error before memory is exhausted."""

# Bases (e_row, e_column) in units of (a₁, a₂), and the cell of the B atom of pixel (0, 0), for frames that are
# rotated about an A atom by 0°, 120° and 240°. All three have the same bond pattern.
_FRAMES: Final = (((0, 1), (1, 0), (0, 0)), ((-1, 0), (-1, 1), (-1, 0)), ((1, -1), (0, -1), (0, -1)))


@dataclass(frozen=True)
class TubeLattice(ValueObject):
    """The sites, bonds and geometry of a tube, without species.

    Sites are numbered in raster order, beginning with sublattice A: `site = (sublattice * H + row) * W + column`.

    Attributes:
        n: first chiral index, n ≥ 1.
        m: second chiral index, 0 ≤ m ≤ n.
        cells: number of translational unit cells along the axis.

    Raises:
        ChiralityError: if (n, m) is not canonical.
        StructureError: if there are fewer cells than 1, or more sites than `MAX_SITES`.
    """

    n: int
    m: int
    cells: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 1 or not 0 <= self.m <= self.n:
            swapped = f"; its mirror image is ({self.m}, {self.n})" if self.m > self.n >= 0 else ""
            raise ChiralityError(
                f"chirality ({self.n}, {self.m}) is not canonical: give n >= 1 and 0 <= m <= n{swapped}"
            )
        if self.cells < 1:
            raise StructureError(f"a tube cannot have {self.cells} cells: give 1 or more")
        if self.n_sites > MAX_SITES:
            raise StructureError(
                f"a ({self.n}, {self.m}) tube of {self.cells} cells has {self.n_sites:,} sites: give a tube of "
                f"{MAX_SITES:,} or fewer"
            )

    def __reduce__(self) -> tuple[Callable[[int, int, int], "TubeLattice"], tuple[int, int, int]]:
        """Pickle three numbers and no arrays; a copy is the shared lattice itself."""
        return tube_lattice, (self.n, self.m, self.cells)

    def forget(self) -> None:
        """Drop all arrays; they are computed again when they are needed."""
        for name in vars(self).keys() - {"n", "m", "cells"}:
            vars(self).pop(name, None)

    # ---- sizes

    @cached_property
    def translation(self) -> tuple[int, int]:
        """Translation vector T = t₁ a₁ + t₂ a₂ as (t₁, t₂)."""
        d_r = math.gcd(2 * self.m + self.n, 2 * self.n + self.m)
        return (2 * self.m + self.n) // d_r, -(2 * self.n + self.m) // d_r

    @cached_property
    def n_cells(self) -> int:
        """Number of two-atom unit cells (hexagons) of the tube: H * W."""
        t1, t2 = self.translation
        return self.cells * abs(self.n * t2 - self.m * t1)

    @property
    def n_sites(self) -> int:
        """Number of lattice sites of the tube, including vacancies."""
        return 2 * self.n_cells

    @property
    def folds(self) -> int:
        """Order of the rotation axis: gcd(n, m)."""
        return math.gcd(self.n, self.m)

    @cached_property
    @returns_read_only
    def screw(self) -> IntArray:
        """(2,) the shortest screw p a₁ + q a₂ along the axis, with m p - n q = gcd(n, m)."""
        p = next(p for p in range(self.n) if (self.m * p - self.folds) % self.n == 0)
        return np.array([p, (self.m * p - self.folds) // self.n])

    @property
    def is_achiral(self) -> bool:
        """Whether the tube is zigzag or armchair, and therefore its own mirror image."""
        return self.m in {0, self.n}

    @property
    def diameter_nm(self) -> float:
        """Diameter |C|/π of the rolled, unstrained sheet, nm."""
        return self.circumference_angstrom / math.pi / 10.0

    @property
    def circumference_angstrom(self) -> float:
        """Length |C| of the unstrained sheet around the tube, Å."""
        lattice_constant = math.sqrt(3.0) * CARBON_BOND_ANGSTROM
        return lattice_constant * math.sqrt(self.n**2 + self.n * self.m + self.m**2)

    @property
    def length_angstrom(self) -> float:
        """Axial length c|T| of the unstrained tube, Å."""
        d_r = math.gcd(2 * self.m + self.n, 2 * self.n + self.m)
        return self.cells * math.sqrt(3.0) * self.circumference_angstrom / d_r

    # ---- raster

    @cached_property
    def _raster(self) -> tuple[int, int, int, int]:
        """(H, W, shift, frame) of the frame whose raster is closest to a square."""
        best = (0, 0, 0, 0)
        for frame in range(3):
            width = next(w for w in range(1, self.n_cells + 1) if self.is_period(_in_frame(0, w, frame)))
            height = self.n_cells // width
            if min(height, width) > min(best[:2]):
                shift = next(s for s in range(width) if self.is_period(_in_frame(height, -s, frame)))
                best = (height, width, shift, frame)
        return best

    def is_period(self, vector: tuple[int, int]) -> bool:
        """Return whether a lattice vector (p, q), in units of a₁ and a₂, is an integer combination of C and cT."""
        p, q = vector
        t1, t2 = self.translation
        det = (self.n * t2 - self.m * t1) * self.cells
        along_c = (p * t2 - q * t1) * self.cells
        along_t = self.n * q - self.m * p
        return along_c % det == 0 and along_t % det == 0

    @property
    def raster_shape(self) -> tuple[int, int]:
        """Numbers of rows and columns of the raster: (H, W)."""
        return self._raster[:2]

    @property
    def raster_shift(self) -> int:
        """Number of columns by which the raster is shifted from the last row to the first one."""
        return self._raster[2]

    @cached_property
    @returns_read_only
    def _cell_index(self) -> IntArray:
        """(n_cells, 2) coordinates (p, q) of the unit cells of the A atoms, in raster order."""
        height, width, _, frame = self._raster
        rows, columns = np.divmod(np.arange(height * width), width)
        (r1, r2), (c1, c2), _ = _FRAMES[frame]
        return np.stack([rows * r1 + columns * c1, rows * r2 + columns * c2], axis=1)

    @cached_property
    @returns_read_only
    def site_cells(self) -> IntArray:
        """(n_sites, 2) integer coordinates (p, q) of each site's unit cell, in units of a₁ and a₂."""
        offset = np.array(_FRAMES[self._raster[3]][2])
        return np.concatenate([self._cell_index, self._cell_index + offset])

    @cached_property
    @returns_read_only
    def home_cells(self) -> IntArray:
        """(n_sites, 2) coordinates as in `site_cells`, moved along the axis into the tube."""
        turns = self.axial_thirds(self.site_cells, np.repeat([0, 1], self.n_cells)) // (3 * self.n_cells)
        return np.asarray(self.site_cells - turns[:, None] * self.cells * np.array(self.translation))

    def axial_thirds(self, cells: IntArray, sublattice: IntArray) -> IntArray:
        """Return (...) heights of places on the sheet, in thirds of the unit in which the tube is `n_cells` long.

        Heights are whole numbers, which are exact, unlike lengths in Å. The unit is the same for tubes of any number
        of cells.

        Args:
            cells: (..., 2) integer coordinates in units of a₁ and a₂.
            sublattice: (...) of 0 (A) or 1 (B).
        """
        p, q = np.moveaxis(cells, -1, 0)
        return np.asarray(3 * (self.m * p - self.n * q) + (self.m - self.n) * sublattice)

    def sites_at(self, cells: IntArray, sublattice: IntArray) -> IntArray:
        """Return (...) sites at given unit cells and sublattices, which are wrapped into the tube.

        Args:
            cells: (..., 2) integer coordinates in units of a₁ and a₂.
            sublattice: (...) of 0 (A) or 1 (B).
        """
        height, width, shift, frame = self._raster
        (r1, r2), (c1, c2), offset = _FRAMES[frame]
        p, q = np.moveaxis(cells - np.asarray(sublattice)[..., None] * np.array(offset), -1, 0)
        det = r1 * c2 - r2 * c1  # ±1: the frames are unimodular
        rows, columns = (p * c2 - q * c1) * det, (q * r1 - p * r2) * det
        turns, rows = np.divmod(rows, height)
        columns = (columns + turns * shift) % width
        return np.asarray((sublattice * height + rows) * width + columns, dtype=np.int64)

    # ---- bonds

    @cached_property
    @returns_read_only
    def bond_steps(self) -> IntArray:
        """(3, 2) steps from the unit cell of an A atom to those of its three bonded B atoms, in units of a₁ and a₂."""
        (r1, r2), (c1, c2), offset = _FRAMES[self._raster[3]]
        return np.asarray(np.array(offset) + np.array([(0, 0), (-r1, -r2), (-c1, -c2)]))

    @cached_property
    @returns_read_only
    def bonds(self) -> IntArray:
        """(3 n_cells, 3) A site, B site, and periodic image (0 or ±1, along the axis) of the B site of each bond.

        Bond `k * n_cells + i` is the k-th of the three bonds of A site i: bonds of one direction are contiguous.
        """
        n_cells = self.n_cells
        a_sites = np.arange(n_cells)
        rows = []
        for step in self.bond_steps:
            b_cells = self._cell_index + step
            b_sites = self.sites_at(b_cells, np.ones(n_cells, dtype=np.int64))
            z_bonded = self._axial(b_cells, np.ones(n_cells))
            image = np.floor(z_bonded + _EDGE) - np.floor(self._axial(self._cell_index, np.zeros(n_cells)) + _EDGE)
            rows.append(np.stack([a_sites, b_sites, image.astype(np.int64)], axis=1))
        return np.concatenate(rows)

    def bond_mask(self, pairs: Iterable[tuple[int, int]]) -> BoolArray:
        """Return a (3 n_cells,) mask that is True for the bonds between given pairs (A site, B site)."""
        mask = np.zeros(len(self.bonds), dtype=bool)
        for a, b in pairs:
            mask[int(np.flatnonzero(self.neighbours[a] == b)[0]) * self.n_cells + a] = True
        return mask

    def bond_pairs(self, mask: NDArray[np.generic]) -> tuple[tuple[int, int], ...]:
        """Return the pair (A site, B site) of each bond that a (3 n_cells,) mask marks."""
        return tuple((int(a), int(b)) for a, b in self.bonds[np.flatnonzero(mask), :2])

    @cached_property
    @returns_read_only
    def neighbours(self) -> IntArray:
        """(n_sites, 3) bonded sites of each site."""
        n_cells = self.n_cells
        a_sites, b_sites = self.bonds[:, 0], self.bonds[:, 1]
        of_a = b_sites.reshape(3, n_cells).T
        of_b = np.empty((n_cells, 3), dtype=np.int64)
        for k in range(3):
            of_b[b_sites[k * n_cells : (k + 1) * n_cells] - n_cells, k] = a_sites[k * n_cells : (k + 1) * n_cells]
        return np.concatenate([of_a, of_b])

    # ---- geometry

    def _planar(self, cells: IntArray, sublattice: FloatArray) -> FloatArray:
        """Return (..., 2) coordinates in units of a₁ and a₂; the B atom is at (a₁ + a₂)/3 in its cell."""
        return cells + np.asarray(sublattice)[..., None] / 3.0

    def _axial(self, cells: IntArray, sublattice: FloatArray) -> FloatArray:
        """Return (...) positions along the axis as fractions of the tube's length, not wrapped."""
        p, q = np.moveaxis(self._planar(cells, sublattice), -1, 0)
        return np.asarray((self.m * p - self.n * q) / self.n_cells)

    def _angular(self, cells: IntArray, sublattice: FloatArray) -> FloatArray:
        """Return (...) positions around the circumference as fractions of a turn, not wrapped."""
        n, m = self.n, self.m
        p, q = np.moveaxis(self._planar(cells, sublattice), -1, 0)
        return np.asarray((p * (n + m / 2) + q * (m + n / 2)) / (n * n + n * m + m * m))

    @cached_property
    @returns_read_only
    def site_fractions(self) -> FloatArray:
        """(n_sites, 2) angle and axial position of each site as fractions in [0, 1)."""
        sublattice = np.repeat([0.0, 1.0], self.n_cells)
        angle = self._angular(self.site_cells, sublattice)
        axial = self._axial(self.site_cells, sublattice)
        fractions = np.stack([angle, axial], axis=1)
        return fractions - np.floor(fractions + _EDGE)

    @cached_property
    @returns_read_only
    def bond_vectors(self) -> FloatArray:
        """(3, 2) vectors of the three bonds of an A atom on the unrolled sheet, around and along the tube, Å."""
        around = self._angular(self.bond_steps, np.ones(3)) * self.circumference_angstrom
        along = self._axial(self.bond_steps, np.ones(3)) * self.length_angstrom
        return np.stack([around, along], axis=1)


_EDGE: Final = 1e-9
"""Sites within this fraction of a period below its end count as sites at the start of the next period."""


def _in_frame(rows: int, columns: int, frame: int) -> tuple[int, int]:
    (r1, r2), (c1, c2), _ = _FRAMES[frame]
    return rows * r1 + columns * c1, rows * r2 + columns * c2


def unit_sites(n: int, m: int) -> int:
    """Return the number of sites of a translational unit cell of an (n, m) tube."""
    return 4 * (n * n + n * m + m * m) // math.gcd(2 * m + n, 2 * n + m)


_BYTES_PER_SITE: Final = 128
"""Bytes of a lattice's arrays for each site, all together."""


@cached_by_bytes(lambda lattice: _BYTES_PER_SITE * lattice.n_sites, TubeLattice.forget)
def tube_lattice(n: int, m: int, cells: int) -> TubeLattice:
    """Return the lattice of a tube; tubes of the same chirality and length share it.

    Args:
        n: first chiral index.
        m: second chiral index.
        cells: number of translational unit cells along the axis.

    Raises:
        ChiralityError: if (n, m) is not canonical.
        StructureError: if there are fewer cells than 1, or more sites than `MAX_SITES`.
    """
    return TubeLattice(n, m, cells)
