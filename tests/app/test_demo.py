"""The demo with small settings, and the page that it writes."""

import json
import re
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from matgym.agents.sb3 import make_agent
from matgym.app.briefs import BriefSettings
from matgym.app.demo import DemoSettings
from matgym.cli import app
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import Nanotube
from matgym.structures.io import read

N_ENVS, SEEDS, TABLE = 32, 2, 32


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """With fewer environments, seeds and verifications than by default."""
    folder = tmp_path_factory.mktemp("demo")
    words = ["demo", "--output", str(folder), "--training-designs", "1", "--targets", "6", "--queries", "2", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        briefs = BriefSettings(briefs=3, attempts=1, table=64, lessons=(1,))
        small = partial(DemoSettings, seeds=SEEDS, verified=24, table=TABLE, briefs=briefs)
        patch.setattr("matgym.app.demo.DemoSettings", small)
        patch.setattr("matgym.app.demo.make_agent", partial(make_agent, overrides={"n_envs": N_ENVS}))
        found = CliRunner().invoke(app, words, catch_exceptions=False)
    return folder, json.loads(found.stdout, parse_constant=_refuse)


def _refuse(word):
    raise AssertionError(f"{word} is no JSON")


def test_every_design_in_the_table_has_the_values_of_the_oracle(demo):
    folder, _ = demo
    rows = pq.read_table(folder / "designs.parquet").to_pylist()
    assert {row["method"] for row in rows} == {"MaskablePPO", "look-up", "random", "annealing"}
    some = rows[:: len(rows) // 8]
    tubes = [Nanotube(r["n"], r["m"], r["cells"], np.frombuffer(r["species"], dtype=np.uint8)) for r in some]
    np.testing.assert_allclose(
        SelfConsistentElectrons().predict(tubes)["gap_ev"], [r["oracle_ev"] for r in some], atol=1e-9
    )
    assert all((tube.counts[3], tube.counts[4]) == (8, 8) for tube in tubes)


def test_structure_files_hold_the_best_designs_of_the_policy(demo):
    folder, _ = demo
    rows = pq.read_table(folder / "designs.parquet").to_pylist()
    mine = [r for r in rows if r["method"] == "MaskablePPO" and r["seed"] == 0]
    best = min(mine, key=lambda r: abs(r["oracle_ev"] - r["target_ev"]))
    for name in ("best-1.extxyz", "best-1.cif"):
        assert read(folder / "structures" / name).key == best["key"]


def test_methods_have_equal_evaluations_and_all_are_counted(demo):
    _, result = demo
    assert {row["queries"] for row in result["equal_queries"]} == {2}
    searches = 4 * SEEDS * 2 * 6 + TABLE
    whole = sum(row["queries"] for row in result["whole_budget"]) * 6
    verified = result["visited"]["designs"]
    training = result["ledger"]["surrogate"]["evaluations"] - searches - whole - verified
    # One rollout of all environments, of 16 steps; four steps place the atoms removed from an initial design.
    assert 1 <= training <= N_ENVS * 16 // 4
    assert whole >= training - 6  # divided by the number of targets, rounded down
    # Initial designs are verified, and every winner of every method and seed at equal queries, and of one more run
    # at equal totals.
    assert result["ledger"]["oracle"]["evaluations"] == (4 * SEEDS + 1) * 6 + verified + 6


def test_page_is_self_contained_and_states_the_results(demo):
    folder, result = demo
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)\s*=\s*["\'](?:https?:)?//', page)
    assert page.count("<svg") == 7
    ids = re.findall(r'\bid="([^"]+)"', re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert len(ids) == len(set(ids))
    error = next(row for row in result["equal_queries"] if row["method"] == "MaskablePPO")["error"]["mean"]
    assert f"their mean error by the oracle is {1000 * error:.0f} meV" in page.replace("\n", " ")
    mine = [each for each in result["briefs"]["reached"] if each["method"] == "trained agent"]
    assert f"With {mine[-1]['designs']:.0f} designs a brief it meets {mine[-1]['met']:.0%}" in page.replace("\n", " ")


def test_the_stored_policy_can_be_loaded_and_acts(demo):
    from matgym.agents.storage import STORE, load_agent

    folder, result = demo
    assert result["files"]["policy"] == str(folder / "policy.safetensors")
    card = STORE.load_card(folder / "policy.safetensors")
    assert (card.environment, card.arguments) == (
        "matgym/NanotubeDoping-v0",
        {"initial_designs": "gan", "removed": 4},
    )
    action, _ = load_agent(folder / "policy.safetensors").predict(np.zeros(267, dtype=np.float32), deterministic=True)
    assert 0 <= int(action) < 264
