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


@dataclass(frozen=True, eq=False)
class Objective:
    """A property with a direction and a scale, the model that predicts it, and the oracle that verifies it.

    Attributes:
        property: that counts.
        model: that predicts it: any model, or the table of a solved instance.
        direction: see `Direction`.
        low: smallest target; where it is to be extreme, the value that earns 0 or 1.
        high: largest target, or the other end.
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
