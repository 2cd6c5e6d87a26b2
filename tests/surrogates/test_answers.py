"""Whatever a user's model gives, on whatever device and in whatever precision, is read, or refused in one sentence."""

import os
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.emt import EMT
from onnx import TensorProto, helper, save
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matgym.errors import ConfigurationError, ModelError
from matgym.structures import Nanotube, TubeBatch, tube_lattice
from matgym.surrogates import (
    AseModel,
    FunctionModel,
    KerasModel,
    OnnxModel,
    PipelineModel,
    SklearnModel,
    TorchModel,
    as_model,
    descriptors,
)
from matgym.surrogates.raster import CHANNELS, encode
from matgym.testing import check_model

LATTICE = tube_lattice(8, 0, 2)
SPECIES = np.zeros((4, LATTICE.n_sites), dtype=np.uint8)
SPECIES[1, :3], SPECIES[2, 5:9], SPECIES[3, ::8] = 3, 4, 3
TUBES = TubeBatch.uniform(LATTICE, SPECIES)
COUNTS = (SPECIES > 0).sum(axis=1).astype(float)
SIGNS = {"gap_ev": 1.0, "pi_formation_ev": -1.0}
SINGLE = 1e-5  # relative: single precision, summed in another order


class Sum(torch.nn.Module):
    """How many sites hold no carbon, times a weight of 1; what it gave, as `form` has it."""

    def __init__(self, form=lambda counts: counts, dtype=torch.float32):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, dtype=dtype))
        self.form, self.saw = form, None

    def forward(self, raster):
        self.saw = (raster.dtype, raster.device.type, self.training, torch.is_grad_enabled())
        return self.form((raster * self.weight).sum(dim=(1, 2, 3)))


@dataclass
class Output:
    """As of Hugging Face's models."""

    logits: object
    loss: object = None


class Heads(NamedTuple):
    hidden: object
    values: object


class Prediction:
    def __init__(self, prediction):
        self.prediction = prediction


class ArrayLike:
    """What jax's arrays are to NumPy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):  # NumPy's protocol
        return np.asarray(self.values, dtype=dtype)


# ---- torch


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_modules_get_rasters_in_their_own_precision(dtype):
    module = Sum(dtype=dtype)
    check_model(module)
    found = as_model(module, "gap_ev").predict(TUBES)["gap_ev"]
    np.testing.assert_array_equal(found, COUNTS)
    assert found.dtype == np.float64
    assert module.saw == (dtype, "cpu", False, False)
    assert module.weight.grad is None


def test_modules_get_rasters_on_their_own_device():
    """No test has a second device: `meta` stands for it, which has shapes and no numbers."""
    module = Sum(lambda counts: torch.zeros(len(counts))).to("meta")
    np.testing.assert_array_equal(TorchModel(module, "gap_ev").predict(TUBES)["gap_ev"], 0.0)
    assert module.saw[:2] == (torch.float32, "meta")
    with pytest.raises(ModelError, match=r"^Sum returned tensor.* for 4 .*cannot read as numbers .*meta"):
        TorchModel(Sum().to("meta"), "gap_ev").predict(TUBES)


def test_each_part_of_a_module_is_left_in_its_mode():
    def broken(counts):
        raise RuntimeError(f"not of {counts}")

    for form in (lambda counts: counts, broken):
        frozen = torch.nn.Dropout().eval()
        module = Sum(form)
        module.one, module.other = frozen, torch.nn.Dropout()
        try:
            TorchModel(module, "gap_ev").predict(TUBES)
        except ModelError:
            assert form is broken
        assert not module.saw[2]
        assert (module.training, module.one.training, module.other.training) == (True, False, True)
        assert not Sum().eval().training


def test_a_module_can_be_trained_after_it_was_asked():
    """Inference mode would spoil what it keeps from its evaluation."""

    class Keeps(torch.nn.Module):
        kept = None

        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(CHANNELS, 1)

        def forward(self, raster):
            if self.kept is None:
                self.kept = torch.ones(CHANNELS)
            return self.linear(raster.mean(dim=(2, 3)) * self.kept)

    module = Keeps()
    TorchModel(module, "gap_ev").predict(TUBES)
    module(torch.from_numpy(encode(LATTICE, SPECIES))).sum().backward()
    assert module.linear.weight.grad.abs().sum() > 0


# ---- forms of answers

FORMS = {
    "array": np.asarray,
    "column": lambda counts: counts[:, None],
    "single": lambda counts: counts.astype(np.float32),
    "half": lambda counts: counts.astype(np.float16),
    "whole": lambda counts: counts.astype(np.int8),
    "objects": lambda counts: counts.astype(object),
    "list": lambda counts: counts.tolist(),
    "tuple": lambda counts: tuple(counts.tolist()),
    "series": pd.Series,
    "series with NA": lambda counts: pd.Series(counts, dtype="Float64"),
    "table": lambda counts: pd.DataFrame({"gap_ev": counts, "other": 0.0}),
    "array-like": ArrayLike,
    "masked": np.ma.MaskedArray,
    "tensor": torch.tensor,
    "with gradients": lambda counts: torch.tensor(counts, requires_grad=True) * 1.0,
    "bfloat16": lambda counts: torch.tensor(counts, dtype=torch.bfloat16),
    "list of tensors": lambda counts: list(torch.tensor(counts, requires_grad=True)),
    "tuple of tensors": lambda counts: tuple(torch.tensor(counts)[:, None]),
    "first of a tuple": lambda counts: (torch.tensor(counts), torch.zeros(2, 7)),
    "loss first": lambda counts: (torch.tensor(0.5), torch.tensor(counts)),
    "named tuple": lambda counts: Heads(np.zeros(9), counts),
    "by key": lambda counts: {"gap_ev": counts, "loss": 0.0},
    "logits in a mapping": lambda counts: OrderedDict(loss=None, logits=torch.tensor(counts)),
    "mapping of one": lambda counts: {"energy": counts},
    "dataclass": lambda counts: Output(torch.tensor(counts)[:, None]),
    "prediction": Prediction,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_answers_of_any_form_are_read(form):
    model = FunctionModel(lambda tubes: form(np.array([float((tube.species > 0).sum()) for tube in tubes])), "gap_ev")
    found = model.predict(TUBES)
    assert found.ok.all()
    assert found["gap_ev"].dtype == np.float64
    np.testing.assert_array_equal(found["gap_ev"], COUNTS)
    check_model(model)


@pytest.mark.parametrize(
    "form",
    [
        lambda counts: torch.stack([counts, -counts], 1),
        lambda counts: (counts, -counts),
        lambda counts: {"pi_formation_ev": -counts[:, None], "gap_ev": counts},
        lambda counts: Output(torch.stack([counts, -counts], 1)),
    ],
    ids=["matrix", "heads", "mapping", "logits"],
)
def test_several_properties_have_a_column_each(form):
    found = TorchModel(Sum(form), ["gap_ev", "pi_formation_ev"]).predict(TUBES)
    np.testing.assert_array_equal(found["gap_ev"], COUNTS)
    np.testing.assert_array_equal(found["pi_formation_ev"], -COUNTS)
    with pytest.raises(ModelError, match=r"^Sum returned .* \(4, 3\) for 4 .*\(4, 2\), with the columns gap_ev, pi_f"):
        TorchModel(Sum(lambda counts: counts[:, None].repeat(1, 3)), ["gap_ev", "pi_formation_ev"]).predict(TUBES)


def measured_carbon(_tubes):
    raise KeyError("site 7")


WRONG = {
    "complex": (lambda tubes: np.ones(len(tubes)) * 1j, "complex"),
    "complex tensor": (lambda tubes: torch.ones(len(tubes)) * 1j, "complex"),
    "strings": (lambda tubes: ["1.0"] * len(tubes), "of type <U3"),
    "objects": (lambda tubes: np.array(["1.0"] * len(tubes), dtype=object), "'1.0' is not a number"),
    "none": (lambda tubes: None, "None"),  # noqa: ARG005
    "nones": (lambda tubes: [None] * len(tubes), "None"),
    "dates": (lambda tubes: np.zeros(len(tubes), dtype="M8[s]"), "datetime"),
    "ragged": (lambda tubes: [[1.0], [1.0, 2.0]] * (len(tubes) // 2), "inhomogeneous"),
    "generator": (lambda tubes: (1.0 for _ in tubes), "generator"),
    "too few": (lambda tubes: np.ones(len(tubes) - 1), r"shape \(3,\)"),
    "a number": (lambda tubes: 1.0, r"shape \(\)"),  # noqa: ARG005
    "two columns": (lambda tubes: np.ones((len(tubes), 2)), r"shape \(4, 2\)"),
    "mapping": (lambda tubes: {"one": tubes, "two": tubes}, "one, two is gap_ev or logits"),
}


@pytest.mark.parametrize(("function", "what"), WRONG.values(), ids=WRONG)
def test_other_answers_are_refused_in_a_sentence_that_names_the_model(function, what):
    function.__name__ = "mine"
    with pytest.raises(ModelError, match=rf"(?s)^mine returned .*{what}") as caught:
        FunctionModel(function, "gap_ev").predict(TUBES)
    assert "for 4 designs" in str(caught.value)
    assert str(caught.value).endswith("return an array of 4 numbers, of shape (4,)")


def test_an_error_of_the_user_s_code_is_told_and_chained():
    with pytest.raises(ModelError, match=r"^measured_carbon raised KeyError on 4 designs: 'site 7'$") as caught:
        FunctionModel(measured_carbon).predict(TUBES)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ModelError, match=r"^Linear raised RuntimeError on 4 designs: mat1 and mat2"):
        TorchModel(torch.nn.Linear(3, 3), "gap_ev").predict(TUBES)
    count = descriptors.composition(LATTICE, SPECIES).shape[1]
    regressor = LinearRegression().fit(np.zeros((2, count)), np.zeros(2))
    regressor.coef_ = np.zeros(3)
    with pytest.raises(ModelError, match=r"^LinearRegression raised ValueError on 4 designs"):
        as_model(regressor, "gap_ev").predict(TUBES)


# ---- values that are none


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_failures_of_every_kind_of_model(value):
    answer = [1.0, value, 2.0, 3.0]

    class Regressor:
        def predict(self, features):  # noqa: ARG002  # a regressor's face
            return answer

    class Broken(Calculator):
        implemented_properties = ("energy",)

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results = {"energy": answer[(atoms.numbers != 6).sum() // 3]}

    models = [
        FunctionModel(lambda tubes: answer, "gap_ev"),  # noqa: ARG005
        TorchModel(Sum(lambda counts: torch.tensor(answer)), "gap_ev"),  # noqa: ARG005
        SklearnModel(Regressor(), "gap_ev", features=descriptors.composition),
        AseModel(Broken(), "gap_ev"),
    ]
    for model in models:
        found = model.predict(TUBES)
        assert np.isnan(found["gap_ev"][1])
        assert 1 in found.reasons
        assert re.search(r"gave (NaN|-?inf): its value cannot be computed", found.reasons[1])
        assert np.isfinite(found["gap_ev"][0])


# ---- regressors, calculators, files


def test_a_pipeline_passes_on_its_last_step_s_uncertainty():
    rng = np.random.default_rng(0)
    features = descriptors.of(TUBES, descriptors.composition) + 0.01 * rng.random((4, 1))
    pipeline = make_pipeline(StandardScaler(), GaussianProcessRegressor()).fit(features, COUNTS)
    found = as_model(pipeline, "gap_ev").predict(TUBES)
    expected = pipeline.predict(descriptors.of(TUBES, descriptors.composition), return_std=True)
    np.testing.assert_array_equal(found.sd_of("gap_ev"), expected[1])
    assert as_model(pipeline, "gap_ev").is_uncertain
    check_model(pipeline)


def test_any_regressor_will_do_when_its_features_are_named():
    class Booster:
        def predict(self, features):
            return features.sum(axis=1).astype(np.float32)

    def dopants(_lattice, species):
        return (species > 0).astype(float)

    with pytest.raises(
        ConfigurationError, match=r"Booster is not fitted.*SklearnModel\(regressor, property, features="
    ):
        SklearnModel(Booster(), "gap_ev")
    np.testing.assert_array_equal(SklearnModel(Booster(), "gap_ev", dopants).predict(TUBES)["gap_ev"], COUNTS)


def test_a_calculation_that_does_not_converge_fails_for_its_tube_alone():
    """As tblite's do; what cannot work for any tube is an error."""

    class Wavering(Calculator):
        implemented_properties = ("energy",)

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            if 5 in atoms.numbers:
                raise CalculationFailed("SCF not converged in 250 cycles")
            self.results = {"energy": np.array([float(len(atoms))], dtype=np.float32)}

    found = AseModel(Wavering()).predict(TUBES)
    np.testing.assert_array_equal(found.ok, [True, False, True, False])
    assert re.match(r"Wavering failed on \(8,0\)x2.*SCF not converged in 250 cycles", found.reasons[1])
    np.testing.assert_array_equal(found["energy_ev"][[0, 2]], 64.0)
    with pytest.raises(ModelError, match=r"EMT raised NotImplementedError on .*8,0.* No EMT-potential for B"):
        AseModel(EMT()).predict(TUBES)
    carbon = AseModel(EMT()).predict([Nanotube(5, 0)])
    assert np.isfinite(carbon["energy_ev"]).all()


def test_tblite_computes_energies():
    ase = pytest.importorskip("tblite.ase", reason="tblite comes with the extra compat")
    tube = Nanotube(5, 0).decorated({0: "B"})
    check_model(AseModel(ase.TBLite(method="GFN1-xTB", verbosity=0)), [tube])
    short = ase.TBLite(method="GFN1-xTB", verbosity=0, max_iterations=1)
    assert "SCF not converged" in AseModel(short).predict([tube]).reasons[0]


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_onnx_files_of_any_precision_are_read(kind, tmp_path):
    shape = ("B", CHANNELS, "H", "W")
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    ends = ([helper.make_tensor_value_info(name, kind, size)] for name, size in (("x", shape), ("y", ("B",))))
    graph = helper.make_graph([node], "sum", *ends, [axes])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "sum.onnx")
    np.testing.assert_array_equal(OnnxModel(tmp_path / "sum.onnx", "gap_ev").predict(TUBES)["gap_ev"], COUNTS)


# ---- Keras


@pytest.fixture
def layers(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))  # Keras' own default is TensorFlow
    return pytest.importorskip("keras", reason="Keras comes with the extra compat").layers


def raster_model(layers, *outputs, shape=(None, None, CHANNELS)):
    """A functional model whose outputs are linear in the means of the channels."""
    import keras

    raster = layers.Input(shape)
    axes = "channels_first" if shape[0] == CHANNELS else "channels_last"
    pooled = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(data_format=axes)(raster))
    made = [layers.Dense(1, name=name)(pooled) for name in outputs]
    return keras.Model(raster, made if len(made) > 1 else made[0])


def test_keras_models_of_features_predict_as_keras_does(layers):
    import keras

    features = descriptors.of(TUBES)
    flat = keras.Sequential([layers.Input((features.shape[1],)), layers.Dense(1)])
    assert isinstance(as_model(flat, "gap_ev"), KerasModel)
    check_model(flat)
    expected = np.asarray(flat.predict(features, verbose=0))[:, 0]
    for own in (flat, lambda tubes: flat(descriptors.of(tubes)), lambda tubes: flat.predict(descriptors.of(tubes))):
        model = as_model(own, "gap_ev")
        np.testing.assert_allclose(model.predict(TUBES)[model.keys[0]], expected, rtol=SINGLE)


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_keras_models_of_rasters_predict_as_keras_does(layers, first):
    model = raster_model(layers, "gap", shape=(CHANNELS, None, None) if first else (None, None, CHANNELS))
    raster = encode(LATTICE, SPECIES)
    expected = np.asarray(model.predict(raster if first else np.moveaxis(raster, 1, -1), verbose=0))[:, 0]
    check_model(model)
    np.testing.assert_allclose(as_model(model, "gap_ev").predict(TUBES)["gap_ev"], expected, rtol=SINGLE)


def test_several_outputs_of_a_keras_model_are_several_properties(layers):
    model, keys = raster_model(layers, "gap", "formation"), ["gap_ev", "pi_formation_ev"]
    expected = model.predict(np.moveaxis(encode(LATTICE, SPECIES), 1, -1), verbose=0)
    found = KerasModel(model, keys).predict(TUBES)
    for key, values in zip(keys, expected, strict=True):
        np.testing.assert_allclose(found[key], np.asarray(values)[:, 0], rtol=SINGLE)


def test_keras_models_that_cannot_see_tubes_say_why(layers):
    import keras

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    for source in (keras.Sequential([layers.Dense(1)]), layers.Dense(1), Own()):
        with pytest.raises(ConfigurationError, match="give a built Sequential or functional model with one input"):
            as_model(source, "gap_ev")
    with pytest.raises(ConfigurationError, match="and those of tubes have 6 channels: give it an input of shape"):
        as_model(raster_model(layers, "gap", shape=(None, None, 3)), "gap_ev")
    with pytest.raises(ConfigurationError, match="leave height and width of its input open, as None"):
        as_model(raster_model(layers, "gap", shape=(5, 5, CHANNELS)), "gap_ev").predict(TUBES)
    with pytest.raises(ConfigurationError, match="was fitted on 3 features"):
        as_model(keras.Sequential([layers.Input((3,)), layers.Dense(1)]), "gap_ev")


# ---- Hugging Face: stand-ins with the names of transformers 5, and the library itself where it is installed


class VisionModel(Sum):
    """As of `ResNetForImageClassification`: named input, output that is an ordered dictionary with attributes."""

    main_input_name = "pixel_values"

    def forward(self, pixel_values=None, labels=None, **_):
        assert labels is None
        return OrderedDict(logits=super().forward(pixel_values)[:, None], hidden_states=(pixel_values,))


class Pipeline:
    """As of `transformers.Pipeline`: a list in, a list of records out."""

    tokenizer = None

    def __init__(self, record):
        self.record = record

    def preprocess(self, inputs):
        return inputs

    def forward(self, inputs):
        return inputs

    def postprocess(self, outputs):
        return self.record(float(outputs if isinstance(outputs, str) else (outputs.species > 0).sum()))

    def __call__(self, inputs, **_):
        if not isinstance(inputs, list):
            raise TypeError(f"a pipeline takes a list, not {type(inputs).__name__}")
        return [self.postprocess(self.forward(self.preprocess(each))) for each in inputs]

    def predict(self, inputs):
        return self(inputs)


RECORDS = {
    "label and score": lambda count: {"label": "gap_ev", "score": count},
    "labels and scores": lambda count: [{"label": "zt", "score": 0.0}, {"label": "gap_ev", "score": count}],
    "by property": lambda count: {"gap_ev": count, "unit": "eV"},
    "score alone": lambda count: {"score": count},
    "tensor": lambda count: {"gap_ev": torch.tensor(count)},
}


def counted_dopants(tube):
    return str((tube.species > 0).sum())


def test_vision_models_get_rasters_by_name():
    model = as_model(VisionModel(), "gap_ev")
    assert isinstance(model, TorchModel)
    np.testing.assert_array_equal(model.predict(TUBES)["gap_ev"], COUNTS)
    reader = VisionModel()
    reader.main_input_name = "input_ids"
    with pytest.raises(ConfigurationError, match=r"^VisionModel takes input_ids, and tubes are rasters here: give a"):
        as_model(reader, "gap_ev")


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_pipelines_return_records(record):
    pipeline = Pipeline(record)
    model = as_model(pipeline, "gap_ev")
    assert isinstance(model, PipelineModel)
    np.testing.assert_array_equal(model.predict(TUBES)["gap_ev"], COUNTS)
    np.testing.assert_array_equal(model.predict(TUBES[:1])["gap_ev"], COUNTS[:1])
    check_model(model)
    told = PipelineModel(pipeline, "gap_ev", inputs=counted_dopants)
    np.testing.assert_array_equal(told.predict(TUBES)["gap_ev"], COUNTS)
    function = FunctionModel(lambda tubes: pipeline(list(tubes)), "gap_ev")
    np.testing.assert_array_equal(function.predict(TUBES)["gap_ev"], COUNTS)


def test_labels_of_a_pipeline_are_properties():
    pipeline = Pipeline(lambda count: [{"label": key, "score": sign * count} for key, sign in SIGNS.items()])
    found = PipelineModel(pipeline, list(SIGNS)).predict(TUBES)
    for key, sign in SIGNS.items():
        np.testing.assert_array_equal(found[key], sign * COUNTS)


def test_a_score_of_another_label_is_no_value_of_the_property():
    """The most probable class differs from design to design: its score is not one quantity."""
    for record in (
        lambda count: {"label": "LABEL_0", "score": count},
        lambda count: [{"label": "LABEL_0", "score": count}],
        lambda count: {"label": "gap_ev", "count": count},
    ):
        with pytest.raises(ModelError, match=r'^Pipeline returned .* is gap_ev; .* names .* id2label={0: "gap_ev"}'):
            as_model(Pipeline(record), "gap_ev").predict(TUBES)


def test_a_pipeline_that_reads_text_or_pictures_is_told_what_it_reads():
    pipeline = Pipeline(RECORDS["score alone"])
    for reader in ("tokenizer", "image_processor"):
        setattr(pipeline, reader, object())
        with pytest.raises(ConfigurationError, match=rf"^Pipeline has a {reader}, which cannot read tubes: say what"):
            as_model(pipeline, "gap_ev")
        assert PipelineModel(pipeline, "gap_ev", inputs=counted_dopants).predict(TUBES).ok.all()
        setattr(pipeline, reader, None)


def test_models_of_transformers_give_their_own_logits():
    transformers = pytest.importorskip("transformers", reason="transformers comes with the extra compat")
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "num_labels": 1}
    vision = transformers.ResNetForImageClassification(transformers.ResNetConfig(num_channels=CHANNELS, **sizes))
    vision.eval()
    with torch.no_grad():
        expected = vision(torch.from_numpy(encode(LATTICE, SPECIES))).logits[:, 0].numpy()
    check_model(vision)
    np.testing.assert_allclose(as_model(vision, "gap_ev").predict(TUBES)["gap_ev"], expected, rtol=SINGLE)
    headless = transformers.ResNetModel(vision.config)
    with pytest.raises(ModelError, match="none of its entries last_hidden_state, pooler_output is gap_ev or logits"):
        as_model(headless, "gap_ev").predict(TUBES)
