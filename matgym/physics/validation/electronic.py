"""Our values of the published electronic quantities, by `PiElectrons` and `PiTransport` as they stand.

The first line of each docstring says on which tubes and at which settings; the table of docs/physics.md prints it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.physics import PiElectrons, PiParameters
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.electrons.tight_binding import pristine_bands
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray
from matgym.units import CONDUCTANCE_QUANTUM_US, HBAR_J_S

HOPPING_EV: Final = PiParameters().hopping_ev
ELECTRONVOLT_J: Final = 1.602176634e-19
BESIDE_ZERO_EV: Final = 1e-5  # zero modes and the crossing of bands lie at zero
STEP: Final = 0.001  # of strain and shear


def _gaps_ev(tubes: Sequence[Nanotube]) -> FloatArray:
    """(B,) gaps, eV."""
    return PiElectrons().predict(tubes)["gap_ev"]


def _gap_mev(n: int, m: int, *, strain: float = 0.0, torsion: float = 0.0) -> float:
    return 1e3 * float(_gaps_ev([Nanotube(n, m, strain=strain, torsion=torsion)])[0])


def _transmission(tubes: Sequence[Nanotube], energies_ev: FloatArray, parameters: PiParameters) -> FloatArray:
    """(B, E) transmission of tubes none of which fails."""
    found, failures = PiTransport(parameters).transmission(tubes, energies_ev)
    if failures:
        raise ConvergenceError(f"not computed: {failures}")
    return found


def conductance_metallic_g0() -> float:
    """(10,10), two cells, 300 K."""
    return float(PiTransport().predict([Nanotube(10, 10, 2)])["conductance_us"][0]) / CONDUCTANCE_QUANTUM_US


def gap_9_0_curvature_mev() -> float:
    """(9,0)."""
    return _gap_mev(9, 0)


def gap_12_0_curvature_mev() -> float:
    """(12,0)."""
    return _gap_mev(12, 0)


def gap_15_0_curvature_mev() -> float:
    """(15,0)."""
    return _gap_mev(15, 0)


def gap_18_0_curvature_mev() -> float:
    """(18,0)."""
    return _gap_mev(18, 0)


def gap_armchair_isolated_mev() -> float:
    """The larger one of (5,5) and (8,8)."""
    return max(_gap_mev(5, 5), _gap_mev(8, 8))


def gap_20_0_ev() -> float:
    """(20,0), with curvature."""
    return _gap_mev(20, 0) / 1e3


def gap_times_diameter_ev_nm() -> float:
    """Mean of (16,0), (17,0), (19,0) and (20,0)."""
    tubes = [Nanotube(n, 0) for n in (16, 17, 19, 20)]
    return float(np.mean(_gaps_ev(tubes) * [tube.diameter_nm for tube in tubes]))


def van_hove_ratio_m11_s11() -> float:
    """M11 of (10,10) over the mean S11 of (16,0), (17,0), (19,0) and (20,0), each times its diameter."""
    return van_hove_m11_10_10_ev() * Nanotube(10, 10).diameter_nm / gap_times_diameter_ev_nm()


def van_hove_m11_10_10_ev() -> float:
    """Twice the least energy of the second lowest band."""
    bands = pristine_bands(Nanotube(10, 10), np.linspace(0.0, np.pi, 2001), PiParameters())
    return 2.0 * float(np.sort(bands.min(axis=1))[1])


def fermi_velocity_1e5_m_s() -> float:
    """Slope of the band of (10,10) that crosses zero, from 50 to 100 meV."""
    tube, phases = Nanotube(10, 10), np.linspace(0.0, np.pi, 20001)
    bands = pristine_bands(tube, phases, PiParameters())
    band = bands[bands.min(axis=1).argmin()]
    near = (band > 0.05) & (band < 0.1) & (phases > phases[band.argmin()])
    slope = float(np.polyfit(phases[near], band[near], 1)[0])  # eV/rad
    return slope * tube.length_angstrom * 1e-10 * ELECTRONVOLT_J / HBAR_J_S / 1e5


def _strain_slope(*ns: int) -> float:
    """MeV a percent."""
    low, high = (_gaps_ev([Nanotube(n, 0, strain=strain) for n in ns]) for strain in (-STEP, STEP))
    return float(np.mean(high - low)) * 1e3 / (2e2 * STEP)


def strain_slope_mod1_mev_percent() -> float:
    """Mean of (10,0), (13,0), (16,0) and (19,0) between -0.1 % and 0.1 %."""
    return _strain_slope(10, 13, 16, 19)


def strain_slope_mod2_mev_percent() -> float:
    """Mean of (11,0), (14,0), (17,0) and (20,0) between -0.1 % and 0.1 %."""
    return _strain_slope(11, 14, 17, 20)


def strain_slope_armchair_mev_percent() -> float:
    """The larger one of (5,5) and (8,8) at 2 %."""
    return max(_gap_mev(n, n, strain=0.02) for n in (5, 8)) / 2.0


def torsion_slope_5_5_mev_percent() -> float:
    """Between no shear and 0.1 %."""
    return (_gap_mev(5, 5, torsion=STEP) - _gap_mev(5, 5)) / (1e2 * STEP)


def torsion_slope_10_0_mev_percent() -> float:
    """Between no shear and 0.1 %; it is of second order, 1.3 meV at 1 %."""
    return (_gap_mev(10, 0, torsion=STEP) - _gap_mev(10, 0)) / (1e2 * STEP)


def _through_vacancies(*sites: int) -> float:
    tube = Nanotube(8, 8, 6).decorated(dict.fromkeys(sites, "vacancy"))
    return float(_transmission([tube], np.array([BESIDE_ZERO_EV]), PiParameters())[0, 0])


def transmission_vacancy_armchair() -> float:
    """(8,8), 10 µeV beside zero."""
    return _through_vacancies(0)


def transmission_two_vacancies_same_sublattice() -> float:
    """(8,8), vacancies on second neighbours, 10 µeV beside zero.

    Two vacancies that are a vector of the √3 x √3 superlattice apart see both channels with the same phases, block one
    and the same combination of them, and leave T = 1: second neighbours are not.
    """
    lattice = Nanotube(8, 8, 6).lattice
    between = int(lattice.neighbours[0][0])
    other = next(int(site) for site in lattice.neighbours[between] if site != 0)
    return _through_vacancies(0, other)


def dip_nitrogen_10_10_ev() -> float:
    """Energy of the least T(E) of one N in (10,10) between zero and the second band, as the oracle stands."""
    tube = Nanotube(10, 10, 2).decorated({0: "N"})
    energies = np.arange(0.0025, van_hove_m11_10_10_ev() / 2.0, 0.0025)
    return float(energies[_transmission([tube], energies, PiParameters())[0].argmin()])


def mean_free_path_5_5_nm() -> float:
    """L/(<2/T> - 1) of 2000 samples of 10 cells, each site at ±W/√12 by chance; no curvature.

    Their c E², the mean square of the on-site energy, is that of the box; our statistical error is 2 %.
    """
    spread = HOPPING_EV / np.sqrt(12.0)
    parameters = PiParameters(curvature=False, onsite_ev={Species.B: spread, Species.N: -spread})
    tube, rng = Nanotube(5, 5, 10), np.random.default_rng(1)
    codes = rng.choice([Species.B, Species.N], size=(2000, tube.n_sites))
    tubes = [tube.with_species(row) for row in codes]
    through = _transmission(tubes, np.array([BESIDE_ZERO_EV]), parameters)
    return tube.length_angstrom / 10.0 / float(np.mean(2.0 / through) - 1.0)


def _reflection(n: int, m: int) -> float:
    weak = 0.05  # E/t
    parameters = PiParameters(curvature=False, onsite_ev={Species.B: weak * HOPPING_EV})
    tube = Nanotube(n, m, 2).decorated({0: "B"})
    through = _transmission([tube], np.array([BESIDE_ZERO_EV]), parameters)
    return (2.0 - float(through[0, 0])) / 2.0 * (n / weak) ** 2


def reflection_point_defect_armchair() -> float:
    """(5,5), one site at 0.05 γ₀; no curvature."""
    return _reflection(5, 5)


def reflection_point_defect_zigzag() -> float:
    """(9,0), one site at 0.05 γ₀; no curvature."""
    return _reflection(9, 0)
