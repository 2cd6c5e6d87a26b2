"""Records as arrays, and aggregates of them, for a benchmark whose figures are known."""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import trim_mean
from synthetic_run import FINAL, METHODS, SEEDS, score, write, write_run, write_search

from matgym.benchmark.aggregate import bootstrap, overall_figures, run_means
from matgym.benchmark.results import Results
from matgym.errors import DatasetError
from matgym.statistics import middle_mean, performance_profile, probability_of_improvement, stratified_bootstrap

ROOT = Path(__file__).parents[2]
LEADERBOARD = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results.read(write_run(tmp_path_factory.mktemp("run")))


def rewrite(path, **changed):
    write(path, [row | changed for row in pq.read_table(path).to_pylist()])


def test_scores_are_those_of_final_designs(results):
    scores = results.scores()
    assert list(scores) == list(METHODS)
    assert results.compared[1] == ("rings", "doping")
    for method, own in scores.items():
        assert own.shape == (SEEDS, 2)
        np.testing.assert_allclose(own, [[score(method, seed)] * 2 for seed in range(SEEDS)])


def test_the_aggregate_states_what_it_leaves_out(results):
    assert results.left_out == ("The aggregate leaves out recipe, because it has no search by dqn.",)
    assert results.missing == ()


def test_evaluations_to_the_optimum(results):
    first = results.evaluations_to_optimum("rings")
    assert (first["genetic"] == 16).all()
    assert np.isinf(first["random"]).all()
    assert results.found("rings")["genetic"].tolist() == [1.0] * SEEDS
    assert not results.found("rings")["gp"].any()


def test_curves_carry_the_last_value_forward(results):
    marks, curves = results.anytime("rings")
    assert marks.tolist() == [1, 2, 4, 8, 16, 32, 64]
    gp = curves["gp"]
    assert gp.shape == (SEEDS, 7)
    np.testing.assert_allclose(gp[:, 4:], np.repeat(gp[:, 4:5], 3, axis=1))
    np.testing.assert_allclose(gp[:, -1], [1 - score("gp", seed) for seed in range(SEEDS)])


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


def test_a_failed_design_counts_as_the_worst(tmp_path):
    folder = write_run(tmp_path)
    (failed,) = (folder / "records").glob("rings-random-0-*.parquet")
    rewrite(failed, verified_loss=float("nan"))
    assert Results.read(folder).scores()["random"][0, 0] == pytest.approx(0.0)
    (worse,) = (folder / "records").glob("rings-random-1-*.parquet")
    rewrite(worse, verified_loss=3.5)
    assert Results.read(folder).scores()["random"][:2, 0] == pytest.approx([-0.5, -0.5])


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
    assert results.scores()["gp"].shape == (SEEDS - 1, 2)
    assert results.scores()["dqn"].shape == (SEEDS, 2)
    assert any("1 of gp" in said for said in results.left_out)


def test_the_shipped_records_give_the_shipped_leaderboard():
    """Figures of docs/leaderboard.md, intervals apart, which take a minute."""
    results = Results.read(ROOT / "docs" / "results" / "standard")
    figures = overall_figures(results.scores(), results.random_method, reps=2)
    rows = re.findall(r"^\| (\S+) \| \S+ \| (\d\.\d{3}) \[.*?\] \| (\d\.\d{3}) \|", LEADERBOARD, re.MULTILINE)
    assert len(rows) == 17
    assert [(m, f"{f.iqm.mean:.3f}", f"{f.median.mean:.3f}") for m, f in figures.items()] == rows
    assert results.missing == ()


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
    library, metrics = rliable()
    rng, taus = np.random.default_rng(2), np.linspace(-0.1, 1.0, 12)
    for runs in (1, 2, 3, 7, 10):
        scores = rng.normal(0.6, 0.3, size=(runs, 4))
        mine = overall_figures({"m": scores}, None, reps=2)["m"]
        assert mine.iqm.mean == pytest.approx(metrics.aggregate_iqm(scores))
        assert mine.median.mean == pytest.approx(metrics.aggregate_median(scores))
        assert mine.mean.mean == pytest.approx(metrics.aggregate_mean(scores))
        assert mine.optimality_gap.mean == pytest.approx(metrics.aggregate_optimality_gap(scores))
        np.testing.assert_allclose(middle_mean(scores), trim_mean(scores, 0.25, axis=0))
        np.testing.assert_allclose(run_means(scores[..., None]), trim_mean(scores, 0.25, axis=None))
    x, y = rng.integers(0, 5, (6, 4)) / 5, rng.integers(0, 5, (9, 4)) / 5
    assert probability_of_improvement(x, y) == pytest.approx(metrics.probability_of_improvement(x, y))
    np.testing.assert_allclose(performance_profile(x, taus), library.score_distributions(x, taus))


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


def test_methods_are_ordered_by_their_interquartile_mean(results):
    figures = overall_figures(results.scores(), "random", reps=100)
    for method, scores in results.scores().items():
        assert figures[method].iqm.mean == pytest.approx(trim_mean(scores, 0.25, axis=None))
    assert list(figures) == ["genetic", "gp", "dqn", "random"]
    assert figures["random"].better.mean == 0.5


def test_intervals_contain_the_true_value_and_are_reproducible(results):
    first, second = (overall_figures(results.scores(), "random", reps=200) for _ in range(2))
    assert first == second
    for method, figures in first.items():
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
        band = bootstrap({"m": rng.normal(size=(20, 3))}, middle_mean, reps=200)["m"]
        inside += int(((band.low <= 0) & (band.high >= 0)).sum())
    assert 0.85 <= inside / 120 <= 0.99


def test_one_seed_has_no_interval():
    figures = overall_figures({"a": np.array([[0.2, 0.4]]), "b": np.array([[0.1, 0.3]])}, "b", reps=10)
    assert np.isnan(figures["a"].iqm.low)
    assert f"{figures['a'].iqm:.2f}" == "0.30"
