"""What every task of design is: a space, what a design is worth, and what finding that out costs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import Nanotube
from matgym.tasks.ledger import Ledger
from matgym.tasks.space import Designs, DesignSpace
from matgym.typing import FloatArray

Goal: TypeAlias = Literal["target", "min", "max"]
"""What is wanted of a property: that it meets a target, or as little or as much of it as can be."""


@dataclass(frozen=True)
class Scores:
    """What some designs are worth.

    Attributes:
        reward: (B,) in [0, 1].
        value: (B,) the property as the reward model has it; NaN where it failed.
        loss: (B,) what is to be small, in the property's unit: the distance from the target, or the value itself, or
            its negative where much of it is wanted.
        sd: (B,) standard deviation of the value; NaN where the source knows none.
        distance: (B,) above 1 where a design lies outside what the source was trained on; NaN where it cannot tell.
        objectives: name to (B,) values that are told besides.
    """

    reward: FloatArray
    value: FloatArray
    loss: FloatArray
    sd: FloatArray
    distance: FloatArray
    objectives: Mapping[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def certain(
        cls, reward: FloatArray, value: FloatArray, loss: FloatArray, objectives: Mapping[str, FloatArray] | None = None
    ) -> "Scores":
        """Of a source that knows no doubt."""
        unknown = np.full(len(reward), np.nan)
        return cls(reward, value, loss, unknown, unknown, objectives or {})


class DesignTask(ABC):
    """Designs, and what they are worth.

    Environments and optimizers score designs through this one face, and so spend the same counted evaluations.

    Attributes:
        space: of designs.
        ledger: counts what is spent.
    """

    space: DesignSpace
    ledger: Ledger

    @property
    @abstractmethod
    def value_name(self) -> str:
        """Key of the value in infos and tables, such as "gap_ev"."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """Of value and loss, as printed; "1" for a pure number."""

    @property
    def suffix(self) -> str:
        """How keys of the value's unit end, such as "_ev"."""
        return ""

    @property
    def constrained(self) -> bool:
        """Whether `cost` tells of a constraint."""
        return False

    @property
    def target_names(self) -> tuple[str, ...]:
        """Of what a design is to meet; empty where as little or as much as can be is wanted."""
        return ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the components of a vector reward."""
        return ()

    @property
    def target_ranges(self) -> FloatArray:
        """(T, 2) least and largest target of each name, by which observations are scaled."""
        return np.zeros((0, 2))

    def draw_target(self, rng: np.random.Generator) -> Any:
        """A target, uniform over its range: a number where there is one name, else (T,)."""
        low, high = self.target_ranges.T
        drawn = rng.uniform(low, high)
        return float(drawn[0]) if len(drawn) == 1 else drawn

    def checked_targets(self, targets: Any, count: int) -> FloatArray:
        """Targets of one's own as an array that leads with `count`.

        Raises:
            ConfigurationError: if one lies outside the task's range, which observations are scaled by.
        """
        ranges = self.target_ranges
        shape = (count,) if len(ranges) == 1 else (count, len(ranges))
        given = np.broadcast_to(np.asarray(targets, dtype=np.float64), shape)
        columns = given.reshape(count, len(ranges))
        for name, (low, high), column in zip(self.target_names, ranges, columns.T, strict=True):
            outside = column[~((column >= low) & (column <= high))]
            if outside.size:
                raise ConfigurationError(f"{name} {outside[0]:g} lies outside the task's range, {low:g} to {high:g}")
        return given

    def scaled_targets(self, targets: FloatArray) -> FloatArray:
        """(B, T) targets in [-1, 1]."""
        low, high = self.target_ranges.T
        columns = np.asarray(targets).reshape(len(targets), len(low))
        return np.asarray(np.clip((2.0 * columns - low - high) / (high - low), -1.0, 1.0))

    @abstractmethod
    def score(self, designs: Designs, targets: FloatArray) -> Scores:
        """Evaluate designs, and count them.

        Args:
            designs: (B, width) rows of the space.
            targets: (B,) or (B, T); (B, 0) where there are none.
        """

    @abstractmethod
    def audit(self, designs: Designs, targets: FloatArray) -> Scores:
        """The same by physics, counted as such."""

    def rewards(self, scores: Scores, designs: Designs, targets: FloatArray) -> FloatArray:
        """(B, len(parts)) components of a vector reward, each in [0, 1], of designs scored for (B, T) targets."""
        del scores, designs, targets
        raise ConfigurationError(f"{type(self).__name__} has no vector reward")

    def cost(self, designs: Designs) -> FloatArray | None:
        """(B,) by how much designs break a constraint; None where there is none."""
        del designs
        return None

    def achieved(self, scores: Scores) -> FloatArray:
        """(B, T) what designs give of what targets ask for, in their units."""
        return scores.value[:, None]

    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """(B,) reward of what was achieved, as (B, T), for other targets than those it was made for, (B, T)."""
        del achieved, targets
        raise ConfigurationError(f"{type(self).__name__} has no targets to be met")

    def tubes(self, designs: Designs) -> list[Nanotube]:
        """Designs as tubes.

        Raises:
            ConfigurationError: if they are none.
        """
        del designs
        raise ConfigurationError(f"designs of {type(self).__name__} are no tubes")

    @abstractmethod
    def describe(self, design: Designs) -> str:
        """One design in words."""


def scored(value: FloatArray, goal: Goal, targets: FloatArray) -> FloatArray:
    """(B,) losses of (B,) values."""
    if goal == "target":
        return np.abs(value - targets)
    return np.asarray(value if goal == "min" else -value)


def share(loss: FloatArray, low: float, high: float, goal: Goal) -> FloatArray:
    """(B,) rewards of losses: 0 at the worse end of a range of values, 1 at the better; NaN earns nothing."""
    worst, best = (high, low) if goal == "min" else (-low, -high)
    return np.asarray(np.nan_to_num(np.clip((worst - loss) / (worst - best), 0.0, 1.0), nan=0.0))
