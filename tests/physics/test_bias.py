"""Current against bias, and n, G and S against the chemical potential."""

import numpy as np
import pytest
import scipy.constants as si

from matgym.errors import ConfigurationError, StructureError
from matgym.physics import Bias, PiElectrons
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.bias import lead_edges_ev
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.structures import Nanotube
from scripts.studies.basis.conductance import converged_grid, moments

QUANTUM_US = 4e6 * si.e**2 / si.h  # two channels, two spins
EXACT = 1e-6
EDGE_EV = 1e-4  # edges are found by parabolas between 601 wave vectors
GAP_TOLERANCE_US = 0.01  # edges are found to 0.1 meV at worst
GRID_TOLERANCE_US = 0.05  # as the tolerance of PiTransport
STEP_SEEBECK_UV_K = 2e6 * np.log(2.0) * si.k / si.e
BOLTZMANN_EV_K = si.k / si.e

DOPED = Nanotube(10, 0, 4).decorated({5: "N"})


def test_metallic_tube_carries_two_quanta_while_the_window_is_in_its_first_channels():
    volts = np.array([-1.0, -0.1, 0.0, 0.1, 1.0])
    current = Bias().current_ua(Nanotube(10, 10), volts)
    assert current == pytest.approx(QUANTUM_US * volts, abs=EXACT * QUANTUM_US)


def test_semiconductor_carries_current_when_half_the_bias_reaches_its_edge():
    """At 1 K: I = G₀ (V/2 - E_edge) from either edge, with two channels a spin in the first band."""
    tube = Nanotube(10, 0)
    edge = pristine_gap(tube, PiParameters()) / 2.0
    volts = np.array([1.9 * edge, 2.0 * edge + 0.2])
    current = Bias(temperature_k=1.0).current_ua(tube, volts)
    assert current[0] == pytest.approx(0.0, abs=1e-6)
    assert current[1] == pytest.approx(QUANTUM_US * 2.0 * 0.1, rel=1e-3)


def test_small_bias_is_linear_response():
    bias = Bias()
    tube = Nanotube(9, 0, 3).decorated({4: "B"})
    conductance = bias.response([tube], np.array([0.0])).conductance_us[0, 0]
    assert bias.current_ua(tube, np.array([1e-4]))[0] / 1e-4 == pytest.approx(conductance, rel=1e-4)


@pytest.mark.parametrize("n", [9, 12, 15])
def test_conductance_of_a_curvature_gap_is_exact(n):
    """Two channels a spin outside the gap Δ: G = 2 G₀ (1 - tanh Δ/4kT)."""
    gap = pristine_gap(Nanotube(n, 0), PiParameters())
    expected = QUANTUM_US * (1.0 - np.tanh(gap / (4.0 * BOLTZMANN_EV_K * 300.0)))
    found = Bias().response([Nanotube(n, 0)], np.array([0.0])).conductance_us[0, 0]
    assert found == pytest.approx(expected, abs=GAP_TOLERANCE_US)


@pytest.mark.parametrize("tube", [DOPED, Nanotube(6, 6, 3).decorated({7: "N"})], ids=str)
def test_conductance_is_that_of_a_converged_grid(tube):
    for mu in (0.0, 0.45):
        zeroth, _, _ = moments(tube, *converged_grid(tube, mu), mu)
        fine = QUANTUM_US / 2.0 * zeroth[0, 0]
        found = Bias().response([tube], np.array([mu])).conductance_us[0, 0]
        assert found == pytest.approx(fine, abs=GRID_TOLERANCE_US)


def test_seebeck_of_a_step_is_two_ln_two_quanta():
    tube = Nanotube(10, 0)
    edge = pristine_gap(tube, PiParameters()) / 2.0
    found = Bias().response([tube], np.array([edge])).seebeck_uv_k[0, 0]
    assert found == pytest.approx(-STEP_SEEBECK_UV_K, rel=1e-3)


def test_seebeck_is_odd_and_conductance_even_in_a_pristine_tube():
    found = Bias().response([Nanotube(13, 0)], np.linspace(-0.6, 0.6, 7))
    assert found.conductance_us[0] == pytest.approx(found.conductance_us[0, ::-1], rel=1e-9)
    assert found.seebeck_uv_k[0] == pytest.approx(-found.seebeck_uv_k[0, ::-1], rel=1e-6, abs=1e-6)


def test_neutrality_is_said():
    assert Bias().mu_ev(DOPED) == 0.0
    assert Bias(neutrality=0.3).mu_ev(DOPED) == 0.3
    own = Bias(neutrality="tube").mu_ev(DOPED)
    assert own > pristine_gap(Nanotube(10, 0), PiParameters()) / 2.0  # nitrogen is a donor
    volts = np.array([0.1])
    assert Bias(neutrality="tube").current_ua(DOPED, volts) > 1e3 * Bias().current_ua(DOPED, volts)
    assert Bias().excess_electrons(DOPED, np.array([own]))[0] == pytest.approx(0.0, abs=1e-8)


def test_a_compensated_tube_is_neutral_in_its_own_gap():
    tube = Nanotube(10, 0, 2).decorated({0: "N", 33: "B"})
    found = PiElectrons().predict([tube])
    mu = Bias(temperature_k=50.0, neutrality="tube").mu_ev(tube)
    assert abs(mu - found["fermi_ev"][0]) < found["gap_ev"][0] / 2.0


def test_electrons_grow_with_the_chemical_potential_and_fill_all_states():
    tube = Nanotube(8, 0, 2).decorated({0: "N", 20: "B", 9: "vacancy"})
    n = Bias().excess_electrons(tube, np.linspace(-15.0, 15.0, 61))
    assert (np.diff(n) >= 0.0).all()
    atoms = tube.n_sites - 1
    electrons = atoms  # one N and one B
    assert n[-1] * tube.lattice.length_angstrom / 10.0 == pytest.approx(2 * atoms - electrons, abs=1e-6)
    assert n[0] * tube.lattice.length_angstrom / 10.0 == pytest.approx(-electrons, abs=1e-6)


@pytest.mark.parametrize("shape", [(10, 0), (9, 0), (13, 0), (6, 5)])
def test_first_edge_of_the_leads_is_half_the_gap(shape):
    edges = lead_edges_ev(Nanotube(*shape), PiParameters())
    half = pristine_gap(Nanotube(*shape), PiParameters()) / 2.0
    assert edges[0] == pytest.approx(half, abs=EDGE_EV)


def test_weights_integrate_the_window():
    bias = Bias(temperature_k=77.0)
    energies, weights = bias.nodes(Nanotube(10, 0), 0.1, 0.1)
    thermal = BOLTZMANN_EV_K * 77.0
    window = 0.25 / thermal / np.cosh((energies - 0.1) / thermal / 2.0) ** 2
    assert (window * weights).sum() == pytest.approx(1.0, abs=1e-6)


def test_what_cannot_be_asked_is_an_error():
    with pytest.raises(ConfigurationError, match="neutrality='gate' must be 'leads', 'tube' or a chemical potential"):
        Bias(neutrality="gate")
    with pytest.raises(ConfigurationError, match=r"lowest_bias_v=40\.0 must be a number"):
        Bias().current_ua(Nanotube(10, 0), np.array([40.0]))
    with pytest.raises(StructureError, match="not valid below"):
        Bias().current_ua(Nanotube(4, 0), np.array([0.1]))
