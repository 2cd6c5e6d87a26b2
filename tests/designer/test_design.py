"""`matgym.design`: searches, selections, verification and files."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import matgym
from matgym.cli import app
from matgym.data import Dataset
from matgym.designer import searching, verifying
from matgym.designer.brief import Brief
from matgym.designer.files import page, write_result
from matgym.designer.lattices import lattices_for
from matgym.designer.predicting import Predictor, is_bare
from matgym.designer.searching import Search
from matgym.designer.selecting import different
from matgym.errors import ConfigurationError
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.registry import judge_of
from matgym.structures import Species
from matgym.structures.io import read
from matgym.tasks.any_tube import HEAD, KINDS


@pytest.fixture
def short(monkeypatch):
    """A short search."""
    monkeypatch.setattr(searching, "GENERATIONS", 3)
    monkeypatch.setattr(searching, "CHILDREN", 16)
    monkeypatch.setattr(searching, "RANDOM", 32)


def searched(brief, seed=0):
    lattices = lattices_for(brief)
    search = Search(brief, lattices, frozenset(KINDS), np.random.default_rng(seed))
    return lattices, search, search.run(5)


@pytest.fixture(scope="module")
def gaps():
    """Undecorated tubes of a gap of 0.3 eV."""
    return matgym.design(gap=0.3, count=3, workers=1)


def test_undecorated_tubes_meet_a_gap(gaps):
    assert gaps.met == (True, True, True)
    assert len({(each.tube.n, each.tube.m) for each in gaps.designs}) == 3
    for each in gaps.designs:
        assert each.tube.is_pristine
        assert each.verified["gap"] == pytest.approx(each.predicted["gap"], abs=1e-4)
        assert abs(SelfConsistentElectrons().predict([each.tube])["gap_ev"][0] - 0.3) <= 0.02


def test_sizes_are_those_of_the_brief():
    result = matgym.design(diameter=(0.9, 1.0), length=2.0, count=2)
    assert all(result.met)
    for each in result.designs:
        assert 0.9 <= each.tube.diameter_nm <= 1.0
        assert each.tube.length_angstrom == pytest.approx(20.0, abs=1.0)


def test_what_no_tube_meets_is_said():
    result = matgym.design(diameter=5.0, count=2)
    assert not any(result.met)
    assert re.search(r"No design meets the brief .*diameter 2\.9\d* nm, 1\.99\d* nm too small", result.sentences[0])


def test_a_search_beats_random_designs_and_is_the_same_again(monkeypatch):
    monkeypatch.setattr(searching, "GENERATIONS", 12)
    monkeypatch.setattr(searching, "CHILDREN", 64)
    brief = Brief.of("thermal_conductance", diameter=(0.7, 0.9))
    lattices, search, pool = searched(brief)
    assert search.scored == len(pool)
    best = pool.estimates.values["thermal_conductance"][pool.order()[0]]
    drawn = search.score(search.random(len(pool)), 0)
    assert best < drawn.estimates.values["thermal_conductance"][drawn.order()[0]]
    assert not pool.estimates.outside[pool.order()[0]]
    again = searched(brief)[2]
    np.testing.assert_array_equal(pool.designs, again.designs)
    assert lattices.space.valid(pool.designs).all()


@pytest.mark.usefixtures("short")
def test_designs_are_of_different_chiralities():
    brief = Brief.of("thermal_conductance", max_young=1200.0)
    lattices, _, pool = searched(brief)
    places = different(pool, 5, lattices)
    shapes = {(tube.n, tube.m) for tube in lattices.space.decode(pool.designs[places])}
    assert len(shapes) == 5
    assert pool.met[places].all()


@pytest.mark.usefixtures("short")
def test_slow_models_predict_few_designs(monkeypatch):
    monkeypatch.setattr(searching, "SLOW_SECONDS", 0.8)  # ten gaps
    brief = Brief.of("thermal_conductance", gap=0.5, diameter=(0.7, 0.8))
    _, search, pool = searched(brief)
    decorated = ~is_bare(pool.designs)
    assert 0 < decorated.sum() <= search.slow <= search.slow_room == 10
    assert np.isfinite(pool.estimates.values["gap"]).all()


def test_exact_quantities_of_isotopes_need_no_surrogate():
    lattices = lattices_for(Brief.of(gap=0.9, diameter=(0.8, 0.9)))
    rows = np.zeros((2, lattices.space.width), dtype=np.uint8)
    rows[1, HEAD : HEAD + 5] = Species.C14
    found = Predictor(lattices, ("gap", "formation")).predict(rows, ("gap", "formation"))
    expected = SelfConsistentElectrons().predict([lattices.space.decode(rows)[1]])["gap_ev"][0]
    np.testing.assert_allclose(found.values["gap"], expected, atol=1e-4)
    np.testing.assert_array_equal(found.values["formation"], 0.0)
    np.testing.assert_array_equal(found.half_width["gap"], 0.0)


def test_undecorated_conductance_is_the_oracles():
    from matgym.physics.registry import judge_of

    lattices = lattices_for(Brief.of(conductance=100.0, diameter=(0.7, 0.75)))
    rows = np.zeros((len(lattices.space.lattices), lattices.space.width), dtype=np.uint8)
    rows[:, 0] = np.arange(len(rows))
    rows = rows[lattices.space.n_sites <= 130][:2]
    found = Predictor(lattices, ("conductance",)).predict(rows, ("conductance",))
    expected = judge_of("conductance").predict(lattices.space.decode(rows))["conductance_us"]
    np.testing.assert_allclose(found.values["conductance"], expected, rtol=1e-3)


@pytest.mark.usefixtures("short")
def test_species_that_may_not_be_placed_are_not():
    brief = Brief.of("thermal_conductance")
    lattices = lattices_for(brief)
    search = Search(brief, lattices, frozenset({Species.C14}), np.random.default_rng(0))
    found = np.unique(search.run(5).designs[:, HEAD:])
    assert set(found.tolist()) == {Species.C12, Species.C14}


@pytest.mark.usefixtures("short")
def test_what_would_take_too_long_is_not_verified():
    result = matgym.design(minimize="thermal_conductance", diameter=(0.7, 0.8), count=2, seconds=0.0)
    for each in result.designs:
        assert not each.is_verified
        assert "give more seconds" in each.failures["thermal_conductance"]
        assert each.verified.keys() == {"diameter"}
    assert "2 of 2 designs are not verified" in " ".join(result.sentences)


def test_verified_formation_is_that_of_an_atom():
    from matgym.structures import Nanotube

    tube = Nanotube(8, 0, 2).decorated({3: "B", 4: "N"})
    (found,) = verifying.Verifier(("formation",), 100.0, 1).verify([tube])
    assert found.values["formation"] == pytest.approx(judge_of("formation").predict([tube])["formation_ev"][0] / 64)


def test_files_and_page(gaps, tmp_path):
    files = write_result(gaps, tmp_path, ["lammps"])
    assert read(files["design 1.extxyz"]) == gaps.designs[0].tube
    assert read(files["design 2.cif"]) == gaps.designs[1].tube
    assert any((tmp_path / "design-1-lammps").iterdir())
    assert json.loads(files["result"].read_text())["met"] == [True, True, True]
    table = Dataset.load(files["table"])
    assert list(table.batch) == [design.tube for design in gaps.designs]
    assert table.values("gap_ev").tolist() == [design.verified["gap"] for design in gaps.designs]
    assert set(table.levels("gap_ev")) == {judge_of("gap").level}
    assert json.loads(files["card"].read_text())["matgym:rows"] == 3
    text = page(gaps)
    assert not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text)
    assert "default-src 'none'" in text
    assert text.count('class="tube3d"') == 3
    with pytest.raises(ConfigurationError, match="no inputs for 'abinit'"):
        write_result(gaps, tmp_path, ["abinit"])


def test_command_line(tmp_path):
    called = CliRunner().invoke(
        app, ["design", "--gap", "0.28:0.32", "--count", "2", "--workers", "1", "--json", "--output", str(tmp_path)]
    )
    assert called.exit_code == 0, called.output
    told = json.loads(called.stdout)
    assert told["met"] == [True, True]
    assert (tmp_path / "design.html").exists()
    assert told["designs"][0]["quantities"]["gap"]["half_width"] == 0.0


def test_command_line_says_what_is_wrong():
    for arguments, message in (
        (["--gap", "a:b"], "--gap a:b is neither a number nor a range"),
        (["--minimize", "weight"], "'weight' is no quantity of a brief"),
        (["--gap", "1.0", "--species", "B"], "as many B as N"),
        (["--gap", "1.0", "--export", "lammps"], "no effect without --output"),
    ):
        called = CliRunner().invoke(app, ["design", *arguments])
        assert message in str(called.exception)


def test_a_search_begins_with_labelled_tubes():
    from matgym.designer.labelled import nearest_labelled

    brief = Brief.of(gap=0.3, diameter=(0.8, 0.9))
    found = nearest_labelled(brief)
    verified = SelfConsistentElectrons().predict(list(found.tubes)[:2])["gap_ev"]
    np.testing.assert_allclose(found.gap_ev[:2], verified, atol=1e-3)
    assert np.abs(found.gap_ev[:2] - 0.3).max() <= 0.02
    lattices = lattices_for(brief, [tube.lattice for tube in found.tubes])
    space = lattices.space
    assert list(space.decode(space.encode(found.tubes))) == list(found.tubes)
    assert not len(nearest_labelled(Brief.of(diameter=1.0)).tubes)


def test_slow_predictions_do_not_depend_on_halves():
    from matgym.designer.predicting import model_of

    lattices = lattices_for(Brief.of(gap=0.3, diameter=(0.75, 0.8)))
    rows = lattices.space.sample_on(np.flatnonzero(lattices.decorable)[[0, 0, 0]], np.random.default_rng(0))
    rows[:, 1] = 0
    rows = rows[~is_bare(rows)]
    found = Predictor(lattices, ("gap",)).predict(rows, ("gap",))
    expected = model_of("gap").predict(lattices.space.decode(rows))
    np.testing.assert_allclose(found.values["gap"], expected["gap_ev"], atol=1e-5)
    np.testing.assert_allclose(found.half_width["gap"], expected.half_width["gap_ev"], rtol=1e-3)
