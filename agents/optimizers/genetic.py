"""A steady-state genetic algorithm: Whitley, Proc. 3rd ICGA (1989), one child a turn."""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.tasks import Designs, Scores
from matgym.typing import FloatArray

POPULATION: Final = 24
TOURNAMENT: Final = 3
"""Individuals, and those drawn for a parent's place. Chosen by us, untuned."""


class GeneticAlgorithm(Optimizer):
    """Parents are recombined as their space has it; the worst gives way.

    On tubes that is by the lattice: see `matgym.tasks.Decorations`.
    """

    _population: Designs | None = None  # (POPULATION, width)
    _rewards: FloatArray

    @override
    def ask(self) -> Designs:
        if self._population is None:
            return self.problem.start(POPULATION, self.rng)
        first, second = (self._population[[self._parent()]] for _ in range(2))
        return self.space.recombine(first, second, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        reward = scores.reward
        if self._population is None:
            self._population, self._rewards = designs.copy(), reward.copy()
            return
        worst = int(self._rewards.argmin())
        if reward[0] >= self._rewards[worst]:
            self._population[worst], self._rewards[worst] = designs[0], reward[0]

    def _parent(self) -> int:
        drawn = self.rng.integers(len(self._rewards), size=TOURNAMENT)
        return int(drawn[np.argmax(self._rewards[drawn])])
