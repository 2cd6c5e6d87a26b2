"""Transmission of a chain of slabs between two leads, for electrons and phonons alike.

With H the Hamiltonian and z = E, or H the dynamical matrix and z = ω², the leads' surface Green's functions come
from decimation (López Sancho, López Sancho and Rubio, J. Phys. F 15, 851 (1985)), carried out on each angular
momentum of the rotation axis apart; the device is folded slab by slab from the left into a self-energy (recursive
Green's function; Thouless and Kirkpatrick, J. Phys. C 14, 235 (1981)), and the transmission is Caroli's

    T = Tr[Γ_L G Γ_R G†]

at the last slab: with no loss in the device, the current through any cut is the same. Everything is batched over
devices and energies.
"""

from dataclasses import dataclass

import numpy as np

from matgym.errors import ConvergenceError
from matgym.typing import ComplexArray, FloatArray

DECIMATIONS = 60
"""Steps that fold 2⁶⁰ slabs; only z on a band edge, or no broadening at all, takes more."""

DECIMATED = 1e-14
"""Coupling of the folded slabs, relative to the first, at which decimation ends."""

CHUNK_ENTRIES = 1 << 20
"""Complex entries of one slab over all devices and energies that are worked on at once: 16 MB."""


@dataclass(frozen=True)
class Lead:
    """A pristine tube without end, in equal slabs.

    Attributes:
        inner: (M, M) of a slab, real, symmetric, block-circulant in `folds` blocks.
        up: (M, M) from a slab to the next one, likewise.
        folds: order of the rotation axis.
    """

    inner: FloatArray
    up: FloatArray
    folds: int

    def surface(self, z: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Surface Green's functions of the lead on the left and of the lead on the right.

        Args:
            z: (E,) with a small positive imaginary part.

        Returns:
            Two arrays (E, M, M).

        Raises:
            ConvergenceError: if decimation did not converge, as at a band edge.
        """
        inner, alpha = (self._channels(matrix)[None] for matrix in (self.inner, self.up))  # (1, d, m, m)
        beta = alpha.conj().swapaxes(-1, -2)
        scale = np.abs(alpha).max()
        identity = z[:, None, None, None] * np.eye(inner.shape[-1])
        middle = left = right = identity - inner  # (E, d, m, m)
        for _ in range(DECIMATIONS):
            g = np.linalg.inv(middle)
            alpha_g, beta_g = alpha @ g, beta @ g
            up, down = alpha_g @ beta, beta_g @ alpha
            right, left, middle = right - up, left - down, middle - up - down
            alpha, beta = alpha_g @ alpha, beta_g @ beta
            coupling = max(np.abs(alpha).max(), np.abs(beta).max())
            if coupling < DECIMATED * scale:
                return self._rings(np.linalg.inv(left)), self._rings(np.linalg.inv(right))
        raise ConvergenceError(
            f"a lead did not converge: {coupling:.1e} of the coupling is left after {DECIMATIONS} decimations; "
            "move z off the band edge, or broaden it"
        )

    def _channels(self, matrix: FloatArray) -> ComplexArray:
        """(d, m, m): the block of each angular momentum."""
        m = len(matrix) // self.folds
        first = matrix.reshape(self.folds, m, self.folds, m)[:, :, 0]  # (d, m, m): blocks j, 0
        return np.asarray(np.fft.fft(first, axis=0))

    def _rings(self, channels: ComplexArray) -> ComplexArray:
        """(E, M, M) of (E, d, m, m)."""
        energies, d, m, _ = channels.shape
        first = np.fft.ifft(channels, axis=1)  # blocks j, 0
        steps = (np.arange(d)[:, None] - np.arange(d)) % d
        return np.asarray(first[:, steps].swapaxes(2, 3).reshape(energies, d * m, d * m))


def transmission(
    inner: FloatArray, couplings: FloatArray, z: FloatArray, surfaces: tuple[ComplexArray, ComplexArray]
) -> FloatArray:
    """Transmission of each device at each energy.

    Args:
        inner: (B, S, M, M) of the devices' slabs, symmetric.
        couplings: (B, S + 1, M, M), from the left lead to slab 0, from slab to slab, from the last to the
            right lead.
        z: (E,) energies, or squared frequencies.
        surfaces: from `Lead.surface`, (E, M, M) each.

    Returns:
        (B, E) transmission.
    """
    batch, _, size, _ = inner.shape
    found = np.full((batch, len(z)), np.nan)
    most = max(1, CHUNK_ENTRIES // (size * size))
    devices = min(batch, most)
    step = max(1, most // devices)
    for first in range(0, batch, devices):
        part = slice(first, first + devices)
        for low in range(0, len(z), step):
            some = slice(low, low + step)
            leads = surfaces[0][some], surfaces[1][some]
            found[part, some] = _transmission(inner[part], couplings[part], z[some], leads)
    return found


def _transmission(
    inner: FloatArray, couplings: FloatArray, z: FloatArray, surfaces: tuple[ComplexArray, ComplexArray]
) -> FloatArray:
    size = inner.shape[-1]
    identity = z[:, None, None] * np.eye(size)
    below, above, hop = _boundary(couplings[:, 0])
    sigma = hop.swapaxes(-1, -2) @ (surfaces[0][:, below[:, None], below] @ hop)  # (B, E, r, r) on slab 0
    last = inner.shape[1] - 1
    for slab in range(last + 1):
        matrix = (identity - inner[:, slab, None]).astype(np.complex128)  # (B, E, M, M)
        matrix[:, :, above[:, None], above] -= sigma
        if slab < last:
            below, above, hop = _boundary(couplings[:, slab + 1])
            source = np.zeros((len(inner), 1, size, len(above)))
            source[:, :, below] = hop
            folded = np.linalg.solve(matrix, source)[:, :, below]  # g V, where V leads up
            sigma = hop.swapaxes(-1, -2) @ folded
    gamma_left = np.zeros_like(matrix)
    gamma_left[:, :, above[:, None], above] = _broadening(sigma)
    below, above, hop = _boundary(couplings[:, last + 1])
    sigma = hop @ (surfaces[1][:, above[:, None], above] @ hop.swapaxes(-1, -2))  # (B, E, r, r) on the last slab
    matrix[:, :, below[:, None], below] -= sigma
    source = np.zeros((1, 1, size, len(below)))
    source[:, :, below, np.arange(len(below))] = 1.0
    green = np.linalg.solve(matrix, source)  # (B, E, M, r)
    arrived = green.conj().swapaxes(-1, -2) @ gamma_left @ green
    return np.einsum("beij,beji->be", arrived, _broadening(sigma)).real


def _boundary(coupling: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows and columns on which a coupling (B, M, M) acts, and what is left of it, (B, 1, rows, columns)."""
    acts = (coupling != 0.0).any(axis=0)
    rows, columns = np.flatnonzero(acts.any(axis=1)), np.flatnonzero(acts.any(axis=0))
    return rows, columns, coupling[:, None, rows[:, None], columns]


def _broadening(sigma: ComplexArray) -> ComplexArray:
    return np.asarray(1j * (sigma - sigma.conj().swapaxes(-1, -2)))
