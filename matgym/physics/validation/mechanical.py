"""Our values of the published mechanical quantities, by `Elasticity`, `Strength` and `FormationEnergy`.

The first line of each docstring says on which tubes and at which settings; the table of docs/physics.md prints it.
Elasticity and strain energies are Tersoff's; strength and formation energies are REBO's, through LAMMPS.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.models import Predictions
from matgym.physics.mechanics.elastic import Elasticity
from matgym.physics.mechanics.formation import FormationEnergy
from matgym.physics.mechanics.relaxation import relaxed_pristine
from matgym.physics.mechanics.strength import Strength
from matgym.structures import Nanotube
from matgym.typing import FloatArray
from matgym.units import WALL_THICKNESS_NM

WIDE: Final = 60  # of a tube that stands for graphene, 8 nm
FLAT: Final = 400  # likewise for its energy: 2e-5 eV/atom above that of the sheet, by C/d²
CURVED: Final = ((9, 0), (6, 6), (10, 0), (8, 8), (15, 0), (10, 10))  # 0.7 to 1.4 nm


def _young_tpa(shapes: Sequence[tuple[int, int]]) -> float:
    found = Elasticity().predict([Nanotube(*shape) for shape in shapes])
    return float(found["young_gpa"].mean()) / 1e3


def young_large_tube_tpa() -> float:
    """Mean of (10,0), (6,6), (8,4), (10,10), (17,0) and (20,20)."""
    return _young_tpa([(10, 0), (6, 6), (8, 4), (10, 10), (17, 0), (20, 20)])


def young_measured_tpa() -> float:
    """Mean of (13,0), (8,8), (12,4), (10,10) and (19,0): 1.0 to 1.5 nm."""
    return _young_tpa([(13, 0), (8, 8), (12, 4), (10, 10), (19, 0)])


def stiffness_2d_n_m() -> float:
    """Young's modulus of (60,60) times its wall."""
    return _young_tpa([(WIDE, WIDE)]) * 1e3 * WALL_THICKNESS_NM


def stiffness_2d_dft_n_m() -> float:
    """Young's modulus of (60,60) times its wall."""
    return stiffness_2d_n_m()


def poisson_graphene() -> float:
    """(60,60)."""
    return float(Elasticity().predict([Nanotube(WIDE, WIDE)])["poisson_ratio"][0])


@cache
def _pulled(n: int, m: int) -> Predictions:
    """Strength and failure strain in steps of 1 %."""
    found = Strength(step=0.01).predict([Nanotube(n, m)])
    if found.reasons:
        raise ConvergenceError(f"not computed: {found.reasons}")
    return found


def strength_10_0_gpa() -> float:
    """REBO without its cut-off's artefact, steps of 1 %."""
    return float(_pulled(10, 0)["tensile_strength_gpa"][0])


def failure_strain_10_0() -> float:
    """REBO without its cut-off's artefact, steps of 1 %."""
    return float(_pulled(10, 0)["failure_strain"][0])


def failure_strain_8_8() -> float:
    """REBO without its cut-off's artefact, steps of 1 %."""
    return float(_pulled(8, 8)["failure_strain"][0])


def strength_graphene_gpa() -> float:
    """(8,8), REBO without its cut-off's artefact, steps of 1 %."""
    return float(_pulled(8, 8)["tensile_strength_gpa"][0])


def strength_loss_vacancy_percent() -> float:
    """Largest of one and of two missing neighbours in (10,0)x4 and (5,5)x6."""
    losses = []
    for tube in (Nanotube(10, 0, 4), Nanotube(5, 5, 6)):
        pairs = [(0, int(site)) for site in tube.lattice.neighbours[0]]
        holed = [tube.decorated(dict.fromkeys(sites, "vacancy")) for sites in ((0,), *pairs)]
        found = Strength().predict([Nanotube(tube.n, tube.m), *holed])["tensile_strength_gpa"]
        losses.append(1.0 - float(found[1:].min() / found[0]))
    return 100.0 * max(losses)


def _strain_energies() -> tuple[FloatArray, FloatArray]:
    """Diameters, nm, and energies an atom above graphene, eV."""
    tubes = [relaxed_pristine(*shape) for shape in CURVED]
    flat = relaxed_pristine(FLAT, FLAT).energy_ev
    return np.array([tube.radius_angstrom / 5.0 for tube in tubes]), np.array([tube.energy_ev - flat for tube in tubes])


def exponent_strain_energy() -> float:
    """Fit to six zigzag and armchair tubes of 0.7 to 1.4 nm."""
    diameters, energies = _strain_energies()
    return float(np.polyfit(np.log(diameters), np.log(energies), 1)[0])


def strain_energy_constant_ev_nm2() -> float:
    """Mean of six zigzag and armchair tubes of 0.7 to 1.4 nm."""
    diameters, energies = _strain_energies()
    return float((energies * diameters**2).mean())


def _formation_ev(*tubes: Nanotube) -> float:
    found = FormationEnergy().predict(tubes)
    if found.reasons:
        raise ConvergenceError(f"not computed: {found.reasons}")
    return float(found["formation_ev"].mean())


def vacancy_formation_ev() -> float:
    """(20,0), 4 cells, REBO, broken bonds closed where that lowers the energy."""
    return _formation_ev(Nanotube(20, 0, 4).decorated({0: "vacancy"}))


def stone_wales_formation_ev() -> float:
    """(20,0), 4 cells, REBO, mean of the three bonds of an atom."""
    tube = Nanotube(20, 0, 4)
    return _formation_ev(*(tube.turned((0, int(site))) for site in tube.lattice.neighbours[0]))
