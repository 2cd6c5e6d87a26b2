"""All networks of a surrogate as one graph, and what runs it: torch, ONNX Runtime, OpenVINO."""

import logging
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError, MissingExtraError
from matgym.surrogates.networks import RasterNetwork
from matgym.typing import Float32Array

Passed: TypeAlias = tuple[Float32Array, Float32Array]
"""(members, B, properties) standardised outputs, and (B, F) features of the first network."""

Pass: TypeAlias = Callable[[Float32Array, Float32Array], Passed]
"""Of (B, channels, H, W) rasters and (B, globals) numbers."""


FOLDS: Final = 2
"""Passes of onnxruntime's optimiser: the second folds normalisations into kernels whose offsets the first made
constants."""


class Members(nn.Module):
    """All networks as one graph, for one shift."""

    def __init__(self, networks: tuple[RasterNetwork, ...], shift: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.shift = shift

    def forward(self, raster: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """(members, B, properties) outputs and (B, F) features of the first network."""
        features = [net.features(raster, numbers, self.shift) for net in self.networks]  # type: ignore[operator]
        outputs = [net.head(x) for net, x in zip(self.networks, features, strict=True)]  # type: ignore[operator]
        return torch.stack(outputs), features[0]


def torch_pass(members: Members, threads: int) -> Pass:
    """By torch, step by step."""

    def run(raster: Float32Array, numbers: Float32Array) -> Passed:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                given = torch.from_numpy(raster).contiguous(memory_format=torch.channels_last)
                outputs, features = members(given, torch.from_numpy(numbers))
        finally:
            torch.set_num_threads(before)
        return outputs.numpy(), features.numpy()

    return run


def onnxruntime_pass(model: bytes, threads: int) -> Pass:
    """By ONNX Runtime, on the processor."""
    session = onnx_session(model, threads)

    def run(raster: Float32Array, numbers: Float32Array) -> Passed:
        outputs, features = session.run(None, {"raster": raster, "numbers": numbers})
        return outputs, features

    return run


def openvino_pass(model: bytes, threads: int) -> Pass:
    """By OpenVINO, on the processor."""
    openvino = _module("openvino")
    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise half precision where the processor has it
    }
    compiled = core.compile_model(core.read_model(model), "CPU", settings)

    def run(raster: Float32Array, numbers: Float32Array) -> Passed:
        found = compiled({"raster": raster, "numbers": numbers})
        return found["outputs"], found["features"]

    return run


def onnx_session(model: bytes | str, threads: int) -> Any:
    """A session of ONNX Runtime, of a model or of the path of one."""
    onnxruntime = _module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def exported(members: Members, raster: Float32Array, numbers: Float32Array) -> bytes:
    """An ONNX model of any batch, its constants folded: kernels must be constants to be quantised."""
    _module("onnxscript")
    onnxruntime = _module("onnxruntime")
    batch = {0: torch.export.Dim("batch", min=1)}
    exporter = logging.getLogger("torch.onnx")  # tells of operations that we do not use
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
            warnings.simplefilter("ignore")
            given = torch.from_numpy(raster), torch.from_numpy(numbers)
            # Strict: `len` of a tensor would fix the batch otherwise. Not optimised here: onnxruntime is faster at it.
            program = torch.export.export(members, given, dynamic_shapes=(batch, batch), strict=True)
            model: Any = torch.onnx.export(
                program,
                input_names=["raster", "numbers"],
                output_names=["outputs", "features"],
                dynamo=True,
                verbose=False,
                optimize=False,
            )
    finally:
        exporter.setLevel(level)
    found: bytes = model.model_proto.SerializeToString()
    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = f"{folder}/folded.onnx"
        options.log_severity_level = 4
        for _ in range(FOLDS):
            onnxruntime.InferenceSession(found, options)
            found = Path(options.optimized_model_filepath).read_bytes()
    return found


def with_8_bit(model: bytes, raster: Float32Array, numbers: Float32Array) -> bytes:
    """With convolutions of 8 bit, their ranges taken from (C, channels, H, W) rasters.

    The first convolution of each network stays: it is cheap, and all that follows rests on it. Ranges hold all
    that was seen: cutting off their ends (by percentiles) made the largest errors three times larger, and rare tubes
    are those that a search goes for.

    Raises:
        ConfigurationError: if there are no convolutions but the first.
    """
    onnx, quantization = _module("onnx"), _module("onnxruntime.quantization")
    float_model = onnx.load_from_string(model)
    inner: list[str] = []
    behind: set[str] = set()  # what lies behind a convolution
    for node in float_model.graph.node:
        follows = not behind.isdisjoint(node.input)
        if node.op_type == "Conv" and follows:
            inner.append(node.name)
        if node.op_type == "Conv" or follows:
            behind.update(node.output)
    if not inner:
        raise ConfigurationError(
            "8 bit is for convolutions, and this network has none but its first: use the float engine"
        )
    quantization.quant_utils.add_pre_process_metadata(float_model)  # `exported` did what it asks for

    class Rasters(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.given = [{"raster": raster, "numbers": numbers}]

        def get_next(self) -> dict[str, Float32Array] | None:
            return self.given.pop() if self.given else None

    with TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantization.quantize_static(
            float_model,
            path,
            Rasters(),
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=inner,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return path.read_bytes()


def _module(package: str) -> Any:
    """An optional library.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package.split(".", maxsplit=1)[0], "engines") from None
