"""Our values of the published electronic quantities, from `PiElectrons` and `PiTransport`."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np

from matgym.oracles import PiElectrons, PiParameters
from matgym.oracles.conductance import PiTransport
from matgym.oracles.electronic import pristine_gap
from matgym.oracles.tight_binding import pristine_bands
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray
from matgym.units import CONDUCTANCE_QUANTUM_US, HBAR_J_S

FLAT: Final = PiParameters(curvature=False)
ELECTRONVOLT_J: Final = 1.602176634e-19
OFF_ZERO_MODE_EV: Final = 1e-5
WEAK_EV: Final = 0.05 * 2.7


def gaps_ev(tubes: Sequence[Nanotube]) -> FloatArray:
    """(B,) gaps by the oracle as it stands, eV."""
    return PiElectrons().evaluate(tubes)["gap_ev"]


def gap_mev(*shape: int) -> float:
    return 1e3 * float(gaps_ev([Nanotube(*shape)])[0])


def conductance_metallic_g0() -> float:
    """(10,10), 300 K."""
    return float(PiTransport().evaluate([Nanotube(10, 10, 2)])["conductance_us"][0]) / CONDUCTANCE_QUANTUM_US


def gap_armchair_isolated_mev() -> float:
    """The wider of the two gaps."""
    return max(gap_mev(5, 5), gap_mev(8, 8))


def gap_times_diameter_ev_nm() -> float:
    """Mean of (16,0), (17,0), (19,0) and (20,0)."""
    tubes = [Nanotube(n, 0) for n in (16, 17, 19, 20)]
    return float(np.mean(gaps_ev(tubes) * [tube.diameter_nm for tube in tubes]))


def van_hove_m11_10_10_ev() -> float:
    """Twice the least energy of all bands of (10,10) but those that cross."""
    bands = pristine_bands(Nanotube(10, 10), np.linspace(0.0, np.pi, 2001), PiParameters())
    return 2.0 * float(np.sort(bands.min(axis=1))[1])


def van_hove_ratio_m11_s11() -> float:
    """(10,10) over the mean of (16,0), (17,0), (19,0) and (20,0)."""
    return van_hove_m11_10_10_ev() * Nanotube(10, 10).diameter_nm / gap_times_diameter_ev_nm()


def fermi_velocity_1e5_m_s() -> float:
    """Slope of the bands of (10,10) that cross, between 50 and 100 meV."""
    tube = Nanotube(10, 10)
    kappa = np.linspace(0.0, np.pi, 20001)
    bands = pristine_bands(tube, kappa, PiParameters())
    band = bands[bands.min(axis=1).argmin()]
    near = (band > 0.05) & (band < 0.1) & (kappa > kappa[band.argmin()])
    slope = np.polyfit(kappa[near], band[near], 1)[0] * tube.length_angstrom * 1e-10  # eV m
    return float(slope) * ELECTRONVOLT_J / HBAR_J_S / 1e5


def strain_slope(*ns: int) -> float:
    """meV a percent, mean over zigzag tubes."""
    step = 0.001
    ends = [gaps_ev([Nanotube(n, 0, strain=sign * step) for n in ns]) for sign in (-1, 1)]
    return float(np.mean(ends[1] - ends[0]) / (2.0 * step)) * 10.0


def torsion_slope(n: int, m: int) -> float:
    return (1e3 * float(gaps_ev([Nanotube(n, m, torsion=0.01)])[0])) - gap_mev(n, m)


def vacancies(cells: int, *sites: int) -> float:
    """Transmission of an (8,8) tube."""
    tube = Nanotube(8, 8, cells).decorated(dict.fromkeys(sites, "vacancy"))
    through, failures = PiTransport().transmission([tube], np.array([OFF_ZERO_MODE_EV]))
    assert not failures
    return float(through[0, 0])


def dip_nitrogen():
    tube = Nanotube(10, 10, 2).decorated({0: "N"})
    energies = np.arange(-0.78, 0.78, 0.005) + 0.0025
    t, _ = PiTransport().transmission([tube], energies)
    return energies, t[0]


def mean_free_path_5_5_nm(samples=200, cells=40, seed=0) -> float:
    spread = 2.7 / np.sqrt(12.0)
    parameters = PiParameters(curvature=False, onsite_ev={Species.B: spread, Species.N: -spread})
    rng = np.random.default_rng(seed)
    tube = Nanotube(5, 5, cells)
    codes = rng.choice([Species.B, Species.N], size=(samples, tube.n_sites))
    through, _ = PiTransport(parameters).transmission([tube.with_species(c) for c in codes], np.array([1e-4]))
    resist = 2.0 / through[:, 0]
    err = resist.std() / samples**0.5 
    l = tube.length_angstrom / 10.0
    return l / (resist.mean() - 1.0), err/(resist.mean()-1)


def reflection(*shape, E=0.05) -> float:
    parameters = PiParameters(curvature=False, onsite_ev={Species.B: E * 2.7})
    tube = Nanotube(*shape).decorated({0: "B"})
    through, _ = PiTransport(parameters).transmission([tube], np.array([1e-4,-1e-4]))
    return (2.0 - through.mean()) / 2.0 * (shape[0] / E) ** 2
