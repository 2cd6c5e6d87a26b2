"""Optima: by enumeration, and the best known."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from matgym.benchmark.solve import best_known, different_designs, solve
from matgym.errors import ConfigurationError, DatasetError
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks import TargetProperty
from matgym.tasks import instances as table
from matgym.tasks.instances import Instance
from matgym.tasks.solved import Solved


def tiny(**arguments):
    settings = {"lattice": tube_lattice(8, 0, 1), "budget": {"B": 1, "N": 1}, "goal": "max", "low": 0.0, "high": 2.0}
    return TargetProperty(**settings | {"source": "oracle"} | arguments)


@pytest.fixture
def pair(monkeypatch):
    made = Instance("pair", "one B and one N", tiny, physics=lambda: [(PiElectrons(), ("gap_ev",))], tolerance=1e-9)
    monkeypatch.setitem(table.INSTANCES, "pair", made)
    return made


def test_enumeration_finds_what_trying_every_pair_finds(pair, tmp_path, monkeypatch):
    """32 x 31 pairs one by one against one of each orbit."""
    monkeypatch.setattr(pair.task().__class__, "score", TargetProperty.audit)
    files = []
    monkeypatch.setattr(
        "matgym.benchmark.solve.optimum_of_table", lambda _made, solved: files.append(solved) or _best(solved)
    )
    best = solve("pair", tmp_path, scratch=tmp_path / "scratch")
    every = [Nanotube(8, 0, 1).decorated({b: "B", n: "N"}) for b in range(32) for n in range(32) if b != n]
    gaps = PiElectrons().evaluate(every)["gap_ev"]
    assert len(files[0].keys) == len({tube.key for tube in every}) == len(different_designs(pair))
    assert -best.loss == pytest.approx(gaps.max(), abs=1e-9)
    read = Solved.read(tmp_path / "pair.parquet")
    task = tiny()
    rows = np.stack([tube.species for tube in every])
    np.testing.assert_allclose(read.look_up(task.space, rows)["gap_ev"], gaps, atol=1e-7)
    assert read.provenance["failures"] == 0
    assert json.loads((tmp_path / "pair.json").read_text())["proven"]
    assert not list((tmp_path / "scratch").glob("*.parquet"))


def _best(solved):
    loss = -float(solved.columns["gap_ev"].max())
    return table.Optimum(loss, (0.0,), "", True, "", len(solved.keys), 0.0, 1, 1e-9, 2)  # noqa: FBT003


def test_tables_of_other_physics_are_refused(tmp_path):
    path = tmp_path / "old.parquet"
    Solved("old", np.arange(3, dtype=np.uint64), {"gap_ev": np.zeros(3)}, {}).write(path)
    content = pq.read_table(path)
    record = json.loads(content.schema.metadata[b"matgym"]) | {"physics_version": 1}
    pq.write_table(content.replace_schema_metadata({b"matgym": json.dumps(record).encode()}), path)
    with pytest.raises(DatasetError, match="holds physics of version 1"):
        Solved.read(path)
    with pytest.raises(DatasetError, match="does not exist: make it by matgym benchmark solve"):
        Solved.read(tmp_path / "gone.parquet")


def test_what_cannot_be_enumerated_is_searched(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be enumerated"):
        solve("doping", tmp_path)
    found = best_known("growth-recipe", tmp_path, seeds=1, climbed=8)
    known = table.instance("growth-recipe").optimum
    assert known.loss <= found.loss < known.random_loss
    assert not found.proven
