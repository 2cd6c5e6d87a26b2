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
    assert {"forest", "scores", "profiles", "improvement", "costs", "met-targets", "predicted-doping"} <= set(figures)
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


def test_the_report_states_what_it_leaves_out(page):
    assert "The aggregate leaves out recipe, because it has no search by dqn." in page
    assert "genetic has the highest interquartile mean score, 1.000" in page


def test_overall_rows_give_the_aggregate_of_each_method(folder):
    rows = leaderboard_rows(Results.read(folder), reps=REPS)
    assert [row["method"] for row in rows] == ["genetic", "gp", "dqn", "random"]
    assert rows[0]["optima found"] == "100%"
    assert rows[1]["evaluations"] == "16"
    assert rows[1]["IQM score"].startswith("0.800 [0.7")
    assert rows[3]["P(better than random)"] == "–"


def test_markdown_tables_have_equal_columns_and_the_expected_rows(folder):
    text = markdown(Results.read(folder), REPS)
    assert text == markdown(Results.read(folder), REPS)
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(blocks) == 6  # overall, three tasks, targets, costs
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert f"| genetic | 0 [0, 0] | 1.000 | {SEEDS}/{SEEDS} | 16 | random: not found |" in text
    assert "| gp | 0.2 [0." in text
    assert "> 16 | – |" in text
    assert "| MaskablePPO | 50% [50, 50] | 75% [75, 75] | 100% [100, 100] | 4,000 | 30 |" in text
    assert "| search | gp | 18 | 96 | 192 | 0 | 30 | 0.16 | – |" in text
    assert re.search(r"The best known design has a loss of \S+ \S+ \(by enumeration", text)


def test_an_incomplete_run_has_a_page(tmp_path):
    folder = write_run(tmp_path)
    for path in (folder / "records").glob("*-gp-*.parquet"):
        if "rings" in path.name or path.name.split("-")[2] != "0":
            path.unlink()
    text = page_of(Results.read(folder), reps=10)
    assert "runs are missing" in text
    assert "The aggregate leaves out rings, because it has no search by gp." in text
