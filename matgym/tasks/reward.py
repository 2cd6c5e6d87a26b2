"""One function that turns an error into a reward, after dm_control's `rewards.tolerance`."""

import numpy as np

from matgym.typing import FloatArray

VALUE_AT_MARGIN = 0.1


def tolerance(error: FloatArray, margin: float | FloatArray) -> FloatArray:
    """1 where the error is zero, 0.1 where it is `margin`, falling on with a long tail.

    The long tail, 1 / (1 + 9 (error / margin)²), still tells a bad design from a worse one, which a Gaussian
    would not (Tassa et al., dm_control, Software Impacts 6, 100022 (2020)).

    Args:
        error: any shape; NaN, a design that could not be computed, earns nothing.
        margin: error at which the reward is a tenth; one, or as many as broadcast.

    Returns:
        Rewards in [0, 1], of the shape of `error`.
    """
    scale = np.sqrt(1.0 / VALUE_AT_MARGIN - 1.0)
    return np.asarray(np.nan_to_num(1.0 / (1.0 + (scale * np.asarray(error) / margin) ** 2), nan=0.0))
