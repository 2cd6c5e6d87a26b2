"""`matgym generate`: evaluate prints the figures that rank generators, sample writes what physics was asked about."""

import json

import pytest
from typer.testing import CliRunner

from matgym.cli import app, main
from matgym.data import Dataset
from matgym.physics import GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures.io import read

PRINTED_EV = 1e-4  # four decimals are printed
WANTED = {"validity", "uniqueness", "novelty", "coverage", "density", "frechet", "property_error"}


def generate(*words):
    return json.loads(CliRunner().invoke(app, ["generate", *words, "--json"], catch_exceptions=False).stdout)


def test_evaluate_prints_the_figures_of_any_generator():
    found = generate("evaluate", "--generator", "gan", "--samples", "20")
    assert set(found) >= WANTED
    assert found["validity"] == found["composition"] == 1.0


def test_ranking_by_the_surrogate_brings_designs_nearer_to_the_target():
    plain, ranked = (
        generate("evaluate", "--generator", "random", "--samples", "20", "--ranked", n) for n in ("1", "8")
    )
    assert ranked["property_error"] < 0.5 * plain["property_error"]


def test_sample_writes_tubes_with_the_composition_and_their_gaps(tmp_path):
    budget = ("--boron", "6", "--nitrogen", "6", "--samples", "3")
    rows = generate("sample", str(tmp_path / "out"), "--target", "0.85", *budget)
    assert len(rows) == 3
    for row in rows:
        tube = read(tmp_path / "out" / row["file"])
        assert [tube.counts[kind] for kind in tube.counts if kind.name in {"B", "N"}] == [6, 6]
        assert SelfConsistentElectrons().predict([tube])[GAP_EV][0] == pytest.approx(
            float(row["gap, eV"]), abs=PRINTED_EV
        )
    assert (tmp_path / "out" / "tubes.png").stat().st_size > 10_000
    table = Dataset.load(tmp_path / "out" / "tubes.parquet")
    assert list(table.batch) == [read(tmp_path / "out" / row["file"]) for row in rows]
    assert table.values("gap_ev") == pytest.approx([float(row["gap, eV"]) for row in rows], abs=PRINTED_EV)
    assert (tmp_path / "out" / "tubes.card.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "--generator", "gun"), "'gun' is not a design generator"),
        (("evaluate", "--generator", "random", "--split", "train"), "generators learn from the split 'train'"),
        (("train", "weights.pt"), "stored as .safetensors"),
        (("train", "weights.safetensors", "--model", "flow"), "no generator 'flow'"),
        (("sample", "out", "--boron", "0", "--nitrogen", "0"), "leave nothing to place"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["matgym", "generate", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    complaint = capsys.readouterr().err
    assert said in " ".join(complaint.split())
    assert "Traceback" not in complaint
