"""The face of every optimizer: ask for designs, tell what they were worth."""

from abc import ABC, abstractmethod

import numpy as np

from matgym.structures import SubstitutionEdits, TubeLattice
from matgym.tasks import RandomSeeder, Seeder
from matgym.typing import FloatArray, SpeciesArray


class Optimizer(ABC):
    """Searches a batch of targets side by side, one design a target and turn.

    Side by side, because a reward model is far cheaper in batches; no target learns of another's designs.
    An optimizer of your own implements `ask` and `tell`.
    """

    def __init__(
        self,
        lattice: TubeLattice,
        edits: SubstitutionEdits,
        targets: FloatArray,
        turns: int,
        rng: np.random.Generator,
        seeder: Seeder | None = None,
    ) -> None:
        """Prepare a search.

        Args:
            lattice: of the tube.
            edits: what is to be placed.
            targets: (T,) the value wanted in each of T searches.
            turns: designs that each search may evaluate.
            rng: the only source of randomness.
            seeder: of initial structures; random ones by default.
        """
        self.lattice = lattice
        self.edits = edits
        self.targets = targets
        self.turns = turns
        self.rng = rng
        self.seeder: Seeder = seeder or RandomSeeder()

    @abstractmethod
    def ask(self) -> SpeciesArray:
        """(T, n_sites) one complete design for each target."""

    @abstractmethod
    def tell(self, species: SpeciesArray, reward: FloatArray) -> None:
        """What the designs asked last were worth: (T,) rewards."""
