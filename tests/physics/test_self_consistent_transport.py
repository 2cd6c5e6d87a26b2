"""Transport on the self-consistent Hamiltonian: limits, symmetry, length of the leads, failures, and the registry.

All tolerances were chosen before the results.
"""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.models import Level
from matgym.physics.electrons.conductance import CONDUCTANCE_US, PiTransport
from matgym.physics.electrons.self_consistent import SelfConsistentParameters
from matgym.physics.electrons.self_consistent_transport import SelfConsistentTransport
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.physics.phonons.conductance import PristinePhonons
from matgym.physics.registry import Conditions, levels_of, oracle_of, predict
from matgym.physics.thermoelectric import ZT, Thermoelectric
from matgym.structures import Nanotube, Species

ENERGIES_EV = np.array([-1.93, -1.07, -0.31, 0.17, 0.52, 1.21])  # off the band edges
SAME = 1e-6  # of a transmission or of µS, of the same Hamiltonian in another order
CHARGES = 1e-3  # of a transmission, from charges that are known to 1e-6
LEADS = 0.05  # of a transmission of the order of 1, with leads of twice the length

ONSITE = {"B": 3.51, "N": -3.51}
NO_CHARGES = SelfConsistentParameters(
    carbon=PiParameters(), onsite_ev=ONSITE, u_ev=dict.fromkeys("CBN", 0.0), ratios={}, neighbours_ev={}
)
CARBON = SelfConsistentParameters().carbon
PI = PiParameters(onsite_ev={Species[key]: value for key, value in ONSITE.items()})

PAIR = Nanotube(6, 6, 2).decorated({3: "B", 29: "N"})


def test_without_interaction_it_is_the_pi_model():
    tubes = [
        PAIR,
        PAIR.decorated({40: "vacancy"}).strained(0.03),
        Nanotube(10, 0, 2).decorated({3: "B", 50: "N", 17: "N"}),
        Nanotube(8, 2, 1).decorated({5: "B"}),
    ]
    found, failures = SelfConsistentTransport(NO_CHARGES).transmission(tubes, ENERGIES_EV)
    expected, _ = PiTransport(PI).transmission(tubes, ENERGIES_EV)
    assert not failures
    np.testing.assert_allclose(found, expected, atol=SAME)
    assert np.abs(np.diff(expected[0])).max() > 0.1


def test_hopping_of_pairs_is_that_of_the_periodic_model():
    """Hopping of zero around a ring of boron cuts the device."""
    cut = SelfConsistentParameters(u_ev=dict.fromkeys("CBN", 0.0), ratios={"BC": 0.0})
    ring = Nanotube(10, 0, 2).decorated(dict.fromkeys(range(20, 30), "B"))
    found, _ = SelfConsistentTransport(cut).transmission([ring, Nanotube(10, 0, 2)], ENERGIES_EV)
    assert np.abs(found[0]).max() < SAME
    assert found[1].max() > 1.0


def test_a_pristine_tube_is_that_of_the_pi_model():
    tubes = [Nanotube(9, 0, 2), Nanotube(10, 0, 2), Nanotube(6, 6, 3), Nanotube(8, 2, 1)]
    found = SelfConsistentTransport().predict(tubes)
    expected = PiTransport(CARBON).predict(tubes)
    np.testing.assert_allclose(found[CONDUCTANCE_US], expected[CONDUCTANCE_US], atol=SAME)


def test_transmission_converges_with_the_length_of_the_leads():
    oracle = [SelfConsistentTransport(lead_angstrom=angstrom) for angstrom in (0.0, 16.0, 32.0)]
    short, usual, long = (each.transmission([PAIR], ENERGIES_EV)[0][0] for each in oracle)
    assert np.abs(usual - long).max() < LEADS
    assert np.abs(usual - long).max() < 0.3 * np.abs(short - long).max()
    pristine, _ = PiTransport(CARBON).transmission([Nanotube(6, 6, 2)], ENERGIES_EV)
    assert (pristine - usual).max() > LEADS  # the pair scatters


def test_images_of_a_tube_have_its_transmission():
    tube = Nanotube(10, 0, 2).decorated({3: "B", 50: "N", 17: "N", 61: "B"})
    turned = [tube, tube.rotated(3), tube.flipped(), tube.mirrored()]
    found, failures = SelfConsistentTransport().transmission(turned, ENERGIES_EV)
    assert not failures
    np.testing.assert_allclose(found[1:], np.broadcast_to(found[0], (3, len(ENERGIES_EV))), atol=CHARGES)


def test_devices_have_the_energies_of_the_periodic_model():
    parameters = SelfConsistentParameters(u_ev=dict.fromkeys("CBN", 0.0), neighbours_ev={"CB": 0.4, "CN": -0.3})
    (device,), failures = SelfConsistentTransport(parameters).devices([PAIR])
    assert not failures
    expected = parameters.bare.onsite_table()[device.tube.species] + parameters.shifts_ev(device.tube)
    np.testing.assert_allclose(device.onsite_ev, expected, atol=SAME)
    assert (np.abs(device.onsite_ev) > 0.1).sum() == 8  # two dopants, and three carbons beside each


def test_added_pristine_cells_change_nothing():
    found, _ = SelfConsistentTransport(lead_angstrom=24.0).transmission([PAIR, PAIR.extended(2)], ENERGIES_EV)
    np.testing.assert_allclose(found[1], found[0], atol=LEADS)


def test_failures_are_recorded():
    tubes = [
        PAIR,
        Nanotube(5, 0, 2),
        Nanotube(6, 6, 2).decorated(dict.fromkeys(range(48), "vacancy")),
        Nanotube(10, 0, 2).decorated({3: "B"}),
    ]
    predictions = SelfConsistentTransport().predict(tubes)
    assert np.isnan(predictions[CONDUCTANCE_US]).tolist() == [False, True, True, False]
    assert "0.6 nm" in predictions.reasons[1]
    assert "cut the tube in two" in predictions.reasons[2]


def test_thermoelectric_takes_the_transmission_of_its_electrons():
    tubes, phonons = [PAIR, Nanotube(6, 6, 2)], PristinePhonons()
    plain = Thermoelectric(PI, temperature_k=400.0, phonons=phonons)
    same = Thermoelectric(temperature_k=400.0, phonons=phonons, electrons=SelfConsistentTransport(NO_CHARGES))
    expected, found = plain.predict(tubes), same.predict(tubes)
    for prop in plain.properties:
        np.testing.assert_allclose(found[prop], expected[prop], rtol=1e-4, err_msg=prop.key)
    assert (plain.level, same.level) == (Level.PI_CLASSICAL, Level.SCC_PI)
    charged = Thermoelectric(phonons=phonons, electrons=SelfConsistentTransport()).predict(tubes)
    assert charged[ZT][0] != pytest.approx(found[ZT][0], rel=0.01)


def test_the_registry_computes_transport_by_level():
    assert levels_of("conductance") == (Level.PI, Level.SCC_PI)
    assert levels_of("zt") == (Level.PI_CLASSICAL, Level.SCC_PI)
    names = ["conductance", "zt", "seebeck"]
    found = predict([PAIR], names, level="self-consistent π tight binding")
    assert found[CONDUCTANCE_US][0] == SelfConsistentTransport().predict([PAIR])[CONDUCTANCE_US][0]
    assert found[ZT][0] > 0.0
    hot = oracle_of("zt", Conditions(temperature_k=500.0, mu_ev=0.1), level=Level.SCC_PI)
    assert (hot.temperature_k, hot.mu_ev, hot.phonons.temperature_k) == (500.0, 0.1, 500.0)


def test_a_negative_length_of_leads_is_an_error():
    with pytest.raises(ConfigurationError, match="lead_angstrom=-1"):
        SelfConsistentTransport(lead_angstrom=-1.0)
