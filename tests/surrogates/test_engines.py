"""Inference engines: their values equal torch's, none loses accuracy; users' ONNX files."""

import sys
from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError, MissingExtraError, WeightsError
from matgym.models import Level, Predictions
from matgym.structures import Species, TubeBatch, tube_lattice
from matgym.surrogates import NETWORKS, FitConfig, NetworkSurrogate, OnnxModel, engines, fit
from matgym.surrogates.engines import INT8_ENGINES
from matgym.surrogates.learned import Scaling
from matgym.surrogates.networks import make_network
from matgym.surrogates.raster import CHANNELS, encode
from matgym.surrogates.training import INT8_TOLERANCE, quantised

SINGLE_PRECISION = 1e-4  # summed in another order, in standard deviations
INT8_PRECISION = 0.05  # root mean square, of 256 levels in each of a few layers, in standard deviations
SMALL = {
    "lenet": {"channels": (4, 4), "hidden": (8,)},
    "alexnet": {"channels": (4, 4, 4, 4, 4), "hidden": (8,)},
    "vgg": {"channels": (4,), "hidden": (8,)},
    "plain": {"width": 8, "blocks": 1, "hidden": (8,)},
    "resnet": {"width": 8, "blocks": 1, "hidden": (8,)},
    "graph": {"width": 4, "layers": 1, "hidden": (8,)},
}
ALIKE = ("alexnet", "vgg", "plain")  # stacks of convolutions, as lenet and resnet are
SHAPES = ((6, 2, 1), (8, 0, 2))  # shifted and not
LATTICE = tube_lattice(11, 0, 3)


def codes(lattice, count, seed=0):
    return np.random.default_rng(seed).choice([0, 3, 4], (count, lattice.n_sites), p=[0.8, 0.1, 0.1]).astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def graphs():
    """Return the exported graph of each network; exporting takes seconds, so that it is done once for all tests."""
    export, kept = engines.exported, {}

    def once(members, inputs, outputs):
        key = (tuple(members.networks), members.shift, inputs["raster"].shape)
        if key not in kept:
            kept[key] = export(members, inputs, outputs)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "exported", once)
        yield


@cache
def untrained(network, key="gap_ev"):
    """A fresh network."""
    networks = (make_network(network, SMALL[network], 2, 1, leads=key == "conductance_us"),)
    scaling = Scaling(np.zeros(1), np.ones(1))
    return NetworkSurrogate(networks, network, SMALL[network], (key,), (Species.B, Species.N), (), scaling)


@pytest.fixture(scope="module")
def data():
    rows = Dataset.load("nanotube-doping")
    found = []
    for split, count in (("train", 400), ("validation", 150)):
        part = rows.split(split).labelled()
        where = next(where for lattice, where, _, _ in part.by_lattice() if lattice == LATTICE)
        found.append(part.take(where[:count]))
    return found[0].with_rows(found[1])


@pytest.fixture(scope="module")
def surrogate(data):
    size = {"width": 8, "blocks": 1, "hidden": (16,)}
    settings = FitConfig(properties=("gap_ev",), epochs=12, batch_size=16, size=size, members=2)
    fitted = fit(data, settings)
    spread = fitted.mean(LATTICE, codes(LATTICE, 64)).std()
    assert spread > 0.1 * fitted.scaling.scale[0], "a constant would agree with itself in any engine"
    return fitted


@pytest.mark.parametrize(
    "network", [pytest.param(name, marks=pytest.mark.long) if name in ALIKE else name for name in NETWORKS]
)
def test_engines_equal_torch_for_every_network(network):
    ours = untrained(network)
    lattice = tube_lattice(*SHAPES[0])
    species = codes(lattice, 3)
    expected, features = ours.run(lattice, species)
    for name in ("onnxruntime", "openvino"):
        found, pooled = ours.with_engine(name).run(lattice, species)
        assert found.shape == (1, 3, 1)
        np.testing.assert_allclose(found, expected, atol=SINGLE_PRECISION)
        np.testing.assert_allclose(pooled, features, atol=SINGLE_PRECISION)


@pytest.mark.parametrize(("key", "shapes"), [("gap_ev", (*SHAPES, SHAPES[0])), ("conductance_us", SHAPES[1:])])
def test_one_engine_serves_tubes_of_any_shape_and_batches_of_any_size(key, shapes, monkeypatch):
    monkeypatch.setattr("matgym.surrogates.learned.INFERENCE_BATCH", 8)
    ours = untrained("lenet", key)
    engine = ours.with_engine("onnxruntime", threads=2)
    for shape in shapes:
        lattice = tube_lattice(*shape)
        for count in (1, 8, 9):
            species = codes(lattice, count)
            expected = ours.mean(lattice, species)
            np.testing.assert_allclose(engine.mean(lattice, species), expected, atol=SINGLE_PRECISION)


def test_the_torch_engine_is_the_default_to_the_last_bit(surrogate):
    species = codes(LATTICE, 5)
    for ours, theirs in zip(
        surrogate.run(LATTICE, species), surrogate.with_engine("torch").run(LATTICE, species), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_predictions_are_the_same_with_an_engine(surrogate):
    batch = TubeBatch.uniform(LATTICE, codes(LATTICE, 4))
    expected, found = surrogate.predict(batch), surrogate.with_engine("openvino").predict(batch)
    close = {"rtol": 1e-3, "atol": SINGLE_PRECISION}
    for name in ("values", "sd", "half_width", "members"):
        ours, theirs = getattr(found, name)["gap_ev"], getattr(expected, name)["gap_ev"]
        np.testing.assert_allclose(ours, theirs, err_msg=name, **close)
    np.testing.assert_allclose(found.distance, expected.distance, **close)


def test_an_engine_that_disagrees_raises(surrogate, monkeypatch):
    right = engines.onnxruntime_pass

    def wrong(model, threads):
        run = right(model, threads)
        return lambda inputs: (run(inputs)[0] + 0.01, run(inputs)[1])

    monkeypatch.setattr(engines, "onnxruntime_pass", wrong)
    with pytest.raises(WeightsError, match="differs from torch by"):
        surrogate.with_engine("onnxruntime").mean(LATTICE, codes(LATTICE, 1))


def rmse(surrogate, data):
    lattice, rows, species, _ = next(data.by_lattice())
    return np.sqrt(((surrogate.mean(lattice, species)[:, 0] - data.values("gap_ev")[rows]) ** 2).mean())


def with_labels(data, surrogate, off):
    """Return the data with labels that are the surrogate's own predictions plus `off` in eV."""
    lattice, _, species, _ = next(data.by_lattice())
    signs = np.where(np.arange(len(data)) % 2, off, -off)
    column = pa.array(surrogate.mean(lattice, species)[:, 0] + signs)
    return Dataset(data.table.set_column(data.table.column_names.index("gap_ev"), "gap_ev", column))


@pytest.mark.parametrize("name", INT8_ENGINES)
def test_8_bit_that_keeps_the_accuracy_is_returned(surrogate, data, name):
    whole = quantised(surrogate, data, name)
    assert rmse(whole, data) <= (1 + INT8_TOLERANCE) * rmse(surrogate, data)
    species = np.stack([tube.species for tube in data.batch])  # other tubes may be outside the calibrated range
    off = (whole.mean(LATTICE, species) - surrogate.mean(LATTICE, species)) / surrogate.scaling.scale
    assert SINGLE_PRECISION < np.sqrt((off**2).mean()) < INT8_PRECISION, "not 8 bit at all, or badly"


def test_8_bit_that_loses_accuracy_raises_an_error_with_both_figures(surrogate, data):
    exact = with_labels(data, surrogate, off=1e-5)
    with pytest.raises(WeightsError, match=r"RMSE of gap_ev on \d+ tubes is .*, without 8 bit 1e-05"):
        quantised(surrogate, exact, "onnxruntime-int8")


def test_8_bit_is_also_checked_on_lattices_without_labels(surrogate, data):
    whole = quantised(surrogate, data, "onnxruntime-int8")
    other = tube_lattice(*SHAPES[0])
    assert whole.mean(other, codes(other, 2)).shape == (2, 1)
    strict = replace(whole.engine.calibration, allowed=np.zeros(1))
    with pytest.raises(WeightsError, match="more than the allowed"):
        replace(surrogate, engine=replace(whole.engine, calibration=strict, _passes={})).mean(other, codes(other, 2))


def test_networks_that_cannot_be_8_bit_raise(surrogate, data):
    tubes = TubeBatch.uniform(lattice := tube_lattice(*SHAPES[0]), codes(lattice, 3))
    few = data.labelled_rows(tubes, Predictions({"gap_ev": np.ones(3)}), {"gap_ev": Level.PI}, split="validation")
    with pytest.raises(ConfigurationError, match="8 bit needs a convolution"):
        quantised(untrained("graph"), few, "onnxruntime-int8")
    with pytest.raises(ConfigurationError, match="onnxruntime-int8"):
        quantised(surrogate, data, "onnxruntime")
    with pytest.raises(ConfigurationError, match="quantised"):
        surrogate.with_engine("openvino-int8")
    with pytest.raises(DatasetError, match="no tube"):
        quantised(surrogate, data.take(np.zeros(0, dtype=int)), "onnxruntime-int8")


def test_unknown_engines_and_thread_counts_raise(surrogate):
    with pytest.raises(ConfigurationError, match="'tensorrt'"):
        surrogate.with_engine("tensorrt")
    with pytest.raises(ConfigurationError, match="threads=0"):
        surrogate.with_engine("torch", threads=0)


def test_a_missing_engine_names_the_extra(surrogate, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"matgym\[engines\]"):
        surrogate.with_engine("onnxruntime").mean(LATTICE, codes(LATTICE, 1))


# ---- files of the user's


def onnx_file(path, shape=("B", CHANNELS, "H", "W"), axes=(1, 2, 3), kind=TensorProto.FLOAT):
    """Sums over axes, written by hand."""
    nodes = [
        helper.make_node("Constant", [], ["axes"], value_ints=list(axes)),
        helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0),
    ]
    given, found = helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph(nodes, "sum", [given], [found])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_an_onnx_file_that_adds_up_its_raster_counts_the_impurities(tmp_path):
    model = OnnxModel(onnx_file(tmp_path / "sum.onnx"), "gap_ev")
    for shape in SHAPES:
        lattice = tube_lattice(*shape)
        species = codes(lattice, 7)
        np.testing.assert_array_equal(model.run(encode(lattice, species))[:, 0], (species != Species.C12).sum(axis=1))


def test_missing_and_damaged_onnx_files_raise(tmp_path):
    with pytest.raises(WeightsError, match="there is no ONNX file"):
        OnnxModel(tmp_path / "none.onnx", "gap_ev")
    whole = onnx_file(tmp_path / "sum.onnx").read_bytes()
    for content in (b"", b"no model", whole[: len(whole) // 2]):
        (tmp_path / "damaged.onnx").write_bytes(content)
        with pytest.raises(WeightsError, match=r"damaged\.onnx"):
            OnnxModel(tmp_path / "damaged.onnx", "gap_ev")


def test_onnx_files_of_other_shapes_raise(tmp_path):
    raster = encode(LATTICE, codes(LATTICE, 3))
    with pytest.raises(ConfigurationError, match="export it with one input"):
        OnnxModel(onnx_file(tmp_path / "flat.onnx", shape=("B", 8), axes=(1,)), "gap_ev")
    with pytest.raises(ConfigurationError, match="export it with one input"):
        OnnxModel(onnx_file(tmp_path / "whole.onnx", kind=TensorProto.INT64), "gap_ev")
    with pytest.raises(ConfigurationError, match="takes rasters of shape"):
        OnnxModel(onnx_file(tmp_path / "fixed.onnx", shape=(1, CHANNELS, 4, 4)), "gap_ev").run(raster)
    with pytest.raises(ConfigurationError, match=r"returned an array of shape \(3, 6\)"):
        OnnxModel(onnx_file(tmp_path / "many.onnx", axes=(2, 3)), "gap_ev").run(raster)
