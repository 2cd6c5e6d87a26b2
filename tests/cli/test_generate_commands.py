"""`matgym generate`: evaluate prints the figures that rank generators, sample writes what physics was asked about."""

import json
import subprocess
import sys

import pytest

from matgym.physics import GAP_EV, PiElectrons
from matgym.structures.io import read

PRINTED_EV = 1e-4  # four decimals are printed
WANTED = {"validity", "uniqueness", "novelty", "coverage", "density", "frechet", "property_error"}


def matgym(*arguments):
    return subprocess.run([sys.executable, "-m", "matgym.cli", *arguments], capture_output=True, text=True, check=False)


def test_evaluate_prints_the_figures_of_any_generator():
    done = matgym("generate", "evaluate", "--generator", "gan", "--samples", "40", "--json")
    found = json.loads(done.stdout)
    assert set(found) >= WANTED
    assert found["validity"] == found["composition"] == 1.0


def test_ranking_by_the_surrogate_brings_designs_nearer_to_the_target():
    plain, ranked = (
        json.loads(
            matgym("generate", "evaluate", "--generator", "random", "--samples", "60", "--ranked", n, "--json").stdout
        )
        for n in ("1", "16")
    )
    assert ranked["property_error"] < 0.5 * plain["property_error"]


def test_sample_writes_tubes_with_the_composition_and_their_gaps(tmp_path):
    done = matgym("generate", "sample", str(tmp_path / "out"), "--target", "0.85", "--boron", "6", "--nitrogen", "6",
                  "--samples", "3", "--json")  # fmt: skip
    rows = json.loads(done.stdout)
    for row in rows:
        tube = read(tmp_path / "out" / row["file"])
        assert [tube.counts[kind] for kind in tube.counts if kind.name in {"B", "N"}] == [6, 6]
        assert PiElectrons().predict([tube])[GAP_EV][0] == pytest.approx(float(row["gap, eV"]), abs=PRINTED_EV)
    assert (tmp_path / "out" / "tubes.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "--generator", "gun"), "'gun' is no design generator"),
        (("evaluate", "--generator", "random", "--split", "train"), "generators learn from the split 'train'"),
        (("train", "weights.pt"), "stored as .safetensors"),
        (("train", "weights.safetensors", "--model", "flow"), "no generator 'flow'"),
        (("sample", "out", "--boron", "0", "--nitrogen", "0"), "neither boron nor nitrogen"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments, said):
    done = matgym("generate", *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
