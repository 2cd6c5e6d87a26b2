"""Green's functions of the undecorated tube between any two sites, by translation symmetry.

The unit cells of a tube are the raster of `matgym.structures.lattice`, a finite Abelian group. At Bloch phase θ of the
tube, in the gauge exp(iθ z/L), each of its wave vectors q gives two states with energies ±|f(q)|,

    f(q) = Σ_j h_j exp(i q·δ_j + iθ Δz_j/L)

over the three bonds of an A site. The states nearest to an energy E₀ are the basis P, all others Q. The Green's
function G_Q(E₀) of Q and M = -dG_Q/dE between two sites depend on their sublattices and the offset of their cells only:
four tables of one number for each cell, which a Fourier transform gives.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matgym.frozen import ValueObject, cached_by_bytes
from matgym.structures import TubeLattice
from matgym.typing import ComplexArray, FloatArray, IntArray

REACH_EV: Final = 0.5
"""Least distance, eV, of E₀ from the energies of the states outside the basis, on the side away from zero."""

SHELL_EV: Final = 1e-3
"""Difference of energies, eV, below which states belong to one shell, which is never split."""

LARGEST_SHELL: Final = 0.25
"""Largest share of all states in the shell nearest to zero, if it is to belong to the basis at any E₀."""


@dataclass(frozen=True)
class PristineTables(ValueObject):
    """The basis P, and the Green's function of Q, of an undecorated tube at one phase and one energy.

    Attributes:
        energy_ev: E₀, eV.
        limit_ev: least |f| of Q, eV; below it, only P has states.
        sizes_ev: (L,) energies |f| of P, eV; each stands for a state at -|f| and one at +|f|.
        wave_phases: (L, 2) phases of the states of P from row to row and from column to column.
        turns: (L,) f*/|f|, the ratio of the amplitudes on B and on A of the states at +|f|.
        green: (4 n_cells,) G_Q(E₀), 1/eV, by sublattice of the first site, of the second site, and offset of cells.
        slope: (4 n_cells,) M, 1/eV².
    """

    energy_ev: float
    limit_ev: float
    sizes_ev: FloatArray
    wave_phases: FloatArray
    turns: ComplexArray
    green: ComplexArray
    slope: ComplexArray


@cached_by_bytes()
def pristine_tables(
    lattice: TubeLattice, strengths: tuple[float, ...], theta: float, energy_ev: float
) -> PristineTables:
    """Return the tables of an undecorated tube; all tubes of the same lattice and deformation share them.

    Args:
        lattice: lattice of the tube.
        strengths: (3,) hopping matrix elements of the bonds of an A site, eV.
        theta: Bloch phase of the tube.
        energy_ev: E₀, eV.
    """
    f = structure_factor(lattice, strengths, theta)
    size = np.abs(f)
    ascending = np.sort(size, axis=None)
    nearest = ascending[0] + SHELL_EV
    # At the end of the zone of an armchair tube all states form one shell, which is left to Q.
    keeps = (ascending <= nearest).mean() <= LARGEST_SHELL
    limit = max(abs(energy_ev) + REACH_EV, nearest if keeps else 0.0)
    for value in ascending[np.searchsorted(ascending, limit - SHELL_EV) :]:
        if value > limit:
            break
        if keeps or value > nearest:
            limit = value + SHELL_EV
    outside = size >= limit
    square = size**2 - energy_ev**2
    resolvent = -np.where(outside, 1.0, 0.0) / np.where(outside, square, 1.0)  # 1/(E² - |f|²)
    diagonal = energy_ev * resolvent
    steeper = 2.0 * energy_ev * resolvent**2
    same = (size**2 + energy_ev**2) * resolvent**2
    green: list[NDArray[Any]] = [diagonal, f * resolvent, f.conj() * resolvent, diagonal]
    slope: list[NDArray[Any]] = [same, f * steeper, f.conj() * steeper, same]
    k, r = np.nonzero(~outside)
    row_phase, column_phase = _phases(lattice)
    inside = size[k, r]
    turns = np.where(inside > 0.0, f[k, r].conj() / np.where(inside > 0.0, inside, 1.0), 1.0)
    outer = ascending[ascending >= limit]
    return PristineTables(
        energy_ev,
        float(outer[0]) if len(outer) else np.inf,
        inside,
        np.stack([row_phase[k, r], column_phase[r]], axis=1),
        turns,
        *(np.concatenate([_transformed(lattice, part) for part in parts]) for parts in (green, slope)),
    )


def structure_factor(lattice: TubeLattice, strengths: tuple[float, ...], theta: float) -> ComplexArray:
    """Return f, eV, at the wave vectors of the tube, (H, W) of its raster, at a Bloch phase."""
    row_phase, column_phase = _phases(lattice)
    along = lattice.bond_vectors[:, 1] / lattice.length_angstrom
    home, below, beside = np.asarray(strengths) * np.exp(1j * theta * along)
    return np.asarray(home + below * np.exp(-1j * row_phase) + beside * np.exp(-1j * column_phase))


def offsets(lattice: TubeLattice, to: IntArray, start: IntArray) -> IntArray:
    """Return the (..., D, E) places in a table of all pairs of (..., D) and (..., E) sites."""
    height, width = lattice.raster_shape
    kind, cell = np.divmod(to, lattice.n_cells)
    of_start, cell_of_start = np.divmod(start, lattice.n_cells)
    row, column = np.divmod(cell, width)
    first_row, first_column = np.divmod(cell_of_start, width)
    down, right = row[..., None] - first_row[..., None, :], column[..., None] - first_column[..., None, :]
    right = (right - np.where(down < 0, lattice.raster_shift, 0)) % width
    both = 2 * kind[..., None] + of_start[..., None, :]
    return np.asarray(both * lattice.n_cells + (down % height) * width + right)


def _phases(lattice: TubeLattice) -> tuple[FloatArray, FloatArray]:
    """Return the phases of wave vectors from row to row, (H, W), and from column to column, (W,)."""
    height, width = lattice.raster_shape
    column = 2.0 * np.pi * np.arange(width) / width
    return (2.0 * np.pi * np.arange(height)[:, None] + column * lattice.raster_shift) / height, column


def _transformed(lattice: TubeLattice, part: NDArray[Any]) -> ComplexArray:
    """Return the (n_cells,) Fourier transform to offsets of cells of a function of the wave vectors."""
    height, width = lattice.raster_shape
    twist = np.exp(2j * np.pi * np.outer(np.arange(height), np.arange(width)) * lattice.raster_shift / (width * height))
    return np.asarray(np.fft.ifft(twist * np.fft.ifft(part, axis=0), axis=1).ravel())
