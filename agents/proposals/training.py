"""Training of the proposal network over many problems, by proximal policy optimization.

Each update runs several walks on each of a few problems. A choice is rewarded by the later gains of the walk's best
reward, which are discounted and scaled by the standard deviation of the rewards of random designs. The baseline is the
mean of the walks of the same problem at the same turn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch

from matgym.agents.problem import Problem
from matgym.agents.proposals.memory_model import Scaling
from matgym.agents.proposals.network import ProposalNetwork
from matgym.agents.proposals.policy_gradient import Updates, learn
from matgym.agents.proposals.walks import Choice, Walks
from matgym.typing import FloatArray

RANDOM: Final = 64
"""Number of random designs that give the scale of the rewards of a problem. They are evaluated and counted."""


@dataclass(frozen=True)
class Settings(Updates):
    """Settings of a training. They are choices of ours.

    Attributes:
        updates: number of updates of the network.
        problems: number of problems of an update.
        walks: number of walks on each of them.
        budgets: numbers of evaluations of a walk, of which each update takes one.
        discount: discount of later gains.
        hidden: width of the network's hidden layers.
        seed: random seed.
    """

    updates: int = 60
    problems: int = 2
    walks: int = 8
    budgets: tuple[int, ...] = (32, 48)
    discount: float = 0.95
    hidden: int = 32
    seed: int = 0


@dataclass
class Training:
    """A training of the proposal network.

    Attributes:
        problems: the problems, whose tasks score designs and count evaluations.
        settings: the settings.
        temperatures: first and last temperature of the walks, in units of reward.
        evaluations: number of designs that were evaluated so far.
    """

    problems: Sequence[Problem]
    settings: Settings
    temperatures: tuple[float, float]
    evaluations: int = 0
    _scalings: dict[int, Scaling] = field(default_factory=dict)
    _spreads: dict[int, float] = field(default_factory=dict)

    def run(self, on_update: Callable[[int, ProposalNetwork, float], None] = lambda *_: None) -> ProposalNetwork:
        """Return the trained network; `on_update` gets the number of each update, the network, and the mean gain."""
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = ProposalNetwork(settings.hidden)
        adam = torch.optim.Adam(network.parameters(), lr=settings.rate)
        for update in range(settings.updates):
            budget = int(rng.choice(settings.budgets))
            chosen = rng.choice(len(self.problems), settings.problems, replace=False)
            batches = [self._walked(int(each), network, budget, rng) for each in chosen]
            self._learn(network, adam, batches, rng)
            on_update(update + 1, network, float(np.mean([gain for *_, gain in batches])))
        return network

    def _score(self, problem: Problem, designs: FloatArray) -> FloatArray:
        """Return (B,) rewards of designs, which count as evaluations; 0 where the constraint is violated."""
        self.evaluations += len(designs)
        scores = problem.task.score(designs, problem.targets(len(designs)))
        return scores.reward if scores.cost is None else np.where(scores.cost > 0.0, 0.0, scores.reward)

    def _scale(self, place: int, rng: np.random.Generator) -> tuple[Scaling, float]:
        """Return the scaling of a problem's features, and the standard deviation of random rewards."""
        if place not in self._scalings:
            problem = self.problems[place]
            self._scalings[place] = Scaling.of(problem.space)
            self._spreads[place] = float(self._score(problem, problem.space.sample(RANDOM, rng)).std()) or 1.0
        return self._scalings[place], self._spreads[place]

    def _walked(
        self, place: int, network: ProposalNetwork, budget: int, rng: np.random.Generator
    ) -> tuple[list[list[Choice]], FloatArray, float]:
        """Return the choices of each turn, (turns, walks) advantages, and the mean gain of the walks."""
        problem, (scaling, spread) = self.problems[place], self._scale(place, rng)
        first = problem.space.sample(self.settings.walks, rng)
        rewards = self._score(problem, first)
        walks = Walks(scaling, network, first, rewards, budget, self.temperatures, rng)
        best, gains, choices = rewards.copy(), [], []
        for _ in range(budget - 1):
            designs, made = walks.propose()
            rewards = self._score(problem, designs)
            walks.tell(designs, rewards)
            gains.append(np.maximum(rewards - best, 0.0) / spread)
            best = np.maximum(best, rewards)
            choices.append(made)
        returns = np.zeros((len(gains) + 1, self.settings.walks))
        for turn in range(len(gains) - 1, -1, -1):
            returns[turn] = gains[turn] + self.settings.discount * returns[turn + 1]
        advantages = returns[:-1] - returns[:-1].mean(axis=1, keepdims=True)
        return choices, advantages / (advantages.std() or 1.0), float(np.sum(gains) / self.settings.walks)

    def _learn(
        self,
        network: ProposalNetwork,
        adam: torch.optim.Optimizer,
        batches: Sequence[tuple[list[list[Choice]], FloatArray, float]],
        rng: np.random.Generator,
    ) -> None:
        """Improve the network by clipped policy gradients."""
        flat = [
            (choice, advantages[turn, choice.walks])
            for choices, advantages, _ in batches
            for turn, made in enumerate(choices)
            for choice in made
        ]
        learn(
            network, adam,
            np.concatenate([choice.features for choice, _ in flat]),
            np.concatenate([choice.chosen for choice, _ in flat]),
            np.concatenate([choice.log_probabilities for choice, _ in flat]),
            np.concatenate([part for _, part in flat]), self.settings, rng,
        )  # fmt: skip
