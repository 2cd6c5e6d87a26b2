"""Limits of the size of networks, checked before memory is allocated: sizes come from configurations and cards."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import torch
from torch import nn

from matgym.errors import ConfigurationError

Network = TypeVar("Network", bound=nn.Module)

MAX_SIZE: Final = 1024
"""The largest number of channels, units, blocks or steps. This limit and the next are ours."""

MAX_WEIGHTS: Final = 2**26
"""The largest number of weights of a network, 256 MiB in single precision."""


def check_sizes(sizes: Mapping[str, Any], owner: str) -> None:
    """Check that sizes, or the numbers of a tuple of sizes, are whole numbers from 1 to `MAX_SIZE`.

    Args:
        sizes: the settings of a network by name.
        owner: the name of the network, for the error.

    Raises:
        ConfigurationError: if a size is something else.
    """
    for name, value in sizes.items():
        numbers = value if isinstance(value, tuple | list) else (value,)
        whole = all(isinstance(size, int) and not isinstance(size, bool) for size in numbers)
        if not (numbers and whole and all(1 <= size <= MAX_SIZE for size in numbers)):
            kind = "whole numbers" if isinstance(value, tuple | list) else "a whole number"
            raise ConfigurationError(f"{name}={value!r} of {owner} must be {kind} from 1 to {MAX_SIZE:,}")


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
