"""Compute the published thermal and mechanical quantities with the oracles of phonons and of mechanics.

Phonons, elasticity and strain energies are computed with Tersoff's potential; strength and formation energies with
REBO, by LAMMPS.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.models import Level, Model
from matgym.physics.mechanics.elastic import Elasticity
from matgym.physics.mechanics.formation import FormationEnergy
from matgym.physics.mechanics.relaxation import relaxed_pristine
from matgym.physics.mechanics.strength import Strength
from matgym.physics.phonons.conductance import PhononTransport
from matgym.physics.phonons.force_constants import OMEGA_CM, pristine_force_constants
from matgym.physics.phonons.vibrations import Vibrations, mode_heat_j_k
from matgym.physics.transport.landauer import phonon_conductance_nw_k
from matgym.physics.validation.rows import Computed
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_J_K, HBAR_J_S, WALL_THICKNESS_NM

TA, TW, LA = 0, 2, 3  # index of each branch, sorted by frequency at long waves; TA is twofold
ZERO_CM: Final = 1.0
HEAT_QUANTUM_NW_K2: Final = 1e9 * math.pi * BOLTZMANN_J_K**2 / (6.0 * HBAR_J_S)  # π² k_B²/3h
WIDE: Final = Nanotube(60, 60)  # approximates graphene; diameter 8 nm
FLAT: Final = 400  # n of the (n, n) tube that approximates the energy of graphene: 2e-5 eV/atom above it, by C/d²
CURVED: Final = ((9, 0), (6, 6), (10, 0), (8, 8), (15, 0), (10, 10))  # diameters of 0.7 to 1.4 nm
PULLED: Final = "REBO without its cut-off's artefact, steps of 1 %"


def _mean(oracle: Model, key: str, *tubes: Nanotube) -> float:
    """Return the mean of a property over tubes.

    Raises:
        ConvergenceError: if a tube cannot be computed.
    """
    predictions = oracle.predict(tubes)
    if predictions.reasons:
        raise ConvergenceError(f"not computed: {predictions.reasons}")
    return float(predictions[key].mean())


# ---- phonons


def _acoustic_modes() -> float:
    bands = Vibrations().bands(Nanotube(5, 5, 2), np.array([0.0]))
    return float((np.abs(bands) * OMEGA_CM < ZERO_CM).sum())


def _thermal_conductance_low_t() -> float:
    kelvin, points = 0.5, 60
    step = 25.0 * BOLTZMANN_J_K * kelvin / HBAR_J_S * 1e-12 / points  # rad/ps
    omega = (np.arange(0.0, points) + 0.5) * step
    through, failures = PhononTransport().transmission([Nanotube(5, 5)], omega)
    if failures:
        raise ConvergenceError(f"not computed: {failures}")
    conductance = phonon_conductance_nw_k(omega, np.full(points, step), through, kelvin)
    return float(conductance[0]) / (HEAT_QUANTUM_NW_K2 * kelvin)


def _rbm_times_diameter() -> float:
    modes = Vibrations.helical_bands(pristine_force_constants(10, 10), np.array([0.0]))[0, 0]
    above_acoustic = np.sort(modes)[2]
    return float(above_acoustic) * OMEGA_CM * relaxed_pristine(10, 10).radius_angstrom / 5.0


@cache
def _long_waves(n: int, phase: float) -> tuple[FloatArray, float]:
    """Return the frequencies of (n, n), rad/ps, at a small phase, and the wave number, 1/Å."""
    cells = 4
    bands = Vibrations().bands(Nanotube(n, n, cells), np.array([phase]))
    return bands[0], phase / (cells * relaxed_pristine(n, n).period_angstrom)


def _velocity_km_s(branch: int) -> float:
    omega, wave_number = _long_waves(10, 0.05)
    return float(omega[branch]) / wave_number * 0.1  # Å/ps is 0.1 km/s


def _exponent_heat_capacity_low_t() -> float:
    phases = np.concatenate([[0.0], np.geomspace(1e-3, np.pi, 200)])
    omega = Vibrations().bands(Nanotube(5, 5, 2), phases)
    low, high = (np.trapezoid(mode_heat_j_k(omega, kelvin).sum(axis=1), phases) for kelvin in (0.09, 0.11))
    return math.log(high / low) / math.log(0.11 / 0.09)


def _heat_capacity(kelvin: float) -> float:
    return _mean(Vibrations(temperature_k=kelvin), "heat_capacity_j_g_k", Nanotube(10, 10))


def _thermal_conductance_area() -> float:
    tube = Nanotube(10, 0)
    conductance = _mean(PhononTransport(), "thermal_conductance_nw_k", tube)
    return conductance / (math.pi * tube.diameter_nm * WALL_THICKNESS_NM)  # nW/K nm² is GW/m²K


def _isotope_shift() -> float:
    tube = Nanotube(5, 5, 2)
    heavy = tube.with_species(np.full(tube.n_sites, Species.C13))
    light_modes, heavy_modes = (Vibrations().bands(one, np.array([1.0])) for one in (tube, heavy))
    return float(np.median(heavy_modes / light_modes))


# ---- mechanics


def _young_tpa(*tubes: Nanotube) -> float:
    return _mean(Elasticity(), "young_gpa", *tubes) / 1e3


def _stiffness_2d() -> float:
    return _young_tpa(WIDE) * 1e3 * WALL_THICKNESS_NM


@cache
def _pulled(n: int, m: int) -> tuple[float, float]:
    """Return the strength, GPa, and the failure strain of a tube."""
    predictions = Strength(step=0.01).predict([Nanotube(n, m)])
    return float(predictions["tensile_strength_gpa"][0]), float(predictions["failure_strain"][0])


def _strength_loss() -> float:
    tube = Nanotube(5, 5, 6)
    pairs = [tube.decorated(dict.fromkeys((0, int(site)), "vacancy")) for site in tube.lattice.neighbours[0]]
    strengths = Strength().predict([Nanotube(tube.n, tube.m), *pairs])["tensile_strength_gpa"]
    return 100.0 * (1.0 - float(strengths[1:].min() / strengths[0]))


def _strain_energies() -> tuple[FloatArray, FloatArray]:
    """Return diameters, nm, and energies per atom relative to graphene, eV."""
    tubes = [relaxed_pristine(*shape) for shape in CURVED]
    flat = relaxed_pristine(FLAT, FLAT).energy_ev
    return np.array([tube.radius_angstrom / 5.0 for tube in tubes]), np.array([tube.energy_ev - flat for tube in tubes])


def _exponent_strain_energy() -> float:
    diameters, energies = _strain_energies()
    return float(np.polyfit(np.log(diameters), np.log(energies), 1)[0])


def _strain_energy_constant() -> float:
    diameters, energies = _strain_energies()
    return float((energies * diameters**2).mean())


def _stone_wales() -> float:
    tube = Nanotube(20, 0, 4)
    return _mean(FormationEnergy(), "formation_ev", *(tube.turned((0, int(b))) for b in tube.lattice.neighbours[0]))


_ROWS: Final[Mapping[str, Computed]] = {
    "acoustic_modes": Computed("Modes of (5,5) below 1 cm⁻¹ at the zone centre", _acoustic_modes),
    "thermal_conductance_low_t_g0": Computed(
        "(5,5), 0.5 K, 60 frequencies up to 25 k_B T/ħ", _thermal_conductance_low_t
    ),
    "rbm_times_diameter_cm_nm": Computed(
        "(10,10) with its relaxed diameter, symmetric under all screws", _rbm_times_diameter
    ),
    "velocity_la_10_10_km_s": Computed("ω/k at k = 0.005 Å⁻¹", lambda: _velocity_km_s(LA)),
    "velocity_tw_10_10_km_s": Computed("ω/k at k = 0.005 Å⁻¹", lambda: _velocity_km_s(TW)),
    "exponent_ta_branch": Computed(
        "(5,5), from k = 0.005 to 0.01 Å⁻¹",
        lambda: math.log2(_long_waves(5, 0.1)[0][TA] / _long_waves(5, 0.05)[0][TA]),
    ),
    "exponent_heat_capacity_low_t": Computed("(5,5), between 0.09 and 0.11 K", _exponent_heat_capacity_low_t),
    "heat_capacity_dulong_petit_j_gk": Computed("(10,10) of 12C at 10⁵ K", lambda: _heat_capacity(1e5)),
    "heat_capacity_300k_j_gk": Computed("(10,10)", lambda: _heat_capacity(300.0)),
    "thermal_conductance_area_300k_gw_m2k": Computed("(10,0), 128 frequencies", _thermal_conductance_area),
    "optical_phonon_gamma_cm": Computed(
        "Highest frequency of (30,30) at the zone centre",
        lambda: float(np.sqrt(pristine_force_constants(30, 30).spectrum(3)[:, 0].max())) * OMEGA_CM,
    ),
    "isotope_shift_13c": Computed("Median over all modes of (5,5) at a phase of 1 rad a cell", _isotope_shift),
    "young_large_tube_tpa": Computed(
        "Mean of (10,0), (6,6), (8,4), (10,10), (17,0) and (20,20)",
        lambda: _young_tpa(*(Nanotube(n, m) for n, m in ((10, 0), (6, 6), (8, 4), (10, 10), (17, 0), (20, 20)))),
    ),
    "young_measured_tpa": Computed(
        "Mean of (13,0), (8,8), (12,4), (10,10) and (19,0): 1.0 to 1.5 nm",
        lambda: _young_tpa(*(Nanotube(n, m) for n, m in ((13, 0), (8, 8), (12, 4), (10, 10), (19, 0)))),
    ),
    "stiffness_2d_n_m": Computed("Young's modulus of (60,60) times its wall", _stiffness_2d),
    "stiffness_2d_dft_n_m": Computed("Young's modulus of (60,60) times its wall", _stiffness_2d),
    "poisson_graphene": Computed("(60,60)", lambda: _mean(Elasticity(), "poisson_ratio", WIDE)),
    "strength_10_0_gpa": Computed(PULLED, lambda: _pulled(10, 0)[0]),
    "failure_strain_10_0": Computed(PULLED, lambda: _pulled(10, 0)[1]),
    "failure_strain_8_8": Computed(PULLED, lambda: _pulled(8, 8)[1]),
    "strength_graphene_gpa": Computed(
        "(8,8), REBO without its cut-off's artefact, steps of 1 %", lambda: _pulled(8, 8)[0]
    ),
    "strength_loss_vacancy_percent": Computed("Largest of two missing neighbours in (5,5)x6", _strength_loss),
    "exponent_strain_energy": Computed(
        "Fit to six zigzag and armchair tubes of 0.7 to 1.4 nm", _exponent_strain_energy
    ),
    "strain_energy_constant_ev_nm2": Computed(
        "Mean of six zigzag and armchair tubes of 0.7 to 1.4 nm", _strain_energy_constant
    ),
    "vacancy_formation_ev": Computed(
        "(20,0), 4 cells, REBO, broken bonds closed where that lowers the energy",
        lambda: _mean(FormationEnergy(), "formation_ev", Nanotube(20, 0, 4).decorated({0: "vacancy"})),
    ),
    "stone_wales_formation_ev": Computed("(20,0), 4 cells, REBO, mean of the three bonds of an atom", _stone_wales),
}

MECHANICAL: Final[Mapping[str, Computed]] = {key: row._replace(level=Level.CLASSICAL) for key, row in _ROWS.items()}
"""How each row is computed, by its key."""
