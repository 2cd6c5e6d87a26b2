"""Simulated annealing whose proposals a trained network chooses; see `matgym.agents.proposals.walks`."""

from pathlib import Path

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.agents.optimizers.heuristics import COLD, HOT
from matgym.agents.problem import Problem
from matgym.agents.proposals.memory_model import Scaling
from matgym.agents.proposals.network import ProposalNetwork
from matgym.agents.proposals.store import SHIPPED, STORE
from matgym.agents.proposals.walks import Walks
from matgym.tasks import Designs, Scores


class NeuralAnnealing(Optimizer):
    """Simulated annealing with learned proposals (Correia, Worrall and Bondesan, PMLR 206, 2023).

    The network was trained on other problems. The card of its weights holds the number of designs that the training
    evaluated.

    Args:
        proposals: the network, a .safetensors file, or the name of the shipped network.
    """

    def __init__(
        self,
        problem: Problem,
        budget: int,
        rng: np.random.Generator,
        proposals: ProposalNetwork | Path | str = SHIPPED,
    ) -> None:
        super().__init__(problem, budget, rng)
        self._network = proposals if isinstance(proposals, ProposalNetwork) else STORE.load_network(proposals)
        self._walks: Walks | None = None

    @override
    def ask(self) -> Designs:
        return self.problem.start(1, self.rng) if self._walks is None else self._walks.propose()[0]

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        if self._walks is None:
            scaling, temperatures = Scaling.of(self.space), (HOT, COLD)
            self._walks = Walks(scaling, self._network, designs, scores.reward, self.budget, temperatures, self.rng)
        else:
            self._walks.tell(designs, scores.reward)
