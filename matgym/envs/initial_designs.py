"""Initial designs of episodes: finished designs, from which a few atoms are removed for the agent to place."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures import Species
from matgym.tasks import Decorations, DesignGenerator, DesignGeneratorLike, DesignTask, as_design_generator
from matgym.typing import FloatArray, IntArray, SpeciesArray

POOL: Final = 2048
"""The number of initial designs in the pool, for targets at equal distances over the range of the task."""

NEAREST: Final = 16
"""The number of designs with the nearest targets from which an episode draws one. We chose both numbers."""

REMOVED: Final = 4
"""The default number of atoms that are removed from an initial design."""


@dataclass(frozen=True)
class InitialDesigns(ValueObject):
    """The initial designs of episodes, from a generator of designs.

    The designs are drawn once, always with the same seed, so that they are a fixed part of the environment. The random
    generator of an episode selects one of them and the removed atoms. Scalar and batched environments therefore begin
    with the same designs, and a batch does not wait for single draws.

    Attributes:
        removed: the number of atoms that the agent places again.

    Raises:
        ConfigurationError: if the task has no target or no decorated tubes, or `removed` is not from 1 to the budget.
    """

    task: DesignTask
    generator: DesignGenerator
    removed: int

    def __post_init__(self) -> None:
        if len(self.task.target_names) != 1 or not isinstance(self.task.space, Decorations):
            raise ConfigurationError(
                "initial designs need a task of decorated tubes with a target: leave out initial_designs"
            )
        if not 1 <= self.removed <= self.space.edits.length:
            raise ConfigurationError(f"removed={self.removed} must be from 1 to {self.space.edits.length}, the budget")
        super().__post_init__()

    @classmethod
    def of(
        cls, task: DesignTask, generator: DesignGeneratorLike | None, removed: int | None
    ) -> "InitialDesigns | None":
        """Return initial designs from the arguments of an environment; None without initial designs.

        Raises:
            ConfigurationError: if `removed` has no effect.
        """
        if generator is not None:
            return cls(task, as_design_generator(generator), REMOVED if removed is None else removed)
        if removed is not None:
            raise ConfigurationError(f"removed={removed} has no effect: give initial_designs as well")
        return None

    @property
    def space(self) -> Decorations:
        """The design space of the task."""
        space = self.task.space
        assert isinstance(space, Decorations)  # noqa: S101  # checked at construction; for mypy
        return space

    @cached_property
    @returns_read_only
    def _pool(self) -> tuple[FloatArray, SpeciesArray]:
        """(POOL,) targets and (POOL, width) initial designs."""
        objective = self.task.objective
        targets = np.linspace(objective.low, objective.high, POOL)
        rows = self.space.encode(self.generator.sample(self.space, targets, np.random.default_rng(0)))
        if not self.space.valid(rows).all():
            raise ConfigurationError(
                f"{self.generator!r} gave a design whose composition differs from the budget: give another generator"
            )
        return targets, rows

    def begin(self, target: float, rng: np.random.Generator) -> tuple[SpeciesArray, IntArray]:
        """Return (width,) codes of a design with some atoms removed, and the (K,) atoms to be placed."""
        targets, rows = self._pool
        place = int(np.searchsorted(targets, target)) + int(rng.integers(-NEAREST // 2, NEAREST // 2))
        codes = rows[np.clip(place, 0, POOL - 1)].copy()
        codes[rng.choice(np.flatnonzero(codes), self.removed, replace=False)] = Species.C12
        return codes, self.space.edits.remaining(codes[None])[0]
