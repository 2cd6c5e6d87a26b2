"""Compute the published electronic and thermoelectric quantities with the oracles of electrons."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.models import Level
from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.electrons.tight_binding import PiParameters, pristine_bands
from matgym.physics.thermoelectric import Thermoelectric, coefficients
from matgym.physics.transport.landauer import electron_heat_nw_k, electron_moments
from matgym.physics.validation.rows import Computed
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K, CHARGE_C, CONDUCTANCE_QUANTUM_US, HBAR_J_S

HOPPING_EV: Final = PiParameters().hopping_ev
BESIDE_ZERO_EV: Final = 1e-5  # eV; avoids zero, where zero modes and the crossing of bands are
STEP: Final = 0.001  # of strain and shear
ROOM_K: Final = 300.0
NO_LATTICE: Final = np.zeros(1)  # nW/K; no thermal conductance of phonons, for quantities of the electrons only


def _gaps_ev(*tubes: Nanotube) -> FloatArray:
    return PiElectrons().predict(tubes)["gap_ev"]


def _gap_mev(n: int, m: int, *, strain: float = 0.0, torsion: float = 0.0) -> float:
    return 1e3 * float(_gaps_ev(Nanotube(n, m, strain=strain, torsion=torsion))[0])


def _transmission(energies_ev: FloatArray, *tubes: Nanotube, parameters: PiParameters | None = None) -> FloatArray:
    """Return the (B, E) transmission of tubes.

    Raises:
        ConvergenceError: if a tube cannot be computed.
    """
    transmissions, failures = PiTransport(parameters or PiParameters()).transmission(tubes, energies_ev)
    if failures:
        raise ConvergenceError(f"not computed: {failures}")
    return transmissions


def _gap_times_diameter() -> float:
    tubes = [Nanotube(n, 0) for n in (16, 17, 19, 20)]
    return float(np.mean(_gaps_ev(*tubes) * [tube.diameter_nm for tube in tubes]))


def _van_hove_10_10() -> float:
    bands = pristine_bands(Nanotube(10, 10), np.linspace(0.0, np.pi, 2001), PiParameters())
    return 2.0 * float(np.sort(bands.min(axis=1))[1])


def _fermi_velocity() -> float:
    tube, phases = Nanotube(10, 10), np.linspace(0.0, np.pi, 20001)
    bands = pristine_bands(tube, phases, PiParameters())
    band = bands[bands.min(axis=1).argmin()]
    near = (band > 0.05) & (band < 0.1) & (phases > phases[band.argmin()])
    slope = float(np.polyfit(phases[near], band[near], 1)[0])  # eV/rad
    return slope * tube.length_angstrom * 1e-10 * CHARGE_C / HBAR_J_S / 1e5


def _strain_slope(*ns: int) -> float:
    """Return the mean change of the gap with axial strain, meV per percent."""
    low, high = (_gaps_ev(*(Nanotube(n, 0, strain=strain) for n in ns)) for strain in (-STEP, STEP))
    return float(np.mean(high - low)) * 1e3 / (2e2 * STEP)


def _torsion_slope(n: int, m: int) -> float:
    """Return the change of the gap with shear strain, meV per percent."""
    return (_gap_mev(n, m, torsion=STEP) - _gap_mev(n, m)) / (1e2 * STEP)


def _through_vacancies(*sites: int) -> float:
    tube = Nanotube(8, 8, 6).decorated(dict.fromkeys(sites, "vacancy"))
    return float(_transmission(np.array([BESIDE_ZERO_EV]), tube)[0, 0])


def _second_neighbour() -> int:
    """Return a second neighbour of site 0 in (8,8).

    Two vacancies whose distance is a vector of the √3 x √3 superlattice have the same phases in both channels. They
    block the same combination of the channels, and T is 1. Second neighbours have no such distance.
    """
    neighbours = Nanotube(8, 8, 6).lattice.neighbours
    return next(int(site) for site in neighbours[neighbours[0][0]] if site != 0)


def _dip_nitrogen() -> float:
    tube = Nanotube(10, 10, 2).decorated({0: "N"})
    energies = np.arange(0.0025, _van_hove_10_10() / 2.0, 0.0025)
    return float(energies[_transmission(energies, tube)[0].argmin()])


@cache
def _mean_free_path(n: int) -> float:
    """Return the elastic mean free path of (n, n), nm.

    The mean square of the on-site energy, c E², equals that of the box distribution. The statistical error is 2 %.
    """
    spread = HOPPING_EV / np.sqrt(12.0)
    parameters = PiParameters(curvature=False, onsite_ev={Species.B: spread, Species.N: -spread})
    tube, rng = Nanotube(n, n, 10), np.random.default_rng(1)
    codes = rng.choice([Species.B, Species.N], size=(2000, tube.n_sites))
    through = _transmission(np.array([BESIDE_ZERO_EV]), *map(tube.with_species, codes), parameters=parameters)
    return tube.length_angstrom / 10.0 / float(np.mean(2.0 / through) - 1.0)


def _reflection(n: int, m: int) -> float:
    weak = 0.05  # on-site energy over hopping, E/t
    parameters = PiParameters(curvature=False, onsite_ev={Species.B: weak * HOPPING_EV})
    tube = Nanotube(n, m, 2).decorated({0: "B"})
    through = _transmission(np.array([BESIDE_ZERO_EV]), tube, parameters=parameters)
    return (2.0 - float(through[0, 0])) / 2.0 * (n / weak) ** 2


def _seebeck(energies: FloatArray, through: FloatArray, mu: FloatArray, kelvin: float) -> FloatArray:
    """Return the (M,) Seebeck coefficients, µV/K."""
    moments = electron_moments(energies, through, mu, kelvin)
    return np.asarray(coefficients(moments, NO_LATTICE, kelvin)["seebeck_uv_k"][0])


def _seebeck_step_edge() -> float:
    tube = Nanotube(10, 0)
    edge = float(_gaps_ev(tube)[0]) / 2.0
    energies = edge + 0.0005 * (np.arange(-1000.0, 1000.0) + 0.5)
    return float(-_seebeck(energies, _transmission(energies, tube), np.array([edge]), ROOM_K)[0])


def _lorenz_number() -> float:
    energies = 0.005 * (np.arange(-110.0, 110.0) + 0.5)
    moments = electron_moments(energies, _transmission(energies, Nanotube(10, 10)), np.array([0.0]), ROOM_K)
    heat, conductance = electron_heat_nw_k(*moments, ROOM_K), CONDUCTANCE_QUANTUM_US * moments[0]
    return 1e8 * float(heat[0, 0]) * 1e-9 / (float(conductance[0, 0]) * 1e-6 * ROOM_K)


def _mott_ratio() -> float:
    kelvin, mu = 20.0, 0.6
    step = 0.1 * BOLTZMANN_EV_K * kelvin
    energies = mu + step * np.arange(-250.0, 251.0)
    through = _transmission(energies, Nanotube(8, 8, 2).decorated({0: "N"}))
    slope = math.log(through[0, 251] / through[0, 249]) / (2.0 * step)  # 1/eV
    mott = -(math.pi**2) / 3.0 * BOLTZMANN_EV_K**2 * kelvin * slope * 1e6
    return float(_seebeck(energies, through, np.array([mu]), kelvin)[0]) / mott


def _seebeck_delta_optimum() -> float:
    thermal = BOLTZMANN_EV_K * ROOM_K
    energies = np.linspace(-2.0, 2.0, 4001) * thermal
    peak = np.exp(-0.5 * (energies / (0.1 * thermal)) ** 2)[None]
    moments = electron_moments(energies, peak, np.linspace(-5.0, 0.0, 501) * thermal, ROOM_K)
    curves = coefficients(moments, NO_LATTICE, ROOM_K)
    return float(np.abs(curves["seebeck_uv_k"][0, curves["power_factor_pw_k2"][0].argmax()]))


def _goldsmid_sharp_ratio() -> float:
    tube = Nanotube(13, 0)
    gap = float(_gaps_ev(tube)[0])
    energies = np.arange(-gap / 2.0 - 0.5, gap / 2.0 + 0.5, 0.002)
    seebeck = _seebeck(energies, _transmission(energies, tube), np.arange(0.0, gap / 2.0, 0.005), ROOM_K)
    return gap / (2e-6 * float(np.abs(seebeck).max()) * ROOM_K)


ELECTRONIC: Final[Mapping[str, Computed]] = {
    "conductance_metallic_g0": Computed(
        "(10,10), two cells, 300 K",
        lambda: float(PiTransport().predict([Nanotube(10, 10, 2)])["conductance_us"][0]) / CONDUCTANCE_QUANTUM_US,
    ),
    "gap_9_0_curvature_mev": Computed("(9,0)", lambda: _gap_mev(9, 0)),
    "gap_12_0_curvature_mev": Computed("(12,0)", lambda: _gap_mev(12, 0)),
    "gap_15_0_curvature_mev": Computed("(15,0)", lambda: _gap_mev(15, 0)),
    "gap_18_0_curvature_mev": Computed("(18,0)", lambda: _gap_mev(18, 0)),
    "gap_12_3_curvature_mev": Computed("(12,3)", lambda: _gap_mev(12, 3)),
    "gap_14_2_curvature_mev": Computed("(14,2)", lambda: _gap_mev(14, 2)),
    "gap_armchair_isolated_mev": Computed(
        "The larger one of (5,5) and (8,8)", lambda: max(_gap_mev(5, 5), _gap_mev(8, 8))
    ),
    "gap_20_0_ev": Computed("(20,0), with curvature", lambda: _gap_mev(20, 0) / 1e3),
    "gap_times_diameter_ev_nm": Computed("Mean of (16,0), (17,0), (19,0) and (20,0)", _gap_times_diameter),
    "van_hove_ratio_m11_s11": Computed(
        "M11 of (10,10) over the mean S11 of (16,0), (17,0), (19,0) and (20,0), each times its diameter",
        lambda: _van_hove_10_10() * Nanotube(10, 10).diameter_nm / _gap_times_diameter(),
    ),
    "van_hove_m11_10_10_ev": Computed("Twice the least energy of the second lowest band", _van_hove_10_10),
    "fermi_velocity_1e5_m_s": Computed(
        "Slope of the band of (10,10) that crosses zero, from 50 to 100 meV", _fermi_velocity
    ),
    "strain_slope_mod1_mev_percent": Computed(
        "Mean of (10,0), (13,0), (16,0) and (19,0) between -0.1 % and 0.1 %", lambda: _strain_slope(10, 13, 16, 19)
    ),
    "strain_slope_mod2_mev_percent": Computed(
        "Mean of (11,0), (14,0), (17,0) and (20,0) between -0.1 % and 0.1 %", lambda: _strain_slope(11, 14, 17, 20)
    ),
    "strain_slope_10_0_mev_percent": Computed("Between -0.1 % and 0.1 %", lambda: _strain_slope(10)),
    "strain_slope_20_0_mev_percent": Computed("Between -0.1 % and 0.1 %", lambda: _strain_slope(20)),
    "strain_slope_10_0_dft_mev_percent": Computed("Between -0.1 % and 0.1 %", lambda: _strain_slope(10)),
    "strain_slope_20_0_dft_mev_percent": Computed("Between -0.1 % and 0.1 %", lambda: _strain_slope(20)),
    "strain_slope_armchair_mev_percent": Computed(
        "The larger one of (5,5) and (8,8) at 2 %", lambda: max(_gap_mev(n, n, strain=0.02) for n in (5, 8)) / 2.0
    ),
    "torsion_slope_5_5_mev_percent": Computed("Between no shear and 0.1 %", lambda: _torsion_slope(5, 5)),
    "torsion_slope_10_0_mev_percent": Computed(
        "Between no shear and 0.1 %; it is of second order, 1.3 meV at 1 %", lambda: _torsion_slope(10, 0)
    ),
    "transmission_vacancy_armchair": Computed("(8,8), 10 µeV beside zero", lambda: _through_vacancies(0)),
    "transmission_two_vacancies_same_sublattice": Computed(
        "(8,8), vacancies on second neighbours, 10 µeV beside zero", lambda: _through_vacancies(0, _second_neighbour())
    ),
    "dip_nitrogen_10_10_ev": Computed(
        "Energy of the least T(E) of one N in (10,10) between zero and the second band, as the oracle stands",
        _dip_nitrogen,
    ),
    "mean_free_path_5_5_nm": Computed(
        "L/(<2/T> - 1) of 2000 samples of 10 cells, each site at ±W/√12 by chance; no curvature",
        lambda: _mean_free_path(5),
    ),
    "mean_free_path_ratio": Computed(
        "Both as in row mean_free_path_5_5_nm", lambda: _mean_free_path(10) / _mean_free_path(5)
    ),
    "reflection_point_defect_armchair": Computed("(5,5), one site at 0.05 γ₀; no curvature", lambda: _reflection(5, 5)),
    "reflection_point_defect_zigzag": Computed("(9,0), one site at 0.05 γ₀; no curvature", lambda: _reflection(9, 0)),
    "seebeck_step_edge_uv_k": Computed(
        "(10,0), chemical potential at its conduction band's edge, 300 K, energies 0.5 meV apart", _seebeck_step_edge
    ),
    "lorenz_number_1e8_w_ohm_k2": Computed("(10,10), neutral, 300 K", _lorenz_number),
    "mott_ratio": Computed("(8,8) with one N, chemical potential 0.6 eV, 20 K", _mott_ratio),
    "seebeck_delta_optimum_uv_k": Computed(
        "Integrals of a Gaussian of standard deviation 0.1 k_B T; no tube", _seebeck_delta_optimum
    ),
    "zt_max_zigzag": Computed(
        "Larger one of (8,0), the thinnest that the π model takes, and (10,0); 300 K, best chemical potential",
        lambda: float(Thermoelectric().predict([Nanotube(8, 0), Nanotube(10, 0)])["zt"].max()),
        Level.PI_CLASSICAL,
    ),
    "goldsmid_sharp_ratio": Computed("(13,0), 300 K", _goldsmid_sharp_ratio),
}
"""How each row is computed, by its key."""
