"""The nearest known structure, as it is or with a swap: the generators that every generator must beat."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.data import Dataset
from matgym.generative.examples import Examples, examples, like_bonds
from matgym.structures import Species, SubstitutionEdits, TubeBatch, TubeLattice
from matgym.surrogates.baseline import pristine_value
from matgym.tasks import Decorations
from matgym.typing import FloatArray, IntArray, SpeciesArray

TRIES: Final = 20
"""Swaps that are tried until one leaves no like bond."""


_SHARE: Final = 0.01
"""Shares of dopants within this of the closest count as alike: a chosen width, about one atom of a hundred."""


@dataclass(frozen=True, eq=False)
class NearestDesigns:
    """Of the valid training structures with the right composition, one whose property lies nearest the target.

    It is drawn among the `choices` nearest and turned by a random operation of the tube's symmetry, so that designs
    differ. Where the data hold no structure of this lattice and composition, the nearest of another are carried over:
    compared by how far the property is from the undecorated tube's, continued periodically over the tube, and brought
    to the composition at random sites.

    Attributes:
        data: known structures; the training split is looked up.
        key: their property.
        choices: nearest structures to draw from.
        swaps: random exchanges of two unlike atoms, none of which leaves a like bond if that can be helped.
        left_out: a band of the property of which no structure is looked up.
    """

    data: Dataset
    key: str = "gap_ev"
    choices: int = 4
    swaps: int = 0
    left_out: tuple[float, float] | None = None

    @cached_property
    def _known(self) -> list[Examples]:
        return examples(self.data.split("train"), self.key, (Species.B, Species.N), self.left_out)

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """See `matgym.tasks.DesignGenerator`."""
        lattice, edits = space.lattice, space.edits
        found = self._same(lattice, edits, targets, rng)
        if found is None:
            found = self._carried_over(lattice, edits, targets, rng)
        for codes in found:
            for _ in range(self.swaps):
                _swap(lattice, codes, rng)
        return TubeBatch.uniform(lattice, found)

    def _same(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray | None:
        """(B, n_sites) from structures of this lattice and composition; None if there are none."""
        for group in self._known:
            fits = edits.complete(group.species) if group.lattice == lattice else np.zeros(1, dtype=bool)
            if fits.any():
                rows = self._drawn(np.abs(group.values[fits] - targets[:, None]), rng)
                return group.take(np.flatnonzero(fits)[rows]).turned(rng)
        return None

    def _carried_over(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """(B, n_sites) from structures of other lattices or compositions."""
        share = edits.length / lattice.n_sites
        apart = [np.abs(group.budget.sum(axis=1) / group.lattice.n_sites - share) for group in self._known]
        closest = min(float(distance.min()) for distance in apart)
        sublattice = np.repeat([0, 1], lattice.n_cells)
        species, shifts = [], []
        for group, distance in zip(self._known, apart, strict=True):
            rows = distance <= closest + _SHARE
            species.append(group.species[rows][:, group.lattice.sites_at(lattice.site_cells, sublattice)])
            shifts.append(group.values[rows] - pristine_value(group.lattice, self.key))
        wanted = targets - pristine_value(lattice, self.key)
        rows = self._drawn(np.abs(np.concatenate(shifts) - wanted[:, None]), rng)
        found = np.concatenate(species)[rows]
        for codes in found:
            _repair(lattice, codes, edits, rng)
        return found

    def _drawn(self, distance: FloatArray, rng: np.random.Generator) -> IntArray:
        """(B,) rows, each drawn among those nearest; distance (B, known)."""
        nearest = np.argsort(distance, axis=1)[:, : self.choices]
        chosen: IntArray = nearest[np.arange(len(nearest)), rng.integers(nearest.shape[1], size=len(nearest))]
        return chosen


def _swap(lattice: TubeLattice, codes: SpeciesArray, rng: np.random.Generator) -> None:
    """Exchange a dopant with another species, in place."""
    for attempt in range(TRIES):
        one = rng.choice(np.flatnonzero(codes))
        other = rng.choice(np.flatnonzero(codes != codes[one]))
        codes[[one, other]] = codes[[other, one]]
        if attempt == TRIES - 1 or not like_bonds(lattice, codes[None])[0]:
            return
        codes[[one, other]] = codes[[other, one]]


def _repair(lattice: TubeLattice, codes: SpeciesArray, edits: SubstitutionEdits, rng: np.random.Generator) -> None:
    """Bring a decoration to the composition, in place: at random sites, without like bonds where that is possible."""
    for site in np.flatnonzero(codes):  # what the seam brought together
        if (codes[lattice.neighbours[site]] == codes[site]).any():
            codes[site] = Species.C12
    for kind, missing in zip(edits.species, edits.remaining(codes[None])[0], strict=True):
        if missing < 0:
            codes[rng.choice(np.flatnonzero(codes == kind), -missing, replace=False)] = Species.C12
    for kind, missing in zip(edits.species, edits.remaining(codes[None])[0], strict=True):
        for _ in range(missing):
            carbon = codes == Species.C12
            free = carbon & ~(codes[lattice.neighbours] == kind).any(axis=1)
            codes[rng.choice(np.flatnonzero(free if free.any() else carbon))] = kind
