"""Distillation: a small network learns what a large one says of many designs, besides the labels.

A label costs physics a tenth of a second or more, and an answer of a network less than a millisecond. A network that is
too small to learn from few labels learns from many answers (Hinton, Vinyals and Dean, arXiv 1503.02531, 2015; for
regression the student is fitted to the teacher's values).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data import Dataset
from matgym.errors import DatasetError, require_counts
from matgym.execution import counted, execute
from matgym.models import Level, Model
from matgym.structures import TubeBatch
from matgym.surrogates.domain import check_undeformed
from matgym.surrogates.store import load, load_card
from matgym.typing import SpeciesArray

PART: Final = 256
"""Most designs of a job: a teacher that takes a tenth of a second for a design is asked for half a minute."""

PIECES: Final = "answers/answers-*.parquet"
"""Pattern of the files that `answers` writes in the folder of a training."""


@dataclass(frozen=True)
class AnswersJob:
    """The job of asking a teacher about some designs.

    Attributes:
        teacher: name or file of the teacher.
        source: name or file of the data set that the designs are drawn from.
        designs: number of designs.
        seed: seed of the random generator.
        number: number of the job, from 0.
        identity: hash of the teacher's weights and of the data.
    """

    teacher: str
    source: str
    designs: int
    seed: int
    number: int
    identity: str

    @property
    def key(self) -> str:
        """Return the name of the file: other teachers, data, seeds and sizes have others."""
        return f"answers-{self.identity}-{self.seed}-{self.number}-{self.designs}"

    def run(self) -> pa.Table:
        """Return the rows of `imitated`."""
        rng = np.random.default_rng([self.seed, self.number])
        return imitated(load(self.teacher), Dataset.load(self.source), self.designs, rng).table


def answers(
    teacher: str,
    source: str,
    designs: int,
    seed: int,
    folder: Path,
    *,
    workers: int = 1,
    on_done: Callable[[int, int], None] = lambda _done, _total: None,
) -> Dataset:
    """Return what `imitated` returns of a stored teacher, asked in parts that are not asked again after a kill.

    Args:
        teacher: name or file of the teacher.
        source: name or file of the data set that the designs are drawn from.
        designs: number of designs.
        seed: seed of the random generators, one for each part.
        folder: folder of a training; the parts are in its folder `answers`.
        workers: number of processes.
        on_done: called at the start and after each part with the number of finished parts and of all parts.

    Raises:
        ConfigurationError: if `designs` or `workers` is below 1.
        DatasetError: as `imitated`.
        ExecutionError: if parts failed.
    """
    require_counts(designs=designs)
    data = Dataset.load(source)
    _training_rows(data)
    identity = hashlib.sha256(f"{load_card(teacher).sha256} {data.digest}".encode()).hexdigest()[:12]
    jobs = [
        AnswersJob(teacher, source, min(PART, designs - start), seed, number, identity)
        for number, start in enumerate(range(0, designs, PART))
    ]
    on_done(0, len(jobs))
    files = execute(jobs, folder / "answers", workers=workers, on_done=counted(on_done, len(jobs)))
    return Dataset(pa.concat_tables([pq.read_table(file) for file in files]))


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
    rows = _training_rows(data)
    chosen = rows.take(np.sort(rng.integers(len(rows), size=designs)))
    parts = [TubeBatch.uniform(lattice, _exchanged(species, rng)) for lattice, _, species, _ in chosen.by_lattice()]
    tubes = [tube for part in parts for tube in part]
    levels = dict.fromkeys(teacher.keys, Level.SURROGATE)
    return data.labelled_rows(tubes, teacher.predict(TubeBatch.of(tubes)), levels, "train")


def _training_rows(data: Dataset) -> Dataset:
    """Return the rows that designs are drawn from."""
    rows = data.split("train")
    if not len(rows):
        raise DatasetError("there is no training split to draw designs from: give data with rows of the split 'train'")
    check_undeformed(rows.batch)
    return rows


def _exchanged(species: SpeciesArray, rng: np.random.Generator) -> SpeciesArray:
    """Return (B, sites) codes of which a random share of each row's sites was put in a random order."""
    out = species.copy()
    shares = rng.random(len(out))
    for row, share in zip(out, shares, strict=True):
        sites = np.flatnonzero(rng.random(len(row)) < share)
        row[sites] = row[rng.permutation(sites)]
    return out
