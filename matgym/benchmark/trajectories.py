"""What a record holds of the whole search: its trajectory, its best different designs, and their figures."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from matgym.benchmark.diversity import best_different, diversity, keys
from matgym.benchmark.fronts import hypervolume
from matgym.benchmark.search import Search
from matgym.tasks import Designs, DesignTask
from matgym.tasks.decoration import known_oracle
from matgym.typing import FloatArray

BEST: Final = 5
"""Number of best different designs of a search in its record."""

NOTHING: Final[dict[str, Any]] = {
    "hypervolume": np.nan, "violation": np.nan, "diversity": np.nan, "design": [], "described": "", "xyz": "",
    "best": [], "keys": [], "trajectory": [], "costs": [],
}  # fmt: skip
"""Columns of a record in rows that do not hold them."""


def hypervolumes(found: Search, marks: Sequence[int]) -> FloatArray:
    """Return the (marks,) hypervolumes of the rewards of all designs so far; NaN for one objective or several targets.

    The reference point has the reward 0 for each objective, so that a hypervolume lies between 0 and 1.
    """
    if found.trajectory is None or not found.trajectory.rewards.shape[1]:
        return np.full(len(marks), np.nan)
    return np.array([hypervolume(found.trajectory.rewards[:mark]) for mark in marks])


def last_of(task: DesignTask, found: Search) -> dict[str, Any]:
    """Return the columns of the last row of a search with one target."""
    trajectory = found.trajectory
    if trajectory is None:
        return {}
    usable = np.where(task.space.valid(trajectory.designs), trajectory.losses, np.inf)
    best = trajectory.designs[best_different(task.space, trajectory.designs, usable, BEST)]
    return {
        "best": best.astype(float).tolist(),
        "diversity": diversity(task.space, best),
        "keys": keys(task.space, best).view(np.int64).tolist(),
        "violation": violation(task, found.designs),
        "trajectory": trajectory.losses.tolist(),
        "costs": [] if task.constraint is None else trajectory.costs.tolist(),
    }


def violation(task: DesignTask, designs: Designs) -> float:
    """Return the violation of the constraint by one final design, by its oracle; NaN without constraint or oracle."""
    constraint = task.constraint
    if constraint is None or not task.space.valid(designs).all():
        return float("nan")
    if constraint.model.is_oracle:
        cost = task.cost(designs)
        return float("nan") if cost is None else float(cost[0])
    oracle = known_oracle(constraint.property)
    if oracle is None:
        return float("nan")
    values = oracle.predict(task.space.decode(designs))[constraint.property]
    return float(constraint.cost(values)[0])
