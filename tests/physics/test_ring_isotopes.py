"""Ring designs against the general solver of transport, symmetries and the ballistic limit."""

from itertools import pairwise

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.physics import Model
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PhononTransport, PristinePhonons
from matgym.physics.phonons.ring_isotopes import RingIsotopes, ring_of_site, ring_species
from matgym.structures import Nanotube, Species, TubeBatch, tube_lattice

AGREEMENT = 1e-10  # of two algorithms for one model, relative; measured: 6e-13
BATCH = 1e-13  # a design alone and in a batch: rounding

FEW = 12
FINE = RingIsotopes(rings=4)  # at the 256 frequencies of the design problem
KEY = THERMAL_CONDUCTANCE_NW_K.key


def relative(found, expected):
    return np.abs(found / expected - 1.0).max()


def designs(count, rings, isotopes=(0, 2), seed=0):
    return np.random.default_rng(seed).choice(isotopes, (count, rings)).astype(np.uint8)


def general(rings, codes):
    """Return the general oracle's values."""
    return PhononTransport(rings.temperature_k, rings.frequencies).predict(rings.tubes(codes))[KEY]


def test_agrees_with_the_general_solver():
    rings = RingIsotopes(frequencies=FEW)
    codes = np.concatenate(
        [np.zeros((1, 16)), np.full((1, 16), Species.C14), designs(7, 16), designs(4, 16, (0, 1, 2))]
    ).astype(np.uint8)
    assert relative(rings.conductance_nw_k(codes), general(rings, codes)) < AGREEMENT


def test_agrees_at_the_frequencies_of_the_design_problem():
    codes = designs(2, 4, seed=1)
    assert relative(FINE.conductance_nw_k(codes), general(FINE, codes)) < AGREEMENT


@pytest.mark.parametrize("n", [5, 8])
def test_agrees_on_other_tubes_and_temperatures(n):
    rings = RingIsotopes(n=n, rings=6, temperature_k=77.0, frequencies=FEW)
    codes = designs(5, 6, (0, 1, 2), seed=n)
    assert relative(rings.conductance_nw_k(codes), general(rings, codes)) < AGREEMENT


def test_pristine_rings_are_ballistic():
    light = np.zeros((1, 4), dtype=np.uint8)
    ballistic = PristinePhonons(300.0, 256).predict([Nanotube(10, 0)])[KEY]
    assert relative(FINE.conductance_nw_k(light), ballistic) < AGREEMENT


def test_a_design_and_its_reverse_have_the_same_conductance():
    rings = RingIsotopes(frequencies=FEW)
    codes = designs(3, 16, (0, 1, 2))
    turned = ring_species(rings.lattice, codes[:, ::-1])
    assert all((tube.reversed().species == row).all() for tube, row in zip(rings.tubes(codes), turned, strict=True))
    assert (rings.conductance_nw_k(codes) == rings.conductance_nw_k(codes[:, ::-1])).all()
    assert relative(general(rings, codes[:, ::-1]), rings.conductance_nw_k(codes)) < AGREEMENT


def test_a_batch_of_designs_equals_single_designs():
    rings = RingIsotopes(rings=4, frequencies=FEW)
    codes = np.array([[k >> i & 1 for i in range(4)] for k in range(16)])
    found = rings.conductance_nw_k(2 * codes)
    alone = np.array([rings.conductance_nw_k(2 * row[None])[0] for row in codes])
    assert relative(found, alone) < BATCH
    assert relative(found, general(rings, 2 * codes)) < AGREEMENT
    assert found.argmax() == 0  # scattering only lowers the conductance
    middle = rings.conductance_nw_k(codes)
    assert (middle[1:] > found[1:]).all()  # and a smaller difference of masses lowers it less


def test_a_ring_holds_axial_bonds_and_stands_in_order():
    lattice = tube_lattice(10, 0, 8)
    ring = ring_of_site(lattice)
    assert (np.bincount(ring) == 20).all()
    tops = [lattice.site_fractions[ring == r, 1] for r in range(16)]
    assert all(low.max() < high.min() for low, high in pairwise(tops))
    within = (ring[lattice.bonds[:, 0]] == ring[lattice.bonds[:, 1]]) & (lattice.bonds[:, 2] == 0)
    assert np.bincount(ring[lattice.bonds[within, 0]]).tolist() == [10] * 16
    codes = designs(3, 16, (0, 1, 2))
    assert (ring_species(lattice, codes) == codes[:, ring]).all()


def test_predicts_ring_designs_and_gives_a_reason_for_other_tubes():
    rings = RingIsotopes(rings=4, frequencies=FEW)
    assert isinstance(rings, Model)
    codes = designs(2, 4, seed=3)
    good, other = rings.tubes(codes)
    wrong = [
        Nanotube(10, 0, 3),
        Nanotube(9, 0, 2),
        Nanotube(10, 0, 2, strain=0.01),
        Nanotube(10, 0, 2).decorated({0: "N"}),
        Nanotube(10, 0, 2).decorated({0: "13C"}),
        Nanotube(6, 6, 2),
    ]
    found = rings.predict([good, *wrong, other])
    assert sorted(found.reasons) == list(range(1, 1 + len(wrong)))
    assert "ring 0 mixes isotopes" in found.reasons[5]
    assert np.isnan(found[KEY][1:-1]).all()
    assert relative(found[KEY][[0, -1]], rings.conductance_nw_k(codes)) < BATCH
    assert len(rings.predict([])) == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"rings": 5}, "rings=5 must be even"),
        ({"rings": 0}, "rings=0 must be even"),
        ({"n": 0}, "n=0 must be 1 or more"),
        ({"temperature_k": -1.0}, "temperature_k=-1.0"),
        ({"frequencies": 0}, "frequencies=0"),
    ],
)
def test_settings_out_of_range_raise(settings, reason):
    with pytest.raises(ConfigurationError, match=reason):
        RingIsotopes(**settings)


def test_rows_that_are_no_designs_raise():
    rings = RingIsotopes(rings=4, frequencies=FEW)
    with pytest.raises(ConfigurationError, match="species code 3 is not an isotope of carbon"):
        rings.conductance_nw_k([[0, 0, 3, 0]])
    with pytest.raises(ConfigurationError, match=r"shape \(1, 3\) must be \(designs, 4\)"):
        rings.conductance_nw_k([[0, 0, 0]])
    with pytest.raises(ConfigurationError, match="zigzag"):
        ring_of_site(tube_lattice(6, 6, 2))
    assert rings.conductance_nw_k(np.zeros((0, 4), dtype=np.uint8)).shape == (0,)


def test_predictions_of_a_batch_and_of_a_list_equal_the_conductance():
    rings = RingIsotopes(rings=4, frequencies=FEW)
    codes = designs(6, 4, (0, 1, 2), seed=7)
    uniform = TubeBatch.uniform(rings.lattice, ring_species(rings.lattice, codes))
    expected = rings.conductance_nw_k(codes)
    for tubes in (rings.tubes(codes), uniform):
        found = rings.predict(tubes)
        assert np.array_equal(found[KEY], expected)
        assert found.failures == {}
