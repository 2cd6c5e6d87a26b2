"""Designs for a small network to learn from: what they hold, and whose values they have."""

import numpy as np
import pytest

from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.errors import ConfigurationError, DatasetError
from matgym.models import Level, Property
from matgym.structures import Nanotube
from matgym.surrogates import FunctionModel, distilling, load
from matgym.surrogates.distilling import answers, imitated


def bonds_of_boron(tubes):
    return [float((tube.species[tube.bonds[:, :2]] == 3).any(axis=1).sum()) for tube in tubes]


TEACHER = FunctionModel(bonds_of_boron, "gap_ev")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    spec = DatasetSpec(
        name="small", properties=("gap",),
        families=(Family(n=8, m=0, cells=1, samples=40), Family(n=6, m=3, cells=1, samples=20)),
    )  # fmt: skip
    return Dataset.load(build(spec, tmp_path_factory.mktemp("data") / "small.parquet", workers=1))


def contents(rows):
    return {(tube.n, tube.m, tube.cells, *np.bincount(tube.species, minlength=8)) for tube in rows.batch}


def test_designs_have_lattices_and_contents_of_the_data_and_values_of_the_teacher(data):
    found = imitated(TEACHER, data, 200, np.random.default_rng(0))
    assert len(found) == 200
    assert contents(found) <= contents(data.split("train"))
    np.testing.assert_array_equal(found.values("gap_ev"), bonds_of_boron(found.batch))
    assert set(found.levels("gap_ev")) == {Level.SURROGATE}
    assert set(found.table.column("split").to_pylist()) == {"train"}
    joined = data.with_rows(found)
    assert len(data) + 50 < len(joined) <= len(data) + 200
    assert joined.level("gap_ev") == data.level("gap_ev") == Level.PI


def test_some_designs_are_near_the_data_and_some_far(data):
    known = [tube.species for tube in data.split("train").batch]
    off = [
        min(np.mean(tube.species != species) for species in known if len(species) == tube.n_sites)
        for tube in imitated(TEACHER, data, 100, np.random.default_rng(1)).batch
    ]
    assert min(off) == 0.0
    assert max(off) > 0.1


def test_a_seed_gives_the_same_designs(data):
    one, other = (imitated(TEACHER, data, 20, np.random.default_rng(3)) for _ in range(2))
    assert one.table.equals(other.table)


def test_data_that_cannot_be_drawn_from_are_refused(data):
    with pytest.raises(ConfigurationError, match="designs=0"):
        imitated(TEACHER, data, 0, np.random.default_rng(0))
    with pytest.raises(DatasetError, match="no training split"):
        imitated(TEACHER, data.split("test"), 5, np.random.default_rng(0))
    strained = data.labelled_rows(
        [Nanotube(8, 0, 1, strain=0.01)], TEACHER.predict([Nanotube(8, 0, 1)]), {"gap_ev": Level.PI}, "train"
    )
    with pytest.raises(DatasetError, match="strained"):
        imitated(TEACHER, strained, 5, np.random.default_rng(0))


def test_properties_that_the_teacher_does_not_know_are_left_out(data):
    other = FunctionModel(bonds_of_boron, Property("bonds"))
    found = imitated(other, data, 5, np.random.default_rng(0))
    assert np.isnan(found.values("gap_ev")).all()


def test_a_stored_teacher_is_asked_in_parts_that_are_asked_once(data, tmp_path, monkeypatch):
    monkeypatch.setattr(distilling, "PART", 4)
    source, told = str(tmp_path / "data.parquet"), []
    data.save(source)
    found = answers("nanotube-gap", source, 10, 3, tmp_path, on_done=lambda *counts: told.append(counts))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert len(found) == 10
    said = load("nanotube-gap").predict(found.batch)["gap_ev"]
    np.testing.assert_allclose(found.values("gap_ev"), said, atol=1e-5)  # in batches of another size
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "answers").glob("*.parquet")}
    next(iter(written)).unlink()  # as if the training had been killed
    again = answers("nanotube-gap", source, 10, 3, tmp_path)
    assert again.table.equals(found.table)
    assert sum(file.stat().st_mtime_ns == when for file, when in written.items() if file.exists()) == 2
    other = answers("nanotube-gap", source, 10, 4, tmp_path)
    assert not other.table.equals(found.table)
