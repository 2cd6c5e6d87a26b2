"""The unit cube of decorated tubes is turned in every run: its centre was the optimum of `isotope-sites`."""

import numpy as np
import pytest

from matgym.agents import Optimizer
from matgym.benchmark import search
from matgym.tasks import Cube
from matgym.tasks.instances import instance


class Centre(Optimizer):
    """Asks for the centre of the unit cube."""

    def ask(self):
        return self.space.from_points(np.full((1, len(self.space.choices)), 0.5))

    def tell(self, designs, scores):
        pass


@pytest.mark.parametrize("name", ["isotope-sites", "doping-easy", "thermoelectric-easy"])
def test_a_turned_space_has_the_same_designs(name):
    space = instance(name).task().space
    turned = space.turned(np.random.default_rng(0))
    points = np.random.default_rng(1).random((64, len(space.choices)))
    designs = turned.from_points(points)
    assert space.valid(designs).all()
    np.testing.assert_array_equal(designs, space.from_points((points + np.array(turned.origin)) % 1.0))
    assert (designs != space.from_points(points)).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(turned.key(designs), space.key(designs))
    again, other = (space.turned(np.random.default_rng(seed)) for seed in (0, 1))
    assert again.origin == turned.origin != other.origin


def test_coordinates_with_ends_are_not_turned():
    cube = Cube(3)
    assert cube.turned(np.random.default_rng(0)) is cube


def test_the_centre_is_a_random_design():
    """Of 1,052 designs the centre was the best one. Now it is no better than others, as a rank test tells."""
    made = instance("isotope-sites")
    task, targets = made.task(), made.targets(1)
    centre = task.space.from_points(np.full((1, len(task.space.choices)), 0.5))
    assert task.score(centre, targets).loss[0] == pytest.approx(made.optimum.loss, abs=made.tolerance)
    found = [search(Centre, made.task(), targets, 1, seed).progress[0, 0] for seed in range(40)]
    drawn = task.score(task.space.sample(4000, np.random.default_rng(0)), made.targets(4000)).loss
    ranks = np.searchsorted(np.sort(drawn), found) / len(drawn)  # uniform for random designs
    assert abs(ranks.mean() - 0.5) < 4.0 / np.sqrt(12 * 40)
    assert len({round(loss, 9) for loss in found}) > 20


@pytest.mark.parametrize("name", ["isotope-sites", "thermoelectric-easy"])
def test_numbers_of_a_turned_space_are_those_of_its_designs(name):
    turned = instance(name).task().space.turned(np.random.default_rng(0))
    designs = turned.sample(16, np.random.default_rng(1))
    np.testing.assert_array_equal(turned.key(turned.from_numbers(turned.to_numbers(designs))), turned.key(designs))
