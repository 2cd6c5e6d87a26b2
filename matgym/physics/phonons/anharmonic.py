"""Three-phonon scattering in pristine tubes, from the third derivatives of Tersoff's potential by helical symmetry.

The screws and rotations of a pristine tube form an Abelian group, whose waves have an angular momentum μ and a phase θ
from ring to ring. In the frames of the atoms third-order force constants are invariant under the group, like those of
a flat crystal with two atoms a cell, so that μ and θ are conserved modulo the number of folds and 2π. The rate at which
phonon 1 decays into 2 and 3, or is absorbed, is that of Fermi's golden rule (Maradudin and Fein, Phys. Rev. 128, 2589
(1962); Li, Carrete, Katcho and Mingo, Comput. Phys. Commun. 185, 1747 (2014), eqs. 8 to 10):

    1/τ = π ħ/(8 N ω₁) Σ |V(-1, 2, 3)|²/(ω₂ ω₃) {(1 + n₂ + n₃) δ(ω₁ - ω₂ - ω₃)
          + (n₂ - n₃) [δ(ω₁ + ω₂ - ω₃) - δ(ω₁ - ω₂ + ω₃)]}

The sum is over N waves and all branches. δ is a Gaussian whose width follows the difference of the velocities of 2 and
3, or a fixed one. The same collisions bring the deviations of 2 and 3 from equilibrium back into 1, so that the
linearised Boltzmann equation can be solved beyond the relaxation-time approximation (Omini and Sparavigna, Phys. Rev. B
53, 9064 (1996), flag M). Third derivatives are differences of analytic Hessians.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from matgym.frozen import ValueObject, cached_by_bytes
from matgym.physics.mechanics.relaxation import relax
from matgym.physics.mechanics.tersoff import expand
from matgym.physics.oracles import one_thread
from matgym.physics.phonons.force_constants import (
    HOPS,
    MASSES_AMU,
    REACH_ANGSTROM,
    HelicalForceConstants,
    atom_frames,
    blocks_in_frames,
    pristine_force_constants,
)
from matgym.physics.transport.slabs import slabs_of
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.typing import ComplexArray, FloatArray, IntArray
from matgym.units import ATOMIC_MASS_KG, BOLTZMANN_J_K, CHARGE_C, HBAR_J_S

DISPLACEMENT_ANGSTROM: Final = 1e-3
"""Displacement of the differences, Å."""

NEGLIGIBLE: Final = 1e-6
"""Third derivative, eV/Å³, below which a block is left out; those between bonded atoms are about 100."""

SOFTEST_RAD_PS: Final = 0.05
"""Frequency, rad/ps, below which a mode is a motion of the whole tube and takes no part."""

NARROWEST_RAD_PS: Final = 0.1
"""Least width of δ, rad/ps, for two phonons of the same velocity: a choice of ours."""

_SI_PER_EV_ANGSTROM3_AMU32: Final = CHARGE_C / 1e-30 / ATOMIC_MASS_KG**1.5


@dataclass(frozen=True, eq=False)
class ThirdOrder(ValueObject):
    """Third-order force constants of a pristine tube.

    Attributes:
        harmonic: its second-order force constants.
        sites: (F, 7) sublattice of an atom in cell (ring 0, place 0), then ring, place and sublattice of two others.
        values: (F, 3, 3, 3) third derivatives, eV/Å³, in the frames of the three atoms.
        rise_angstrom: rise of a ring along the axis, Å.
        radius_angstrom: radius of the relaxed tube, Å.
    """

    harmonic: HelicalForceConstants
    sites: IntArray
    values: FloatArray
    rise_angstrom: float
    radius_angstrom: float

    @property
    def folds(self) -> int:
        """Number of angular momenta."""
        return self.harmonic.slabs.folds

    def spread(self) -> FloatArray:
        """Return the (F, 216) values, eV/(Å³ u^1.5), at the coordinates (3 sublattice + component) of three atoms."""
        tensor = np.zeros((len(self.sites), 6, 6, 6))
        for f, (i, _, _, j, _, _, k) in enumerate(self.sites.tolist()):
            tensor[f, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3, 3 * k : 3 * k + 3] = self.values[f]
        return np.asarray(tensor.reshape(len(self.sites), -1) / MASSES_AMU[Species.C12] ** 1.5)


@cached_by_bytes()
def third_order(n: int, m: int, strain: float = 0.0) -> ThirdOrder:
    """Return the third-order force constants of the pristine tube at rest.

    Raises:
        RelaxationError: if it does not come to rest, or buckles.
    """
    harmonic = pristine_force_constants(n, m, strain)
    unit = relax(Nanotube(n, m, strain=strain))
    cells = ceil(REACH_ANGSTROM / unit.period_angstrom)
    rest = relax(Nanotube(n, m, cells, strain=strain))
    slabs = slabs_of(tube_lattice(n, m, cells), HOPS[0])
    frames, homes = atom_frames(rest.positions), slabs.lattice.home_cells
    period = cells * np.array(slabs.lattice.translation)
    rings = slabs.rings

    found, values = [], []
    for sublattice, home in enumerate((0, slabs.lattice.n_cells)):
        slopes = []
        for axis in range(3):
            step = np.zeros_like(rest.positions)
            step[home] = DISPLACEMENT_ANGSTROM * frames[home, axis]
            ahead, behind = (
                blocks_in_frames(
                    expand(rest.graph, rest.positions + way * step, rest.period_angstrom, rest.twist_rad),
                    frames,
                    rest.graph.sites,
                )
                for way in (1.0, -1.0)
            )
            slopes.append((ahead.values - behind.values) / (2.0 * DISPLACEMENT_ANGSTROM))
        slope = np.stack(slopes, axis=1)  # (F, axis, 3, 3)
        kept = np.abs(slope).max(axis=(1, 2, 3)) > NEGLIGIBLE
        start, stop, image = ahead.start[kept], ahead.stop[kept], ahead.image[kept]
        first, _ = slabs.ring(homes[start] - homes[home])
        nearest = -np.round(first / rings).astype(np.int64)  # the image of the second atom that is next to the first
        second = slabs.ring(homes[start] + nearest[:, None] * period - homes[home])
        third = slabs.ring(homes[stop] + (nearest + image)[:, None] * period - homes[home])
        of = (np.repeat([0, 1], slabs.lattice.n_cells)[sites] for sites in (start, stop))
        here = np.full(len(start), sublattice)
        found.append(np.stack([here, *second, next(of), *third, next(of)], axis=1))
        values.append(slope[kept])
    return ThirdOrder(
        harmonic,
        np.concatenate(found),
        np.concatenate(values),
        unit.period_angstrom * slabs.lattice.cells / rings,
        float(np.hypot(*rest.positions[0, :2])),
    )


@dataclass(frozen=True, eq=False)
class Modes(ValueObject):
    """The modes of a grid of waves.

    Attributes:
        omega: (d, K, 6) angular frequencies, rad/ps; zero for motions of the whole tube.
        vectors: (d, K, 6, 6) eigenvectors, (coordinate, branch).
        slopes: (d, K, 6) derivatives of the frequencies by θ, rad/ps.
        turns: (K,) phases θ from ring to ring.
    """

    omega: FloatArray
    vectors: ComplexArray
    slopes: FloatArray
    turns: FloatArray


def modes(constants: HelicalForceConstants, points: int) -> Modes:
    """Return the modes at phases 2π j/points, j = 0 to points - 1, of every angular momentum."""
    turns = 2.0 * np.pi * np.arange(points) / points
    matrices = constants.dynamical(np.arange(constants.slabs.folds), turns)
    squares, vectors = np.linalg.eigh(matrices)
    step = 1e-5
    ahead, behind = (constants.dynamical(np.arange(constants.slabs.folds), turns + way) for way in (step, -step))
    slope = np.einsum("dkxs,dkxy,dkys->dks", vectors.conj(), (ahead - behind) / (2.0 * step), vectors).real
    omega = np.sqrt(np.maximum(squares, 0.0))
    omega = np.where(omega < SOFTEST_RAD_PS, 0.0, omega)
    slopes = np.divide(slope, 2.0 * omega, out=np.zeros_like(slope), where=omega > 0.0)
    return Modes(np.asarray(omega), np.asarray(vectors), slopes, turns)


def occupation(omega: FloatArray, temperature_k: float, *, classical: bool = False) -> FloatArray:
    """Return the occupation of modes; zero for those without frequency.

    It is Bose's, or its classical limit 1/x - 1/2 with x = ħω/k_B T: then 1 + n₂ + n₃ is 1/x₂ + 1/x₃.
    """
    x = np.clip(HBAR_J_S * 1e12 * omega / (BOLTZMANN_J_K * temperature_k), 1e-12, 700.0)
    return np.where(omega > 0.0, 1.0 / x - 0.5 if classical else 1.0 / np.expm1(x), 0.0)


@dataclass(frozen=True, eq=False)
class Collisions(ValueObject):
    """The collisions of the phonons of a grid, linear in their deviation from equilibrium.

    Time reversal maps a wave (μ, θ) to (-μ, -θ), and the deviation F under a temperature gradient to -F. One wave of
    each pair is kept; waves that are their own partner carry no heat. With v the velocity, F solves
    v = F/τ - Σ inward F. The relaxation-time approximation leaves the sum out.

    Attributes:
        omega: (Q,) angular frequencies of the modes, rad/ps.
        slopes: (Q,) derivatives of the frequencies by θ, rad/ps.
        rates: (Q,) rates 1/τ, 1/ps.
        inward: (Q, Q) rates, 1/ps, at which a deviation of the second mode enters the first.
    """

    weights: FloatArray
    omega: FloatArray
    slopes: FloatArray
    rates: FloatArray
    inward: FloatArray


def half_of_waves(folds: int, points: int) -> tuple[IntArray, IntArray]:
    """Return one wave of each pair under time reversal.

    Returns:
        (R, 2) angular momentum and index of the phase of the waves; and (d, K) twice the place of each wave in this
        list, plus one if it is the partner of that wave, or -1 if it is its own partner.
    """
    place = np.full((folds, points), -1)
    kept: list[tuple[int, int]] = []
    for mu in range(folds):
        for j in range(points):
            partner = (-mu % folds, -j % points)
            if (mu, j) < partner:
                place[mu, j], place[partner] = 2 * len(kept), 2 * len(kept) + 1
                kept.append((mu, j))
    return np.array(kept), place


def collisions(
    third: ThirdOrder,
    points: int,
    temperature_k: float,
    mass_variance: float = 0.0,
    width_rad_ps: float | None = None,
    *,
    classical: bool = False,
) -> Collisions:
    """Return the collisions of phonons with each other and with random isotopes.

    Args:
        third: force constants.
        points: number of phases K from ring to ring.
        temperature_k: temperature, K.
        mass_variance: g = Σ c (1 - M/mean)² over isotopes of concentration c and mass M.
        width_rad_ps: standard deviation of δ, rad/ps; None for one that follows the velocities.
        classical: whether the modes have the occupation of classical mechanics.
    """
    with one_thread():
        grid = modes(third.harmonic, points)
        waves, place = half_of_waves(third.folds, points)
        tensor, occupied = third.spread(), occupation(grid.omega, temperature_k, classical=classical)
        sign = np.where(place < 0, 0.0, np.where(place % 2, -1.0, 1.0)).reshape(-1)
        column = np.maximum(place, 0).reshape(-1) // 2
        rates = np.zeros((len(waves), 6))
        inward = np.zeros((len(waves), 6, len(waves), 6))
        for row, (mu, j) in enumerate(waves.tolist()):
            gain = _three_phonons(third, tensor, grid, occupied, (mu, j), width_rad_ps)  # (d K, 1, 2)
            rates[row] = gain.sum(axis=(0, 2))
            ratio = grid.omega.reshape(-1, 1, 6) / np.maximum(grid.omega[mu, j], SOFTEST_RAD_PS)[:, None]
            back = 2.0 * gain * ratio
            if mass_variance:
                scattered = _isotopes(grid, (mu, j), width_rad_ps) * mass_variance
                rates[row] += scattered.sum(axis=(0, 2))
                back += scattered
            np.add.at(inward[row].swapaxes(0, 1), column, back * sign[:, None, None])
        omega, slopes = (x[tuple(waves.T)].reshape(-1) for x in (grid.omega, grid.slopes))
        size = len(omega)
        alive = omega > 0.0
        count = int(alive.sum())
        matrix = np.zeros((count + 2, count + 2))
        matrix[:count, :count] = inward.reshape(size, size)[np.ix_(alive, alive)]
        next_wave = int(np.flatnonzero((waves == [0, 1]).all(axis=1))[0])
        long = grid.omega[0, 1, :2]  # twisting and stretching
        return Collisions(
            np.append(np.ones(count), [0.5, 0.5]),
            np.append(omega[alive], np.full(2, SOFTEST_RAD_PS)),
            np.append(slopes[alive], long / grid.turns[1]),
            np.append(rates.reshape(-1)[alive], rates[next_wave, :2]),
            matrix,
        )


def _three_phonons(
    third: ThirdOrder,
    tensor: FloatArray,
    grid: Modes,
    occupied: FloatArray,
    wave: tuple[int, int],
    width_rad_ps: float | None,
) -> FloatArray:
    """Return the (d K, 6, 6) rates, 1/ps, of collisions of each branch of a wave with all branches of each wave 2."""
    folds, points = grid.omega.shape[:2]
    mu, j = wave
    mu_3 = (mu - np.arange(folds)) % folds  # phonon 3 has the momentum of 1 less that of 2
    j_3 = (j - np.arange(points)) % points
    omega_2, slope_2, n_2 = (x.reshape(-1, 6) for x in (grid.omega, grid.slopes, occupied))
    omega_3, slope_3, n_3 = (x[mu_3][:, j_3].reshape(-1, 6) for x in (grid.omega, grid.slopes, occupied))
    vectors_3 = grid.vectors[mu_3][:, j_3].reshape(-1, 6, 6)

    _, ring_2, place_2, _, ring_3, place_3, _ = third.sites.T
    turn = 2.0j * np.pi / folds
    of_2 = np.exp(turn * np.arange(folds)[:, None] * place_2)[:, None] * np.exp(1j * grid.turns[:, None] * ring_2)
    of_3 = np.exp(turn * mu_3[:, None] * place_3)[:, None] * np.exp(1j * grid.turns[j_3][:, None] * ring_3)
    phases = (of_2 * of_3).reshape(folds * points, -1)
    coupled = (phases.real @ tensor + 1j * (phases.imag @ tensor)).reshape(-1, 6, 36)
    own = grid.vectors[mu, j].conj()  # (coordinate, branch)
    coupled = (own.T @ coupled).reshape(-1, 6, 6, 6)  # (wave, branch 1, coordinate 2, coordinate 3)
    coupled = np.matmul(grid.vectors.reshape(-1, 1, 6, 6).swapaxes(2, 3), coupled)
    strength = np.abs(np.matmul(coupled, vectors_3[:, None])) ** 2  # (wave, branches 1, 2, 3)

    product = omega_2[:, :, None] * omega_3[:, None, :]
    weight = np.divide(1.0, product, out=np.zeros_like(product), where=product > 0.0)
    if width_rad_ps is None:
        width = _widths(slope_2[:, :, None] - slope_3[:, None, :], points)
    else:
        width = np.full_like(product, width_rad_ps)
    both, difference = 1.0 + n_2[:, :, None] + n_3[:, None, :], n_2[:, :, None] - n_3[:, None, :]
    total, apart = omega_2[:, :, None] + omega_3[:, None, :], omega_3[:, None, :] - omega_2[:, :, None]
    gain = np.zeros((folds * points, 6, 6))
    for branch, omega in enumerate(grid.omega[mu, j]):
        if omega > 0.0:
            sharp = both * _delta(omega - total, width)
            sharp += difference * (_delta(omega - apart, width) - _delta(omega + apart, width))
            gain[:, branch] = (strength[:, branch] * weight * sharp).sum(axis=2) / omega
    # In SI: ħ V²/ω³ δ with ω in 1/s, and rates in 1/ps.
    scale = np.pi * HBAR_J_S * _SI_PER_EV_ANGSTROM3_AMU32**2 / (8.0 * folds * points) * 1e-48 * 1e-12
    return np.asarray(gain * scale)


def _isotopes(grid: Modes, wave: tuple[int, int], width_rad_ps: float | None) -> FloatArray:
    """Return the (d K, 6, 6) rates, 1/ps, of scattering from a wave by isotopes of a mass variance of 1.

    1/τ = π/(2 N) g ω₁² Σ |e₁*(i)·e₂(i)|² δ(ω₁ - ω₂), over N waves and both atoms i: Tamura, Phys. Rev. B 27,
    858 (1983).
    """
    folds, points = grid.omega.shape[:2]
    own = grid.vectors[wave].conj().reshape(2, 3, 6)
    others = grid.vectors.reshape(-1, 2, 3, 6)
    overlap = np.abs(np.einsum("ias,qiat->qist", own, others, optimize=True)) ** 2
    omega_1, omega_2 = grid.omega[wave][:, None], grid.omega.reshape(-1, 1, 6)
    width = _widths(grid.slopes, points) if width_rad_ps is None else np.full_like(grid.slopes, width_rad_ps)
    sharp = _delta(omega_1 - omega_2, width.reshape(-1, 1, 6)) * (omega_2 > 0.0)
    return np.asarray(overlap.sum(axis=1) * sharp * omega_1**2 * np.pi / (2.0 * folds * points))


def _widths(slopes: FloatArray, points: int) -> FloatArray:
    """Return the standard deviations of δ, rad/ps, by the slopes of its argument and the spacing of the phases."""
    return np.asarray(np.maximum(np.abs(slopes) * 2.0 * np.pi / points / np.sqrt(12.0), NARROWEST_RAD_PS))


def _delta(x: FloatArray, width: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (x / width) ** 2) / (width * np.sqrt(2.0 * np.pi)))
