"""The network on the honeycomb: symmetry, ragged batches, turned bonds."""

import numpy as np
import pytest
import torch

from matgym.data.builder import random_codoped
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.surrogates.honeycomb.graph import bond_directions, honeycombs, mirrored
from matgym.surrogates.honeycomb.network import HoneycombNetwork, HoneycombSettings

ROUNDING = 2e-5  # single precision, sums in another order


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return HoneycombNetwork(HoneycombSettings(width=16, rounds=3, hidden=(8,)), 2).eval()


def outputs(network, tubes, signs=None):
    graph = honeycombs(TubeBatch.of(tubes))
    directions = graph.directions if signs is None else mirrored(graph.directions, graph.tube, signs)
    arrays = (graph.sites, graph.neighbours, directions, graph.tube, graph.tubes)
    with torch.inference_mode():
        return network(*(torch.tensor(array) for array in arrays)).numpy()


TUBES = [
    random_codoped(8, 0, 2, 0.2, np.random.default_rng(0)),
    random_codoped(6, 4, 1, 0.2, np.random.default_rng(1)).strained(0.02),
    random_codoped(5, 5, 4, 0.3, np.random.default_rng(2)).decorated({0: "vacancy", 7: "13C"}),
    Nanotube(8, 0, 4).turned((0, 64)).decorated({3: "B", 9: "N"}),
]


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_symmetric_copies_have_the_same_output(network, tube):
    copies = [tube, tube.rotated(1), tube.screwed(1, 1), tube.flipped()]
    found = outputs(network, copies)
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=ROUNDING)


def test_a_mirror_image_of_an_achiral_tube_is_the_mirrored_input(network):
    for tube in (TUBES[0], TUBES[2]):
        found = outputs(network, [tube.mirrored(), tube], np.array([1.0, -1.0], dtype=np.float32))
        np.testing.assert_allclose(found[0], found[1], atol=ROUNDING)
        assert np.abs(outputs(network, [tube.mirrored()]) - outputs(network, [tube])).max() > 10 * ROUNDING


def test_tubes_do_not_see_each_other_in_a_batch(network):
    together = outputs(network, TUBES)
    alone = np.concatenate([outputs(network, [tube]) for tube in TUBES])
    np.testing.assert_allclose(together, alone, atol=ROUNDING)
    np.testing.assert_allclose(outputs(network, TUBES[::-1])[::-1], together, atol=ROUNDING)


def test_neighbours_are_those_of_the_tube():
    graph = honeycombs(TubeBatch.of(TUBES))
    start = 0
    for tube in TUBES:
        part = graph.neighbours[start : start + tube.n_sites] - start
        bonds = {frozenset(bond) for bond in tube.bonds[:, :2].tolist()}
        assert {frozenset((i, j)) for i, row in enumerate(part.tolist()) for j in row} == bonds
        start += tube.n_sites
    assert graph.sites[-TUBES[3].n_sites :, -1].sum() == 2  # the two atoms of the turned bond
    assert graph.tubes.shape == (4, 14)


def test_the_three_directions_add_up_to_nothing():
    """Three bonds at 120° to each other: cos 2φ and sin 2φ sum to zero, their squares to 3/2."""
    for n, m in ((8, 0), (6, 6), (7, 5)):
        directions = bond_directions(Nanotube(n, m).lattice)
        np.testing.assert_allclose(directions.sum(axis=0), 0.0, atol=1e-6)
        np.testing.assert_allclose((directions**2).sum(axis=0), 1.5, atol=1e-6)


def test_the_excess_of_n_and_the_load_are_features():
    tube = Nanotube(8, 0, 2).decorated({0: "N", 5: "N", 9: "B"}).strained(0.01)
    features = honeycombs(TubeBatch.of([tube])).tubes[0]
    assert features[5] == pytest.approx(1.0)
    assert features[7] == pytest.approx(1 / 64)
    assert features[8] == pytest.approx(tube.counts[Species.B] / 64)
