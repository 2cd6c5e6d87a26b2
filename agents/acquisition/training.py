"""Training of the acquisition function over many problems, by proximal policy optimization.

Each update searches a few problems several times, from the same first designs. A choice is rewarded by the later gains
of the search's best reward, which are discounted and scaled by the standard deviation of the rewards of random designs.
The baseline is the mean of the searches of the same problem at the same number of evaluations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from matgym.agents.acquisition.network import AcquisitionNetwork
from matgym.agents.optimizers.learned_acquisition import LearnedAcquisition
from matgym.agents.optimizers.pair_model import START
from matgym.agents.problem import Problem
from matgym.agents.proposals.policy_gradient import Updates, learn
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

    updates: int = 40
    problems: int = 2
    searches: int = 6
    budgets: tuple[int, ...] = (40, 56, 80)
    discount: float = 0.97
    rate: float = 3e-3
    hidden: int = 16
    seed: int = 0


@dataclass
class Training:
    """A training of the acquisition function.

    Attributes:
        problems: the problems, whose tasks score designs and count evaluations.
        settings: the settings.
        evaluations: number of designs that were evaluated so far.
    """

    problems: Sequence[Problem]
    settings: Settings
    evaluations: int = 0

    def run(self, on_update: Callable[[int, float], None] = lambda *_: None) -> AcquisitionNetwork:
        """Return the trained network; `on_update` gets the number of each update and the mean gain of its searches."""
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = AcquisitionNetwork(settings.hidden)
        adam = torch.optim.Adam(network.parameters(), lr=settings.rate)
        for update in range(settings.updates):
            budget = int(rng.choice(settings.budgets))
            chosen = rng.choice(len(self.problems), settings.problems, replace=False)
            parts = [self._searched(self.problems[int(each)], network, budget, rng) for each in chosen]
            choices = [choice for made, _, _ in parts for choice in made]
            learn(
                network, adam,
                np.array([features for features, _, _ in choices]), np.array([place for _, place, _ in choices]),
                np.array([log for _, _, log in choices]), np.concatenate([advantage for _, advantage, _ in parts]),
                settings, rng,
            )  # fmt: skip
            on_update(update + 1, float(np.mean([gain for *_, gain in parts])))
        return network

    def _score(self, problem: Problem, designs: Designs) -> tuple[Scores, FloatArray]:
        """Return the scores of designs, and their (B,) rewards, which are 0 where the constraint is violated."""
        self.evaluations += len(designs)
        scores = problem.task.score(designs, problem.targets(len(designs)))
        return scores, scores.reward if scores.cost is None else np.where(scores.cost > 0.0, 0.0, scores.reward)

    def _searched(
        self, problem: Problem, network: AcquisitionNetwork, budget: int, rng: np.random.Generator
    ) -> tuple[list[tuple[FloatArray, int, float]], FloatArray, float]:
        """Return the choices of all searches of a problem, their (k,) advantages, and the mean gain of a search."""
        first = problem.space.sample(START, rng)
        scores, rewards = self._score(problem, first)
        spread = float(rewards.std()) or 1.0
        choices, returns = [], np.zeros((self.settings.searches, budget - START + 1))
        for search, child in enumerate(rng.spawn(self.settings.searches)):
            optimizer, best = LearnedAcquisition(problem, budget, child, network, explores=True), rewards.max()
            optimizer.tell(first, scores)
            for turn in range(budget - START):
                designs = optimizer.ask()
                told, found = self._score(problem, designs)
                optimizer.tell(designs, told)
                returns[search, turn] = max(found.max() - best, 0.0) / spread
                best = max(best, found.max())
            choices.append(optimizer.choices)
        gain = float(returns.sum(axis=1).mean())
        for turn in range(budget - START - 1, -1, -1):
            returns[:, turn] += self.settings.discount * returns[:, turn + 1]
        advantages = returns[:, :-1] - returns[:, :-1].mean(axis=0)
        advantages /= advantages.std() or 1.0
        kept = np.concatenate([each[-len(made) :] for each, made in zip(advantages, choices, strict=True)])
        return [choice for made in choices for choice in made], kept, gain
