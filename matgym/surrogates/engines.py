"""Faster inference behind the surrogate's own face: ONNX Runtime, OpenVINO, and both with 8-bit convolutions.

All networks of a surrogate become one ONNX graph for each shape of raster, exported when a tube of that shape is first
seen, checked against torch, and kept. 8 bit is static quantisation (Jacob et al., CVPR 2018) of the convolutions
alone: quantising every operation costs accuracy.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError, DatasetError, MissingExtraError, WeightsError
from matgym.learning.engines import (
    Inputs,
    Pass,
    exported,
    onnx_session,
    onnxruntime_pass,
    openvino_pass,
    torch_pass,
    with_8_bit,
)
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView
from matgym.typing import Float32Array, FloatArray, SpeciesArray

if TYPE_CHECKING:
    from matgym.data import Dataset
    from matgym.structures import Species
    from matgym.surrogates.learned import NetworkSurrogate

Passed: TypeAlias = tuple[Float32Array, ...]
"""(members, B, properties) standardised outputs, and (B, F) features of the first network."""

ENGINES: Final = ("torch", "onnxruntime", "openvino")
INT8_ENGINES: Final = ("onnxruntime-int8", "openvino-int8")

PARITY_TOLERANCE: Final = 1e-4
"""Largest difference from torch that summing single precision in another order explains: of outputs, in standard
deviations of the labels, and of features, in units of the largest of them if that is above 1."""

INT8_TOLERANCE: Final = 0.02
"""Share by which 8 bit may raise the RMSE. A choice of ours."""

CALIBRATION_TUBES: Final = 256
"""Tubes from which the ranges of the activations are taken, at most. A choice of ours."""

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
    seen: tuple["Species", ...]
    allowed: FloatArray

    def rasters(self, view: RasterView) -> Float32Array:
        """(C, channels, H, W)."""
        sites = np.arange(view.sites.max() + 1)
        return view.encode(self.species.take(sites, axis=1, mode="wrap"), self.seen)


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


@dataclass(frozen=True, eq=False)
class Engine:
    """Runs the networks of a surrogate; see `NetworkSurrogate.with_engine`.

    Attributes:
        name: one of `ENGINES`, or, with a calibration, of `INT8_ENGINES`.
        threads: of a pass.
        calibration: for 8 bit; see `quantised`.
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
                f"matgym.surrogates.engines.quantised(surrogate, data, {self.name!r})"
            )
        if self.threads < 1:
            raise ConfigurationError(f"threads={self.threads} must be 1 or more")
        if self.name != "torch" and self.device != "cpu":
            raise ConfigurationError(f"device={self.device!r}: engine {self.name!r} runs on the cpu; 'torch' on any")

    def __call__(
        self, networks: tuple[RasterNetwork, ...], view: RasterView, raster: Float32Array, numbers: Float32Array
    ) -> Passed:
        """One pass of all networks.

        Args:
            networks: members, in evaluation mode; they must not be trained on.
            view: of the tubes.
            raster: (B, channels, H, W).
            numbers: (B, globals).

        Raises:
            WeightsError: at the first tubes of a shape, if the engine does not agree with torch on it.
            ConfigurationError: if 8 bit is wanted of networks without convolutions.
            MissingExtraError: if the engine is not installed.
        """
        key = (networks, raster.shape[1:], view.shift)
        if key not in self._passes:
            self._passes[key] = self._prepared(networks, view, raster.shape[1], numbers.shape[1])
        return self._passes[key]({"raster": raster, "numbers": numbers})

    def _prepared(self, networks: tuple[RasterNetwork, ...], view: RasterView, channels: int, globals_: int) -> Pass:
        members = Members(networks, view.shift).eval()
        eager = torch_pass(members, self.threads, self.device)
        if self.name == "torch":
            return eager
        rng = np.random.default_rng(0)
        shape = (_CHECKED_TUBES, channels, view.height, view.width)
        inputs: Inputs = {
            "raster": (rng.random(shape) < 0.2).astype(np.float32),  # as in a doped tube
            "numbers": rng.random((_CHECKED_TUBES, globals_), dtype=np.float32),
        }
        model = exported(members, inputs, ("outputs", "features"))
        if self.calibration is not None:
            raster = self.calibration.rasters(view)
            # No convolution sees the numbers.
            inputs = {"raster": raster, "numbers": np.zeros((len(raster), globals_), dtype=np.float32)}
            model = with_8_bit(model, inputs)
        ready = (onnxruntime_pass if self.name.startswith("onnxruntime") else openvino_pass)(model, self.threads)
        self._check(eager(inputs), ready(inputs), view)
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


def quantised(surrogate: "NetworkSurrogate", data: "Dataset", engine: str, threads: int = 1) -> "NetworkSurrogate":
    """A surrogate whose convolutions run in 8 bit, if that costs no accuracy.

    Args:
        surrogate: fitted.
        data: labelled tubes, best of the validation split: some calibrate, all judge. Each lattice among them takes
            an export, some seconds a network.
        engine: one of `INT8_ENGINES`.
        threads: of a pass.

    Raises:
        WeightsError: if the RMSE of a property rises by more than `INT8_TOLERANCE`, with both figures; also later, at
            a lattice that is not among the data, if 8 bit differs from torch there by more than would raise it so.
        ConfigurationError: if there is no such engine, or the network has no convolutions.
        DatasetError: if no tube has all labels.
        PropertyError: if the data hold no labels of a property.
        MissingExtraError: if the engine is not installed.
    """
    if engine not in INT8_ENGINES:
        raise ConfigurationError(f"there is no 8-bit engine {engine!r}; there are {', '.join(INT8_ENGINES)}")
    rows = data.labelled(surrogate.keys)
    if not len(rows):
        raise DatasetError("no tube of these data has labels of all properties: 8 bit cannot be judged")
    chosen = np.random.default_rng(0).permutation(len(rows))[:CALIBRATION_TUBES]
    tubes = [tube.species for tube in rows.take(chosen).batch]
    longest = max(len(codes) for codes in tubes)
    codes = np.stack([np.resize(codes, longest) for codes in tubes])
    unjudged = Calibration(codes, surrogate.species, np.full(len(surrogate.keys), np.inf))
    made = Engine(engine, threads, unjudged)
    before, standardised = _rmse(surrogate.with_engine("torch", threads), rows)
    after, _ = _rmse(replace(surrogate, engine=made), rows)
    for key, ours, theirs in zip(surrogate.keys, before, after, strict=True):
        if not theirs <= (1 + INT8_TOLERANCE) * ours:
            raise WeightsError(
                f"{engine} costs accuracy: RMSE of {key} on {len(rows)} tubes {theirs:.4g}, without 8 bit {ours:.4g}, "
                f"{theirs / ours - 1:+.1%} where {INT8_TOLERANCE:.0%} is allowed: use {engine.removesuffix('-int8')!r}"
            )
    # On other lattices there are no labels; an error that is independent of the network's own adds in squares.
    allowed = standardised * np.sqrt((1 + INT8_TOLERANCE) ** 2 - 1)
    return replace(surrogate, engine=replace(made, calibration=replace(unjudged, allowed=allowed)))


def _rmse(surrogate: "NetworkSurrogate", rows: "Dataset") -> tuple[FloatArray, FloatArray]:
    """(properties,) RMSE, and the same in standard deviations of what is learned."""
    labels = np.stack([rows.values(key) for key in surrogate.keys], axis=1)
    off, scaled = np.empty_like(labels), np.empty_like(labels)
    for lattice, where, species, _ in rows.by_lattice():
        physics = surrogate.physics(lattice, species)
        _, factor = surrogate.known(lattice, physics)
        off[where] = surrogate.mean(lattice, species, physics) - labels[where]
        scaled[where] = off[where] / (factor * surrogate.scaling.scale)
    return np.sqrt((off**2).mean(axis=0)), np.sqrt((scaled**2).mean(axis=0))


class OnnxModule:
    """A user's own ONNX file, from rasters to values.

    The file has one input, (B, channels, H, W) of single precision as `matgym.surrogates.raster.encode` gives it with
    its default species, and as its first output (B,) or (B, 1) values, with B left open at export.
    """

    def __init__(self, path: Path | str, threads: int = 1) -> None:
        """Read the file.

        Args:
            path: of the ONNX file.
            threads: of a pass.

        Raises:
            WeightsError: if it is missing or damaged.
            ConfigurationError: if it takes anything else than one raster.
            MissingExtraError: if onnxruntime is not installed.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise WeightsError(f"there is no ONNX file {str(path)!r}: give the path of one that exists")
        try:
            self._session = onnx_session(str(self.path), threads)
        except MissingExtraError:
            raise
        except Exception as error:  # noqa: BLE001  # onnxruntime's errors have no common base
            raise WeightsError(f"{self.path} is no ONNX file that onnxruntime can read: {error}") from None
        inputs = [(given.name, given.type, given.shape) for given in self._session.get_inputs()]
        if len(inputs) != 1 or inputs[0][1] != "tensor(float)" or len(inputs[0][2]) != 4:
            found = ", ".join(f"{name}: {kind} {shape}" for name, kind, shape in inputs)
            raise ConfigurationError(
                f"{self.path} takes {found or 'nothing'}: it must take one tensor(float) of shape (B, channels, H, W)"
            )
        self._input, _, self._shape = inputs[0]

    def __call__(self, raster: Float32Array) -> FloatArray:
        """(B, channels, H, W) rasters to (B,) values.

        Raises:
            ConfigurationError: if the file is for rasters of another shape, or gives anything else than a value each.
        """
        fixed = zip(self._shape, raster.shape, strict=False)
        if raster.ndim != 4 or any(isinstance(size, int) and size != given for size, given in fixed):
            raise ConfigurationError(
                f"{self.path} takes rasters of shape {tuple(self._shape)}, not {raster.shape}: export it with the "
                "batch, and for tubes of any size the height and width, left open"
            )
        try:
            values = np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(raster, np.float32)})[0])
        except Exception as error:  # noqa: BLE001  # onnxruntime's errors have no common base
            raise ConfigurationError(f"{self.path} fails on rasters of shape {raster.shape}: {error}") from None
        if values.shape not in ((len(raster),), (len(raster), 1)):
            raise ConfigurationError(
                f"{self.path} gives shape {values.shape} for {len(raster)} tubes: it must be ({len(raster)},)"
            )
        return values.reshape(len(raster)).astype(np.float64)
