"""Chemical potentials of formation energies by the names of phases."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.physics import REBO, TERSOFF_BNC, Conditions, FormationEnergy, oracle_of
from matgym.physics.mechanics.formation import ELEMENTAL, boron_nitride_ev, phase_ev
from matgym.physics.mechanics.references import alpha_boron
from matgym.physics.xtb.oracle import XtbElectrons
from matgym.physics.xtb.oracle import boron_nitride_ev as xtb_boron_nitride_ev
from matgym.physics.xtb.oracle import phase_ev as xtb_phase_ev
from matgym.physics.xtb.states import XtbMethod
from matgym.structures import Nanotube

REBO_GRAPHENE_EV = -7.395  # Brenner et al., J. Phys.: Condens. Matter 14, 783 (2002), table of graphite
N2_EV = -9.91  # see `matgym.physics.mechanics.formation`
BN_FORMATION_EV = -2.60  # NIST-JANAF: -250.9 kJ/mol for h-BN at 298 K, from crystalline B and N₂
GFN1_TOLERANCE_EV = 0.6

PAIR = Nanotube(8, 0, 2).decorated({0: "N", 40: "B"})
WITH_N = Nanotube(8, 0, 2).decorated({0: "N"})


def formation(tube, **given):
    found = FormationEnergy(chemical_potentials_ev=given).predict([tube])
    assert not found.reasons
    return found["formation_ev"][0]


def test_phases_have_their_measured_geometry_and_energy():
    distances = np.sort(alpha_boron().repeat(2).get_all_distances(mic=True)[0])[1:7]
    assert distances.min() == pytest.approx(1.71, abs=0.01)  # between icosahedra; within them 1.73 to 1.80 Å
    assert distances.max() == pytest.approx(1.79, abs=0.01)
    assert phase_ev("graphite", REBO) == pytest.approx(REBO_GRAPHENE_EV, abs=0.01)
    assert phase_ev("N2", TERSOFF_BNC) == pytest.approx(N2_EV / 2.0, abs=0.01)
    assert -8.1 < phase_ev("alpha-B", TERSOFF_BNC) < -5.0


def test_curvature_energy_is_relative_to_graphite():
    """It falls as the inverse square of the diameter."""
    thin, wide = (formation(Nanotube(n, 0), C="graphite") / (4 * n) for n in (8, 16))
    assert thin / wide == pytest.approx(4.0, rel=0.1)
    assert formation(Nanotube(8, 0)) == pytest.approx(0.0, abs=1e-9)
    assert formation(Nanotube(8, 0), C="tube") == pytest.approx(0.0, abs=1e-9)


def test_named_phases_are_their_energies():
    nitrogen, boron = phase_ev("N2", TERSOFF_BNC), phase_ev("alpha-B", TERSOFF_BNC)
    assert formation(WITH_N, N="N2") == pytest.approx(formation(WITH_N, N=nitrogen), abs=1e-9)
    assert formation(PAIR, N="N2", B="alpha-B") == pytest.approx(formation(PAIR, N=nitrogen, B=boron), abs=1e-9)
    assert formation(PAIR, N="N2") == pytest.approx(formation(PAIR), abs=1e-9)
    assert formation(PAIR, N="h-BN", B="h-BN") == pytest.approx(formation(PAIR), abs=1e-9)
    rest = boron_nitride_ev(TERSOFF_BNC) - boron
    assert formation(WITH_N, B="alpha-B", N="h-BN") == pytest.approx(formation(WITH_N, N=rest), abs=1e-9)


def test_elements_by_tersoff_have_a_note():
    found = FormationEnergy(chemical_potentials_ev={"N": "N2"}).predict([WITH_N, Nanotube(8, 0)])
    assert ELEMENTAL in found.notes["formation_ev"][0]
    assert 1 not in found.notes["formation_ev"]
    refused = FormationEnergy().predict([WITH_N]).reasons[0]
    assert "--chemical-potential N=N2" in refused
    assert "--level xtb" in refused


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Si": 0.0}, "chemical_potentials_ev holds 'Si': give C, B, N"),
        ({"N": "N3"}, "chemical_potentials_ev\\['N'\\]='N3' is no known phase: give h-BN or N2, or an energy in eV"),
        ({"B": float("inf")}, "chemical_potentials_ev"),
    ],
)
def test_what_is_no_reference_is_an_error(given, message):
    for made in (FormationEnergy, XtbElectrons, Conditions):
        with pytest.raises(ConfigurationError, match=message):
            made(chemical_potentials_ev=given)


def test_conditions_reach_both_levels():
    at = Conditions(chemical_potentials_ev={"N": "N2"})
    assert oracle_of("formation", at).chemical_potentials_ev == {"N": "N2"}
    assert oracle_of("formation", at, level="xtb").chemical_potentials_ev == {"N": "N2"}


@pytest.mark.long
def test_xtb_has_all_phases_on_one_scale():
    elements = xtb_phase_ev("alpha-B", XtbMethod.GFN1) + xtb_phase_ev("N2", XtbMethod.GFN1)
    assert xtb_boron_nitride_ev(XtbMethod.GFN1) - elements == pytest.approx(BN_FORMATION_EV, abs=GFN1_TOLERANCE_EV)
    assert xtb_phase_ev("graphite", XtbMethod.GFN1) < 0.0
