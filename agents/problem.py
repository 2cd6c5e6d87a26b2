"""The problem of one search: what an optimizer may know before it asks for a design."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.tasks import Decorations, DesignGenerator, Designs, DesignSpace, DesignTask, Direction, Scores, Variable
from matgym.tasks.variables import Value, numbers_of, points_of
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Goal:
    """One objective in plain words.

    Attributes:
        name: key of the property in `Scores.predictions`.
        unit: unit of the property.
        direction: "target", "minimize" or "maximize".
        target: value to be met; None for an extreme.
        low: smallest target, or the end of the range in which the reward changes.
        high: largest target, or the other end of this range.
        weight: weight in the reward.
    """

    name: str
    unit: str
    direction: Direction
    target: float | None
    low: float
    high: float
    weight: float


@dataclass(frozen=True)
class Limit:
    """One constraint in plain words: a property must be `least` or larger.

    Attributes:
        name: key of the property in `Scores.bounded`.
        unit: unit of the property.
        least: the bound.
    """

    name: str
    unit: str
    least: float


@dataclass(frozen=True, eq=False)
class Known(ValueObject):
    """Designs whose scores were known before the search, for example from a table of measurements.

    Attributes:
        designs: (B, width) designs.
        scores: their scores; see `DesignTask.scores_of`.

    Raises:
        ConfigurationError: if the numbers of designs and scores differ.
    """

    designs: Designs
    scores: Scores

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.designs) != len(self.scores.reward):
            raise ConfigurationError(
                f"{len(self.designs)} known designs have {len(self.scores.reward)} scores: give one for each design"
            )


@dataclass(frozen=True, eq=False)
class Problem(ValueObject):
    """The problem of one search.

    Attributes:
        task: the design task. In a benchmark an optimizer gets it without its models: see `SearchedTask`.
        target: (T,) target values; empty if the task is to find an extreme.
        generator: generator of the initial designs of decorated tubes; None draws them at random.
        known: designs whose scores are known; they are not evaluated again and do not count. None if there are none.
        noise: standard deviation of the error of a measured value, in the unit of the first goal; 0 for a model that
            gives the same design the same value.

    Raises:
        ConfigurationError: if a known design is not a design of the space.
    """

    task: DesignTask
    target: FloatArray
    generator: DesignGenerator | None = None
    known: Known | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.known is not None and not (valid := self.space.valid(self.known.designs)).all():
            raise ConfigurationError(
                f"known design {int(np.argmin(valid))}, {self.known.designs[~valid][0]}, is no design of the space: "
                "leave it out"
            )

    # ---- designs

    @property
    def space(self) -> DesignSpace:
        """The design space of the task."""
        return self.task.space

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables of a design: name, kind, bounds, values and unit of each."""
        return self.space.variables

    def designs(self, points: Sequence[Mapping[str, Any]]) -> Designs:
        """Return (B, width) designs of B mappings from the name of each variable to its value.

        Raises:
            ConfigurationError: if a variable is missing or unknown, or has no such value.
        """
        return self.space.from_numbers(numbers_of(self.variables, points))

    def points(self, designs: Designs) -> list[dict[str, Value]]:
        """Return mappings from the name of each variable to its value, from which `designs` makes these designs."""
        return points_of(self.variables, self.space.to_numbers(designs))

    def features(self, designs: Designs) -> FloatArray:
        """Return (B, F) numbers that a model may learn from, the same for symmetric copies of a design."""
        return self.space.features(designs)

    def start(self, count: int, rng: np.random.Generator) -> Designs:
        """Return (count, width) initial designs."""
        if self.generator is None or not isinstance(self.space, Decorations):
            return self.space.sample(count, rng)
        return self.space.encode(self.generator.sample(self.space, self.targets(count), rng))

    def best_known(self, count: int) -> tuple[Designs, FloatArray]:
        """Return the (k, width) known designs of the largest rewards, and these rewards; k is at most `count`."""
        if self.known is None:
            return self.space.sample(0, np.random.default_rng(0)), np.zeros(0)
        order = np.argsort(-self.known.scores.reward, kind="stable")[:count]
        return self.known.designs[order], self.known.scores.reward[order]

    # ---- what is searched

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The objectives whose weighted mean is the reward."""
        targets = iter(self.target.tolist())
        return tuple(
            Goal(
                each.key,
                each.property.unit,
                each.direction,
                next(targets) if each.direction == "target" else None,
                each.low,
                each.high,
                each.weight,
            )
            for each in self.task.counted
        )

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The constraints; empty if there are none."""
        constraint = self.task.constraint
        if constraint is None:
            return ()
        return (Limit(constraint.property.key, constraint.property.unit, constraint.least),)

    def targets(self, count: int) -> FloatArray:
        """Return (count,) or (count, T) copies of the target."""
        copies = np.tile(self.target, (count, 1))
        return copies[:, 0] if len(self.target) == 1 else copies
