"""Look-up: random designs are scored once, and the nearest of them answers every target.

The cheapest thing that amortises: what a trained policy has to beat with as many scored designs as its training used.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.policy import Policy
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.tasks import Designs, DesignTask
from matgym.typing import FloatArray

LOOK_UP: Final = "look-up"
"""What a suite names instead of an algorithm that is trained."""

PART: Final = 1_000
"""Number of designs that are scored at once."""


@dataclass(frozen=True, eq=False)
class LookUp(ValueObject, Policy):
    """A table of scored designs.

    The k-th design for a target is the k-th best of the table by the reward for that target. Make a table by `of`.

    Attributes:
        designs: (N, width) scored designs.
        achieved: (N, T) their targeted properties.
    """

    designs: Designs = field(default_factory=lambda: np.zeros((0, 0)))
    achieved: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    _turn: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def of(cls, task: DesignTask, designs: int, rng: np.random.Generator, name: str = LOOK_UP) -> "LookUp":
        """Draw random designs, and score them on the ledger of a task.

        Raises:
            ConfigurationError: if the task has no targets.
        """
        if not task.target_names:
            raise ConfigurationError("look-up needs a task with targets: this one wants an extreme; use a search")
        drawn = (task.space.sample(min(PART, designs - start), rng) for start in range(0, designs, PART))
        return cls.of_designs(task, drawn, rng, name)

    @classmethod
    def of_designs(
        cls, task: DesignTask, designs: Iterable[Designs], rng: np.random.Generator, name: str = LOOK_UP
    ) -> "LookUp":
        """Score given designs on the ledger of a task.

        Args:
            task: a task with targets.
            designs: batches of designs.
            rng: source of the targets of these scores, whose rewards are not used.
            name: name in tables.

        Raises:
            ConfigurationError: if none of the designs has a value.
        """
        parts, achieved = [], []
        for part in designs:
            targets = task.draw_targets([rng] * len(part))  # their rewards are not used
            achieved.append(task.achieved(task.score(part, targets)))
            parts.append(part)
        table = np.concatenate(achieved)
        sound = np.isfinite(table).all(axis=1)
        if not sound.any():
            raise ConfigurationError(f"none of {len(table)} designs has a value: there is nothing to look up")
        return cls(None, name, masked=False, designs=np.concatenate(parts)[sound], achieved=table[sound])

    @override
    def design(
        self, task: DesignTask, targets: FloatArray, *, deterministic: bool, rng: np.random.Generator | None = None
    ) -> Designs:
        """Return (T, width) designs: the nearest of each target, and with every further call the next nearest.

        Args:
            task: the design task.
            targets: (T,) or (T, k) target values.
            deterministic: whether to begin with the nearest.
            rng: not used.
        """
        self._turn[0] = 0 if deterministic else self._turn[0] + 1
        place = min(self._turn[0], len(self.designs) - 1)
        rows = [np.argsort(-self._rewards(task, target), kind="stable")[place] for target in targets]
        return np.asarray(self.designs[rows])

    def _rewards(self, task: DesignTask, target: Any) -> FloatArray:
        """Return the (N,) rewards of the table for one target."""
        wanted = np.broadcast_to(np.atleast_1d(target), self.achieved.shape)
        return task.reward_of(self.achieved, wanted)
