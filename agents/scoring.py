"""Scores of what an optimizer asks: every design counts, and designs that are not allowed have a reward of 0."""

from dataclasses import replace
from typing import Any

import numpy as np

from matgym.models import Predictions
from matgym.tasks import Designs, DesignTask, Scores
from matgym.typing import BoolArray, FloatArray


def score_asked(task: DesignTask, designs: Designs, targets: FloatArray) -> Scores:
    """Score designs; every design counts as an evaluation.

    An invalid design has a reward of 0, and is not given to the models. A design that violates the constraint has a
    reward of 0 and no loss, so that no search returns it; its predictions and its cost are those of the models.
    """
    return without_violations(_score_known(task, designs, targets))


def without_violations(scores: Scores) -> Scores:
    """Return scores in which designs that violate the constraint have a reward of 0 and no loss."""
    if scores.cost is None:
        return scores
    allowed = scores.cost <= 0.0
    reward, loss = np.where(allowed, scores.reward, 0.0), np.where(allowed, scores.loss, np.nan)
    return replace(scores, reward=reward, loss=loss)


def _score_known(task: DesignTask, designs: Designs, targets: FloatArray) -> Scores:
    """Score designs; invalid ones have a reward of 0, no loss, no value and the cost 1."""
    valid = task.space.valid(designs)
    if valid.all():
        return task.score(designs, targets)
    scored = designs.copy()
    scored[~valid] = task.space.sample(1, np.random.default_rng(0))  # in its place, so that the evaluation is counted
    scores = task.score(scored, targets)
    return replace(
        scores,
        reward=np.where(valid, scores.reward, 0.0),
        loss=np.where(valid, scores.loss, np.nan),
        value=np.where(valid, scores.value, np.nan),
        predictions=_without(scores.predictions, ~valid),
        cost=None if scores.cost is None else np.where(valid, scores.cost, 1.0),
        failed=None if scores.failed is None else scores.failed | ~valid,
        bounded=None if scores.bounded is None else _without(scores.bounded, ~valid),
    )


def _without(predictions: Predictions, rows: BoolArray) -> Predictions:
    """Return predictions of which some rows are not known, because they are not designs."""
    reasons = dict.fromkeys(np.flatnonzero(rows).tolist(), "it is not a design of the space")
    columns: dict[str, Any] = {
        name: {key: np.where(rows, np.nan, array) for key, array in getattr(predictions, name).items()}
        for name in ("values", "sd", "half_width", "members")
    }
    failures = {key: dict(predictions.failures.get(key, {})) | reasons for key in predictions.values}
    return replace(predictions, failures=failures, **columns)
