"""A task of design: a space, objectives, a constraint, and the ledger of what finding out costs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError, ModelError
from matgym.models import Level, Predictions
from matgym.structures import TubeBatch
from matgym.surrogates.answers import asked, numbers, without_value
from matgym.tasks.ledger import Ledger
from matgym.tasks.objective import AnyModel, Constraint, Estimate, Objective, different, tolerance
from matgym.tasks.reward import check_reward, name_of, rewarded, tell_failures
from matgym.tasks.solved import Solved
from matgym.tasks.space import Designs, DesignSpace
from matgym.typing import BoolArray, FloatArray, IntArray

RewardFunction: TypeAlias = Callable[[Predictions, FloatArray], Any]
"""Predictions of B designs and their (B,) or (B, T) targets to (B,) rewards in [0, 1].

What it gives may be an array, a tensor, a list or a series; a reward outside [0, 1] is an error, NaN a failure that is
rewarded 0."""


@dataclass(frozen=True)
class Scores:
    """What some designs are worth.

    Attributes:
        reward: (B,) in [0, 1].
        loss: (B,) what is to be small: of one objective in its property's unit, see `Objective.loss`; of several,
            1 - reward.
        predictions: of every objective that was scored.
        value: (B,) the first objective's property; NaN where it failed.
        components: (B, k) rewards of each objective; None where they were not scored.
        cost: (B,) by how much the constraint is broken; None where there is none.
        failed: (B,) whether a model or the reward function had no value for the design; None where nobody asked.
    """

    reward: FloatArray
    loss: FloatArray
    predictions: Predictions
    value: FloatArray
    components: FloatArray | None = None
    cost: FloatArray | None = None
    failed: BoolArray | None = None

    def take(self, rows: IntArray | BoolArray) -> "Scores":
        """The same of some rows: their places in order, or a mask."""
        components = None if self.components is None else self.components[rows]
        cost = None if self.cost is None else self.cost[rows]
        failed = None if self.failed is None else self.failed[rows]
        taken = self.predictions.take(rows)
        return Scores(self.reward[rows], self.loss[rows], taken, self.value[rows], components, cost, failed)

    @property
    def sd(self) -> FloatArray:
        """(B,) standard deviation of the value; NaN where the model knows none."""
        key = next(iter(self.predictions.values), "")
        return self.predictions.sd.get(key, np.full(len(self.reward), np.nan))


@dataclass(frozen=True, eq=False)
class DesignTask:
    """Designs, and what they are worth.

    Environments and optimizers score designs through this one face, and so spend the same counted evaluations.

    Attributes:
        space: of designs.
        objectives: at least one of which has a weight in the reward; the first is what tables show.
        constraint: that designs are to keep; None for none.
        reward: a function of predictions and targets in place of the weighted mean of the objectives' rewards.
        estimate: how an uncertain prediction is turned into a reward.
        ledger: counts what is spent.

    Raises:
        ConfigurationError: if there is nothing to reward, two objectives are of one property, some want a target and
            others that count do not, a model does not support the space, or `estimate` is without effect.
    """

    space: DesignSpace
    objectives: tuple[Objective, ...]
    constraint: Constraint | None = None
    reward: RewardFunction | None = None
    estimate: Estimate = "mean"
    ledger: Ledger = field(default_factory=Ledger, repr=False)

    def __post_init__(self) -> None:
        check_reward(self.reward)
        if not self.counted:
            raise ConfigurationError("a task needs an objective with a weight above 0")
        if len(set(self.component_names)) < len(self.objectives):
            raise ConfigurationError(f"objectives {', '.join(self.component_names)} must be of different properties")
        if len({objective.direction == "target" for objective in self.counted}) > 1:
            raise ConfigurationError("objectives that count must all want a target, or none: give the others weight 0")
        if self.estimate not in get_args(Estimate):
            raise ConfigurationError(f"estimate={self.estimate!r} is none of {', '.join(get_args(Estimate))}")
        if self.reward is not None and self.estimate != "mean":
            raise ConfigurationError(f"estimate={self.estimate!r} has no effect beside a reward function of your own")
        if self.estimate != "mean" and not self.is_uncertain:
            names = ", ".join(objective.model.name for objective in self.counted)
            raise ConfigurationError(f"estimate={self.estimate!r} has no effect: {names} predicts without uncertainty")
        for source in (
            *(each.model for each in self.objectives),
            *([self.constraint.model] if self.constraint else ()),
        ):
            if reason := source.unsupported(self.space):
                raise ConfigurationError(f"{source.name} cannot predict these designs: {reason}")

    @cached_property
    def counted(self) -> tuple[Objective, ...]:
        """The objectives whose weighted mean is the reward."""
        return tuple(objective for objective in self.objectives if objective.weight > 0.0)

    @property
    def is_uncertain(self) -> bool:
        """Whether a model that counts tells how uncertain it is."""
        return any(objective.model.is_uncertain for objective in self.counted)

    # ---- names and units

    @property
    def objective(self) -> Objective:
        """The first, which tables show."""
        return self.counted[0]

    @property
    def value_name(self) -> str:
        """Key of the value in infos and tables, such as "gap_ev"."""
        return self.objective.key

    @property
    def unit(self) -> str:
        """Of value and loss, as printed; "1" for a pure number, and of several objectives."""
        return self.objective.property.unit if len(self.counted) == 1 else "1"

    @property
    def suffix(self) -> str:
        """How keys of the value's unit end, such as "_ev"."""
        return self.objective.property.suffix if len(self.counted) == 1 else ""

    @property
    def component_names(self) -> tuple[str, ...]:
        """Of the components of a vector reward."""
        return tuple(objective.key for objective in self.objectives)

    # ---- targets

    @cached_property
    def _targeted(self) -> tuple[Objective, ...]:
        return tuple(objective for objective in self.counted if objective.direction == "target")

    @property
    def target_names(self) -> tuple[str, ...]:
        """Of what a design is to meet; empty where it is to be extreme."""
        if len(self._targeted) == 1:
            return (f"target{self.suffix}",)
        return tuple(objective.key for objective in self._targeted)

    @cached_property
    def target_ranges(self) -> FloatArray:
        """(T, 2) least and largest target of each name, by which observations are scaled."""
        return np.array([(each.low, each.high) for each in self._targeted], dtype=np.float64).reshape(-1, 2)

    @cached_property
    def _margins(self) -> FloatArray:
        return np.array([objective.margin for objective in self._targeted])

    def draw_targets(self, generators: Sequence[np.random.Generator]) -> FloatArray:
        """(B,) or (B, T) targets, each from a generator of its own, uniform over their ranges."""
        low, high = self.target_ranges.T
        drawn = np.array([rng.random(len(low)) for rng in generators]).reshape(len(generators), len(low))
        targets = low + (high - low) * drawn  # `rng.uniform` gives the same bits, ten times slower
        return np.asarray(targets[:, 0] if len(low) == 1 else targets)

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

    # ---- scores

    def score(self, designs: Designs, targets: FloatArray, *, components: bool = False) -> Scores:
        """Evaluate designs by the objectives' models, and count them.

        Args:
            designs: (B, width) rows of the space.
            targets: (B,) or (B, T); (B, 0) where there are none.
            components: whether all objectives are scored, and not only of those that count.
        """
        scored = self.objectives if components else self.counted
        sources = [objective.model for objective in scored]
        constraint = self.constraint
        found = self._predictions(designs, [*sources, *([constraint.model] if constraint else [])])
        scores = self._scores(
            scored, {each.key: found[id(each.model)] for each in scored}, targets, components=components
        )
        if constraint is None:
            return scores
        return replace(scores, cost=constraint.cost(found[id(constraint.model)][constraint.property]))

    def verify(self, designs: Designs, targets: FloatArray) -> Scores:
        """The same by the objectives' oracles; a property without an oracle is NaN, with the reason."""
        oracles = [objective.oracle for objective in self.counted if objective.oracle is not None]
        found = self._predictions(designs, oracles)
        predictions = {
            each.key: _unverified(each, len(designs)) if each.oracle is None else found[id(each.oracle)]
            for each in self.counted
        }
        return self._scores(self.counted, predictions, targets, components=False, verified=True)

    def _predictions(self, designs: Designs, sources: Sequence[AnyModel]) -> dict[int, Predictions]:
        """Predictions of each model, by its id; tables are looked up by rows, without structures."""
        found: dict[int, Predictions] = {}
        batch: Any = None
        for source in different(sources):
            with self._charged(source, len(designs)):
                if isinstance(source, Solved):
                    found[id(source)] = source.look_up(self.space, designs)
                    continue
                batch = self.space.decode(designs) if batch is None else batch
                found[id(source)] = asked(source.name, f"{len(designs)} designs", partial(source.predict, batch))
        return found

    def _charged(self, source: AnyModel, count: int) -> AbstractContextManager[None]:
        if source.level is Level.GEOMETRY:  # reading a structure's own size is no evaluation
            return nullcontext()
        return self.ledger.charge("oracle" if source.is_oracle else "surrogate", count)

    def _scores(
        self,
        scored: Sequence[Objective],
        found: Mapping[str, Predictions],
        targets: FloatArray,
        *,
        components: bool,
        verified: bool = False,
    ) -> Scores:
        count = len(targets)
        found = {each.key: _sound(found[each.key], each, count, verified=verified) for each in scored}
        target_of = dict(zip(self._targeted, np.asarray(targets).reshape(count, -1).T, strict=True))
        none = np.zeros(0)
        estimate: Estimate = "mean" if verified else self.estimate
        columns = [
            each.reward(each.estimated_loss(found[each.key], target_of.get(each, none), estimate)) for each in scored
        ]
        reward = self._mean([column for each, column in zip(scored, columns, strict=True) if each.weight > 0.0])
        first = self.objective
        ordered = [first, *(each for each in scored if each is not first)]  # the value's stands first: see `Scores.sd`
        predictions = Predictions.joined([found[each.key].only([each.key]) for each in ordered])
        failed: BoolArray = np.asarray(np.isnan([found[each.key][each.key] for each in scored]).any(axis=0))
        if failed.any() and not verified:
            self._tell(scored, found)
        if self.reward is not None:
            reward = rewarded(self.reward, count, predictions, targets)
            if (lost := np.isnan(reward)).any():
                tell_failures(self.ledger, name_of(self.reward), lost, "it gave NaN")
                reward, failed = np.where(lost, 0.0, reward), failed | lost
        value = found[first.key][first.property]
        loss = first.loss(value, target_of.get(first, none)) if len(self.counted) == 1 else 1.0 - reward
        parts = np.stack(columns, axis=1) if components else None
        return Scores(reward, loss, predictions, value, parts, failed=failed)

    def _tell(self, scored: Sequence[Objective], found: Mapping[str, Predictions]) -> None:
        """Count and warn of designs for which a model had no value."""
        for each in scored:
            lost = np.isnan(found[each.key][each.key])
            if lost.any():
                reason = found[each.key].failures[each.key][int(lost.argmax())]
                tell_failures(self.ledger, each.model.name, lost, reason)

    def _mean(self, rewards: Sequence[FloatArray]) -> FloatArray:
        """(B,) weighted mean of the rewards of the objectives that count."""
        if len(rewards) == 1:
            return rewards[0]
        weights = np.array([each.weight for each in self.counted])
        return np.asarray((np.stack(rewards, axis=1) * weights).sum(axis=1) / weights.sum())

    # ---- goals

    def achieved(self, scores: Scores) -> FloatArray:
        """(B, T) the targeted properties of designs, in their units."""
        return np.stack([scores.predictions[objective.property] for objective in self._targeted], axis=1)

    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """(B,) reward of what was achieved, as (B, T), for other targets than those it was made for, (B, T)."""
        return self._mean(tuple(tolerance(achieved - targets, self._margins).T))

    # ---- designs

    def tubes(self, designs: Designs) -> TubeBatch:
        """Designs as tubes.

        Raises:
            ConfigurationError: if they are none.
        """
        batch = self.space.decode(designs)
        if not isinstance(batch, TubeBatch):
            raise ConfigurationError(f"designs of {type(self.space).__name__} are no tubes")
        return batch

    def describe(self, design: Designs) -> str:
        """One design in words."""
        return self.space.describe(np.asarray(design))


def _unverified(objective: Objective, count: int) -> Predictions:
    reason = f"no oracle computes {objective.key}: give one to verify by"
    return Predictions({objective.key: np.full(count, np.nan)}, {objective.key: dict.fromkeys(range(count), reason)})


def _sound(predictions: Any, objective: Objective, count: int, *, verified: bool) -> Predictions:
    """Predictions as a model is to give them, (B,) numbers; what is not finite is a failure with a reason.

    Raises:
        ModelError: if they are something else.
    """
    key, model = objective.key, objective.oracle if verified and objective.oracle is not None else objective.model
    if not isinstance(predictions, Predictions):
        raise ModelError(f"{model.name} gave {predictions!r:.80}: `predict` must return matgym.models.Predictions")
    given: Predictions = predictions
    values = given[key]
    if not (isinstance(values, np.ndarray) and values.dtype == np.float64 and values.shape == (count,)):
        values = numbers(values, count, model.name)[:, 0]
        given = replace(given, values={**given.values, key: values})
    valid = np.isfinite(values)
    if valid.all():
        return given
    reasons = {row: without_value(model.name, values[row]) for row in np.flatnonzero(~valid).tolist()}
    failures = {**given.failures, key: reasons | dict(given.failures.get(key, {}))}
    return replace(given, values={**given.values, key: np.where(valid, values, np.nan)}, failures=failures)
