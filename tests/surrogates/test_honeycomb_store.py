"""Surrogates on the honeycomb: stored, loaded, trained by the command line, begun from others' weights."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.errors import ConfigurationError, DatasetError, WeightsError
from matgym.structures import Nanotube
from matgym.surrogates import as_model, load, load_card
from matgym.surrogates.honeycomb.fitting import HoneycombFit, fit
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate
from matgym.surrogates.store import save
from matgym.surrogates.training import config_of, figures, train

SMALL = {"width": 8, "rounds": 2, "hidden": (8,)}
TUBES = [Nanotube(7, 5, 1), Nanotube(10, 0, 3, strain=0.02).decorated({3: "B", 50: "N", 9: "vacancy"})]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    families = (
        Family(n=8, m=0, cells=2, samples=60, strain=(-0.02, 0.02), stone_wales=1),
        Family(n=6, m=3, cells=1, samples=60),
        Family(n=10, m=0, cells=1, samples=10, held="unseen"),
    )
    spec = DatasetSpec(name="small", properties=("gap", "young"), levels={"gap": "scc-pi"}, families=families)
    return Dataset.load(build(spec, tmp_path_factory.mktemp("data") / "small.parquet", workers=1))


@pytest.fixture(scope="module")
def surrogate(data):
    config = HoneycombFit(("young_gpa", "gap_ev"), ("pi_gap_ev",), SMALL, epochs=2, members=2)
    return fit(data, config)


def test_a_stored_surrogate_predicts_the_same(surrogate, tmp_path):
    card = save(surrogate, tmp_path / "mine.safetensors")
    found = load(tmp_path / "mine.safetensors")
    assert isinstance(found, HoneycombSurrogate)
    assert card.model_dump(mode="json") == load_card(tmp_path / "mine.safetensors").model_dump(mode="json")
    one, other = surrogate.predict(TUBES), found.predict(TUBES)
    for key in surrogate.keys:
        np.testing.assert_array_equal(one[key], other[key])
        np.testing.assert_array_equal(one.half_width[key], other.half_width[key])
    assert as_model(tmp_path / "mine.safetensors", "gap_ev").predict(TUBES)["gap_ev"] == pytest.approx(one["gap_ev"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers_mean": [0.0]}, "numbers_mean must hold 15 numbers"),
        ({"settings": {"width": 9, "rounds": 2, "hidden": [8]}}, "does not hold the weights that its card describes"),
        ({"settings": {"width": 10**9}}, "width=1000000000"),
        ({"settings": {"rounds": 10**9}}, "rounds=1000000000"),
        ({"settings": {"depth": 2}}, "depth"),
        ({"members": 3}, "network.2"),
    ],
    ids=str,
)
def test_a_card_that_does_not_fit_raises(surrogate, change, message, tmp_path):
    save(surrogate, tmp_path / "mine.safetensors")
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(WeightsError, match=message):
        load(tmp_path / "mine.safetensors")


def test_training_measures_each_split_and_its_card_repeats_it(data, tmp_path):
    config = HoneycombFit(("young_gpa",), (), SMALL, epochs=2)
    card = train(data, tmp_path / "young.safetensors", config)
    assert set(card.metrics) == {"test", "unseen"}
    assert config_of(card) == HoneycombFit(**config.as_dict())
    found = figures(load(tmp_path / "young.safetensors"), data.split("unseen").labelled(["young_gpa"]))
    assert found[0].rmse == pytest.approx(card.metrics["unseen"][0].rmse)


def test_labels_of_another_level_are_not_taken_for_an_input(data):
    with pytest.raises(DatasetError, match="by self-consistent π tight binding, and the input of that name is by π"):
        fit(data, HoneycombFit(("young_gpa",), ("gap_ev",), SMALL, epochs=1))


def test_weights_of_another_property_are_a_start(data, surrogate):
    config = HoneycombFit(("young_gpa",), ("pi_gap_ev",), SMALL, epochs=1, learning_rate=1e-12)
    found = fit(data, config, surrogate)
    for name, value in surrogate.networks[0].state_dict().items():
        same = torch.allclose(value, found.networks[0].state_dict()[name], atol=1e-6) if "head.2" not in name else False
        assert same or "head.2" in name, name
    with pytest.raises(ConfigurationError, match="of another size"):
        fit(data, HoneycombFit(("young_gpa",), (), {**SMALL, "width": 12}, epochs=1), surrogate)


def test_the_command_line_trains_and_evaluates(data, tmp_path):
    data.save(tmp_path / "small.parquet")
    output = tmp_path / "young.safetensors"
    options = ["--network", "honeycomb", "--property", "young", "--dataset", str(tmp_path / "small.parquet")]
    done = CliRunner().invoke(app, ["surrogate", "train", str(output), *options, "--epochs", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert {row["split"] for row in json.loads(done.stdout)["metrics"]} == {"test", "unseen"}
    done = CliRunner().invoke(app, ["surrogate", "evaluate", str(output), "--dataset", str(tmp_path / "small.parquet")])
    assert done.exit_code == 0, done.output
