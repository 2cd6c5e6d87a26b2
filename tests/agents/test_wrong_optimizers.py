"""Optimizers and agents of users that return nonsense: one error that names them, in searches and in the check."""

from types import SimpleNamespace

import numpy as np
import pytest

from matgym.agents import Optimizer, Problem, check_optimizer
from matgym.agents.policy import Policy
from matgym.benchmark import NamedMethod, search
from matgym.errors import ConfigurationError, ModelError
from matgym.structures import tube_lattice
from matgym.tasks import Decorations, chirality_task, decoration_task
from matgym.tasks.instances import instance

WORDS = ("decorations", "choices", "numbers")
"""Kinds of spaces: sites, choices, numbers."""


def problem(kind):
    if kind == "decorations":
        tube = {"lattice": tube_lattice(11, 0, 1), "budget": {"B": 2, "N": 2}}
        return Problem(decoration_task(**tube, model="solved:doping-easy", low=0.1, high=0.5), np.array([0.3]))
    made = instance("isotope-rings" if kind == "choices" else "growth-recipe")
    return Problem(made.task(), np.array(made.target))


class Asking(Optimizer):
    """An optimizer that changes valid designs into nonsense."""

    def ask(self):
        return self.wrong(self.space.sample(3, self.rng))

    def tell(self, designs, scores):
        pass


def raising(_designs):
    raise KeyError("design")


NONSENSE = {
    "None": (lambda _designs: None, "gave None"),
    "a number": (lambda _designs: 5, "gave 5"),
    "a text": (lambda _designs: "design", "gave 'design'"),
    "a list": (lambda designs: designs.tolist(), r"gave \[\["),
    "one row": (lambda designs: designs[0], r"of shape \(\d+,\)"),
    "three axes": (lambda designs: designs[None], r"of shape \(1, 3, \d+\)"),
    "no rows": (lambda designs: designs[:0], r"of shape \(0, \d+\)"),
    "narrow rows": (lambda designs: designs[:, 1:], r"of shape \(3, \d+\)"),
    "words": (lambda designs: designs.astype(str), "of type <U"),
    "objects": (lambda designs: designs.astype(object), "of type object"),
    "complex numbers": (lambda designs: designs + 1j, "of type complex128"),
    "NaN": (lambda designs: np.full(designs.shape, np.nan), "gave nan"),
    "infinity": (lambda designs: np.full(designs.shape, np.inf), "gave inf"),
    "an error": (raising, r"ask\(\) raised KeyError: 'design'"),
}


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_that_an_optimizer_asks_raises_one_error_that_names_it(kind, nonsense):
    wrong, match = NONSENSE[nonsense]
    posed, made = problem(kind), type("Mine", (Asking,), {"wrong": staticmethod(wrong)})
    with pytest.raises(ModelError, match=f"Mine: .*{match}"):
        search(made, posed.task, posed.targets(2), 4, 0)
    with pytest.raises(AssertionError, match=f"Mine: .*{match}"):
        check_optimizer(made, posed)


@pytest.mark.parametrize("wrong", [lambda designs: designs + 0.5, lambda designs: designs + 300.0])
def test_numbers_that_the_space_cannot_hold_are_nonsense_and_whole_floats_are_not(wrong):
    posed = problem("decorations")
    with pytest.raises(ModelError, match="which is no uint8 of a design"):
        search(type("Mine", (Asking,), {"wrong": staticmethod(wrong)}), posed.task, np.ones(1), 4, 0)
    whole = search(
        type("Mine", (Asking,), {"wrong": staticmethod(lambda x: x.astype(float))}), posed.task, np.ones(1), 4, 0
    )
    plain = search(type("Mine", (Asking,), {"wrong": staticmethod(lambda x: x)}), posed.task, np.ones(1), 4, 0)
    assert whole.designs.dtype == np.uint8
    np.testing.assert_array_equal(whole.progress, plain.progress)


def test_errors_of_constructors_of_tell_and_of_factories_name_the_optimizer():
    class Deaf(Asking):
        wrong = staticmethod(lambda designs: designs)

        def tell(self, *_scored):
            raise IndexError("no memory")

    class Unmade(Deaf):
        def __init__(self, *_problem):
            raise RuntimeError("not today")

    class Half(Optimizer):
        def ask(self):
            return self.space.sample(1, self.rng)

    posed = problem("choices")
    for made, match in (
        (Deaf, r"Deaf: tell\(\) raised IndexError: no memory"),
        (Unmade, "Unmade: its constructor raised RuntimeError: not today"),
        (Half, "Half: its constructor raised TypeError: .*abstract"),
    ):
        with pytest.raises(ModelError, match=match):
            search(made, posed.task, posed.targets(1), 4, 0)
        with pytest.raises(AssertionError, match=match):
            check_optimizer(made, posed)
    with pytest.raises(AssertionError, match=r"must make a matgym\.agents\.Optimizer"):
        check_optimizer(lambda *_: 5, posed)
    with pytest.raises(ConfigurationError, match="budget=0 must be 1 or more"):
        check_optimizer(Half, posed, budget=0)
    method = NamedMethod(name="quick", optimizer="random", settings={"steps": 3})
    with pytest.raises(ModelError, match=r"quick: its constructor raised TypeError: .*'steps'"):
        search(method, posed.task, posed.targets(1), 4, 0)


@pytest.mark.parametrize("kind", WORDS)
def test_the_models_are_not_given_rows_that_are_no_designs(kind):
    """Such rows count as evaluations, have no value, and their optimizer is told why."""
    posed, told = problem(kind), []

    class Outside(Asking):
        def wrong(self, designs):
            designs[1:] = 77
            return designs

        def tell(self, _designs, scores):
            told.append(scores)

    spent = sum(posed.task.ledger.counts.values())
    found = search(Outside, posed.task, posed.targets(1), 6, 0)
    each = 30 if kind == "numbers" else 1  # a recipe of thirty minutes
    assert sum(posed.task.ledger.counts.values()) - spent == 6 * each
    assert np.isfinite(found.progress).all()
    assert posed.space.valid(found.designs).all()
    (scores,) = told
    assert (scores.reward[1:] == 0.0).all()
    assert np.isnan(scores.value).tolist() == np.isnan(scores.loss).tolist() == [False, True, True]
    assert scores.predictions.reasons[2] == "it is not a design of the space"
    assert not posed.task.ledger.failures  # no model failed


def fixed(action):
    return Policy(SimpleNamespace(predict=lambda *_args, **_options: (action, None)), "mine", masked=False)


@pytest.mark.parametrize(
    ("action", "match"),
    [
        (np.array([10**6, 0]), "gave the action 1000000, which is not in Discrete"),
        (np.array([-1, 0]), "gave the action -1"),
        (np.array([0.5, 0.5]), "of shape .* and type float64"),
        (np.array([0]), r"must return whole numbers of shape \(2,\)"),
        (None, "type object"),
    ],
)
def test_nonsense_of_a_users_agent_raises_an_error_that_names_it(action, match):
    with pytest.raises(ModelError, match=f"the agent mine .*{match}"):
        search(fixed(action), chirality_task(), chirality_task().draw_targets([np.random.default_rng(0)] * 2), 2, 0)


def test_an_agent_of_another_task_raises_an_error_that_names_it():
    def predict(*_args, **_options):
        raise ValueError("Unexpected observation shape")

    agent = Policy(SimpleNamespace(predict=predict), "mine", masked=False)
    with pytest.raises(ModelError, match=r"the agent mine raised ValueError: Unexpected .* trained on this kind"):
        search(agent, chirality_task(), chirality_task().draw_targets([np.random.default_rng(0)]), 2, 0)
    numbers = problem("numbers").task
    with pytest.raises(ModelError, match="gave the action nan"):
        search(fixed(np.full((1, numbers.space.width), np.nan)), numbers, np.zeros((1, 0)), 1, 0)


# ---- evaluations that are not counted


class Peeking(Asking):
    """An optimizer that scores a thousand designs by itself and asks for the best one."""

    def ask(self):
        many = self.space.sample(1000, self.rng)
        return many[[int(self.losses(many).argmin())]]


def by_score(self, designs):
    return self.problem.task.score(designs, self.problem.targets(len(designs))).loss


def by_verify(self, designs):
    return self.problem.task.verify(designs, self.problem.targets(len(designs))).loss


def by_model(self, designs):
    return self.problem.task.objective.model.predict(self.space.decode(designs))["gap_ev"]


def by_oracle(self, designs):
    return self.problem.task.objectives[0].oracle.predict(self.space.decode(designs))["gap_ev"]


def by_another_level(self, designs):
    return by_verify(SimpleNamespace(problem=Problem(self.problem.task.verified_by("pi"), np.zeros(1))), designs)


@pytest.mark.parametrize("losses", [by_score, by_verify, by_model, by_oracle, by_another_level])
@pytest.mark.parametrize("kind", WORDS)
def test_an_optimizer_cannot_score_designs_by_itself(kind, losses):
    posed, made = problem(kind), type("Mine", (Peeking,), {"losses": losses})
    with pytest.raises(ModelError, match=r"Mine evaluates designs by itself, .* return them by ask\(\)"):
        search(made, posed.task, posed.targets(2), 4, 0)
    with pytest.raises(AssertionError, match="Mine evaluates designs by itself"):
        check_optimizer(made, posed)
    assert not posed.task.ledger.counts


@pytest.mark.parametrize("where", ["__init__", "ask", "tell"])
def test_evaluations_of_the_task_by_another_reference_are_an_error(where):
    """The ledger has counted them; a model that the optimizer makes anew is beyond what can be detected."""
    posed = problem("choices")

    class Mine(Asking):
        wrong = staticmethod(lambda designs: designs)

    def peek(self, *arguments):
        posed.task.score(posed.space.sample(700, np.random.default_rng(0)), np.zeros((700, 0)))
        return getattr(super(Mine, self), where)(*arguments)

    setattr(Mine, where, peek)
    with pytest.raises(ModelError, match="Mine made 700 evaluations of the task beyond those of its ask"):
        search(Mine, posed.task, posed.targets(1), 8, 0)
    with pytest.raises(AssertionError, match=r"Mine made [0-9,]*00 evaluations of the task beyond those"):
        check_optimizer(Mine, posed)


@pytest.mark.parametrize("kind", WORDS)
def test_an_optimizer_sees_everything_else_of_its_task(kind):
    posed, found = problem(kind), []

    class Mine(Asking):
        def wrong(self, designs):
            found.append(self.problem.task)
            return designs

    search(Mine, posed.task, posed.targets(1), 4, 0)
    space = posed.task.space
    if isinstance(space, Decorations):  # whose unit cube each search turns
        seen = found[0].space
        assert (seen.lattice, seen.edits, seen.between_leads) == (space.lattice, space.edits, space.between_leads)
    else:
        assert found[0].space == space
    for name in ("value_name", "unit", "suffix", "component_names", "target_names", "is_uncertain"):
        assert getattr(found[0], name) == getattr(posed.task, name)
    np.testing.assert_array_equal(found[0].target_ranges, posed.task.target_ranges)
    assert [each.model.name for each in found[0].objectives] == [each.model.name for each in posed.task.objectives]
    assert posed.task.ledger.counts.total() == 4 * (30 if kind == "numbers" else 1)
    assert not found[0].ledger.counts
