"""Simulated annealing: Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983)."""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.tasks import Designs, Scores

HOT: Final = 0.01
COLD: Final = 0.0005
"""First and last temperature in units of reward, cooled geometrically over the budget: the best of eleven
schedules on 60 targets of seed 1000 at 16 and 64 evaluations, by the surrogate; no reported run uses these."""


class SimulatedAnnealing(Optimizer):
    """Mutates one design; keeps what Metropolis accepts."""

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
