"""What generators learn from: valid labelled structures by lattice, turned by random symmetries as they are seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matgym.data import Dataset
from matgym.errors import DatasetError
from matgym.generative.conditions import raw_conditions
from matgym.generative.rules import like_bonds
from matgym.learning.trainer import grouped_rows
from matgym.structures import Species, TubeLattice
from matgym.structures.symmetry import symmetry_group
from matgym.typing import FloatArray, IntArray, SpeciesArray


@dataclass(frozen=True)
class Examples:
    """Structures of one lattice.

    Attributes:
        lattice: theirs.
        species: (k, n_sites) codes.
        budget: (k, K) atoms of each species.
        values: (k,) the property.
        conditions: (k, columns) raw conditions that describe them.
        span: (k, 2) lowest and highest value among all structures of the same composition.
    """

    lattice: TubeLattice
    species: SpeciesArray
    budget: IntArray
    values: FloatArray
    conditions: FloatArray
    span: FloatArray

    def take(self, rows: IntArray) -> "Examples":
        """Some of them."""
        return Examples(
            self.lattice, self.species[rows], self.budget[rows], self.values[rows], self.conditions[rows],
            self.span[rows],
        )  # fmt: skip

    def turned(self, rng: np.random.Generator) -> SpeciesArray:
        """(k, n_sites) their codes, each turned by a random operation of the lattice's symmetry."""
        group = symmetry_group(self.lattice)
        return np.take_along_axis(self.species, group[rng.integers(len(group), size=len(self.species))], axis=1)


def examples(
    data: Dataset, key: str, kinds: tuple[Species, ...], left_out: tuple[float, float] | None = None
) -> list[Examples]:
    """The valid rows of a data set; deformed and reconstructed tubes are left out.

    Args:
        data: one split of it.
        key: the property.
        kinds: the dopants.
        left_out: a band of the property of which no row is kept.

    Raises:
        DatasetError: if none is left.
    """
    data = data.labelled((key,))
    values = data.values(key)
    found = []
    seen = ~(data.batch.deformed | data.batch.reconstructed)
    for lattice, rows, species, _ in data.by_lattice():
        budget = np.stack([(species == kind).sum(axis=1) for kind in kinds], axis=1)
        kept = (
            seen[rows]
            & (like_bonds(lattice, species) == 0)
            & (budget.sum(axis=1) == (species != Species.C12).sum(axis=1))
        )
        if left_out is not None:
            kept &= (values[rows] < left_out[0]) | (values[rows] > left_out[1])
        if not kept.any():
            continue
        labels, budget = values[rows][kept], budget[kept]
        conditions = raw_conditions(lattice, key, labels, budget)
        found.append(Examples(lattice, species[kept], budget, labels, conditions, _span(budget, labels)))
    if not found:
        raise DatasetError("the data hold no valid structure to learn from")
    return found


def _span(budget: IntArray, values: FloatArray) -> FloatArray:
    """(k, 2) lowest and highest value among rows of the same composition."""
    _, which = np.unique(budget, axis=0, return_inverse=True)
    low, high = np.full(which.max() + 1, np.inf), np.full(which.max() + 1, -np.inf)
    np.minimum.at(low, which, values)
    np.maximum.at(high, which, values)
    return np.stack([low[which], high[which]], axis=1)


def shuffled(groups: list[Examples], batch_size: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Batches of one lattice each, in random order."""
    for index, rows in grouped_rows([len(group.species) for group in groups], batch_size, rng):
        yield groups[index].take(rows)
