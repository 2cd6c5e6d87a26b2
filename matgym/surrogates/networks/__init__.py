"""Networks by name. To add your own, enter a `RasterNetwork` and its settings dataclass into `NETWORKS`."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any, Final

from matgym.errors import ConfigurationError
from matgym.learning.sizes import bounded, check_sizes
from matgym.surrogates.networks import architectures as nets
from matgym.surrogates.networks.architectures import CircularConv, RasterNetwork

__all__ = ["NETWORKS", "CircularConv", "RasterNetwork", "build_network", "make_network", "network_settings"]

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
        ConfigurationError: if there is no such network or setting, or a size is out of range.
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
    dropout = settings.get("dropout", 0.0)
    if not isinstance(dropout, int | float) or not 0.0 <= dropout < 1.0:
        raise ConfigurationError(f"dropout={dropout!r} of network {name!r} must be a number from 0 to below 1")
    check_sizes(**{key: value for key, value in settings.items() if key != "dropout"})
    if name == "resnet" and settings["width"] % 2:
        raise ConfigurationError(f"width={settings['width']} of network 'resnet' must be even")
    return settings


def make_network(
    name: str, settings: Mapping[str, Any], species: int, outputs: int, *, informed: int = 0, leads: bool = False
) -> RasterNetwork:
    """Return a network with fresh weights, which are counted before memory is taken; see `build_network`.

    Raises:
        ConfigurationError: if a setting is out of range, or the network has too many weights.
    """
    return bounded(lambda: build_network(name, settings, species, outputs, informed=informed, leads=leads))


def build_network(
    name: str, settings: Mapping[str, Any], species: int, outputs: int, *, informed: int = 0, leads: bool = False
) -> RasterNetwork:
    """Return a network with fresh weights, of any number: for callers that bound it themselves.

    Args:
        name: one of `NETWORKS`.
        settings: settings as `network_settings` returns them.
        species: number of species; each has two channels, one per sublattice, and a share among the input numbers.
        outputs: number of properties.
        informed: number of physics inputs among the input numbers.
        leads: whether tubes are between leads, which have two channels; pooling then sums over the tube.

    Raises:
        ConfigurationError: if a setting is out of range.
    """
    kind, size = NETWORKS[name]
    sizes = size(**network_settings(name, settings)), 2 * (species + leads), species + 1 + informed, outputs
    network: RasterNetwork = kind(*sizes)
    network.sums = leads
    return network
