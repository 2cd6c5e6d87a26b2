"""The nearest known structure: the seeder that every generator must beat."""

import numpy as np

from matgym.datasets import Dataset
from matgym.errors import DatasetError
from matgym.structures import SubstitutionEdits, TubeLattice
from matgym.structures.symmetry import symmetry_group
from matgym.typing import FloatArray, SpeciesArray


class NearestSeeder:
    """Of the training structures with the right composition, one whose property lies nearest the target.

    It is drawn among the `choices` nearest and turned by a random operation of the tube's symmetry, so that
    seeds differ.
    """

    def __init__(self, data: Dataset, key: str = "gap_ev", choices: int = 4) -> None:
        """Look up structures in the training split of `data`.

        Args:
            data: known structures.
            key: their property.
            choices: nearest structures to draw from.
        """
        self._data = data.split("train").labelled()
        self._key = key
        self._choices = choices

    def seed(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """See `matgym.tasks.Seeder`.

        Raises:
            DatasetError: if no structure has this lattice and composition.
        """
        labels = self._data.values(self._key)
        known = [(rows, species) for other, rows, species in self._data.by_lattice() if other == lattice]
        fitting = [(rows, species, edits.complete(species)) for rows, species in known]
        if not any(fits.any() for _, _, fits in fitting):
            raise DatasetError(
                f"the data hold no ({lattice.n}, {lattice.m}) tube of {lattice.cells} cells with this composition"
            )
        rows, species, fits = fitting[0]
        distance = np.abs(labels[rows[fits]] - targets[:, None])  # (T, known)
        nearest = distance.argsort(axis=1)[:, : self._choices]
        chosen = nearest[np.arange(len(targets)), rng.integers(nearest.shape[1], size=len(targets))]
        group = symmetry_group(lattice)
        turned = group[rng.integers(len(group), size=len(targets))]
        return np.take_along_axis(species[fits][chosen], turned, axis=1)
