"""Training of a network that chooses, over many problems, by proximal policy optimization.

Each update searches a few problems several times. A choice is rewarded by the later gains of the search's best reward,
which are discounted and scaled by the standard deviation of the rewards of random designs. The baseline is the mean of
the searches of the same problem at the same number of evaluations.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

import numpy as np
import torch

from matgym.agents.choosing.network import ChoiceNetwork
from matgym.agents.choosing.policy_gradient import Choices, Updates, learn
from matgym.agents.problem import Problem
from matgym.agents.scoring import without_violations
from matgym.tasks import Designs, Scores
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Settings(Updates):
    """Settings of a training. They are choices of ours.

    Attributes:
        updates: number of updates of the network.
        problems: number of problems of an update.
        searches: number of searches of each of them.
        budgets: numbers of evaluations of a search, of which each update takes one.
        discount: discount of later gains.
        hidden: width of the network's hidden layers.
        seed: random seed.
    """

    updates: int = 60
    problems: int = 2
    searches: int = 8
    budgets: tuple[int, ...] = (32, 48)
    discount: float = 0.95
    hidden: int = 32
    seed: int = 0


N = TypeVar("N", bound=ChoiceNetwork)


@dataclass
class ChoiceTraining(ABC, Generic[N]):
    """A training.

    Attributes:
        problems: the problems, whose tasks score designs and count evaluations.
        settings: the settings.
        evaluations: number of designs that were evaluated so far.
        network: class of the network.
    """

    network: ClassVar[type[ChoiceNetwork]]

    problems: Sequence[Problem]
    settings: Settings
    evaluations: int = field(default=0, init=False)

    @abstractmethod
    def searched(self, place: int, network: N, budget: int, rng: np.random.Generator) -> tuple[Choices, float]:
        """Search the problem with an index several times with a number of evaluations.

        Returns:
            The choices of all searches, and the mean gain of a search.
        """

    def run(self, on_update: Callable[[int, float], None] = lambda *_: None) -> N:
        """Return the trained network; `on_update` gets the number of each update and the mean gain of its searches."""
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network: N = self.network(settings.hidden)  # type: ignore[assignment]  # the class of this training
        adam = torch.optim.Adam(network.parameters(), lr=settings.rate)
        for update in range(settings.updates):
            budget = int(rng.choice(settings.budgets))
            chosen = rng.choice(len(self.problems), settings.problems, replace=False)
            parts = [self.searched(int(each), network, budget, rng) for each in chosen]
            joined = (np.concatenate(each) for each in zip(*(choices for choices, _ in parts), strict=True))
            learn(network, adam, Choices(*joined), settings, rng)
            on_update(update + 1, float(np.mean([gain for _, gain in parts])))
        return network

    def score(self, problem: Problem, designs: Designs) -> tuple[Scores, FloatArray]:
        """Return the scores of designs, and their (B,) rewards, which are 0 where the constraint is violated."""
        self.evaluations += len(designs)
        scores = problem.task.score(designs, problem.targets(len(designs)))
        return scores, without_violations(scores).reward

    def advantages(self, gains: FloatArray) -> FloatArray:
        """Return (turns, searches) advantages of the choices that led to gains of the best reward."""
        returns = np.array(gains)
        for turn in range(len(returns) - 2, -1, -1):
            returns[turn] += self.settings.discount * returns[turn + 1]
        returns -= returns.mean(axis=1, keepdims=True)
        return np.asarray(returns / (returns.std() or 1.0))
