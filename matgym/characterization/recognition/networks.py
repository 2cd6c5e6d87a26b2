"""LeNet, AlexNet, VGG and ResNet for images and patterns, logistic regression, and the graph network for crystals.

Those of `matgym.surrogates.networks` are for the periodic raster of a tube, of some eight pixels a side: they wrap
around, keep their resolution and pool over the tube. These shrink an image of fixed size and read it by place, because
the place of a line or a peak is the answer. Settings are the same classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn

from matgym.characterization.crystal_steps import crystals_of
from matgym.characterization.symmetry import SYSTEMS, TOLERANCES
from matgym.errors import ConfigurationError
from matgym.learning.config import validated
from matgym.learning.crystal_network import CrystalBody, CrystalSettings
from matgym.learning.devices import device_of
from matgym.learning.sizes import bounded
from matgym.surrogates.networks import network_settings
from matgym.surrogates.networks.architectures import AlexNetSettings, LeNetSettings, ResidualSettings, VggSettings

DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "linear": {},
    "lenet": asdict(LeNetSettings()),
    "alexnet": asdict(AlexNetSettings(channels=(16, 32, 48, 48, 32), hidden=(256, 256), dropout=0.2)),
    "vgg": asdict(VggSettings(channels=(16, 32, 64), hidden=(256,))),
    "resnet": asdict(ResidualSettings(width=16, blocks=1, hidden=(256,))),
    "crystal": asdict(CrystalSettings()),
}
"""Settings of the networks by name: "linear" is logistic regression, and "crystal" the graph network for inputs of
`CrystalPipeline`. Sizes are ours, for an hour on two cores."""

STAGES: Final = 3
"""Stages of a residual network, each of half the resolution and twice the channels of the one before."""


def settings_of(name: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return all settings of a network: the given ones, and `DEFAULTS` for the others.

    Raises:
        ConfigurationError: if there is no such network or setting, or a size is out of range.
    """
    if name not in DEFAULTS:
        raise ConfigurationError(f"there is no network {name!r}; there are {', '.join(DEFAULTS)}")
    if name == "linear":
        if given:
            raise ConfigurationError(f"network 'linear' has no setting {next(iter(given))!r}")
        return {}
    chosen = {**DEFAULTS[name], **(given or {})}
    return asdict(validated(CrystalSettings, chosen, name)) if name == "crystal" else network_settings(name, chosen)


def make_network(
    name: str, settings: Mapping[str, Any], shape: Sequence[int], outputs: int, beside: int = 0
) -> "Classifier":
    """Return a network with fresh weights; see `build_network`.

    Raises:
        ConfigurationError: if a setting is out of range, or the network has too many weights.
    """
    return bounded(lambda: build_network(name, settings, shape, outputs, beside))


def build_network(
    name: str, settings: Mapping[str, Any], shape: Sequence[int], outputs: int, beside: int = 0
) -> "Classifier":
    """Return a network with fresh weights, of any number.

    Args:
        name: one of `DEFAULTS`.
        settings: settings that differ from `DEFAULTS`.
        shape: (channels, height, width) of images, or (channels, points) of patterns.
        outputs: number of classes.
        beside: number of the last values of the first channel that are no points of a curve: they go past the
            convolutions to the fully connected layers.

    Raises:
        ConfigurationError: if a setting is out of range, or the shape is neither.
    """
    if len(shape) not in {2, 3}:
        raise ConfigurationError(
            f"an input of shape {tuple(shape)}: give (channels, height, width) or (channels, points)"
        )
    if name == "crystal":
        return CrystalClassifier(CrystalSettings(**settings_of(name, settings)), shape, outputs)
    chosen, layers = settings_of(name, settings), _Layers(len(shape) - 1)
    hidden, dropout = chosen.get("hidden", ()), chosen.get("dropout", 0.0)
    body: list[nn.Module] = []
    if name == "resnet":
        body = layers.resnet(shape[0], chosen["width"], chosen["blocks"])
    elif name != "linear":
        stack = {"lenet": layers.lenet, "alexnet": layers.alexnet, "vgg": layers.vgg}[name]
        body = stack(shape[0], chosen["channels"])
    return ConvolutionClassifier(body, shape, hidden, dropout, outputs, beside)


class Classifier(nn.Module):
    """A network whose last layer gives logits.

    Attributes:
        last: the last layer.
    """

    last: nn.Linear

    def features(self, inputs: Tensor) -> Tensor:
        """Return (B, F) outputs of the last hidden layer of (B, channels, …) inputs."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, classes) logits of (B, channels, …) inputs."""
        logits: Tensor = self.last(self.features(inputs))
        return logits


class CrystalClassifier(Classifier):
    """The graph network of crystals, and a layer that mixes its features with what spglib finds at each tolerance.

    Graphs are made of the inputs of `CrystalPipeline` at each call.
    """

    def __init__(self, settings: CrystalSettings, shape: Sequence[int], outputs: int) -> None:
        super().__init__()
        if len(shape) != 2 or shape[0] != 4 or shape[1] < 4 + len(TOLERANCES):
            raise ConfigurationError(
                f"an input of shape {tuple(shape)} is no crystal: give (4, 3 + atoms + {len(TOLERANCES)})"
            )
        self.body = CrystalBody(settings)
        units = self.body.n_features
        self.mix = nn.Sequential(nn.Linear(units + len(TOLERANCES) * (len(SYSTEMS) + 1), units), nn.SiLU())
        self.last = nn.Linear(units, outputs)

    def features(self, inputs: Tensor) -> Tensor:
        """Return (B, F) outputs of the last hidden layer of (B, 4, 3 + atoms + tolerances) inputs."""
        systems = inputs[:, 0, -len(TOLERANCES) :].round().long() + 1  # 0 where spglib finds none
        found = nn.functional.one_hot(systems, len(SYSTEMS) + 1).flatten(1).to(inputs.dtype)
        body: Tensor = self.body(self.body.graphs(crystals_of(inputs.cpu().numpy())))
        mixed: Tensor = self.mix(torch.cat([body, found], dim=1))
        return mixed


class ConvolutionClassifier(Classifier):
    """A body of convolutions, and a head of fully connected layers, which sees values beside a curve as well."""

    def __init__(
        self,
        body: Sequence[nn.Module],
        shape: Sequence[int],
        hidden: Sequence[int],
        dropout: float,
        outputs: int,
        beside: int = 0,
    ) -> None:
        super().__init__()
        self.beside = beside
        self.body = nn.Sequential(*body, nn.Flatten())
        self.scaled = nn.BatchNorm1d(beside) if beside else None
        units = (_outputs(self.body, (*shape[:-1], shape[-1] - beside)) + beside, *hidden)
        layers: list[nn.Module] = []
        for inputs, outs in pairwise(units):
            layers += [nn.Linear(inputs, outs), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(units[-1], outputs)

    def features(self, inputs: Tensor) -> Tensor:
        """Return (B, F) outputs of the last hidden layer of (B, channels, …) inputs."""
        if self.scaled is None:
            found: Tensor = self.hidden(self.body(inputs))
            return found
        curves, values = inputs[..., : -self.beside], self.scaled(inputs[:, 0, -self.beside :])
        mixed: Tensor = self.hidden(torch.cat([self.body(curves), values], dim=1))
        return mixed


class _Layers:
    """Layers for images (2) or patterns (1), which have one kernel of the same number of points."""

    def __init__(self, dimensions: int) -> None:
        self.flat = dimensions == 1
        self.pool = 4 if self.flat else 2

    def conv(self, inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
        """Return a convolution and its batch normalisation; kernels of patterns are twice as wide."""
        if self.flat:
            size = 2 * size + 1
            return [nn.Conv1d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm1d(outputs)]
        return [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)]

    def smaller(self, *, mean: bool = False) -> nn.Module:
        if self.flat:
            return (nn.AvgPool1d if mean else nn.MaxPool1d)(self.pool)
        return (nn.AvgPool2d if mean else nn.MaxPool2d)(self.pool)

    def lenet(self, inputs: int, channels: Sequence[int]) -> list[nn.Module]:
        """LeCun et al., Proc. IEEE 86, 2278 (1998)."""
        first, second = channels
        return [
            *self.conv(inputs, first, 5), nn.Tanh(), self.smaller(mean=True),
            *self.conv(first, second, 5), nn.Tanh(), self.smaller(mean=True),
        ]  # fmt: skip

    def alexnet(self, inputs: int, channels: Sequence[int]) -> list[nn.Module]:
        """Krizhevsky, Sutskever and Hinton, NeurIPS 2012; 5x5 with stride 2 for its 11x11 with stride 4."""
        a, b, c, d, e = channels
        return [
            *self.conv(inputs, a, 5, 2), nn.ReLU(),
            *self.conv(a, b, 5), nn.ReLU(), self.smaller(),
            *self.conv(b, c, 3), nn.ReLU(), *self.conv(c, d, 3), nn.ReLU(), *self.conv(d, e, 3), nn.ReLU(),
            self.smaller(),
        ]  # fmt: skip

    def vgg(self, inputs: int, channels: Sequence[int]) -> list[nn.Module]:
        """Simonyan and Zisserman, ICLR 2015, as VGG-BN."""
        found: list[nn.Module] = []
        for before, after in pairwise((inputs, *channels)):
            found += [*self.conv(before, after, 3), nn.ReLU(), *self.conv(after, after, 3), nn.ReLU(), self.smaller()]
        return found

    def resnet(self, inputs: int, width: int, blocks: int) -> list[nn.Module]:
        """He et al., CVPR 2016, with three stages."""
        found: list[nn.Module] = [*self.conv(inputs, width, 3), nn.ReLU()]
        before = width
        for stage in range(STAGES):
            after = width * 2**stage
            for block in range(blocks):
                found.append(_Block(self, before, after, 1 if block else self.pool))
                before = after
        return found


class _Block(nn.Module):
    """Two convolutions around which the input goes past, by a convolution of one point where shapes differ."""

    def __init__(self, layers: _Layers, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first = layers.conv(inputs, outputs, 3, stride)
        self.convs = nn.Sequential(*first, nn.ReLU(), *layers.conv(outputs, outputs, 3))
        past = nn.Conv1d if layers.flat else nn.Conv2d
        same = inputs == outputs and stride == 1
        self.past: nn.Module = nn.Identity() if same else past(inputs, outputs, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.convs(inputs) + self.past(inputs))


def _outputs(body: nn.Module, shape: Sequence[int]) -> int:
    """Return the number of outputs of layers for an input of a shape.

    Raises:
        ConfigurationError: if the input is too small for them.
    """
    body.eval()
    try:
        with torch.no_grad():
            return int(body(torch.zeros((1, *shape), device=device_of(body))).shape[1])
    except RuntimeError:
        raise ConfigurationError(
            f"an input of shape {tuple(shape)} is too small for these layers: give fewer"
        ) from None
    finally:
        body.train()
