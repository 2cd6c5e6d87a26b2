"""Reactors: how furnaces and catalysts differ."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.typing import FloatArray


@dataclass(frozen=True)
class Variation:
    """How reactors differ; within what is reported for films of iron on alumina, but choices of ours (D).

    Attributes:
        diameter_nm: of particles, uniform over the range.
        covering: spread of the logarithm of the rate at which catalysts die.
        pyrolysis: likewise of the gas' share in it.
        leak_pa: largest leak of water, uniform from zero.
        offset_k: spread of the thermocouple's offset.
    """

    diameter_nm: tuple[float, float] = (7.0, 13.0)
    covering: float = 0.3
    pyrolysis: float = 0.5
    leak_pa: float = 5.0
    offset_k: float = 8.0

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """(5,) one reactor, in the order of `Reactor`'s fields."""
        return np.array(
            [
                rng.uniform(*self.diameter_nm),
                math.exp(rng.normal(0.0, self.covering)),
                math.exp(rng.normal(0.0, self.pyrolysis)),
                rng.uniform(0.0, self.leak_pa),
                rng.normal(0.0, self.offset_k),
            ]
        )


STANDARD: Final = np.array([10.0, 1.0, 1.0, 0.0, 0.0])
"""The reactor that the kinetics were measured on, as `Variation.draw` gives one."""
