"""Integrals over the Fermi window against converged grids of energies, and how many energies they take."""

import numpy as np
import pytest
from scipy.special import expit

from matgym.physics import ELECTRON_HEAT_NW_K, SEEBECK_UV_K, PhononTransport, PiParameters, PiTransport, Thermoelectric
from matgym.physics.cache import Remembered
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.conductance import RELATIVE_TOLERANCE
from matgym.physics.electrons.subbands import subbands
from matgym.physics.transport.landauer import electron_heat_nw_k, seebeck_uv_k
from matgym.structures import Nanotube
from matgym.units import BOLTZMANN_EV_K, CONDUCTANCE_QUANTUM_US
from scripts.studies.basis.conductance import converged_grid, doped, moments
from tests.physics.test_transmission import TUBES

TOLERANCE_US = 0.2
"""As the specification has it."""

FEWER = 5.0
"""How many times more energies the converged grid takes, on average, as the specification has it."""

SEEBECK_TOLERANCE_UV_K = 2.0
RELATIVE = 0.02

ROOM_K = 300.0
METALS = [Nanotube(9, 0, 4), Nanotube(12, 0, 3), Nanotube(6, 3, 2)]
ORACLE = PiTransport()


def converged(tube, mu_ev=0.0, kelvin=ROOM_K):
    """Return the moments on a converged grid."""
    return moments(tube, *converged_grid(tube, mu_ev, kelvin), mu_ev, kelvin)


def misses(tubes):
    """Return the errors of the conductance, µS, and the numbers of energies, of the converged grid and ours."""
    error, grid, now = [], [], []
    for tube in tubes:
        expected = CONDUCTANCE_QUANTUM_US * converged(tube)[0][0, 0]
        error.append(abs(ORACLE.predict([tube])["conductance_us"][0] - expected))
        found, _ = ORACLE.sampled(
            [tube], np.zeros(1), 0, ORACLE.tolerance_us / CONDUCTANCE_QUANTUM_US, RELATIVE_TOLERANCE
        )
        grid.append(len(converged_grid(tube)[0]))
        now.append(found.counts[0])
    return np.array(error), np.array(grid), np.array(now)


@pytest.mark.parametrize(
    "part", [range(0, 200, 20), pytest.param(range(200), marks=pytest.mark.long)], ids=["some", "all"]
)
def test_conductance_of_the_reference_tubes_is_that_of_a_converged_grid(part):
    error, grid, now = misses([TUBES[i] for i in part])
    assert error.max() <= TOLERANCE_US
    assert grid.sum() >= FEWER * now.sum()


@pytest.mark.parametrize("tube", METALS, ids=str)
def test_conductance_of_metals_with_a_curvature_gap_is_that_of_a_converged_grid(tube):
    error, grid, now = misses([tube, *(doped(tube, seed) for seed in range(3))])
    assert error.max() <= TOLERANCE_US
    assert grid.sum() >= FEWER * now.sum()


def test_the_estimated_error_is_not_below_the_error():
    tubes = [doped(tube, seed) for tube in METALS for seed in (5, 6)]
    for tube in tubes:
        found, _ = ORACLE.sampled([tube], np.zeros(1), 0, 0.01, 1.0)
        zeroth, _, _ = found.moments(np.zeros(1), ROOM_K)
        assert abs(zeroth[0, 0] - converged(tube)[0][0, 0]) <= max(2.0 * found.error[0], 1e-4)


@pytest.mark.parametrize("kelvin", [20.0, 77.0, 300.0, 1000.0])
def test_a_pristine_semiconductor_conducts_by_its_edges(kelvin):
    """T(E) = 2 above the edge of the first subband, which is twofold: G = 2 · 2 G₀ f(edge) without higher subbands."""
    tube = Nanotube(10, 0, 2)
    edge = pristine_gap(tube, ORACLE.parameters) / 2.0
    thermal = BOLTZMANN_EV_K * kelvin
    parts = subbands(tube, ORACLE.parameters).ranges_ev
    steps = [(low, 1.0) for low in parts[:, 0]] + [(high, -1.0) for high in parts[:, 1]]
    expected = 2.0 * CONDUCTANCE_QUANTUM_US * sum(sign * expit(-e / thermal) for e, sign in steps)
    found = PiTransport(temperature_k=kelvin).predict([tube])["conductance_us"][0]
    assert expected > 0.0
    assert found == pytest.approx(expected, rel=RELATIVE)
    assert edge == pytest.approx(min(e for e, _ in steps), abs=1e-6)


def test_seebeck_coefficient_and_heat_are_those_of_a_converged_grid():
    phonons = Remembered(PhononTransport(frequencies=8))
    tubes = [doped(tube, 3) for tube in (Nanotube(9, 0, 3), Nanotube(10, 0, 3), Nanotube(6, 6, 3))]
    for mu in (0.0, 0.6):
        found = Thermoelectric(mu_ev=mu, phonons=phonons).predict(tubes)
        for row, tube in enumerate(tubes):
            moments = converged(tube, mu)
            seebeck = seebeck_uv_k(moments[0], moments[1], ROOM_K)[0, 0]
            heat = electron_heat_nw_k(*moments, ROOM_K)[0, 0]
            assert found[SEEBECK_UV_K][row] == pytest.approx(seebeck, abs=SEEBECK_TOLERANCE_UV_K, rel=RELATIVE)
            assert found[ELECTRON_HEAT_NW_K][row] == pytest.approx(heat, rel=2.0 * RELATIVE)


def test_batches_give_what_single_tubes_give():
    tubes = [doped(Nanotube(9, 0, 2), seed) for seed in range(4)] + [Nanotube(8, 0, 2)]
    together = ORACLE.predict(tubes)["conductance_us"]
    alone = [ORACLE.predict([tube])["conductance_us"][0] for tube in tubes]
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_an_error_that_stays_is_noted(monkeypatch):
    monkeypatch.setattr("matgym.physics.transport.window.HALVINGS", 0)
    found = PiTransport(tolerance_us=1e-6).predict([doped(Nanotube(9, 0, 3), 1)])
    assert "narrower resonances" in found.notes["conductance_us"][0]


def test_subbands_of_a_flat_tube_are_those_of_zone_folding():
    """Edges of (n, 0): γ₀ |1 + 2 cos(πμ/n)| and γ₀ |1 - 2 cos(πμ/n)|, at the centre of the zone."""
    flat, n = PiParameters(curvature=False), 10
    mu = np.arange(1, 2 * n)
    expected = np.unique(np.round(2.7 * np.abs(1.0 + 2.0 * np.cos(np.pi * mu / n)), 6))
    found = subbands(Nanotube(n, 0, 3), flat).edges_ev
    assert all(np.abs(found - e).min() < 1e-5 for e in expected)
