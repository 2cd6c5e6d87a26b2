"""Discovery and break-even figures by hand."""

import json

import numpy as np
import pytest

from matgym.benchmark.break_even import BreakEven, break_even
from matgym.benchmark.discovery import acceleration, calls_until, discoveries, discovery_tables
from matgym.benchmark.leaderboard import markdown
from matgym.benchmark.results import Results
from tests.benchmark.synthetic_run import write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("discovery"))
    facts = json.loads((folder / "suite.json").read_text("utf-8"))
    (folder / "suite.json").write_text(json.dumps(facts | {"within": 0.46}), encoding="utf-8")
    return Results.read(folder)


def test_calls_are_those_until_a_score_within_the_share(results):
    """Scores end at 0.45 to 0.55 (random, of which one seed in six reaches 0.54), 1 (genetic, from 16 on), 0.8 (gp)."""
    calls = calls_until(results, "rings", 0.46)
    assert sorted(calls["random"]) == [64.0, *[np.inf] * 5]
    assert (calls["genetic"] == 16.0).all()  # after 8 it has 0.9 · 4 / 7 = 0.51


def test_acceleration_is_a_ratio_of_medians():
    own, random = np.array([10.0, 20.0, 30.0]), np.array([100.0, 200.0, np.inf])
    factor = acceleration(own, random)
    assert factor.mean == 10.0
    assert factor.low == pytest.approx(100.0 / 30.0)
    assert np.isinf(factor.high)
    assert np.isinf(acceleration(own, np.full(3, np.inf)).mean)
    assert np.isnan(acceleration(np.full(3, np.inf), random).mean)
    assert np.isnan(acceleration(own[:1], random).low)


def test_the_enhancement_is_a_ratio_of_scores(results):
    found = discoveries(results, "rings", 0.46)
    assert list(found)[:2] == ["gp", "genetic"]  # a GP has 0.8 · 0.9 · 4 / 5 = 0.58 after 8
    assert found["genetic"].enhancement[64] == pytest.approx(1.0 / 0.5)
    assert 64 not in found["gp"].enhancement
    assert found["gp"].budget == 16


def test_only_a_discovery_track_has_such_tables(results, tmp_path):
    assert [table.title for table in discovery_tables(results, 100)] == [
        "Discovery: rings", "Discovery: doping", "Discovery: recipe",
    ]  # fmt: skip
    assert "## Discovery: rings" in markdown(results, 100)
    assert discovery_tables(Results.read(write_run(tmp_path)), 100) == []


def test_training_pays_after_the_evaluations_that_it_saves():
    queries = np.array([1, 4, 16])
    policy, search = np.array([0.5, 0.6, 0.9]), np.array([0.1, 0.5, 0.8])
    # At one query the search needs four for as many targets: 300 / 3. At four it needs sixteen: 300 / 12, earlier.
    assert break_even(300, queries, policy, [search]) == BreakEven(25, is_bound=False)
    assert str(break_even(300, queries, policy, [search])) == "25"
    # No search meets 0.9 of the targets; with one query the policy saves at least fifteen.
    assert str(break_even(300, queries, np.array([0.9, np.nan, np.nan]), [search])) == "< 20"
    assert break_even(300, queries, np.array([0.1, 0.5, 0.8]), [search]) is None
    assert str(break_even(3000, queries, policy, [])) == "< 200"
