"""Rules and searches that decide on whole designs: the scripted experts of the design environments."""

from typing import Final

import numpy as np

from matgym.agents.look_up import PART, LookUp
from matgym.tasks import Designs, DesignTask
from matgym.tasks.rings import RingSpace
from matgym.typing import FloatArray

EVALUATIONS: Final = 64
"""The number of designs that a search within an episode scores. A choice of ours."""


def search(task: DesignTask, targets: FloatArray, rng: np.random.Generator, evaluations: int = EVALUATIONS) -> Designs:
    """Return the best design of a short search for each target: first random designs, then mutations of the best.

    Without targets all episodes are the same problem, which is searched once.

    Args:
        task: the design task. Its ledger counts the evaluations.
        targets: (B,), (B, T) or (B, 0) targets.
        rng: the only source of randomness.
        evaluations: number of designs that are scored for each target; half of them are random.

    Returns:
        (B, width) designs.
    """
    problems = targets if task.target_names else targets[:1]
    best = task.space.sample(len(problems), rng)
    reward = task.score(best, problems).reward.copy()
    for turn in range(1, evaluations):
        random = turn < evaluations // 2
        designs = task.space.sample(len(best), rng) if random else task.space.mutate(best, rng)
        scores = task.score(designs, problems).reward
        better = scores > reward
        best[better], reward[better] = designs[better], scores[better]
    return best if task.target_names else np.repeat(best, len(targets), axis=0)


class WholeTable:
    """Look up the best of all designs of a space, which are scored once for each task."""

    def __init__(self) -> None:
        """Prepare without a table."""
        self._task: DesignTask | None = None
        self._table = LookUp(None, "table", masked=False)

    def __call__(self, task: DesignTask, targets: FloatArray, rng: np.random.Generator) -> Designs:
        """Return (B, width) designs; the arguments are those of `search`."""
        if not task.target_names:
            return search(task, targets, rng)
        if task is not self._task:
            self._task, self._table = task, LookUp.of_designs(task, task.space.enumerate(PART), rng)
        return self._table.design(task, targets, deterministic=True)


def graded_rings(task: DesignTask, targets: FloatArray, rng: np.random.Generator) -> Designs:
    """Return rings in blocks of 1, 1, 2, 2, 3, 3 … heavy and light ones, for a small thermal conductance.

    Phonons of each wavelength meet blocks of a similar length, as in graded superlattices. For other aims, or designs
    other than rings, a search decides; the arguments are those of `search`.
    """
    if not isinstance(task.space, RingSpace) or task.objective.direction != "minimize":
        return search(task, targets, rng)
    lengths = np.repeat(np.arange(1, task.space.width + 1), 2)
    heavy = np.repeat((np.arange(len(lengths)) + 1) % 2, lengths)[: task.space.width]
    return np.tile(heavy.astype(np.int64), (len(targets), 1))
