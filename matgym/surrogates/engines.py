"""Inference engines for the networks of a surrogate: torch, ONNX Runtime or OpenVINO; the latter two also in 8 bit.

For the latter two, all networks become one ONNX graph for each shape of raster. It is exported at the first prediction
for a tube of that shape, compared with torch, and kept.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError, MissingExtraError, WeightsError, require_counts
from matgym.frozen import ValueObject
from matgym.learning.devices import device_of, torch_device
from matgym.structures import Species
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView
from matgym.typing import Float32Array, FloatArray, SpeciesArray

Inputs: TypeAlias = Mapping[str, Float32Array]
"""Arrays by the names of the network's arguments, in the order of the arguments."""

Pass: TypeAlias = Callable[[Inputs], tuple[Float32Array, ...]]
"""A function that runs one forward pass."""

FOLDS: Final = 2
"""Passes of onnxruntime's optimiser. The first turns offsets of normalisations into constants; the second folds these
normalisations into kernels."""

Passed: TypeAlias = tuple[Float32Array, ...]
"""(members, B, properties) standardised outputs, and (B, F) features of the first network."""

ENGINES: Final = ("torch", "onnxruntime", "openvino")
INT8_ENGINES: Final = ("onnxruntime-int8", "openvino-int8")

PARITY_TOLERANCE: Final = 1e-4
"""Largest difference from torch that another order of summation in single precision explains. Outputs are in standard
deviations of the labels, features in units of the largest of them if that is above 1."""

_CHECKED_TUBES: Final = 5


@dataclass(frozen=True, eq=False)
class Calibration(ValueObject):
    """Data that calibrate and check 8-bit networks, for tubes of any shape.

    Attributes:
        species: (C, n) codes of typical tubes. Other lattices get the same codes, repeated or cut off, which keeps the
            composition and so the range of the convolutions' inputs.
        seen: species that have channels.
        allowed: (properties,) largest root mean square difference of the mean from torch's, in standard deviations.
    """

    species: SpeciesArray
    seen: tuple[Species, ...]
    allowed: FloatArray

    def rasters(self, view: RasterView) -> Float32Array:
        """Return the (C, channels, H, W) rasters of the calibration tubes."""
        sites = np.arange(view.sites.max() + 1)
        return view.encode(self.species.take(sites, axis=1, mode="wrap"), self.seen)


def by_torch(
    networks: tuple[RasterNetwork, ...], view: RasterView, raster: Float32Array, numbers: Float32Array
) -> Passed:
    """Run all networks once by torch, on the device that holds them; the arguments are those of `Engine`."""
    device = device_of(networks[0])
    with torch.inference_mode():
        image = torch.from_numpy(raster).to(device).contiguous(memory_format=torch.channels_last)
        beside = torch.from_numpy(numbers).to(device)
        outputs, features = passed(networks, image, beside, view.shift)
    return outputs.cpu().numpy(), features.cpu().numpy()


def passed(networks: Iterable[Any], raster: Tensor, numbers: Tensor, shift: int) -> tuple[Tensor, Tensor]:
    """Return (members, B, properties) outputs and (B, F) features of the first network."""
    features = [network.features(raster, numbers, shift) for network in networks]
    return torch.stack([network.head(x) for network, x in zip(networks, features, strict=True)]), features[0]


class Members(nn.Module):
    """A module that runs all networks as one graph, for one shift."""

    def __init__(self, networks: tuple[RasterNetwork, ...], shift: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.shift = shift

    def forward(self, raster: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result of `passed`."""
        return passed(self.networks, raster, numbers, self.shift)


@dataclass(frozen=True, eq=False)
class Engine:
    """An inference engine that runs the networks of a surrogate; see `NetworkSurrogate.with_engine`.

    Attributes:
        name: one of `ENGINES`, or, with a calibration, of `INT8_ENGINES`.
        threads: number of threads of a forward pass.
        calibration: data for 8 bit; see `matgym.surrogates.training.quantised`.
        device: device of engine "torch"; see `matgym.learning.devices`. The networks are moved there.

    Raises:
        ConfigurationError: if there is no such engine, it needs a calibration or has no such device, or the number of
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
                f"engine {self.name!r} needs labelled tubes for its calibration: use "
                f"matgym.surrogates.training.quantised(surrogate, data, {self.name!r})"
            )
        require_counts(threads=self.threads)
        if self.name != "torch" and self.device != "cpu":
            raise ConfigurationError(
                f"device={self.device!r} is not supported by engine {self.name!r}, which runs on the cpu: use 'torch'"
            )

    def __call__(
        self, networks: tuple[RasterNetwork, ...], view: RasterView, raster: Float32Array, numbers: Float32Array
    ) -> Passed:
        """Run one forward pass of all networks, in evaluation mode and without gradients.

        The raster has shape (B, channels, H, W), and the numbers (B, globals).

        Raises:
            WeightsError: at the first tubes of a shape, if the engine does not agree with torch on it.
            ConfigurationError: if the engine is an 8-bit one and the networks have no convolutions.
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
            # The numbers are not an input of any convolution.
            inputs = {"raster": raster, "numbers": np.zeros((len(raster), globals_), dtype=np.float32)}
            model = with_8_bit(model, inputs)
        ready = (onnxruntime_pass if self.name.startswith("onnxruntime") else openvino_pass)(model, self.threads)
        self._check(by_torch(networks, view, **inputs), ready(inputs), view)
        return ready

    def _check(self, expected: Passed, found: Passed, view: RasterView) -> None:
        """Raise an error if the engine does not agree with torch."""
        where = f"{self.name}, on rasters of {view.height} x {view.width} shifted by {view.shift},"
        if self.calibration is not None:
            allowed = self.calibration.allowed
            off = np.sqrt(((expected[0].mean(axis=0) - found[0].mean(axis=0)) ** 2).mean(axis=0))
            if not (off <= allowed).all():
                raise WeightsError(
                    f"{where} differs from torch by {off} standard deviations of the labels, more than the allowed "
                    f"{allowed}: use the engine without 8 bit"
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
    """Return a forward pass by ONNX Runtime on the CPU."""
    session = onnx_session(model, threads)

    def run(inputs: Inputs) -> tuple[Float32Array, ...]:
        return tuple(session.run(None, dict(inputs)))

    return run


def openvino_pass(model: bytes, threads: int) -> Pass:
    """Return a forward pass by OpenVINO on the CPU."""
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
        outputs = compiled(dict(inputs))
        return tuple(outputs[number] for number in range(len(compiled.outputs)))

    return run


MAX_ONNX_BYTES: Final = 1 << 29
"""Most memory of all networks in ONNX files of users' together. A choice of ours."""


def onnx_session(model: bytes | str, threads: int, *, foreign: bool = False) -> Any:
    """Return a session of ONNX Runtime for a model, given as bytes or as a path.

    Args:
        model: the model.
        threads: number of threads.
        foreign: whether the model is a user's file, which gets at most `MAX_ONNX_BYTES`: a few bytes of ONNX can ask
            for any amount.
    """
    onnxruntime = library("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    if not foreign:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    _limit_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Constants are folded outside the arena, without a limit.
    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )


@cache
def _limit_memory() -> None:
    """Register the arena that sessions with foreign models share; ONNX Runtime has one for each process."""
    onnxruntime = library("onnxruntime")
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limits = {"max_mem": MAX_ONNX_BYTES, "arena_extend_strategy": 1, "initial_chunk_size_bytes": -1}
    with suppress(RuntimeError):  # the user has registered an arena, whose limits hold
        onnxruntime.create_and_register_allocator(
            place, onnxruntime.OrtArenaCfg({**limits, "max_dead_bytes_per_chunk": -1})
        )


def exported(network: nn.Module, inputs: Inputs, outputs: Sequence[str]) -> bytes:
    """Export a network to ONNX with a dynamic batch axis and constants folded: only constant kernels can be quantised.

    Args:
        network: the network, in evaluation mode.
        inputs: example inputs.
        outputs: names of the network's outputs.
    """
    library("onnxscript")
    onnxruntime = library("onnxruntime")
    batch = {0: torch.export.Dim("batch", min=1)}
    exporter = logging.getLogger("torch.onnx")  # warns of operations that we do not use
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
            warnings.simplefilter("ignore")
            tensors = tuple(torch.from_numpy(array) for array in inputs.values())
            # Strict: `len` of a tensor would fix the batch otherwise. Not optimised here: onnxruntime is faster at it.
            program = torch.export.export(network, tensors, dynamic_shapes=(batch,) * len(tensors), strict=True)
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
    serialized: bytes = model.model_proto.SerializeToString()
    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = f"{folder}/folded.onnx"
        options.log_severity_level = 4
        for _ in range(FOLDS):
            onnxruntime.InferenceSession(serialized, options)
            serialized = Path(options.optimized_model_filepath).read_bytes()
    return serialized


def with_8_bit(model: bytes, inputs: Inputs) -> bytes:
    """Return a model with 8-bit convolutions (Jacob et al., CVPR 2018) whose ranges come from these inputs.

    The first convolution of each network stays in single precision: it is cheap, and all later layers depend on it.
    The ranges cover all values of these inputs: cutting off their ends (by percentiles) made the largest errors three
    times larger, and optimizers prefer such rare inputs.

    Raises:
        ConfigurationError: if there are no convolutions after the first.
    """
    onnx, quantization = library("onnx"), library("onnxruntime.quantization")
    float_model = onnx.load_from_string(model)
    inner: list[str] = []
    behind: set[str] = set()  # outputs that depend on a convolution
    for node in float_model.graph.node:
        follows = not behind.isdisjoint(node.input)
        if node.op_type == "Conv" and follows:
            inner.append(node.name)
        if node.op_type == "Conv" or follows:
            behind.update(node.output)
    if not inner:
        raise ConfigurationError(
            "8 bit needs a convolution after the first, and this network has none: use the float engine"
        )
    quantization.quant_utils.add_pre_process_metadata(float_model)  # else onnxruntime warns; `exported` did this step

    reader = iter([dict(inputs), None])  # like a `CalibrationDataReader`: one batch of all inputs, then None
    with TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantization.quantize_static(
            float_model,
            path,
            SimpleNamespace(get_next=reader.__next__),
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=inner,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return path.read_bytes()


def library(package: str, extra: str = "engines") -> Any:
    """Import and return an optional library.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package.split(".", maxsplit=1)[0], extra) from None
