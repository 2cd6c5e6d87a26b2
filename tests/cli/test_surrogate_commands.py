"""`matgym surrogate` from the command line, on a data set that is small enough to train on in seconds."""

import json
from contextlib import chdir

import numpy as np
import pytest
from typer.testing import CliRunner

from matgym.cli import app, main
from matgym.cli.surrogate import _resolve
from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.models import Level
from matgym.surrogates import load, load_card

SMALL = "dataset: {data}\nproperties: [gap_ev]\nnetwork: lenet\nepochs: 2\nmembers: 2\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("surrogate")
    spec = DatasetSpec(name="small", families=(Family(n=8, m=0, cells=1, samples=500),), largest_share=0.3)
    build(spec, path / "small.parquet", workers=1)
    (path / "config.yml").write_text(SMALL.format(data=path / "small.parquet"))
    return path


def surrogate(*words, folder):
    """What a command prints."""
    with chdir(folder):
        found = CliRunner().invoke(app, ["surrogate", *map(str, words), "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def trained(folder):
    return surrogate("train", "--settings", "config.yml", "--cv", 2, "--log", "board", folder=folder)


def test_train_cross_validates_fits_and_stores_with_a_card(folder, trained):
    weights = folder / "gap-lenet.safetensors"  # named after property and network
    assert trained["weights"] == weights.name
    card = load_card(weights)
    assert card.network == "lenet"
    assert card.members == len(load(weights).networks) == 2
    assert card.cross_validation[0]["property"] == trained["cross_validation"][0]["property"] == "gap_ev"
    assert trained["cross_validation"][0]["n"] == len(Dataset.load(folder / "small.parquet").labelled())
    assert list((folder / "board" / "member-1").glob("events*"))  # TensorBoard's
    assert {path.name for path in folder.iterdir()} == {
        "small.parquet", "small.card.json", "config.yml", "board", "gap-lenet.safetensors", "gap-lenet.json"
    }  # fmt: skip  # no checkpoints left behind


def test_evaluate_recomputes_the_card_s_figures(folder, trained):
    row = surrogate("evaluate", "gap-lenet.safetensors", "--dataset", "small.parquet", folder=folder)[0]
    assert {"property", "r2", "mae", "rmse", "n", "coverage"} <= set(row)
    assert row["r2"] == pytest.approx(trained["metrics"][0]["r2"], abs=1e-6)
    assert row["n"] == len(Dataset.load(folder / "small.parquet").split("test"))


def test_improve_adds_the_oracle_s_word_on_what_a_search_found(folder, trained):
    assert trained
    found = surrogate(
        "improve", "gap-lenet.safetensors", "better.safetensors", "--dataset", "small.parquet", "--tube", "(8,0)x1",
        "--budget", "B=2,N=2", "--rounds", 2, "--designs", 8, "--queries", 20, "--epochs", 1, folder=folder,
    )  # fmt: skip
    assert [r["labels"] for r in found["rounds"]] == [8, 16]
    before, after = Dataset.load(folder / "small.parquet"), Dataset.load(folder / "better.parquet")
    added = after.table.slice(len(before))
    assert 0 < len(added) <= 16
    assert set(added.column("split").to_pylist()) == {"train"}
    from matgym.physics import PiElectrons

    fresh = Dataset(added)
    np.testing.assert_allclose(PiElectrons().predict(fresh.batch)["gap_ev"], fresh.values("gap_ev"), atol=1e-9)


def test_distil_learns_from_the_answers_of_another(folder, trained):
    assert trained
    found = surrogate(
        "distil", "gap-lenet.safetensors", "small.safetensors", "--settings", "config.yml", "--designs", 100,
        folder=folder,
    )  # fmt: skip
    assert [row["surrogate"] for row in found["metrics"]] == ["gap-lenet.safetensors", "small.safetensors"]
    card = load_card(folder / "small.safetensors")
    assert card.data["digest"] == Dataset.load(folder / "small.parquet").digest
    assert 0 < card.data["answers"] <= 100
    assert card.levels == {"gap_ev": Level.PI}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--property", "zt,conductance"), "no shipped data set has zt, conductance_us together"),
        (("train", "--property", "gp"), "did you mean 'gap'"),
        (("train", "--property", "gap", "--network", "resnett"), "did you mean 'resnet'"),
        (("train", "out.pt", "--property", "gap"), "weights are stored as .safetensors"),
        (("evaluate", "nowhere"), "there are no weights 'nowhere'"),
        (("improve", "gap-lenet.safetensors", "x.safetensors", "--budget", "B8"), "'B8' is not a budget"),
    ],
)
def test_bad_input_is_one_sentence(folder, trained, arguments, sentence, monkeypatch, capsys):
    assert trained
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["matgym", "surrogate", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    complaint = capsys.readouterr().err
    assert sentence in " ".join(complaint.split())
    assert "Traceback" not in complaint


def test_another_network_than_that_of_the_shipped_settings_has_its_own_sizes():
    source, how = _resolve(["gap"], "nanotube-doping", None, {"network": "lenet"})
    assert (source, how.network) == ("nanotube-doping", "lenet")
    assert "width" not in how.size
    assert _resolve(["gap"], "nanotube-doping", None, {})[1].network == "resnet"
    assert _resolve(["young"], "", None, {"network": "pairs"})[1].network == "pairs"
