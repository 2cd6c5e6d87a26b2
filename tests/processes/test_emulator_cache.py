"""What was learned of a table is learned once: by a process, and by all that share a cache folder."""

import json

import numpy as np
import pytest

from matgym.processes.campaigns import emulator
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Experiments


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path))
    return tmp_path / "emulators"


def table(path, shift=0.0):
    rng = np.random.default_rng(0)
    rows = [(x, y, np.sin(3 * x) + y**2 + shift) for x, y in rng.random((30, 2))]
    path.write_text("x,y,z\n" + "\n".join(",".join(map(repr, map(float, row))) for row in rows))
    return Experiments.read(path)


@pytest.mark.parametrize("model", ["best", "gp", "trees"])
def test_what_is_read_from_disk_is_what_was_learned(model, folder, tmp_path, monkeypatch):
    data = table(tmp_path / "table.csv")
    monkeypatch.setattr(emulator, "_LEARNED", {})
    first = emulate(data, model)
    assert len(list(folder.glob("*.json"))) == 1
    monkeypatch.setattr(emulator, "_LEARNED", {})  # as another process
    monkeypatch.setattr(emulator, "_cross_validated", None)
    again = emulate(data, model)
    assert (again.model, again.r2, again.noise) == (first.model, first.r2, first.noise)
    points = np.random.default_rng(1).random((50, 2))
    np.testing.assert_array_equal(first.predict(points), again.predict(points))


def test_another_table_or_a_damaged_entry_is_learned_anew(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(emulator, "_LEARNED", {})
    first = emulate(table(tmp_path / "a.csv"), "gp")
    other = emulate(table(tmp_path / "b.csv", shift=1.0), "gp")
    points = np.random.default_rng(1).random((5, 2))
    np.testing.assert_allclose(other.predict(points), first.predict(points) + 1.0, atol=1e-3)
    for path in folder.glob("*.json"):
        path.write_text(json.dumps({"scores": {}}))
    monkeypatch.setattr(emulator, "_LEARNED", {})
    np.testing.assert_array_equal(emulate(table(tmp_path / "a.csv"), "gp").predict(points), first.predict(points))
