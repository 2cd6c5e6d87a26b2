"""The examples of models and rewards of one's own run as they stand, as scripts."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize(
    ("name", "needs", "prints"),
    [
        ("own_model", "torch", "gap by ridge regression: "),
        ("own_reward", "torch", "growth: "),
        ("own_ase_calculator", "ase", "formation energy "),
        ("own_keras_model", "keras", "KerasModel(Sequential, 'gap_ev') rewards"),
        ("own_hugging_face_model", "transformers", "PipelineModel(GapPipeline, 'gap_ev')"),
        ("own_tblite_model", "tblite", "energy -"),
        ("own_labels", "ase", "eV by the engine"),
    ],
)
def test_an_example_runs_and_prints_what_it_found(name, needs, prints):
    if find_spec(needs) is None:
        pytest.skip(f"{needs} comes with the extra compat")
    backend = {"KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "torch")}  # Keras' own default is TensorFlow
    done = subprocess.run(  # our own file
        [sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | backend,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert prints in done.stdout
