"""The best different designs of a search, and their distances."""

import numpy as np
import pytest

from matgym.benchmark.diversity import best_different, distances, diversity, keys
from matgym.structures import tube_lattice
from matgym.tasks import Cube, Decorations, decoration_task
from matgym.tasks.rings import RingSpace


def space() -> Decorations:
    return decoration_task(lattice=tube_lattice(11, 0, 1), budget={"B": 2, "N": 2}).space


def test_symmetric_copies_have_distance_zero_and_count_once():
    tubes = space()
    first = tubes.sample(1, np.random.default_rng(0))
    turned = first[:, tubes._operations[3]]  # another row, the same tube
    assert (turned != first).any()
    other = tubes.mutate(first, np.random.default_rng(1))
    assert distances(tubes, first, turned)[0, 0] == 0.0
    assert 0.0 < distances(tubes, first, other)[0, 0] <= 1.0
    designs = np.concatenate([other, first, turned])
    np.testing.assert_array_equal(best_different(tubes, designs, np.array([0.3, 0.2, 0.1]), 5), [2, 0])
    np.testing.assert_array_equal(best_different(tubes, designs, np.array([0.3, np.inf, 0.5]), 1), [0])
    assert len(set(keys(tubes, designs).tolist())) == 2


def test_distances_of_rings_are_those_by_hand():
    """Turned round, 1000 is 0001. 1000 and 0110 share no orbit; features count heavy rings and pairs of them."""
    rings = RingSpace.of(10, 4, "14C")
    designs = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 0]])
    assert distances(rings, designs, designs) == pytest.approx(np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]]))
    assert diversity(rings, designs) == pytest.approx(2.0 / 3.0)
    assert np.isnan(diversity(rings, designs[:1]))


def test_numbers_differ_by_half_of_their_root_mean_square_difference():
    cube = Cube(2)
    points = np.array([[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    assert distances(cube, points[:1], points) == pytest.approx(np.array([[0.0, 1.0, np.sqrt(0.5)]]))
    np.testing.assert_array_equal(best_different(cube, points[[0, 1, 0]], np.array([0.2, 0.1, 0.2]), 3), [1, 0])
