"""Batches: designs that are asked for before the score of any of them is known."""

import numpy as np
import pytest

from matgym.agents import RandomSearch
from matgym.benchmark import NamedMethod, Suite, run_suite, search
from matgym.benchmark.runs import SearchRun
from matgym.errors import ConfigurationError
from matgym.learning.config import validated
from matgym.tasks.instances import instance

CALLS = []


class Noted(RandomSearch):
    """Random search of one design at a time that notes its calls."""

    def ask(self):
        CALLS.append(("ask", len(self.pending)))
        return self.space.sample(1, self.rng)

    def tell(self, designs, _scores):
        CALLS.append(("tell", len(designs)))


def test_a_batch_is_asked_before_it_is_told():
    made = instance("chirality")
    CALLS.clear()
    found = search(Noted, made.task(), made.targets(1), 10, 0, batch=4)
    asked = [("ask", pending) for pending in range(4)]
    assert [*asked, ("tell", 4), *asked, ("tell", 4), *asked[:2]] == CALLS  # the last two are not told: the search ends
    assert len(found.trajectory.losses) == 10
    CALLS.clear()
    one = search(Noted, made.task(), made.targets(1), 10, 0)
    assert CALLS[:4] == [("ask", 0), ("tell", 1), ("ask", 0), ("tell", 1)]
    np.testing.assert_array_equal(one.trajectory.losses, found.trajectory.losses)  # random search does not learn


def test_a_method_that_must_hear_first_is_an_error_before_the_work(tmp_path):
    content = {"name": "b", "search": {"tasks": ["chirality"], "methods": ["annealing"], "batch": 2, "budget": 4}}
    with pytest.raises(ConfigurationError, match="annealing cannot ask for a batch of 2 designs: give batch 1"):
        run_suite(validated(Suite, content, "b"), tmp_path / "out")
    assert not (tmp_path / "out" / "records").exists()


def test_the_batch_is_part_of_the_identity():
    one, four = (
        SearchRun(task="chirality", method=NamedMethod(name="random"), seed=0, budget=8, batch=batch).identified().key
        for batch in (1, 4)
    )
    assert one != four
