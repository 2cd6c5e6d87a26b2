"""Our values of the published thermal quantities, by `PhononTransport`, `Vibrations` and what is under them.

The first line of each docstring says on which tubes and at which settings; the table of docs/physics.md prints it.
"""

import math
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.physics.mechanics.relaxation import relaxed_pristine
from matgym.physics.phonons.conductance import PhononTransport
from matgym.physics.phonons.force_constants import OMEGA_CM, pristine_force_constants
from matgym.physics.phonons.vibrations import Vibrations, mode_heat_j_k
from matgym.physics.transport.landauer import phonon_conductance_nw_k
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_J_K, HBAR_J_S, WALL_THICKNESS_NM

TA, TW, LA = 0, 2, 3  # by frequency at long waves; TA twice
ZERO_CM: Final = 1.0
HEAT_QUANTUM_NW_K2: Final = 1e9 * math.pi * BOLTZMANN_J_K**2 / (6.0 * HBAR_J_S)  # π² k_B²/3h


def acoustic_modes() -> float:
    """Modes of (5,5) below 1 cm⁻¹ at the zone centre."""
    bands = Vibrations().bands(Nanotube(5, 5, 2), np.array([0.0]))
    return float((np.abs(bands) * OMEGA_CM < ZERO_CM).sum())


def thermal_conductance_low_t_g0() -> float:
    """(5,5), 0.5 K, 60 frequencies up to 25 k_B T/ħ."""
    kelvin, points = 0.5, 60
    step = 25.0 * BOLTZMANN_J_K * kelvin / HBAR_J_S * 1e-12 / points  # rad/ps
    omega = (np.arange(0.0, points) + 0.5) * step
    through, failures = PhononTransport().transmission([Nanotube(5, 5)], omega)
    if failures:
        raise ConvergenceError(f"not computed: {failures}")
    found = phonon_conductance_nw_k(omega, np.full(points, step), through, kelvin)
    return float(found[0]) / (HEAT_QUANTUM_NW_K2 * kelvin)


def rbm_times_diameter_cm_nm() -> float:
    """(10,10) with its relaxed diameter, symmetric under all screws."""
    modes = Vibrations.helical_bands(pristine_force_constants(10, 10), np.array([0.0]))[0, 0]
    above_acoustic = np.sort(modes)[2]
    return float(above_acoustic) * OMEGA_CM * relaxed_pristine(10, 10).radius_angstrom / 5.0


def _long_waves(n: int, phase: float) -> tuple[FloatArray, float]:
    """Acoustic frequencies of (n, n), rad/ps, and the wave number, 1/Å."""
    cells = 4
    bands = Vibrations().bands(Nanotube(n, n, cells), np.array([phase]))
    return bands[0], phase / (cells * relaxed_pristine(n, n).period_angstrom)


def _velocity_km_s(branch: int) -> float:
    omega, wave_number = _long_waves(10, 0.05)
    return float(omega[branch]) / wave_number * 0.1  # Å/ps is 0.1 km/s


def velocity_la_10_10_km_s() -> float:
    """ω/k at k = 0.005 Å⁻¹."""
    return _velocity_km_s(LA)


def velocity_tw_10_10_km_s() -> float:
    """ω/k at k = 0.005 Å⁻¹."""
    return _velocity_km_s(TW)


def exponent_ta_branch() -> float:
    """(5,5), from k = 0.005 to 0.01 Å⁻¹."""
    return math.log2(_long_waves(5, 0.1)[0][TA] / _long_waves(5, 0.05)[0][TA])


def exponent_heat_capacity_low_t() -> float:
    """(5,5), between 0.09 and 0.11 K."""
    phases = np.concatenate([[0.0], np.geomspace(1e-3, np.pi, 200)])
    omega = Vibrations().bands(Nanotube(5, 5, 2), phases)
    low, high = (np.trapezoid(mode_heat_j_k(omega, kelvin).sum(axis=1), phases) for kelvin in (0.09, 0.11))
    return math.log(high / low) / math.log(0.11 / 0.09)


def _heat_capacity(kelvin: float) -> float:
    return float(Vibrations(temperature_k=kelvin).predict([Nanotube(10, 10)])["heat_capacity_j_g_k"][0])


def heat_capacity_dulong_petit_j_gk() -> float:
    """(10,10) of 12C at 10⁵ K."""
    return _heat_capacity(1e5)


def heat_capacity_300k_j_gk() -> float:
    """(10,10)."""
    return _heat_capacity(300.0)


def thermal_conductance_area_300k_gw_m2k() -> float:
    """(10,0), 128 frequencies."""
    tube = Nanotube(10, 0)
    found = float(PhononTransport().predict([tube])["thermal_conductance_nw_k"][0])
    return found / (math.pi * tube.diameter_nm * WALL_THICKNESS_NM)  # nW/K nm² is GW/m²K


def optical_phonon_gamma_cm() -> float:
    """Highest frequency of (30,30) at the zone centre."""
    return float(np.sqrt(pristine_force_constants(30, 30).spectrum(3)[:, 0].max())) * OMEGA_CM


def isotope_shift_13c() -> float:
    """Median over all modes of (5,5) at a phase of 1 rad a cell."""
    tube = Nanotube(5, 5, 2)
    heavy = tube.with_species(np.full(tube.n_sites, Species.C13))
    light_modes, heavy_modes = (Vibrations().bands(one, np.array([1.0])) for one in (tube, heavy))
    return float(np.median(heavy_modes / light_modes))
