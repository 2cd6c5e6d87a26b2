"""The tasks of the second track: many targets, of which each method gets only a few queries.

This is what learning is for: a policy is trained once, and then asked for designs for targets it has not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.tasks import DesignTask, chirality_task, decoration_task
from matgym.typing import FloatArray

UNSEEN_TARGETS_SEED: Final = 2026
"""Draws the targets; no training and no tuning uses it."""


@dataclass(frozen=True, eq=False)
class AmortisedTask:
    """Targets to be met.

    Attributes:
        name: in tables.
        title: one line.
        make: the task.
        met: loss within which a target counts as met, by the oracle, in the unit of the loss. Chosen by us.
        environment: on which policies are trained; named hyper-parameters go with it. Empty if none are.
        against_best: whether losses are counted from the best that any design reaches for a target, which is known
            where all can be enumerated: not every combination of targets can be had.
        given: (T,) or (T, k) targets in place of those drawn by `UNSEEN_TARGETS_SEED`.
    """

    name: str
    title: str
    make: Callable[[], DesignTask]
    met: float
    environment: str = ""
    against_best: bool = False
    given: FloatArray | None = None

    def best(self, targets: FloatArray) -> FloatArray:
        """(T,) least loss that any design has for each target; 0 where losses are not counted from it."""
        if not self.against_best:
            return np.zeros(len(targets))
        task = self.make()
        every = np.concatenate(list(task.space.enumerate()))
        rows = [task.score(every, np.broadcast_to(target, (len(every), *target.shape))).loss for target in targets]
        return np.array([np.nanmin(losses) for losses in rows])

    def targets(self, count: int) -> FloatArray:
        """(T,) or (T, k) targets: those given, or as many as asked for that no training and no tuning has seen."""
        if self.given is not None:
            return self.given
        return self.make().draw_targets([np.random.default_rng(UNSEEN_TARGETS_SEED)] * count)


AMORTISED: Final = {
    task.name: task
    for task in (
        AmortisedTask(
            "doping-targets",
            "a band gap to be met within 20 meV by eight B and eight N on 128 sites of (8,0), rewarded by a network",
            decoration_task, 0.02, "matgym/NanotubeDoping-v0",
        ),
        AmortisedTask(
            "chirality-targets",
            "gap, diameter and length to be met: a mean tolerance within 0.1 of the best of all 15,708 tubes",
            chirality_task, 0.1, "matgym/NanotubeChirality-v0", against_best=True,
        ),
    )
}  # fmt: skip
"""Name to task."""


def amortised(name: str) -> AmortisedTask:
    """A task of the second track by its name.

    Raises:
        ConfigurationError: if there is none.
    """
    if name not in AMORTISED:
        close = get_close_matches(name, AMORTISED, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(f"there is no amortised task {name!r}; {hint}there are {', '.join(AMORTISED)}")
    return AMORTISED[name]
