"""Reactors: how furnaces and catalysts differ."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from matgym.typing import FloatArray, Values


class Reactor(NamedTuple):
    """What differs from one furnace and catalyst to the next, arrays of one shape.

    Attributes:
        diameter_nm: of the particles at first.
        covering: factor on the rate at which surface carbon turns into the layer.
        pyrolysis: factor on the density of pyrolysis products: the wall's share in it.
        leak_pa: water vapour that leaks in, Pa.
        offset_k: by which the thermocouple reads too high, and the hot zone stays below its set point, K.
    """

    diameter_nm: Values
    covering: Values
    pyrolysis: Values
    leak_pa: Values
    offset_k: Values


STANDARD: Final = np.array([10.0, 1.0, 1.0, 0.0, 0.0])
"""The reactor that the kinetics were measured on, (5,) in the order of `Reactor`'s fields."""


@dataclass(frozen=True)
class Variation:
    """How reactors differ; within what is reported for films of iron on alumina, but choices of ours (D).

    Attributes:
        diameter_nm: of particles, uniform over the range.
        covering: standard deviation of the logarithm of `Reactor.covering`.
        pyrolysis: standard deviation of the logarithm of `Reactor.pyrolysis`.
        leak_pa: largest leak of water, uniform from zero.
        offset_k: standard deviation of the thermocouple's offset.
    """

    diameter_nm: tuple[float, float] = (7.0, 13.0)
    covering: float = 0.3
    pyrolysis: float = 0.5
    leak_pa: float = 5.0
    offset_k: float = 8.0

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Draw one reactor, (5,) in the order of `Reactor`'s fields."""
        return np.array(
            [
                rng.uniform(*self.diameter_nm),
                math.exp(rng.normal(0.0, self.covering)),
                math.exp(rng.normal(0.0, self.pyrolysis)),
                rng.uniform(0.0, self.leak_pa),
                rng.normal(0.0, self.offset_k),
            ]
        )
