"""Large tables: what is learned from random rows of them, in what memory, and how well."""

import subprocess
import sys

import numpy as np
import pytest

from matgym.processes.campaigns import regressors
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Column, Experiments
from matgym.processes.campaigns.regressors import EXACT_ROWS, Process, Trees, has_room

NOISE = 0.05


def surface(inputs):
    return np.sin(3 * inputs[:, 0]) + inputs[:, 1] ** 2


def table(rows, noise=NOISE):
    rng = np.random.default_rng(0)
    inputs = rng.random((rows, 2))
    columns = (Column("a", 0.0, 1.0), Column("b", 0.0, 1.0))
    return Experiments("large", columns, "y", "maximize", inputs, surface(inputs) + noise * rng.standard_normal(rows))


POINTS = np.random.default_rng(1).random((200, 2))


def test_large_tables_are_learned_from_random_rows_as_well_as_their_noise_allows(tmp_path, monkeypatch):
    """In 0.1 a Gaussian process of 100,000 rows asked for 47.7 GiB."""
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path))
    for name, value in {"EXACT_ROWS": 100, "KERNEL_ROWS": 60, "PROCESS_ROWS": 200, "TREE_ROWS": 100}.items():
        monkeypatch.setattr(regressors, name, value)
    data = table(600)
    emulator = emulate(data)
    ceiling = 1 - NOISE**2 / data.values.var()
    assert emulator.r2["gp"] == pytest.approx(ceiling, abs=0.01)
    assert emulator.r2["trees"] == pytest.approx(ceiling, abs=0.04)
    assert emulator.noise == pytest.approx(NOISE, rel=0.15)
    assert len(emulator.regressor.inputs) == 200
    np.testing.assert_allclose(emulator.predict(POINTS), surface(POINTS), atol=0.06)


@pytest.mark.parametrize("model", ["gp", "trees"])
def test_what_random_rows_taught_is_restored_to_the_bit(model, monkeypatch):
    for name, value in {"EXACT_ROWS": 30, "KERNEL_ROWS": 20, "PROCESS_ROWS": 40, "TREE_ROWS": 30}.items():
        monkeypatch.setattr(regressors, name, value)
    x, y, _ = table(80).averaged
    first = regressors.REGRESSORS[model](0, 2).fit(x, y)
    again = regressors.REGRESSORS[model](0, 2)
    again.restore(first.state(), x, y)
    np.testing.assert_array_equal(again.predict(POINTS), first.predict(POINTS))


def test_a_table_below_the_limits_is_learned_whole():
    x, y, _ = table(60).averaged
    assert len(Process(0, 2).fit(x, y).inputs) == 60
    trees = Trees(0, 2).fit(x, y).predict(x)
    np.testing.assert_allclose(trees, y)  # each tree ends in single rows


def test_predictions_in_parts_are_those_at_once(monkeypatch):
    x, y, _ = table(60).averaged
    process = Process(0, 2).fit(x, y)
    whole = process.predict(POINTS)
    monkeypatch.setattr(regressors, "MOST_NUMBERS", 8 * 60 * 7)  # 7 rows at once
    np.testing.assert_allclose(process.predict(POINTS), whole, atol=1e-9)
    assert process.predict(POINTS[:0]).shape == (0,)


def test_the_matrices_of_a_process_have_room():
    assert has_room(EXACT_ROWS, 5)
    assert has_room(10**6, 100)
    assert not has_room(400, 400)  # derivatives by 402 parameters
    assert has_room(100, 400)


LARGEST = """
import resource
from tests.processes.test_regressors import table
from matgym.processes.campaigns.emulator import emulate
print(emulate(table(100_000)).r2["gp"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.long
def test_a_hundred_thousand_rows_take_less_than_two_gib(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path))
    code = f"import sys; sys.path.insert(0, {str(tmp_path.cwd())!r})" + LARGEST
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    r2, gib = map(float, printed.split())
    assert r2 == pytest.approx(1 - NOISE**2 / table(100_000).values.var(), abs=0.002)
    assert gib < 2.0
