"""Diameter and length against ASE's builder and the formulae of Saito, Dresselhaus and Dresselhaus (1998), ch. 3."""

import math

import numpy as np
import pytest

from matgym.models import Level
from matgym.physics.geometry import DIAMETER_NM, LENGTH_NM, Geometry
from matgym.structures import Nanotube, TubeBatch
from matgym.structures.io.convert import to_atoms
from matgym.testing import check_model

BOND_NM = 0.142
CHIRALITIES = [(8, 0), (5, 5), (6, 3), (10, 10), (4, 2), (7, 6), (17, 0)]
ROUNDING = 1e-12  # relative
FORMULA = 1e-10  # relative


def saito(n, m):
    """Diameter a √(n² + nm + m²)/π and length √3 C/d_R of one cell, nm."""
    around = math.sqrt(3.0) * BOND_NM * math.sqrt(n * n + n * m + m * m)
    return around / math.pi, math.sqrt(3.0) * around / math.gcd(2 * n + m, 2 * m + n)


@pytest.mark.parametrize("cells", [1, 3])
def test_sizes_are_those_of_the_formulae(cells):
    predictions = Geometry().predict([Nanotube(n, m, cells) for n, m in CHIRALITIES])
    diameters, lengths = np.array([saito(*chirality) for chirality in CHIRALITIES]).T
    assert predictions[DIAMETER_NM] == pytest.approx(diameters, rel=FORMULA)
    assert predictions[LENGTH_NM] == pytest.approx(cells * lengths, rel=FORMULA)
    assert predictions.ok.all()


@pytest.mark.parametrize(("n", "m"), CHIRALITIES)
def test_sizes_are_those_that_ase_builds(n, m):
    from ase.build import nanotube

    atoms = nanotube(n, m, length=2, bond=10.0 * BOND_NM)
    radii = np.linalg.norm(atoms.positions[:, :2] - atoms.positions[:, :2].mean(axis=0), axis=1)
    predictions = Geometry().predict([Nanotube(n, m, 2)])
    assert predictions[DIAMETER_NM][0] == pytest.approx(0.2 * radii.mean(), rel=1e-9)
    assert predictions[LENGTH_NM][0] == pytest.approx(0.1 * atoms.cell[2, 2], rel=1e-9)


def test_sizes_are_those_of_the_atoms_under_strain_and_for_any_species():
    plain = [Nanotube(8, 0, 2), Nanotube(5, 5, 3), Nanotube(6, 3, 1), Nanotube(8, 0, 2)]
    tubes = [tube.strained(strain) for tube, strain in zip(plain, (0.05, -0.04, 0.0, 0.1), strict=True)]
    tubes[0], tubes[2] = tubes[0].decorated({0: "B", 5: "vacancy"}), tubes[2].twisted(0.02)
    predictions = Geometry().predict(TubeBatch.of(tubes))
    for row, tube in enumerate(tubes):
        atoms = to_atoms(tube.twisted(0.0))
        radii = np.linalg.norm((atoms.positions - atoms.cell.sum(axis=0) / 2.0)[:, :2], axis=1)
        assert predictions[LENGTH_NM][row] == pytest.approx(0.1 * atoms.cell[2, 2], rel=ROUNDING)
        assert predictions[DIAMETER_NM][row] == pytest.approx(0.2 * radii.mean(), rel=FORMULA)
        assert predictions[DIAMETER_NM][row] == pytest.approx(tube.diameter_nm, rel=ROUNDING)
    assert predictions[DIAMETER_NM][3] < Geometry().predict(plain)[DIAMETER_NM][3]  # stretched tubes are thinner


def test_sizes_are_an_oracle_of_the_structure():
    check_model(Geometry())
    assert Geometry().level is Level.GEOMETRY
    assert len(Geometry().predict([])) == 0
