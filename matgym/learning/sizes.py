"""Limits of the size of networks, checked before memory is allocated: sizes come from configurations and cards."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import torch
from torch import nn

from matgym.errors import ConfigurationError

Network = TypeVar("Network", bound=nn.Module)

MAX_LAYERS: Final = 64
"""The largest number of layers or blocks. This limit and the next two are ours."""

MAX_UNITS: Final = 1024
"""The largest number of channels, units or steps."""

MAX_WEIGHTS: Final = 2**26
"""The largest number of weights of a network that is trained, 256 MiB in single precision."""


def check_sizes(**sizes: Any) -> None:
    """Check sizes of a network by name: whole numbers, or lists of them with a number for each layer.

    Numbers of layers and blocks, which their names tell, are at most `MAX_LAYERS`; all others are at most `MAX_UNITS`.

    Raises:
        ConfigurationError: if a size is something else.
    """
    for name, value in sizes.items():
        each_layer = isinstance(value, tuple | list)
        numbers = value if each_layer else (value,)
        if not 1 <= len(numbers) <= MAX_LAYERS:
            raise ConfigurationError(f"{name} has {len(numbers)} layers: give 1 to {MAX_LAYERS}")
        most = MAX_LAYERS if name.endswith(("blocks", "layers", "depth")) else MAX_UNITS
        whole = all(isinstance(size, int) and not isinstance(size, bool) for size in numbers)
        if not whole or not all(1 <= size <= most for size in numbers):
            kind = "whole numbers" if each_layer else "a whole number"
            raise ConfigurationError(f"{name}={value!r} must be {kind} from 1 to {most:,}")


def bounded(make: Callable[[], Network]) -> Network:
    """Return the network that `make` makes, if its weights fit into `MAX_WEIGHTS`.

    The weights are counted on torch's device "meta", which allocates no memory and draws no random numbers.

    Raises:
        ConfigurationError: if there are more weights.
    """
    with torch.device("meta"):
        weights = sum(parameter.numel() for parameter in make().parameters())
    if weights > MAX_WEIGHTS:
        raise ConfigurationError(
            f"a network of these sizes has {weights:,} weights: choose smaller ones, up to {MAX_WEIGHTS:,} weights"
        )
    return make()
