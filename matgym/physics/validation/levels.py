"""Compute the published quantities for which several levels of physics are compared: gaps, bonds, defects, ranks.

The values by GFN1-xTB and GFN2-xTB are stored (`stored.json`), since they need the extra `xtb` and minutes.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError
from matgym.models import Level, Model
from matgym.physics.electrons.bands import GAP_EV, PiElectrons
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.electrons.self_consistent_transport import SelfConsistentTransport
from matgym.physics.mechanics.formation import FORMATION_EV, FormationEnergy
from matgym.physics.mechanics.relaxation import relax, relaxed_pristine
from matgym.physics.validation.rows import Computed
from matgym.physics.validation.store import stored
from matgym.physics.xtb.oracle import XtbElectrons
from matgym.physics.xtb.relaxation import longer, scaled_atoms, tersoff_start
from matgym.physics.xtb.states import XtbMethod, solve
from matgym.structures import Nanotube
from matgym.typing import FloatArray

_SHORTEST_ANGSTROM: Final = 8.0  # of calculations at given geometries, whose bands are of all wave vectors

STRAIN: Final = 0.01
RANKED: Final = 24
"""Number of decorated tubes whose gaps are ranked by each level."""

DOPANTS: Final = (1, 6)
"""Fewest and most B, and as many N, of a ranked tube."""

STONE_WALES: Final = Nanotube(10, 0, 3)
BOND: Final = Nanotube(7, 7)


def _value(oracle: Model, key: str, tube: Nanotube) -> float:
    """Return a property of one tube.

    Raises:
        ConvergenceError: if the tube cannot be computed.
    """
    predictions = oracle.predict([tube])
    if predictions.reasons:
        raise ConvergenceError(f"not computed: {predictions.reasons}")
    return float(predictions[key][0])


def _gap_ev(oracle: Model, n: int) -> float:
    return _value(oracle, GAP_EV.key, Nanotube(n, 0))


def _xtb_gap_ev(n: int, strain: float = 0.0) -> float:
    """Return the gap of (n, 0) by GFN1-xTB at the scaled Tersoff geometry, eV, over all wave vectors."""
    start = relax(longer(Nanotube(n, 0, strain=strain), _SHORTEST_ANGSTROM))
    return solve(scaled_atoms(start), XtbMethod.GFN1).gap_ev()


def _strain_slope(n: int) -> float:
    """Return the change of the gap of (n, 0) with axial strain by GFN1-xTB, meV per percent."""
    low, high = (_xtb_gap_ev(n, strain) for strain in (-STRAIN, STRAIN))
    return 1e3 * (high - low) / (2e2 * STRAIN)


def ranked_tubes() -> list[Nanotube]:
    """Return tubes of (8,0)x2 with as many B as N at random sites."""
    empty, rng = Nanotube(8, 0, 2), np.random.default_rng(19)
    tubes = []
    for _ in range(RANKED):
        pairs = int(rng.integers(DOPANTS[0], DOPANTS[1] + 1))
        sites = rng.permutation(empty.n_sites)[: 2 * pairs].tolist()
        tubes.append(empty.decorated(dict.fromkeys(sites[:pairs], "B") | dict.fromkeys(sites[pairs:], "N")))
    return tubes


def xtb_gaps_ev(method: XtbMethod) -> list[float]:
    """Return the gaps of the ranked tubes by a method of xTB, eV, at the scaled Tersoff geometry."""
    return [solve(scaled_atoms(tersoff_start(tube, _SHORTEST_ANGSTROM)), method).gap_ev() for tube in ranked_tubes()]


def _pi_gaps_ev(oracle: Model) -> FloatArray:
    return oracle.predict(ranked_tubes())[GAP_EV.key]


def _spearman(gaps_ev: FloatArray | list[float]) -> float:
    """Return the rank correlation of gaps with those by GFN1-xTB, which are stored."""
    from scipy.stats import spearmanr

    return float(spearmanr(gaps_ev, stored().ranked_gaps_ev[XtbMethod.GFN1]).statistic)


def _mean_bond(positions: FloatArray, period: float) -> float:
    """Return the mean distance to the nearest three atoms, Å, of a tube that is periodic along z."""
    distances = []
    for shift in (-1, 0, 1):
        away = positions[None] + [0.0, 0.0, shift * period] - positions[:, None]
        distances.append(np.linalg.norm(away, axis=2))
    every = np.sort(np.concatenate(distances, axis=1), axis=1)
    return float(every[:, 1:4].mean())  # the first is the atom itself


def _bond_tersoff() -> float:
    tube = relaxed_pristine(BOND.n, BOND.m)
    return _mean_bond(tube.positions(1), tube.period_angstrom)


def _bond_gfn1() -> float:
    atoms = XtbElectrons().geometry(BOND)
    return _mean_bond(atoms.positions, float(atoms.cell[2, 2]))


@cache
def softest_stone_wales() -> Nanotube:
    """Return the tube with the turned bond of lowest formation energy by REBO."""
    tubes = [STONE_WALES.turned((0, int(other))) for other in STONE_WALES.lattice.neighbours[0]]
    return tubes[int(np.argmin(FormationEnergy().predict(tubes)[FORMATION_EV.key]))]


def _divacancy() -> float:
    """Return the least formation energy of two missing neighbours, by REBO."""
    tube = Nanotube(20, 0, 4)
    pairs = [tube.decorated(dict.fromkeys((0, int(other)), "vacancy")) for other in tube.lattice.neighbours[0]]
    return float(FormationEnergy().predict(pairs)[FORMATION_EV.key].min())


def _dip_nitrogen() -> float:
    """Return the energy of the first minimum of T(E) of one N in (10,10) above zero, eV, on the self-consistent level.

    Raises:
        ConvergenceError: if the tube cannot be computed, or T(E) has no minimum below the second band.
    """
    energies = np.arange(0.01, 0.8, 0.01)
    (through,), failures = SelfConsistentTransport().transmission([Nanotube(10, 10, 2).decorated({0: "N"})], energies)
    minima = np.flatnonzero((through[1:-1] < through[:-2]) & (through[1:-1] < through[2:])) + 1
    if failures or not len(minima):
        raise ConvergenceError(f"not computed: {failures or 'no minimum'}")
    return float(energies[minima[0]])


def _gfn1(settings: str, n: int) -> Computed:
    return Computed(settings, lambda: _xtb_gap_ev(n), Level.XTB, stored=True)


SCALED: Final = "GFN1-xTB, scaled Tersoff geometry, all wave vectors"
UNRELAXED: Final = f"{RANKED} random tubes with {DOPANTS[0]} to {DOPANTS[1]} B and as many N, scaled Tersoff geometry"

LEVEL_ROWS: Final[Mapping[str, Computed]] = {
    "gap_8_0_pi_ev": Computed("π tight binding with curvature", lambda: _gap_ev(PiElectrons(), 8)),
    "gap_8_0_self_consistent_ev": Computed(
        "Self-consistent π tight binding", lambda: _gap_ev(SelfConsistentElectrons(), 8), Level.SCC_PI
    ),
    "gap_8_0_gfn1_ev": _gfn1(SCALED, 8),
    "gap_10_0_pi_ev": Computed("π tight binding with curvature", lambda: _gap_ev(PiElectrons(), 10)),
    "gap_10_0_self_consistent_ev": Computed(
        "Self-consistent π tight binding", lambda: _gap_ev(SelfConsistentElectrons(), 10), Level.SCC_PI
    ),
    "gap_10_0_gfn1_ev": _gfn1(SCALED, 10),
    "gap_9_0_gfn1_ev": _gfn1(SCALED, 9),
    "gap_12_0_gfn1_ev": _gfn1(SCALED, 12),
    "gap_11_0_gfn1_ev": _gfn1(SCALED, 11),
    "gap_13_0_gfn1_ev": _gfn1(SCALED, 13),
    "gap_14_0_gfn1_ev": _gfn1(SCALED, 14),
    "strain_slope_10_0_gfn1_mev_percent": Computed(
        "GFN1-xTB, scaled Tersoff geometry at -1 % and 1 %", lambda: _strain_slope(10), Level.XTB, stored=True
    ),
    "dip_nitrogen_10_10_self_consistent_ev": Computed(
        "First minimum of T(E) of one N in (10,10) above zero, in the potential of its charges",
        _dip_nitrogen,
        Level.SCC_PI,
        stored=True,
    ),
    "bond_length_7_7_angstrom": Computed("Tersoff's potential, mean of all bonds", _bond_tersoff, Level.CLASSICAL),
    "bond_length_7_7_gfn1_angstrom": Computed("GFN1-xTB, mean of all bonds", _bond_gfn1, Level.XTB, stored=True),
    "divacancy_formation_ev": Computed(
        "(20,0), 4 cells, REBO, least of the three pairs of neighbours", _divacancy, Level.CLASSICAL, stored=True
    ),
    "stone_wales_10_0_ev": Computed(
        f"{STONE_WALES}, REBO, bond of the lowest energy",
        lambda: _value(FormationEnergy(), FORMATION_EV.key, softest_stone_wales()),
        Level.CLASSICAL,
    ),
    "stone_wales_10_0_gfn1_ev": Computed(
        f"{STONE_WALES}, GFN1-xTB at its own rest, the same bond",
        lambda: _value(XtbElectrons(), FORMATION_EV.key, softest_stone_wales()),
        Level.XTB,
        stored=True,
    ),
    "spearman_gfn1_gfn2": Computed(UNRELAXED, lambda: _spearman(stored().ranked_gaps_ev[XtbMethod.GFN2]), Level.XTB),
    "spearman_pi_gfn1": Computed(UNRELAXED, lambda: _spearman(_pi_gaps_ev(PiElectrons()))),
    "spearman_self_consistent_gfn1": Computed(
        UNRELAXED, lambda: _spearman(_pi_gaps_ev(SelfConsistentElectrons())), Level.SCC_PI
    ),
}
"""How each row is computed, by its key."""
