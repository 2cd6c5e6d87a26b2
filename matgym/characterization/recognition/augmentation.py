"""Random changes of training inputs that other instruments and samples would make: blurs, shifts and noise.

All take (B, channels, …) tensors and a generator, and change each input by itself.
"""

from typing import TYPE_CHECKING

import numpy as np

from matgym.typing import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

REACH = 3.0
"""Standard deviations after which kernels end; a choice of ours."""


def blurred(inputs: "Tensor", widths: FloatArray) -> "Tensor":
    """Return inputs convolved with Gaussians; beyond its edge an input has the value at the edge.

    Args:
        inputs: (B, C, X) or (B, C, Y, X) inputs.
        widths: (B, axes) standard deviations along each of the last axes, points.
    """
    import torch

    count, channels, *shape = inputs.shape
    rows = inputs.reshape(1, count * channels, *shape)
    convolve = torch.nn.functional.conv1d if len(shape) == 1 else torch.nn.functional.conv2d
    for axis in range(len(shape)):
        wide = np.maximum(np.repeat(widths[:, axis], channels), 1e-3)[:, None]
        reach = int(np.ceil(REACH * wide.max()))
        kernels = np.exp(-0.5 * (np.arange(-reach, reach + 1) / wide) ** 2)
        kernels /= kernels.sum(axis=1, keepdims=True)
        size = [1] * len(shape)
        size[axis] = 2 * reach + 1
        beside = [0, 0] * len(shape)
        beside[2 * (len(shape) - 1 - axis)] = beside[2 * (len(shape) - 1 - axis) + 1] = reach
        weights = torch.from_numpy(kernels.astype(np.float32)).reshape(count * channels, 1, *size).to(inputs.device)
        rows = convolve(torch.nn.functional.pad(rows, beside, mode="replicate"), weights, groups=count * channels)
    return rows.reshape(inputs.shape)


def moved(inputs: "Tensor", points: FloatArray) -> "Tensor":
    """Return (B, C, X) inputs whose values come from other places, by linear interpolation.

    Args:
        inputs: the inputs; beyond its edge an input has the value at the edge.
        points: (B, C or 1, X or 1) distances by which values are moved towards larger places, points.
    """
    import torch

    count, channels, length = inputs.shape
    places = np.arange(length) - np.broadcast_to(points, inputs.shape)
    scaled = (2.0 * places / (length - 1) - 1.0).reshape(count * channels, 1, length)
    grid = torch.from_numpy(np.stack([scaled, np.zeros_like(scaled)], axis=-1).astype(np.float32)).to(inputs.device)
    rows = inputs.reshape(count * channels, 1, 1, length)
    found = torch.nn.functional.grid_sample(rows, grid, padding_mode="border", align_corners=True)
    return found.reshape(inputs.shape)


def noise(inputs: "Tensor", spreads: FloatArray, rng: np.random.Generator) -> "Tensor":
    """Return normal noise of the shape of inputs.

    Args:
        inputs: (B, …) inputs.
        spreads: (B,) standard deviations.
        rng: random number generator.
    """
    import torch

    values = rng.standard_normal(tuple(inputs.shape), dtype=np.float32)
    values *= spreads.astype(np.float32).reshape(-1, *[1] * (inputs.dim() - 1))
    return torch.from_numpy(values).to(inputs.device)
