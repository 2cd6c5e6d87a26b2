"""Surrogates of crystals: functions that are known, honest folds, resumption, refusals, and what files they take."""

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data.fetched_labels import holds_tubes
from matgym.data.labels import read_labels
from matgym.data.sources import Entry, Fetched, OutsideProperty
from matgym.data.sources.table import table_of as arrow_table
from matgym.errors import ConfigurationError, DatasetError, WeightsError
from matgym.learning.crystal_network import CrystalSettings
from matgym.structures import Crystal, Nanotube
from matgym.structures.io import read_crystal, to_atoms
from matgym.surrogates import load as load_tubes
from matgym.surrogates.crystals import CrystalFit, CrystalTable, fit_crystals, holds_crystals, load, load_card, table_of
from matgym.surrogates.crystals import fitting as crystal_fitting
from matgym.surrogates.crystals.elements import PAULING, period_and_group
from matgym.surrogates.crystals.fitting import GROUPED, RANDOM

SMALL = CrystalSettings(width=12, layers=1, gaussians=16, hidden=(12,), neighbours=12, cutoff_angstrom=5.0)
ELEMENTS = (3, 8, 11, 13, 17, 26)
ROUNDING = 1e-9  # relative, of sums in another order in double precision
SINGLE = 1e-5  # relative, of coordinates with the digits of a CIF file


def drawn(seed, count=60):
    """Return crystals of one to six atoms of six elements in skewed cells, with their numbers of atoms by element."""
    rng = np.random.default_rng(seed)
    crystals = []
    for _ in range(count):
        atoms = int(rng.integers(1, 7))
        cell = np.eye(3) + np.triu(rng.uniform(-0.3, 0.3, (3, 3)), 1)
        cell *= (rng.uniform(12.0, 24.0) * atoms / abs(np.linalg.det(cell))) ** (1 / 3)
        crystals.append(Crystal(cell, rng.uniform(size=(atoms, 3)), rng.choice(ELEMENTS, atoms), np.ones(atoms)))
    return crystals


def sum_over_elements(crystal):
    return float(np.mean([(-1.3, 0.4, 2.2, -0.7, 3.1, 0.9)[ELEMENTS.index(number)] for number in crystal.numbers]))


def volume_per_atom(crystal):
    return crystal.volume / len(crystal.numbers)


def fetched(crystals, values, methods=None, periodic=(True, True, True), name="energy"):
    """Return the table that a fetch of such crystals gives."""
    entries = [
        Entry(
            f"x-{k}", crystal, np.array(periodic), {} if value is None else {name: value},
            {name: methods[k] if methods else "PBE"},
        )
        for k, (crystal, value) in enumerate(zip(crystals, values, strict=True))
    ]  # fmt: skip
    provenance = {"source": "files", "provider": "made up", "licence": "CC0", "query": {"limit": 9}, "fetched": "2026"}
    return Fetched(arrow_table(entries, [OutsideProperty(name, "eV/atom", "Made up.")]), (), provenance)


def changed(crystal, seed):
    """Return the same crystal turned, in a supercell, moved, and with its atoms in another order."""
    rng = np.random.default_rng(seed)
    atoms = crystal.to_atoms().repeat((2, 1, 1))
    atoms = atoms[rng.permutation(len(atoms))]
    atoms.rotate(50.0, (1.0, 2.0, 3.0), rotate_cell=True)
    atoms.positions += rng.uniform(size=3)
    return Crystal.of(atoms)


def test_element_data_are_those_of_pymatgen():
    core = pytest.importorskip("pymatgen.core")
    for number in range(1, 119):
        element = core.Element.from_Z(number)
        assert period_and_group(number) == (element.row, element.group)
        if number not in {2, 10, 18} and number <= len(PAULING):  # pymatgen warns of elements without one
            assert PAULING[number - 1] == pytest.approx(element.X)


@pytest.mark.parametrize("function", [sum_over_elements, volume_per_atom])
def test_ridge_finds_what_is_linear_in_the_descriptors(function):
    crystals = drawn(0)
    result = fit_crystals(table_of(crystals, list(map(function, crystals)), "mine"), CrystalFit(network="ridge"))
    assert result.validated[GROUPED]["ridge"].metrics.r2 > 0.999
    assert result.validated[GROUPED]["mean"].metrics.r2 < 0.1
    fresh = drawn(1, 20)
    told = result.surrogate.predict(fresh)
    np.testing.assert_allclose(told.values, list(map(function, fresh)), atol=0.05)
    assert np.isfinite(told.half_width).all()


@pytest.fixture(scope="module")
def of_lennard_jones():
    """Argon in two lattices at many volumes: composition and volume do not tell the lattices apart."""
    rng, crystals, energies = np.random.default_rng(0), [], []
    for number in range(60):
        atoms = bulk("Ar", ("fcc", "sc")[number % 2], a=1.0)
        atoms.set_cell(atoms.cell.array * (rng.uniform(24.0, 40.0) / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
        atoms.calc = LennardJones(sigma=3.0, epsilon=0.05, rc=6.0, smooth=False)
        crystals.append(Crystal.of(atoms))
        energies.append(atoms.get_potential_energy() / len(atoms))
    return table_of(crystals, energies, "energy", "eV/atom")


@pytest.fixture(scope="module")
def fitted(of_lennard_jones):
    return fit_crystals(of_lennard_jones, CrystalFit(epochs=40, members=2, batch_size=12, size=SMALL))


def test_graph_networks_beat_the_ridge_where_structure_matters(fitted):
    errors = {name: found.metrics.rmse for name, found in fitted.validated[RANDOM].items()}
    assert fitted.surrogate.network == "graph"
    assert errors["graph"] < 0.5 * errors["ridge"]
    assert fitted.validated[RANDOM]["graph"].metrics.coverage >= 0.75
    assert list(fitted.validated) == [RANDOM]  # of one composition none can be left out,
    assert "there is 1 group" in fitted.notes[0]  # which is said


def test_no_turn_supercell_or_order_changes_a_prediction(fitted, of_lennard_jones):
    ridge = fit_crystals(table_of(crystals := drawn(2), list(map(volume_per_atom, crystals)), "v"), CrystalFit("ridge"))
    for surrogate, some in ((fitted.surrogate, of_lennard_jones.crystals[:4]), (ridge.surrogate, crystals[:8])):
        one, other = surrogate.predict(some), surrogate.predict([changed(each, 3) for each in some])
        for name in ("values", "half_width", "distance"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e3 * ROUNDING, atol=ROUNDING)


def test_a_graph_network_of_many_elements_does_not_depend_on_the_cell():
    crystals = drawn(5, 30)
    fit = CrystalFit("graph", members=1, epochs=2, size=SMALL)
    surrogate = fit_crystals(table_of(crystals, list(map(volume_per_atom, crystals)), "v"), fit).surrogate
    told, again = (surrogate.predict(each).values for each in (crystals, [changed(each, 1) for each in crystals]))
    np.testing.assert_allclose(told, again, rtol=1e3 * ROUNDING)


def test_vacuum_means_nothing_for_sheets():
    crystals = drawn(4, 30)
    values = list(map(sum_over_elements, crystals))
    table = CrystalTable.of(fetched(crystals, values, periodic=(True, True, False)), "energy")
    surrogate = fit_crystals(table, CrystalFit("ridge")).surrogate
    wider = [each.strained(np.array([1.0, 1.0, 1.5])) for each in crystals]
    np.testing.assert_allclose(surrogate.predict(wider).values, surrogate.predict(crystals).values, rtol=ROUNDING)


def test_folds_share_no_composition(monkeypatch):
    core = pytest.importorskip("pymatgen.core")
    crystals, seen = drawn(6, 80), []
    real = crystal_fitting._Study.fitted

    def spy(self, name, kept, stage):
        seen.append((name, stage, set(kept.tolist())))
        return real(self, name, kept, stage)

    monkeypatch.setattr(crystal_fitting._Study, "fitted", spy)
    fit_crystals(table_of(crystals, list(map(volume_per_atom, crystals)), "v"), CrystalFit("ridge"))
    names = [core.Composition.from_dict(dict(zip(*np.unique(each.to_atoms().get_chemical_symbols(), return_counts=True),
             strict=True))).reduced_formula for each in crystals]  # fmt: skip
    grouped = [kept for name, stage, kept in seen if name == "ridge" and stage.startswith("other-groups")]
    assert len(grouped) == 5
    for kept in grouped:
        left = set(range(80)) - kept
        assert left
        assert {names[k] for k in kept}.isdisjoint(names[k] for k in left)
    assert len(set.intersection(*grouped)) == 0  # each crystal is left out once


def test_an_interrupted_training_gives_the_same_to_the_bit(tmp_path):
    crystals = drawn(7, 30)
    table = table_of(crystals, list(map(volume_per_atom, crystals)), "v")
    fit = CrystalFit("graph", members=2, epochs=3, size=SMALL)
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    fit_crystals(table, fit).save(whole)
    calls = []

    def stop(epoch):
        calls.append(epoch)
        if len(calls) == 8:  # in the third training
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_crystals(table, fit, checkpoints=tmp_path, on_epoch=stop)
    before = len(calls)
    fit_crystals(table, fit, checkpoints=tmp_path, on_epoch=calls.append).save(resumed)
    assert whole.read_bytes() == resumed.read_bytes()
    assert len(calls) == 22 * 3  # ten fits by each split and one of all crystals, of two members; none trained twice
    assert before == 8


def test_unknown_elements_and_shared_sites_are_refused(fitted):
    shared = Crystal(4.0 * np.eye(3), np.zeros((2, 3)), np.array([18, 18]), np.array([0.5, 0.5]))
    told = fitted.surrogate.predict([bulk("Cu"), fitted.table.crystals[0], shared])
    assert told.failures[0] == "it contains Cu, and the training data have only Ar"
    assert told.failures[2] == "it has partly occupied sites"
    assert np.isnan(told.values[[0, 2]]).all()
    assert np.isfinite(told.values[1])


def test_rows_that_cannot_be_used_are_counted():
    crystals = drawn(8, 60)
    values = [*map(volume_per_atom, crystals)]
    values[0] = None
    crystals[1] = Crystal(crystals[1].cell, crystals[1].fractional, crystals[1].numbers, 0.5 * crystals[1].occupancies)
    methods = ["PBE"] * 35 + ["r2SCAN"] * 25
    table = CrystalTable.of(fetched(crystals, values, methods), "energy")
    assert (len(table), table.method, table.prop.unit) == (33, "PBE", "eV/atom")
    assert table.left_out == {"without a value": 1, "with partly occupied sites": 1, "with values by r2SCAN": 25}
    assert len(CrystalTable.of(fetched(crystals, values, methods), "energy", method="r2SCAN")) == 25


def test_the_task_of_a_calculation_is_no_other_method():
    crystals = drawn(8, 30)
    methods = [f"DFT, task mp-{9000 + k}" for k in range(30)]  # as Materials Project's band gaps have it
    table = CrystalTable.of(fetched(crystals, list(map(volume_per_atom, crystals)), methods), "energy")
    assert (len(table), table.method, table.left_out) == (30, "DFT", {})


@pytest.mark.parametrize(
    ("count", "values", "options", "said"),
    [
        (30, [1.0] * 30, {"column": "gap"}, "the table has no 'gap': it has energy"),
        (30, [None] * 30, {}, "none of 30 rows has a value of 'energy'"),
        (3, [1.0, 2.0, 3.0], {}, "for 3 crystals, and 20 are the fewest"),
        (30, [2.0] * 30, {}, "all 30 values of 'energy' are 2: a constant"),
        (
            30,
            [1e12, *range(29)],
            {},
            "as large as 1e\\+12, and 1e\\+08 is the limit: leave such rows out",
        ),
        (30, list(range(30)), {"method": "HSE"}, "no value of 'energy' is by 'HSE': the methods are PBE"),
    ],
)
def test_bad_tables_are_told_in_a_sentence(count, values, options, said):
    with pytest.raises(DatasetError, match=said):
        CrystalTable.of(fetched(drawn(9, count), values), **{"column": "energy"} | options)


def test_the_ridge_tells_two_compositions_apart():
    """Two compositions are too few to leave one out, and the penalty is chosen on single crystals."""
    crystals = [Crystal.of(bulk("Cu" if k % 2 else "Au", "fcc", a=3.6 + 0.01 * k)) for k in range(30)]
    values = [3.0 * (k % 2) + 0.01 * k for k in range(30)]
    result = fit_crystals(table_of(crystals, values, "gap", "eV"), CrystalFit(network="ridge"))
    assert result.validated["random"]["ridge"].metrics.r2 > 0.99


def test_elements_that_occur_once_are_not_counted():
    crystals = drawn(10, 40)
    crystals[0] = Crystal(
        crystals[0].cell, crystals[0].fractional, np.full(len(crystals[0].numbers), 79), crystals[0].occupancies
    )
    result = fit_crystals(table_of(crystals, list(map(volume_per_atom, crystals)), "v"), CrystalFit("ridge"))
    assert result.not_predicted == {GROUPED: 1, RANDOM: 1}
    assert result.validated[RANDOM]["ridge"].metrics.n == 39


def test_elements_that_one_composition_has_alone_are_said():
    metals = ("Cu", "Ag", "Au", "Ni", "Pd", "Pt")
    crystals = [Crystal.of(bulk(metal, "fcc", a=a)) for metal in metals for a in (3.5, 3.6, 3.7, 3.9, 4.1)]
    result = fit_crystals(table_of(crystals, [each.volume for each in crystals], "v"), CrystalFit("ridge"))
    assert list(result.validated) == [RANDOM]
    assert "without whole groups (composition) the data lack elements of all but 0 crystals" in result.notes[0]
    alone = [Crystal.of(bulk("Cu", "fcc", a=3.6))] * 20
    alone = [Crystal(each.cell, each.fractional, each.numbers + k, each.occupancies) for k, each in enumerate(alone)]
    with pytest.raises(DatasetError, match="20 of 20 crystals have an element that no other part of the data has"):
        fit_crystals(table_of(alone, list(range(20)), "v"), CrystalFit("ridge"))


def test_other_units_and_settings_are_errors():
    crystals = drawn(9, 30)
    with pytest.raises(ConfigurationError, match="in eV/atom, not in meV"):
        CrystalTable.of(fetched(crystals, list(range(30))), "energy", unit="meV")
    with pytest.raises(ConfigurationError, match="network='tree' is unknown"):
        CrystalFit(network="tree")
    with pytest.raises(ConfigurationError, match="groups='space group' is unknown"):
        fit_crystals(table_of(crystals, list(range(30)), "v"), CrystalFit("ridge"), groups="space group")


def test_the_command_trains_and_predicts_what_python_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crystals = drawn(11, 40)
    methods = ["PBE"] * 38 + ["HSE"] * 2
    fetched(crystals, list(map(sum_over_elements, crystals)), methods).save("fetched.parquet")
    command = ["surrogate", "train", "mine.safetensors", "--data", "fetched.parquet", "--property", "energy"]
    done = CliRunner().invoke(app, [*command, "--network", "ridge"])
    assert done.exit_code == 0, done.output
    assert "Not used: 2 rows with values by HSE." in done.output
    assert "made up (CC0)" in done.output
    card = load_card("mine.safetensors")
    assert {name: card.data[name] for name in ("provider", "licence", "fetched")} == {
        "provider": "made up", "licence": "CC0", "fetched": "2026"
    }  # fmt: skip
    assert card.metrics[GROUPED][0].r2 > 0.99
    assert not (tmp_path / "mine.safetensors.work").exists()
    crystals[0].to_atoms().write("one.cif")
    told = CliRunner().invoke(app, ["predict", "one.cif", "--model", "mine.safetensors", "--json"])
    assert told.exit_code == 0, told.output
    (row,) = json.loads(told.stdout)["predictions"]
    expected = load("mine.safetensors").predict([read_crystal("one.cif")])
    assert row["predicted"] == expected.values[0]
    assert row["half_width"] == expected.half_width[0]
    np.testing.assert_allclose(expected.values[0], sum_over_elements(crystals[0]), atol=0.1)
    bulk("Au").write("gold.cif")
    said = CliRunner().invoke(app, ["predict", "gold.cif", "--model", "mine.safetensors"]).output
    assert "it contains Au, and the training" in said


def test_the_command_does_not_claim_groups_that_were_not_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crystals = [Crystal.of(bulk("Cu" if k % 2 else "Au", "fcc", a=3.6 + 0.01 * k)) for k in range(30)]
    fetched(crystals, list(map(float, range(30)))).save("two.parquet")
    command = ["surrogate", "train", "mine.safetensors", "--data", "two.parquet", "--property", "energy"]
    done = CliRunner().invoke(app, [*command, "--network", "ridge"])
    assert done.exit_code == 0, done.output
    assert "Cross-validation leaves out single crystals only. Chosen: ridge." in done.output


def test_stored_surrogates_predict_the_same_and_are_told_from_those_of_tubes(fitted, tmp_path):
    file = tmp_path / "argon.safetensors"
    fitted.save(file)
    some = fitted.table.crystals[:5]
    np.testing.assert_array_equal(load(file).predict(some).values, fitted.surrogate.predict(some).values)
    assert holds_crystals(file)
    assert not holds_crystals("nanotube-gap.safetensors")
    with pytest.raises(WeightsError, match="predicts crystals, not tubes"):
        load_tubes(file)
    card = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(card | {"settings": card["settings"] | {"width": 13}}))
    with pytest.raises(WeightsError, match="does not hold the weights that its card describes"):
        load(file)


def test_shared_sites_of_a_file_are_read_and_refused(fitted, tmp_path):
    core = pytest.importorskip("pymatgen.core")
    mixed = core.Structure(2.87 * np.eye(3), [{"Ni": 0.75, "Fe": 0.25}, "Al"], [[0, 0, 0], [0.5] * 3])
    mixed.to(filename=str(tmp_path / "mixed.cif"))
    crystal = read_crystal(tmp_path / "mixed.cif")
    assert sorted(zip(crystal.numbers.tolist(), crystal.occupancies.tolist(), strict=True)) == [
        (13, 1.0), (26, 0.25), (28, 0.75)
    ]  # fmt: skip
    assert fitted.surrogate.predict([crystal]).failures


def test_a_table_of_tubes_is_trained_as_labels_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    tubes = [
        Nanotube(8, 0, 2).decorated({int(site): ("B", "N")[k % 2] for site in rng.choice(64, 3 + k % 5, replace=False)})
        for k in range(25)
    ]
    crystals = [Crystal.of(_periodic(to_atoms(tube))) for tube in tubes]
    crystals.append(Crystal.of(_periodic(bulk("Cu", cubic=True))))
    counts = [float((tube.species != 0).sum()) + 0.01 * k for k, tube in enumerate(tubes)]
    table = fetched(crystals, [*counts, 1.0], periodic=(False, False, True), name="mine")
    table.save(tmp_path / "tubes.parquet")
    assert holds_tubes(table)
    assert not holds_tubes(fetched(crystals, [*counts, 1.0]))
    labels = read_labels(tmp_path / "tubes.parquet", "mine")
    assert {tube.key for tube in labels.tubes} == {tube.key for tube in tubes}
    assert list(labels.unread) == ["x-25"]


def _periodic(atoms):
    atoms = atoms.copy()
    atoms.pbc = True
    return atoms
