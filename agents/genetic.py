"""A steady-state genetic algorithm on the lattice: Whitley, Proc. 3rd ICGA (1989), one child a turn."""

from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.structures.symmetry import translation
from matgym.typing import FloatArray, SpeciesArray

POPULATION: Final = 24
TOURNAMENT: Final = 3
SWAPS: Final = 1.0
"""Individuals a target, those drawn for a parent's place, and mean number of swaps a child. Chosen by us, untuned."""


class GeneticAlgorithm(Optimizer):
    """Parents are crossed along the tube and repaired to the composition; sites are swapped; the worst gives way.

    One parent is moved by a random screw operation before the crossing: where the tube begins is of no account, and
    so a motif can come together with another of any place.
    """

    _population: SpeciesArray  # (T, POPULATION, n_sites)
    _rewards: FloatArray  # (T, POPULATION)
    _turn = 0

    @override
    def ask(self) -> SpeciesArray:
        if self._turn < POPULATION:
            return self.seeder.seed(self.lattice, self.edits, self.targets, self.rng)
        return np.stack([self._child(target) for target in range(len(self.targets))])

    @override
    def tell(self, species: SpeciesArray, reward: FloatArray) -> None:
        if self._turn == 0:
            shape = (len(species), min(POPULATION, self.turns))
            self._population = np.zeros((*shape, species.shape[1]), dtype=np.uint8)
            self._rewards = np.full(shape, -np.inf)
        self._turn += 1
        worst = self._rewards.argmin(axis=1)
        rows = np.flatnonzero(reward >= self._rewards[np.arange(len(reward)), worst])
        self._population[rows, worst[rows]], self._rewards[rows, worst[rows]] = species[rows], reward[rows]

    def _child(self, target: int) -> SpeciesArray:
        first, second = (self._population[target, self._parent(target)] for _ in range(2))
        step = self.lattice.site_cells[self.rng.integers(self.lattice.n_cells)]
        second = second[translation(self.lattice, int(step[0]), int(step[1]))]
        height = self.lattice.site_fractions[:, 1]
        low, high = np.sort(self.rng.random(2))
        child: SpeciesArray = np.where((height >= low) & (height < high), second, first)
        self._repair(child)
        for _ in range(self.rng.poisson(SWAPS)):
            one = self.rng.choice(np.flatnonzero(child))
            other = self.rng.choice(np.flatnonzero(child != child[one]))
            child[[one, other]] = child[[other, one]]
        return child

    def _parent(self, target: int) -> int:
        drawn = self.rng.integers(self._population.shape[1], size=TOURNAMENT)
        return int(drawn[self._rewards[target, drawn].argmax()])

    def _repair(self, child: SpeciesArray) -> None:
        """Bring the composition back to the budget, in place, at random sites."""
        remaining = self.edits.remaining(child[None])[0]
        for code, missing in zip(self.edits.species, remaining, strict=True):
            if missing < 0:
                child[self.rng.choice(np.flatnonzero(child == code), -missing, replace=False)] = 0
        for code, missing in zip(self.edits.species, remaining, strict=True):
            if missing > 0:
                child[self.rng.choice(np.flatnonzero(child == 0), missing, replace=False)] = code
