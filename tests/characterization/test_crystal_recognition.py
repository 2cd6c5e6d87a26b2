"""Symmetry of crystals: drawing by space group against pymatgen, noise, searches by spglib, files and answers."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from matgym.characterization import Powder, Structure, characterize, powder_patterns, read_crystal
from matgym.characterization.crystal_steps import CrystalPipeline, crystals_of
from matgym.characterization.recognition.fitting import RecognitionFit, fit_network
from matgym.characterization.recognition.learned import Calibration, Recognizer, outputs, save_recognizer
from matgym.characterization.recognition.measures import accuracy_among_occurring, top_accuracy
from matgym.characterization.recognition.networks import make_network, settings_of
from matgym.characterization.recognition.random_crystals import group_symbols, groups_of, random_crystal
from matgym.characterization.recognition.registry import draw_pool, read_pool, task_of
from matgym.characterization.recognition.structures import CrystalSystemFromStructure, best_tolerance, with_noise
from matgym.characterization.recognition.tasks import Samples
from matgym.characterization.symmetry import (
    SYSTEMS,
    TOLERANCES,
    crystal_system,
    systems_of_lattices,
    systems_of_structures,
)
from matgym.cli import app
from matgym.errors import ConfigurationError, FormatError, RefusalError
from matgym.structures.crystals import Crystal

pymatgen = pytest.importorskip("pymatgen.core")
from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY as LIBRARY  # noqa: E402
from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: E402
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer  # noqa: E402
from pymatgen.symmetry.groups import sg_symbol_from_int_number  # noqa: E402

from matgym.characterization.recognition.prototypes import prototypes, varied  # noqa: E402


def structure_of(crystal):
    return pymatgen.Structure(crystal.cell, crystal.numbers, crystal.fractional)


# ---- random crystals, and prototypes


@pytest.mark.parametrize("system", range(7))
def test_random_crystals_are_of_their_system_by_pymatgen(system):
    rng = np.random.default_rng(system)
    for pseudosymmetric in (0.0, 0.0, 0.0, 1.0):
        structure = structure_of(random_crystal(rng, groups_of(system), pseudosymmetric))
        found = SpacegroupAnalyzer(structure, 1e-3, angle_tolerance=-1)  # by default, angles may be off by 5°
        assert found.get_crystal_system() == SYSTEMS[system]
        assert structure.is_valid(tol=1.0)


@pytest.mark.parametrize("group", [2, 14, 62, 129, 140, 166, 194, 209, 219, 225, 228])
def test_random_crystals_are_of_their_space_group_by_pymatgen(group):
    crystal = random_crystal(np.random.default_rng(group), range(group, group + 1))
    assert SpacegroupAnalyzer(structure_of(crystal), 1e-3, angle_tolerance=-1).get_space_group_number() == group


def test_the_size_of_the_cell_says_little_about_the_system():
    """Known structure types have some eight atoms in the primitive cell, in all systems (the median of pymatgen's)."""
    rng = np.random.default_rng(0)
    medians = [
        float(np.median([len(random_crystal(rng, groups_of(system)).numbers) for _ in range(60)]))
        for system in range(7)
    ]
    assert min(medians) >= 4.0
    assert max(medians) <= 20.0


def test_pseudosymmetric_crystals_have_a_lattice_of_higher_symmetry():
    rng = np.random.default_rng(0)
    pseudo, plain = ([random_crystal(rng, groups_of(2), share) for _ in range(8)] for share in (1.0, 0.0))
    assert (systems_of_structures([*pseudo, *plain], 1e-3) == 2).all()
    assert (systems_of_lattices(pseudo, 1e-3) > 2).all()
    assert (systems_of_lattices(plain, 1e-3) == 2).all()


def test_symbols_of_groups_are_those_of_pymatgen():
    full = [sg_symbol_from_int_number(number, hexagonal=False) for number in range(1, 231)]
    assert list(group_symbols()) == [re.sub(r"^([PC])1(.+)1$", r"\1\2", symbol) for symbol in full]  # P12_1/c1: P2_1/c
    assert all(crystal_system(number) == system for system in range(7) for number in groups_of(system))
    assert [number for system in range(7) for number in groups_of(system)] == list(range(1, 231))


def test_prototypes_are_of_their_group_by_pymatgen():
    crystals, groups = prototypes()
    assert len(crystals) == len(groups) == len(LIBRARY)
    assert {crystal_system(group) for group in groups.tolist()} == set(range(7))
    for row in range(0, len(LIBRARY), 40):
        assert SpacegroupAnalyzer(LIBRARY[row]["snl"].structure, 0.01).get_space_group_number() == groups[row]


@pytest.mark.parametrize("row", range(0, 280, 35))
def test_variations_keep_structure_type_and_group_but_not_cell_and_species(row):
    crystals, groups = prototypes()
    changed = varied(crystals[row], np.random.default_rng(row))
    assert SpacegroupAnalyzer(structure_of(changed), 0.01).get_space_group_number() == groups[row]
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    assert matcher.fit_anonymous(structure_of(crystals[row]), structure_of(changed))
    assert not np.allclose(changed.cell, crystals[row].cell, rtol=1e-3)
    assert not np.array_equal(changed.numbers, crystals[row].numbers)


def test_mirror_images_of_groups_have_the_same_pattern():
    """P4_1 and P4_3: no powder pattern tells them, as the documentation says."""
    crystal = random_crystal(np.random.default_rng(0), range(76, 77))
    mirrored = Crystal(crystal.cell * [1.0, 1.0, -1.0], crystal.fractional, crystal.numbers, crystal.occupancies)
    assert SpacegroupAnalyzer(structure_of(mirrored), 1e-3).get_space_group_number() == 78
    one, other = powder_patterns([crystal, mirrored], [Powder(), Powder()])
    np.testing.assert_allclose(one, other, atol=1e-9 * one.max())


def test_classes_of_space_groups_and_of_systems_belong_together():
    group, system = task_of("space-group"), task_of("crystal-system")
    numbers = np.arange(1, 231)
    assert group.labels_of(numbers).tolist() == list(range(230))
    for label in range(230):
        assert group.groups(label)[0] in system.groups(system.labels_of(numbers)[label])
    samples = group.prototypes(np.random.default_rng(0), 1000.0)
    assert np.array_equal(samples.labels + 1, prototypes()[1])


def test_accuracy_among_occurring_classes_leaves_the_others_out():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert top_accuracy(probabilities, np.array([1, 2])) == 0.5
    assert accuracy_among_occurring(probabilities, np.array([1, 2])) == 1.0


# ---- structures with noise


def test_noise_has_the_displacement_and_the_strain_that_it_says():
    rng = np.random.default_rng(0)
    crystal = Crystal.of(bulk("Cu", cubic=True) * (6, 6, 6))
    noisy = with_noise(crystal, rng, displacement_angstrom=0.1, spread=0.5, anisotropy=2.0)
    assert np.array_equal(noisy.cell, crystal.cell)
    moved = (noisy.fractional - crystal.fractional) @ crystal.cell
    assert np.sqrt(np.square(moved).mean()) == pytest.approx(0.1, rel=0.1)
    values = np.linalg.eigvalsh(np.cov(moved.T))
    assert np.sqrt(values[2] / values[:2].mean()) == pytest.approx(2.0, rel=0.15)
    strained = with_noise(crystal, rng, displacement_angstrom=0.0, strain=0.02)
    np.testing.assert_allclose(strained.fractional, crystal.fractional, atol=1e-12)
    strain = np.linalg.inv(crystal.cell) @ strained.cell - np.eye(3)
    np.testing.assert_allclose(strain, strain.T, atol=1e-12)
    assert 0.002 < np.abs(strain).max() <= 0.02


def test_structures_come_back_from_inputs():
    crystals = [Crystal.of(bulk("NaCl", "rocksalt", a=5.64)), Crystal.of(bulk("Ti"))]
    inputs = CrystalPipeline(most_atoms=4).apply(crystals)
    assert (inputs[:, 0, -len(TOLERANCES) :] == [[6] * 13, [5] * 13]).all()  # cubic and hexagonal at all tolerances
    for one, other in zip(crystals, crystals_of(inputs), strict=True):
        np.testing.assert_allclose(other.cell, one.cell, atol=1e-5)
        np.testing.assert_allclose(other.fractional, one.fractional % 1.0, atol=1e-6)
        assert np.array_equal(other.numbers, one.numbers)


def test_augmentation_keeps_the_crystal_system():
    task = replace_noise(strain=(0.0, 0.0))
    samples = task.draw(24, np.random.default_rng(0), level=0.0)
    changed = task.augmented(torch.from_numpy(samples.inputs.copy()), np.random.default_rng(1)).numpy()
    assert (systems_of_structures(crystals_of(changed), 1e-3) == samples.labels).all()
    before, after = crystals_of(samples.inputs), crystals_of(changed)
    ratios = [other.volume / one.volume for one, other in zip(before, after, strict=True)]
    assert np.exp(-0.31) < min(ratios) < 0.95 < 1.05 < max(ratios) < np.exp(0.31)
    assert sum(np.array_equal(one.numbers, other.numbers) for one, other in zip(before, after, strict=True)) < 3


def replace_noise(**changes):
    task = CrystalSystemFromStructure()
    task.training = replace(task.training, **changes)
    return task


def test_a_pool_of_structures_keeps_their_precision(tmp_path):
    task = task_of("crystal-structure")
    drawn = draw_pool(task, 5, 0, tmp_path)
    assert drawn.inputs.dtype == read_pool(task, 5, 0, tmp_path).inputs.dtype == np.float32
    cells = drawn.inputs[:, :3, :3]
    assert np.abs(cells - cells.astype(np.float16)).max() > 1e-4


def test_searches_without_learning_find_ideal_structures():
    ideal = [bulk("Cu"), bulk("Ti"), bulk("In", "bct", a=3.25, c=4.95), bulk("NaCl", "rocksalt", a=5.64)]
    crystals = [Crystal.of(atoms) for atoms in ideal]
    assert [SYSTEMS[k] for k in systems_of_structures(crystals, 0.01)] == ["cubic", "hexagonal", "tetragonal", "cubic"]
    quartz = pymatgen.Structure.from_spacegroup(
        "P3_221", pymatgen.Lattice.hexagonal(4.913, 5.405), ["Si", "O"], [[0.4697, 0, 0], [0.4135, 0.2669, 0.1191]]
    )
    crystal = Crystal.of(quartz)
    assert SYSTEMS[systems_of_structures([crystal], 0.01)[0]] == "trigonal"
    assert SYSTEMS[systems_of_lattices([crystal], 0.01)[0]] == "hexagonal"


def test_the_best_tolerance_grows_with_the_noise():
    task, found = replace_noise(strain=(0.0, 0.0)), []
    for level in (0.0, 0.1):
        samples = task.draw(70, np.random.default_rng(0), level=level)
        found.append(best_tolerance(systems_of_structures, crystals_of(samples.inputs), samples.labels))
        right = systems_of_structures(crystals_of(samples.inputs), found[-1]) == samples.labels
        assert right.all() or level > 0.0
    assert found[0] < found[1]


class Lattices(CrystalSystemFromStructure):
    """Simple, face-centred or body-centred cubic, of equal volume for each atom and with noise."""

    classes = ("sc", "fcc", "bcc")

    def group(self, count, rng, conditions, level):
        labels = rng.integers(3, size=count)
        edges = {"sc": 2.5, "fcc": 2.5 * 4 ** (1 / 3), "bcc": 2.5 * 2 ** (1 / 3)}
        cubes = [Crystal.of(bulk("Cu", self.classes[k], a=edges[self.classes[k]], cubic=True)) for k in labels]
        return self.measured(cubes, labels, rng, conditions, level)


def test_the_graph_network_learns_which_cubic_lattice_atoms_form():
    """All cells are cubes: atoms alone tell them."""
    task = Lattices()
    learned, chosen, test = (task.draw(count, np.random.default_rng(count)) for count in (240, 60, 100))
    fit = RecognitionFit(
        "crystal", {"width": 12, "layers": 2, "hidden": (16,)}, epochs=15, batch_size=12, learning_rate=1e-2
    )
    net = fit_network(task, learned, chosen, fit)
    assert top_accuracy(outputs(net, test.inputs)[0], test.labels) > 0.95


def test_the_graph_network_takes_crystals_only():
    with pytest.raises(ConfigurationError, match=r"\(1, 1024\) is no crystal: give \(4, 3 \+ atoms \+ 13\)"):
        make_network("crystal", {}, (1, 1024), 7)
    with pytest.raises(ConfigurationError, match="there is no setting 'widths'; did you mean 'width'"):
        settings_of("crystal", {"widths": 3})


# ---- files and answers


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A stored network of random weights, which answers anything."""
    torch.manual_seed(0)
    pipeline, settings = CrystalPipeline(most_atoms=8), settings_of("crystal", {"width": 4, "hidden": [6]})
    net = make_network("crystal", settings, pipeline.shape, 7).eval()
    anywhere = {"centre": np.zeros(6), "whitening": np.zeros((6, 6)), "threshold": np.ones(1)}
    path = tmp_path_factory.mktemp("model") / "crystal-structure.safetensors"
    recognizer = Recognizer(net, SYSTEMS, pipeline, Calibration(1.0, 0.0, anywhere))
    save_recognizer(recognizer, path, task="crystal-structure", network="crystal", settings=settings)
    return path


@pytest.mark.parametrize("name", ["salt.cif", "POSCAR", "salt.extxyz"])
def test_files_of_structures_are_answered(model, tmp_path, name):
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    write(tmp_path / name, atoms)
    record = read_crystal(tmp_path / name)
    assert record.crystal.volume == pytest.approx(5.64**3, rel=1e-6)
    assert sorted(record.crystal.numbers) == [11] * 4 + [17] * 4
    done = CliRunner().invoke(
        app,
        ["characterize", str(tmp_path / name), "--what", "structure", "--model", str(model), "--json", "--best", "2"],
        catch_exceptions=False,
    )
    found = json.loads(done.stdout)
    assert found["answer"] == found["best"][0]["class"]
    assert len(found["best"]) == 2
    assert found["file"]["path"] == str(tmp_path / name)
    again = characterize(Structure(Crystal.of(atoms)), "structure", model=model)
    assert again.answer.best[0][0] == found["answer"]
    with pytest.raises(ConfigurationError, match="there is no picture of a structure"):
        again.save_picture(tmp_path / "a.png")


def test_structures_that_the_network_cannot_take_are_refused(model, tmp_path):
    large = Structure(Crystal.of(bulk("Cu", cubic=True) * (2, 2, 1)))
    with pytest.raises(RefusalError, match="16 atoms in its cell: the network takes 8; give its primitive cell"):
        characterize(large, "structure", model=model)
    cell = 4.0 * np.eye(3)
    mixed = Crystal(cell, np.zeros((2, 3)), np.array([29, 79]), np.array([0.5, 0.5]))
    with pytest.raises(RefusalError, match="places of mixed occupancy"):
        characterize(Structure(mixed), "structure", model=model)
    with pytest.raises(FormatError, match="is no crystal: there is no file"):
        read_crystal(tmp_path / "nothing.cif")
    molecule = bulk("Cu")
    molecule.pbc = False
    write(tmp_path / "one.extxyz", molecule)
    with pytest.raises(FormatError, match="is not periodic in three directions"):
        read_crystal(tmp_path / "one.extxyz")
    with pytest.raises(ConfigurationError, match=r"wavelength_angstrom=1\.5 has no effect for what='structure'"):
        characterize(tmp_path / "one.extxyz", "structure", wavelength_angstrom=1.5, model=model)


@pytest.mark.parametrize("name", ["space-group", "crystal-structure"])
def test_the_command_of_training_stores_a_network(tmp_path, monkeypatch, capsys, name):
    from scripts.studies import common
    from scripts.studies.characterization import train

    monkeypatch.setattr(common, "OUTPUT", tmp_path)
    threads = torch.get_num_threads()
    train.main([name, "--quick", "--workers", "1"])
    torch.set_num_threads(threads)
    assert "unseen accuracy" in capsys.readouterr().out
    assert (tmp_path / "runs" / "quick" / "weights" / f"{name}.safetensors").exists()


def test_jobs_of_the_study_compare_splits_and_searches():
    from scripts.studies.characterization.accuracy import QUICK, Split, Symmetry

    by_pattern, by_prototype = (
        Split(QUICK, "crystal-system", by).run().to_pylist()[0] for by in ("pattern", "prototype")
    )
    assert by_pattern["trained_on"] + by_pattern["samples"] < 288
    assert 0.0 <= by_prototype["accuracy"] <= 1.0
    settings = replace(QUICK, known=8, test=8)
    rows = Symmetry(settings, "crystal-structure").run().to_pylist()
    task = task_of("crystal-structure")
    assert len(rows) == len(task.levels) * 2 * 3
    ideal = [row["accuracy"] for row in rows if row["level"] == 0.0 and row["method"] == "spglib"]
    assert min(ideal) > 0.3
    assert isinstance(task.draw(2, np.random.default_rng(0), level=0.0), Samples)
