"""Recipes, the (minutes, 4) controls of a furnace: set point in °C; acetylene, hydrogen and water in Pa."""

from typing import Final, NamedTuple

import numpy as np

from matgym.errors import ConfigurationError
from matgym.processes.controls import from_actions, to_actions
from matgym.typing import FloatArray

STEP_S: Final = 60.0
"""The time for which controls are held, s."""

PREHEATED_C: Final = 600.0
"""The temperature at which wafers are loaded, °C. We chose it."""

LIMITS: Final = {
    "temperature_c": (400.0, 950.0),
    "feed_pa": (0.0, 1000.0),
    "hydrogen_pa": (0.0, 40_000.0),
    "water_pa": (0.0, 100.0),
}
"""The range of every control. We chose ranges that contain the experiments to which the model was fitted."""

TWO_STAGES: Final = {
    "first_c": LIMITS["temperature_c"],
    "first_feed_pa": LIMITS["feed_pa"],
    "first_water_pa": LIMITS["water_pa"],
    "first_share": (0.1, 0.9),
    "second_c": LIMITS["temperature_c"],
    "second_feed_pa": LIMITS["feed_pa"],
    "second_water_pa": LIMITS["water_pa"],
    "hydrogen_pa": LIMITS["hydrogen_pa"],
}
"""The parameters of a recipe of two stages, with their ranges; `first_share` is the first stage's share of the time."""

MAX_MINUTES: Final = 10_080
"""Longest recipe, a week. A choice of ours."""

_LOW, _HIGH = np.array(list(LIMITS.values())).T
_STAGES_LOW, _STAGES_HIGH = np.array(list(TWO_STAGES.values())).T


class Stage(NamedTuple):
    """The controls of a whole number of minutes: set point in °C; acetylene, hydrogen and water in Pa."""

    minutes: int
    temperature_c: float
    feed_pa: float = 0.0
    hydrogen_pa: float = 0.0
    water_pa: float = 0.0


def recipe_of(*stages: Stage) -> FloatArray:
    """Return the (minutes, 4) controls of successive stages.

    Raises:
        ConfigurationError: if a stage does not last a whole number of minutes, or a control lies outside `LIMITS`.
    """
    for stage in stages:
        if not 1 <= stage.minutes <= MAX_MINUTES or stage.minutes != int(stage.minutes):
            raise ConfigurationError(
                f"minutes={stage.minutes} must be a whole number from 1 to {MAX_MINUTES:,}, a week"
            )
        for value, (name, (low, high)) in zip(stage[1:], LIMITS.items(), strict=True):
            if not low <= value <= high:
                raise ConfigurationError(f"{name}={value:g} lies outside the furnace's range, {low:g} to {high:g}")
    if (total := sum(int(stage.minutes) for stage in stages)) > MAX_MINUTES:
        raise ConfigurationError(f"the stages last {total:,} minutes together; a recipe lasts {MAX_MINUTES:,} or fewer")
    return np.repeat(np.array([stage[1:] for stage in stages]), [int(stage.minutes) for stage in stages], axis=0)


def scaled_controls(actions: FloatArray) -> FloatArray:
    """Scale (..., 4) actions in [-1, 1] to controls in `LIMITS`.

    Raises:
        ConfigurationError: if actions have another shape.
    """
    if np.shape(actions)[-1:] != np.shape(_LOW):
        raise ConfigurationError(f"actions of shape {np.shape(actions)} must be (..., {len(_LOW)})")
    return from_actions(actions, _LOW, _HIGH)


def scaled_actions(controls: FloatArray) -> FloatArray:
    """Scale (..., 4) controls in `LIMITS` to actions in [-1, 1]."""
    return to_actions(controls, _LOW, _HIGH)


def two_stages(actions: FloatArray, minutes: int) -> FloatArray:
    """Return the (B, minutes, 4) controls of (B, 8) actions in [-1, 1], which are scaled to `TWO_STAGES`.

    Raises:
        ConfigurationError: if actions have another shape, or a recipe would last more than a week.
    """
    if np.ndim(actions) != 2 or np.shape(actions)[1] != len(_STAGES_LOW):
        raise ConfigurationError(f"actions of shape {np.shape(actions)} must be (B, {len(_STAGES_LOW)})")
    if not 1 <= minutes <= MAX_MINUTES:
        raise ConfigurationError(f"minutes={minutes} must be a whole number from 1 to {MAX_MINUTES:,}, a week")
    parameters = from_actions(actions, _STAGES_LOW, _STAGES_HIGH)
    first = np.arange(minutes) < np.round(parameters[:, 3:4] * minutes)
    columns = [np.where(first, parameters[:, [k]], parameters[:, [k + 4]]) for k in range(3)]
    hydrogen = np.broadcast_to(parameters[:, 7:8], first.shape)
    return np.stack([columns[0], columns[1], hydrogen, columns[2]], axis=2)
