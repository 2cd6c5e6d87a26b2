"""The page and the Markdown of a benchmark whose figures are known."""

import json
import re

import plotly.graph_objects as go
import pytest
from synthetic_run import SEEDS, write_run

from matgym.benchmark.leaderboard import leaderboard_rows, markdown
from matgym.benchmark.report import page as page_of
from matgym.benchmark.results import Results

REPS = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(folder):
    return page_of(Results.read(folder), REPS)


def test_nothing_is_loaded_from_the_network(page):
    markup = re.sub(r"<script[^>]*>.*?</script>", "<script></script>", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)\s*=\s*[\"']?(https?:)?//", page)
    assert "http://" not in markup
    assert "https://" not in markup
    assert "default-src 'none'" in markup


def test_plotly_accepts_every_figure(page):
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)[1])
    assert {
        "forest-16",
        "forest-64",
        "scores",
        "profiles",
        "improvement",
        "costs",
        "met-targets",
        "predicted-doping",
    } <= set(figures)
    assert "predicted-rings" not in figures
    for name in ("rings", "doping", "recipe"):
        assert {f"anytime-{name}", f"first-{name}"} <= set(figures)
    for figure in figures.values():
        go.Figure(figure)
    assert set(re.findall(r'data-figure="([^"]+)"', page)) == set(figures)
    assert page.count("<h3>Evaluations to the optimum</h3>") == 3


def test_winners_are_shown(page):
    assert 'id="best-0"><img alt="(8,0)x2 nanotube' in page
    assert 'id="best-1"' not in page  # the records of the doping task hold no structure
    assert "Found by genetic, seed 0: verified loss 2 nW/K, the best known. 10" in page  # the recipe has no structure


def test_the_report_states_the_best_method_and_counts_each_kind(page):
    assert "genetic has the highest interquartile mean score after 64 evaluations, 1.000" in page
    # By a network: six seeds of 3 x 64 + 16 evaluations of doping, and six runs of 16 of targets. By an oracle: as many
    # of rings, and 64 fewer of recipe, which has no dqn. Doping has 7 + 7 + 5 + 7 checkpoints.
    surrogate, oracle, verified = 6 * 208 + 6 * 16, 6 * 208 + 6 * 144, 6 * 26 + 6 * 8
    assert f"{surrogate:,} surrogate, {oracle:,} oracle, {verified:,} verified" in page


def test_overall_rows_give_the_aggregate_of_each_method(folder):
    rows = leaderboard_rows(Results.read(folder), reps=REPS)
    assert [row["method"] for row in rows] == ["genetic", "dqn", "random", "gp"]
    assert [row["tasks"] for row in rows] == ["3/3", "2/3", "3/3", "3/3"]
    assert rows[0]["optima found"] == "100%"
    assert rows[3]["IQM score, 16"].startswith("0.800 [0.7")
    assert rows[3]["IQM score, 64"] == rows[3]["mean rank, 64"] == "–"
    assert rows[1]["IQM score, 64"].startswith("0.600 [0.5")
    assert [row["mean rank, 64"] for row in rows[:3]] == ["1.0", "2.0", "2.7"]  # random is second without dqn
    assert rows[2]["P(better than random)"] == "–"


def test_markdown_tables_have_equal_columns_and_the_expected_rows(folder):
    text = markdown(Results.read(folder), REPS)
    assert text == markdown(Results.read(folder), REPS)
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(blocks) == 9  # overall, two budgets, separation, three tasks, targets, costs
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
    found = f"{SEEDS}/{SEEDS}"
    assert f"| genetic | 0 [0, 0] | 0 [0, 0] | {found} | {found} | 16 | random: not found |" in text
    assert re.search(rf"\| gp \| 0\.2 \[0\.\S+ \S+ \| – \| 0/{SEEDS} \| – \| > 16 \| – \|", text)
    assert "| dqn | 0.600 | 2.0 | 0.600 | 0.600 | – |" in text
    assert re.search(r"Do these tasks separate methods\?.*\| 16 \| 3 \| 3 \| \d", text, re.DOTALL)
    assert "| MaskablePPO | 50% [50, 50] | 75% [75, 75] | 100% [100, 100] | 4,000 | 30 |" in text
    assert "| search | gp | 18 | 288 | 96 | 192 | 0 | 0 | 30 | 0.16 | – |" in text
    assert re.search(r"The best known design has a loss of \S+ \S+ \(by enumeration", text)


def test_an_incomplete_run_has_a_page(tmp_path):
    folder = write_run(tmp_path)
    for path in (folder / "records").glob("*-gp-*.parquet"):
        if "rings" in path.name or path.name.split("-")[2] != "0":
            path.unlink()
    text = page_of(Results.read(folder), reps=10)
    assert "runs are missing" in text
    assert "2/3" in text
