"""Searches that the caller drives: foreign optimizers, pending designs, known designs, the best designs."""

from itertools import combinations

import numpy as np
import pytest

from matgym.agents import AskTell, Known, Optimizer, PairModel, Problem, RandomSearch, SimulatedAnnealing, best, search
from matgym.agents.diversity import distances
from matgym.agents.optimizers.heuristics import GeneticAlgorithm, HillClimbing, ParallelTempering
from matgym.agents.optimizers.optuna_search import TPE
from matgym.agents.scoring import score_asked
from matgym.errors import ConfigurationError, PropertyError
from matgym.models import Predictions
from matgym.structures import tube_lattice
from matgym.tasks import Choices, Cube, Decorations, RingSpace, Scores, Variable
from matgym.tasks.decoration import lattice_edits
from matgym.tasks.instances import instance

CONCURRENT = (RandomSearch, PairModel, TPE)
WAITING = (SimulatedAnnealing, HillClimbing, GeneticAlgorithm, ParallelTempering)
INSTANCES = ("doping-easy", "isotope-rings", "chirality", "growth-recipe", "thermoelectric-easy")


def problem_of(name, **more):
    one = instance(name)
    return Problem(one.task(), np.array(one.target), **more)


def scores_of(problem, designs):
    return score_asked(problem.task, designs, problem.targets(len(designs)))


# ---- an optimizer that knows names, kinds and bounds only


class Foreign(Optimizer):
    """A search by another library's hands: it reads `variables`, and passes values by name."""

    def ask(self):
        point = {}
        for variable in self.problem.variables:
            if variable.kind == "continuous":
                point[variable.name] = float(self.rng.uniform(variable.low, variable.high))
            elif variable.kind == "integer":
                point[variable.name] = int(self.rng.integers(variable.low, variable.high + 1))
            else:
                point[variable.name] = variable.values[self.rng.integers(len(variable.values))]
        return self.problem.designs([point])

    def tell(self, designs, scores):
        del designs, scores


@pytest.mark.parametrize("name", INSTANCES)
def test_a_foreign_optimizer_needs_the_variables_alone(name):
    session = AskTell(Foreign, problem_of(name), 40, 0)
    designs = np.concatenate([session.ask(1) for _ in range(1)])
    problem = problem_of(name)
    assert problem.space.valid(designs).all()
    names = [variable.name for variable in problem.variables]
    assert len(set(names)) == len(names) == len(problem.space.choices)


@pytest.mark.parametrize("name", INSTANCES)
def test_values_by_name_make_the_design_that_they_were_read_from(name):
    problem = problem_of(name)
    designs = problem.space.sample(30, np.random.default_rng(0))
    points = problem.points(designs)
    np.testing.assert_allclose(problem.designs(points), designs, atol=1e-12)


def test_the_values_of_a_recipe_are_those_of_the_furnace():
    problem = problem_of("growth-recipe")
    design = problem.space.sample(1, np.random.default_rng(0))
    (point,), (controls,) = problem.points(design), problem.space.decode(design)
    assert controls[0, 0] == pytest.approx(point["first_c"])
    assert controls[-1, 0] == pytest.approx(point["second_c"])
    assert controls[0, 2] == pytest.approx(point["hydrogen_pa"])
    assert {each.unit for each in problem.variables} == {"°C", "Pa", "1"}


def test_the_values_of_rings_are_isotopes():
    problem = problem_of("isotope-rings")
    design = np.array([[0, 1] * 8])
    assert list(problem.points(design)[0].values()) == ["12C", "14C"] * 8
    assert problem.space.describe(problem.designs(problem.points(design))[0]) == "01" * 8


def test_wrong_values_are_errors_of_one_sentence():
    problem = problem_of("isotope-rings")
    (point,) = problem.points(np.zeros((1, 16), dtype=np.int64))
    with pytest.raises(ConfigurationError, match=r"'13C' is none of 12C, 14C"):
        problem.designs([point | {"ring 3": "13C"}])
    with pytest.raises(ConfigurationError, match=r"lacks 'ring 3'"):
        problem.designs([{name: value for name, value in point.items() if name != "ring 3"}])
    with pytest.raises(ConfigurationError, match=r"unknown variable 'ring 99'"):
        problem.designs([point | {"ring 99": "12C"}])
    recipe = problem_of("growth-recipe")
    (point,) = recipe.points(np.zeros((1, 8)))
    with pytest.raises(ConfigurationError, match=r"first_c=2000 is no number from 400 to 950"):
        recipe.designs([point | {"first_c": 2000}])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fuzzy"}, {"kind": "ordinal"}, {"values": ("a", "b")}, {"low": 2.0, "high": 1.0},
        {"kind": "categorical", "values": ("a", "b"), "high": 5.0},
    ],
)  # fmt: skip
def test_variables_that_contradict_themselves_are_errors(wrong):
    with pytest.raises(ConfigurationError):
        Variable("x", **wrong)


def test_kinds_of_variables():
    assert [each.kind for each in Cube(2).variables] == ["continuous"] * 2
    assert [each.kind for each in Choices((3, 4)).variables] == ["categorical"] * 2
    assert [each.kind for each in Choices((3, 4), ordered=True).variables] == ["ordinal"] * 2
    assert [each.count for each in Choices((3, 4)).variables] == [3, 4]
    assert not Variable.of("x", "abc").is_ordered
    assert Variable.of("x", "ab").is_ordered
    strain = problem_of("chirality").variables[3]
    assert strain.number(0.1 * 0.3) == strain.number(0.03) == 8.0  # 0.1 * 0.3 is not 0.03


def test_goals_and_limits_are_told_in_plain_words():
    gap, diameter, length = problem_of("chirality").goals
    assert (gap.name, gap.unit, gap.direction, gap.target) == ("gap_ev", "eV", "target", 0.8)
    assert (diameter.target, length.target) == (1.1, 4.0)
    (limit,) = problem_of("thermoelectric-easy").limits
    assert (limit.name, limit.unit, limit.least) == ("power_factor_pw_k2", "pW/K²", 0.6)
    assert problem_of("doping-easy").limits == ()
    assert problem_of("doping-easy").goals[0].target is None


# ---- scores


def test_scores_hold_the_values_of_the_constraint():
    problem = problem_of("thermoelectric-easy")
    scores = problem.task.score(problem.space.sample(50, np.random.default_rng(0)), problem.targets(50))
    values = scores.bounded["power_factor_pw_k2"]
    np.testing.assert_allclose(scores.cost, np.maximum(0.6 - values, 0.0) / 0.6)
    assert (scores.cost > 0.0).any()
    assert (scores.cost == 0.0).any()


def test_scores_of_known_values_are_those_of_the_models_and_cost_nothing():
    problem = problem_of("thermoelectric-easy")
    designs = problem.space.sample(20, np.random.default_rng(0))
    scores = problem.task.score(designs, problem.targets(20))
    spent = problem.task.ledger.counts.total()
    values = Predictions.joined([scores.predictions, scores.bounded])
    again = problem.task.scores_of(values, problem.targets(20))
    for name in ("reward", "loss", "cost", "value"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scores, name))
    assert problem.task.ledger.counts.total() == spent
    with pytest.raises(PropertyError, match="zt was not predicted"):
        problem.task.scores_of(scores.bounded, problem.targets(20))


def test_stacked_scores_are_those_of_the_whole_batch():
    problem = problem_of("thermoelectric-easy")
    scores = problem.task.score(problem.space.sample(12, np.random.default_rng(0)), problem.targets(12))
    stacked = Scores.stacked([scores.take(np.arange(5)), scores.take(np.arange(5, 12))])
    for name in ("reward", "loss", "value", "cost", "failed"):
        np.testing.assert_array_equal(getattr(stacked, name), getattr(scores, name))
    np.testing.assert_array_equal(stacked.bounded["power_factor_pw_k2"], scores.bounded["power_factor_pw_k2"])
    failing = [Predictions({"x": np.array([np.nan, 1.0])}, {"x": {0: "why"}}), Predictions({"x": np.ones(2)})]
    assert Predictions.stacked(failing[::-1]).failures == {"x": {2: "why"}}


# ---- pending designs


@pytest.mark.parametrize("method", CONCURRENT)
def test_concurrent_searches_give_designs_while_others_are_pending(method):
    problem = problem_of("isotope-sites")
    session = AskTell(method, problem, 40, 0)
    first = session.ask(24)
    assert len(first) == len(session.pending) == 24
    order = np.random.default_rng(1).permutation(24)
    for rows in (order[:7], order[7:20]):  # in any order
        session.tell(first[rows], scores_of(problem, first[rows]))
    assert len(session.pending) == 4
    more = session.ask(3)
    assert len(session.pending) == 7
    if method is PairModel:  # neither told nor pending designs are asked again
        keys = problem.space.key(np.concatenate([first, more]))
        assert len(np.unique(keys)) == 27


@pytest.mark.parametrize("method", WAITING)
def test_other_searches_wait_and_are_then_the_same_as_in_one_go(method):
    """Scores that come one by one, in another order, make the same search."""
    problem, found = problem_of("isotope-rings"), []
    for one_by_one in (False, True):
        session, designs = AskTell(method, problem, 60, 3), []
        while sum(map(len, designs)) < 60:
            batch = session.ask()
            designs.append(batch)
            rows = np.arange(len(batch))[::-1] if one_by_one else [slice(None)]
            for row in rows:
                part = batch[[row]] if one_by_one else batch
                session.tell(part, scores_of(problem, part))
        found.append(np.concatenate(designs))
    np.testing.assert_array_equal(*found)


def test_a_search_that_waits_says_so():
    problem = problem_of("isotope-rings")
    session = AskTell(SimulatedAnnealing, problem, 3, 0)
    design = session.ask(5)
    assert len(design) == 1
    with pytest.raises(ConfigurationError, match="SimulatedAnnealing needs the scores of 1 pending designs first"):
        session.ask(1)
    with pytest.raises(ConfigurationError, match="design 0 is not pending"):
        session.tell(1 - design, scores_of(problem, design))
    session.tell(design, scores_of(problem, design))
    for _ in range(2):
        design = session.ask()
        session.tell(design, scores_of(problem, design))
    with pytest.raises(ConfigurationError, match="budget of SimulatedAnnealing is spent"):
        session.ask()


# ---- known designs


@pytest.mark.parametrize("method", [*WAITING, PairModel])
def test_known_designs_are_not_asked_again_and_the_best_is_improved(method):
    first = problem_of("isotope-sites")
    designs = first.space.sample(40, np.random.default_rng(5))
    problem = problem_of("isotope-sites", known=Known(designs, scores_of(first, designs)))
    session, asked = AskTell(method, problem, 12, 0), []
    while sum(map(len, asked)) < 12:
        asked.append(session.ask())
        session.tell(asked[-1], scores_of(problem, asked[-1]))
    keys = problem.space.key(np.concatenate(asked))
    assert not np.isin(keys, problem.space.key(designs)).any()
    if method in (SimulatedAnnealing, HillClimbing):  # the first design is a neighbour of the best known one
        top = designs[scores_of(first, designs).reward.argmax()]
        assert (asked[0][0] != top).sum() == 2


@pytest.mark.parametrize("name", ["isotope-rings", "chirality", "growth-recipe"])
@pytest.mark.parametrize("library", ["optuna_search:TPE", "nevergrad_search:Nevergrad", "botorch_search:BoTorchMixed"])
def test_adapters_take_known_designs(library, name):
    module, _, kind = library.partition(":")
    pytest.importorskip(module.removesuffix("_search"))
    method = getattr(__import__(f"matgym.agents.optimizers.{module}", fromlist=[kind]), kind)
    first = problem_of(name)
    designs = first.space.sample(16, np.random.default_rng(5))
    problem = problem_of(name, known=Known(designs, scores_of(first, designs)))
    optimizer = method(problem, 8, np.random.default_rng(0))
    if kind == "TPE":
        assert [trial.value for trial in optimizer._study.trials] == problem.known.scores.reward.tolist()
    elif kind == "Nevergrad":
        assert optimizer._optimizer.num_tell == 16
    else:
        np.testing.assert_allclose(optimizer._designs(optimizer._points), designs)
    assert problem.space.valid(optimizer.ask()).all()


def test_wrong_known_designs_are_errors():
    problem = problem_of("isotope-rings")
    designs = problem.space.sample(3, np.random.default_rng(0))
    scores = scores_of(problem, designs)
    with pytest.raises(ConfigurationError, match="2 known designs have 3 scores"):
        Known(designs[:2], scores)
    with pytest.raises(ConfigurationError, match=r"known design 0, .* is no design of the space"):
        problem_of("isotope-rings", known=Known(designs + 2, scores))


# ---- the best designs that differ


def brute_force(designs, rewards, count, space, distance):
    """Return the first, in order of reward, of which no two are near: by all pairs, with `features` alone."""
    numbers = space.features(designs)
    near = {
        (i, j): 0.5 * np.abs(numbers[i] - numbers[j]).sum() <= distance for i, j in combinations(range(len(designs)), 2)
    }
    taken = []
    for place in sorted(range(len(designs)), key=lambda k: (-rewards[k], k)):
        if len(taken) < count and not any(near[min(place, other), max(place, other)] for other in taken):
            taken.append(place)
    return taken


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0, 8.0, 100.0])
@pytest.mark.parametrize("kind", ["doped", "rings"])
def test_the_best_designs_that_differ_are_those_of_brute_force(kind, distance):
    lattice = tube_lattice(5, 5, 1)
    doped = Decorations(lattice, lattice_edits(lattice, {"B": 2, "N": 1}))
    space = doped if kind == "doped" else RingSpace.of(8, 8, "14C")
    rng = np.random.default_rng(2)
    designs = space.sample(80, rng)
    rewards = np.round(rng.random(80), 1)  # many are equal
    found = best(designs, rewards, 6, space, distance=distance)
    assert found.tolist() == brute_force(designs, rewards, 6, space, distance)


def test_symmetric_copies_are_one_design():
    lattice = tube_lattice(8, 0, 2)
    space = Decorations(lattice, lattice_edits(lattice, {"B": 2, "N": 2}))
    design = space.sample(1, np.random.default_rng(0))
    copies = design[0][space._operations]
    assert (distances(space, design, copies) == 0.0).all()
    assert best(copies, np.arange(len(copies)), 5, space).tolist() == [len(copies) - 1]


def test_one_atom_that_moves_changes_its_pairs():
    """Of three B, one that moves takes part in two pairs: at most two pairs differ."""
    lattice = tube_lattice(8, 0, 2)
    space = Decorations(lattice, lattice_edits(lattice, {"B": 3}))
    design = space.sample(1, np.random.default_rng(0))
    others = space.mutate(np.repeat(design, 50, axis=0), np.random.default_rng(1))
    apart = distances(space, design, others)
    assert apart.max() <= 2.0
    assert set(apart.tolist()) <= {0.0, 1.0, 2.0}


@pytest.mark.parametrize("wrong", [{"count": 0}, {"distance": -1.0}, {"rewards": np.zeros(3)}])
def test_wrong_arguments_of_the_best_designs_are_errors(wrong):
    space = Choices((2, 2))
    with pytest.raises(ConfigurationError):
        best(**{"designs": space.sample(2, np.random.default_rng(0)), "rewards": np.zeros(2), "count": 1,
                "space": space} | wrong)  # fmt: skip


# ---- one search


def test_a_search_returns_different_designs_and_counts_its_evaluations():
    task = instance("doping-easy").task()
    found = search(task, SimulatedAnnealing, evaluations=80, seed=1, k=4, distance=2.0)
    assert task.ledger.counts.total() == len(found.evaluated) == len(found.rewards) == 80
    assert found.scores.reward[0] == found.rewards.max()
    assert (np.diff(found.scores.reward) <= 0.0).all()
    for row in range(3):
        assert (distances(task.space, found.designs[[row]], found.designs[row + 1 :]) > 2.0).all()
    np.testing.assert_allclose(found.verify().value, found.scores.value)  # the table is the oracle
    assert len(found.describe()) == 4
    assert str(found).splitlines()[0] == f"{found.rewards.max():.3f}  {found.describe()[0]}"
    again = search(instance("doping-easy").task(), SimulatedAnnealing, evaluations=80, seed=1, k=4, distance=2.0)
    np.testing.assert_array_equal(again.evaluated, found.evaluated)


def test_a_search_returns_no_design_that_violates_the_constraint():
    task = instance("thermoelectric-easy").task()
    found = search(task, RandomSearch, evaluations=60, seed=0, k=20)
    assert (found.scores.cost == 0.0).all()
    assert (found.scores.bounded["power_factor_pw_k2"] >= 0.6).all()


def test_a_search_needs_a_target_for_each_goal():
    with pytest.raises(ConfigurationError, match="holds 0 values, and the task has 3 targets"):
        search(instance("chirality").task(), RandomSearch)
    with pytest.raises(ConfigurationError, match="it finds an extreme"):
        search(instance("doping-easy").task(), RandomSearch, target=0.3)
