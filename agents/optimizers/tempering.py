"""Parallel tempering: Swendsen and Wang, Phys. Rev. Lett. 57, 2607 (1986); Geyer (1991)."""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.tasks import Designs, Scores
from matgym.typing import FloatArray

TEMPERATURES: Final = np.geomspace(0.0005, 0.05, 6)
"""Of the replicas, in units of reward. Chosen by us, untuned."""


class ParallelTempering(Optimizer):
    """Replicas at fixed temperatures that each mutate their design, and neighbours that exchange theirs."""

    _designs: Designs | None = None
    _rewards: FloatArray
    _turn = 0

    @override
    def ask(self) -> Designs:
        if self._designs is None:
            return self.problem.start(len(TEMPERATURES), self.rng)
        return self.space.mutate(self._designs, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        reward = scores.reward
        if self._designs is None:
            self._designs, self._rewards = designs.copy(), reward.copy()
            return
        accepted = self.rng.random(len(reward)) < np.exp(np.minimum(reward - self._rewards, 0.0) / TEMPERATURES)
        self._designs[accepted], self._rewards[accepted] = designs[accepted], reward[accepted]
        self._turn += 1
        for colder in range(self._turn % 2, len(TEMPERATURES) - 1, 2):
            pair = [colder, colder + 1]
            gain = (self._rewards[colder + 1] - self._rewards[colder]) * (
                1 / TEMPERATURES[colder] - 1 / TEMPERATURES[colder + 1]
            )
            if self.rng.random() < np.exp(min(gain, 0.0)):
                self._designs[pair], self._rewards[pair] = self._designs[pair[::-1]], self._rewards[pair[::-1]]
