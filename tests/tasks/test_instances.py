"""Instances by name, and the tables that solve some of them."""

import gc
import json
import weakref
from pathlib import Path

import gymnasium as gym
import numpy as np
import pyarrow.parquet as pq
import pytest

from matgym.errors import ConfigurationError, DatasetError
from matgym.physics.cache import PHYSICS_VERSION
from matgym.processes.growth.furnace import STANDARD
from matgym.structures import tube_lattice
from matgym.tasks import ChiralitySpace, Decorations, RingSpace, chirality_task, decoration_task, rings_task
from matgym.tasks.instances import INSTANCES, Optimum, instance
from matgym.tasks.solved import Solved, optima_folder, solved

SOLVED = [name for name, one in INSTANCES.items() if one.enumerable]
DESIGNS = {  # as Burnside's lemma has them, in test_spaces.py; tubes of one cell; 2^16
    "chirality": 15_708 // 12,
    "doping-easy": 9_523,
    "isotope-rings": 65_536,
    "isotope-sites": 1_052,
    "thermoelectric-easy": 583,
}
SAME = {"thermoelectric-easy": 2e-4}
"""How far an oracle's values may lie from the table's, relatively: another batch, another order of rounding."""


def needs(name):
    if name in SOLVED and not (optima_folder() / f"{name}.parquet").is_file():
        pytest.skip(f"the table of {name} was not made yet")


def told(name):
    needs(name)
    found = INSTANCES[name].optimum
    if found is None:
        pytest.skip(f"nothing is known of the optimum of {name} yet")
    return found


@pytest.mark.parametrize("name", INSTANCES)
def test_random_designs_of_every_instance_score_between_0_and_1(name):
    needs(name)
    one = instance(name)
    task = one.task()
    designs = task.space.sample(8, np.random.default_rng(0))
    scores = task.score(designs, one.targets(8))
    assert scores.reward.shape == scores.loss.shape == scores.value.shape == (8,)
    assert ((scores.reward >= 0.0) & (scores.reward <= 1.0)).all()
    assert np.isfinite(scores.loss).all()
    if name != "growth-schedule":  # whose random schedules are worse than any recipe
        assert np.ptp(scores.reward) > 0.0, "rewards are clipped to one number"
    spent = sum(task.ledger.counts.values())
    assert spent >= 8
    assert one.task().ledger is not task.ledger
    assert isinstance(task.describe(designs[0]), str)
    if len(task.component_names) > 1:
        parts = task.score(designs, one.targets(8), components=True).components
        assert parts.shape == (8, len(task.component_names))
        assert ((parts >= 0.0) & (parts <= 1.0)).all()
        assert np.ptp(parts, axis=0).min() > 0.0, "a component is clipped to one number"


def test_unknown_names_raise_an_error_with_a_suggestion():
    with pytest.raises(ConfigurationError, match="there is no instance 'isotope-ring'; did you mean 'isotope-rings'"):
        instance("isotope-ring")
    with pytest.raises(ConfigurationError, match="there are chirality, doping-easy"):
        instance("xyz")


@pytest.mark.parametrize("name", INSTANCES)
def test_targets_of_instances_have_the_shape_of_the_task(name):
    one = INSTANCES[name]
    needs(name)
    task = one.task()
    assert len(one.target) == len(task.target_names)
    np.testing.assert_array_equal(task.checked_targets(one.targets(3), 3), one.targets(3))


@pytest.mark.parametrize("name", SOLVED)
def test_tables_hold_every_design_and_no_other(name):
    needs(name)
    table, task = solved(name), INSTANCES[name].task()
    assert (np.diff(table.design_keys.astype(object)) > 0).all()
    assert len(table.design_keys) == DESIGNS[name]
    designs = task.space.sample(500, np.random.default_rng(1))
    for values in table.look_up(task.space, designs).values.values():
        assert np.isfinite(values).all()
    if name == "doping-easy":
        wrong = designs.copy()
        wrong[:, np.flatnonzero(wrong[0])[0]] = 0
        assert np.isnan(table.look_up(task.space, wrong)["gap_ev"][0])


def against_the_oracle(name, count):
    one = INSTANCES[name]
    task = one.task()
    designs = task.space.sample(count, np.random.default_rng(3))
    if isinstance(task.space, RingSpace):
        by_oracle = {task.value_name: task.verify(designs, one.targets(count)).value}
    else:
        by_oracle = {}
        for oracle, columns in one.physics():
            found = oracle.predict(task.tubes(designs))
            by_oracle |= {column: found[column] for column in columns}
    table = solved(name).look_up(task.space, designs).values
    assert by_oracle.keys() == table.keys()
    for column, values in by_oracle.items():
        np.testing.assert_allclose(table[column], values, rtol=SAME.get(name, 1e-6), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "count"),
    [("chirality", 30), ("doping-easy", 30), ("isotope-rings", 3), ("isotope-sites", 2), ("thermoelectric-easy", 1)],
)
def test_tables_hold_the_values_of_the_oracle(name, count):
    needs(name)
    against_the_oracle(name, count)


@pytest.mark.long
@pytest.mark.parametrize("name", ["isotope-rings", "isotope-sites", "thermoelectric-easy"])
def test_thirty_designs_of_expensive_tables_have_the_values_of_the_oracle(name):
    needs(name)
    against_the_oracle(name, 30)


@pytest.mark.parametrize("name", SOLVED)
def test_the_recorded_optimum_is_the_tables_and_inside_the_range_of_rewards(name):
    best, one = told(name), INSTANCES[name]
    task, table = one.task(), solved(name)
    design = np.array([best.design]).astype(np.uint8 if isinstance(task.space, Decorations) else np.int64)
    assert task.space.valid(design)[0]
    scores = task.score(design, one.targets(1))
    assert scores.loss[0] == pytest.approx(best.loss, abs=1e-9)
    assert 0.0 < scores.reward[0] < 1.0
    if isinstance(task.space, ChiralitySpace):
        every = np.concatenate(list(task.space.enumerate()))
        least = float(np.nanmin(task.score(every, one.targets(len(every))).loss))
    else:
        values = table.columns[task.value_name]
        least = float(np.nanmin(values if task.objective.direction == "minimize" else -values))
    assert best.loss == pytest.approx(least, abs=1e-12)
    assert best.proven
    assert best.physics_version == PHYSICS_VERSION
    assert best.random_loss > best.loss
    assert best.tolerance == one.tolerance
    assert best.described == task.describe(design[0])


def test_chiralities_are_as_the_page_of_their_environment_says():
    task = INSTANCES["chirality"].task()
    chiralities = np.argwhere(task.space.fits) + np.array([1, 0])
    cells_nm = [tube_lattice(n, m, 1).length_angstrom / 10.0 for n, m in chiralities.tolist()]
    assert min(cells_nm) == pytest.approx(0.25, abs=0.005)
    assert max(cells_nm) == pytest.approx(8.6, abs=0.05)
    designs = np.array([[n - 1, m, 0, strain] for n, m in chiralities for strain in (4, 5, 6)])  # -1, 0 and 1 %
    gaps = task.score(designs, np.ones((len(designs), 3))).predictions["gap_ev"].reshape(-1, 3)
    family = (chiralities[:, 0] - chiralities[:, 1]) % 3
    assert (len(family), (family == 0).sum()) == (119, 42)
    assert gaps[family == 0, 1].max() < 0.1 < gaps[family != 0, 1].min()
    slopes = (gaps[:, 2] - gaps[:, 0]) / 2.0  # eV per per cent
    for which, sign in ((1, 1.0), (2, -1.0)):
        assert (sign * slopes[family == which]).min() > 0.008
        assert (sign * slopes[family == which]).max() < 0.1
    diameters = np.array([tube_lattice(n, m, 1).diameter_nm for n, m in chiralities.tolist()])
    assert np.corrcoef(gaps[family != 0, 1], diameters[family != 0])[0, 1] < -0.9


@pytest.mark.parametrize("name", ["growth-recipe", "growth-schedule"])
def test_losses_of_growth_are_those_of_the_furnace_of_today(name):
    one, recorded = INSTANCES[name], told(name)
    task = one.task()
    best = np.array([recorded.design])
    assert task.verify(best, one.targets(1)).loss[0] == pytest.approx(recorded.loss, rel=1e-6)
    assert recorded.described == task.describe(best[0])


QUICK = ["chirality", "isotope-rings", "isotope-sites", "growth-recipe", "growth-schedule"]
"""Instances whose models evaluate ten thousand designs in seconds."""


@pytest.mark.parametrize("name", QUICK)
def test_the_zero_of_scores_is_the_median_of_ten_thousand_random_designs(name):
    """Half of other random designs are better, within three standard errors of a share of 2,000: the mean was not."""
    one, recorded = INSTANCES[name], told(name)
    task = one.task()
    assert recorded.random_designs == 10_000
    losses = task.score(task.space.sample(2000, np.random.default_rng(77)), one.targets(2000)).loss
    better, as_good = np.mean(losses < recorded.random_loss), np.mean(losses <= recorded.random_loss)
    assert better - 0.034 <= 0.5 <= as_good + 0.034


@pytest.mark.parametrize("name", INSTANCES)
def test_the_best_known_design_satisfies_the_constraint(name):
    one, recorded = INSTANCES[name], told(name)
    task = one.task()
    design = np.array([recorded.design]).astype(task.space.sample(1, np.random.default_rng(0)).dtype)
    assert task.space.valid(design)[0]
    cost = task.score(design, one.targets(1)).cost
    assert cost is None or cost[0] == 0.0


def test_no_schedule_is_known_that_is_better_than_the_best_known_one():
    study = json.loads((Path(__file__).parents[2] / "docs" / "results" / "furnace-optimum.json").read_text("utf-8"))
    standard = study["reactors"][0]
    assert standard["reactor"] == STANDARD.tolist()
    assert told("growth-schedule").loss <= -standard["best"] + 1e-3


@pytest.mark.parametrize("name", SOLVED)
def test_no_more_than_a_few_designs_in_a_thousand_lie_outside_the_range_of_rewards(name):
    """A range that clips the best designs, or most of the drawn ones, does not distinguish them."""
    needs(name)
    one = INSTANCES[name]
    task = one.task()
    designs = task.space.sample(2000, np.random.default_rng(5))
    scores = task.score(designs, one.targets(2000))
    assert scores.reward.max() < 1.0
    metallic = scores.value == 0.0 if task.value_name == "gap_ev" else np.zeros(2000, dtype=bool)  # no gap is below it
    assert ((scores.reward == 0.0) & ~metallic).mean() <= 0.01
    assert len(np.unique(scores.reward)) > 20


def test_tables_by_another_version_of_the_physics_raise(tmp_path):
    table = Solved("toy", np.array([3, 1], dtype=np.uint64), {"gap_ev": np.array([0.3, 0.1])}, {"seconds": 1})
    path = tmp_path / "toy.parquet"
    table.write(path)
    again = Solved.read(path)
    np.testing.assert_array_equal(again.design_keys, [1, 3])
    np.testing.assert_array_equal(again.columns["gap_ev"], [0.1, 0.3])
    assert again.name == "toy"
    assert again.provenance["seconds"] == 1
    record = {"name": "toy", "physics_version": PHYSICS_VERSION - 1}
    old = pq.read_table(path).replace_schema_metadata({b"matgym": json.dumps(record).encode()})
    pq.write_table(old, path)
    with pytest.raises(DatasetError, match=f"version {PHYSICS_VERSION - 1}, this is {PHYSICS_VERSION}: make it anew"):
        Solved.read(path)
    with pytest.raises(DatasetError, match="does not exist: make it by matgym benchmark solve nowhere"):
        Solved.read(tmp_path / "nowhere.parquet")


def test_an_optimum_is_recorded_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("matgym.tasks.instances.optima_folder", lambda: tmp_path)
    one = INSTANCES["growth-recipe"]
    assert one.optimum is None
    best = Optimum(
        -1.0,
        (0.5, -0.5),
        "a recipe",
        proven=False,
        found_by="by hand",
        designs=None,
        random_loss=2.0,
        random_designs=10,
        tolerance=1e-9,
        physics_version=PHYSICS_VERSION,
    )
    one.record(best, tmp_path)
    assert one.optimum == best


def test_a_table_of_another_tube_raises():
    """Keys belong to one lattice, budget and isotope: with another, a key gives the value of a different design."""
    needs("isotope-rings")
    needs("isotope-sites")
    for wrong in ({"heavy": "13C"}, {"rings": 8}, {"n": 7}):
        with pytest.raises(ConfigurationError, match="table"):
            rings_task(**wrong)
    with pytest.raises(ConfigurationError, match="table"):
        decoration_task(
            lattice=tube_lattice(8, 0, 2),
            budget={"14C": 3},
            property="thermal_conductance_nw_k",
            model="solved:isotope-sites",
            low=2.0,
            high=3.0,
        )
    with pytest.raises(ConfigurationError, match="table"):
        chirality_task(diameters_nm=(0.7, 1.2))


def test_the_oracle_by_name_is_the_one_that_made_the_table():
    """The ranking of isotopes needs its 256 frequencies; the default has 128."""
    needs("isotope-sites")
    one = INSTANCES["isotope-sites"]
    task = one.task(model="oracle")
    designs = task.space.sample(1, np.random.default_rng(3))
    by_table = one.task().score(designs, one.targets(1)).value
    np.testing.assert_allclose(task.score(designs, one.targets(1)).value, by_table, rtol=1e-6)


def test_spaces_of_closed_environments_are_not_kept():
    """A cache by identity kept the last 64, each with its arrays of the bonds that can be turned."""
    env = gym.make("matgym/NanotubeThermoelectric-v0")
    space = weakref.ref(env.unwrapped.task.space)
    env.close()
    del env
    gc.collect()
    assert space() is None
