"""Episodes that begin on a seed: a finished design, a few atoms of which are lifted off for the agent to place."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.tasks import Seeder, SeederLike, TargetProperty, as_seeder
from matgym.typing import FloatArray, IntArray, SpeciesArray

POOL: Final = 2048
"""Seeds that are drawn at once, for targets spread evenly over the task's range."""

NEAREST: Final = 16
"""Of these, those nearest in target that an episode begins on one of. Both are chosen by us."""


@dataclass(frozen=True)
class Seeding:
    """Begins episodes on seeds.

    Seeds are drawn once, always from the same generator of random numbers, so that they are part of what the
    environment is; which of them an episode begins on, and which atoms are lifted off, the episode's own generator
    draws. So a scalar environment and a batch of them begin alike, and a batch does not wait for single draws.

    Attributes:
        task: what is designed.
        seeder: of the designs.
        lifted: atoms that the agent is to place anew.
    """

    task: TargetProperty
    seeder: Seeder
    lifted: int

    @classmethod
    def of(cls, task: TargetProperty, seeder: SeederLike | None, lifted: int) -> "Seeding | None":
        """From an environment's arguments; None where episodes begin on the undecorated tube.

        Raises:
            ConfigurationError: if more atoms are to be lifted than there are, or none.
        """
        if seeder is None:
            return None
        if not 1 <= lifted <= task.edits.length:
            raise ConfigurationError(f"lifted={lifted} must be from 1 to {task.edits.length}, the budget's atoms")
        return cls(task, as_seeder(seeder), lifted)

    @cached_property
    def _pool(self) -> tuple[FloatArray, SpeciesArray]:
        """(POOL,) targets and (POOL, n_sites) seeds."""
        targets = np.linspace(self.task.low, self.task.high, POOL)
        seeds = self.seeder.seed(self.task.lattice, self.task.edits, targets, np.random.default_rng(0))
        if not self.task.edits.complete(seeds).all():
            raise ConfigurationError(f"{self.seeder!r} gave a design whose composition is not the budget's")
        return targets, seeds

    def begin(self, target: float, rng: np.random.Generator) -> tuple[SpeciesArray, IntArray]:
        """(n_sites,) codes of a seed with some atoms lifted off, and (K,) what is then to be placed."""
        targets, seeds = self._pool
        place = int(np.searchsorted(targets, target)) + int(rng.integers(-NEAREST // 2, NEAREST // 2))
        codes = seeds[np.clip(place, 0, POOL - 1)].copy()
        codes[rng.choice(np.flatnonzero(codes), self.lifted, replace=False)] = Species.C12
        return codes, self.task.edits.remaining(codes[None])[0]
