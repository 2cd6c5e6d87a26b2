"""Transmission of a chain of slabs between two leads, for electrons and for phonons.

For electrons H is the Hamiltonian and z = E; for phonons H is the dynamical matrix and z = ω². The surface Green's
functions of the leads come from decimation (López Sancho, López Sancho and Rubio, J. Phys. F 15, 851 (1985)),
separately for each angular momentum of the rotation axis. The device is folded slab by slab from the left into a
self-energy (recursive Green's function; Thouless and Kirkpatrick, J. Phys. C 14, 235 (1981)). The transmission is
Caroli's

    T = Tr[Γ_L G Γ_R G†]

at the last slab; without loss in the device, the current through every cut is the same. All functions work on batches
of devices and energies.
"""

from dataclasses import dataclass

import numpy as np

from matgym.errors import ConvergenceError
from matgym.frozen import ValueObject
from matgym.physics.oracles import one_thread
from matgym.typing import ComplexArray, FloatArray, IntArray

DECIMATIONS = 60
"""Largest number of steps, which fold 2⁶⁰ slabs; more are needed only on a band edge, or without broadening."""

DECIMATED = 1e-14
"""Coupling of the folded slabs, relative to that of single slabs, at which decimation ends."""

RESIDUAL = 1e-8
"""Largest difference of G (z - h - Σ) from 1 at a surface; above it, decimation is repeated with other steps.
If z is near an eigenvalue of folded slabs, decimation divides by a number near zero and loses all digits."""

MOST_RESIDUAL = 1e-5
"""Largest residual that is accepted after all groups were tried."""

GROUPS = (3, 5, 7)
"""Numbers of slabs that repeated decimations join in the first step: other lengths have other eigenvalues."""

CHUNK_ENTRIES = 1 << 20
"""Largest number of complex entries of one slab, over all devices and energies of a piece of work: 16 MB."""

SHIFT = 1e-9
"""Shift of energies, relative to the largest coupling, where a slab has a state that it does not share with a lead."""


@dataclass(frozen=True)
class Lead(ValueObject):
    """An infinite pristine tube in equal slabs.

    Attributes:
        inner: (M, M) matrix of a slab, real, symmetric, block-circulant in `folds` blocks.
        up: (M, M) coupling of a slab to the next one, real, block-circulant in `folds` blocks.
        folds: order of the rotation axis.
    """

    inner: FloatArray
    up: FloatArray
    folds: int

    def surface(self, z: FloatArray, broadening: float | FloatArray) -> "Surfaces":
        """Return the surface Green's functions of the lead on the left and of the lead on the right, on the real axis.

        Decimation needs an imaginary part of z, which would change the transmission by about the same relative amount.
        The surface is analytic above the real axis. It is therefore computed at one, two and three times the broadening
        and extrapolated to zero. The remaining error is of third order in the ratio of the broadening to the distance
        from the next band edge.

        Args:
            z: (E,) energies, or squared frequencies.
            broadening: imaginary part of z, one number or (E,).

        Raises:
            ConvergenceError: if decimation did not converge, as at a band edge.
        """
        with one_thread():
            near, further, far = (self._surface(z + 1j * k * np.asarray(broadening)) for k in (1, 2, 3))
        return Surfaces(
            3.0 * near.left - 3.0 * further.left + far.left, 3.0 * near.right - 3.0 * further.right + far.right
        )

    def _surface(self, z: ComplexArray) -> "Surfaces":
        inner, up = (self._channels(matrix) for matrix in (self.inner, self.up))  # (d, m, m)
        left, right, residual = _decimated(z, inner, up)
        for group in GROUPS:
            poor = np.flatnonzero(~(residual < RESIDUAL))
            if not len(poor):
                break
            repetition = _decimated(z[poor], inner, up, group)
            better = ~(repetition[2] >= residual[poor])  # NaN counts as worse than any number
            for stored, new in zip((left, right, residual), repetition, strict=True):
                stored[poor[better]] = new[better]
        if not (residual < MOST_RESIDUAL).all():
            worst = int(np.argmax(np.nan_to_num(residual, nan=np.inf)))
            raise ConvergenceError(
                f"the lead did not converge at z = {z[worst]:.6g}: the residual of its surface Green's function is "
                f"{residual[worst]:.1e}; move z away from the band edge, or increase the broadening"
            )
        return Surfaces(left, right)

    def _channels(self, matrix: FloatArray) -> ComplexArray:
        """Return the (d, m, m) block of each angular momentum."""
        m = len(matrix) // self.folds
        first = matrix.reshape(self.folds, m, self.folds, m)[:, :, 0]  # (d, m, m): blocks j, 0
        return np.asarray(np.fft.fft(first, axis=0))


@dataclass(frozen=True)
class Surfaces(ValueObject):
    """Surface Green's functions of the leads on the left and on the right by angular momentum, (E, d, m, m) each."""

    left: ComplexArray
    right: ComplexArray

    def full(self, some: slice) -> tuple[ComplexArray, ComplexArray]:
        """Return both for a slice of the energies, each (some of E, M, M), with M = d m."""
        return _rings(self.left[some]), _rings(self.right[some])


def _rings(channels: ComplexArray) -> ComplexArray:
    """Return the (E, d m, d m) block-circulant matrices of (E, d, m, m) angular momenta."""
    energies, d, m, _ = channels.shape
    first = np.fft.ifft(channels, axis=1)  # blocks j, 0
    steps = (np.arange(d)[:, None] - np.arange(d)) % d
    return np.asarray(first[:, steps].swapaxes(2, 3).reshape(energies, d * m, d * m))


def _decimated(
    z: ComplexArray, inner: ComplexArray, up: ComplexArray, group: int = 1
) -> tuple[ComplexArray, ComplexArray, FloatArray]:
    """Compute the surface Green's functions of both leads by decimation, with their residual.

    Args:
        z: (E,) energies, or squared frequencies.
        inner: (d, m, m) matrix of a slab, by angular momentum.
        up: (d, m, m) coupling of a slab to the next one.
        group: number of slabs that are joined into one.

    Returns:
        Left and right surface Green's functions, (E, d, m, m), and the larger of their residuals, (E,).
    """
    m = inner.shape[-1]
    left, right = _folded(z, *_grouped(inner, up, group))
    left_g, right_g = left[..., -m:, -m:], right[..., :m, :m]
    alone = z[:, None, None, None] * np.eye(m) - inner
    down = up.conj().swapaxes(-1, -2)
    with np.errstate(over="ignore", invalid="ignore"):
        # the residual: G (z - h - Σ) minus 1
        missed_left = left_g @ (alone - down @ left_g @ up) - np.eye(m)
        missed_right = right_g @ (alone - up @ right_g @ down) - np.eye(m)
        residual = np.maximum(np.abs(missed_left), np.abs(missed_right)).max(axis=(1, 2, 3))
    return left_g, right_g, residual


def _grouped(inner: ComplexArray, up: ComplexArray, group: int) -> tuple[ComplexArray, ComplexArray]:
    """Return the matrices of slabs that are `group` times as long."""
    d, m, _ = inner.shape
    long_inner, long_up = np.zeros((2, d, group, m, group, m), dtype=np.complex128)
    for k in range(group):
        long_inner[:, k, :, k] = inner
        if k + 1 < group:
            long_inner[:, k, :, k + 1] = up
            long_inner[:, k + 1, :, k] = up.conj().swapaxes(-1, -2)
    long_up[:, -1, :, 0] = up
    size = group * m
    return long_inner.reshape(d, size, size), long_up.reshape(d, size, size)


def _folded(z: ComplexArray, inner: ComplexArray, up: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """Return the left and right surface Green's functions by decimation, (E, d, m, m), without a check."""
    down = up.conj().swapaxes(-1, -2)
    alone = z[:, None, None, None] * np.eye(inner.shape[-1]) - inner  # (E, d, m, m)
    left, right = alone.copy(), alone.copy()
    middle, alpha, beta = alone, np.broadcast_to(up, alone.shape), np.broadcast_to(down, alone.shape)
    active = np.arange(len(z))
    scale = np.abs(up).max()
    with np.errstate(over="ignore", invalid="ignore"):  # the residual shows overflow
        for _ in range(DECIMATIONS):
            g = np.linalg.inv(middle)
            alpha_g, beta_g = alpha @ g, beta @ g
            onward, back = alpha_g @ beta, beta_g @ alpha
            right[active] -= onward
            left[active] -= back
            middle, alpha, beta = middle - onward - back, alpha_g @ alpha, beta_g @ beta
            coupling = np.maximum(np.abs(alpha), np.abs(beta)).max(axis=(1, 2, 3))
            going = (coupling > DECIMATED * scale) & np.isfinite(coupling)
            if not going.any():
                break
            active, middle, alpha, beta = active[going], middle[going], alpha[going], beta[going]
        return np.asarray(np.linalg.inv(left), np.complex128), np.asarray(np.linalg.inv(right), np.complex128)


def transmission(inner: FloatArray, couplings: FloatArray, z: FloatArray, surfaces: Surfaces) -> FloatArray:
    """Return the transmission of each device at each energy.

    Args:
        inner: (B, S, M, M) matrices of the slabs of the devices, symmetric.
        couplings: (B, S + 1, M, M) couplings: from the left lead to slab 0, from each slab to the next, and from the
            last slab to the right lead.
        z: (E,) energies, or squared frequencies.
        surfaces: surface Green's functions of the leads, from `Lead.surface`.

    Returns:
        (B, E) transmission.
    """
    batch, _, size, _ = inner.shape
    transmissions = np.full((batch, len(z)), np.nan)
    most = max(1, CHUNK_ENTRIES // (size * size))
    devices = min(batch, most)
    step = max(1, most // devices)
    with one_thread():
        for low in range(0, len(z), step):
            some = slice(low, low + step)
            leads = surfaces.full(some)
            for first in range(0, batch, devices):
                part = slice(first, first + devices)
                device = inner[part], couplings[part]
                try:
                    transmissions[part, some] = _transmission(*device, z[some], leads)
                except np.linalg.LinAlgError:  # a state that no lead reaches, as beside vacancies, has this energy
                    beside = z[some] + SHIFT * np.abs(couplings[part]).max()
                    transmissions[part, some] = _transmission(*device, beside, leads)
    return transmissions


def _transmission(
    inner: FloatArray, couplings: FloatArray, z: FloatArray, surfaces: tuple[ComplexArray, ComplexArray]
) -> FloatArray:
    size = inner.shape[-1]
    identity = z[:, None, None] * np.eye(size)
    below, above, hop, back = _boundary(couplings[:, 0])
    sigma = back @ (surfaces[0][:, below[:, None], below] @ hop)  # (B, E, r, r) on slab 0
    last = inner.shape[1] - 1
    for slab in range(last + 1):
        matrix = (identity - inner[:, slab, None]).astype(np.complex128)  # (B, E, M, M)
        if len(above) == size:
            matrix -= sigma
        else:
            matrix[:, :, above[:, None], above] -= sigma
        if slab < last:
            below, above, hop, back = _boundary(couplings[:, slab + 1])
            source = np.zeros((len(inner), 1, size, len(above)), dtype=np.complex128)
            source[:, :, below] = hop
            folded = np.linalg.solve(matrix, source)
            sigma = back @ (folded if len(below) == size else folded[:, :, below])  # V† g V
    gamma_left = np.zeros_like(matrix)
    gamma_left[:, :, above[:, None], above] = _broadening(sigma)
    below, above, hop, back = _boundary(couplings[:, last + 1])
    sigma = hop @ (surfaces[1][:, above[:, None], above] @ back)  # (B, E, r, r) on the last slab
    matrix[:, :, below[:, None], below] -= sigma
    source = np.zeros((1, 1, size, len(below)), dtype=np.complex128)
    source[:, :, below, np.arange(len(below))] = 1.0
    green = np.linalg.solve(matrix, source)  # (B, E, M, r)
    arrived = green.conj().swapaxes(-1, -2) @ gamma_left @ green
    return np.asarray(np.einsum("beij,beji->be", arrived, _broadening(sigma)).real)


def _boundary(coupling: FloatArray) -> tuple[IntArray, IntArray, ComplexArray, ComplexArray]:
    """Return the rows and columns with nonzero elements of couplings (B, M, M), and these elements.

    The elements are returned as (B, 1, rows, columns) and transposed. Both are complex and contiguous, because NumPy
    multiplies a real and a complex stack ten times more slowly.
    """
    acts = (coupling != 0.0).any(axis=0)
    rows, columns = np.flatnonzero(acts.any(axis=1)), np.flatnonzero(acts.any(axis=0))
    hop = coupling[:, None, rows[:, None], columns].astype(np.complex128)
    return rows, columns, hop, np.ascontiguousarray(hop.swapaxes(-1, -2))


def _broadening(sigma: ComplexArray) -> ComplexArray:
    return np.asarray(1j * (sigma - sigma.conj().swapaxes(-1, -2)))
