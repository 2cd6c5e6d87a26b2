"""Suites, cells and runs: nothing lost, nothing run twice, nothing stale."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from matgym.benchmark.amortised import AMORTISED
from matgym.benchmark.cells import AmortisedCell, SearchCell, checkpoints
from matgym.benchmark.methods import OPTIMIZERS, NamedMethod
from matgym.benchmark.runner import applies, cells_of, check_records, run_suite
from matgym.benchmark.suite import PolicySpec, Suite
from matgym.errors import ConfigurationError, DatasetError
from matgym.tasks.instances import INSTANCES, instance

SUITE = """
name: tiny
search:
  tasks: [isotope-rings, chirality]
  methods: [random, annealing, {name: quick-tpe, optimizer: tpe, budget: 8, settings: {n_startup_trials: 4}}]
  budget: 32
  seeds: 2
"""
TIMELESS = ["task", "method", "seed", "evaluation", "believed_loss", "true_loss", "design", "described"]


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "tiny.yml"
    path.write_text(SUITE)
    return Suite.read(path)


def table(folder):
    """All records but what the clock says, in one order."""
    files = sorted((folder / "records").glob("[!.]*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=TIMELESS).to_pylist()]
    return sorted(rows, key=lambda row: (row["task"], row["method"], row["seed"], row["evaluation"]))


def test_a_suite_runs_every_cell_and_a_second_call_none(suite, tmp_path):
    done = []
    run_suite(suite, tmp_path / "a", on_done=lambda cell, before: done.append((cell.key, before)))
    assert len(done) == 12
    assert not any(before for _, before in done)
    again = []
    run_suite(suite, tmp_path / "a", on_done=lambda _cell, before: again.append(before))
    assert all(again)
    about = json.loads((tmp_path / "a" / "run.json").read_text())
    assert set(about["tasks"]) == {"isotope-rings", "chirality"}
    assert about["methods"]["quick-tpe"]["budget"] == 8
    assert about["versions"]["physics"] == str(instance("chirality").optimum.physics_version)


def test_losses_fall_and_never_below_the_optimum(suite, tmp_path):
    for row in table(run_suite(suite, tmp_path / "a")):
        best = instance(row["task"]).optimum.loss
        assert row["true_loss"] >= best - 1e-12
        assert row["true_loss"] == row["believed_loss"]  # physics rewards here
    rows = [row for row in table(tmp_path / "a") if row["method"] == "random" and row["seed"] == 1]
    for task in ("isotope-rings", "chirality"):
        losses = [row["true_loss"] for row in rows if row["task"] == task]
        assert (np.diff(losses) <= 0.0).all()


def test_a_killed_run_goes_on_to_the_same_table(tmp_path):
    """The caller and its workers die by SIGKILL in mid-run; the same command then finishes, and finished cells stay."""
    (tmp_path / "tiny.yml").write_text(SUITE.replace("budget: 32", "budget: 256").replace("seeds: 2", "seeds: 6"))
    command = [
        sys.executable, "-c", "import sys; from matgym.cli import main; main()", "benchmark", "run",
        str(tmp_path / "tiny.yml"), "--output", str(tmp_path / "killed"), "--workers", "2",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    records = tmp_path / "killed" / "records"
    deadline = time.monotonic() + 120
    while len(list(records.glob("[!.]*.parquet"))) < 4:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {file.name: file.read_bytes() for file in records.glob("[!.]*.parquet")}
    suite = Suite.read(tmp_path / "tiny.yml")
    assert 4 <= len(finished) < len(cells_of(suite))
    run_suite(suite, tmp_path / "killed", workers=2)
    for name, content in finished.items():
        assert (records / name).read_bytes() == content, "a finished cell was run again"
    assert table(tmp_path / "killed") == table(run_suite(suite, tmp_path / "whole"))


def test_records_of_other_versions_settings_or_suites_are_refused(suite, tmp_path):
    run_suite(suite, tmp_path / "a")
    wider = suite.model_copy(update={"search": suite.search.model_copy(update={"budget": 64})})
    with pytest.raises(DatasetError, match=r"budget was 32, and is now 64"):
        run_suite(wider, tmp_path / "a")
    cells = cells_of(suite)
    old = json.loads(cells[0].identity)
    old["versions"]["torch"] = "0.1"
    stale = SearchCell(cells[0].task, cells[0].seed, json.dumps(old, sort_keys=True), cells[0].method, cells[0].budget)
    fresh = tmp_path / "b" / "records"
    fresh.mkdir(parents=True)
    found = pq.read_table(tmp_path / "a" / "records" / f"{cells[0].key}.parquet").to_pylist()
    import pyarrow as pa

    pq.write_table(
        pa.Table.from_pylist([row | {"identity": stale.identity} for row in found]), fresh / f"{stale.key}.parquet"
    )
    with pytest.raises(DatasetError, match=r"made with torch 0\.1"):
        check_records(tmp_path / "b", cells)


def test_what_a_suite_says_wrongly_is_named(tmp_path):
    for text, match in (
        (SUITE.replace("chirality", "chiralty"), "did you mean 'chirality'"),
        (SUITE.replace("annealing", "aneling"), "did you mean 'annealing'"),
        (SUITE.replace("budget: 32", "budget: 0"), "search.budget"),
        (SUITE.replace("seeds: 2", "sedes: 2"), "search.sedes"),
        ("name: [", "no YAML"),
    ):
        path = tmp_path / "wrong.yml"
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=match):
            Suite.read(path)
    with pytest.raises(ConfigurationError, match="there is no suite 'standrad'"):
        Suite.read("standrad")


def test_the_standard_suite_is_as_wide_as_promised():
    suite = Suite.read("standard")
    assert len(suite.search.tasks) >= 6
    for task in suite.search.tasks:
        assert sum(applies(method.method.optimizer, task) for method in suite.search.methods) >= 12
    assert suite.search.seeds >= 10
    assert suite.amortised.targets == 100
    cells = cells_of(suite)
    assert len({cell.key for cell in cells}) == len(cells)


def test_every_instance_of_a_suite_has_an_optimum_and_every_method_a_kind():
    for name, made in INSTANCES.items():
        assert made.optimum is not None, name
    assert {kind for kind, _ in OPTIMIZERS.values()} == {"RL", "Bayesian", "evolutionary", "local", "random"}


def test_an_optimizer_of_ones_own_is_named_by_module_and_class(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from matgym.agents import RandomSearch\nclass Mine(RandomSearch):\n    pass\nclass Other: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rows = SearchCell.of("chirality", NamedMethod("mine", "mine:Mine"), 0, 16).run()
    theirs = SearchCell.of("chirality", NamedMethod("random", "random"), 0, 16).run()
    assert rows["true_loss"].to_pylist() == theirs["true_loss"].to_pylist()
    for wrong, match in (
        ("mine:Other", "no subclass"),
        ("mine:Gone", "cannot be loaded"),
        ("gone:Mine", "cannot be loaded"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            SearchCell.of("chirality", NamedMethod("x", wrong), 0, 16).run()


def test_the_second_track_counts_training_and_meets_more_with_more_queries():
    cell = AmortisedCell.of("chirality-targets", PolicySpec(algorithm="MaskablePPO", designs=3000), 0, 20, 8)
    rows = cell.run().to_pylist()
    assert {row["evaluation"] for row in rows} == set(checkpoints(8))
    assert len(rows) == 20 * len(checkpoints(8))
    assert rows[0]["oracle"] >= 3000 + 20 * 8
    assert rows[0]["training_seconds"] > 0.0
    met = [
        np.mean([row["true_loss"] <= AMORTISED[cell.task].met for row in rows if row["evaluation"] == k])
        for k in (1, 8)
    ]
    assert met[1] >= met[0]
    blind = AmortisedCell.of("chirality-targets", NamedMethod("random", "random"), 0, 20, 8).run().to_pylist()
    assert {row["target_index"] for row in blind} == set(range(20))
    assert blind[0]["training_seconds"] == 0.0


def test_a_suite_on_dask_survives_a_killed_worker(suite, tmp_path):
    """A scheduler and two worker processes on loopback, one killed in mid-run: the table of an undisturbed run."""
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    killed = []
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:

        def kill(_cell, _before):
            if not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        run_suite(suite, tmp_path / "dask", scheduler=cluster.scheduler_address, on_done=kill)
    assert killed
    assert table(tmp_path / "dask") == table(run_suite(suite, tmp_path / "here"))


def test_a_stored_policy_takes_part_and_a_zip_only_with_trust(tmp_path):
    from matgym.agents.sb3 import make_agent
    from matgym.agents.storage import save_agent
    from matgym.errors import WeightsError
    from matgym.tasks.chirality import ChiralityTask

    agent = make_agent("MaskablePPO", ChiralityTask(), 0, {"n_envs": 4}, environment="matgym/NanotubeChirality-v0")
    save_agent(agent, tmp_path / "mine.safetensors", environment="matgym/NanotubeChirality-v0", arguments={})
    agent.save(tmp_path / "theirs.zip")
    text = "name: x\namortised: {tasks: [chirality-targets], targets: 3, queries: 2, seeds: 1, policies: [{file: %s}]}"
    (tmp_path / "a.yml").write_text(text % (tmp_path / "mine.safetensors"))
    (cell,) = cells_of(Suite.read(tmp_path / "a.yml"))
    rows = cell.run()
    assert cell.name == "mine"
    assert rows["oracle"][0].as_py() == 6  # nothing was trained
    (tmp_path / "b.yml").write_text(text % (tmp_path / "theirs.zip"))
    suite = Suite.read(tmp_path / "b.yml")
    with pytest.raises(WeightsError, match="trust"):
        cells_of(suite)[0].run()
    trusted = cells_of(suite.trusting())[0].run()
    assert trusted["true_loss"].to_pylist() == rows["true_loss"].to_pylist()
    with pytest.raises(ValueError, match="give one"):
        PolicySpec(algorithm="PPO", file="x.zip")
