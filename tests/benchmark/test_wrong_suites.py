"""Suites that cannot be run, folders with damaged pieces, and wrong comparisons: errors before the work."""

import json
import shutil
import sys
import warnings
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from matgym.agents import RandomSearch
from matgym.agents.policy import Policy
from matgym.benchmark import NamedMethod, Results, run
from matgym.benchmark.planning import plan
from matgym.benchmark.records import record_files
from matgym.benchmark.runner import run_suite
from matgym.benchmark.suite import Suite
from matgym.benchmark.tasks import AMORTISED
from matgym.cli import app
from matgym.errors import (
    ConfigurationError,
    DamagedFileWarning,
    DatasetError,
    ExecutionError,
    FormatError,
    MatgymError,
)
from matgym.tasks import chirality_task, rings_task
from matgym.tasks.furnace_design import furnace_task
from matgym.tasks.instances import instance
from matgym.work import alone_in

SEARCH = "name: x\nsearch: {tasks: [chirality], methods: [random], budget: 4, seeds: 2}"
WIDE = "name: x\namortised: {tasks: [chirality-targets], targets: 2, queries: 2, seeds: 1, methods: [random]}"

SUITES = {
    "methods that are a number": (SEARCH.replace("[random]", "5"), "methods: 5 is not a list"),
    "a date as a method": (SEARCH.replace("[random]", "[2020-01-01]"), "quotation marks"),
    "a date as a name": (SEARCH.replace("name: x", "name: 2020-01-01"), "quotation marks"),
    "a relative module": (SEARCH.replace("[random]", "['..a:B']"), "not of the form module:Class"),
    "a relative module, named": (
        SEARCH.replace("[random]", "[{name: x, optimizer: '..a:B'}]"), "not of the form module:Class",
    ),
    "no module": (SEARCH.replace("[random]", "[{name: x, optimizer: ':B'}]"), "not of the form module:Class"),
    "no class": (SEARCH.replace("[random]", "[{name: x, optimizer: 'a:'}]"), "not of the form module:Class"),
    "an attribute": (SEARCH.replace("[random]", "['os:path.join']"), "not of the form module:Class"),
    "no tasks": (SEARCH.replace("[chirality]", "[]"), "at least 1 item"),
    "no methods": (SEARCH.replace("[random]", "[]"), "at least 1 item"),
    "a method twice": (SEARCH.replace("[random]", "[random, random]"), "two methods have the name 'random'"),
    "a name twice": (
        SEARCH.replace("[random]", "[random, {name: random, optimizer: tpe}]"), "two methods have the name 'random'",
    ),
    "two methods of one name": (
        SEARCH + WIDE.removeprefix("name: x").replace("[random]", "[{name: random, optimizer: tpe}]"),
        "two different methods 'random'",
    ),
    "a late checkpoint": (SEARCH.replace("budget: 4", "budget: 4, checkpoints: [8]"), "8 is above the budget 4"),
    "no evaluation": (SEARCH.replace("budget: 4", "budget: 4, checkpoints: [0]"), "greater than or equal to 1"),
    "a method below every checkpoint": (
        SEARCH.replace("budget: 4", "budget: 4, checkpoints: [4]").replace("[random]", "[{name: random, budget: 2}]"),
        "the budget 2 of random is below every checkpoint: add it to checkpoints",
    ),
    "a task twice": (SEARCH.replace("[chirality]", "[chirality, chirality]"), "two tasks have the name 'chirality'"),
    "a method and a policy": (
        WIDE.replace("methods:", "policies: [{name: random, algorithm: PPO}], methods:"), "have the name 'random'",
    ),
    "a policy of another task": (
        WIDE.replace("methods:", "policies: [{algorithm: PPO, tasks: [doping-targets]}], methods:"), "does not have",
    ),
    "a policy named by its file": (
        WIDE.replace("methods:", "policies: [{file: '/a/[/red].zip'}], methods:"), "of a policy does not match",
    ),
    "markup as a method": (SEARCH.replace("[random]", "[{name: '[/red]', optimizer: random}]"), "should match pattern"),
    "a long name": (SEARCH.replace("[random]", f"[{{name: {'a' * 81}, optimizer: random}}]"), "should match pattern"),
    "a name of no letters": (SEARCH.replace("name: x", "name: ''"), "at least 1 character"),
    "a name that clears the screen": (SEARCH.replace("name: x", 'name: "\\e[2J"'), "printable characters"),
    "trust": (WIDE.replace("methods:", "policies: [{file: a.zip, trust: true}], methods:"), "trust"),
    "trust of a suite": (SEARCH + "\ntrust: true", "there is no setting 'trust'"),
    "trust of a track": (WIDE.replace("targets: 2", "targets: 2, trust: true"), "amortised.trust=True: Extra inputs"),
    "trust of a method": (SEARCH.replace("[random]", "[{name: random, trust: true}]"), "trust"),
}  # fmt: skip


def read(text, tmp_path):
    (tmp_path / "suite.yml").write_text(text, encoding="utf-8")
    return Suite.read(tmp_path / "suite.yml")


@pytest.mark.parametrize("case", SUITES)
def test_a_wrong_suite_is_one_sentence(tmp_path, case):
    text, match = SUITES[case]
    with pytest.raises(ConfigurationError, match=match):
        read(text, tmp_path)


EMPTY = {
    "no policy and no method": (WIDE.replace(", methods: [random]", ""), "chirality-targets"),
    "no method that applies": (
        SEARCH.replace("[chirality]", "[growth-recipe]").replace("[random]", "[dqn]"), "growth-recipe",
    ),
    "one of two tasks": (
        SEARCH.replace("[chirality]", "[chirality, growth-recipe]").replace("[random]", "[dqn]"), "growth-recipe",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_suite_is_an_error_before_the_work(tmp_path, case):
    text, task = EMPTY[case]
    with pytest.raises(ConfigurationError, match=f"no method of the suite x applies to the task {task}"):
        run_suite(read(text, tmp_path), tmp_path / "out")
    with pytest.raises(MatgymError):
        app(["benchmark", "run", str(tmp_path / "suite.yml"), "--output", str(tmp_path / "out")], standalone_mode=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            SEARCH.replace("[random]", "[{name: random, settings: {steps: 3}}]"),
            "random: its constructor raised .*steps",
        ),
        (SEARCH.replace("[random]", "[{name: tpe, settings: {rng: 3}}]"), "tpe: its constructor raised"),
        (WIDE.replace("[random]", "[{name: genetic, settings: {population: 0}}]"), "genetic: its constructor raised"),
        (
            SEARCH.replace("[random]", "[{name: ppo, settings: {overrides: 5}}]"),
            "must be a mapping of hyper-parameters",
        ),
        (
            SEARCH.replace("[random]", "[{name: ppo, settings: {overrides: {tensorboard_log: logs}}}]"),
            "a search writes no files",
        ),
        (SEARCH.replace("[random]", "['os:system']"), "not a subclass"),
        (SEARCH.replace("[random]", "['nowhere:Mine']"), "cannot be loaded"),
        (WIDE.replace("methods:", "policies: [{algorithm: PPOO}], methods:"), "algorithm 'PPOO' is unknown"),
        (WIDE.replace("methods:", "policies: [{file: suite.yml}], methods:"), "no stored agent"),
        (WIDE.replace("methods:", "policies: [{file: gone.safetensors}], methods:"), "there is no file"),
    ],
)
def test_settings_and_files_that_are_wrong_are_errors_before_the_work(tmp_path, monkeypatch, text, match):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MatgymError, match=match):
        run_suite(read(text, tmp_path), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["suite.yml"]


def test_outputs_that_cannot_be_written_are_errors_before_the_work(tmp_path):
    suite = read(SEARCH, tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "a" / "suite.json").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "records").touch()
    (tmp_path / "c" / "report.html").mkdir(parents=True)
    for output, match in (("file", "is a file"), ("a", "is a folder"), ("b", "is a file")):
        with pytest.raises(FormatError, match=match):
            run_suite(suite, tmp_path / output)
    with pytest.raises(FormatError, match="is a folder"):
        app(["benchmark", "run", str(tmp_path / "suite.yml"), "--output", str(tmp_path / "c")], standalone_mode=False)
    assert not (tmp_path / "c" / "records").exists()
    with pytest.raises(FormatError, match="is a folder"):
        run(["random"], "chirality", queries=1, seeds=1).report(tmp_path / "a")


def test_a_users_module_is_imported_by_a_run_only(tmp_path, monkeypatch):
    """Reading, planning and counting a suite run none of the code that it names."""
    (tmp_path / "marking.py").write_text(
        "from pathlib import Path\nfrom matgym.agents import RandomSearch\n"
        f"Path({str(tmp_path / 'imported')!r}).touch()\nclass Mine(RandomSearch): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for method in ("'marking:Mine'", "{name: mine, optimizer: 'marking:Mine'}"):
        suite = read(SEARCH.replace("random", method), tmp_path).with_seeds(1)
        (planned,) = plan(suite)
        assert planned.key
        assert planned.method.kind == "yours"
        assert planned.method.algorithm is None
    assert "marking" not in sys.modules
    assert not (tmp_path / "imported").exists()
    run_suite(suite, tmp_path / "out")
    assert (tmp_path / "imported").exists()


@pytest.mark.parametrize("code", ["1 / 0", "raise SystemExit(3)", "def", "import nowhere"])
def test_errors_of_a_users_module_name_it(tmp_path, monkeypatch, code):
    name = f"failing_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=f"optimizer '{name}:Mine' cannot be loaded"):
        run([f"{name}:Mine"], "chirality", queries=1, seeds=1)


def test_a_second_call_changes_nothing_in_the_folder_of_the_first(tmp_path):
    suite = read(SEARCH, tmp_path)
    out = run_suite(suite, tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with alone_in(out, "held by this test"), pytest.raises(ExecutionError, match="another call runs a suite"):
        run_suite(suite.with_seeds(1), out)
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_depends_on_the_target_the_checkpoints_and_the_verification():
    """Otherwise a stale record would be averaged with those of today."""
    search = {"tasks": ["chirality"], "methods": ["random"], "budget": 100, "seeds": 1}
    (one,) = plan(Suite.model_validate({"name": "x", "search": search}))
    other = replace(instance("chirality"), target=(0.5, 1.1, 4.0))
    (moved,) = plan(Suite.model_validate({"name": "x", "search": search | {"tasks": [other]}}))
    (finer,) = plan(Suite.model_validate({"name": "x", "search": search | {"checkpoints": [50, 100]}}))
    assert len({each.identified().key for each in (one, moved, finer)}) == 3
    assert set(finer.carry_out().table["evaluation"].to_pylist()) >= {50, 64, 100}


def test_the_identity_holds_the_code_of_the_verification(monkeypatch):
    one = plan(Suite.model_validate({"name": "x", "search": {"tasks": ["chirality"], "methods": ["random"]}}))[0]
    asked = []
    monkeypatch.setattr("matgym.benchmark.runs.code_digest", lambda modules: asked.append(modules) or "code")
    one.identified()
    assert "matgym.benchmark.runs" in asked[0]


# ---- damaged pieces

DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _content: b"",
    "text": lambda _content: b'{"suite": [',
    "latin-1": lambda _content: "é".encode("latin-1"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    suite = read(SEARCH, folder)
    return suite, run_suite(suite, folder / "out")


def figures(folder):
    found = Results.read(folder)
    return found.query("SELECT seed, evaluation, verified_loss FROM records ORDER BY ALL").to_pylist()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("piece", ["record", "suite.json"])
def test_a_damaged_piece_is_set_aside_and_done_again(finished, tmp_path, piece, damage):
    suite, folder = finished
    shutil.copytree(folder, tmp_path / "out")
    path = record_files(tmp_path / "out" / "records")[0] if piece == "record" else tmp_path / "out" / "suite.json"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    damaged = path.read_bytes()
    aside, done = path.with_name(path.name + ".damaged"), []

    def look(_run, before):
        done.append(before)
        assert aside.read_bytes() == damaged

    with pytest.warns(DamagedFileWarning, match=f"{path.name} is damaged"):
        run_suite(suite, tmp_path / "out", on_done=look)
    assert sorted(done) == [piece != "record", True]
    assert not aside.exists()
    assert figures(tmp_path / "out") == figures(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DamagedFileWarning)
        run_suite(suite, tmp_path / "out")


def change(path, **changed):
    table = pq.read_table(path)
    rows = [row | changed for row in table.to_pylist()]
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)


@pytest.mark.parametrize("how", ["no rows", "another run", "no identity", "no column"])
def test_a_record_that_is_not_of_its_run_is_set_aside_and_done_again(finished, tmp_path, how):
    suite, folder = finished
    shutil.copytree(folder, tmp_path / "out")
    first, second = record_files(tmp_path / "out" / "records")
    whole = pq.read_table(first)
    if how == "no rows":
        pq.write_table(whole.slice(0, 0), first)
    elif how == "another run":
        shutil.copy(second, first)
    elif how == "no identity":
        change(first, identity="[]")
    else:
        pq.write_table(whole.drop_columns(["xyz"]), first)
    with pytest.warns(DamagedFileWarning, match=first.name):
        run_suite(suite, tmp_path / "out")
    assert figures(tmp_path / "out") == figures(folder)


@pytest.mark.parametrize("content", [b"", b"text"])
def test_a_damaged_record_of_no_run_is_one_sentence_and_stays(finished, tmp_path, content):
    suite, folder = finished
    shutil.copytree(folder, tmp_path / "out")
    stranger = tmp_path / "out" / "records" / "mine.parquet"
    stranger.write_bytes(content)
    with pytest.raises(DatasetError, match=r"mine\.parquet does not hold records"):
        run_suite(suite, tmp_path / "out")
    assert stranger.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"suite": "a"}', b'{"suite": 5, "methods": []}', "é".encode("utf-16"), b"[" * 100_000],
)
def test_a_damaged_description_is_one_sentence_in_a_report(finished, tmp_path, content):
    shutil.copytree(finished[1], tmp_path / "out")
    (tmp_path / "out" / "suite.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"suite\.json"):
        Results.read(tmp_path / "out")


def test_a_description_of_other_numbers_is_one_sentence(finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "out")
    path = tmp_path / "out" / "suite.json"
    content = json.loads(path.read_text())
    content["tasks"]["chirality"]["random_loss"] = content["tasks"]["chirality"]["optimum_loss"]
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="must be above the optimum's"):
        Results.read(tmp_path / "out")


# ---- comparisons in memory


class _Hidden(RandomSearch):
    """A class whose name is none of a method."""


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"methods": []}, "at least 1 item"),
        ({"methods": [5]}, "5 is not a method"),
        ({"methods": [_Hidden]}, "the name '_Hidden' does not match"),
        ({"methods": [int]}, "not a subclass"),
        ({"tasks": []}, "no track"),
        ({"tasks": [5]}, "5 is not a task"),
        ({"queries": 0}, "greater than or equal to 1"),
        ({"seeds": -1}, "greater than or equal to 1"),
        ({"queries": "many"}, "valid integer"),
        ({"tasks": "chirality-targets", "targets": 0}, "greater than or equal to 1"),
        ({"tasks": "chirality-targets", "targets": float("nan")}, "must be a number of targets"),
        ({"tasks": "chirality-targets", "targets": "all"}, "must be a number of targets"),
        ({"tasks": "chirality-targets", "targets": []}, "must be a number of targets"),
        ({"tasks": "chirality-targets", "targets": [[[1.0]]]}, "must be a number of targets"),
        ({"tasks": "chirality-targets", "targets": [[np.inf, 1.0, 4.0]]}, "must be a number of targets"),
        (
            {"tasks": "chirality-targets", "targets": [0.8, 1.1, 4.0]},
            r"shape \(3,\) do not fit .*: give \(T, 3\) numbers of gap_ev, diameter_nm, length_nm",
        ),
        ({"tasks": chirality_task(), "targets": [0.8, 1.1, 4.0]}, r"shape \(3,\) do not fit the task gap_ev"),
        ({"tasks": "chirality-targets", "targets": [[0.8, 1.1]]}, r"shape \(1, 2\) do not fit"),
        ({"tasks": rings_task()}, "thermal_conductance_nw_k has no targets, .* give met="),
        ({"tasks": furnace_task()}, "objective has no targets, .* give met="),
        ({"tasks": rings_task(), "targets": [2.7], "met": 0.1}, r"targets=\[2\.7\] has no effect on the task thermal"),
        ({"targets": [2.7]}, r"targets=\[2\.7\] has no effect on an instance"),
        ({"methods": ["random", Policy(None, "mine", masked=False)]}, "the policy mine has no effect on an instance"),
        ({"methods": [NamedMethod(name="quick", optimizer="random", settings={"steps": 3})]}, "quick: its constructor"),
    ],
)
def test_wrong_arguments_of_a_comparison_are_one_sentence(arguments, match):
    with pytest.raises(ConfigurationError, match=match) as caught:
        run(**{"methods": ["random"], "tasks": "chirality", "queries": 1, "seeds": 1} | arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("made", "met"), [(rings_task, 2.75), (furnace_task, 0.0)])
def test_a_task_without_targets_is_compared_by_the_loss_that_counts_as_met(made, met):
    """One search for each seed; the errors are the losses of the best designs."""
    found = run(["random", "annealing"], made(), queries=16, seeds=3, met=met)
    for figures in found.figures():
        outcomes = found.of(figures.method)
        losses = [float(outcome.search.progress[-1, 0]) for outcome in outcomes]
        assert [outcome.search.targets.shape for outcome in outcomes] == [(1, 0)] * 3
        assert figures.error.mean == pytest.approx(np.mean(losses))
        assert figures.met.mean == pytest.approx(np.mean(np.array(losses) < met))


def test_targets_of_one_and_of_three_numbers_are_those_given():
    three = [[0.8, 1.1, 4.0], [0.5, 0.9, 3.0]]
    for task in ("chirality-targets", chirality_task()):
        (outcome,) = run(["random"], task, targets=three, queries=2, seeds=1).outcomes
        np.testing.assert_array_equal(outcome.search.targets, three)
    one = rings_task(direction="target", low=2.7, high=2.8, margin=0.05)
    for targets in ([2.75, 2.72], [[2.75], [2.72]]):
        (outcome,) = run(["random"], one, targets=targets, queries=2, seeds=1).outcomes
        np.testing.assert_array_equal(outcome.search.targets, [2.75, 2.72])


def test_a_policy_without_a_task_to_train_for_is_no_error_in_memory():
    """A trained policy has no list of tasks: it takes part in all."""
    track = Suite.model_validate({"name": "x", "amortised": {"tasks": ["chirality-targets"]}}).amortised
    policy = Policy(None, "mine", masked=False)
    track = track.model_copy(update={"policies": (policy,), "methods": (NamedMethod(name="random"),)})
    assert [each.name for each in track.contenders("chirality-targets")] == ["mine", "random"]
    assert [each.name for each in track.contenders(AMORTISED["chirality-targets"])] == ["mine", "random"]
