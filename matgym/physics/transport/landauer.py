"""Landauer integrals of a transmission function: transport of charge and heat at a temperature.

The model is linear response between two reservoirs (Sivan and Imry, Phys. Rev. B 33, 551 (1986)). With T(E) the
transmission of each spin, the moments

    L_k(μ) = (2/h) ∫ T(E) (E - μ)^k (-∂f/∂E) dE

give G = e² L_0, S = -L_1/(e T L_0), κ_e = (L_2 - L_1²/L_0)/T. Phonons carry

    K = (1/2π) ∫ T(ω) ħω ∂n/∂T dω

(Rego and Kirczenow, Phys. Rev. Lett. 81, 232 (1998)). Tabulated transmission is interpolated linearly,
so the grid has to resolve its steps and resonances.
"""

import numpy as np

from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K, BOLTZMANN_J_K, CONDUCTANCE_QUANTUM_US, HBAR_J_S

THERMAL_REACH = 18.0
"""Range of energies on either side of μ, in k_B T, outside which -∂f/∂E is ignored: below e⁻¹⁸ of its area."""


def electron_moments(
    energies_ev: FloatArray,
    transmission: FloatArray,
    mu_ev: FloatArray,
    temperature_k: float,
    weights_ev: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the moments ∫ T (E - μ)^k (-∂f/∂E) dE for k = 0, 1, 2.

    Args:
        energies_ev: (E,) energies, eV. Without weights they ascend and extend `THERMAL_REACH` beyond every chemical
            potential.
        transmission: (B, E) transmission.
        mu_ev: (M,) chemical potentials, eV.
        temperature_k: temperature of both reservoirs, K.
        weights_ev: weights of the quadrature, eV, (E,) or (B, E); None means the trapezoid rule.

    Returns:
        Three arrays (B, M), in eV^k.
    """
    thermal = BOLTZMANN_EV_K * temperature_k
    away = energies_ev - np.asarray(mu_ev)[:, None]  # (M, E)
    window = 0.25 / thermal / np.cosh(np.clip(away / thermal / 2.0, -300.0, 300.0)) ** 2  # -∂f/∂E, 1/eV
    weighted = transmission * (trapezoid_weights(energies_ev) if weights_ev is None else weights_ev)
    zeroth, first, second = (weighted @ (window * away**k).T for k in range(3))
    return zeroth, first, second


def seebeck_uv_k(zeroth: FloatArray, first: FloatArray, temperature_k: float) -> FloatArray:
    """Return the Seebeck coefficient, µV/K, of electrons of charge -e."""
    return np.asarray(-1e6 * first / (zeroth * temperature_k))


def electron_heat_nw_k(zeroth: FloatArray, first: FloatArray, second: FloatArray, temperature_k: float) -> FloatArray:
    """Return the thermal conductance by electrons at zero current, nW/K."""
    moment = np.maximum(second - first**2 / zeroth, 0.0)  # negative only by rounding, by the Cauchy-Schwarz inequality
    # (2/h) eV² / K, in W/K: one eV per second and eV of bias is e²/h·V, so 2/h · eV² = G0 · V².
    return np.asarray(CONDUCTANCE_QUANTUM_US * 1e-6 * moment / temperature_k * 1e9)


def phonon_conductance_nw_k(
    omega: FloatArray, weights: FloatArray, transmission: FloatArray, temperature_k: float | FloatArray
) -> FloatArray:
    """Return the thermal conductance by phonons, nW/K, of (B, W) transmission at angular frequencies (W,), rad/ps.

    Args:
        omega: (W,) angular frequencies, 10¹² rad/s.
        weights: (W,) weights of the quadrature, rad/ps.
        transmission: (B, W) transmission.
        temperature_k: temperature, K, or (T,) temperatures.

    Returns:
        (B,) conductances, or (B, T) for (T,) temperatures.
    """
    kelvin = np.atleast_1d(np.asarray(temperature_k, dtype=float))
    quantum = HBAR_J_S * 1e12 * omega[:, None]  # J
    x = quantum / (BOLTZMANN_J_K * kelvin)  # (W, T)
    half = np.clip(x / 2.0, 1e-12, 300.0)
    # ħω ∂n/∂T = k_B (x/2)²/sinh²(x/2)
    heat = BOLTZMANN_J_K * (half / np.sinh(half)) ** 2
    conductance = transmission @ (heat * weights[:, None]) * 1e12 / (2.0 * np.pi) * 1e9
    return np.asarray(conductance[:, 0] if np.ndim(temperature_k) == 0 else conductance)


def trapezoid_weights(grid: FloatArray) -> FloatArray:
    """Return the (E,) weights of the trapezoid rule on an ascending grid."""
    steps = np.diff(grid)
    return np.concatenate([steps, [0.0]]) / 2.0 + np.concatenate([[0.0], steps]) / 2.0
