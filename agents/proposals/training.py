"""Training of the proposal network: annealing walks, several on each problem side by side."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.choosing.policy_gradient import Choices
from matgym.agents.choosing.training import ChoiceTraining
from matgym.agents.proposals.memory_model import Scaling
from matgym.agents.proposals.network import ProposalNetwork
from matgym.agents.proposals.walks import Walks

RANDOM: Final = 64
"""Number of random designs that give the scale of the rewards of a problem. They are evaluated and counted."""


@dataclass
class Training(ChoiceTraining[ProposalNetwork]):
    """A training of the proposal network.

    Attributes:
        temperatures: first and last temperature of the walks, in units of reward.
    """

    network = ProposalNetwork

    temperatures: tuple[float, float]
    _scales: dict[int, tuple[Scaling, float]] = field(default_factory=dict, init=False)

    @override
    def searched(
        self, place: int, network: ProposalNetwork, budget: int, rng: np.random.Generator
    ) -> tuple[Choices, float]:
        problem, (scaling, spread) = self.problems[place], self._scale(place, rng)
        first = problem.space.sample(self.settings.searches, rng)
        _, rewards = self.score(problem, first)
        walks = Walks(scaling, network, first, rewards, budget, self.temperatures, rng)
        best, gains, choices = rewards.copy(), [], []
        for _ in range(budget - 1):
            designs, made = walks.propose()
            _, rewards = self.score(problem, designs)
            walks.tell(designs, rewards)
            gains.append(np.maximum(rewards - best, 0.0) / spread)
            best = np.maximum(best, rewards)
            choices.append(made)
        advantages = self.advantages(np.array(gains))
        flat = [(choice, advantages[turn, choice.walks]) for turn, made in enumerate(choices) for choice in made]
        found = Choices(
            np.concatenate([choice.features for choice, _ in flat]),
            np.concatenate([choice.chosen for choice, _ in flat]),
            np.concatenate([choice.log_probabilities for choice, _ in flat]),
            np.concatenate([advantage for _, advantage in flat]),
        )
        return found, float(np.sum(gains) / self.settings.searches)

    def _scale(self, place: int, rng: np.random.Generator) -> tuple[Scaling, float]:
        """Return the scaling of a problem's features, and the standard deviation of random rewards."""
        if place not in self._scales:
            problem = self.problems[place]
            _, rewards = self.score(problem, problem.space.sample(RANDOM, rng))
            self._scales[place] = Scaling.of(problem.space), float(rewards.std()) or 1.0
        return self._scales[place]
