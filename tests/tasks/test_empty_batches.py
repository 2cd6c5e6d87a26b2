"""Batches without a design: a search of a constrained task may have none that is allowed."""

import numpy as np
import pytest

from matgym.benchmark.diversity import best_different
from matgym.structures import Species
from matgym.surrogates.honeycomb.edits import SingleEdits
from matgym.tasks import Cube
from matgym.tasks.instances import INSTANCES, instance


@pytest.mark.parametrize("name", INSTANCES)
def test_no_design_has_no_scores_keys_features_or_mutations(name):
    made = instance(name)
    task, rng = made.task(), np.random.default_rng(0)
    none = task.space.sample(0, rng)
    width = task.space.width
    assert none.shape == (0, width)
    assert task.space.mutate(none, rng).shape == (0, width)
    assert task.space.recombine(none, none, rng).shape == (0, width)
    assert task.space.features(none).shape == task.space.features(task.space.sample(2, rng))[:0].shape
    if not isinstance(task.space, Cube):
        assert task.space.key(none).shape == (0,)
    for scores in (task.score(none, made.targets(0)), task.verify(none, made.targets(0))):
        assert scores.reward.shape == scores.loss.shape == (0,)
    assert len(best_different(task.space, none, np.zeros(0), 5)) == 0


def test_no_tube_has_no_edits():
    task = instance("stability").task()
    edits = SingleEdits([(task.objective.model, task.objective.key)], (Species.B,), (0.0,))
    found = edits.predict(task.space.decode(task.space.sample(0, np.random.default_rng(0))))
    assert [each.size for each in found] == [0, 0, 0]
