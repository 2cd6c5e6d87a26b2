"""Optima: by enumeration, and the best known."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.benchmark.runner import run_suite
from matgym.benchmark.solve import adopt, best_known, different_designs, solve
from matgym.benchmark.suite import SearchTrack, Suite
from matgym.errors import ConfigurationError, DamagedFileWarning, DatasetError, FormatError
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks import decoration_task
from matgym.tasks import instances as table
from matgym.tasks.instances import Instance
from matgym.tasks.solved import Solved, optima_folder


def tiny(**arguments):
    settings = {"lattice": tube_lattice(8, 0, 1), "budget": {"B": 1, "N": 1}, "low": 0.0, "high": 2.0}
    return decoration_task(**settings | {"direction": "maximize", "model": "oracle"} | arguments)


@pytest.fixture
def pair(monkeypatch):
    made = Instance("pair", "one B and one N", tiny, physics=lambda: [(PiElectrons(), ("gap_ev",))], tolerance=1e-9)
    monkeypatch.setitem(table.INSTANCES, "pair", made)
    return made


@pytest.mark.usefixtures("pair")
def test_enumeration_finds_the_optimum_of_all_pairs(tmp_path):
    """Compare 32 x 31 pairs with one pair of each orbit."""
    made = table.instance("pair")
    best = solve("pair", tmp_path)
    every = [Nanotube(8, 0, 1).decorated({b: "B", n: "N"}) for b in range(32) for n in range(32) if b != n]
    gaps = PiElectrons().predict(every)["gap_ev"]
    read = Solved.read(tmp_path / "pair.parquet")
    assert len(read.design_keys) == len({tube.key for tube in every}) == len(different_designs(made))
    assert -best.loss == pytest.approx(gaps.max(), abs=1e-9)
    (found,) = tiny().tubes(np.array([best.design], dtype=np.uint8))
    assert PiElectrons().predict([found])["gap_ev"] == pytest.approx(gaps.max(), abs=1e-9)
    assert -best.random_loss == pytest.approx(gaps.mean(), abs=0.02)  # tolerance for 10,000 draws from these 992
    task = tiny()
    rows = np.stack([tube.species for tube in every])
    np.testing.assert_allclose(read.look_up(task.space, rows)["gap_ev"], gaps, atol=1e-7)
    assert read.provenance["failures"] == 0
    stored = json.loads((tmp_path / "pair.json").read_text())
    assert stored["proven"]
    assert stored["loss"] == best.loss
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pair.json", "pair.parquet"]


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_damaged_piece_is_computed_again(tmp_path, monkeypatch, content):
    whole = solve("pair", tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(Solved, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            solve("pair", tmp_path / "cut")
    (piece,) = (tmp_path / "cut").rglob("pair-00000-*.parquet")
    piece.write_bytes(piece.read_bytes()[:-100] if content is None else content)
    with pytest.warns(DamagedFileWarning, match=piece.name):
        assert solve("pair", tmp_path / "cut") == whole
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["pair.json", "pair.parquet"]


def test_tables_of_other_physics_raise(tmp_path):
    path = tmp_path / "old.parquet"
    Solved("old", np.arange(3, dtype=np.uint64), {"gap_ev": np.zeros(3)}, {}).write(path)
    content = pq.read_table(path)
    record = json.loads(content.schema.metadata[b"matgym"]) | {"physics_version": 1}
    pq.write_table(content.replace_schema_metadata({b"matgym": json.dumps(record).encode()}), path)
    with pytest.raises(DatasetError, match="holds physics of version 1"):
        Solved.read(path)
    with pytest.raises(DatasetError, match="does not exist: make it by matgym benchmark solve"):
        Solved.read(tmp_path / "gone.parquet")


def test_spaces_that_cannot_be_enumerated_are_searched(tmp_path, monkeypatch):
    """Files are written only to the given folder, by default the current one."""
    before = {path: path.read_bytes() for path in optima_folder().iterdir()}
    with pytest.raises(ConfigurationError, match="cannot be enumerated"):
        solve("doping", tmp_path)
    known = table.instance("growth-recipe").optimum
    monkeypatch.setattr(Instance, "optimum", None)  # so that every result is better and recorded
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("matgym.benchmark.solve.cross_entropy", partial(cross_entropy, generations=4))
    found = best_known("growth-recipe", seeds=1, climbed=8)
    assert known.loss <= found.loss < known.random_loss
    assert not found.proven
    assert json.loads(Path("growth-recipe.json").read_text())["loss"] == found.loss
    assert {path: path.read_bytes() for path in optima_folder().iterdir()} == before


@pytest.fixture
def better(tmp_path, monkeypatch):
    """Return a run on an instance whose recorded optimum is worse than the run's best design."""
    known = table.instance("growth-recipe").optimum
    monkeypatch.setattr(Instance, "optimum", replace(known, loss=known.random_loss - 1.0))
    suite = Suite(name="s", search=SearchTrack(tasks=["growth-recipe"], methods=["random"], budget=32, seeds=1))
    return run_suite(suite, tmp_path / "out")


def forged(folder, **changed):
    (path,) = (folder / "records").glob("*.parquet")
    content = pq.read_table(path)
    rows = content.to_pylist()
    rows[-1] |= changed
    pq.write_table(pa.Table.from_pylist(rows, schema=content.schema), path)


def test_a_better_design_of_a_run_is_adopted_with_the_oracles_value(better, tmp_path):
    assert adopt(better, tmp_path / "optima") == ["growth-recipe"]
    stored = json.loads((tmp_path / "optima" / "growth-recipe.json").read_text())
    task = table.instance("growth-recipe").task()
    assert task.verify(np.array([stored["design"]]), np.zeros((1, 0))).loss[0] == stored["loss"]
    assert stored["found_by"] == "random, seed 0 of the suite s"


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"verified_loss": -99.0}, "but the oracle gives"),
        ({"design": [2.0] * 8}, "invalid design of growth-recipe"),
        ({"design": [float("nan")] * 8}, "invalid design of growth-recipe"),
        ({"design": [0.5] * 7}, "invalid design of growth-recipe"),
        ({"design": [0.5] * 8}, "but the oracle gives"),
        ({"task": "growth"}, r"has task 'growth', which suite\.json does not name"),
        ({"evaluation": 0}, "evaluation 0, which no run writes"),
        ({"identity": "5"}, "is not that of a run"),
    ],
)
def test_forged_records_are_not_adopted(better, tmp_path, changed, match):
    forged(better, **changed)
    with pytest.raises(DatasetError, match=match):
        adopt(better, tmp_path / "optima")
    assert not (tmp_path / "optima").exists()


def test_numbers_that_wrap_around_are_no_design(tmp_path):
    """As bytes 256 is 0: the oracle would confirm the loss of a design that is not the stored one."""
    suite = Suite(name="s", search=SearchTrack(tasks=["doping"], methods=["random"], budget=2, seeds=1))
    folder = run_suite(suite, tmp_path / "out")
    best = table.instance("doping").optimum
    forged(folder, design=[number + 256.0 for number in best.design], verified_loss=best.loss - 1.0)
    with pytest.raises(DatasetError, match="invalid design of doping"):
        adopt(folder, tmp_path / "optima")
    forged(folder, design=list(best.design), verified_loss=best.loss - 1e-9)  # within the rounding of other machines
    assert adopt(folder, tmp_path / "optima") == []
    assert not (tmp_path / "optima").exists()


def test_nothing_is_written_into_the_package(better, tmp_path, monkeypatch):
    """The default is the current folder; a file that exists, such as those of the package, needs `force`."""
    before = {path: path.read_bytes() for path in optima_folder().iterdir()}
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert adopt(better) == ["growth-recipe"]
    assert [path.name for path in Path().iterdir()] == ["growth-recipe.json"]
    with pytest.raises(FormatError, match="exists"):
        adopt(better, optima_folder())
    (Path() / "file").touch()
    with pytest.raises(FormatError, match="is a file, not a folder"):
        adopt(better, Path("file"))
    assert {path: path.read_bytes() for path in optima_folder().iterdir()} == before
