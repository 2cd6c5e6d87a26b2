"""Records as arrays, and aggregates of them, for a benchmark whose figures are known."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2 as chi2_distribution
from scipy.stats import trim_mean
from synthetic_run import FINAL, METHODS, SEARCHED, SEEDS, score, write, write_run, write_search

from matgym.benchmark.aggregate import overall_figures, separation, task_means
from matgym.benchmark.leaderboard import opening
from matgym.benchmark.results import Results
from matgym.errors import DatasetError
from matgym.statistics import middle_mean, performance_profile, probability_of_improvement, stratified_bootstrap

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results.read(write_run(tmp_path_factory.mktemp("run")))


def rewrite(path, **changed):
    write(path, [row | changed for row in pq.read_table(path).to_pylist()])


def test_scores_are_those_after_a_budget(results):
    """One column a budget: `gp` stops at 16 and has no score at 64."""
    assert results.checkpoints == (16, 64)
    last, first = results.scores(), results.scores(16)
    assert list(last) == ["random", "genetic", "dqn"]
    assert list(first) == list(METHODS)
    for method in METHODS:
        final = {task: [score(method, seed) for seed in range(SEEDS)] for task, on in SEARCHED.items() if method in on}
        found = first if method == "gp" else last
        assert list(found[method]) == list(final)
        for task, expected in final.items():
            np.testing.assert_allclose(found[method][task], expected)
    marks = [2**i for i in range(7)]
    share = 0.9 * (marks.index(16) + 1) / len(marks)  # as synthetic_run writes it
    np.testing.assert_allclose(first["dqn"]["rings"], [share * score("dqn", seed) for seed in range(SEEDS)])


@pytest.mark.parametrize("others", [(), ("dqn",), ("dqn", "gp"), ("random", "dqn", "gp")])
def test_a_score_does_not_depend_on_the_other_methods(tmp_path, others):
    """DQN does not search numbers: that changed the tasks of all others. A bad method changed what a failure costs."""
    whole, part = write_run(tmp_path / "whole"), write_run(tmp_path / "part")
    for folder in (whole, part):
        (failed,) = (folder / "records").glob("rings-genetic-0-*.parquet")
        rewrite(failed, verified_loss=float("nan"))
    (bad,) = (whole / "records").glob("rings-dqn-1-*.parquet")
    rewrite(bad, verified_loss=99.0)
    for method in others:
        for path in (part / "records").glob(f"*-{method}-*.parquet"):
            path.unlink()
    one, two = (overall_figures(each.scores(64), None, reps=50)["genetic"] for each in map(Results.read, (whole, part)))
    assert (one.iqm, one.mean, one.optimality_gap, one.tasks) == (two.iqm, two.mean, two.optimality_gap, 3)


def test_evaluations_to_the_optimum(results):
    first = results.evaluations_to_optimum("rings")
    assert (first["genetic"] == 16).all()
    assert np.isinf(first["random"]).all()
    assert results.found("rings", 64)["genetic"].tolist() == [1.0] * SEEDS
    assert not results.found("rings", 16)["gp"].any()
    assert "gp" not in results.found("rings", 64)


def test_no_curve_is_carried_beyond_its_budget(results):
    curves = results.anytime("rings")
    marks, gp = curves["gp"]
    assert marks.tolist() == [1, 2, 4, 8, 16]
    assert gp.shape == (SEEDS, 5)
    np.testing.assert_allclose(gp[:, -1], [1 - score("gp", seed) for seed in range(SEEDS)])
    assert curves["random"][0].tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert results.anytime_scores("gp")[0].tolist() == [1, 2, 4, 8, 16]
    assert "gp" not in results.regrets("rings", 64)


def test_exploitation_is_reported_for_networks_only(results):
    np.testing.assert_allclose(results.exploitation("doping")["dqn"], 0.1)
    assert results.exploitation("rings") == {}


def test_share_of_targets_met(results):
    queries, shares = results.share_met("targets")
    assert queries.tolist() == [1, 2, 4]
    np.testing.assert_allclose(shares["random"], [[0, 0.25, 0.5]] * 3)
    np.testing.assert_allclose(shares["MaskablePPO"], [[0.5, 0.75, 1.0]] * 3)


def test_records_can_be_queried_by_sql(results):
    rows = results.query(
        "SELECT method, min(verified_loss) AS least FROM records GROUP BY method ORDER BY least"
    ).to_pylist()
    assert len(rows) == 5
    with pytest.raises(DatasetError, match="gives no table"):
        results.query("SELECT nothing FROM records")


def test_a_failed_design_counts_as_the_worst_of_its_method(tmp_path):
    folder = write_run(tmp_path)
    (failed,) = (folder / "records").glob("rings-random-0-*.parquet")
    rewrite(failed, verified_loss=float("nan"))
    assert Results.read(folder).scores()["random"]["rings"][0] == pytest.approx(0.0)
    (worse,) = (folder / "records").glob("rings-random-1-*.parquet")
    rewrite(worse, verified_loss=3.5)
    assert Results.read(folder).scores()["random"]["rings"][:2] == pytest.approx([-0.5, -0.5])


def test_records_of_other_versions_raise(tmp_path):
    folder = write_run(tmp_path)
    (path,) = (folder / "records").glob("doping-gp-2-*.parquet")
    rewrite(path, identity=json.dumps({"versions": {"matgym": "0.0.9", "numpy": "2.4.6"}, "model": "abc"}))
    with pytest.raises(DatasetError, match=r"doping-gp-2.*versions\.matgym.*0\.0\.9"):
        Results.read(folder)


@pytest.mark.parametrize(("content", "field"), [({"model": "other"}, "model"), ({"budget": 32}, "budget")])
def test_records_with_other_hashes_and_settings_raise(tmp_path, content, field):
    folder = write_run(tmp_path)
    (path,) = (folder / "records").glob("rings-random-3-*.parquet")
    before = json.loads(pq.read_table(path)["identity"][0].as_py())
    rewrite(path, identity=json.dumps(before | content))
    with pytest.raises(DatasetError, match=f"rings-random-3.*differ in {field}"):
        Results.read(folder)


def test_records_that_the_run_does_not_name_raise(tmp_path):
    folder = write_run(tmp_path, listed=True)
    write_search(folder / "records", "rings", "gp", 77)
    with pytest.raises(DatasetError, match=r"rings-gp-77.*suite\.json does not name"):
        Results.read(folder)
    rewrite(folder / "records" / "rings-gp-77-0123456789ab.parquet", task="knots")
    with pytest.raises(DatasetError, match="task 'knots'"):
        Results.read(folder)


def test_a_folder_without_a_run_or_a_field_raises(tmp_path):
    with pytest.raises(DatasetError, match=r"there is no .*suite\.json"):
        Results.read(tmp_path)
    folder = write_run(tmp_path)
    about = json.loads((folder / "suite.json").read_text())
    del about["tasks"]["rings"]["tolerance"]
    (folder / "suite.json").write_text(json.dumps(about))
    with pytest.raises(DatasetError, match=r"tasks\.rings\.tolerance"):
        Results.read(folder)


@pytest.mark.parametrize("listed", [True, False])
def test_missing_runs_are_reported(tmp_path, listed):
    folder = write_run(tmp_path, listed=listed)
    (path,) = (folder / "records").glob("rings-gp-5-*.parquet")
    path.unlink()
    results = Results.read(folder)
    assert results.missing == ("rings, gp, seed 5",)
    gp = results.scores(16)["gp"]
    assert [len(gp[task]) for task in SEARCHED] == [SEEDS - 1, SEEDS, SEEDS]  # no task and no seed of another is lost


@pytest.mark.parametrize("name", ["combinatorial", "discovery"])
def test_the_shipped_records_are_read_and_have_no_gaps(name):
    results = Results.read(ROOT / "docs" / "results" / name)
    assert results.stale == ""
    assert results.missing == ()
    assert results.checkpoints[:1] == ((64,) if name == "combinatorial" else (16,))
    assert "gp" in results.scores(64)
    assert "gp" not in results.scores(256)


def test_records_of_an_older_physics_say_that_they_are_stale(monkeypatch):
    monkeypatch.setattr("matgym.benchmark.results.PHYSICS_VERSION", 1_000)
    results = Results.read(ROOT / "docs" / "results" / "discovery")
    assert results.stale == "These records are stale: they are of version 3 of the physics, and this is version 1000."
    assert results.stale in opening(results)


# ---- aggregates


def rliable():
    """Return rliable's library and metrics, which need only `arch.bootstrap` of arch.

    rliable 1.2 needs arch below 8, and arch 7.2 does not import with pandas 3; its top-level module is then left out.
    """
    try:
        import arch  # noqa: F401  # to see whether it imports
    except TypeError:
        front = ModuleType("arch")
        front.__path__ = list(find_spec("arch").submodule_search_locations)
        sys.modules["arch"] = front
    from rliable import library, metrics

    sys.modules.pop("arch")

    return library, metrics


def test_aggregates_equal_those_of_rliable():
    """On one task; over tasks they are means, in which every task has the same weight."""
    library, metrics = rliable()
    rng, taus = np.random.default_rng(2), np.linspace(-0.1, 1.0, 12)
    for runs in (1, 2, 3, 7, 10):
        scores = rng.normal(0.6, 0.3, size=(runs, 4))
        columns = [scores[:, [place]] for place in range(4)]
        by_task = {f"t{place}": scores[:, place] for place in range(4)}
        mine = overall_figures({"m": by_task}, None, reps=2)["m"]
        assert mine.iqm.mean == pytest.approx(np.mean([metrics.aggregate_iqm(column) for column in columns]))
        assert mine.mean.mean == pytest.approx(metrics.aggregate_mean(scores))
        assert mine.optimality_gap.mean == pytest.approx(metrics.aggregate_optimality_gap(scores))
        np.testing.assert_allclose(middle_mean(scores), trim_mean(scores, 0.25, axis=0))
        profile = task_means([[own] for own in by_task.values()], lambda x: performance_profile(x, taus), 2).value
        np.testing.assert_allclose(profile, library.score_distributions(scores, taus))
    x, y = rng.integers(0, 5, (6, 4)) / 5, rng.integers(0, 5, (9, 4)) / 5
    assert probability_of_improvement(x, y).mean() == pytest.approx(metrics.probability_of_improvement(x, y))
    both = [{f"t{place}": own[:, place] for place in range(4)} for own in (x, y)]
    better = overall_figures({"x": both[0], "y": both[1]}, "y", reps=2)["x"].better.mean
    assert better == pytest.approx(metrics.probability_of_improvement(x, y))


def test_intervals_equal_those_of_rliable_but_for_the_draws():
    library, metrics = rliable()
    scores = np.random.default_rng(3).normal(0.6, 0.2, size=(10, 5))
    theirs = library.get_interval_estimates(
        {"m": scores}, lambda x: np.array([metrics.aggregate_iqm(x), metrics.aggregate_mean(x)]), reps=4000
    )[1]["m"]
    mine = stratified_bootstrap(
        lambda x: np.array([middle_mean(x.reshape(-1)), x.mean()]), [scores], np.random.default_rng(0), 4000
    )
    np.testing.assert_allclose(mine, theirs, atol=0.04 * (theirs[1] - theirs[0]).max())
    band = task_means([[own] for own in scores.T], lambda x: x.mean(axis=0)[..., None], 4000)
    np.testing.assert_allclose([*band.low, *band.high], theirs[:, 1], atol=0.04 * (theirs[1] - theirs[0]).max())


def test_methods_are_ordered_by_their_interquartile_mean(results):
    for mark, order in ((64, ["genetic", "dqn", "random"]), (16, ["genetic", "gp", "dqn", "random"])):
        figures = overall_figures(results.scores(mark), "random", reps=100)
        for method, own in results.scores(mark).items():
            assert figures[method].iqm.mean == pytest.approx(np.mean([trim_mean(x, 0.25) for x in own.values()]))
            assert figures[method].tasks == len(own)
        assert list(figures) == order
        assert figures["random"].better.mean == 0.5


TABLE = {"a": (0.9, 0.8, 0.7), "b": (0.5, 0.8, 0.4), "c": (0.1, 0.2, None)}
"""Scores of three methods on three tasks; c does not apply to the last one."""


def hand_made(spread=0.0):
    """Return the scores of six seeds around those of the table."""
    offsets = spread * np.linspace(-1.0, 1.0, 6)
    return {m: {f"t{i}": x + offsets for i, x in enumerate(own) if x is not None} for m, own in TABLE.items()}


def test_no_task_vanishes_and_ranks_are_those_by_hand():
    """The interquartile mean over all runs would trim the first and the last task of every method."""
    figures = overall_figures(hand_made(), "b", reps=2)
    assert {m: f.iqm.mean for m, f in figures.items()} == pytest.approx({"a": 0.8, "b": 1.7 / 3, "c": 0.15})
    # Task 0: a, b, c; task 1: a and b share 1 and 2, c is third; task 2: a, b.
    assert {m: f.rank for m, f in figures.items()} == pytest.approx({"a": 3.5 / 3, "b": 5.5 / 3, "c": 3.0})
    assert [f.tasks for f in figures.values()] == [3, 3, 2]
    assert figures["c"].better.mean == 0.0


def test_friedmans_test_and_kendalls_tau_are_those_by_hand():
    """Demšar, J. Mach. Learn. Res. 7, 1 (2006), equation of χ²_F; four methods on five tasks without ties."""
    rng = np.random.default_rng(0)
    values = rng.permuted(np.tile(np.arange(4.0), (5, 1)), axis=1)  # (tasks, methods)
    offsets = np.linspace(-0.1, 0.1, 6)
    scores = {f"m{j}": {f"t{i}": values[i, j] + offsets for i in range(5)} for j in range(4)}
    scores["partly"] = {"t0": offsets}
    found = separation(scores, 64)
    mean = 4.0 - values.mean(axis=0)
    chi2 = 12 * 5 / (4 * 5) * ((mean**2).sum() - 4 * 25 / 4)
    assert (found.evaluations, found.methods, found.tasks) == (64, 4, 5)
    assert found.chi2 == pytest.approx(chi2)
    assert found.p == pytest.approx(chi2_distribution.sf(chi2, 3))
    assert found.tau == pytest.approx(1.0)  # the halves of the seeds have the same order
    crossed = {"a": np.array([1.0, 3.0]), "b": np.array([2.0, 2.0]), "c": np.array([3.0, 1.0])}
    assert separation({m: {"t": x} for m, x in crossed.items()}, 1).tau == pytest.approx(-1.0)


def test_too_few_methods_tasks_or_seeds_have_no_test():
    one = separation({"a": {"t": np.ones(4)}, "b": {"t": np.zeros(4)}}, 1)
    assert np.isnan([one.chi2, one.p, one.tau]).all()
    equal = separation({m: {"t": np.ones(1), "u": np.ones(1)} for m in "abc"}, 1)
    assert np.isnan([equal.chi2, equal.p, equal.tau]).all()


def test_intervals_contain_the_true_value_and_are_reproducible(results):
    first, second = (overall_figures(results.scores(16), "random", reps=200) for _ in range(2))
    assert first == second
    final = overall_figures(results.scores(64), "random", reps=200)
    for method, figures in (final | {"gp": first["gp"]}).items():
        assert figures.iqm.low - 1e-12 <= FINAL[method] <= figures.iqm.high + 1e-12
    assert first["gp"].iqm.high > first["gp"].iqm.low


def test_the_global_random_generator_is_unchanged(results):
    np.random.seed(5)  # noqa: NPY002  # a stream of the user's
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    overall_figures(results.scores(), None, reps=20)
    assert np.random.rand() == expected  # noqa: NPY002


def test_intervals_have_their_nominal_coverage():
    rng, inside = np.random.default_rng(1), 0
    for _ in range(40):
        band = task_means([[rng.normal(size=(20, 3))]], middle_mean, reps=200)
        inside += int(((band.low <= 0) & (band.high >= 0)).sum())
    assert 0.85 <= inside / 120 <= 0.99


def test_one_seed_has_no_interval():
    one = {m: {"t": np.array([x]), "u": np.array([x + 0.2])} for m, x in (("a", 0.2), ("b", 0.1))}
    figures = overall_figures(one, "b", reps=10)
    assert np.isnan(figures["a"].iqm.low)
    assert f"{figures['a'].iqm:.2f}" == "0.30"
