"""Compute the published quantities of heat in tubes of any length, by Boltzmann's equation for phonons."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from matgym.models import Level
from matgym.physics.phonons.anharmonic import collisions, third_order
from matgym.physics.phonons.boltzmann import HeatSpectrum, LongTubeHeat
from matgym.physics.phonons.conductance import PhononTransport
from matgym.physics.phonons.vibrations import mode_heat_j_k
from matgym.physics.validation.rows import Computed
from matgym.structures import Nanotube
from matgym.units import BOLTZMANN_J_K

SAMPLED_ANGSTROM: Final = 60.0
HEATED: Final = Nanotube(5, 5)
WIDE: Final = Nanotube(10, 10)
NATURAL: Final = 0.0107  # share of 13C
FAST_THZ: Final = 20.0
KELVIN: Final = 300.0
ACOUSTIC: Final = 2  # modes at the end of `Collisions` that stand for long waves, which other codes leave out
KALDO_AREA_NM2: Final = 25.0 / 29.92  # its box of 5 nm by 5 nm over its factor for the cross-section


@cache
def _spectrum(tube: Nanotube, share_13c: float, kelvin: float = KELVIN, *, classical: bool = False) -> HeatSpectrum:
    model = LongTubeHeat(kelvin, share_13c=share_13c, sampled_angstrom=SAMPLED_ANGSTROM, classical=classical)
    return model.spectrum(tube)


def _exponent_of_length(tube: Nanotube, short_nm: float, long_nm: float, *, classical: bool = False) -> float:
    spectrum = _spectrum(tube, 0.0, classical=classical)
    low, high = spectrum.conductivity_w_mk(np.array([short_nm, long_nm]))
    return math.log(high / low) / math.log(long_nm / short_nm)


def _loss_by_isotopes() -> float:
    clean, mixed = _spectrum(HEATED, 0.0), _spectrum(HEATED, 0.5)
    isotopes = replace(clean, rates_ps=mixed.rates_ps - clean.rates_ps, inward_ps=mixed.inward_ps - clean.inward_ps)
    ballistic, long = isotopes.conductance_nw_k(np.array([0.0, 2500.0]))
    return 100.0 * (1.0 - float(long / ballistic))


def _conductivity(tube: Nanotube, length_nm: float, kelvin: float) -> float:
    return float(_spectrum(tube, NATURAL, kelvin).conductivity_w_mk(np.array([length_nm]))[0])


def _fast_mean_free_path() -> float:
    """Return the mean free path of fast phonons, nm, weighted by the heat that each carries without scattering."""
    spectrum = _spectrum(WIDE, 0.0)
    fast = spectrum.omega_rad_ps >= 2.0 * np.pi * FAST_THZ
    carried = (spectrum.heat_j_k * np.abs(spectrum.velocities_km_s))[fast]
    return float((carried * spectrum.mean_free_paths_nm[fast]).sum() / carried.sum())


def _ballistic_limit() -> float:
    ours = float(_spectrum(WIDE, 0.0).conductance_nw_k(np.array([0.0]))[0])
    return ours / float(PhononTransport(frequencies=256).predict([WIDE])["thermal_conductance_nw_k"][0])


def conductivity_area(
    tube: Nanotube, points: int, width_thz: float | None = None, *, direct: bool = False, classical: bool = False
) -> float:
    """Return conductivity times cross-section, W nm²/(m K), on the waves of a calculation by another code.

    Args:
        tube: pristine armchair or zigzag tube.
        points: number of wave vectors of the other code.
        width_thz: standard deviation of its δ function, THz; None for one that follows the velocities.
        direct: whether the equation is solved, rather than in the relaxation-time approximation.
        classical: whether modes have the occupation and the heat of classical mechanics.
    """
    third = third_order(tube.n, tube.m)
    count = 2 * points  # two rings a cell
    width = None if width_thz is None else 2.0 * np.pi * width_thz
    found = collisions(third, count, KELVIN, width_rad_ps=width, classical=classical)
    inside = slice(0, -ACOUSTIC)
    velocities, rates = found.slopes[inside] * third.rise_angstrom * 100.0, found.rates[inside]  # m/s
    heat_j_k = BOLTZMANN_J_K if classical else mode_heat_j_k(found.omega[inside], KELVIN)
    deviation = (
        np.linalg.solve(np.diag(rates) - found.inward[inside, inside], velocities) if direct else velocities / rates
    )
    length_m = count * third.rise_angstrom * 1e-10
    return 2.0 / length_m * 1e18 * 1e-12 * float((heat_j_k * velocities * deviation).sum())  # nm² and ps


def _kaldo(*, classical: bool) -> float:
    """Return the conductivity of (10,0) on the waves and with the cross-section of the example of kALDo, W/(m K)."""
    return conductivity_area(Nanotube(10, 0), 151, direct=True, classical=classical) / KALDO_AREA_NM2


HEAT_ROWS: Final[Mapping[str, Computed]] = {
    "exponent_conductivity_length": Computed(
        "(5,5) of 12C from 20 to 100 nm, full solution",
        lambda: _exponent_of_length(HEATED, 20.0, 100.0),
        Level.CLASSICAL,
    ),
    "exponent_conductivity_short": Computed(
        "(10,10) of 12C from 20 to 100 nm, full solution",
        lambda: _exponent_of_length(WIDE, 20.0, 100.0),
        Level.CLASSICAL,
    ),
    "isotope_loss_2500_nm_percent": Computed(
        "(5,5), half of the atoms 13C, scattering by isotopes only", _loss_by_isotopes, Level.CLASSICAL
    ),
    "exponent_conductivity_long": Computed(
        "(10,10) of 12C from 300 to 1000 nm, full solution, classical as the publication",
        lambda: _exponent_of_length(WIDE, 300.0, 1000.0, classical=True),
        Level.CLASSICAL,
        stored=True,
    ),
    "conductivity_9_8_400k_w_mk": Computed(
        "(9,8) of natural carbon, 11 µm, 400 K, full solution",
        lambda: _conductivity(Nanotube(9, 8), 11e3, 400.0),
        Level.CLASSICAL,
        stored=True,
    ),
    "conductivity_2600_nm_w_mk": Computed(
        "(12,12) of natural carbon, 1.63 nm, 300 K, full solution",
        lambda: _conductivity(Nanotube(12, 12), 2600.0, KELVIN),
        Level.CLASSICAL,
        stored=True,
    ),
    "mean_free_path_20_thz_nm": Computed(
        "(10,10) of 12C, 2|v|τ weighted by ballistic heat", _fast_mean_free_path, Level.CLASSICAL, stored=True
    ),
    "ballistic_limit_10_10": Computed("(10,10), 60 Å of waves", _ballistic_limit, Level.CLASSICAL, stored=True),
    "conductivity_area_phono3py_5_5": Computed(
        "The waves and the width of phono3py, 0.5 THz",
        lambda: conductivity_area(HEATED, 20, 0.5),
        Level.CLASSICAL,
    ),
    "conductivity_area_phono3py_10_10": Computed(
        "The waves and the width of phono3py, 0.5 THz",
        lambda: conductivity_area(WIDE, 10, 0.5),
        Level.CLASSICAL,
        stored=True,
    ),
    "conductivity_area_direct_5_5": Computed(
        "The waves and the width of phono3py, 0.2 THz, full solution",
        lambda: conductivity_area(HEATED, 20, 0.2, direct=True),
        Level.CLASSICAL,
    ),
    "conductivity_10_0_kaldo_w_mk": Computed(
        "The 151 waves of kALDo, a width that follows the velocities, full solution",
        lambda: _kaldo(classical=False),
        Level.CLASSICAL,
        stored=True,
    ),
    "conductivity_10_0_kaldo_classical_w_mk": Computed(
        "The row above with classical statistics",
        lambda: _kaldo(classical=True),
        Level.CLASSICAL,
        stored=True,
    ),
}
"""How each row is computed, by its key."""
