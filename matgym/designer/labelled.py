"""Tubes of the shipped data whose labels come nearest to a brief: the first designs of a search."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from matgym.data import Dataset
from matgym.designer.brief import Brief
from matgym.designer.lattices import DECORATED
from matgym.frozen import ValueObject
from matgym.structures import Species, TubeBatch
from matgym.tasks.any_tube import KINDS
from matgym.typing import FloatArray, IntArray

NEAREST: Final = 32
"""Number of labelled tubes with which a search begins. A choice of ours."""


@dataclass(frozen=True, eq=False)
class Labelled(ValueObject):
    """Tubes with their labels.

    Attributes:
        tubes: B tubes.
        gap_ev: (B,) gaps, eV; NaN where there is no label.
    """

    tubes: TubeBatch
    gap_ev: FloatArray


def nearest_labelled(brief: Brief) -> Labelled:
    """Return the decorated tubes of the shipped data that come nearest to a brief, the nearest first.

    Quantities without labels in these data count as met.
    """
    data, rows = _usable()
    atoms = np.array([tube.n_sites - tube.counts[Species.VACANCY] for tube in data.batch.take(rows)], dtype=np.float64)
    values = {
        "diameter": np.array([tube.diameter_nm for tube in data.batch.take(rows)]),
        "gap": data.values("gap_ev")[rows],
        "young": data.values("young_gpa")[rows],
        "formation": data.values("formation_ev")[rows] / atoms,
    }
    asked = {name: of for name, of in values.items() if name in brief.names}
    if not {"gap", "young", "formation"} & set(asked):
        rows = rows[:0]
    else:
        order = np.lexsort((brief.loss(asked), brief.excess(asked)))
        order = order[np.isfinite(brief.excess(asked)[order])]
        rows = rows[order[:NEAREST]]
    return Labelled(data.batch.take(rows), data.values("gap_ev")[rows])


@cache
def _usable() -> tuple[Dataset, IntArray]:
    """Return the data set, and the rows of decorated tubes that a search may propose."""
    data = Dataset.load("nanotubes")
    batch, kinds = data.batch, {Species.C12, *KINDS}
    found = [
        row
        for row in np.flatnonzero(~batch.deformed & ~batch.reconstructed & (batch.n_sites <= DECORATED)).tolist()
        if not batch[row].is_pristine
        and {kind for kind, count in batch[row].counts.items() if count} <= kinds
        and batch[row].counts[Species.B] == batch[row].counts[Species.N]
    ]
    return data, np.array(found, dtype=np.int64)
