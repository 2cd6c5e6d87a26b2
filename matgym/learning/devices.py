"""Devices on which networks are trained and run. Results on the CPU are the reference."""

from typing import Final

import torch

from matgym.errors import ConfigurationError

DEVICES: Final = ("auto", "cpu", "cuda", "mps")


def torch_device(name: str) -> torch.device:
    """Return the device of a name; "auto" means CUDA if it is available, else Apple's MPS, else the CPU.

    Raises:
        ConfigurationError: if the name is unknown, or this machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in available.items() if usable))
    if name not in available:
        raise ConfigurationError(f"device={name!r} is unknown; there are {', '.join(DEVICES)}")
    if not available[name]:
        raise ConfigurationError(f"device={name!r} is not usable on this machine; choose 'auto' or 'cpu'")
    return torch.device(name)


def fast_in_half_precision(device: torch.device) -> bool:
    """Return whether layers in bfloat16 are faster on a device than in single precision.

    Processors without AVX-512 BF16 take five times as long (measured: residual networks of patterns on AVX2).
    """
    return device.type != "cpu" or bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001  # no public one


def device_of(net: torch.nn.Module) -> torch.device:
    """Return the device of the weights of a network, or the CPU if it has no weights."""
    first = next(net.parameters(), None)
    return torch.device("cpu") if first is None else first.device
