"""The design task: a space, objectives, a constraint, and the ledger that counts evaluations."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Self, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError, ModelError
from matgym.frozen import ValueObject, returns_read_only
from matgym.models import Level, Predictions
from matgym.physics.registry import oracle_of
from matgym.structures import TubeBatch
from matgym.surrogates.answers import asked, counted, numbers, without_value
from matgym.tasks.ledger import Ledger
from matgym.tasks.objective import AnyModel, Constraint, Estimate, Objective, different, tolerance
from matgym.tasks.reward import check_reward, name_of, rewarded, tell_failures
from matgym.tasks.scores import Scores
from matgym.tasks.solved import Solved
from matgym.tasks.space import Designs, DesignSpace
from matgym.typing import BoolArray, FloatArray

RewardFunction: TypeAlias = Callable[[Predictions, FloatArray], Any]
"""A function from predictions of B designs and their (B,) or (B, T) targets to (B,) rewards in [0, 1].

It may return an array, a tensor, a list or a series. A reward outside [0, 1] raises an error; NaN counts as a failure
and gives reward 0."""


@dataclass(frozen=True, eq=False)
class DesignTask(ValueObject):
    """A design task: a space of designs and the objectives that score them.

    Environments and optimizers score designs through this one interface, so that both count the same evaluations.

    Attributes:
        space: the space of designs.
        objectives: objectives, at least one with a positive weight in the reward; tables show the first of these.
        constraint: the constraint on designs; None for no constraint.
        reward: a function of predictions and targets instead of the weighted mean of the objectives' rewards.
        estimate: how an uncertain prediction is turned into a reward.
        ledger: the ledger that counts evaluations.

    Raises:
        ConfigurationError: if no objective has a positive weight, two objectives have the same property, only some of
            the objectives with a positive weight have targets, a model does not support the space, or `estimate` is
            without effect.
    """

    finite_targets: ClassVar[bool] = True  # False where an infinite one asks for nothing

    space: DesignSpace
    objectives: tuple[Objective, ...]
    constraint: Constraint | None = None
    reward: RewardFunction | None = None
    estimate: Estimate = "mean"
    ledger: Ledger = field(default_factory=Ledger, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_reward(self.reward)
        if not self.counted:
            raise ConfigurationError(
                f"none of {len(self.objectives)} objectives has a weight above 0: give at least one such weight"
            )
        if len(set(self.component_names)) < len(self.objectives):
            raise ConfigurationError(f"objectives {', '.join(self.component_names)} must be of different properties")
        if len({objective.direction == "target" for objective in self.counted}) > 1:
            directions = ", ".join(f"{objective.key} ({objective.direction})" for objective in self.counted)
            raise ConfigurationError(
                f"{directions} mix targets and extremes: give the objectives of one of the two kinds weight 0"
            )
        if self.estimate not in get_args(Estimate):
            raise ConfigurationError(f"estimate={self.estimate!r} is none of {', '.join(get_args(Estimate))}")
        if self.reward is not None and self.estimate != "mean":
            raise ConfigurationError(f"estimate={self.estimate!r} has no effect with a reward function: leave one out")
        if self.estimate != "mean" and not self.is_uncertain:
            names = ", ".join(objective.model.name for objective in self.counted)
            raise ConfigurationError(
                f"estimate={self.estimate!r} has no effect: {names} predicts without uncertainty; leave it out"
            )
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
        """Whether the model of an objective with a positive weight predicts its uncertainty."""
        return any(objective.model.is_uncertain for objective in self.counted)

    # ---- names and units

    @property
    def objective(self) -> Objective:
        """The first objective with a positive weight, which tables show."""
        return self.counted[0]

    @property
    def value_name(self) -> str:
        """Key of the value in infos and tables, such as "gap_ev"."""
        return self.objective.key

    @property
    def unit(self) -> str:
        """The unit of value and loss, as printed; "1" for a dimensionless one and for several objectives."""
        return self.objective.property.unit if len(self.counted) == 1 else "1"

    @property
    def suffix(self) -> str:
        """The suffix of keys with the value's unit, such as "_ev"; empty for several objectives."""
        return self.objective.property.suffix if len(self.counted) == 1 else ""

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the components of a vector reward."""
        return tuple(objective.key for objective in self.objectives)

    # ---- targets

    @cached_property
    def _targeted(self) -> tuple[Objective, ...]:
        return tuple(objective for objective in self.counted if objective.direction == "target")

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the targets; empty if a property is minimized or maximized."""
        if len(self._targeted) == 1:
            return (f"target{self.suffix}",)
        return tuple(objective.key for objective in self._targeted)

    @cached_property
    @returns_read_only
    def target_ranges(self) -> FloatArray:
        """(T, 2) least and largest value of each target, by which observations are scaled."""
        return np.array([(each.low, each.high) for each in self._targeted], dtype=np.float64).reshape(-1, 2)

    @cached_property
    @returns_read_only
    def _margins(self) -> FloatArray:
        return np.array([objective.margin for objective in self._targeted])

    def draw_targets(
        self,
        generators: Sequence[np.random.Generator],
        begun: Designs | None = None,  # noqa: ARG002  # other tasks need it
    ) -> FloatArray:
        """Draw (B,) or (B, T) targets uniformly from their ranges, each row by its own generator.

        Args:
            generators: one for each row.
            begun: (B, width) unfinished designs for which the targets are, of which some entries may be given.
        """
        low, high = self.target_ranges.T
        drawn = np.array([rng.random(len(low)) for rng in generators]).reshape(len(generators), len(low))
        targets = low + (high - low) * drawn  # `rng.uniform` gives the same bits, ten times slower
        return np.asarray(targets[:, 0] if len(low) == 1 else targets)

    def checked_targets(self, targets: Any, count: int) -> FloatArray:
        """Return a user's targets as an array whose first axis has length `count`.

        Raises:
            ConfigurationError: if a target lies outside the task's range, by which observations are scaled.
        """
        ranges = self.target_ranges
        shape = (count,) if len(ranges) == 1 else (count, len(ranges))
        values = np.broadcast_to(np.asarray(targets, dtype=np.float64), shape)
        columns = values.reshape(count, len(ranges))
        for name, (low, high), column in zip(self.target_names, ranges, columns.T, strict=True):
            outside = column[~((column >= low) & (column <= high))]
            if outside.size:
                raise ConfigurationError(f"{name} {outside[0]:g} lies outside the task's range, {low:g} to {high:g}")
        return values

    def scaled_targets(self, targets: FloatArray) -> FloatArray:
        """Return (B, T) targets scaled to [-1, 1]."""
        low, high = self.target_ranges.T
        columns = np.asarray(targets).reshape(len(targets), len(low))
        return np.asarray(np.clip((2.0 * columns - low - high) / (high - low), -1.0, 1.0))

    # ---- scores

    def score(self, designs: Designs, targets: FloatArray, *, components: bool = False) -> Scores:
        """Score designs by the objectives' models, and count the evaluations.

        Args:
            designs: (B, width) rows of the space.
            targets: (B,) or (B, T) targets; (B, 0) if there are none.
            components: whether to score all objectives, and not only those with a positive weight.
        """
        scored = self.objectives if components else self.counted
        sources = [objective.model for objective in scored]
        constraint = self.constraint
        by_model = self._predictions(designs, [*sources, *([constraint.model] if constraint else [])])
        by_key = {each.key: by_model[id(each.model)] for each in scored}
        scores = self._scores(scored, by_key, targets, components=components)
        if constraint is None:
            return scores
        bounded = by_model[id(constraint.model)].only([constraint.property.key])
        return replace(scores, cost=constraint.cost(bounded[constraint.property]), bounded=bounded)

    def scores_of(self, predictions: Predictions, targets: FloatArray) -> Scores:
        """Return the scores of values that are known, such as measured ones; no model is asked, and nothing is counted.

        Args:
            predictions: values of every objective with a positive weight, and of the constraint's property if there is
                a constraint.
            targets: (B,) or (B, T) targets; (B, 0) if there are none.

        Raises:
            PropertyError: if a value is missing.
        """
        for each in self.counted:
            predictions[each.key]  # raises an error if it is missing
        by_key = {each.key: predictions.only([each.key]) for each in self.counted}
        scores, constraint = self._scores(self.counted, by_key, targets, components=False), self.constraint
        if constraint is None:
            return scores
        values = predictions[constraint.property]
        return replace(scores, cost=constraint.cost(values), bounded=predictions.only([constraint.property.key]))

    def cost(self, designs: Designs) -> FloatArray | None:
        """Return the (B,) violations of the constraint, without scoring the objectives; None without a constraint."""
        constraint = self.constraint
        if constraint is None:
            return None
        predictions = self._predictions(designs, [constraint.model])[id(constraint.model)]
        return constraint.cost(predictions[constraint.property])

    def verify(self, designs: Designs, targets: FloatArray) -> Scores:
        """Score designs by the objectives' oracles; a property without an oracle is NaN, with the reason."""
        oracles = [objective.oracle for objective in self.counted if objective.oracle is not None]
        by_oracle = self._predictions(designs, oracles)
        predictions = {
            each.key: _unverified(each, len(designs)) if each.oracle is None else by_oracle[id(each.oracle)]
            for each in self.counted
        }
        return self._scores(self.counted, predictions, targets, components=False, verified=True)

    def verified_by(self, level: Level | str) -> Self:
        """Return the task whose rewards are the same, and whose designs the oracles of another level verify.

        Designs are then searched by a cheap level and verified by one above it.

        Args:
            level: level of the oracles, such as "xtb": see `matgym.physics.registry.levels_of`.

        Raises:
            PropertyError: if no oracle computes one of the properties in the reward by that level.
        """
        objectives = tuple(
            replace(each, oracle=oracle_of(each.key, level=level)) if each.weight > 0.0 else each
            for each in self.objectives
        )
        return replace(self, objectives=objectives, ledger=Ledger())

    def _predictions(self, designs: Designs, sources: Sequence[AnyModel]) -> dict[int, Predictions]:
        """Return the predictions of each model, by its id; values of tables are looked up without building tubes."""
        by_id: dict[int, Predictions] = {}
        batch: Any = None
        for source in different(sources):
            with self._charged(source, len(designs)):
                if isinstance(source, Solved):
                    by_id[id(source)] = source.look_up(self.space, designs)
                    continue
                batch = self.space.decode(designs) if batch is None else batch
                by_id[id(source)] = asked(source.name, counted(len(designs)), partial(source.predict, batch))
        return by_id

    def _charged(self, source: AnyModel, count: int) -> AbstractContextManager[None]:
        if source.level is Level.GEOMETRY:  # the size of a structure is computed without an evaluation
            return nullcontext()
        return self.ledger.charge("oracle" if source.is_oracle else "surrogate", count)

    def _scores(
        self,
        scored: Sequence[Objective],
        raw: Mapping[str, Predictions],
        targets: FloatArray,
        *,
        components: bool,
        verified: bool = False,
    ) -> Scores:
        targets, width = np.asarray(targets), len(self._targeted)
        if not targets.ndim or targets.size != len(targets) * width:
            raise ConfigurationError(f"targets of shape {targets.shape} must be {width} for each design")
        count = len(targets)
        by_key = {each.key: sound(raw[each.key], each, count, verified=verified) for each in scored}
        target_of = dict(zip(self._targeted, targets.reshape(count, width).T, strict=True))
        none = np.zeros(0)
        estimate: Estimate = "mean" if verified else self.estimate
        columns = [
            each.reward(each.estimated_loss(by_key[each.key], target_of.get(each, none), estimate)) for each in scored
        ]
        reward = self._mean([column for each, column in zip(scored, columns, strict=True) if each.weight > 0.0])
        first = self.objective
        ordered = [
            first,
            *(each for each in scored if each is not first),
        ]  # the first is that of the value: see `Scores.sd`
        predictions = Predictions.joined([by_key[each.key].only([each.key]) for each in ordered])
        failed: BoolArray = np.asarray(np.isnan([by_key[each.key][each.key] for each in scored]).any(axis=0))
        if failed.any() and not verified:
            self._tell(scored, by_key)
        if self.reward is not None:
            reward = rewarded(self.reward, count, predictions, targets)
            if (lost := np.isnan(reward)).any():
                tell_failures(self.ledger, name_of(self.reward), lost, "it gave NaN")
                reward, failed = np.where(lost, 0.0, reward), failed | lost
        value = by_key[first.key][first.property]
        loss = first.loss(value, target_of.get(first, none)) if len(self.counted) == 1 else 1.0 - reward
        parts = np.stack(columns, axis=1) if components else None
        return Scores(reward, loss, predictions, value, parts, failed=failed)

    def _tell(self, scored: Sequence[Objective], predictions: Mapping[str, Predictions]) -> None:
        """Count the designs for which a model has no value, and warn of them."""
        for each in scored:
            lost = np.isnan(predictions[each.key][each.key])
            if lost.any():
                reason = predictions[each.key].failures[each.key][int(lost.argmax())]
                tell_failures(self.ledger, each.model.name, lost, reason)

    def _mean(self, rewards: Sequence[FloatArray]) -> FloatArray:
        """Return the (B,) weighted mean of the rewards of the objectives with a positive weight."""
        if len(rewards) == 1:
            return rewards[0]
        weights = np.array([each.weight for each in self.counted])
        return np.asarray((np.stack(rewards, axis=1) * weights).sum(axis=1) / weights.sum())

    def rewards(self, scores: Scores, targets: FloatArray) -> FloatArray:
        """Return the (B, k) rewards of each objective with a positive weight, from (B,) scores and their targets."""
        columns = np.asarray(targets, dtype=np.float64).reshape(len(scores.reward), len(self._targeted)).T
        target_of, none = dict(zip(self._targeted, columns, strict=True)), np.zeros(0)
        parts = [
            each.reward(each.loss(scores.predictions[each.property], target_of.get(each, none)))
            for each in self.counted
        ]
        return np.stack(parts, axis=1)

    # ---- goals

    def achieved(self, scores: Scores) -> FloatArray:
        """Return the (B, T) targeted properties of designs, in their units."""
        return np.stack([scores.predictions[objective.property] for objective in self._targeted], axis=1)

    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """Return the (B,) rewards of (B, T) achieved properties for any (B, T) targets."""
        return self._mean(tuple(tolerance(achieved - targets, self._margins).T))

    # ---- designs

    def tubes(self, designs: Designs) -> TubeBatch:
        """Return designs as tubes.

        Raises:
            ConfigurationError: if designs of this space are not tubes.
        """
        batch = self.space.decode(designs)
        if not isinstance(batch, TubeBatch):
            raise ConfigurationError(f"designs of {type(self.space).__name__} are not tubes: use `space.decode`")
        return batch

    def describe(self, design: Designs) -> str:
        """Return a description of one design in words."""
        return self.space.describe(np.asarray(design))


def _unverified(objective: Objective, count: int) -> Predictions:
    reason = f"no oracle computes {objective.key}: give an oracle to verify it"
    return Predictions({objective.key: np.full(count, np.nan)}, {objective.key: dict.fromkeys(range(count), reason)})


def sound(predictions: Any, objective: Objective, count: int, *, verified: bool) -> Predictions:
    """Return a model's predictions as (B,) numbers; values that are not finite count as failures with a reason.

    Raises:
        ModelError: if the model did not return predictions of B numbers.
    """
    key, model = objective.key, objective.oracle if verified and objective.oracle is not None else objective.model
    if not isinstance(predictions, Predictions):
        raise ModelError(f"{model.name} gave {predictions!r:.80}: `predict` must return matgym.models.Predictions")
    complete: Predictions = predictions
    values = complete[key]
    if not (isinstance(values, np.ndarray) and values.dtype == np.float64 and values.shape == (count,)):
        values = numbers(values, count, model.name)[:, 0]
        complete = replace(complete, values={**complete.values, key: values})
    valid = np.isfinite(values)
    if valid.all():
        return complete
    reasons = {row: without_value(model.name, values[row]) for row in np.flatnonzero(~valid).tolist()}
    failures = {**complete.failures, key: reasons | dict(complete.failures.get(key, {}))}
    return replace(complete, values={**complete.values, key: np.where(valid, values, np.nan)}, failures=failures)
