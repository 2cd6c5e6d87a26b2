"""Dense and sparse rewards: the same return, paid in each step or when an episode ends."""

from typing import Literal, TypeAlias

import numpy as np

from matgym.envs.builders import Builder, Placement
from matgym.errors import ConfigurationError
from matgym.tasks import DesignTask
from matgym.tasks.solved import Solved
from matgym.typing import BoolArray, FloatArray, IntArray

RewardType: TypeAlias = Literal["sparse", "dense"]
"""When an episode is rewarded:

- "sparse": at its end;
- "dense": in each step, by the change of the worth of what was made so far, which is 0 at the start.

The rewards of an episode have the same sum in both. Dense rewards are the sparse ones plus γΦ(s') - Φ(s) with γ = 1,
the worth as the potential Φ, and Φ = 0 at the end, so that the best policy is the same (Ng, Harada and Russell, ICML
1999).
"""


class Changes:
    """Dense rewards of a batch: changes of the worth of episodes."""

    def __init__(self, size: int, components: int | None = None) -> None:
        """Prepare for `size` episodes; `components` is the length of a vector reward."""
        self._worth = np.zeros(size if components is None else (size, components))

    def restart(self, rows: IntArray) -> None:
        """Set the worth of (k,) rows to 0."""
        self._worth[rows] = 0.0

    def of(self, rows: IntArray | slice, worth: FloatArray) -> FloatArray:
        """Return the (k,) or (k, n) changes of the worth of rows since the last step."""
        change = worth - self._worth[rows]
        self._worth[rows] = worth
        return np.asarray(change)

    def present(self, rows: IntArray | slice) -> FloatArray:
        """Return the (k,) or (k, n) present worth of rows, as a copy."""
        return np.array(self._worth[rows])


class Withheld:
    """Sparse rewards of a batch: dense ones, whose sum is paid when an episode ends."""

    def __init__(self, size: int, components: int | None = None) -> None:
        """Prepare for `size` episodes; `components` is the length of a vector reward."""
        self._sum = np.zeros(size if components is None else (size, components))

    def restart(self, rows: IntArray) -> None:
        """Forget the rewards of (k,) rows."""
        self._sum[rows] = 0.0

    def pay(self, rows: IntArray | slice, reward: FloatArray, ended: BoolArray) -> FloatArray:
        """Return the sums of the rewards of the rows that (k,) `ended`, and 0 for the others."""
        self._sum[rows] += reward
        over = ended if reward.ndim == 1 else ended[:, None]
        return np.where(over, self._sum[rows], 0.0)


def require_dense(task: DesignTask, builder: Builder, variant: str) -> None:
    """Check that the unfinished designs of a task can be rewarded.

    Args:
        task: the design task.
        builder: the builder of its designs.
        variant: the variant of the environment.

    Raises:
        ConfigurationError: if a design is made in one step, or a model is a table that holds finished designs only.
    """
    if builder.steps == 1:
        raise ConfigurationError("reward_type='dense' has no effect on a design that is made in one step: leave it out")
    scored = task.objectives if variant == "multi-objective" else task.counted
    for each in scored:
        if isinstance(each.model, Solved) and isinstance(builder, Placement):
            raise ConfigurationError(
                f"reward_type='dense' needs predictions of unfinished designs, and the table of {each.model.name} "
                "holds finished ones: give model='oracle' or another model"
            )
