"""Random search (the baseline) and three heuristics. Their constants were chosen by the authors of matgym."""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.tasks import Designs, Scores
from matgym.typing import FloatArray

HOT: Final = 0.01
COLD: Final = 0.0005
"""First and last temperature of simulated annealing, in units of reward. The temperature decreases geometrically over
the budget. This is the best of eleven schedules on 60 targets of seed 1000 at 16 and 64 evaluations of the surrogate.
No reported run uses these targets."""

TEMPERATURES: Final = np.geomspace(0.0005, 0.05, 6)
"""Temperatures of the replicas of parallel tempering, in units of reward. They are not tuned."""

POPULATION: Final = 24
TOURNAMENT: Final = 3
"""Population size and tournament size of the genetic algorithm. They are not tuned."""


class RandomSearch(Optimizer):
    """Random search: every design is drawn independently."""

    @override
    def ask(self) -> Designs:
        return self.problem.start(1, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        """Do nothing, because random search uses no scores."""


class SimulatedAnnealing(Optimizer):
    """Simulated annealing of one design (Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983))."""

    _design: Designs | None = None
    _reward = 0.0
    _turn = 0

    @override
    def ask(self) -> Designs:
        if self._design is None:
            return self.problem.start(1, self.rng)
        return self.space.mutate(self._design, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        reward = float(scores.reward[0])
        temperature = HOT * (COLD / HOT) ** (self._turn / max(self.budget - 1, 1))
        gain = min(reward - self._reward, 0.0)
        if self._design is None or self.rng.random() < np.exp(gain / temperature):
            self._design, self._reward = designs.copy(), reward
        self._turn += 1


class ParallelTempering(Optimizer):
    """Parallel tempering: replicas at fixed temperatures mutate their designs, and neighbours exchange them.

    Source: Swendsen and Wang, Phys. Rev. Lett. 57, 2607 (1986); Geyer (1991).
    """

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


class GeneticAlgorithm(Optimizer):
    """Steady-state genetic algorithm (Whitley, Proc. 3rd ICGA (1989)).

    The design space recombines two parents. Each step makes one child, which replaces the worst individual.
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
