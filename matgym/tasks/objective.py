"""Objectives: a property, its direction, the model that predicts it and the oracle that verifies it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError
from matgym.models import Model, Predictions, Property
from matgym.tasks.solved import Solved
from matgym.typing import FloatArray

AnyModel: TypeAlias = Model[Any] | Solved
"""A model of any material, or the table of a solved instance."""

Direction: TypeAlias = Literal["target", "minimize", "maximize"]
"""Whether a property is to meet a target, or to be as small or as large as possible."""

Estimate: TypeAlias = Literal["mean", "lcb", "worst"]
"""How an uncertain prediction is turned into a reward:

- "mean": the reward of the mean prediction;
- "lcb": a lower confidence bound of the reward: that of the loss plus `CAUTION` standard deviations;
- "worst": the lowest reward by any network of an ensemble (Coste et al., ICLR 2024)."""

CAUTION: Final = 1.0
"""Number of standard deviations that "lcb" adds to the loss. A choice of ours."""

VALUE_AT_MARGIN: Final = 0.1


def tolerance(error: FloatArray, margin: float | FloatArray) -> FloatArray:
    """Return a reward that is 1 for zero error and 0.1 for an error of `margin`, with a long tail beyond.

    The reward is 1 / (1 + 9 (error / margin)²). In its long tail the rewards of bad designs still differ, which those
    of a Gaussian would not.

    Source: Tassa et al., dm_control, Software Impacts 6, 100022 (2020).

    Args:
        error: errors of any shape; NaN, the error of a design that could not be computed, gives reward 0.
        margin: error at which the reward is 0.1; a number, or an array that broadcasts.

    Returns:
        Rewards in [0, 1], of the shape of `error`.
    """
    scale = np.sqrt(1.0 / VALUE_AT_MARGIN - 1.0)
    reward = 1.0 / (1.0 + (scale * np.asarray(error) / margin) ** 2)
    return np.where(np.isnan(reward), 0.0, reward)


@dataclass(frozen=True)
class Scale:
    """The default range of a property's targets and rewards.

    Attributes:
        targets: range from which targets are drawn, in the property's unit.
        values: values with reward 0 and 1 if the property is maximized, 1 and 0 if it is minimized.
        margin: error at which the reward of a target has fallen to a tenth.
    """

    targets: tuple[float, float]
    values: tuple[float, float]
    margin: float


SCALES: Final = {
    "gap_ev": Scale((0.10, 0.50), (0.0, 0.8), 0.15),
    "zt": Scale((0.03, 0.10), (0.0, 0.15), 0.02),
}
"""Scales of properties whose scale is the same for all tubes. A choice of ours; random designs of the
default doping task have self-consistent gaps of 0 to 0.41 eV (1 to 99 %, median 0.08), so that most targets lie beyond
most of them. Tubes of (11, 0)x2 with 2 to 16 B and N have ZT of 0.02 to 0.11, with self-consistent electrons."""

MARGIN_SHARE: Final = 0.25
"""Margin as a share of the range of targets, for a property without a scale. A choice of ours."""


def scaled(
    prop: Property,
    direction: Direction,
    low: float | None,
    high: float | None,
    margin: float | None,
    scale: Scale | None,
) -> tuple[float, float, float]:
    """Return (low, high, margin) of an objective; the property's scale gives those that are None.

    Args:
        prop: the property.
        direction: see `Direction`.
        low: see `Objective`; None for that of the scale.
        high: see `Objective`; None for that of the scale.
        margin: see `Objective`; None for that of the scale, or a quarter of the range if there is no scale.
        scale: scale of the property; None for that in `SCALES`.

    Raises:
        ConfigurationError: if the property has no scale, and low or high is None.
    """
    known = scale or SCALES.get(prop.key)
    if low is None or high is None:
        if known is None:
            word = "targets" if direction == "target" else "values"
            raise ConfigurationError(
                f"{prop.key} has no default range here: give {word}=(least, largest) to an environment, or low and "
                "high to a task"
            )
        least, largest = known.targets if direction == "target" else known.values
        low, high = least if low is None else low, largest if high is None else high
    if margin is None:
        margin = known.margin if known is not None else MARGIN_SHARE * (high - low)
    return low, high, margin


def scale_settings(
    *,
    direction: Direction | None,
    targets: tuple[float, float] | None,
    values: tuple[float, float] | None,
    margin: float | None,
    reward: object = None,
    default: Direction,
) -> dict[str, Any]:
    """Return a task's direction, low, high and margin from an environment's arguments; None for missing ones.

    Args:
        direction: see `Direction`; None for the default.
        targets: range from which targets are drawn.
        values: values with reward 0 and 1 if the property is maximized, 1 and 0 if it is minimized.
        margin: error at which the reward of a target has fallen to a tenth.
        reward: a user's reward function, which needs no scale; None if there is none.
        default: default direction.

    Raises:
        ConfigurationError: if an argument has no effect, or a range is not a pair of numbers.
    """
    effective = direction or default
    unused = {"values": values} if effective == "target" else {"targets": targets, "margin": margin}
    for name, value in unused.items():
        if value is not None:
            other = 'direction="maximize" or "minimize"' if effective == "target" else 'direction="target"'
            raise ConfigurationError(
                f"{name}={value!r} has no effect with direction={effective!r}: leave it out, or give {other}"
            )
    reversed_direction = None if "target" in (effective, default) or effective == default else direction
    scales: dict[str, object] = {"margin": margin, "values": values, "direction": reversed_direction}
    for name, scale in scales.items():
        if reward is not None and scale is not None:
            raise ConfigurationError(f"{name}={scale!r} has no effect with a reward function: leave one of them out")
    limits = targets if effective == "target" else values
    if limits is not None and (isinstance(limits, str) or np.shape(limits) != (2,)):
        name = "targets" if effective == "target" else "values"
        raise ConfigurationError(f"{name}={limits!r} must be a pair of numbers, the least and the largest")
    low, high = limits or (None, None)
    return {"direction": direction, "low": low, "high": high, "margin": margin}


@dataclass(frozen=True, eq=False)
class Objective:
    """A property with a direction and a scale, the model that predicts it, and the oracle that verifies it.

    With direction "target" the reward is 1 at the target, 0.5 at a third of the margin and 0.1 at the margin
    (`tolerance`); targets are drawn from `low` to `high`. With "maximize" the reward rises linearly from 0 at `low` to
    1 at `high`, and is constant beyond; with "minimize" it rises from 0 at `high` to 1 at `low`.

    Attributes:
        property: the property.
        model: the model that predicts it: any model, or the table of a solved instance.
        direction: see `Direction`.
        low: smallest target; or the value with reward 0 if the property is maximized, 1 if it is minimized.
        high: largest target; or the value with reward 1 if the property is maximized, 0 if it is minimized.
        margin: error at which the reward has fallen to a tenth, for targets only.
        oracle: the oracle that verifies it; None if there is none: verified values are then NaN.
        weight: weight in the mean reward; 0 for a component of a vector reward only.

    Raises:
        ConfigurationError: if a number is out of range, or the model does not predict the property.
    """

    property: Property
    model: AnyModel
    direction: Direction = "target"
    low: float = 0.0
    high: float = 1.0
    margin: float = 1.0
    oracle: AnyModel | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ConfigurationError(f"direction={self.direction!r} is none of {', '.join(get_args(Direction))}")
        if not self.low < self.high:
            what = "targets" if self.direction == "target" else "values"
            raise ConfigurationError(f"{what} from {self.low} to {self.high} leave no range: low must be below high")
        if not self.margin > 0.0:
            raise ConfigurationError(f"margin={self.margin} must be positive")
        if not self.weight >= 0.0:
            raise ConfigurationError(f"weight={self.weight} must not be negative")
        for source in (self.model, self.oracle):
            if source is not None:
                source.property_of(self.key)  # raises an error if it does not predict the property

    @cached_property
    def key(self) -> str:
        """The key of the property."""
        return self.property.key

    def loss(self, values: FloatArray, targets: FloatArray) -> FloatArray:
        """Return (B,) losses in the property's unit: the distance from (B,) targets, the value, or its negative."""
        if self.direction == "target":
            return np.abs(values - targets)
        return np.asarray(values if self.direction == "minimize" else -values)

    def reward(self, loss: FloatArray) -> FloatArray:
        """Return (B,) rewards in [0, 1] of (B,) losses; NaN gives reward 0."""
        if self.direction == "target":
            return tolerance(loss, self.margin)
        worst, best = (self.high, self.low) if self.direction == "minimize" else (-self.low, -self.high)
        return np.asarray(np.nan_to_num(np.clip((worst - loss) / (worst - best), 0.0, 1.0), nan=0.0))

    def estimated_loss(self, predictions: Predictions, targets: FloatArray, estimate: Estimate) -> FloatArray:
        """Return the (B,) losses from which the reward is computed; see `Estimate`."""
        loss = self.loss(predictions[self.key], targets)
        if estimate == "lcb":
            return np.asarray(
                loss + CAUTION * np.nan_to_num(predictions.sd_of(self.key), posinf=np.inf)
            )  # without sd: the mean
        if estimate == "worst" and self.key in predictions.members:
            return np.asarray(self.loss(predictions.members[self.key], targets).max(axis=0))
        return loss


@dataclass(frozen=True, eq=False)
class Constraint:
    """A constraint: a property with a lower bound.

    Attributes:
        property: the property.
        model: the model that predicts it: any model, or the table of a solved instance.
        least: value below which a design violates the constraint.

    Raises:
        ConfigurationError: if the bound is zero or not finite: costs are shares of it.
        PropertyError: if the model does not predict the property.
    """

    property: Property
    model: AnyModel
    least: float

    def __post_init__(self) -> None:
        if self.least == 0.0 or not np.isfinite(self.least):
            raise ConfigurationError(f"least={self.least} must be a number other than zero: costs are shares of it")
        self.model.property_of(self.property.key)  # raises an error if it does not predict the property

    def cost(self, values: FloatArray) -> FloatArray:
        """Return (B,) shortfalls of (B,) values as shares of the bound; 1 for NaN, a value that failed."""
        return np.nan_to_num(np.maximum(self.least - values, 0.0) / abs(self.least), nan=1.0)


def different(sources: Sequence[AnyModel]) -> list[AnyModel]:
    """Return each model once, in order."""
    return list({id(source): source for source in sources}.values())
