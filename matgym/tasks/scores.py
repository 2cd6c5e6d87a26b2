"""The scores of designs: rewards, losses, predictions and violations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matgym.frozen import ValueObject, returns_read_only
from matgym.models import Predictions
from matgym.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Scores(ValueObject):
    """Rewards, losses and predictions of designs.

    Attributes:
        reward: (B,) rewards in [0, 1].
        loss: (B,) losses to minimize: of one objective in its property's unit, see `Objective.loss`; of several
            objectives, 1 - reward.
        predictions: predictions of every objective that was scored.
        value: (B,) values of the first objective's property; NaN where the model failed.
        components: (B, k) rewards of each objective; None if they were not computed.
        cost: (B,) violation of the constraint as a share of its bound, 0 where it is met; None if there is no
            constraint.
        failed: (B,) whether a model or the reward function had no value for the design; None if this was not checked.
        bounded: predictions of the constraint's property; None if there is no constraint.
    """

    reward: FloatArray
    loss: FloatArray
    predictions: Predictions
    value: FloatArray
    components: FloatArray | None = None
    cost: FloatArray | None = None
    failed: BoolArray | None = None
    bounded: Predictions | None = None

    @classmethod
    def stacked(cls, parts: Sequence["Scores"]) -> "Scores":
        """Return the scores of several batches of one task as one batch."""
        columns: dict[str, FloatArray | BoolArray | None] = {}
        for name in ("reward", "loss", "value", "components", "cost", "failed"):
            known = [column for part in parts if (column := getattr(part, name)) is not None]
            columns[name] = np.concatenate(known) if len(known) == len(parts) else None
        bounded = [part.bounded for part in parts if part.bounded is not None]
        return cls(
            predictions=Predictions.stacked([part.predictions for part in parts]),
            bounded=Predictions.stacked(bounded) if bounded else None,
            **columns,  # type: ignore[arg-type]
        )

    def take(self, rows: IntArray | BoolArray) -> "Scores":
        """Return the scores of some rows, given as indices or as a mask."""
        return Scores(
            self.reward[rows],
            self.loss[rows],
            self.predictions.take(rows),
            self.value[rows],
            None if self.components is None else self.components[rows],
            None if self.cost is None else self.cost[rows],
            None if self.failed is None else self.failed[rows],
            None if self.bounded is None else self.bounded.take(rows),
        )

    @property
    @returns_read_only
    def sd(self) -> FloatArray:
        """(B,) standard deviation of the value; NaN if the model has no uncertainty."""
        key = next(iter(self.predictions.values), "")
        return self.predictions.sd.get(key, np.full(len(self.reward), np.nan))
