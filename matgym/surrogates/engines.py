"""What runs the networks of a surrogate: torch, ONNX Runtime or OpenVINO, and the latter two with 8-bit convolutions.

For the latter two, all networks become one ONNX graph for each shape of raster, exported when a tube of that shape is
first seen, checked against torch, and kept.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError, MissingExtraError, WeightsError, require_counts
from matgym.learning.devices import device_of, torch_device
from matgym.structures import Species
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView
from matgym.typing import Float32Array, FloatArray, SpeciesArray

Inputs: TypeAlias = Mapping[str, Float32Array]
"""Arrays by the names of the network's arguments, in their order."""

Pass: TypeAlias = Callable[[Inputs], tuple[Float32Array, ...]]
"""A forward pass."""

FOLDS: Final = 2
"""Passes of onnxruntime's optimiser: the second folds normalisations into kernels whose offsets the first made
constants."""

Passed: TypeAlias = tuple[Float32Array, ...]
"""(members, B, properties) standardised outputs, and (B, F) features of the first network."""

ENGINES: Final = ("torch", "onnxruntime", "openvino")
INT8_ENGINES: Final = ("onnxruntime-int8", "openvino-int8")

PARITY_TOLERANCE: Final = 1e-4
"""Largest difference from torch that summing single precision in another order explains: of outputs, in standard
deviations of the labels, and of features, in units of the largest of them if that is above 1."""

_CHECKED_TUBES: Final = 5


@dataclass(frozen=True, eq=False)
class Calibration:
    """What 8 bit is made from and judged by, for tubes of any shape.

    Attributes:
        species: (C, n) codes of tubes like those to come. Other lattices get the same codes, repeated or cut off, which
            keeps the composition and so the range of what convolutions see.
        seen: species that have channels.
        allowed: (properties,) root mean square by which the mean may differ from torch's, in standard deviations.
    """

    species: SpeciesArray
    seen: tuple[Species, ...]
    allowed: FloatArray

    def rasters(self, view: RasterView) -> Float32Array:
        """(C, channels, H, W)."""
        sites = np.arange(view.sites.max() + 1)
        return view.encode(self.species.take(sites, axis=1, mode="wrap"), self.seen)


def by_torch(
    networks: tuple[RasterNetwork, ...], view: RasterView, raster: Float32Array, numbers: Float32Array
) -> Passed:
    """One pass of all networks, where they are, step by step; the arguments are those of `Engine`."""
    device = device_of(networks[0])
    with torch.inference_mode():
        image = torch.from_numpy(raster).to(device).contiguous(memory_format=torch.channels_last)
        beside = torch.from_numpy(numbers).to(device)
        outputs, features = passed(networks, image, beside, view.shift)
    return outputs.cpu().numpy(), features.cpu().numpy()


def passed(networks: Iterable[Any], raster: Tensor, numbers: Tensor, shift: int) -> tuple[Tensor, Tensor]:
    """(members, B, properties) outputs and (B, F) features of the first network."""
    features = [network.features(raster, numbers, shift) for network in networks]
    return torch.stack([network.head(x) for network, x in zip(networks, features, strict=True)]), features[0]


class Members(nn.Module):
    """All networks as one graph, for one shift."""

    def __init__(self, networks: tuple[RasterNetwork, ...], shift: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.shift = shift

    def forward(self, raster: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """See `passed`."""
        return passed(self.networks, raster, numbers, self.shift)


@dataclass(frozen=True, eq=False)
class Engine:
    """Runs the networks of a surrogate; see `NetworkSurrogate.with_engine`.

    Attributes:
        name: one of `ENGINES`, or, with a calibration, of `INT8_ENGINES`.
        threads: of a pass.
        calibration: for 8 bit; see `matgym.surrogates.training.quantised`.
        device: of engine "torch"; see `matgym.learning.devices`. The networks are moved there.

    Raises:
        ConfigurationError: if there is no such engine, it wants a calibration or has no such device, or the number of
            threads is below 1.
    """

    name: str
    threads: int = 1
    calibration: Calibration | None = None
    device: str = "cpu"
    _passes: dict[tuple[Any, ...], Pass] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.name not in ENGINES + INT8_ENGINES:
            raise ConfigurationError(f"there is no engine {self.name!r}; there are {', '.join(ENGINES + INT8_ENGINES)}")
        if self.name in INT8_ENGINES and self.calibration is None:
            raise ConfigurationError(
                f"engine {self.name!r} needs labelled tubes, to be calibrated on and judged by: use "
                f"matgym.surrogates.training.quantised(surrogate, data, {self.name!r})"
            )
        require_counts(threads=self.threads)
        if self.name != "torch" and self.device != "cpu":
            raise ConfigurationError(f"device={self.device!r}: engine {self.name!r} runs on the cpu; 'torch' on any")

    def __call__(
        self, networks: tuple[RasterNetwork, ...], view: RasterView, raster: Float32Array, numbers: Float32Array
    ) -> Passed:
        """One pass of all networks, in evaluation mode and not to be trained on.

        The raster has shape (B, channels, H, W), and the numbers (B, globals).

        Raises:
            WeightsError: at the first tubes of a shape, if the engine does not agree with torch on it.
            ConfigurationError: if 8 bit is wanted of networks without convolutions.
            MissingExtraError: if the engine is not installed.
        """
        if self.name == "torch":
            return self._torch(networks, view, raster, numbers)
        key = (networks, raster.shape[1:], view.shift)
        if key not in self._passes:
            self._passes[key] = self._prepared(networks, view, raster.shape[1], numbers.shape[1])
        return self._passes[key]({"raster": raster, "numbers": numbers})

    def _torch(self, networks: tuple[RasterNetwork, ...], *inputs: Any) -> Passed:
        place, before = torch_device(self.device), torch.get_num_threads()
        for network in networks:
            network.to(place)
        torch.set_num_threads(self.threads)
        try:
            return by_torch(networks, *inputs)
        finally:
            torch.set_num_threads(before)

    def _prepared(self, networks: tuple[RasterNetwork, ...], view: RasterView, channels: int, globals_: int) -> Pass:
        rng = np.random.default_rng(0)
        shape = (_CHECKED_TUBES, channels, view.height, view.width)
        inputs: Inputs = {
            "raster": (rng.random(shape) < 0.2).astype(np.float32),  # as in a doped tube
            "numbers": rng.random((_CHECKED_TUBES, globals_), dtype=np.float32),
        }
        model = exported(Members(networks, view.shift).eval(), inputs, ("outputs", "features"))
        if self.calibration is not None:
            raster = self.calibration.rasters(view)
            # No convolution sees the numbers.
            inputs = {"raster": raster, "numbers": np.zeros((len(raster), globals_), dtype=np.float32)}
            model = with_8_bit(model, inputs)
        ready = (onnxruntime_pass if self.name.startswith("onnxruntime") else openvino_pass)(model, self.threads)
        self._check(by_torch(networks, view, **inputs), ready(inputs), view)
        return ready

    def _check(self, expected: Passed, found: Passed, view: RasterView) -> None:
        """That it agrees with torch."""
        where = f"{self.name}, on rasters of {view.height} x {view.width} shifted by {view.shift},"
        if self.calibration is not None:
            allowed = self.calibration.allowed
            off = np.sqrt(((expected[0].mean(axis=0) - found[0].mean(axis=0)) ** 2).mean(axis=0))
            if not (off <= allowed).all():
                raise WeightsError(
                    f"{where} differs from torch by {off} standard deviations of the labels, where {allowed} costs no "
                    "accuracy: use the engine without 8 bit"
                )
            return
        for ours, theirs in zip(expected, found, strict=True):
            largest = float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max()))
            if not largest <= PARITY_TOLERANCE:
                raise WeightsError(
                    f"{where} differs from torch by {largest:.1e}, more than {PARITY_TOLERANCE:.0e}: use engine 'torch'"
                )


# ---- networks of any kind


def onnxruntime_pass(model: bytes, threads: int) -> Pass:
    """By ONNX Runtime, on the processor."""
    session = onnx_session(model, threads)

    def run(inputs: Inputs) -> tuple[Float32Array, ...]:
        return tuple(session.run(None, dict(inputs)))

    return run


def openvino_pass(model: bytes, threads: int) -> Pass:
    """By OpenVINO, on the processor."""
    openvino = library("openvino")
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
    onnxruntime = library("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def exported(network: nn.Module, inputs: Inputs, outputs: Sequence[str]) -> bytes:
    """Export an ONNX model of any batch, its constants folded: kernels must be constants to be quantised.

    The network is in evaluation mode, the inputs are an example, and the outputs names of what it returns.
    """
    library("onnxscript")
    onnxruntime = library("onnxruntime")
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
    onnx, quantization = library("onnx"), library("onnxruntime.quantization")
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

    given = iter([dict(inputs), None])  # as a `CalibrationDataReader`: all at once, then nothing
    with TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantization.quantize_static(
            float_model,
            path,
            SimpleNamespace(get_next=given.__next__),
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=inner,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return path.read_bytes()


def library(package: str, extra: str = "engines") -> Any:
    """An optional library.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package.split(".", maxsplit=1)[0], extra) from None
