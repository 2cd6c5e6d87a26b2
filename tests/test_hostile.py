"""Hostile values that the fuzzer found to end in raw errors, hangs or gibibytes: one sentence each."""

import json
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError, ModelError, StructureError, WeightsError
from matgym.generative.examples import COLUMNS, ConditionScaling
from matgym.generative.store import load_generator, read_generator_config
from matgym.processes.annealing.microstructure import voronoi
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Column, Experiments
from matgym.processes.growth.recipe import scaled_controls, two_stages
from matgym.processes.sequences.learned import STORE as SEQUENCES
from matgym.processes.sequences.learned import load_sequences
from matgym.statistics import interquartile_mean
from matgym.structures import STONE_WALES, DefectEdits, Nanotube, tube_lattice
from matgym.structures.stone_wales import validated_pairs
from matgym.surrogates import OnnxModel, load, save
from matgym.surrogates.networks import network_settings
from matgym.surrogates.raster import CHANNELS
from matgym.surrogates.store import STORE as SURROGATES
from matgym.tasks import decoration_task


@pytest.fixture(scope="module")
def task():
    return decoration_task(lattice=tube_lattice(8, 0, 2), budget={"B": 2, "N": 2})


# ---- cards


def with_card(store, name, folder, change):
    file = store.located(name)
    for suffix in (".json", ".safetensors"):
        shutil.copy(file.with_suffix(suffix), folder / f"mine{suffix}")
    card = json.loads((folder / "mine.json").read_text(encoding="utf-8"))
    (folder / "mine.json").write_text(json.dumps(card | change(card)), encoding="utf-8")
    return folder / "mine.safetensors"


@pytest.mark.parametrize("name", ["mean", "scale", "informed_mean", "informed_scale"])
def test_a_surrogate_has_a_mean_and_a_scale_for_each_property(tmp_path, name):
    file = with_card(SURROGATES, "nanotube-doping", tmp_path, lambda card: {name: [*card[name], 1.0]})
    with pytest.raises(WeightsError, match="one a property"):
        load(file)


@pytest.mark.parametrize("name", ["mean", "scale", "numbers_mean", "numbers_scale"])
def test_a_surrogate_of_any_tube_has_a_mean_and_a_scale_for_each_property_and_number(tmp_path, name):
    file = with_card(SURROGATES, "nanotube-heat", tmp_path, lambda card: {name: [*card[name], 1.0]})
    with pytest.raises(WeightsError, match=f"{name} must hold"):
        load(file)


@pytest.mark.parametrize("name", ["centre", "whitening", "threshold", "floor", "factor", "interval"])
def test_a_calibration_is_whole(tmp_path, name):
    whole = load("nanotube-doping")
    for other in ({**whole.calibration, name: np.zeros(7)}, {k: v for k, v in whole.calibration.items() if k != name}):
        save(replace(whole, calibration=other), tmp_path / "mine.safetensors")
        with pytest.raises(WeightsError, match=f"calibration.{name} is"):
            load(tmp_path / "mine.safetensors")


@pytest.mark.parametrize(
    "change", [{"centre": [0.0]}, {"scale": [1.0] * 7}, {"size": {"latent": 16_000_000_000}}, {"species": []}]
)
@pytest.mark.parametrize("name", ["gan", "vae", "diffusion"])
def test_a_generator_has_a_scale_for_each_condition_and_sizes_within_bounds(tmp_path, name, change):
    from matgym.generative.store import STORE

    with pytest.raises(WeightsError, match=r"mine\.(json|safetensors)"):
        load_generator(
            with_card(
                STORE,
                name,
                tmp_path,
                lambda card: {k: ({**card[k], **v} if k == "size" else v) for k, v in change.items()},
            )
        )


def test_a_surrogate_over_time_has_a_scale_for_each_of_its_names(tmp_path):
    file = with_card(SEQUENCES, "cvd-growth", tmp_path, lambda card: {"outcomes": card["outcomes"][:-1]})
    with pytest.raises(WeightsError, match="does not hold the weights that its card describes"):
        load_sequences(file)


@pytest.mark.parametrize(
    ("network", "settings", "said"),
    [
        ("resnet", {"blocks": 10**9}, "blocks=1000000000"),
        ("resnet", {"width": 10**6}, "width=1000000"),
        ("vgg", {"channels": [8] * 100}, "100 layers"),
        ("alexnet", {"dropout": 1.5}, "dropout=1.5"),
        ("graph", {"layers": True}, "layers=True"),
    ],
)
def test_networks_are_bounded_before_they_are_made(network, settings, said):
    with pytest.raises(ConfigurationError, match=said):
        network_settings(network, settings)


@pytest.mark.parametrize("model", ["gan", "vae", "diffusion"])
def test_settings_of_generators_are_bounded(model):
    began = time.process_time()
    with pytest.raises(ConfigurationError, match="blocks=1000000 must be a whole number"):
        read_generator_config(model, changes={"size": {"blocks": 10**6}})
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("scale", [1e-320, -1.0])
def test_scales_of_conditions_are_zero_or_large_enough_to_divide_by(scale):
    ones = np.ones(len(COLUMNS))
    ConditionScaling(ones, 0.0 * ones)
    with pytest.raises(ConfigurationError, match="must be zero, or above"):
        ConditionScaling(ones, np.where(ones.cumsum() == 2, scale, ones))


@pytest.mark.parametrize("values", [np.zeros(len(COLUMNS) + 1), np.full(len(COLUMNS), np.nan)])
def test_conditions_have_one_finite_scale_each(values):
    with pytest.raises(ConfigurationError, match="finite numbers, one a column"):
        ConditionScaling(values, np.ones(len(COLUMNS)))


# ---- ONNX


def roomy(path: Path, numbers: int) -> Path:
    """A network of a few bytes that makes room for numbers, and adds none of them."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["room"]),
        helper.make_node("ReduceSum", ["room"], ["nothing"], keepdims=0),
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "nothing"], ["y"]),
    ]
    initial = [
        numpy_helper.from_array(np.array(values, dtype=np.int64), name)
        for name, values in (("size", [numbers]), ("axes", [1, 2, 3]))
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("B", CHANNELS, "H", "W"))
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("B",))
    graph = helper.make_graph(nodes, "roomy", [given], [found], initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_a_foreign_network_gets_half_a_gibibyte(tmp_path):
    tubes = [Nanotube(8, 0, 2), Nanotube(8, 0, 2).decorated({0: "B"})]
    assert OnnxModel(roomy(tmp_path / "small.onnx", 1000), "gap_ev").predict(tubes)["gap_ev"].tolist() == [0.0, 1.0]
    with pytest.raises(ModelError, match="Available memory"):
        OnnxModel(roomy(tmp_path / "large.onnx", 10**9), "gap_ev").predict(tubes)


def test_many_rasters_are_given_to_a_foreign_network_in_parts(tmp_path, monkeypatch):
    model = OnnxModel(roomy(tmp_path / "small.onnx", 10), "gap_ev")
    raster = np.ones((5, CHANNELS, 4, 4), dtype=np.float32)
    whole = model.run(raster)
    monkeypatch.setattr("matgym.surrogates.adapters._ONNX_NUMBERS", 2 * raster[0].size)
    np.testing.assert_array_equal(model.run(raster), whole)
    assert model.run(raster[:0]).shape == (0, 1)


# ---- arrays and numbers


@pytest.mark.parametrize("size", [10**6, 2**63, 4098])
def test_films_are_bounded_before_memory_is_taken(size):
    with pytest.raises(ConfigurationError, match="from 8 to 4,096"):
        voronoi(size, 8, 4, np.random.default_rng(0))


def test_controls_of_another_number_are_refused():
    with pytest.raises(ConfigurationError, match=r"must be \(\.\.\., 4\)"):
        scaled_controls(np.zeros((0, 3)))


def test_a_long_tube_has_its_key_within_seconds():
    began = time.process_time()
    assert len(Nanotube(8, 0, 60).key) == len(Nanotube(8, 0, 1).key)
    assert time.process_time() - began < 5.0


def test_bonds_of_a_long_tube_can_be_counted():
    """The square of the number of bonds in 0.1: minutes for 48,000."""
    for shape in ((8, 0, 1), (8, 0, 2), (2, 1, 1), (3, 0, 2), (4, 4, 1)):
        lattice = tube_lattice(*shape)
        bonds, alone = lattice.bonds, []
        for a, b, image in bonds.tolist():
            try:
                validated_pairs(lattice, [(a, b)])
            except StructureError:
                alone.append(False)
            else:
                alone.append(image == 0)
        with suppress(ConfigurationError):  # no bond of the tube can be turned
            assert DefectEdits(lattice, {STONE_WALES: 1}).turnable.tolist() == alone
    began = time.process_time()
    DefectEdits(tube_lattice(8, 0, 1000), {STONE_WALES: 1})
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("rows", [[2**62], [-1], [[0]], [0.5], [float("nan")]])
def test_rows_of_a_data_set_are_checked(rows):
    data = Dataset.load("nanotube-doping")
    assert len(data.take(np.array([0, 3]))) == 2
    assert len(data.take(np.zeros(0))) == 0
    with pytest.raises(DatasetError, match="must be whole numbers from 0 to"):
        data.take(np.array(rows))


@pytest.mark.parametrize("targets", [np.zeros((3, 2)), np.zeros(()), np.zeros((0, 3, 2))])
def test_targets_are_one_for_each_design(task, targets):
    designs = task.space.sample(len(targets) if targets.ndim else 1, np.random.default_rng(0))
    if targets.size:
        with pytest.raises(ConfigurationError, match="must be 1 for each design"):
            task.score(designs, targets)
    assert len(task.score(designs[:0], np.zeros(0)).reward) == 0


@pytest.mark.parametrize("targets", [np.zeros((2, 2)), np.array([0.5, np.nan]), np.array(0.5)])
def test_targets_of_a_generator_are_finite_numbers(task, targets):
    generator = load_generator("gan")
    with pytest.raises(ConfigurationError, match="must be a finite number for each tube"):
        generator.sample(task.space, targets, np.random.default_rng(0))
    assert len(generator.sample(task.space, np.zeros(0), np.random.default_rng(0))) == 0


@pytest.mark.parametrize("seed", ["a", 1.5, object(), {1: 2}])
def test_seeds_of_batches_are_whole_numbers(seed):
    envs = gym.make_vec("matgym/CVDRecipe-v0", num_envs=2)
    with pytest.raises(ConfigurationError, match="must be a whole number, or a list"):
        envs.reset(seed=seed)
    envs.reset(seed=(1, None))


@pytest.mark.parametrize(
    ("actions", "minutes"),
    [(np.zeros((2, 2)), 30), (np.zeros(8), 30), (np.zeros((1, 8)), 10**9), (np.zeros((1, 8)), 0)],
)
def test_two_stages_are_checked(actions, minutes):
    with pytest.raises(ConfigurationError, match="must be"):
        two_stages(actions, minutes)


@pytest.mark.parametrize("resamples", [0, -1, 10**12])
def test_resamples_are_bounded(resamples):
    with pytest.raises(ConfigurationError, match="must be from 1 to"):
        interquartile_mean(np.ones((4, 2)), np.random.default_rng(0), resamples)


@pytest.mark.parametrize(
    ("inputs", "values"),
    [
        (np.ones((12, 1)), np.arange(12.0)),
        (np.ones(12), np.arange(12.0)),
        (np.ones((12, 2)), np.arange(11.0)),
        (np.full((12, 2), np.nan), np.arange(12.0)),
    ],
)
def test_tables_in_memory_are_checked(inputs, values):
    with pytest.raises(DatasetError, match="mine"):
        Experiments("mine", (Column("a", 0.0, 1.0), Column("b", 0.0, 1.0)), "y", "maximize", inputs, values)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (np.nan, 1.0), (0.0, np.inf), (0.0, 1e300)])
def test_columns_have_a_range(low, high):
    with pytest.raises(DatasetError, match="is no range of finite numbers"):
        Column("a", low, high)


def test_inputs_of_an_emulator_are_finite():
    columns, inputs = (Column("a", 0.0, 1.0),), np.linspace(0.0, 1.0, 12)[:, None]
    emulator = emulate(Experiments("mine", columns, "y", "maximize", inputs, np.arange(12.0)), "trees")
    for wrong in (np.full((1, 1), np.nan), np.zeros((1, 2)), np.zeros(3)):
        with pytest.raises(ConfigurationError, match=r"must be finite numbers of shape \(B, 1\)"):
            emulator.predict(wrong)
