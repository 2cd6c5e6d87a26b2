"""Training of the acquisition function: searches of the pair model, which begin with the same random designs."""

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from matgym.agents.acquisition.network import AcquisitionNetwork
from matgym.agents.choosing.policy_gradient import Choices
from matgym.agents.choosing.training import ChoiceTraining
from matgym.agents.choosing.training import Settings as ChoiceSettings
from matgym.agents.optimizers.learned_acquisition import LearnedAcquisition
from matgym.agents.optimizers.pair_model import START


@dataclass(frozen=True)
class Settings(ChoiceSettings):
    """Settings of a training: see `matgym.agents.choosing.training.Settings`."""

    updates: int = 40
    searches: int = 6
    budgets: tuple[int, ...] = (40, 56, 80)
    discount: float = 0.97
    rate: float = 3e-3
    hidden: int = 16


@dataclass
class Training(ChoiceTraining[AcquisitionNetwork]):
    """A training of the acquisition function."""

    network = AcquisitionNetwork

    @override
    def searched(
        self, place: int, network: AcquisitionNetwork, budget: int, rng: np.random.Generator
    ) -> tuple[Choices, float]:
        problem = self.problems[place]
        first = problem.space.sample(START, rng)
        scores, rewards = self.score(problem, first)
        spread = float(rewards.std()) or 1.0
        choices, gains = [], np.zeros((self.settings.searches, budget - START))
        for search, child in enumerate(rng.spawn(self.settings.searches)):
            optimizer, best = LearnedAcquisition(problem, budget, child, network, explores=True), rewards.max()
            optimizer.tell(first, scores)
            for turn in range(budget - START):
                designs = optimizer.ask()
                told, found = self.score(problem, designs)
                optimizer.tell(designs, told)
                gains[search, turn] = max(found.max() - best, 0.0) / spread
                best = max(best, found.max())
            choices.append(optimizer.choices)
        advantages = self.advantages(gains.T).T
        # Of the turns in which there was a choice.
        kept = [each[-len(made) :] for each, made in zip(advantages, choices, strict=True)]
        features, chosen, logs = zip(*(choice for made in choices for choice in made), strict=True)
        every = Choices(np.array(features), np.array(chosen), np.array(logs), np.concatenate(kept))
        return every, float(gains.sum(axis=1).mean())
