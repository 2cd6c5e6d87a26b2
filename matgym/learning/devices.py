"""Where networks are trained and run. Results on the CPU are the reference."""

from typing import Final

import torch

from matgym.errors import ConfigurationError

DEVICES: Final = ("auto", "cpu", "cuda", "mps")


def torch_device(name: str) -> torch.device:
    """Return the device of a name: "auto" stands for CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        ConfigurationError: if there is no such name, or this machine has no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in there.items() if usable))
    if name not in there:
        raise ConfigurationError(f"device={name!r} is unknown; there are {', '.join(DEVICES)}")
    if not there[name]:
        raise ConfigurationError(f"device={name!r} is not usable on this machine: give 'auto' or 'cpu'")
    return torch.device(name)


def device_of(net: torch.nn.Module) -> torch.device:
    """Return the device that holds a network's weights; the CPU for one without weights."""
    first = next(net.parameters(), None)
    return torch.device("cpu") if first is None else first.device
