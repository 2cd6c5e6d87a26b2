"""Our values of the published thermoelectric quantities, by `Thermoelectric` and the integrals under it.

The first line of each docstring says on which tubes and at which settings; the table of docs/physics.md prints it.
"""

import math
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.physics import PiElectrons
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.thermoelectric import Thermoelectric, coefficients
from matgym.physics.transport.landauer import conductance_us, electron_heat_nw_k, electron_moments
from matgym.structures import Nanotube
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K

ROOM_K: Final = 300.0
NO_LATTICE: Final = np.zeros(1)  # heat of the phonons, where only the electrons count


def _through(tube: Nanotube, energies_ev: FloatArray) -> FloatArray:
    """(1, E) transmission."""
    found, failures = PiTransport().transmission([tube], energies_ev)
    if failures:
        raise ConvergenceError(f"not computed: {failures}")
    return found


def _seebeck(energies: FloatArray, through: FloatArray, mu: FloatArray, kelvin: float) -> FloatArray:
    """(M,) Seebeck coefficients, µV/K."""
    return np.asarray(coefficients(energies, through, NO_LATTICE, mu, kelvin)["seebeck_uv_k"][0])


def _gap_ev(tube: Nanotube) -> float:
    return float(PiElectrons().predict([tube])["gap_ev"][0])


def seebeck_step_edge_uv_k() -> float:
    """(10,0), chemical potential at its conduction band's edge, 300 K, energies 0.5 meV apart."""
    tube = Nanotube(10, 0)
    edge = _gap_ev(tube) / 2.0
    energies = edge + 0.0005 * (np.arange(-1000.0, 1000.0) + 0.5)
    return float(-_seebeck(energies, _through(tube, energies), np.array([edge]), ROOM_K)[0])


def lorenz_number_1e8_w_ohm_k2() -> float:
    """(10,10), neutral, 300 K."""
    energies = 0.005 * (np.arange(-110.0, 110.0) + 0.5)
    moments = electron_moments(energies, _through(Nanotube(10, 10), energies), np.array([0.0]), ROOM_K)
    heat, conductance = electron_heat_nw_k(*moments, ROOM_K), conductance_us(moments[0])
    return 1e8 * float(heat[0, 0]) * 1e-9 / (float(conductance[0, 0]) * 1e-6 * ROOM_K)


def mott_ratio() -> float:
    """(8,8) with one N, chemical potential 0.6 eV, 20 K."""
    kelvin, mu = 20.0, 0.6
    step = 0.1 * BOLTZMANN_EV_K * kelvin
    energies = mu + step * np.arange(-250.0, 251.0)
    through = _through(Nanotube(8, 8, 2).decorated({0: "N"}), energies)
    slope = math.log(through[0, 251] / through[0, 249]) / (2.0 * step)  # 1/eV
    mott = -(math.pi**2) / 3.0 * BOLTZMANN_EV_K**2 * kelvin * slope * 1e6
    return float(_seebeck(energies, through, np.array([mu]), kelvin)[0]) / mott


def seebeck_delta_optimum_uv_k() -> float:
    """Integrals of a Gaussian of standard deviation 0.1 k_B T; no tube."""
    thermal = BOLTZMANN_EV_K * ROOM_K
    energies = np.linspace(-2.0, 2.0, 4001) * thermal
    peak = np.exp(-0.5 * (energies / (0.1 * thermal)) ** 2)[None]
    found = coefficients(energies, peak, NO_LATTICE, np.linspace(-5.0, 0.0, 501) * thermal, ROOM_K)
    return float(np.abs(found["seebeck_uv_k"][0, found["power_factor_pw_k2"][0].argmax()]))


def zt_max_zigzag() -> float:
    """Larger one of (8,0), the thinnest that the π model takes, and (10,0); 300 K, best chemical potential."""
    return float(Thermoelectric().predict([Nanotube(8, 0), Nanotube(10, 0)])["zt"].max())


def goldsmid_sharp_ratio() -> float:
    """(13,0), 300 K."""
    tube = Nanotube(13, 0)
    gap = _gap_ev(tube)
    energies = np.arange(-gap / 2.0 - 0.5, gap / 2.0 + 0.5, 0.002)
    largest = np.abs(_seebeck(energies, _through(tube, energies), np.arange(0.0, gap / 2.0, 0.005), ROOM_K)).max()
    return gap / (2e-6 * float(largest) * ROOM_K)
