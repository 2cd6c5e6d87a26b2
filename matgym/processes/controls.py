"""Code that all processes share: constants that must be positive, and controls that are scaled to [-1, 1]."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matgym.errors import ConfigurationError
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Constants:
    """The base class of dataclasses of positive constants.

    Raises:
        ConfigurationError: if one of the numbers is not positive and finite.
    """

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not 0.0 < value < math.inf:
                raise ConfigurationError(f"{name}={value} must be positive and finite")


def from_actions(actions: npt.ArrayLike, low: FloatArray | float, high: FloatArray | float) -> FloatArray:
    """Scale actions in [-1, 1] to controls between `low` and `high`; shapes broadcast."""
    return np.asarray(low + 0.5 * (np.asarray(actions, dtype=np.float64) + 1.0) * (high - low))


def to_actions(controls: npt.ArrayLike, low: FloatArray | float, high: FloatArray | float) -> FloatArray:
    """Scale controls between `low` and `high` to [-1, 1]: the inverse of `from_actions`."""
    return np.asarray(2.0 * (np.asarray(controls, dtype=np.float64) - low) / (high - low) - 1.0)
