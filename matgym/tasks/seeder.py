"""Seeders give initial structures."""

from typing import Protocol

import numpy as np

from matgym.structures import SubstitutionEdits, TubeLattice
from matgym.typing import FloatArray, SpeciesArray


class Seeder(Protocol):
    """Anything that proposes decorated tubes to start a search from."""

    def seed(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """(B, n_sites) species that spend the budget of `edits`, one tube for each of the (B,) targets."""
        ...


class RandomSeeder:
    """Sites drawn uniformly, the composition exact."""

    def seed(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """Draw without looking at the targets."""
        queue = np.repeat(edits.species, edits.budget)
        species = np.zeros((len(targets), lattice.n_sites), dtype=np.uint8)
        sites = rng.permuted(np.tile(np.arange(lattice.n_sites), (len(targets), 1)), axis=1)[:, : len(queue)]
        np.put_along_axis(species, sites, queue[None], axis=1)
        return species
