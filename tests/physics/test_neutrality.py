"""Which chemical potential a property between leads has, and that it is said."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.physics import Bias, Conditions, PiTransport, Thermoelectric, oracle_of
from matgym.physics.electrons.neutrality import neutral_ev
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.structures import Nanotube

TUBE = Nanotube(8, 0, 2)
WITH_N = TUBE.decorated({5: "N"})
WITH_B = TUBE.decorated({5: "B"})
BALANCED = TUBE.decorated({5: "N", 40: "B"})


def test_own_neutrality_is_that_of_no_excess_electrons():
    mu = neutral_ev(WITH_N, PiParameters(), 300.0)
    assert mu > 0.2  # the electron of N is in the conduction band
    assert neutral_ev(WITH_B, PiParameters(), 300.0) == pytest.approx(-mu, abs=1e-6)
    assert Bias().excess_electrons(WITH_N, np.array([mu]))[0] == pytest.approx(0.0, abs=1e-9)
    assert neutral_ev(TUBE, PiParameters(), 300.0) == 0.0


def test_conductance_at_the_tube_s_own_neutrality():
    tubes = [WITH_N, TUBE, WITH_B, Nanotube(4, 0)]
    own, leads = PiTransport(mu_ev="tube").predict(tubes), PiTransport().predict(tubes)
    mu = Bias(neutrality="tube").mu_ev(WITH_N)
    at_mu = PiTransport(mu_ev=mu).predict(tubes)
    assert own["conductance_us"][0] == pytest.approx(at_mu["conductance_us"][0], rel=1e-9)
    assert own["conductance_us"][1] == pytest.approx(leads["conductance_us"][1], rel=1e-9)
    assert own["conductance_us"][0] > 1e3 * leads["conductance_us"][0]  # a doped tube conducts
    assert own["conductance_us"][2] == pytest.approx(own["conductance_us"][0], rel=1e-6)
    assert "not valid below" in own.reasons[3]


def test_notes_name_the_chemical_potential_where_there_is_a_choice():
    tubes = [WITH_N, TUBE, BALANCED]
    leads = PiTransport().predict(tubes).notes["conductance_us"]
    assert set(leads) == {0}
    assert "at μ = 0 eV, of neutral leads, though the tube brings 1 π electron more than carbon" in leads[0]
    assert PiTransport(mu_ev="leads").predict(tubes).notes["conductance_us"] == leads
    own = PiTransport(mu_ev="tube").predict(tubes).notes["conductance_us"]
    mu = Bias(neutrality="tube").mu_ev(WITH_N)
    assert own[0] == f"at μ = {mu:.4f} eV, at which the tube itself is neutral"
    given = PiTransport(mu_ev=0.3).predict(tubes).notes["conductance_us"]
    assert set(given.values()) == {"at the given μ = 0.3 eV"}


def test_thermoelectric_properties_at_a_neutrality():
    found = Thermoelectric(mu_ev="tube").predict([WITH_N, TUBE])
    mu = Bias(neutrality="tube").mu_ev(WITH_N)
    assert found["mu_ev"] == pytest.approx([mu, 0.0], abs=1e-9)
    at_mu = Thermoelectric(mu_ev=mu).predict([WITH_N])
    assert found["zt"][0] == pytest.approx(at_mu["zt"][0], rel=1e-9)
    assert Thermoelectric(mu_ev="leads").predict([WITH_N])["mu_ev"][0] == 0.0
    best = Thermoelectric().predict([WITH_N])
    assert best.notes["zt"][0] == f"at μ = {best['mu_ev'][0]:g} eV, that of the largest ZT"


def test_conditions_take_a_neutrality():
    assert oracle_of("conductance", Conditions(mu_ev="tube")).mu_ev == "tube"
    assert oracle_of("zt", Conditions(mu_ev="tube")).mu_ev == "tube"
    assert oracle_of("conductance", Conditions()).mu_ev == 0.0
    for made in (Conditions, PiTransport, Thermoelectric):
        with pytest.raises(ConfigurationError, match="mu_ev='gate' must be 'leads', 'tube' or a chemical potential"):
            made(mu_ev="gate")
        with pytest.raises(ConfigurationError, match="mu_ev=nan"):
            made(mu_ev=float("nan"))
