"""What runs the networks of a surrogate: torch, ONNX Runtime or OpenVINO, and the latter two with 8-bit convolutions.

All networks become one ONNX graph for each shape of raster, exported when a tube of that shape is first seen, checked
against torch, and kept.
"""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError, WeightsError
from matgym.learning.engines import Inputs, Pass, exported, onnxruntime_pass, openvino_pass, torch_pass, with_8_bit
from matgym.structures import Species
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView
from matgym.typing import Float32Array, FloatArray, SpeciesArray

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
        calibration: for 8 bit; see `matgym.surrogates.engines.quantised`.
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
