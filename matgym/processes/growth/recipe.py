"""Recipe: what a furnace is told, one set of controls a minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from matgym.errors import ConfigurationError
from matgym.typing import FloatArray

STEP_S: Final = 60.0
"""Time for which controls are held."""

PREHEATED_C: Final = 600.0
"""At which wafers are loaded. A choice of ours."""

LIMITS: Final = {
    "temperature_c": (400.0, 950.0),
    "feed_pa": (0.0, 1000.0),
    "hydrogen_pa": (0.0, 40_000.0),
    "water_pa": (0.0, 100.0),
}
"""What the furnace can be told: within it lie the experiments that the model was fitted to. A choice of ours."""


@dataclass(frozen=True)
class Stage:
    """Controls that are held for some minutes.

    Attributes:
        minutes: how long, a whole number.
        temperature_c: set point, °C.
        feed_pa: acetylene, Pa.
        hydrogen_pa: Pa.
        water_pa: Pa.
    """

    minutes: int
    temperature_c: float
    feed_pa: float = 0.0
    hydrogen_pa: float = 0.0
    water_pa: float = 0.0


@dataclass(frozen=True, eq=False)
class Recipe:
    """A schedule of controls.

    Attributes:
        controls: (K, 4) of K minutes: set point in °C, acetylene, hydrogen and water in Pa.

    Raises:
        ConfigurationError: if the shape is another, or a control lies outside `LIMITS`.
    """

    controls: FloatArray

    def __post_init__(self) -> None:
        controls = np.asarray(self.controls, dtype=np.float64)
        if controls.ndim != 2 or controls.shape[1] != len(LIMITS) or not len(controls):
            raise ConfigurationError(f"controls of shape {controls.shape} must be (minutes, {len(LIMITS)})")
        for column, (name, (low, high)) in zip(controls.T, LIMITS.items(), strict=True):
            outside = column[~((column >= low) & (column <= high))]
            if outside.size:
                raise ConfigurationError(
                    f"{name}={outside[0]:g} lies outside what the furnace takes, {low:g} to {high:g}"
                )
        controls.setflags(write=False)
        object.__setattr__(self, "controls", controls)

    @classmethod
    def of(cls, *stages: Stage) -> Self:
        """A recipe of stages, one after the other.

        Raises:
            ConfigurationError: if a stage does not last a whole number of minutes, at least one.
        """
        rows: list[Sequence[float]] = []
        for stage in stages:
            if stage.minutes != int(stage.minutes) or stage.minutes < 1:
                raise ConfigurationError(f"minutes={stage.minutes} must be a whole number of 1 or more")
            rows += [(stage.temperature_c, stage.feed_pa, stage.hydrogen_pa, stage.water_pa)] * int(stage.minutes)
        return cls(np.array(rows).reshape(-1, len(LIMITS)))

    @property
    def minutes(self) -> int:
        """How long it takes."""
        return len(self.controls)


def scaled_controls(actions: FloatArray) -> FloatArray:
    """(..., 4) actions in [-1, 1] as controls in `LIMITS`."""
    low, high = np.array(list(LIMITS.values())).T
    return np.asarray(low + 0.5 * (np.asarray(actions, dtype=np.float64) + 1.0) * (high - low))


def scaled_actions(controls: FloatArray) -> FloatArray:
    """The inverse of `scaled_controls`."""
    low, high = np.array(list(LIMITS.values())).T
    return np.asarray(2.0 * (controls - low) / (high - low) - 1.0)


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
"""Parameters of a recipe of two stages: the first lasts for a share of the time."""


def two_stages(actions: FloatArray, minutes: int) -> FloatArray:
    """(B, 8) actions in [-1, 1], scaled to `TWO_STAGES`, as (B, minutes, 4) controls."""
    low, high = np.array(list(TWO_STAGES.values())).T
    given = low + 0.5 * (np.asarray(actions, dtype=np.float64) + 1.0) * (high - low)
    first = np.arange(minutes) < np.round(given[:, 3:4] * minutes)
    columns = [np.where(first, given[:, [k]], given[:, [k + 4]]) for k in range(3)]
    hydrogen = np.broadcast_to(given[:, 7:8], first.shape)
    return np.stack([columns[0], columns[1], hydrogen, columns[2]], axis=2)
