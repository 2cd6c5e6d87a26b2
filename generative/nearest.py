"""Nearest-neighbour retrieval, with or without random swaps: the baseline of all generators."""

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
"""The largest number of swaps that are tried until one leaves no like bond."""


_SHARE: Final = 0.01
"""The tolerance within which shares of dopants count as equally close. We chose about one atom of a hundred."""


@dataclass(frozen=True, eq=False)
class NearestDesigns:
    """A generator that returns known structures with the property nearest to the target.

    A design is drawn among the `choices` nearest valid training structures of the same lattice and composition, and
    moved by a random symmetry operation of the tube, so that designs differ. If the data hold no such structure,
    structures of other lattices or compositions are used. They are compared by the difference of their property from
    the undecorated tube's, repeated periodically over the tube, and changed at random sites to have the composition.

    Attributes:
        data: the known structures, of which only the train split is used.
        key: the property of the targets.
        choices: the number of nearest structures to draw from.
        swaps: the number of random exchanges of two unlike atoms; swaps without like bonds are preferred.
        left_out: a band of the property (low, high); structures within it are not used.
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
        """Return one design for each target; see `matgym.tasks.DesignGenerator`."""
        lattice, edits = space.lattice, space.edits
        species = self._same(lattice, edits, targets, rng)
        if species is None:
            species = self._carried_over(lattice, edits, targets, rng)
        for codes in species:
            for _ in range(self.swaps):
                _swap(lattice, codes, rng)
        return TubeBatch.uniform(lattice, species)

    def _same(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray | None:
        """Return (B, n_sites) species of structures of this lattice and composition; None if there are none."""
        for group in self._known:
            fits = edits.complete(group.species) if group.lattice == lattice else np.zeros(1, dtype=bool)
            if fits.any():
                rows = self._drawn(np.abs(group.values[fits] - targets[:, None]), rng)
                return group.take(np.flatnonzero(fits)[rows]).turned(rng)
        return None

    def _carried_over(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """Return (B, n_sites) species from structures of other lattices or compositions."""
        share = edits.length / lattice.n_sites
        apart = [np.abs(group.budget.sum(axis=1) / group.lattice.n_sites - share) for group in self._known]
        closest = min(float(distance.min()) for distance in apart)
        sublattice = np.repeat([0, 1], lattice.n_cells)
        species, shifts = [], []
        for group, distance in zip(self._known, apart, strict=True):
            rows = distance <= closest + _SHARE
            species.append(group.species[rows][:, group.lattice.sites_at(lattice.site_cells, sublattice)])
            shifts.append(group.values[rows] - pristine_value(group.lattice, self.key))
        target_shifts = targets - pristine_value(lattice, self.key)
        rows = self._drawn(np.abs(np.concatenate(shifts) - target_shifts[:, None]), rng)
        designs = np.concatenate(species)[rows]
        for codes in designs:
            _repair(lattice, codes, edits, rng)
        return designs

    def _drawn(self, distance: FloatArray, rng: np.random.Generator) -> IntArray:
        """Draw (B,) rows, each among the nearest by (B, known) distances."""
        nearest = np.argsort(distance, axis=1)[:, : self.choices]
        chosen: IntArray = nearest[np.arange(len(nearest)), rng.integers(nearest.shape[1], size=len(nearest))]
        return chosen


def _swap(lattice: TubeLattice, codes: SpeciesArray, rng: np.random.Generator) -> None:
    """Exchange a dopant and an atom of another species, in place."""
    for attempt in range(TRIES):
        one = rng.choice(np.flatnonzero(codes))
        other = rng.choice(np.flatnonzero(codes != codes[one]))
        codes[[one, other]] = codes[[other, one]]
        if attempt == TRIES - 1 or not like_bonds(lattice, codes[None])[0]:
            return
        codes[[one, other]] = codes[[other, one]]


def _repair(lattice: TubeLattice, codes: SpeciesArray, edits: SubstitutionEdits, rng: np.random.Generator) -> None:
    """Change a decoration to the composition, in place: at random sites, without like bonds where that is possible."""
    for site in np.flatnonzero(codes):  # remove like bonds, which the periodic repetition may have made
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
