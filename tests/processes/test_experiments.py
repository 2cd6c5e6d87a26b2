"""Tables of experiments: reading, replicates, shares of a whole, words; and their emulators."""

import re
from pathlib import Path

import numpy as np
import pytest

from matgym.errors import ConfigurationError, DatasetError
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Column, Experiments, measured, measured_names
from matgym.tasks.experiments import ExperimentTask

DATA = Path(__file__).parents[3] / "shared" / "data"
SPREAD = 0.05  # tolerance of R² against the baselines of the data's notes, which have other folds and lengths
R2 = {  # file: direction, log, five-fold R² of extra trees and Gaussian process in the notes
    "p3ht_cnt": ("maximize", True, {"trees": 0.83, "gp": 0.81}),
    "agnp": ("minimize", False, {"trees": 0.93, "gp": 0.94}),
    "autoam": ("maximize", False, {"trees": 0.93, "gp": 0.90}),
    "perovskite": ("minimize", False, {"trees": 0.59, "gp": 0.85}),
}
SLOW = ("p3ht_cnt", "agnp")


def written(folder, text, name="mine.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def rows(count=12):
    return "\n".join(f"{x},{('slow', 'fast')[x % 2]},7,{x * x}" for x in range(count))


def test_a_table_is_read_with_its_words_and_without_what_never_varies(tmp_path):
    data = Experiments.read(
        written(tmp_path, "\ufeffx, speed ,same,y\n" + rows() + "\n\n"), inputs=["x", "speed", "same"]
    )
    assert data.columns == (Column("x", 0.0, 11.0), Column("speed", 0.0, 1.0, ("fast", "slow")))
    assert data.target == "y"
    assert data.inputs[:2].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert data.at(np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, -0.01]])).tolist() == [[0, 0], [11, 1], [5.5, 0]]


def test_semicolons_and_a_chosen_target(tmp_path):
    text = "y;x\n" + "\n".join(f"{-x};{x}" for x in range(12))
    data = Experiments.read(written(tmp_path, text), target="y", direction="minimize")
    assert data.columns[0].name == "x"
    assert data.sign == -1.0
    assert data.values[3] == -3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n2,2\n", "2 different experiments; 10 are the least"),
        ("x,y\n1\n", "row 2: 1 cells under 2 column names"),
        ("x,y\n1,\n", "row 2: 'y' is empty"),
        ("x,y\n1,much\n", "row 2: 'y' is 'much', no number: drop such rows with na=['much'], or name another target"),
        ("x,y\n1,nan\n", "row 2: 'y' is 'nan', not finite"),
        ("x,y\n1,2\n1,3\n", "no input that varies"),
        ("", "mine.csv is empty: give a table with a header"),
        ("x,y\n", "mine.csv has no rows under its header x, y"),
        ("x,x,y\n" + "1,2,3\n" * 12, "2 columns 'x'"),
        ("x,y\n" + "\n".join(f"{x},7" for x in range(12)), "'y' is 7 in every experiment"),
        ("x,y\n" + "\n".join(f"{x // 2},{x % 2}" for x in range(24)), "'y' is 0.5 in every experiment"),
        ("x,y\n" + "\n".join(f"{x},1e-{200 + x}" for x in range(12)), "in every experiment"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, message):
    with pytest.raises(DatasetError, match=re.escape(message)):
        Experiments.read(written(tmp_path, text))


def test_missing_files_and_columns_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing\.csv cannot be read"):
        Experiments.read(tmp_path / "nothing.csv")
    with pytest.raises(DatasetError, match="no column 'z'; it has x, speed, same, y"):
        Experiments.read(written(tmp_path, "x,speed,same,y\n" + rows()), target="z")


def test_replicates_tell_the_noise():
    rng = np.random.default_rng(0)
    inputs = np.repeat(np.arange(200.0)[:, None], 3, axis=0)
    data = Experiments("mine", (Column("x", 0.0, 199.0),), "y", "maximize", inputs, rng.normal(0.0, 2.0, 600))
    assert data.noise == pytest.approx(2.0, rel=0.1)
    assert data.averaged[2].tolist() == [3] * 200
    assert np.isnan(Experiments("mine", data.columns, "y", "maximize", inputs[::3], np.arange(200.0)).noise)


def test_shares_of_a_whole_stay_so():
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 30) * 100.0
    columns = tuple(Column(n, float(c.min()), float(c.max())) for n, c in zip("abc", shares.T, strict=True))
    data = Experiments("mine", columns, "y", "maximize", np.round(shares, 1), shares[:, 0])
    assert data.sum == pytest.approx(100.0, abs=0.1)
    found = data.at(np.array([[-1.0, -1.0, -1.0], [1.0, -1.0, -1.0], [0.3, 0.2, -0.9]]))
    np.testing.assert_allclose(found.sum(axis=1), data.sum)
    np.testing.assert_allclose(found[0], data.sum / 3)
    np.testing.assert_allclose(found[1], [data.sum, 0.0, 0.0])


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in R2])
def test_measured_campaigns_are_learned_as_well_as_reported(name):
    if not DATA.is_dir():
        pytest.skip(f"the measured campaigns at {DATA} are not here: they stay out of the repository")
    direction, log, reported = R2[name]
    emulator = emulate(Experiments.read(DATA / f"{name}.csv", direction=direction), log=log)
    for model, r2 in reported.items():
        assert emulator.r2[model] == pytest.approx(r2, abs=SPREAD)
    assert emulator.replicated == (name != "autoam")


def test_noise_cannot_be_learned(monkeypatch):
    """In cross-validation no emulator explains pure noise, though trees fit it exactly."""
    monkeypatch.setattr("matgym.processes.campaigns.emulator.REPEATS", 1)
    rng = np.random.default_rng(0)
    inputs = rng.random((80, 2))
    columns = tuple(Column(name, 0.0, 1.0) for name in "ab")
    emulator = emulate(Experiments("noise", columns, "y", "maximize", inputs, rng.standard_normal(80)))
    assert max(emulator.r2.values()) < 0.1
    assert not emulator.replicated
    assert emulator.noise == pytest.approx(1.0, abs=0.25)


def test_emulators_say_what_is_wrong():
    data = Experiments(
        "mine", (Column("x", 0.0, 1.0),), "y", "maximize", np.linspace(0, 1, 12)[:, None], np.arange(12.0)
    )
    with pytest.raises(ConfigurationError, match="model='forest' is unknown"):
        emulate(data, "forest")
    with pytest.raises(ConfigurationError, match="needs positive values; 'y' goes down to 0"):
        emulate(data, log=True)


def test_a_table_without_a_scale_of_scores_raises():
    columns, inputs = (Column("x", 0.0, 1.0),), np.linspace(0, 1, 12)[:, None]
    data = Experiments("mine", columns, "y", "maximize", inputs, np.minimum(np.arange(12.0), 3.0))
    with pytest.raises(DatasetError, match="'y' is 3 in half of all experiments"):
        ExperimentTask.of(data, model="trees")


@pytest.mark.parametrize(("rows", "model"), [(6000, "trees"), (400, "gp")])
def test_tables_that_would_fill_the_memory_raise(tmp_path, rows, model):
    lines = [f"w{x},{x % 97}" for x in range(rows)]
    data = Experiments.read(written(tmp_path, "x,y\n" + "\n".join(lines)), categorical=["x"])
    with pytest.raises(ConfigurationError, match=f"{rows:,} different experiments"):
        emulate(data, model)


def test_campaigns_of_the_package_olymp_are_read_by_path():
    assert "suzuki" in measured_names()
    data = measured("suzuki")
    assert (data.direction, len(data), len(data.columns)) == ("maximize", 247, 4)
    with pytest.raises(DatasetError, match="no experiments 'cooking'; there are alkox"):
        measured("cooking")
