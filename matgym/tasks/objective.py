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
"""Whether a property is to meet a target, or to be as small or as large as can be."""

Estimate: TypeAlias = Literal["mean", "lcb", "worst"]
"""How an uncertain prediction is turned into a reward:

- "mean": by the prediction;
- "lcb": by a lower confidence bound of the reward, for the error and `CAUTION` standard deviations more;
- "worst": by the least reward that any network of an ensemble would give (Coste et al., ICLR 2024)."""

CAUTION: Final = 1.0
"""Standard deviations by which "lcb" stays below the mean. A choice of ours."""

VALUE_AT_MARGIN: Final = 0.1


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
    reward = 1.0 / (1.0 + (scale * np.asarray(error) / margin) ** 2)
    return np.where(np.isnan(reward), 0.0, reward)


@dataclass(frozen=True)
class Scale:
    """Where the rewards of a property begin and end, unless somebody says otherwise.

    Attributes:
        targets: range from which targets are drawn, in the property's unit.
        values: values that earn 0 and 1 where the property is to be large, 1 and 0 where it is to be small.
        margin: error at which the reward of a target has fallen to a tenth.
    """

    targets: tuple[float, float]
    values: tuple[float, float]
    margin: float


SCALES: Final = {
    "gap_ev": Scale((0.55, 1.20), (0.4, 2.0), 0.15),
    "zt": Scale((0.0, 0.4), (0.0, 0.4), 0.02),
}
"""Scales of properties that need no other for another tube. Ours; the targets of the gap are about what the data set's
tubes of the default composition span (1 to 99 %: 0.59 to 1.22 eV)."""

MARGIN_SHARE: Final = 0.25
"""Of the range of targets, that the margin is where a property has no scale. A choice of ours."""


def scaled(
    prop: Property,
    direction: Direction,
    low: float | None,
    high: float | None,
    margin: float | None,
    scale: Scale | None,
) -> tuple[float, float, float]:
    """Return (low, high, margin) of an objective, those not given by the property's scale.

    Args:
        prop: the property.
        direction: see `Direction`.
        low: None where it is not given, as the others.
        high: likewise.
        margin: likewise; a quarter of the range where the property has no scale.
        scale: of the property; None for that in `SCALES`.

    Raises:
        ConfigurationError: if it has no scale, and low or high are not given.
    """
    known = scale or SCALES.get(prop.key)
    if low is None or high is None:
        if known is None:
            word = "targets" if direction == "target" else "values"
            raise ConfigurationError(
                f"there is no usual range of {prop.key} here: give {word}=(least, largest) to an environment, or low "
                "and high to a task"
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
    """Return a task's direction, low, high and margin from an environment's arguments, None where not given.

    Args:
        direction: see `Direction`; None for the default.
        targets: range from which targets are drawn.
        values: that earn 0 and 1 where the property is to be large, 1 and 0 where it is to be small.
        margin: error at which the reward of a target has fallen to a tenth.
        reward: a reward function of one's own, which scales itself; None where there is none.
        default: direction.

    Raises:
        ConfigurationError: if an argument would be without effect, or a range is none.
    """
    wanted = direction or default
    without = {"values": values} if wanted == "target" else {"targets": targets, "margin": margin}
    for name, value in without.items():
        if value is not None:
            other = 'direction="maximize" or "minimize"' if wanted == "target" else 'direction="target"'
            raise ConfigurationError(
                f"{name} would be without effect beside direction={wanted!r}: leave it out, or give {other}"
            )
    turned = None if "target" in (wanted, default) or wanted == default else direction
    scales: dict[str, object] = {"margin": margin, "values": values, "direction": turned}
    for name, scale in scales.items():
        if reward is not None and scale is not None:
            raise ConfigurationError(f"{name}={scale!r} would be without effect beside reward: give one or the other")
    given = targets if wanted == "target" else values
    if given is not None and (isinstance(given, str) or np.shape(given) != (2,)):
        name = "targets" if wanted == "target" else "values"
        raise ConfigurationError(f"{name}={given!r} must be a pair of numbers, the least and the largest")
    low, high = given or (None, None)
    return {"direction": direction, "low": low, "high": high, "margin": margin}


@dataclass(frozen=True, eq=False)
class Objective:
    """A property with a direction and a scale, the model that predicts it, and the oracle that verifies it.

    Where a property is to meet a target, its reward is 1 on target, 0.5 at a third of the margin and 0.1 at the margin
    (`tolerance`); targets are drawn from `low` to `high`. Where it is to be large, the reward rises from 0 at `low` to
    1 at `high`, and beyond both stays; where it is to be small, likewise from `high` down to `low`.

    Attributes:
        property: that counts.
        model: that predicts it: any model, or the table of a solved instance.
        direction: see `Direction`.
        low: smallest target; or the value that earns 0 where the property is to be large, 1 where it is to be small.
        high: largest target; or the value that earns 1 where the property is to be large, 0 where it is to be small.
        margin: error at which the reward has fallen to a tenth; of targets only.
        oracle: that verifies it; None where there is none: its verified values are NaN then.
        weight: in the mean that is the reward; 0 for what is a component of a vector reward alone.

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
                source.property_of(self.key)  # raises if there is none

    @cached_property
    def key(self) -> str:
        """The property's."""
        return self.property.key

    def loss(self, values: FloatArray, targets: FloatArray) -> FloatArray:
        """What is to be small, in the property's unit: the distance from (B,) targets, the value, or its negative."""
        if self.direction == "target":
            return np.abs(values - targets)
        return np.asarray(values if self.direction == "minimize" else -values)

    def reward(self, loss: FloatArray) -> FloatArray:
        """(B,) rewards in [0, 1] of (B,) losses; NaN earns nothing."""
        if self.direction == "target":
            return tolerance(loss, self.margin)
        worst, best = (self.high, self.low) if self.direction == "minimize" else (-self.low, -self.high)
        return np.asarray(np.nan_to_num(np.clip((worst - loss) / (worst - best), 0.0, 1.0), nan=0.0))

    def estimated_loss(self, predictions: Predictions, targets: FloatArray, estimate: Estimate) -> FloatArray:
        """(B,) losses as the reward is to count them; see `Estimate`."""
        loss = self.loss(predictions[self.key], targets)
        if estimate == "lcb":
            return np.asarray(loss + CAUTION * np.nan_to_num(predictions.sd_of(self.key)))  # no sd known: by the mean
        if estimate == "worst" and self.key in predictions.members:
            return np.asarray(self.loss(predictions.members[self.key], targets).max(axis=0))
        return loss


@dataclass(frozen=True, eq=False)
class Constraint:
    """A property with a bound.

    Attributes:
        least: value below which a design breaks it.

    Raises:
        ConfigurationError: if the bound is zero or no number: costs are shares of it.
        PropertyError: if the model does not predict the property.
    """

    property: Property
    model: AnyModel
    least: float

    def __post_init__(self) -> None:
        if self.least == 0.0 or not np.isfinite(self.least):
            raise ConfigurationError(f"least={self.least} must be a number other than zero: costs are shares of it")
        self.model.property_of(self.property.key)  # raises if there is none

    def cost(self, values: FloatArray) -> FloatArray:
        """(B,) by how much of the bound (B,) values fall short; a value that failed breaks it wholly."""
        return np.nan_to_num(np.maximum(self.least - values, 0.0) / abs(self.least), nan=1.0)


def different(sources: Sequence[AnyModel]) -> list[AnyModel]:
    """Each model once, in order."""
    return list({id(source): source for source in sources}.values())
