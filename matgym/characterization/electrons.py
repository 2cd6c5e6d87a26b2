"""Fast electrons: wavelength, relativistic factor, and elastic scattering factors of atoms.

The phase of a wave behind a thin object is γ λ Σ f, with f the Fourier transform of the scattering factors: the
interaction constant times the projected potential is γ λ f by the definition of f in the first Born approximation
(Kirkland, *Advanced Computing in Electron Microscopy*, 2010, ch. 5). No other constant is needed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from matgym.errors import StructureError, require_within
from matgym.typing import FloatArray

REST_KV: Final = 510.99895
"""Rest energy of the electron, keV: CODATA 2022."""

WAVE_ANGSTROM_SQRT_KV: Final = 0.38782633
"""h / √(2 m 1 keV), Å: CODATA 2022."""

GAUSSIANS: Final[Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]] = MappingProxyType(
    {
        1: ((0.0349, 0.1201, 0.197, 0.0573, 0.1195), (0.5347, 3.5867, 12.3471, 18.9525, 38.6269)),
        5: ((0.0909, 0.2551, 0.7738, 1.2136, 0.4606), (0.2995, 2.1155, 8.3816, 24.1292, 63.1314)),
        6: ((0.0893, 0.2563, 0.757, 1.0487, 0.3575), (0.2465, 1.71, 6.4094, 18.6113, 50.2523)),
        7: ((0.1022, 0.3219, 0.7982, 0.8197, 0.1715), (0.2451, 1.7481, 6.1925, 17.3894, 48.1431)),
        8: ((0.0974, 0.2921, 0.691, 0.699, 0.2039), (0.2067, 1.3815, 4.6943, 12.7105, 32.4726)),
        14: ((0.2519, 0.6372, 1.3795, 2.5082, 1.05), (0.3075, 2.0174, 9.6746, 29.3744, 80.4732)),
        26: ((0.3946, 1.2725, 1.7031, 2.314, 1.4795), (0.2717, 2.0443, 7.6007, 29.9714, 86.2265)),
        27: ((0.4118, 1.3161, 1.6493, 2.193, 1.283), (0.2742, 2.0372, 7.7205, 29.968, 84.9383)),
        28: ((0.386, 1.1765, 1.5451, 2.073, 1.3814), (0.2478, 1.766, 6.3107, 25.2204, 74.3146)),
        42: ((0.6773, 1.4798, 3.1788, 3.0824, 1.8384), (0.292, 2.0606, 8.1129, 30.5336, 100.0658)),
    }
)
"""Amplitudes, Å, and exponents, Å², of Σ a exp(-b s²), s = q/2 ≤ 2 1/Å, by atomic number: Peng, Ren, Dudarev and
Whelan, Acta Cryst. A52, 257 (1996), as in table 4.3.2.2 of *International Tables for Crystallography* C (2011). Those
that occur in and around tubes: H, B, C, N, O, Si, Fe, Co, Ni, Mo."""


@dataclass(frozen=True)
class ElectronBeam:
    """A beam of electrons.

    Attributes:
        voltage_kv: accelerating voltage, kV, 5 to 1,000.

    Raises:
        ConfigurationError: if it is outside that range.
    """

    voltage_kv: float = 80.0

    def __post_init__(self) -> None:
        require_within(5.0, 1000.0, voltage_kv=self.voltage_kv)

    @property
    def wavelength_angstrom(self) -> float:
        """Relativistic wavelength, Å."""
        volts = self.voltage_kv
        return WAVE_ANGSTROM_SQRT_KV / math.sqrt(volts * (1.0 + volts / (2.0 * REST_KV)))

    @property
    def gamma(self) -> float:
        """Relativistic mass in rest masses."""
        return 1.0 + self.voltage_kv / REST_KV


def scattering_factors(numbers: FloatArray, squared: FloatArray, rms_angstrom: float = 0.0) -> FloatArray:
    """Return the elastic scattering factors of elements for electrons at rest mass.

    Args:
        numbers: (E,) atomic numbers.
        squared: (...) squares q² of the scattering vector, q = 2 sin(θ)/λ, 1/Å².
        rms_angstrom: root mean square displacement of the atoms along one axis, Å, which multiplies by the
            Debye-Waller factor exp(-2π² u² q²).

    Returns:
        (E, ...) factors, Å.

    Raises:
        StructureError: if the table does not have an element.
    """
    squared = np.asarray(squared, dtype=np.float64)
    damping = np.exp(-2.0 * (np.pi * rms_angstrom) ** 2 * squared)
    factors = np.empty((len(numbers), *squared.shape))
    for row, number in enumerate(np.asarray(numbers).tolist()):
        if number not in GAUSSIANS:
            known = ", ".join(map(str, GAUSSIANS))
            raise StructureError(f"no electron scattering factor for atomic number {number}: give one of {known}")
        factors[row] = sum(a * np.exp(-0.25 * b * squared) for a, b in zip(*GAUSSIANS[number], strict=True))
    return factors * damping
