"""Briefs: bounds, rewards, and what is met, against the same written out here."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.models import Model, Predictions
from matgym.physics import YOUNG_GPA
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks import brief_task
from matgym.tasks.brief import LEVELS, MARGIN

TUBES = (tube_lattice(8, 0, 3), tube_lattice(6, 3, 1), tube_lattice(5, 5, 4))


def cheap(key, slope):
    """A model of one property that hangs on the numbers of atoms, and a little on where they are."""
    from matgym.surrogates import FunctionModel

    def values(tubes):
        return [slope * float(tube.species.sum()) + 0.01 * float(np.flatnonzero(tube.species).sum()) for tube in tubes]

    return FunctionModel(values, key)


MODELS = {"young": cheap("young_gpa", 1.0), "formation": cheap("formation_ev", -2.0)}


@pytest.fixture(scope="module")
def task():
    return brief_task("easy", lattices=TUBES, properties=("young", "formation", "diameter"), models=MODELS)


@pytest.fixture(scope="module")
def given():
    return brief_task("medium", lattices=TUBES, properties=("young", "formation"), models=MODELS, given=True)


def briefs(task, count=200, begun=None):
    return task.draw_targets([np.random.default_rng(i) for i in range(count)], begun)


def test_a_brief_asks_for_as_many_properties_as_its_level_says(task):
    bounds = briefs(task).reshape(200, 3, 2)
    asked = np.isfinite(bounds).any(axis=2)
    assert (asked.sum(axis=1) == LEVELS["easy"].asked).all()
    one_sided = np.isfinite(bounds).sum(axis=2) == 1
    assert 0.2 < one_sided.any(axis=1).mean() < 0.4  # 30 % of them
    assert (one_sided.sum(axis=1) <= 1).all()
    assert (bounds[..., 0] < bounds[..., 1]).all()


def test_an_anchor_meets_its_brief(task):
    values = task.briefs.values
    for bounds in briefs(task).reshape(200, 3, 2):
        assert ((values >= bounds[:, 0]) & (values <= bounds[:, 1])).all(axis=1).any()


def test_the_anchor_of_a_given_tube_is_on_it(given):
    begun = np.zeros((200, given.space.width), dtype=np.uint8)
    begun[:, 0] = np.arange(200) % 3
    for bounds, lattice in zip(briefs(given, begun=begun).reshape(200, 2, 2), begun[:, 0], strict=True):
        values = given.briefs.values[given.briefs.lattice == lattice]
        assert ((values >= bounds[:, 0]) & (values <= bounds[:, 1])).all(axis=1).any()


def test_rewards_and_met_are_those_of_the_formula(task):
    rng = np.random.default_rng(0)
    designs, bounds = task.space.sample(200, rng), briefs(task)
    scores = task.score(designs, bounds)
    margins = [MARGIN * spread for spread in task.briefs.spread]
    for row in range(200):
        parts, inside = [], []
        for value, (low, high), margin in zip(
            (scores.predictions[each.key][row] for each in task.objectives),
            bounds[row].reshape(3, 2), margins, strict=True,
        ):  # fmt: skip
            if np.isinf(low) and np.isinf(high):
                continue
            away = max(low - value, value - high, 0.0)
            parts.append(1.0 / (1.0 + 9.0 * (away / margin) ** 2))
            inside.append(low <= value <= high)
        assert scores.reward[row] == pytest.approx(np.mean(parts), rel=1e-12)
        assert task.met(scores, bounds)[row] == all(inside)
    assert 0 < task.met(scores, bounds).sum() < 200


def test_goals_give_the_same_rewards(task):
    designs, bounds = task.space.sample(50, np.random.default_rng(1)), briefs(task, 50)
    scores = task.score(designs, bounds)
    np.testing.assert_allclose(task.reward_of(task.achieved(scores), bounds), scores.reward, rtol=1e-12)
    np.testing.assert_allclose(task.reward_of(task.achieved(scores), task.achieved(scores)), 1.0)


def test_a_user_writes_a_brief_by_name(task):
    bounds = task.brief(young=(900.0, None), diameter=(0.8, 1.2)).reshape(3, 2)
    assert bounds.tolist() == [[900.0, np.inf], [-np.inf, np.inf], [0.8, 1.2]]
    assert task.brief(young_gpa=(None, 950.0))[1] == 950.0
    with pytest.raises(ConfigurationError, match=r"young_gpa from 2 to 1 leaves no range: give the lower bound first"):
        task.brief(young=(2.0, 1.0))
    with pytest.raises(ConfigurationError, match="gap is no property of this task: give young_gpa, young"):
        task.brief(gap=(0.0, 1.0))
    with pytest.raises(ConfigurationError, match=r"young=3\.0 must be a pair"):
        task.brief(young=3.0)


def test_bounds_are_observed_scaled_and_what_is_not_asked_as_the_whole_range(task):
    scaled = task.scaled_targets(task.brief(diameter=(0.65, 0.66))[None])[0]
    assert scaled[:4].tolist() == [-1.0, 1.0, -1.0, 1.0]
    low, high = task.target_ranges[4]
    assert scaled[4] == pytest.approx((2 * 0.65 - low - high) / (high - low))


def test_a_stricter_estimate_takes_a_lower_bound_of_the_reward():
    tubes = [Nanotube(8, 0, 3), Nanotube(8, 0, 3).decorated({0: "B", 9: "N"})]
    both = [
        brief_task("easy", lattices=TUBES[:1], properties=("young", "formation"), anchors=8, estimate=estimate)
        for estimate in ("mean", "lcb")
    ]
    designs = both[0].space.encode(tubes)
    bounds = np.tile(both[0].brief(young=(900.0, 950.0)), (2, 1))
    mean, cautious = (task.score(designs, bounds).reward for task in both)
    assert (cautious < mean).all()


class Unbounded(Model):
    """A model whose standard deviations are infinite, as those of intervals of too few data."""

    properties = (YOUNG_GPA,)
    is_uncertain = True

    def predict(self, tubes, /):
        values = np.full(len(tubes), 930.0)
        return Predictions({"young_gpa": values}, sd={"young_gpa": np.full(len(tubes), np.inf)})


def test_an_infinite_doubt_stays_infinite_and_leaves_no_reward():
    models = {"young": Unbounded(), "formation": MODELS["formation"]}
    task = brief_task("easy", lattices=TUBES[:1], properties=("young", "formation"), models=models, estimate="lcb")
    designs = task.space.encode([Nanotube(8, 0, 3)])
    scores = task.score(designs, task.brief(young=(900.0, 950.0))[None])
    assert scores.reward[0] == 0.0
    assert np.isinf(scores.predictions.sd_of("young_gpa")[0])


def test_the_oracle_verifies_a_design_against_its_brief():
    task = brief_task("easy", lattices=(tube_lattice(6, 3, 1),), properties=("young", "diameter"), anchors=8)
    designs = task.space.encode([Nanotube(6, 3)])
    bounds = task.brief(young=(900.0, 1100.0), diameter=(0.6, 0.64))[None]
    scores = task.verify(designs, bounds)
    assert scores.predictions["young_gpa"][0] == pytest.approx(task.score(designs, bounds).value[0], rel=0.02)
    assert task.met(scores, bounds)[0]  # 0.62 nm across


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"level": "impossible"}, "level='impossible' is none of easy"), ({"properties": ("colour",)}, "colour")],
)
def test_a_wrong_argument_is_refused(arguments, said):
    with pytest.raises(Exception, match=said):
        brief_task(**{"lattices": TUBES, "anchors": 8, **arguments})
