"""Optima: by enumeration, and the best known."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matgym.agents import Optimizer
from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.benchmark import NamedMethod, search
from matgym.benchmark.runner import run_suite
from matgym.benchmark.runs import SearchRun
from matgym.benchmark.solve import AFFORDED, adopt, best_known, different_designs, optimum_of_table, solve
from matgym.benchmark.suite import SearchTrack, Suite
from matgym.errors import ConfigurationError, DamagedFileWarning, DatasetError, FormatError
from matgym.models import Level, Property
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, tube_lattice
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective, decoration_task
from matgym.tasks import instances as table
from matgym.tasks.instances import Instance
from matgym.tasks.objective import Constraint
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
    assert -best.random_loss == pytest.approx(np.median(gaps), abs=0.02)  # tolerance for 10,000 draws from these 992
    task = tiny()
    rows = np.stack([tube.species for tube in every])
    np.testing.assert_allclose(read.look_up(task.space, rows)["gap_ev"], gaps, atol=1e-7)
    assert read.provenance["failures"] == 0
    stored = json.loads((tmp_path / "pair.json").read_text())
    assert stored["proven"]
    assert stored["loss"] == best.loss
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pair.json", "pair.parquet"]


class Words(Choices):
    """Words of letters 0 to 3, which are their own materials."""

    def decode(self, designs):
        return designs


def bounded(**_arguments):
    """Return the task of the largest sum of four letters, of which the first two must differ by 2 or more."""
    ones = FunctionModel(lambda words: words.sum(axis=1) / 12.0, "ones", level=Level.CALCULATOR)
    apart = FunctionModel(lambda words: np.abs(words[:, 0] - words[:, 1]) * 1.0, "apart", level=Level.GEOMETRY)
    objective = Objective(Property("ones"), ones, "maximize", 0.0, 1.0, oracle=ones)
    return DesignTask(Words((4,) * 4), (objective,), Constraint(Property("apart"), apart, least=2.0))


@pytest.fixture
def words(monkeypatch):
    made = Instance("words", "the largest sum", bounded)
    monkeypatch.setitem(table.INSTANCES, "words", made)
    return made


def test_a_design_against_the_constraint_is_never_stored(words, tmp_path):
    """Without the constraint, 3333 is the best; with it 1333 and 3133 are, of sum 10, as enumeration by hand shows."""
    found = best_known("words", tmp_path, evaluations=120, seeds=2, climbed=64)
    assert found.loss == pytest.approx(-10 / 12)
    assert abs(found.design[0] - found.design[1]) == 2
    every = np.stack(np.meshgrid(*[np.arange(4)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    kept = every[np.abs(every[:, 0] - every[:, 1]) >= 2]
    assert -found.loss == pytest.approx(kept.sum(axis=1).max() / 12)
    assert (found.random_designs, words.optimum) == (AFFORDED, None)


@pytest.mark.usefixtures("words")
def test_a_known_design_that_the_oracle_does_not_confirm_is_replaced(tmp_path, monkeypatch):
    """A better loss that is against the constraint, forged, of old physics, or of another space, is no record."""
    found = best_known("words", tmp_path / "a", evaluations=60, seeds=2, climbed=32)
    against = replace(found, loss=-1.0, design=(3, 3, 3, 3))
    forged = replace(found, loss=-0.9)
    old = replace(found, physics_version=1)
    wider = replace(found, loss=-0.9, design=(3, 1, 3, 3, 3))
    for number, known in enumerate((against, forged, old, wider)):
        monkeypatch.setattr(Instance, "optimum", known)
        again = best_known("words", tmp_path / f"{number}", evaluations=60, seeds=2, climbed=32)
        assert again.loss == pytest.approx(-10 / 12)
        assert (tmp_path / f"{number}" / "words.json").is_file()
    monkeypatch.setattr(Instance, "optimum", found)
    assert best_known("words", tmp_path / "same", evaluations=60, seeds=2, climbed=32) == found
    assert not (tmp_path / "same" / "words.json").exists()


def test_without_a_design_that_is_allowed_nothing_is_stored(words, tmp_path, monkeypatch):
    never = replace(bounded(), constraint=replace(bounded().constraint, least=4.0))
    monkeypatch.setitem(table.INSTANCES, "words", replace(words, make=lambda **_: never))
    with pytest.raises(DatasetError, match="no design of words was found that satisfies its constraint"):
        best_known("words", tmp_path, evaluations=20, seeds=2, climbed=8)
    assert not (tmp_path / "words.json").exists()


def test_a_search_returns_no_design_against_the_constraint():
    """Its reward is 0, its cost and its value are told, and it has no loss."""
    told = []

    class Mine(Optimizer):
        def ask(self):
            return np.array([[3, 3, 3, 3], [3, 1, 0, 0]])

        def tell(self, _designs, scores):
            told.append(scores)

    found = search(Mine, bounded(), np.zeros((1, 0)), 4, 0)
    assert found.designs.tolist() == [[3, 1, 0, 0]]
    assert found.progress[:, 0].tolist() == [np.inf, -4 / 12, -4 / 12, -4 / 12]
    assert told[0].reward.tolist() == [0.0, 4 / 12]
    assert told[0].value.tolist() == [1.0, 4 / 12]
    assert told[0].cost.tolist() == [1.0, 0.0]

    class Never(Mine):
        def ask(self):
            return np.array([[3, 3, 3, 3]])

    made = Instance("words", "the largest sum", bounded)
    run = SearchRun(task=made, method=NamedMethod(name="never", optimizer=Never), seed=0, budget=4)
    for row in run.carry_out().table.to_pylist():
        assert not np.isfinite(row["verified_loss"])
        assert not row["design"]


def test_the_optimum_of_a_table_satisfies_the_constraint():
    """Of all placements of two Stone-Wales pairs with enough power factor, none has a larger ZT in the table."""
    made = table.instance("thermoelectric-easy")
    whole = Solved.read(optima_folder() / "thermoelectric-easy.parquet")
    # A table in which the design of the largest ZT has too small a power factor.
    best = int(np.nanargmax(whole.columns["zt"]))
    power = whole.columns["power_factor_pw_k2"].copy()
    power[best] = 0.5
    found = optimum_of_table(made, replace(whole, columns=dict(whole.columns) | {"power_factor_pw_k2": power}))
    kept = np.delete(whole.columns["zt"], best)[np.delete(power, best) >= 0.6]
    assert -found.loss == pytest.approx(np.nanmax(kept), abs=1e-12)
    assert -found.loss < whole.columns["zt"][best]


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


@pytest.mark.usefixtures("words")
def test_a_design_against_the_constraint_is_not_adopted(tmp_path, monkeypatch):
    known = best_known("words", tmp_path / "optima", evaluations=60, seeds=2, climbed=32)
    monkeypatch.setattr(Instance, "optimum", known)
    suite = Suite(name="s", search=SearchTrack(tasks=["words"], methods=["random"], budget=2, seeds=1))
    folder = run_suite(suite, tmp_path / "out")
    forged(folder, design=[3.0, 3.0, 3.0, 3.0], verified_loss=-1.0)  # its loss by the oracle is -1
    assert adopt(folder, tmp_path / "adopted") == []
    assert not (tmp_path / "adopted").exists()


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
