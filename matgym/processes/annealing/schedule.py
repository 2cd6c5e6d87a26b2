"""Schedule: what an annealing furnace is told, one temperature a step."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from matgym.errors import ConfigurationError
from matgym.typing import FloatArray

COLDEST_C: Final = 1000.0
HOTTEST_C: Final = 2400.0
"""What the furnace can be told: a graphite furnace. A choice of ours."""

STEP_S: Final = 120.0
"""Time for which a temperature is held."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """A schedule of set points.

    Attributes:
        celsius: (K,) of K steps of two minutes.

    Raises:
        ConfigurationError: if there is none, or one lies outside what the furnace can be told.
    """

    celsius: FloatArray

    def __post_init__(self) -> None:
        celsius = np.asarray(self.celsius, dtype=np.float64)
        if celsius.ndim != 1 or not len(celsius):
            raise ConfigurationError(f"set points of shape {celsius.shape} must be (steps,)")
        outside = celsius[~((celsius >= COLDEST_C) & (celsius <= HOTTEST_C))]
        if outside.size:
            raise ConfigurationError(
                f"{outside[0]:g} °C lies outside what the furnace takes, {COLDEST_C:g} to {HOTTEST_C:g}"
            )
        celsius.setflags(write=False)
        object.__setattr__(self, "celsius", celsius)

    @classmethod
    def of(cls, *stages: tuple[int, float]) -> Self:
        """A schedule of stages: (steps, °C) one after the other."""
        return cls(np.concatenate([np.full(steps, celsius, dtype=np.float64) for steps, celsius in stages]))

    @property
    def steps(self) -> int:
        """How long it is."""
        return len(self.celsius)
