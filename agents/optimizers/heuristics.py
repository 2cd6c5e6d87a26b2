"""Random search (the baseline) and heuristics. Their constants were chosen by the authors of matgym.

No method pays for a design twice: what a proposal was worth before is remembered (`Memory`).
"""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.agents.optimizers.memory import TRIES, Memory
from matgym.agents.problem import Problem
from matgym.errors import ConfigurationError
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
MUTATED: Final = 0.5
"""Population size and tournament size of the genetic algorithm, and share of children that are also mutated. They are
not tuned."""

PATIENCE: Final = 32
"""Number of neighbours that hill climbing tries without success before it starts again. It is not tuned."""


class RandomSearch(Optimizer):
    """Random search: every design is drawn independently."""

    concurrent = True

    @override
    def ask(self) -> Designs:
        return self.problem.start(1, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        """Do nothing, because random search uses no scores."""


class Remembering(Optimizer):
    """A search that remembers what it asked and what was known before."""

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        super().__init__(problem, budget, rng)
        self.memory = Memory(self.space)
        if problem.known is not None:
            self.memory.add(problem.known.designs, problem.known.scores.reward)


class FromOne(Remembering):
    """A search that changes one design, at first the best known one if there is any."""

    _design: Designs | None = None
    _reward = -np.inf

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        super().__init__(problem, budget, rng)
        designs, rewards = problem.best_known(1)
        if len(designs):
            self._design, self._reward = designs, float(rewards[0])


class HillClimbing(FromOne):
    """Hill climbing with restarts: a mutation is kept if it is not worse (first improvement).

    After `PATIENCE` mutations in a row without improvement, or when every neighbour is known, the search starts again
    from a new design.
    """

    _failed = 0

    @override
    def ask(self) -> Designs:
        if self._design is not None and self._failed < PATIENCE:
            for _ in range(TRIES):
                proposed = self.space.mutate(self._design, self.rng)
                if self.memory.reward(proposed) is None:
                    return proposed
        self._design, self._reward, self._failed = None, -np.inf, 0  # and when every neighbour is known
        return self.memory.new(lambda: self.problem.start(1, self.rng), self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self.memory.add(designs, scores.reward)
        reward = float(scores.reward[0])
        self._failed = 0 if reward > self._reward else self._failed + 1
        if self._design is None or reward >= self._reward:
            self._design, self._reward = designs.copy(), reward


class SimulatedAnnealing(FromOne):
    """Simulated annealing of one design (Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983)).

    Args:
        hot: first temperature, in units of reward.
        cold: last temperature.
    """

    _turn = 0

    def __init__(
        self, problem: Problem, budget: int, rng: np.random.Generator, hot: float = HOT, cold: float = COLD
    ) -> None:
        super().__init__(problem, budget, rng)
        if not hot >= cold > 0.0:
            raise ConfigurationError(f"hot={hot} and cold={cold} must be positive, and cold at most hot")
        self._hot, self._cold = hot, cold

    @override
    def ask(self) -> Designs:
        if self._design is None:
            return self.problem.start(1, self.rng)
        proposed = self.space.mutate(self._design, self.rng)
        for _ in range(TRIES):
            known = self.memory.reward(proposed)
            if known is None:
                return proposed
            self._consider(proposed, known)
            proposed = self.space.mutate(self._design, self.rng)
        return self.memory.new(lambda: proposed, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self.memory.add(designs, scores.reward)
        self._consider(designs, float(scores.reward[0]))
        self._turn += 1

    def _consider(self, proposed: Designs, reward: float) -> None:
        """Accept a design by the rule of Metropolis."""
        temperature = self._hot * (self._cold / self._hot) ** (self._turn / max(self.budget - 1, 1))
        gain = min(reward - self._reward, 0.0)
        if self._design is None or self.rng.random() < np.exp(gain / temperature):
            self._design, self._reward = proposed.copy(), reward


class ParallelTempering(Remembering):
    """Parallel tempering: replicas at fixed temperatures mutate their designs, and neighbours exchange them.

    Source: Swendsen and Wang, Phys. Rev. Lett. 57, 2607 (1986); Geyer (1991).
    """

    _designs: Designs | None = None
    _rewards: FloatArray
    _turn = 0

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        super().__init__(problem, budget, rng)
        designs, rewards = problem.best_known(len(TEMPERATURES))
        if len(designs) == len(TEMPERATURES):  # the best is the coldest
            self._designs, self._rewards = designs.copy(), rewards.copy()

    @override
    def ask(self) -> Designs:
        if self._designs is None:
            return self.memory.new(lambda: self.problem.start(len(TEMPERATURES), self.rng), self.rng)
        current = self._designs
        return self.memory.new(lambda: self.space.mutate(current, self.rng), self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        reward = scores.reward
        self.memory.add(designs, reward)
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


class GeneticAlgorithm(Remembering):
    """Steady-state genetic algorithm (Whitley, Proc. 3rd ICGA (1989)).

    The design space recombines two parents, and mutates a share of the children. Each step makes one child, which
    replaces the worst individual.
    """

    _population: Designs | None = None  # (POPULATION, width)
    _rewards: FloatArray

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        super().__init__(problem, budget, rng)
        designs, rewards = problem.best_known(POPULATION)
        if len(designs) == POPULATION:
            self._population, self._rewards = designs.copy(), rewards.copy()

    @override
    def ask(self) -> Designs:
        if self._population is None:
            return self.memory.new(lambda: self.problem.start(POPULATION, self.rng), self.rng)
        return self.memory.new(self._child, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        reward = scores.reward
        self.memory.add(designs, reward)
        if self._population is None:
            self._population, self._rewards = designs.copy(), reward.copy()
            return
        worst = int(self._rewards.argmin())
        if reward[0] >= self._rewards[worst]:
            self._population[worst], self._rewards[worst] = designs[0], reward[0]

    def _child(self) -> Designs:
        assert self._population is not None  # noqa: S101 - `ask` made it
        first, second = (self._population[[self._parent()]] for _ in range(2))
        child = self.space.recombine(first, second, self.rng)
        return self.space.mutate(child, self.rng) if self.rng.random() < MUTATED else child

    def _parent(self) -> int:
        drawn = self.rng.integers(len(self._rewards), size=TOURNAMENT)
        return int(drawn[np.argmax(self._rewards[drawn])])
