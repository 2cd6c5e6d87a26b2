"""The structures that generators are trained on, by lattice, and the conditions that describe them.

A design is valid if it has the composition of the budget, and no bond between two atoms of the same dopant. Boron and
nitrogen in graphene mix as B-N pairs and domains; bonds between like dopants cost energy (Ci et al., *Nat. Mater.* 9,
430 (2010), on domains; cited from memory). We chose to forbid such bonds. The data set was drawn without this rule, and
half of its structures violate it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.structures import Species, SubstitutionEdits, TubeLattice
from matgym.structures.symmetry import symmetry_group
from matgym.surrogates.baseline import pristine_value
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray

DOPANTS: Final = (Species.B, Species.N)

COLUMNS: Final = ("target", "share of first", "share of second", "1 / length", "1 / diameter", "cos(3 angle)")
"""The columns of conditions."""

SMALLEST_SCALE: Final = 1e-9
"""Standard deviation up to which a column counts as constant. This number and the next are ours."""

LARGEST_CONDITION: Final = 1e9
"""Largest mean or standard deviation of a column, so that standardised conditions stay finite."""


def like_bonds(lattice: TubeLattice, species: SpeciesArray) -> IntArray:
    """Return the (B,) number of bonds between two atoms of boron or two of nitrogen; other species do not count."""
    first, second = species[:, lattice.bonds[:, 0]], species[:, lattice.bonds[:, 1]]
    return np.asarray(((first == second) & np.isin(first, DOPANTS)).sum(axis=1), dtype=np.int64)


def valid(lattice: TubeLattice, species: SpeciesArray, edits: SubstitutionEdits) -> BoolArray:
    """Return (B,) whether the composition is exactly that of `edits` and no two like dopants are bonded."""
    return np.asarray(edits.complete(species) & (like_bonds(lattice, species) == 0))


@dataclass(frozen=True)
class ConditionScaling(ValueObject):
    """The centre and scale of every column of conditions over the training data.

    A column that does not vary in the training data, such as the chiral angle in data of one chirality, has scale zero.
    It is always standardised to zero, because a network cannot learn the effect of its other values.

    Attributes:
        centre: (columns,) means.
        scale: (columns,) standard deviations, or zero.
    """

    centre: FloatArray
    scale: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in {"centre": self.centre, "scale": self.scale}.items():
            if values.shape != (len(COLUMNS),) or not (np.abs(values) <= LARGEST_CONDITION).all():
                raise ConfigurationError(f"{name}={values} must be {len(COLUMNS)} finite numbers, one a column")
        if ((self.scale != 0.0) & (self.scale <= SMALLEST_SCALE)).any():
            raise ConfigurationError(f"scale={self.scale} must be zero, or above {SMALLEST_SCALE:g}")

    @classmethod
    def of(cls, columns: FloatArray) -> "ConditionScaling":
        """Return the scaling of (rows, columns) raw conditions."""
        scale = columns.std(axis=0)
        return cls(columns.mean(axis=0), np.where(scale > SMALLEST_SCALE, scale, 0.0))

    def __call__(self, columns: FloatArray) -> Float32Array:
        """Standardise (B, columns) raw conditions."""
        inverse = np.divide(1.0, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0.0)
        return np.asarray((columns - self.centre) * inverse, dtype=np.float32)


def raw_conditions(lattice: TubeLattice, key: str, targets: FloatArray, budget: IntArray) -> FloatArray:
    """Return the (B, columns) raw conditions of targets and compositions, in the order of `COLUMNS`.

    The first column is the difference of the target from the undecorated tube's property, which is computed and not
    learned. A network that was trained on one chirality can therefore be applied to another.

    Args:
        lattice: the lattice that the batch shares.
        key: the property's key.
        targets: (B,) targets in the property's unit.
        budget: (B, K) number of atoms of each species; K is at most 2.
    """
    offset = pristine_value(lattice, key)
    shares = np.zeros((len(targets), 2))
    shares[:, : budget.shape[1]] = budget / lattice.n_sites
    n, m = lattice.n, lattice.m
    angle = np.arctan2(np.sqrt(3.0) * m, 2.0 * n + m)  # Saito, Dresselhaus and Dresselhaus (1998), eq. 3.7
    shape = [10.0 / lattice.length_angstrom, 1.0 / lattice.diameter_nm, np.cos(3.0 * angle)]
    return np.column_stack([targets - offset, shares, np.tile(shape, (len(targets), 1))])


@dataclass(frozen=True)
class Examples(ValueObject):
    """Labelled structures of one lattice.

    Attributes:
        lattice: the lattice of all structures.
        species: (k, n_sites) species codes.
        budget: (k, K) number of atoms of each species.
        values: (k,) values of the property.
        conditions: (k, columns) raw conditions that describe the structures.
        span: (k, 2) lowest and highest value among all structures of the same composition.
    """

    lattice: TubeLattice
    species: SpeciesArray
    budget: IntArray
    values: FloatArray
    conditions: FloatArray
    span: FloatArray

    def take(self, rows: IntArray) -> "Examples":
        """Return the structures of some rows."""
        return Examples(
            self.lattice, self.species[rows], self.budget[rows], self.values[rows], self.conditions[rows],
            self.span[rows],
        )  # fmt: skip

    def turned(self, rng: np.random.Generator) -> SpeciesArray:
        """Return (k, n_sites) species codes, each structure moved by a random symmetry operation of the lattice."""
        group = symmetry_group(self.lattice)
        return np.take_along_axis(self.species, group[rng.integers(len(group), size=len(self.species))], axis=1)


def examples(
    data: Dataset, key: str, kinds: tuple[Species, ...], left_out: tuple[float, float] | None = None
) -> list[Examples]:
    """Return the valid structures of a data set, by lattice.

    Deformed and reconstructed tubes are left out, as generators place atoms on the perfect lattice.

    Args:
        data: labelled structures.
        key: the property's key.
        kinds: the dopants; structures with other species than these and carbon are left out.
        left_out: a band of the property (low, high); structures within it are left out.

    Raises:
        DatasetError: if no structure remains.
    """
    data = data.labelled((key,))
    values = data.values(key)
    groups = []
    perfect = ~(data.batch.deformed | data.batch.reconstructed)
    for lattice, rows, species, _ in data.by_lattice():
        budget = np.stack([(species == kind).sum(axis=1) for kind in kinds], axis=1)
        kept = (
            perfect[rows]
            & (like_bonds(lattice, species) == 0)
            & (budget.sum(axis=1) == (species != Species.C12).sum(axis=1))
        )
        if left_out is not None:
            kept &= (values[rows] < left_out[0]) | (values[rows] > left_out[1])
        if not kept.any():
            continue
        labels, budget = values[rows][kept], budget[kept]
        conditions = raw_conditions(lattice, key, labels, budget)
        groups.append(Examples(lattice, species[kept], budget, labels, conditions, _span(budget, labels)))
    if not groups:
        raise DatasetError(
            f"the data hold no valid structure with a value of {key!r}: give data of undeformed tubes without bonds "
            f"between like dopants"
        )
    return groups


def _span(budget: IntArray, values: FloatArray) -> FloatArray:
    """Return the (k, 2) lowest and highest value among rows of the same composition."""
    _, which = np.unique(budget, axis=0, return_inverse=True)
    low, high = np.full(which.max() + 1, np.inf), np.full(which.max() + 1, -np.inf)
    np.minimum.at(low, which, values)
    np.maximum.at(high, which, values)
    return np.stack([low[which], high[which]], axis=1)


def shuffled(groups: list[Examples], batch_size: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Yield batches of one lattice each, in random order."""
    from matgym.learning.trainer import grouped_rows  # imports torch, which `matgym.generative.nearest` does not need

    for index, rows in grouped_rows([len(group.species) for group in groups], batch_size, rng):
        yield groups[index].take(rows)
