"""Distillation: a small network learns what a large one says of many designs, besides the labels.

A label costs physics a tenth of a second or more, and an answer of a network less than a millisecond. A network that is
too small to learn from few labels learns from many answers (Hinton, Vinyals and Dean, arXiv 1503.02531, 2015; for
regression the student is fitted to the teacher's values).
"""

import numpy as np

from matgym.data import Dataset
from matgym.errors import DatasetError, require_counts
from matgym.models import Level, Model
from matgym.structures import TubeBatch
from matgym.surrogates.domain import check_undeformed
from matgym.typing import SpeciesArray


def imitated(teacher: Model, data: Dataset, designs: int, rng: np.random.Generator) -> Dataset:
    """Return new tubes with the values that a teacher predicts of them, as rows to train on.

    Each tube is one of the training split of which a random share of the sites, from none to all, exchanged what is on
    them: so some are near the labelled tubes, and all have lattices and compositions of the data.

    Args:
        teacher: model that predicts every property of the data that it knows.
        data: labelled tubes, neither deformed nor with turned bonds.
        designs: number of new tubes, before symmetric copies are removed.
        rng: random generator.

    Returns:
        Rows of the level `Level.SURROGATE`, of the split "train".

    Raises:
        DatasetError: if the training split is empty, or holds deformed tubes or turned bonds.
        ConfigurationError: if `designs` is below 1.
    """
    require_counts(designs=designs)
    rows = data.split("train")
    if not len(rows):
        raise DatasetError("there is no training split to draw designs from: give data with rows of the split 'train'")
    check_undeformed(rows.batch)
    chosen = rows.take(np.sort(rng.integers(len(rows), size=designs)))
    parts = [TubeBatch.uniform(lattice, _exchanged(species, rng)) for lattice, _, species, _ in chosen.by_lattice()]
    tubes = [tube for part in parts for tube in part]
    levels = dict.fromkeys(teacher.keys, Level.SURROGATE)
    return data.labelled_rows(tubes, teacher.predict(TubeBatch.of(tubes)), levels, "train")


def _exchanged(species: SpeciesArray, rng: np.random.Generator) -> SpeciesArray:
    """Return (B, sites) codes of which a random share of each row's sites was put in a random order."""
    out = species.copy()
    shares = rng.random(len(out))
    for row, share in zip(out, shares, strict=True):
        sites = np.flatnonzero(rng.random(len(row)) < share)
        row[sites] = row[rng.permutation(sites)]
    return out
