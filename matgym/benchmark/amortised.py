"""The tasks of the second track: many targets, of which each method gets only a few queries.

This is what learning is for: a policy is trained once, and then asked for designs for targets it has not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matgym.benchmark.compare import MET_EV, UNSEEN_TARGETS_SEED
from matgym.tasks import DesignTask, TargetProperty
from matgym.tasks.chirality import ChiralityTask
from matgym.typing import FloatArray


@dataclass(frozen=True)
class AmortisedTask:
    """Targets to be met.

    Attributes:
        title: one line.
        make: the task.
        environment: on which policies are trained; named hyper-parameters go with it.
        met: loss within which a target counts as met, by physics. Chosen by us.
        against_best: whether losses are counted from the best that any design reaches for a target, which is known
            where all can be enumerated: not every combination of targets can be had.
    """

    title: str
    make: Callable[[], DesignTask]
    environment: str
    met: float
    against_best: bool = False

    def best(self, targets: FloatArray) -> FloatArray:
        """(T,) least loss that any design has for each target; 0 where losses are not counted from it."""
        if not self.against_best:
            return np.zeros(len(targets))
        task = self.make()
        every = np.concatenate(list(task.space.enumerate()))
        rows = [task.score(every, np.broadcast_to(target, (len(every), *target.shape))).loss for target in targets]
        return np.array([np.nanmin(losses) for losses in rows])

    def targets(self, count: int) -> FloatArray:
        """Targets that no training and no tuning has seen: they are drawn by a generator of their own."""
        task, rng = self.make(), np.random.default_rng(UNSEEN_TARGETS_SEED)
        drawn: list[Any] = [task.draw_target(rng) for _ in range(count)]
        return np.array(drawn)


AMORTISED: Final = {
    "doping-targets": AmortisedTask(
        "a band gap to be met within 20 meV by eight B and eight N on 128 sites of (8,0), rewarded by a network",
        TargetProperty, "matgym/NanotubeDoping-v0", MET_EV,
    ),
    "chirality-targets": AmortisedTask(
        "gap, diameter and length to be met: a mean tolerance within 0.1 of the best of all 15,708 tubes",
        ChiralityTask, "matgym/NanotubeChirality-v0", 0.1, against_best=True,
    ),
}  # fmt: skip
"""Name to task."""
