"""Opponents from the field: on every kind of space, with the seed alone, and without paying for a design twice."""

import sys

import numpy as np
import pytest

from matgym.agents import Problem, check_optimizer
from matgym.agents.optimizers.botorch_search import MOST_MODELLED
from matgym.agents.optimizers.memory import Memory
from matgym.agents.optimizers.tree_search import Choose, Node, Place, TreeSearch, _bound
from matgym.benchmark.methods import NamedMethod, optimizer_class
from matgym.benchmark.planning import applies
from matgym.benchmark.search import search
from matgym.errors import ConfigurationError, MissingExtraError
from matgym.models import Level, Predictions, Property
from matgym.structures import tube_lattice
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective, Scores, decoration_task
from matgym.tasks.instances import instance

PACKAGES = {"pymoo-ga": "pymoo", "nevergrad": "nevergrad", "botorch-mixed": "botorch"}
METHODS = [*PACKAGES, "mcts"]
FEW = 20  # evaluations of a Gaussian process, four of which it proposes
INSTANCES = ["isotope-rings", "chirality", "growth-recipe", "doping-easy"]


def applied(method, name="isotope-rings"):
    """Skip a test whose package is missing, or whose designs are numbers."""
    if method in PACKAGES:
        pytest.importorskip(PACKAGES[method])
    elif name == "growth-recipe":
        pytest.skip("its designs are numbers")


def made(method, name, budget=64, seed=0, **settings):
    one = instance(name)
    problem = Problem(one.task(), np.array(one.target))
    return optimizer_class(method)(problem, budget, np.random.default_rng(seed), **settings)


def asked(method, name, budget, seed=0, **settings):
    """Return the designs that a search asks, with rewards by the task."""
    optimizer, one = made(method, name, budget, seed, **settings), instance(name)
    task, designs = one.task(), []
    while sum(map(len, designs)) < budget:
        designs.append(optimizer.ask())
        optimizer.tell(designs[-1], task.score(designs[-1], one.targets(len(designs[-1]))))
    return task.space, np.concatenate(designs)


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("method", METHODS)
def test_opponents_pass_the_conformance_kit(method, name):
    applied(method, name)
    one, budget = instance(name), FEW if method == "botorch-mixed" else 28
    check_optimizer(optimizer_class(method), Problem(one.task(), np.array(one.target)), budget=budget)


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("method", METHODS)
def test_no_design_is_asked_twice(method, name):
    applied(method, name)
    budget = FEW if method == "botorch-mixed" else 96
    space, designs = asked(method, name, budget)
    assert space.valid(designs).all()
    assert len(set(Memory(space).keys(designs))) == len(designs)


@pytest.mark.parametrize("name", ["isotope-rings", "growth-recipe"])
@pytest.mark.parametrize("method", METHODS)
def test_designs_depend_on_the_generator_alone_and_leave_those_of_libraries_untouched(method, name):
    applied(method, name)
    torch = pytest.importorskip("torch")
    found = []
    for others in (1, 2):
        np.random.seed(others)  # noqa: NPY002
        torch.manual_seed(others)
        before = np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
        found.append(asked(method, name, FEW)[1])
        after = np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
        assert before[0][2] == after[0][2]
        np.testing.assert_array_equal(before[0][1], after[0][1])
        assert torch.equal(before[1], after[1])
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0], asked(method, name, FEW, seed=1)[1])


@pytest.mark.parametrize("method", METHODS)
def test_a_space_that_is_used_up_is_searched_on(method):
    """Two B on (3,3)x1 have few places up to symmetry: designs repeat, and the search does not hang."""
    applied(method)
    task = decoration_task(lattice=tube_lattice(3, 3, 1), budget={"B": 2}, model=count_of_b, low=0.0, high=4.0)
    assert search(method, task, np.array([1.0]), 24, 0).progress.shape == (24, 1)


def count_of_b(tubes):
    return np.array([float((tube.species == 3).sum()) for tube in tubes])


@pytest.mark.parametrize("method", PACKAGES)
def test_a_missing_package_names_the_extra(method, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGES[method]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, PACKAGES[method], None)
    with pytest.raises(MissingExtraError, match=r"pip install 'matgym\[opponents\]'"):
        made(method, "isotope-rings")


# ---- settings


def test_settings_of_opponents():
    pytest.importorskip("pymoo")
    assert len(made("pymoo-ga", "isotope-rings", population=7).ask()) == 7
    with pytest.raises(ConfigurationError, match="population=0"):
        made("pymoo-ga", "isotope-rings", population=0)


@pytest.mark.parametrize("optimizer", ["TwoPointsDE", "CMA", "DoubleFastGADiscreteOnePlusOne"])
def test_nevergrad_takes_an_optimizer_by_name(optimizer):
    pytest.importorskip("nevergrad")
    space, designs = asked("nevergrad", "chirality", 24, optimizer=optimizer)
    assert space.valid(designs).all()


def test_nevergrad_names_a_close_optimizer_and_leaves_out_those_in_threads():
    pytest.importorskip("nevergrad")
    with pytest.raises(ConfigurationError, match="did you mean 'TwoPointsDE'"):
        made("nevergrad", "growth-recipe", optimizer="TwoPointDE")
    with pytest.raises(ConfigurationError, match="a thread of its own"):
        made("nevergrad", "growth-recipe", optimizer="Cobyla")


def test_the_process_of_botorch_is_of_the_best_designs_and_of_random_ones():
    pytest.importorskip("botorch")
    optimizer = made("botorch-mixed", "growth-recipe", 2048)
    optimizer._rewards = np.random.default_rng(1).permutation(2000) / 2000.0
    part = optimizer._modelled()
    assert len(np.unique(part)) == len(part) == MOST_MODELLED
    assert np.isin(np.argsort(-optimizer._rewards)[: MOST_MODELLED // 2], part).all()


# ---- tree search


def test_tree_search_of_numbers_is_an_error():
    with pytest.raises(ConfigurationError, match="the designs of this task are numbers"):
        made("mcts", "growth-recipe")
    assert not applies(NamedMethod(name="mcts"), "growth-recipe")
    assert applies(NamedMethod(name="mcts"), "isotope-rings")


def words(counts, worth):
    """Return the task of choosing a word of large worth."""

    class Words(Choices):
        def decode(self, designs):
            return designs

    prop = Property("worth", "1", "")
    model = FunctionModel(worth, "worth", level=Level.CALCULATOR)
    return DesignTask(Words(counts), (Objective(prop, model, "maximize", 0.0, 1.0, oracle=model),))


@pytest.mark.parametrize("seed", range(4))
def test_tree_search_asks_every_design_of_a_small_space_once(seed):
    task = words((3, 2, 4), lambda rows: rows.sum(axis=1) / 6.0)
    optimizer = TreeSearch(Problem(task, np.zeros(0)), 24, np.random.default_rng(seed))
    designs = []
    for _ in range(24):
        designs.append(optimizer.ask())
        optimizer.tell(designs[-1], task.score(designs[-1], np.zeros((1, 0))))
    assert len(np.unique(np.concatenate(designs), axis=0)) == 24


def test_tree_search_goes_where_the_best_rewards_are():
    """Of 4,096 words, those are good that begin well: four times the share of random search lies there."""
    task = words((4,) * 6, lambda rows: 0.8 * (rows[:, 0] == 3) + 0.2 * (rows[:, 1] == 3))
    optimizer = TreeSearch(Problem(task, np.zeros(0)), 200, np.random.default_rng(0))
    first = 0
    for _ in range(200):
        design = optimizer.ask()
        first += int(design[0, 0] == 3)
        optimizer.tell(design, task.score(design, np.zeros((1, 0))))
    assert first > 100


def test_the_bound_is_the_best_reward_and_a_share_of_the_range():
    parent = Node(np.zeros((1, 1)), 0, visits=16, best=0.9, worst=0.1)
    child = Node(np.zeros((1, 1)), 1, visits=4, best=0.6, worst=0.2)
    assert _bound(child, parent) == pytest.approx(0.6 + 0.8 * 2**0.5 / 4 * (2 * np.log(16) / 4) ** 0.5)


def test_rewards_pass_to_every_node_of_the_path():
    optimizer = made("mcts", "isotope-rings")
    for reward in (0.2, 0.9, 0.4):
        optimizer.tell(optimizer.ask(), Scores(*[np.array([reward])] * 2, Predictions({}), np.array([reward])))
    root = optimizer._root
    assert (root.visits, root.best, root.worst) == (3, 0.9, 0.2)
    assert sum(child.visits for child in root.children) == 3


def test_edits_in_another_order_and_symmetric_copies_share_a_node():
    space = instance("doping-easy").task().space
    steps = Place(space)
    first = [steps.after(steps.start, 0, int(move)) for move in steps.moves(steps.start, 0)]
    assert len({steps.key(design) for design in first}) == 1
    orders = [steps.after(steps.after(steps.start, 0, a), 1, b) for a, b in ((3, 8), (8, 3))]
    assert steps.key(orders[0]) == steps.key(orders[1])
    assert steps.length == 4


@pytest.mark.parametrize("name", ["doping-easy", "thermoelectric-easy"])
def test_steps_of_tubes_end_at_valid_designs(name):
    space, rng = instance(name).task().space, np.random.default_rng(0)
    steps = Place(space)
    for _ in range(20):
        design = steps.start
        for step in range(steps.length):
            moves = steps.moves(design, step)
            if not len(moves):
                break
            design = steps.after(design, step, int(rng.choice(moves)))
        else:
            assert space.valid(design).all()


def test_steps_of_choices_are_those_that_are_allowed():
    space = instance("chirality").task().space
    steps = Choose(space)
    design = steps.after(steps.start, 0, int(steps.moves(steps.start, 0)[-1]))
    np.testing.assert_array_equal(steps.moves(design, 1), np.flatnonzero(space.allowed(design, 1)[0]))
