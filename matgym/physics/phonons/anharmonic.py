"""Three-phonon scattering in pristine tubes, from the third derivatives of Tersoff's potential by helical symmetry.

The screws and rotations of a pristine tube form an Abelian group, whose waves have an angular momentum μ and a phase θ
from ring to ring. In the frames of the atoms third-order force constants are invariant under the group, like those of
a flat crystal with two atoms a cell, so that μ and θ are conserved modulo the number of folds and 2π. The rate at which
phonon 1 decays into 2 and 3, or is absorbed, is that of Fermi's golden rule (Maradudin and Fein, Phys. Rev. 128, 2589
(1962); Li, Carrete, Katcho and Mingo, Comput. Phys. Commun. 185, 1747 (2014), eqs. 8 to 10):

    1/τ = π ħ/(8 N ω₁) Σ |V(-1, 2, 3)|²/(ω₂ ω₃) {(1 + n₂ + n₃) δ(ω₁ - ω₂ - ω₃)
          + (n₂ - n₃) [δ(ω₁ + ω₂ - ω₃) - δ(ω₁ - ω₂ + ω₃)]}

The sum is over N waves and all branches. δ is a Gaussian whose width follows the difference of the velocities of 2 and
3, or a fixed one. Third derivatives are differences of analytic Hessians.
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
        return tensor.reshape(len(self.sites), -1) / MASSES_AMU[Species.C12] ** 1.5


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


def modes(constants: HelicalForceConstants, points: int, shift: float = 0.0) -> Modes:
    """Return the modes at phases 2π (j + shift)/points, j = 0 to points - 1, of every angular momentum."""
    turns = 2.0 * np.pi * (np.arange(points) + shift) / points
    matrices = constants.dynamical(np.arange(constants.slabs.folds), turns)
    squares, vectors = np.linalg.eigh(matrices)
    step = 1e-5
    ahead, behind = (constants.dynamical(np.arange(constants.slabs.folds), turns + way) for way in (step, -step))
    slope = np.einsum("dkxs,dkxy,dkys->dks", vectors.conj(), (ahead - behind) / (2.0 * step), vectors).real
    omega = np.sqrt(np.maximum(squares, 0.0))
    omega = np.where(omega < SOFTEST_RAD_PS, 0.0, omega)
    slopes = np.divide(slope, 2.0 * omega, out=np.zeros_like(slope), where=omega > 0.0)
    return Modes(np.asarray(omega), np.asarray(vectors), slopes, turns)


def occupation(omega: FloatArray, temperature_k: float) -> FloatArray:
    """Return Bose's occupation of modes; zero for those without frequency."""
    x = HBAR_J_S * 1e12 * omega / (BOLTZMANN_J_K * temperature_k)
    return np.divide(1.0, np.expm1(np.clip(x, 1e-12, 700.0)), out=np.zeros_like(omega), where=omega > 0.0)


def three_phonon_rates(
    third: ThirdOrder, points: int, temperature_k: float, *, shift: float = 0.5, width_rad_ps: float | None = None
) -> tuple[Modes, FloatArray]:
    """Return the modes of a grid, and the rates 1/τ at which phonons scatter from each other.

    Args:
        third: force constants.
        points: number of phases K from ring to ring.
        temperature_k: temperature, K.
        shift: shift of the phases of phonon 1 in units of their spacing. With 0.5, the default, they avoid the motions
            of the whole tube.
        width_rad_ps: standard deviation of δ, rad/ps; None for one that follows the velocities.

    Returns:
        Modes of phonon 1, and (d, K, 6) rates, 1/ps.
    """
    folds = third.folds
    with one_thread():
        first = modes(third.harmonic, points, shift)
        second = modes(third.harmonic, points)
        tensor, rates = third.spread(), np.zeros(first.omega.shape)
        n_second, n_third = (occupation(of.omega, temperature_k) for of in (second, first))
        # Time reversal maps (μ, θ) to (-μ, -θ): half of the phases are enough.
        aligned = shift == 0.0
        for j in range(points // 2 + 1 if aligned else (points + 1) // 2):
            for mu in range(folds):
                rate = _rates_of(third, tensor, first, second, n_second, n_third, (mu, j), width_rad_ps)
                rates[mu, j] = rate
                rates[-mu % folds, (-j % points) if aligned else points - 1 - j] = rate
    return first, rates


def _rates_of(
    third: ThirdOrder,
    tensor: FloatArray,
    first: Modes,
    second: Modes,
    n_second: FloatArray,
    n_first: FloatArray,
    wave: tuple[int, int],
    width_rad_ps: float | None,
) -> FloatArray:
    """Return the (6,) rates, 1/ps, of the branches of one wave."""
    folds, points = first.omega.shape[:2]
    mu, j = wave
    # Phonon 3 has the momentum of 1 less that of 2, and lies on the grid of 1.
    mu_3 = (mu - np.arange(folds)) % folds
    j_3 = (j - np.arange(points)) % points
    omega_2, slope_2, n_2 = (x.reshape(-1, 6) for x in (second.omega, second.slopes, n_second))
    omega_3, slope_3, n_3 = (x[mu_3][:, j_3].reshape(-1, 6) for x in (first.omega, first.slopes, n_first))
    vectors_2 = second.vectors.reshape(-1, 6, 6)
    vectors_3 = first.vectors[mu_3][:, j_3].reshape(-1, 6, 6)

    _, ring_2, place_2, _, ring_3, place_3, _ = third.sites.T
    turn = 2.0 * np.pi / folds
    of_2 = np.exp(1j * turn * np.arange(folds)[:, None] * place_2)[:, None] * np.exp(
        1j * second.turns[:, None] * ring_2
    )
    of_3 = np.exp(1j * turn * mu_3[:, None] * place_3)[:, None] * np.exp(1j * first.turns[j_3][:, None] * ring_3)
    # Phases of phonon 3 are those of 1 less 2 modulo 2π, which the whole number of rings does not see.
    waves = (of_2 * of_3).reshape(folds * points, -1)
    coupled = (waves.real @ tensor + 1j * (waves.imag @ tensor)).reshape(-1, 6, 36)
    own = first.vectors[mu, j].conj()  # (coordinate, branch)
    coupled = np.einsum("xs,qxy->qsy", own, coupled).reshape(-1, 6, 6, 6)
    coupled = np.einsum("qsxy,qxt->qsty", coupled, vectors_2, optimize=True)
    strength = np.abs(np.einsum("qsty,qyu->qstu", coupled, vectors_3, optimize=True)) ** 2  # (q, 1, 2, 3)

    product = omega_2[:, :, None] * omega_3[:, None, :]
    weight = np.divide(1.0, product, out=np.zeros_like(product), where=product > 0.0)
    if width_rad_ps is None:
        spacing = 2.0 * np.pi / points
        width = np.abs(slope_2[:, :, None] - slope_3[:, None, :]) * spacing / np.sqrt(12.0)
        width = np.maximum(width, NARROWEST_RAD_PS)
    else:
        width = np.full_like(product, width_rad_ps)
    both, difference = 1.0 + n_2[:, :, None] + n_3[:, None, :], n_2[:, :, None] - n_3[:, None, :]
    total, apart = omega_2[:, :, None] + omega_3[:, None, :], omega_3[:, None, :] - omega_2[:, :, None]
    rates = np.zeros(6)
    for branch, omega in enumerate(first.omega[mu, j]):
        if omega == 0.0:
            continue
        sharp = both * _delta(omega - total, width)
        sharp += difference * (_delta(omega - apart, width) - _delta(omega + apart, width))
        rates[branch] = (strength[:, branch] * weight * sharp).sum() / omega
    # In SI: ħ V²/(ω³) δ with ω in 1/s, and rates in 1/ps.
    scale = np.pi * HBAR_J_S * _SI_PER_EV_ANGSTROM3_AMU32**2 / (8.0 * folds * points) * 1e-48 * 1e-12
    return rates * scale


def _delta(x: FloatArray, width: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (x / width) ** 2) / (width * np.sqrt(2.0 * np.pi)))


def isotope_rates(of: Modes, mass_variance: float, width_rad_ps: float | None = None) -> FloatArray:
    """Return the (d, K, 6) rates, 1/ps, at which random isotopes scatter phonons (Tamura, Phys. Rev. B 27, 858 (1983)).

        1/τ = π/(2 N) g ω₁² Σ |e₁*(i)·e₂(i)|² δ(ω₁ - ω₂), over N waves, branches, and both atoms i.

    Args:
        of: modes.
        mass_variance: g = Σ c (1 - M/mean)² over isotopes of concentration c and mass M.
        width_rad_ps: standard deviation of δ, rad/ps; None for one that follows the velocities.
    """
    folds, points = of.omega.shape[:2]
    omega, slopes = of.omega.reshape(-1), of.slopes.reshape(-1)
    vectors = of.vectors.transpose(0, 1, 3, 2).reshape(len(omega), 2, 3)
    rates = np.zeros_like(omega)
    if width_rad_ps is None:
        width = np.maximum(np.abs(slopes) * 2.0 * np.pi / points / np.sqrt(12.0), NARROWEST_RAD_PS)
    else:
        width = np.full_like(omega, width_rad_ps)
    for row in np.flatnonzero(omega):
        near = np.flatnonzero(np.abs(omega - omega[row]) < 6.0 * width)
        near = near[omega[near] > 0.0]
        overlap = np.abs(np.einsum("ia,qia->qi", vectors[row].conj(), vectors[near])) ** 2
        sharp = _delta(omega[row] - omega[near], width[near])
        rates[row] = (overlap.sum(axis=1) * sharp).sum() * omega[row] ** 2
    return np.asarray(rates.reshape(of.omega.shape) * np.pi / 2.0 / (folds * points) * mass_variance)


def velocities_km_s(third: ThirdOrder, of: Modes) -> FloatArray:
    """Return the (d, K, 6) group velocities along the axis, km/s."""
    return np.asarray(of.slopes * third.rise_angstrom * 0.1)  # Å/ps is 0.1 km/s

