"""Random search: the baseline that everything must beat."""

from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.typing import FloatArray, SpeciesArray


class RandomSearch(Optimizer):
    """Draws every design anew from the seeder."""

    @override
    def ask(self) -> SpeciesArray:
        return self.seeder.seed(self.lattice, self.edits, self.targets, self.rng)

    @override
    def tell(self, species: SpeciesArray, reward: FloatArray) -> None:
        """Learns nothing."""
