"""Networks by name. To add your own, enter a `RasterNetwork` and its settings dataclass into `NETWORKS`."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any, Final

from matgym.errors import ConfigurationError
from matgym.learning.config import MAX_LAYERS, check_sizes
from matgym.surrogates.networks import architectures as nets
from matgym.surrogates.networks.architectures import CircularConv, RasterNetwork

__all__ = ["NETWORKS", "CircularConv", "RasterNetwork", "make_network", "network_settings"]

NETWORKS: Final[dict[str, tuple[Any, Any]]] = {
    "lenet": (nets.LeNet, nets.LeNetSettings),
    "alexnet": (nets.AlexNet, nets.AlexNetSettings),
    "vgg": (nets.Vgg, nets.VggSettings),
    "plain": (nets.Plain, nets.ResidualSettings),
    "resnet": (nets.ResNet, nets.ResidualSettings),
    "graph": (nets.Graph, nets.GraphSettings),
}
"""Name to the classes of the network and of its settings."""


def network_settings(name: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return all settings of a network as a plain dictionary: the given ones, and defaults for the others.

    Raises:
        ConfigurationError: if there is no such network or setting, or a size is not positive, or too large.
    """
    if name not in NETWORKS:
        close = get_close_matches(name, NETWORKS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(f"there is no network {name!r}; {hint}there are {', '.join(NETWORKS)}")
    kind = NETWORKS[name][1]
    known = [setting.name for setting in fields(kind)]
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in (given or {}).items()}
    for key in given:
        if key not in known:
            raise ConfigurationError(f"network {name!r} has no setting {key!r}; it has {', '.join(known)}")
    settings = asdict(kind(**given))
    for key, value in settings.items():
        if key == "dropout":
            if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
                raise ConfigurationError(f"dropout={value!r} of network {name!r} must be a number from 0 to below 1")
            continue
        sizes = value if isinstance(value, tuple) else (value,)
        if not 1 <= len(sizes) <= MAX_LAYERS:
            raise ConfigurationError(f"{key} of network {name!r} holds {len(sizes)} layers: give 1 to {MAX_LAYERS}")
        for size in sizes:
            check_sizes(**{key: size})
    if name == "resnet" and settings["width"] % 2:
        raise ConfigurationError(f"width={settings['width']} of network 'resnet' must be even")
    return settings


def make_network(
    name: str, settings: Mapping[str, Any], species: int, outputs: int, *, informed: int = 0, leads: bool = False
) -> RasterNetwork:
    """Return a network with fresh weights.

    Args:
        name: one of `NETWORKS`.
        settings: settings as `network_settings` returns them.
        species: number of species; each has two channels, one per sublattice, and a share among the input numbers.
        outputs: number of properties.
        informed: number of physics inputs among the input numbers.
        leads: whether tubes are between leads, which have two channels; pooling then sums over the tube.
    """
    kind, size = NETWORKS[name]
    sizes = size(**network_settings(name, settings)), 2 * (species + leads), species + 1 + informed, outputs
    network: RasterNetwork = kind(*sizes)
    network.sums = leads
    return network
