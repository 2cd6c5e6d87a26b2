"""Suites and their runs: no run is lost, repeated or stale."""

import json
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from matgym.agents import GeneticAlgorithm
from matgym.benchmark import Results, identity, report, run
from matgym.benchmark.aggregate import summary
from matgym.benchmark.identity import code_digest, fingerprint, modules_of
from matgym.benchmark.leaderboard import amortised_table
from matgym.benchmark.methods import OPTIMIZERS, NamedMethod
from matgym.benchmark.planning import applies, plan
from matgym.benchmark.runner import check_folder, run_suite
from matgym.benchmark.runs import AmortisedRun, SearchRun, checkpoints
from matgym.benchmark.suite import SUITES, PolicySpec, Suite
from matgym.benchmark.tasks import AMORTISED, is_exact
from matgym.errors import ConfigurationError, DatasetError, ExecutionError
from matgym.models import Level, Property
from matgym.surrogates import load
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective, chirality_task, decoration_task
from matgym.tasks.instances import INSTANCES, Instance, instance

SUITE = """
name: tiny
search:
  tasks: [isotope-rings, chirality]
  methods: [random, annealing, {name: quick-tpe, optimizer: tpe, budget: 8, settings: {n_startup_trials: 4}}]
  budget: 32
  seeds: 2
"""
TIMELESS = ["task", "method", "seed", "evaluation", "predicted_loss", "verified_loss", "design", "described"]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "tiny.yml"
    path.write_text(SUITE)
    return Suite.read(path)


@pytest.fixture(scope="module")
def carried_out(suite, tmp_path_factory):
    """Return the folder of all runs, and (key, whether it was finished before) of each in the order of completion."""
    done = []
    folder = tmp_path_factory.mktemp("carried-out") / "a"
    return run_suite(suite, folder, on_done=lambda run, before: done.append((run.key, before))), done


def table(folder):
    """Return all records without times, in a fixed order."""
    files = sorted((folder / "records").glob("[!.]*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=TIMELESS).to_pylist()]
    return sorted(rows, key=lambda row: (row["task"], row["method"], row["seed"], row["evaluation"]))


def test_a_suite_carries_out_every_run_and_a_second_call_carries_out_none(suite, carried_out):
    folder, done = carried_out
    assert len(set(done)) == 12
    assert not any(before for _, before in done)
    again = []
    run_suite(suite, folder, on_done=lambda _run, before: again.append(before))
    assert len(again) == 12
    assert all(again)
    about = json.loads((folder / "suite.json").read_text())
    assert set(about["tasks"]) == {"isotope-rings", "chirality"}
    assert about["checkpoints"] == [8, 32]
    assert about["methods"]["quick-tpe"]["budget"] == 8
    assert about["versions"]["physics"] == str(instance("chirality").optimum.physics_version)


def test_a_suite_in_memory_gives_the_same_records(suite, carried_out, tmp_path, monkeypatch):
    """The same runs through the same code: the same records, scores and costs."""
    stored = Results.read(carried_out[0])
    found = run(suite.search.methods, ["isotope-rings", "chirality"], queries=32, seeds=2)
    assert found.checkpoints == stored.checkpoints == (8, 32)
    for mark in found.checkpoints:
        one, two = found.scores(mark), stored.scores(mark)
        assert list(one) == list(two) == ["random", "annealing"] + ["quick-tpe"] * (mark == 8)
        assert all((one[name][task] == two[name][task]).all() for name in one for task in found.tasks)
    columns = ", ".join(TIMELESS)
    sql = f"SELECT {columns} FROM records ORDER BY task, method, seed, evaluation"  # noqa: S608
    assert found.query(sql).equals(stored.query(sql))
    assert found.facts.tasks == stored.facts.tasks
    monkeypatch.setattr(report, "page", partial(report.page, reps=5))
    monkeypatch.setattr("matgym.viz.tube3d.tube_html", lambda *_: "")  # see test_report
    found.report(tmp_path / "page.html")
    assert "Task: isotope-rings" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"met=0\.1 has no effect"):
        run(["random"], "chirality", met=0.1)
    with pytest.raises(ConfigurationError, match="must have different names"):
        run(["random", "random"], "chirality")


def test_losses_never_rise_and_are_never_below_the_optimum(carried_out):
    for row in table(carried_out[0]):
        best = instance(row["task"]).optimum.loss
        assert row["verified_loss"] >= best - 1e-12
        assert row["verified_loss"] == row["predicted_loss"]  # the oracle rewards here
    rows = [row for row in table(carried_out[0]) if row["method"] == "random" and row["seed"] == 1]
    for task in ("isotope-rings", "chirality"):
        losses = [row["verified_loss"] for row in rows if row["task"] == task]
        assert (np.diff(losses) <= 0.0).all()


def test_a_killed_run_resumes_to_the_same_table(tmp_path):
    """The caller and its workers are killed by SIGKILL; the same command then finishes, and finished runs are kept."""
    (tmp_path / "tiny.yml").write_text(SUITE.replace("budget: 32", "budget: 128"))
    command = [
        sys.executable, "-c", "import sys; from matgym.cli import main; main()", "benchmark", "run",
        str(tmp_path / "tiny.yml"), "--output", str(tmp_path / "killed"), "--workers", "2",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    records = tmp_path / "killed" / "records"
    deadline = time.monotonic() + 120
    while len(list(records.glob("[!.]*.parquet"))) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {file.name: file.read_bytes() for file in records.glob("[!.]*.parquet")}
    suite = Suite.read(tmp_path / "tiny.yml")
    assert 2 <= len(finished) < len(plan(suite))
    run_suite(suite, tmp_path / "killed")
    for name, content in finished.items():
        assert (records / name).read_bytes() == content, "a finished run was carried out again"
    assert table(tmp_path / "killed") == table(run_suite(suite, tmp_path / "whole"))


def test_records_of_other_versions_settings_or_suites_raise(suite, carried_out, tmp_path):
    folder, _ = carried_out
    wider = suite.model_copy(update={"search": suite.search.model_copy(update={"budget": 64})})
    with pytest.raises(DatasetError, match=r"budget was 32, and is now 64"):
        run_suite(wider, folder)
    runs = [run.identified() for run in plan(suite)]
    old = json.loads(runs[0].identity)
    old["versions"]["torch"] = "0.1"
    stale = replace(runs[0], identity=json.dumps(old, sort_keys=True))
    fresh = tmp_path / "b" / "records"
    fresh.mkdir(parents=True)
    found = pq.read_table(folder / "records" / f"{runs[0].key}.parquet").to_pylist()
    import pyarrow as pa

    pq.write_table(
        pa.Table.from_pylist([row | {"identity": stale.identity} for row in found]), fresh / f"{stale.key}.parquet"
    )
    with pytest.raises(DatasetError, match=r"made with torch 0\.1"):
        check_folder(tmp_path / "b", runs)


def searched(name, optimizer=""):
    method = NamedMethod(name=name, optimizer=optimizer)
    return SearchRun(task="chirality", method=method, seed=0, budget=16).identified().run()


def test_other_code_or_constants_make_a_record_stale(tmp_path, monkeypatch):
    """In an optimizer's module and its imports; comments and docstrings have no effect."""
    (tmp_path / "tuned.py").write_text("STEPS = 3\n")
    code = "from tuned import STEPS\nfrom matgym.agents import RandomSearch\n"
    code += "class Mine(RandomSearch):\n    steps = STEPS\n"
    (tmp_path / "own.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    text = "name: own\nsearch: {tasks: [chirality], methods: [{name: own, optimizer: 'own:Mine'}], budget: 4, seeds: 1}"
    (tmp_path / "own.yml").write_text(text)
    suite = Suite.read(tmp_path / "own.yml")
    run_suite(suite, tmp_path / "out")

    def again(file, content):
        """Return the digest of a process that starts now."""
        (tmp_path / file).write_text(content)
        for cached in (code_digest, identity._read, identity._source):
            cached.cache_clear()
        run_suite(suite, tmp_path / "out")

    again("own.py", code.replace("class", "# a comment\nclass").replace("    steps", '    """Mine."""\n    steps'))
    with pytest.raises(DatasetError, match="its code was"):
        again("own.py", code.replace("= STEPS", "= STEPS + 1"))
    again("own.py", code)
    with pytest.raises(DatasetError, match="its code was"):
        again("tuned.py", "STEPS = 4\n")
    own = modules_of(instance("isotope-rings").task(), GeneticAlgorithm)
    assert {"matgym.agents.optimizers.heuristics", "matgym.tasks.rings", "matgym.physics.phonons.ring_isotopes"} <= own
    code_digest.cache_clear()


def test_the_digest_depends_on_long_arrays_weights_and_closures():
    """`repr` of a long array shows only its ends."""
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1e-12
    assert repr(long) == repr(other)
    assert fingerprint({"a": [long]}) != fingerprint({"a": [other]})
    assert fingerprint({"a": [long]}) == fingerprint({"a": [long.copy()]})
    surrogate = load("nanotube-doping")
    changed = deepcopy(surrogate)
    with torch.no_grad():
        next(changed.networks[-1].parameters()).view(-1)[0] += 1e-6
    named = decoration_task(model=surrogate), decoration_task(model=load("nanotube-doping"))
    assert fingerprint(named[0]) == fingerprint(named[1]) != fingerprint(decoration_task(model=changed))
    calibrated = replace(surrogate, calibration={**surrogate.calibration, "floor": surrogate.calibration["floor"] * 2})
    assert fingerprint(calibrated) != fingerprint(surrogate)
    assert fingerprint(lambda x, a=1: x + a) != fingerprint(lambda x, a=2: x + a)
    task = instance("isotope-rings").task()
    before = fingerprint(task)
    task.score(task.space.sample(3, np.random.default_rng(0)), np.zeros((3, 0)))
    assert fingerprint(task) == before  # the costs are not settings


def test_a_run_that_was_planned_elsewhere_is_not_carried_out():
    run = SearchRun(task="chirality", method=NamedMethod(name="random"), seed=0, budget=4).identified()
    there = json.loads(run.identity) | {"code": "another"}
    with pytest.raises(ExecutionError, match="its code was 'another'"):
        replace(run, identity=json.dumps(there)).run()


def test_wrong_settings_of_a_suite_raise_an_error_that_names_them(tmp_path):
    for text, match in (
        (SUITE.replace("chirality", "chiralty"), "did you mean 'chirality'"),
        (SUITE.replace("annealing", "aneling"), "did you mean 'annealing'"),
        (SUITE.replace("budget: 32", "budget: 0"), "search.budget"),
        (SUITE.replace("seeds: 2", "sedes: 2"), "search.sedes"),
        ("name: [", "is not valid YAML"),
    ):
        path = tmp_path / "wrong.yml"
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=match):
            Suite.read(path)
    with pytest.raises(ConfigurationError, match="there is no configuration 'standrad'"):
        Suite.read("standrad")


@pytest.mark.parametrize(("name", "tasks", "methods"), [("sanity", 6, 12), ("combinatorial", 8, 12)])
def test_the_suites_have_enough_tasks_methods_and_seeds(name, tasks, methods):
    suite = Suite.read(name)
    assert len(suite.search.tasks) >= tasks
    for task in suite.search.tasks:
        assert sum(applies(method, task) for method in suite.search.methods) >= methods
    assert suite.search.seeds >= 10
    runs = plan(suite)
    assert len({run.key for run in runs}) == len(runs)


def test_shipped_suites_are_read_and_discovery_is_scored_by_oracles():
    for file in SUITES.glob("*.yml"):
        assert Suite.read(file.stem).name == file.stem
    runs = plan(Suite.read("discovery"))
    assert runs
    assert all(is_exact(run._task()) for run in runs[:8])


def test_every_instance_of_a_suite_has_an_optimum_and_every_method_a_kind():
    for name, made in INSTANCES.items():
        assert made.optimum is not None, name
    assert {kind for kind, _ in OPTIMIZERS.values()} == {"RL", "Bayesian", "evolutionary", "local", "tree", "random"}


def test_a_users_optimizer_is_named_by_module_and_class(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from matgym.agents import RandomSearch\nclass Mine(RandomSearch):\n    pass\nclass Other: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rows = searched("mine", "mine:Mine")
    theirs = searched("random")
    assert rows["verified_loss"].to_pylist() == theirs["verified_loss"].to_pylist()
    for wrong, match in (
        ("mine:Other", "not a subclass"),
        ("mine:Gone", "cannot be loaded"),
        ("gone:Mine", "cannot be loaded"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            searched("x", wrong)


def test_the_second_track_counts_training_and_its_shares_are_those_of_the_designs():
    """Every row is checked with the oracle; a policy whose reward is meeting targets meets more of them."""
    task, targets = AMORTISED["chirality-targets"].make(), AMORTISED["chirality-targets"].targets(20)
    best = AMORTISED["chirality-targets"].best(targets)
    run = AmortisedRun(
        task="chirality-targets", method=PolicySpec(algorithm="MaskablePPO", designs=1500), seed=0, budget=8, targets=20
    )
    rows = run.identified().run().to_pylist()
    assert {row["evaluation"] for row in rows} == set(checkpoints(8))
    assert len(rows) == 20 * len(checkpoints(8))
    assert rows[0]["oracle"] >= 1500 + 20 * 8
    assert rows[0]["training_seconds"] > 0.0
    last = [row for row in rows if row["evaluation"] == 8]
    truth = task.verify(np.array([row["design"] for row in last], dtype=np.int64), targets).loss - best
    np.testing.assert_allclose([row["verified_loss"] for row in last], truth, atol=1e-9)
    random = NamedMethod(name="random")
    blind = AmortisedRun(task="chirality-targets", method=random, seed=0, budget=8, targets=20).identified().run()
    other = AmortisedRun(task="chirality-targets", method=random, seed=1, budget=32, targets=20).identified().run()
    assert set(blind["target_index"].to_pylist()) == set(range(20))
    assert blind["training_seconds"].to_pylist()[0] == 0.0
    # Four times the evaluations, with other draws: a continued search could not be worse.
    assert np.mean(finals(other)) < np.mean(finals(blind))


def test_a_method_with_a_smaller_budget_has_no_share_beyond_it():
    short = NamedMethod(name="short", optimizer="random", budget=2)
    found = run([short, "random"], "chirality-targets", targets=4, queries=8, seeds=2)
    assert [outcome.run.budget for outcome in found.outcomes] == [2, 8] * 2
    marks, shares = found.share_met("chirality-targets")
    assert marks.tolist() == [2, 8]
    assert np.isnan(shares["short"]).tolist() == [[False, True]] * 2
    assert np.isnan(shares["random"]).tolist() == [[True, False]] * 2  # in memory only the last designs are verified
    rows = amortised_table(found, summary(found, 5), "chirality-targets").rows
    assert [(row[0], row[1] == "–", row[2] == "–") for row in rows] == [("random", True, False), ("short", False, True)]
    assert [figures.queries for figures in found.figures()] == [2, 8]


def finals(record):
    rows = record.to_pylist()
    last = max(row["evaluation"] for row in rows)
    return [row["verified_loss"] for row in rows if row["evaluation"] == last]


def test_a_suite_on_dask_survives_a_killed_worker(suite, carried_out, tmp_path):
    """With a scheduler and two worker processes, one of which is killed, the table is that of an undisturbed run."""
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    killed = []
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:

        def kill(_run, _before):
            if not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        run_suite(suite, tmp_path / "dask", scheduler=cluster.scheduler_address, on_done=kill)
    assert killed
    assert table(tmp_path / "dask") == table(carried_out[0])


def test_a_stored_policy_takes_part_and_a_zip_file_only_with_trust(tmp_path):
    from matgym.agents.sb3 import make_agent
    from matgym.agents.storage import save_agent
    from matgym.errors import WeightsError

    agent = make_agent("MaskablePPO", chirality_task(), 0, {"n_envs": 4}, environment="matgym/NanotubeChirality-v0")
    save_agent(agent, tmp_path / "mine.safetensors", environment="matgym/NanotubeChirality-v0", arguments={})
    agent.save(tmp_path / "theirs.zip")
    text = "name: x\namortised: {tasks: [chirality-targets], targets: 3, queries: 2, seeds: 1, policies: [{file: %s}]}"
    (tmp_path / "a.yml").write_text(text % (tmp_path / "mine.safetensors"))
    (run,) = plan(Suite.read(tmp_path / "a.yml"))
    rows = run.identified().run()
    assert run.name == "mine"
    assert rows["oracle"][0].as_py() == 6  # there was no training
    (tmp_path / "b.yml").write_text(text % (tmp_path / "theirs.zip"))
    suite = Suite.read(tmp_path / "b.yml")
    with pytest.raises(WeightsError, match="trust"):
        plan(suite)[0].identified().run()
    trusted = plan(suite, trust=True)[0].identified().run()
    assert trusted["verified_loss"].to_pylist() == rows["verified_loss"].to_pylist()
    with pytest.raises(ValueError, match="give one"):
        PolicySpec(algorithm="PPO", file="x.zip")
    (tmp_path / "c.yml").write_text(text.replace("{file: %s}", "{file: %s, trust: true}") % (tmp_path / "theirs.zip"))
    with pytest.raises(ConfigurationError, match=r"amortised\.policies\.0\.trust=True: Extra inputs are not permitted"):
        Suite.read(tmp_path / "c.yml")


def test_records_of_designs_that_are_no_tubes_have_no_structure():
    class Words(Choices):
        def decode(self, designs):
            return designs

    model = FunctionModel(lambda words: words.sum(axis=1) / 4.0, "ones", level=Level.CALCULATOR)
    task = DesignTask(
        Words((2,) * 4), (Objective(Property("ones", "1", ""), model, "maximize", 0.0, 1.0, oracle=model),)
    )
    made = Instance("words", "ones in a row", lambda: task)
    record = SearchRun(task=made, method=NamedMethod(name="random"), seed=0, budget=4).carry_out().table
    assert record["design"].to_pylist()[-1]
    assert record["xyz"].to_pylist() == [""] * len(record)
