"""A property of the user's own: the regression against scikit-learn's, what it recovers, storage, environments."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from typer.testing import CliRunner

import matgym  # noqa: F401  # registers the environments
from matgym.cli import app
from matgym.data import Family
from matgym.data.builder import random_tube
from matgym.data.labels import Labels
from matgym.errors import ConfigurationError, PropertyError, WeightsError
from matgym.models import Level, Property
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.structures.io import to_atoms
from matgym.surrogates import fit_own, load, load_card
from matgym.surrogates.honeycomb.pairs import PENALTIES
from matgym.surrogates.own.curve import Curve, curve_sizes
from matgym.surrogates.own.naming import own_property
from matgym.surrogates.own.ridge import folds_of, ridge
from matgym.surrogates.own.surrogate import form_targets
from matgym.testing import check_model

ROUNDING = 1e-8  # of a solution by eigenvalues against one by Cholesky's decomposition, relative
SINGLE = 1e-4  # of a stored network in single precision, relative to the spread of the labels
PROP = Property("mine_ev", "eV", "a property that is linear in pairs")
SHAPES = ((8, 0, 3), (6, 4, 1), (5, 5, 5), (9, 0, 3), (10, 0, 2))


def drawn(seed, shapes=SHAPES, count=16):
    return [
        random_tube(Family(n=n, m=m, cells=cells, samples=1, unbalanced=0.5), 0.2, np.random.default_rng([seed, n, k]))
        for n, m, cells in shapes
        for k in range(count)
    ]


def energies(tubes):
    """Return a made-up energy, eV: 1.3 for a B, 0.7 for an N, and -2 for a bond of B and N."""
    found = []
    for tube in tubes:
        one, other = tube.species[tube.bonds[:, :2]].T
        bonded = ((one == Species.B) & (other == Species.N)) | ((one == Species.N) & (other == Species.B))
        found.append(1.3 * tube.counts[Species.B] + 0.7 * tube.counts[Species.N] - 2.0 * bonded.sum())
    return np.array(found)


@pytest.fixture(scope="module")
def fitted():
    tubes = drawn(0)
    return fit_own(tubes, energies(tubes), PROP, trunk="none")


def test_the_regression_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    batch = TubeBatch.of([Nanotube(8, 0, 1)] * 40)
    features, folds = rng.normal(size=(40, 60)), folds_of(np.arange(40), 5, rng)
    values, trust = features[:, 0] - features[:, 1] + 0.1 * rng.normal(size=40), np.ones(60)
    trust[:5] = 10.0
    found = ridge(features, values, form_targets("value", batch), trust, folds)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0) * trust
    best = (np.inf, [])
    for penalty in PENALTIES:
        models = [Ridge(penalty, tol=1e-12).fit(scaled[folds != k], values[folds != k]) for k in range(5)]
        errors = [(models[k].predict(scaled[folds == k]) - values[folds == k]) ** 2 for k in range(5)]
        best = min(best, (float(np.concatenate(errors).mean()), [each.predict(scaled) for each in models]))
    assert found.rmse == pytest.approx(np.sqrt(best[0]), rel=ROUNDING)
    np.testing.assert_allclose(found.predict(features), best[1], rtol=ROUNDING, atol=ROUNDING)


def test_groups_are_in_one_fold_and_folds_are_of_like_size():
    groups = np.repeat(np.arange(12), [30, 20, *[5] * 10])
    folds = folds_of(groups, 4, np.random.default_rng(0))
    assert all(len(set(folds[groups == group])) == 1 for group in range(12))
    assert np.bincount(folds).tolist() == [30, 20, 25, 25] or max(np.bincount(folds)) == 30


def test_a_property_that_is_linear_in_pairs_is_found_per_site(fitted):
    assert fitted.chosen.form == "per-site"
    fresh = drawn(1, ((8, 2, 2), (7, 4, 1)), 20)  # of other chiralities, in the ranges of the labels
    told, true = fitted.surrogate.predict(fresh), energies(fresh)
    assert np.corrcoef(told["mine_ev"], true)[0, 1] > 0.99
    inside = np.isfinite(told.half_width["mine_ev"])
    assert inside.mean() > 0.5
    assert (np.abs(told["mine_ev"] - true)[inside] <= told.half_width["mine_ev"][inside]).mean() >= 0.8
    (longer,) = fitted.surrogate.predict([Nanotube(8, 0, 9)]).half_width["mine_ev"]
    assert np.isinf(longer)  # no label says anything of its error


def test_errors_by_chirality_are_reported_beside_those_of_known_ones(fitted):
    assert set(fitted.metrics) == {"known chiralities", "other chiralities"}
    assert fitted.curve.grouped
    assert fitted.curve.sizes == curve_sizes(fitted.curve.sizes[-1])
    assert all(0.85 <= row.coverage <= 0.97 for row in fitted.metrics.values())


def test_the_same_seed_gives_the_same_and_leaves_torch_s_state_alone():
    tubes = drawn(0, count=5)
    state = torch.get_rng_state()
    one, other = (fit_own(tubes, energies(tubes), PROP, trunk="none", form="per-site") for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(one.predicted, other.predicted)
    assert one.verdict == other.verdict


def test_atoms_and_tubes_give_the_same(fitted):
    tubes = drawn(0)
    mixed = [to_atoms(tube) if number % 2 else tube for number, tube in enumerate(tubes)]
    assert Labels.of(mixed, energies(tubes)).tubes == fitted.labels.tubes


def test_it_is_stored_and_loaded(fitted, tmp_path):
    file = tmp_path / "mine.safetensors"
    card = fitted.save(file, labels_by="a formula")
    fresh, loaded = drawn(2), load(file)
    np.testing.assert_allclose(
        loaded.predict(fresh)["mine_ev"], fitted.surrogate.predict(fresh)["mine_ev"], rtol=0, atol=SINGLE
    )
    assert load_card(file) == card
    assert card.levels == {"mine_ev": Level.USER}
    assert (card.labels_by, card.verdict) == ("a formula", fitted.verdict)
    assert loaded.properties == (PROP,)
    check_model(loaded)


def test_an_environment_takes_it(fitted, tmp_path):
    fitted.save(tmp_path / "mine.safetensors")
    env = gym.make(
        "matgym/NanotubeDoping-v0",
        n=8, cells=3, budget={"B": 1, "N": 1}, model=str(tmp_path / "mine.safetensors"), targets=(0.0, 3.0),
    )  # fmt: skip
    _, info = env.reset(seed=0)
    terminated = False
    while not terminated:
        action = int(np.flatnonzero(info["action_mask"])[0])
        _, reward, terminated, _, info = env.step(action)
    assert 0.0 <= reward <= 1.0
    assert "mine_ev" in info["objectives"]


def test_the_trunk_of_other_weights_is_refused(tmp_path):
    tubes = drawn(0, count=6)
    fit_own(tubes, energies(tubes), PROP, trunk="mechanics", form="per-site").save(tmp_path / "mine.safetensors")
    assert load(tmp_path / "mine.safetensors").trunk == "mechanics"
    card = json.loads((tmp_path / "mine.json").read_text())
    card["bases"]["nanotube-heat"] = 64 * "0"
    (tmp_path / "mine.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="train it anew"):
        load(tmp_path / "mine.safetensors")


def test_one_chirality_says_nothing_of_others():
    tubes = drawn(0, SHAPES[:1], 40)
    found = fit_own(tubes, energies(tubes), PROP, trunk="none")
    assert set(found.metrics) == {"known chiralities"}
    told = found.surrogate.predict([Nanotube(8, 0, 3).decorated({0: "B", 5: "N"}), Nanotube(9, 0, 3)])
    assert np.isfinite(told.half_width["mine_ev"]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("exponent", "noise", "says"),
    [(-1.0, 0.0, "More labels pay"), (0.0, 0.1, "The labels are enough"), (0.0, 0.7, "More labels hardly help"),
     (0.0, 2.0, "The labels are not enough")],
)  # fmt: skip
def test_the_verdict_follows_the_curve(exponent, noise, says):
    rng = np.random.default_rng(0)
    values, sizes = rng.normal(size=200), curve_sizes(180)
    errors = (noise or 0.3) * rng.normal(size=200)
    squares = np.stack([(errors * (size / 180) ** exponent) ** 2 for size in sizes])
    curve = Curve.of(sizes, squares, values, np.arange(200), PROP, 0, grouped=False)
    assert curve.verdict.startswith(says)
    assert curve.gain.value == pytest.approx(1.0 - 2.0**exponent, abs=1e-9)


def test_names_that_matgym_has_need_the_level_of_the_labels():
    assert own_property("gap", "eV", "xtb")[1] is Level.XTB
    assert own_property("mine", "eV")[0].key == "mine_ev"
    assert own_property("mine_ev", "eV")[0].key == "mine_ev"
    for wrong, sentence in ((("gap",), "by pi, scc-pi"), (("gap", "GPa", "xtb"), "is in eV"), (("a b",), "'a_b'")):
        with pytest.raises(PropertyError, match=sentence):
            own_property(*wrong)


def test_unknown_settings_are_one_sentence():
    tubes = drawn(0, count=5)
    for settings in ({"trunk": "none,oak"}, {"form": "odd"}):
        with pytest.raises(ConfigurationError, match="is unknown: give one of"):
            fit_own(tubes, energies(tubes), PROP, **({"trunk": "none"} | settings))
    with pytest.raises(ConfigurationError, match="needs positive labels"):
        fit_own(tubes, energies(tubes) - 100.0, PROP, trunk="none", form="resistance")


def test_the_command_line_learns_and_names_what_it_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tubes = drawn(0, count=6)
    rows = []
    for tube, value in zip(tubes, energies(tubes), strict=True):
        sites = " ".join(f"{k}:{'BN'[tube.species[k] - 3]}" for k in np.flatnonzero(tube.species).tolist())
        rows.append(f"{tube.n},{tube.m},{tube.cells},{sites},{value}")
    (tmp_path / "mine.csv").write_text("\n".join(["n,m,cells,sites,mine", *rows, "8,0,3,0:B,NA"]))
    words = ("train", "--data", "mine.csv", "--property", "mine", "--unit", "eV", "--trunk", "none", "--report", "out")
    done = CliRunner().invoke(app, ["surrogate", *words, "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    assert list(told["not_used"]) == [f"row {len(tubes) + 2}"]
    assert told["verdict"] == load_card("mine.safetensors").verdict
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "labels.csv", "learning-curve.csv", "learning-curve.png", "predicted.png"
    }  # fmt: skip
    done = CliRunner().invoke(app, ["predict", "(8,0)x3", "--model", "mine.safetensors", "--json"])
    assert [row["property"] for row in json.loads(done.stdout)["predictions"]] == ["mine_ev"]


def test_a_surrogate_is_a_value(fitted):
    assert replace(fitted.surrogate, calibration={}).predict(drawn(3, count=1))["mine_ev"].shape == (len(SHAPES),)
