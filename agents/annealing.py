"""Simulated annealing by swaps: Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983)."""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.typing import FloatArray, SpeciesArray

HOT: Final = 0.01
COLD: Final = 0.0005
"""First and last temperature in units of reward, cooled geometrically over the turns: the best of eleven
schedules on 60 targets of seed 1000 at 16 and 64 turns, by the surrogate; no reported run uses these."""


class SimulatedAnnealing(Optimizer):
    """Swaps two sites of unlike species, so that the composition stays; keeps what Metropolis accepts."""

    _species: SpeciesArray | None = None
    _reward: FloatArray
    _turn = 0

    @override
    def ask(self) -> SpeciesArray:
        if self._species is None:
            return self.seeder.seed(self.lattice, self.edits, self.targets, self.rng)
        proposal = self._species.copy()
        for codes in proposal:
            first = self.rng.choice(np.flatnonzero(codes))
            second = self.rng.choice(np.flatnonzero(codes != codes[first]))
            codes[[first, second]] = codes[[second, first]]
        return proposal

    @override
    def tell(self, species: SpeciesArray, reward: FloatArray) -> None:
        if self._species is None:
            self._species, self._reward = species.copy(), reward.copy()
        else:
            temperature = HOT * (COLD / HOT) ** (self._turn / max(self.turns - 1, 1))
            chance = np.exp(np.minimum(reward - self._reward, 0.0) / temperature)
            accepted = self.rng.random(len(reward)) < chance
            self._species[accepted], self._reward[accepted] = species[accepted], reward[accepted]
        self._turn += 1
