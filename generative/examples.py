"""What generators learn from: valid labelled structures by lattice, and conditions, which say what is asked for.

A design is valid if it has the composition asked for, and no bond between two atoms of the same dopant. Boron and
nitrogen in graphene mix as B-N pairs and domains; bonds between like dopants cost energy (Ci et al., *Nat. Mater.* 9,
430 (2010), on domains; remembered, not re-read). To forbid them outright is a rule of ours: half of the data set's
structures, drawn without regard to it, break it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.data import Dataset
from matgym.errors import DatasetError
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Species, SubstitutionEdits, TubeLattice
from matgym.structures.symmetry import symmetry_group
from matgym.surrogates.baseline import PristineModel, known
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray

DOPANTS: Final = (Species.B, Species.N)

COLUMNS: Final = ("target", "share of first", "share of second", "1 / length", "1 / diameter", "cos(3 angle)")
"""Of conditions."""


def like_bonds(lattice: TubeLattice, species: SpeciesArray) -> IntArray:
    """(B,) bonds between two atoms of boron, or two of nitrogen; isotopes and vacancies may lie as they like."""
    first, second = species[:, lattice.bonds[:, 0]], species[:, lattice.bonds[:, 1]]
    return np.asarray(((first == second) & np.isin(first, DOPANTS)).sum(axis=1), dtype=np.int64)


def valid(lattice: TubeLattice, species: SpeciesArray, edits: SubstitutionEdits) -> BoolArray:
    """(B,) whether the composition is exactly that of `edits`, and no two like dopants are bonded."""
    return np.asarray(edits.complete(species) & (like_bonds(lattice, species) == 0))


@dataclass(frozen=True)
class ConditionScaling:
    """Centre and scale of every column over the training data.

    A column that does not vary there, as the chirality's in data of one chirality, has scale zero: it is left out, for
    what a network would make of another value was never learned.

    Attributes:
        centre: (columns,).
        scale: (columns,).
    """

    centre: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> "ConditionScaling":
        """From (rows, columns) raw conditions."""
        scale = columns.std(axis=0)
        return cls(columns.mean(axis=0), np.where(scale > 1e-9, scale, 0.0))

    def __call__(self, columns: FloatArray) -> Float32Array:
        """(B, columns) raw conditions, standardised."""
        inverse = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0.0)
        return np.asarray((columns - self.centre) * inverse, dtype=np.float32)


def raw_conditions(lattice: TubeLattice, key: str, targets: FloatArray, budget: IntArray) -> FloatArray:
    """(B, columns) what is asked for, in `COLUMNS`' order.

    The target stands as its distance from what the undecorated tube has, which is known without learning: so a network
    that was trained on one chirality can be asked for another.

    Args:
        lattice: shared by the batch.
        key: of the property.
        targets: (B,) in the property's unit.
        budget: (B, K) atoms of each species; K at most 2.
    """
    offset = pristine(lattice, key)
    shares = np.zeros((len(targets), 2))
    shares[:, : budget.shape[1]] = budget / lattice.n_sites
    n, m = lattice.n, lattice.m
    angle = np.arctan2(np.sqrt(3.0) * m, 2.0 * n + m)  # Saito, Dresselhaus and Dresselhaus (1998), eq. 3.7
    shape = [10.0 / lattice.length_angstrom, 1.0 / lattice.diameter_nm, np.cos(3.0 * angle)]
    return np.column_stack([targets - offset, shares, np.tile(shape, (len(targets), 1))])


def pristine(lattice: TubeLattice, key: str) -> float:
    """What the undecorated tube has of the property, as far as it is known without learning; zero otherwise."""
    return float(known(lattice, (PROPERTIES_BY_KEY[key],), PristineModel())[0][0])


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
    """The valid rows of a split, but those in a band of the property; deformed and reconstructed tubes are left out.

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
    from matgym.learning.trainer import grouped_rows  # torch, which looking up the nearest structures does without

    for index, rows in grouped_rows([len(group.species) for group in groups], batch_size, rng):
        yield groups[index].take(rows)
