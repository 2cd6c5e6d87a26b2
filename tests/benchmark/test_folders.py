"""Shards, merged folders, further methods on published results, and audits of submissions."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matgym.benchmark import Results, Suite, run_suite
from matgym.benchmark.audit import audit
from matgym.benchmark.folders import merge, suite_of
from matgym.benchmark.planning import Shard, plan
from matgym.cli import app
from matgym.errors import ConfigurationError, DatasetError, FormatError

SUITE = """
name: shards
search:
  tasks: [isotope-sites, chirality]
  methods: [random, annealing]
  budget: 16
  seeds: 3
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("shards") / "shards.yml"
    path.write_text(SUITE, encoding="utf-8")
    return Suite.read(path)


@pytest.fixture(scope="module")
def shards(suite, tmp_path_factory):
    """Return the folders of two shards."""
    folder = tmp_path_factory.mktemp("folders")
    return [run_suite(suite, folder / str(number), shard=Shard(number, 2)) for number in (1, 2)]


def last(file):
    table = pq.read_table(file)
    return table.slice(len(table) - 1).to_pylist()[0]


def change(folder, **values):
    """Change values of the last row of the first record of a folder, and return its run."""
    file = min((folder / "records").glob("*.parquet"))
    rows = pq.read_table(file).to_pylist()
    rows[-1] |= values
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(file)), file)
    return file.stem


def test_shards_are_all_runs_each_once(suite):
    runs = plan(suite)
    parts = [Shard(number, 5).part(runs) for number in range(1, 6)]
    assert sorted(run.key for part in parts for run in part) == sorted(run.key for run in runs)
    assert Shard.parse("2/5").part(runs) == parts[1]
    assert Shard.parse("").part(runs) == runs
    for text, match in (("0/2", "must be from 1/2"), ("3/2", "must be from"), ("2", "NUMBER/COUNT"), ("a/b", "COUNT")):
        with pytest.raises(ConfigurationError, match=match):
            Shard.parse(text)


def test_merged_shards_are_the_whole_suite(suite, shards, tmp_path):
    assert len(Results.read(shards[0]).missing) == 6  # one shard says what is missing
    merged = merge(shards, tmp_path / "both")
    assert merged.missing == ()
    assert len(merged.searches) == 12
    again = Results.read(tmp_path / "both")
    assert again.scores().keys() == merged.scores().keys() == {"random", "annealing"}
    done = []
    run_suite(suite, tmp_path / "both", on_done=lambda _run, before: done.append(before))
    assert done == [True] * 12  # nothing is done again
    with pytest.raises(FormatError, match="exists"):
        merge(shards, tmp_path / "both")


def test_an_archive_is_two_files_without_structures(shards, tmp_path):
    merge(shards, tmp_path / "published", archive=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published.json", "published.parquet"]
    assert set(pq.read_table(tmp_path / "published.parquet")["xyz"].to_pylist()) == {""}
    assert len(Results.read(tmp_path / "published").searches) == 12


def test_results_of_other_suites_are_not_merged(suite, shards, tmp_path):
    other = suite.model_copy(update={"name": "other"})
    folder = run_suite(other.with_seeds(1), tmp_path / "other")
    with pytest.raises(DatasetError, match="differ in suite"):
        merge([shards[0], folder], tmp_path / "both")
    with pytest.raises(ConfigurationError, match="nothing to merge"):
        merge([], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_one_command_adds_a_method_to_published_results(shards, tmp_path, capsys):
    merge(shards, tmp_path / "published", archive=True)
    command = ["benchmark", "add", str(tmp_path / "published"), "hill-climbing", "--output", str(tmp_path / "added")]
    app([*command, "--workers", "1"], standalone_mode=False)
    results = Results.read(tmp_path / "added" / "all")
    assert results.methods == ("random", "annealing", "hill-climbing")
    assert [len(own) for own in results.scores()["hill-climbing"].values()] == [3, 3]
    assert "hill-climbing" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="has the method 'random' already"):
        suite_of(tmp_path / "published", ["random"])
    with pytest.raises(ConfigurationError, match="there is no optimizer 'hill-climbin'"):
        suite_of(tmp_path / "published", ["hill-climbin"])


def test_honest_results_pass_an_audit(shards):
    found = audit(shards[0], sample=100)
    assert found.findings == ()
    assert (found.searches, found.scored, found.skipped) == (6, 6, ())


@pytest.mark.parametrize("what", ["loss", "design", "count", "trajectory", "identity"])
def test_forged_results_are_found(suite, tmp_path, what):
    folder = run_suite(suite.with_seeds(1), tmp_path / "forged")
    file = min((folder / "records").glob("*.parquet"))
    row = last(file)
    if what == "loss":  # of a design that is not so good, in all places where a record has it
        better = row["predicted_loss"] - 0.001
        run = change(folder, predicted_loss=better, verified_loss=better, trajectory=[better] * 16)
        expected = {"predicted loss"}
    elif what == "design":
        other = last(sorted((folder / "records").glob(f"{row['task']}-*.parquet"))[1])["design"]
        assert other != row["design"]
        run = change(folder, design=other)
        expected = {"predicted loss"}
    elif what == "count":
        run = change(folder, oracle=row["oracle"] + 1)
        expected = {"oracle evaluations"}
    elif what == "trajectory":
        run = change(folder, trajectory=row["trajectory"][:-1])
        expected = {"length of the trajectory"}
    else:
        content = json.loads(row["identity"]) | {"budget": 8}
        rows = pq.read_table(file).to_pylist()
        for each in rows:
            each["identity"] = json.dumps(content, sort_keys=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(file)), file)
        run, expected = file.stem, {"digest of the identity", "evaluations"}
    found = audit(folder, sample=100)
    assert {finding.run for finding in found.findings} == {run}
    assert expected <= {finding.what.split(" after ")[0] for finding in found.findings}
    with pytest.raises(SystemExit) as ended:
        app(["benchmark", "verify", str(folder), "--sample", "100"])
    assert ended.value.code == 1
