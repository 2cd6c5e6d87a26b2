"""What an annealing furnace is set to: one set point a step."""

from typing import Final

from matgym.processes.controls import to_actions
from matgym.typing import FloatArray

COLDEST_C: Final = 1000.0
HOTTEST_C: Final = 2400.0
"""What the furnace can be set to: a graphite furnace. A choice of ours."""

STEP_S: Final = 120.0
"""Time for which a temperature is held."""


def scaled_celsius(celsius: FloatArray) -> FloatArray:
    """Scale set points in °C, of any shape, to [-1, 1]."""
    return to_actions(celsius, COLDEST_C, HOTTEST_C)
