"""Tasks of users in suites: functions, tables of experiments, and their scales."""

import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from matgym.benchmark import Results, Suite, run_suite
from matgym.benchmark.leaderboard import markdown
from matgym.benchmark.methods import NamedMethod
from matgym.benchmark.runs import SearchRun
from matgym.benchmark.tasks import OwnTask, instance_task
from matgym.errors import ConfigurationError
from matgym.learning.config import validated

MODULE = """
import numpy as np
from matgym.models import Level, Property
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective

ONES = Property("ones", "1", "number of ones")
SIZE = 12

def ones(designs):
    return designs.sum(axis=1) * 1.0

def task(bonus=0.0):
    model = FunctionModel(lambda designs: ones(designs) + bonus, ONES, level=Level.EMPIRICAL)
    return DesignTask(Choices((2,) * SIZE), (Objective(ONES, model, "maximize", 0.0, SIZE, oracle=model),))

def front():
    zeros = Property("zeros", "1", "number of zeros of the first half")
    some = FunctionModel(lambda designs: (designs[:, :6] == 0).sum(axis=1) * 1.0, zeros, level=Level.EMPIRICAL)
    model = FunctionModel(ones, ONES, level=Level.EMPIRICAL)
    return DesignTask(Choices((2,) * SIZE), (Objective(ONES, model, "maximize", 0.0, SIZE, oracle=model),
                                             Objective(zeros, some, "maximize", 0.0, 6.0, oracle=some)))

made, number = task(), 3
"""
SUITE = """
name: own
search:
  tasks: [{task}]
  methods: [random, hill-climbing]
  budget: 64
  seeds: 2
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the name of a module with tasks, which is new for each test."""
    name = f"tasks_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def read(tmp_path, task):
    (tmp_path / "own.yml").write_text(SUITE.replace("{task}", task), encoding="utf-8")
    return Suite.read(tmp_path / "own.yml")


def test_a_users_function_is_a_task_whose_module_only_a_run_imports(module, tmp_path):
    suite = read(tmp_path, f"'{module}:task'")
    assert [task.name for task in suite.search.tasks] == ["task"]
    assert module not in sys.modules
    folder = run_suite(suite, tmp_path / "out")
    assert module in sys.modules
    results = Results.read(folder)
    # 64 of 4,096 designs: hill climbing reaches 12 ones, which is then the best of these runs.
    assert results.facts.tasks["task"].optimum_loss == min(found.verified[-1] for found in results.searches)
    assert results.facts.tasks["task"].random_loss == -6.0  # the median of a symmetric binomial distribution
    assert results.scores()["hill-climbing"]["task"].max() == 1.0
    assert "the best of these runs" in markdown(results, 100)


def test_settings_a_best_loss_and_the_code_are_part_of_the_identity(module, tmp_path):
    fields = f"{{name: mine, task: '{module}:task', settings: {{bonus: 2.0}}, best: -14.0}}"
    suite = read(tmp_path, fields)
    method = suite.search.methods[0]

    def key(task):
        return SearchRun(task=task, method=method, seed=0, budget=8).identified().key

    (own,) = suite.search.tasks
    before = key(own)
    assert key(own.model_copy(update={"settings": {"bonus": 3.0}})) != before
    results = Results.read(run_suite(suite.with_seeds(1), tmp_path / "out"))
    assert results.facts.tasks["mine"].optimum_loss == -14.0
    assert results.facts.tasks["mine"].random_loss == -8.0


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"name": "mine"}, "needs either task: module:function or table: FILE"),
        ({"name": "mine", "task": "a:b", "table": "c.csv"}, "needs either"),
        ({"name": "doping", "task": "a:b"}, "'doping' of a task is that of a shipped one"),
        ({"name": "mine", "task": "a.b"}, "not of the form module:function"),
        ({"name": "mine", "table": "c.csv", "target": [1.0]}, r"target=\(1.0,\) has no effect"),
        ({"name": "mine", "task": "a:b", "noise": False}, "noise has no effect on a:b"),
    ],
)
def test_wrong_fields_are_one_sentence(fields, match):
    content = {"name": "own", "search": {"tasks": [fields], "methods": ["random"]}}
    with pytest.raises(ConfigurationError, match=match):
        validated(Suite, content, "own")


def test_what_is_no_task_is_one_sentence(module):
    for attribute, match in (("number", "is 3: give a function"), ("nothing", "cannot be loaded: AttributeError"),
                             ("ones", "made")):  # fmt: skip
        own = OwnTask(name="mine", task=f"{module}:{attribute}", settings={"designs": np.ones((1, 2))})
        with pytest.raises(ConfigurationError, match=match):
            own.instance().task()
    with pytest.raises(ConfigurationError, match="settings have no effect"):
        OwnTask(name="mine", task=f"{module}:made", settings={"a": 1}).instance()
    assert OwnTask(name="mine", task=f"{module}:made").instance().task().value_name == "ones"


def test_a_table_is_searched_with_noise_that_the_seed_determines(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{x},{4.0 * x * (1.0 - x) + rng.normal(0.0, 0.2)}" for x in np.repeat(np.linspace(0.0, 1.0, 12), 3)]
    (tmp_path / "yields.csv").write_text("\n".join(["x,yield", *rows]), encoding="utf-8")
    own = OwnTask(name="yields", table=str(tmp_path / "yields.csv"), settings={"model": "trees", "replicates": 2})
    run = SearchRun(task=own, method=NamedMethod(name="random"), seed=0, budget=16, identity="{}")
    first, second = run.carry_out(), run.carry_out()
    assert first.table["trajectory"].to_pylist() == second.table["trajectory"].to_pylist()
    row = first.table.slice(len(first.table) - 1).to_pylist()[0]
    assert row["experiment"] == 32  # two replicates of sixteen designs; the verification is counted separately
    assert row["verified_loss"] != row["predicted_loss"]
    exact = instance_task(own.model_copy(update={"noise": False, "settings": {"model": "trees"}}))
    assert exact.score(np.array([row["design"]]), np.zeros((1, 0))).loss[0] == pytest.approx(row["verified_loss"])


def test_a_task_of_two_objectives_has_a_hypervolume(module, tmp_path):
    """Ones reward all twelve places, zeros the first six: the front is k ones there, and six behind: 6 + k, 6 - k."""
    folder = run_suite(read(tmp_path, f"{{name: two, task: '{module}:front'}}"), tmp_path / "out")
    results = Results.read(folder)
    volumes = [pq.read_table(file)["hypervolume"].to_pylist() for file in (folder / "records").glob("*.parquet")]
    front = np.array([[(6 + k) / 12, (6 - k) / 6] for k in range(7)])
    most = sum((front[k, 0] - (front[k - 1, 0] if k else 0.0)) * front[k, 1] for k in range(7))
    assert all(np.all(np.diff(own) >= 0.0) for own in volumes)
    assert 0.5 < max(own[-1] for own in volumes) <= most + 1e-12
    assert "Hypervolume: two" in markdown(results, 100)
