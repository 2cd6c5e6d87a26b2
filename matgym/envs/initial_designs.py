"""Episodes that begin on an initial design: a finished one, a few atoms of which are removed for the agent to place."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.tasks import Decorations, DesignGenerator, DesignGeneratorLike, DesignTask, as_design_generator
from matgym.typing import FloatArray, IntArray, SpeciesArray

POOL: Final = 2048
"""Initial designs that are drawn at once, for targets spread evenly over the task's range."""

NEAREST: Final = 16
"""Of these, those nearest in target that an episode begins on one of. Both are chosen by us."""

REMOVED: Final = 4
"""Atoms of an initial design that are removed, if nothing else is said."""


@dataclass(frozen=True)
class InitialDesigns:
    """Begins episodes on designs of a generator.

    Designs are drawn once, always from the same generator of random numbers, so that they are part of what the
    environment is; which of them an episode begins on, and which atoms are removed, the episode's own generator
    draws. So a scalar environment and a batch of them begin alike, and a batch does not wait for single draws.

    Attributes:
        removed: atoms that the agent is to place anew.

    Raises:
        ConfigurationError: if the task has no target, its designs are not placed, or more atoms are to be removed than
            there are, or none.
    """

    task: DesignTask
    generator: DesignGenerator
    removed: int

    def __post_init__(self) -> None:
        if len(self.task.target_names) != 1 or not isinstance(self.task.space, Decorations):
            raise ConfigurationError("initial designs are drawn for a target of decorated tubes; this task has none")
        if not 1 <= self.removed <= self.space.edits.length:
            raise ConfigurationError(f"removed={self.removed} must be from 1 to {self.space.edits.length}, the budget")

    @classmethod
    def of(
        cls, task: DesignTask, generator: DesignGeneratorLike | None, removed: int | None
    ) -> "InitialDesigns | None":
        """Return initial designs from the arguments of an environment; None without initial designs.

        Raises:
            ConfigurationError: if `removed` would be without effect.
        """
        if generator is not None:
            return cls(task, as_design_generator(generator), REMOVED if removed is None else removed)
        if removed is not None:
            raise ConfigurationError(f"removed={removed} would be without effect: give initial_designs as well")
        return None

    @property
    def space(self) -> Decorations:
        """Of the task's designs."""
        space = self.task.space
        assert isinstance(space, Decorations)  # noqa: S101  # checked at construction; for mypy
        return space

    @cached_property
    def _pool(self) -> tuple[FloatArray, SpeciesArray]:
        """(POOL,) targets and (POOL, width) designs."""
        objective = self.task.objective
        targets = np.linspace(objective.low, objective.high, POOL)
        rows = self.space.encode(self.generator.sample(self.space, targets, np.random.default_rng(0)))
        if not self.space.valid(rows).all():
            raise ConfigurationError(f"{self.generator!r} gave a design whose composition is not the budget's")
        return targets, rows

    def begin(self, target: float, rng: np.random.Generator) -> tuple[SpeciesArray, IntArray]:
        """Return (width,) codes of a design with some atoms removed, and the (K,) atoms to be placed."""
        targets, rows = self._pool
        place = int(np.searchsorted(targets, target)) + int(rng.integers(-NEAREST // 2, NEAREST // 2))
        codes = rows[np.clip(place, 0, POOL - 1)].copy()
        codes[rng.choice(np.flatnonzero(codes), self.removed, replace=False)] = Species.C12
        return codes, self.space.edits.remaining(codes[None])[0]
