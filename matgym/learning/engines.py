"""What runs a network of any kind: torch, ONNX Runtime, OpenVINO, and the latter two with 8-bit convolutions.

A network takes and gives tensors whose first axis is the batch.
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import torch
from torch import nn

from matgym.errors import ConfigurationError, MissingExtraError
from matgym.learning.devices import torch_device
from matgym.typing import Float32Array

Inputs: TypeAlias = Mapping[str, Float32Array]
"""Arrays by the names of the network's arguments, in their order."""

Pass: TypeAlias = Callable[[Inputs], tuple[Float32Array, ...]]
"""A forward pass."""

FOLDS: Final = 2
"""Passes of onnxruntime's optimiser: the second folds normalisations into kernels whose offsets the first made
constants."""


def torch_pass(network: nn.Module, threads: int, device: str = "cpu") -> Pass:
    """By torch, step by step; a network on another device than the CPU is moved there."""
    place = torch_device(device)
    network = network.to(place)

    def run(inputs: Inputs) -> tuple[Float32Array, ...]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                found = network(*(_placed(array, place) for array in inputs.values()))
        finally:
            torch.set_num_threads(before)
        return tuple(values.cpu().numpy() for values in found)

    return run


def _placed(array: Float32Array, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(array).to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def onnxruntime_pass(model: bytes, threads: int) -> Pass:
    """By ONNX Runtime, on the processor."""
    session = onnx_session(model, threads)

    def run(inputs: Inputs) -> tuple[Float32Array, ...]:
        return tuple(session.run(None, dict(inputs)))

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

    def run(inputs: Inputs) -> tuple[Float32Array, ...]:
        found = compiled(dict(inputs))
        return tuple(found[number] for number in range(len(compiled.outputs)))

    return run


def onnx_session(model: bytes | str, threads: int) -> Any:
    """A session of ONNX Runtime, of a model or of the path of one."""
    onnxruntime = _module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def exported(network: nn.Module, inputs: Inputs, outputs: Sequence[str]) -> bytes:
    """Export an ONNX model of any batch, its constants folded: kernels must be constants to be quantised.

    Args:
        network: in evaluation mode.
        inputs: an example.
        outputs: names of what it returns.
    """
    _module("onnxscript")
    onnxruntime = _module("onnxruntime")
    batch = {0: torch.export.Dim("batch", min=1)}
    exporter = logging.getLogger("torch.onnx")  # tells of operations that we do not use
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
            warnings.simplefilter("ignore")
            given = tuple(torch.from_numpy(array) for array in inputs.values())
            # Strict: `len` of a tensor would fix the batch otherwise. Not optimised here: onnxruntime is faster at it.
            program = torch.export.export(network, given, dynamic_shapes=(batch,) * len(given), strict=True)
            model: Any = torch.onnx.export(
                program,
                input_names=list(inputs),
                output_names=list(outputs),
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


def with_8_bit(model: bytes, inputs: Inputs) -> bytes:
    """Return a model whose convolutions have 8 bit (Jacob et al., CVPR 2018), their ranges taken from these inputs.

    The first convolution of each network stays: it is cheap, and all that follows rests on it. Ranges hold all
    that was seen: cutting off their ends (by percentiles) made the largest errors three times larger, and rare inputs
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

    class Given(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.given = [dict(inputs)]

        def get_next(self) -> dict[str, Float32Array] | None:
            return self.given.pop() if self.given else None

    with TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantization.quantize_static(
            float_model,
            path,
            Given(),
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
