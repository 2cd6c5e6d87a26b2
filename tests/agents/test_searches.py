"""Heuristic searches and the pair model: no design is paid for twice, and models are right where they must be."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from matgym.agents import Problem, check_optimizer
from matgym.agents.optimizers.memory import Memory
from matgym.agents.optimizers.pair_model import START, PairModel, _above
from matgym.benchmark.methods import OPTIMIZERS, optimizer_class
from matgym.benchmark.search import search
from matgym.models import Predictions, Property
from matgym.structures import tube_lattice
from matgym.surrogates import FunctionModel
from matgym.tasks import (
    ChiralitySpace,
    Choices,
    Constraint,
    Decorations,
    DesignTask,
    Objective,
    RingSpace,
    Scores,
    decoration_task,
)
from matgym.tasks.decoration import lattice_edits
from matgym.tasks.instances import instance

REMEMBERING = ("hill-climbing", "annealing", "tempering", "genetic", "pair-model")
INTEGRAL = 1e-7  # relative tolerance of the closed form of an expected improvement against quadrature
ROUNDING = 1e-9  # eV, of a fitted energy that is linear in the features
LEARNED = 0.65  # area under the curve of a classifier: six standard deviations (500 designs) above 0.5, chance


def made(method, name, budget=64, seed=0):
    one = instance(name)
    problem = Problem(one.task(), np.array(one.target))
    return optimizer_class(method)(problem, budget, np.random.default_rng(seed))


def asked(method, name, budget):
    """Return the designs that a search asks, with rewards by the task."""
    optimizer, one = made(method, name, budget), instance(name)
    task, designs = one.task(), []
    while sum(map(len, designs)) < budget:
        designs.append(optimizer.ask())
        optimizer.tell(designs[-1], task.score(designs[-1], one.targets(len(designs[-1]))))
    return task.space, np.concatenate(designs)


@pytest.mark.parametrize("name", ["doping-easy", "isotope-rings", "chirality"])
@pytest.mark.parametrize("method", REMEMBERING)
def test_no_design_is_asked_twice(method, name):
    space, designs = asked(method, name, 64)
    assert len(np.unique(space.key(designs))) == len(designs)


@pytest.mark.parametrize("name", ["isotope-rings", "chirality", "growth-recipe", "doping-easy"])
@pytest.mark.parametrize("method", [*REMEMBERING, "random"])
def test_searches_pass_the_conformance_kit(method, name):
    one = instance(name)
    check_optimizer(optimizer_class(method), Problem(one.task(), np.array(one.target)), budget=24)


def test_a_small_space_that_is_used_up_is_searched_on():
    """One B on an armchair tube is one design up to symmetry: it repeats, and the search does not hang."""
    task = decoration_task(lattice=tube_lattice(4, 4, 1), budget={"B": 1}, model=count_of_b, low=0.0, high=2.0)
    found = search("hill-climbing", task, np.array([1.0]), 40, 0)
    assert found.progress.shape == (40, 1)


def count_of_b(tubes):
    return np.array([float((tube.species == 3).sum()) for tube in tubes])


def test_the_genetic_algorithm_finds_values_that_no_parent_has():
    """Recombination alone never leaves the values of the population."""
    optimizer = made("genetic", "chirality")
    first = optimizer.ask()
    optimizer.tell(first, scores_of(np.linspace(0.0, 1.0, len(first))))
    have = [set(column) for column in first.T]
    children = np.concatenate([optimizer._child() for _ in range(200)])
    assert any(not set(column) <= values for column, values in zip(children.T, have, strict=True))


def scores_of(reward):
    return Scores(reward, 1.0 - reward, Predictions({"x": reward}), reward)


def test_a_memory_knows_symmetric_copies():
    space = Decorations(tube_lattice(5, 5, 2), lattice_edits(tube_lattice(5, 5, 2), {"B": 2, "N": 1}))
    rng = np.random.default_rng(0)
    designs = space.sample(4, rng)
    memory = Memory(space)
    memory.add(designs, np.arange(4.0))
    copies = designs[:, space._operations[7]]
    assert memory.known(copies).all()
    assert [memory.reward(copy[None]) for copy in copies] == [0.0, 1.0, 2.0, 3.0]
    assert not memory.known(space.sample(8, rng)).all()


# ---- features


SPACES = {
    "dopants": lambda: decorations((6, 3, 1), {"B": 3, "N": 3}),
    "between leads": lambda: decorations((6, 0, 2), {"B": 2, "N": 2}, between_leads=True),
    "turned bonds": lambda: decorations((8, 0, 3), {"SW": 1, "14C": 3}, between_leads=True),
    "rings": lambda: RingSpace.of(8, 10, "14C"),
}


def decorations(tube, budget, **how):
    lattice = tube_lattice(*tube)
    return Decorations(lattice, lattice_edits(lattice, budget), **how)


@pytest.mark.parametrize("name", ["dopants", "between leads", "turned bonds"])
def test_features_are_those_of_symmetric_copies(name):
    space = SPACES[name]()
    designs = space.sample(20, np.random.default_rng(1))
    for operation in space._operations[:: max(1, len(space._operations) // 10)]:
        np.testing.assert_array_equal(space.features(designs[:, operation]), space.features(designs))


def test_features_of_rings_turned_round_are_the_same():
    space = SPACES["rings"]()
    designs = space.sample(20, np.random.default_rng(1))
    np.testing.assert_array_equal(space.features(designs[:, ::-1]), space.features(designs))


@pytest.mark.parametrize("tube", [(6, 3, 1), (5, 5, 3), (9, 0, 2)])
def test_any_pair_potential_of_distance_is_linear_in_the_features(tube):
    """Distances by the coordinates in space, periodic along the axis: nothing of the orbits goes into them."""
    space = decorations(tube, {"B": 3, "N": 4})
    (first,) = space.decode(space.sample(1, np.random.default_rng(0)))
    apart = first.positions_angstrom[:, None] - first.positions_angstrom[None]
    apart[..., 2] -= first.length_angstrom * np.round(apart[..., 2] / first.length_angstrom)
    distance = np.linalg.norm(apart, axis=2)
    designs = space.sample(400, np.random.default_rng(2))
    charge = np.where(designs == 3, 1.0, np.where(designs == 4, -0.7, 0.0))
    np.fill_diagonal(distance, np.inf)
    energy = 0.5 * np.einsum("bi,ij,bj->b", charge, np.exp(-distance / 3.0) / distance, charge)
    features = space.features(designs)
    fitted = np.linalg.lstsq(features[:300], energy[:300], rcond=None)[0]
    seen = np.linalg.matrix_rank(features[:300]) == np.linalg.matrix_rank(features)
    assert seen
    np.testing.assert_allclose(features[300:] @ fitted, energy[300:], atol=ROUNDING)


def test_counts_add_up_to_the_pairs_of_the_budget():
    space = SPACES["dopants"]()
    features = space.features(space.sample(50, np.random.default_rng(3)))
    assert (features.sum(axis=1) == 6 + 6 * 5 / 2).all()


def test_features_of_chiralities_are_those_of_the_tubes():
    space = ChiralitySpace.within()
    designs = space.sample(30, np.random.default_rng(4))
    for row, tube in zip(space.features(designs), space.decode(designs), strict=True):
        lattice = tube.lattice
        assert row[0] == pytest.approx(lattice.diameter_nm)
        assert row[5] == pytest.approx(tube_lattice(lattice.n, lattice.m, lattice.cells).length_angstrom / 10.0)
        assert row[2:5].argmax() == (lattice.n - lattice.m) % 3
        assert row[6] == pytest.approx(100.0 * tube.strain)


def test_features_of_choices_are_columns_of_values():
    designs = np.array([[0, 2], [1, 0]])
    np.testing.assert_array_equal(Choices((2, 3)).features(designs), [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]])
    np.testing.assert_allclose(Choices((2, 3), ordered=True).features(designs), [[0, 1], [1, 0]])


# ---- the pair model


@pytest.mark.parametrize(("mean", "sd", "bound"), [(0.3, 0.2, 0.5), (-1.0, 0.5, 0.1), (2.0, 0.1, 1.0)])
def test_the_expectation_above_a_bound_is_the_integral(mean, sd, bound):
    integral = quad(lambda x: (x - bound) * norm.pdf(x, mean, sd), bound, bound + 20.0, epsabs=1e-13, points=[mean])[0]
    assert _above(np.array([mean]), np.array([sd]), bound)[0] == pytest.approx(integral, rel=INTEGRAL, abs=1e-12)


@pytest.mark.parametrize(("mean", "sd"), [(0.25, 0.05), (0.6, 0.2), (0.31, 0.001)])
def test_the_expected_improvement_towards_a_target_is_the_integral(mean, sd):
    task = decoration_task(lattice=tube_lattice(4, 4, 1), budget={"B": 1}, model=count_of_b, low=0.0, high=2.0)
    target, best = 0.3, 0.2  # the best so far misses the target by 0.2
    margin = task.objective.margin
    optimizer = PairModel(Problem(task, np.array([target])), 64, np.random.default_rng(0))
    found = optimizer._of_one(np.array([mean]), np.array([sd]), -best / margin)[0]
    integral = quad(
        lambda x: max(best - abs(x - target), 0.0) * norm.pdf(x, mean, sd), target - best, target + best,
        epsabs=1e-13, points=[target, mean],
    )[0]  # fmt: skip
    assert found == pytest.approx(integral, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_pair_model_finds_the_proven_optimum_of_1052_designs_in_64(seed):
    one = instance("isotope-sites")
    found = search("pair-model", one.task(), one.targets(1), 64, seed)
    assert found.progress[-1, 0] <= one.optimum.loss + one.optimum.tolerance


def test_batches_of_the_pair_model_hold_different_designs():
    one = instance("doping-easy")
    task = one.task()
    optimizer = PairModel(Problem(task, np.array(one.target)), 64, np.random.default_rng(0), batch=8)
    for _ in range(4):
        designs = optimizer.ask()
        optimizer.tell(designs, task.score(designs, one.targets(len(designs))))
    batch = optimizer.ask()
    assert 1 < len(batch) <= 8
    assert len(np.unique(task.space.key(batch))) == len(batch)


def test_failures_are_taken_as_the_worst_value():
    optimizer = made("pair-model", "doping-easy")
    designs = optimizer.ask()
    assert len(designs) == START
    values = np.linspace(0.1, 0.5, START)
    values[3] = np.nan
    reward = np.nan_to_num(values)
    optimizer.tell(designs, Scores(reward, -values, Predictions({"gap_ev": values}), values))
    assert optimizer._without_failures(values)[3] == 0.1
    assert optimizer.space.valid(optimizer.ask()).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_pair_model_learns_where_a_constraint_is_met(seed):
    """14C atoms are to be close to each other, and none may be bonded to another one."""
    lattice = tube_lattice(5, 5, 3)

    def closeness(tubes):
        found = []
        for tube in tubes:
            places = tube.positions_angstrom[tube.species == 2]
            apart = places[:, None] - places
            apart[..., 2] -= tube.length_angstrom * np.round(apart[..., 2] / tube.length_angstrom)
            found.append(np.exp(-np.linalg.norm(apart, axis=2) / 3.0).sum())
        return np.array(found)

    def bonds(tubes):
        return np.array([(tube.species[lattice.bonds[:, :2]] == 2).all(axis=1).sum() for tube in tubes], dtype=float)

    def property_of(name, function):
        return Property(name, "1"), FunctionModel(function, Property(name, "1"))

    objective = Objective(*property_of("closeness", closeness), "maximize")
    constraint = Constraint(*property_of("freedom", lambda tubes: 1.0 - bonds(tubes)), least=1.0)
    space = Decorations(lattice, lattice_edits(lattice, {"14C": 6}))
    problem = Problem(DesignTask(space, (objective,), constraint), np.zeros(0))

    def searched(blind):
        optimizer, designs = PairModel(problem, 48, np.random.default_rng(seed)), []
        if blind:  # the control: the objective alone leads to bonded atoms
            optimizer._likely = lambda x: np.ones(len(x))
        while sum(map(len, designs)) < 48:
            designs.append(optimizer.ask())
            optimizer.tell(designs[-1], problem.task.score(designs[-1], np.zeros((len(designs[-1]), 0))))
        return optimizer, space.decode(np.concatenate(designs)[START:])

    optimizer, asked = searched(blind=False)
    _, control = searched(blind=True)
    kept, kept_blindly = (float((bonds(each) == 0.0).mean()) for each in (asked, control))
    assert kept > kept_blindly
    fresh = space.sample(500, np.random.default_rng(99))
    meet = bonds(space.decode(fresh)) == 0.0
    assert closeness(asked)[bonds(asked) == 0.0].max() > closeness(space.decode(fresh))[meet].max()
    optimizer._fit()
    assert roc_auc_score(meet, optimizer._likely(optimizer._scaled(space.features(fresh)))) > LEARNED


def test_every_method_of_the_table_is_a_class():
    for name in OPTIMIZERS:
        assert optimizer_class(name)
