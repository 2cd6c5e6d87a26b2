"""What a fit goes through: labelled tubes grouped by lattice, shuffled, each turned by one of its symmetries."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matgym.data import Dataset
from matgym.learning.trainer import grouped_rows
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import TubeLattice
from matgym.structures.symmetry import symmetry_between_leads, symmetry_group
from matgym.surrogates.baseline import PristineModel, known
from matgym.surrogates.config import FitConfig
from matgym.surrogates.domain import check_undeformed
from matgym.surrogates.informed import corrections, physics_of
from matgym.typing import FloatArray, SpeciesArray


@dataclass(frozen=True)
class Group:
    """Tubes of one lattice."""

    lattice: TubeLattice
    species: SpeciesArray  # (k, n_sites)
    labels: FloatArray  # (k, properties)
    learned: FloatArray  # (k, properties): labels less what is known without learning
    factor: FloatArray  # (k, properties) of what is learned, in the label
    informed: FloatArray  # (k, informed): physics that is given as input


def groups_of(data: Dataset, config: FitConfig) -> list[Group]:
    """The rows of a data set by lattice, with all that a network is to learn of them."""
    labels = np.stack([data.values(key) for key in config.properties], axis=1)
    physics = physics_of(data, config.informed_by)
    groups = []
    check_undeformed(data.batch)
    for lattice, rows, species, _ in data.by_lattice():
        offset, factor = known(lattice, tuple(PROPERTIES_BY_KEY[key] for key in config.properties), PristineModel())
        factor = factor * corrections(config.properties, config.informed_by, physics[rows])
        groups.append(Group(lattice, species, labels[rows], (labels[rows] - offset) / factor, factor, physics[rows]))
    return groups


def shuffled_batches(
    groups: list[Group], config: FitConfig, rng: np.random.Generator
) -> Iterator[tuple[TubeLattice, SpeciesArray, FloatArray, FloatArray]]:
    """Shuffled batches, each of one lattice, every tube turned by a random operation of its symmetry."""
    for index, rows in grouped_rows([len(group.species) for group in groups], config.batch_size, rng):
        group = groups[index]
        operations = (symmetry_between_leads if config.between_leads else symmetry_group)(group.lattice)
        chosen = operations[rng.integers(len(operations), size=len(rows))]
        species = np.take_along_axis(group.species[rows], chosen, axis=1)
        yield group.lattice, species, group.learned[rows], group.informed[rows]
