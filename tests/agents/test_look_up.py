"""Look-up: the nearest of N scored designs, counted."""

import numpy as np
import pytest

from matgym.agents.look_up import LOOK_UP, LookUp
from matgym.benchmark.policies import trained
from matgym.benchmark.search import search
from matgym.benchmark.suite import PolicySpec
from matgym.errors import ConfigurationError
from matgym.structures import tube_lattice
from matgym.tasks import decoration_task
from matgym.tasks.instances import instance


def sites_apart(tubes):
    """Return the distance between the first two decorated sites, in sites."""
    return np.array([float(np.ptp(np.flatnonzero(tube.species)[:2])) for tube in tubes])


def made():
    return decoration_task(lattice=tube_lattice(6, 0, 3), budget={"B": 2}, model=sites_apart, low=1.0, high=40.0)


def test_the_answers_are_the_nearest_of_the_table_in_order():
    task, targets = made(), np.array([3.0, 20.0, 39.0])
    table = LookUp.of(task, 50, np.random.default_rng(0))
    assert task.ledger.counts["surrogate"] == 50
    for turn in range(4):
        designs = table.design(task, targets, deterministic=turn == 0)
        for target, design in zip(targets, designs, strict=True):
            misses = np.sort(np.abs(table.achieved[:, 0] - target))
            assert abs(sites_apart(task.tubes(design[None]))[0] - target) == pytest.approx(misses[turn])
    assert task.ledger.counts["surrogate"] == 50  # answers cost nothing


def test_a_search_with_it_beats_random_search_with_one_query():
    task, targets = made(), np.random.default_rng(1).uniform(1.0, 40.0, 40)
    table = LookUp.of(task, 200, np.random.default_rng(0))
    mine, random = (search(method, task, targets, 1, 0).progress[0] for method in (table, "random"))
    assert np.median(mine) < 0.5 * np.median(random)


def test_a_suite_makes_it_with_the_designs_that_a_policy_is_trained_on():
    task = made()
    table = trained(PolicySpec(algorithm=LOOK_UP, designs=30), task, "", 0)
    assert isinstance(table, LookUp)
    assert (table.name, len(table.designs), task.ledger.counts["surrogate"]) == ("look-up", 30, 30)
    again = trained(PolicySpec(algorithm=LOOK_UP, designs=30), made(), "", 0)
    np.testing.assert_array_equal(table.designs, again.designs)


def test_a_task_without_targets_is_an_error():
    with pytest.raises(ConfigurationError, match="look-up needs a task with targets"):
        LookUp.of(instance("isotope-rings").task(), 8, np.random.default_rng(0))
