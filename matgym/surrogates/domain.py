"""The applicability domain of a surrogate: which tubes it cannot be asked about at all, and how far out others are."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from matgym.errors import DatasetError
from matgym.models import Space
from matgym.structures import Species, TubeBatch, TubeLattice, tube_lattice
from matgym.structures.batch import LatticeGroup
from matgym.structures.species import CARBONS, SPECIES_DATA
from matgym.typing import BoolArray, SpeciesArray

SEEN_SPECIES: Final = (Species.B, Species.N, Species.VACANCY)
"""Species with a channel of their own on each sublattice, unless a network asks for others; carbon, of any isotope
that has no channel, is where all are zero."""

SHAPE_TOLERANCE: Final = 1e-6
"""By which two shapes differ from rounding alone."""

_UNKNOWN: Final = "which this surrogate does not know"


def outside(batch: TubeBatch, known: Sequence[Species]) -> dict[int, str]:
    """Row to why a surrogate of undeformed tubes with these species cannot see it; empty if it can see all of them."""
    deeds = (
        ("strained", batch.strain != 0.0),
        ("twisted", batch.torsion != 0.0),
        ("reconstructed", batch.reconstructed),
    )
    reasons: dict[int, str] = {}
    for deed, rows in deeds:
        for row in np.flatnonzero(rows).tolist():
            reasons.setdefault(row, f"{batch[row]} is {deed}, {_UNKNOWN}: ask the oracle")
    if unknown_species(batch.species, known):
        for row, tube in enumerate(batch):
            if reason := unknown_species(tube.species, known):
                reasons.setdefault(row, reason)
    return reasons


def visible(batch: TubeBatch, known: Sequence[Species]) -> tuple[dict[int, str], Iterable[LatticeGroup]]:
    """What `outside` says, and all other tubes by lattice; their rows are those of the whole batch."""
    failures = outside(batch, known)
    if not failures:
        return failures, batch.by_lattice()
    sound = np.setdiff1d(np.arange(len(batch)), list(failures))
    return failures, [group._replace(rows=sound[group.rows]) for group in batch.take(sound).by_lattice()]


def check_undeformed(batch: TubeBatch) -> None:
    """Raise an error where surrogates of undeformed tubes are to learn from others, which would look alike to them.

    Raises:
        DatasetError: if a tube is strained, twisted or reconstructed.
    """
    for row in np.flatnonzero(batch.deformed | batch.reconstructed)[:1].tolist():
        raise DatasetError(
            f"row {row} of the training data is strained, twisted or reconstructed ({batch[row]}), which this "
            "surrogate cannot see: leave such rows out"
        )


def unknown_species(species: SpeciesArray, known: Sequence[Species]) -> str:
    """Which species a surrogate was not trained on; empty if it knows all of them, and carbon of any isotope."""
    unseen = ~_table((*CARBONS, *known))[species]
    return _unknown(Species(int(species[unseen][0])), known) if unseen.any() else ""


@lru_cache(maxsize=64)
def _table(known: tuple[Species, ...]) -> BoolArray:
    """(codes,) whether a code is among the known ones."""
    return np.isin(np.arange(256), known)


def outside_space(space: Space, known: Sequence[Species]) -> str:
    """Why a surrogate of undeformed tubes with these species cannot serve a design space; empty if it can."""
    domain = space.domain
    if domain is None:
        return "its designs are no tubes"
    for deed, holds in (("turned bonds", domain.turned), ("strain", domain.strained), ("torsion", domain.twisted)):
        if holds:
            return f'it was never shown {deed}: give model="oracle" or a function of tubes'
    strangers = sorted(domain.species - {*CARBONS, *known})
    return _unknown(strangers[0], known) if strangers else ""


def _unknown(species: Species, known: Sequence[Species]) -> str:
    names = ", ".join(SPECIES_DATA[kind].label for kind in known)
    return f"a site holds {SPECIES_DATA[species].label}, {_UNKNOWN}: it was trained on carbon, {names}"


@lru_cache(maxsize=1024)
def shape_distance(lattice: TubeLattice, trained: tuple[tuple[int, int, int], ...]) -> float:
    """How far a tube's shape lies outside the training data's, given as (n, m, cells).

    A network sees a tube's neighbourhoods, not how wide it is, so that features alone cannot tell. Our choice.

    Returns:
        0 if diameter, chiral angle and length lie between the training data's; otherwise 1 plus the largest excess,
        of the logarithms of diameter and length, and of the angle in units of 30 degrees.
    """
    seen = np.array([_shape(tube_lattice(*shape)) for shape in trained])
    found = np.array(_shape(lattice))
    excess = np.maximum(seen.min(axis=0) - found, found - seen.max(axis=0)).max()
    return float(1.0 + excess) if excess > SHAPE_TOLERANCE else 0.0


def _shape(lattice: TubeLattice) -> tuple[float, float, float]:
    """Logarithms of diameter and length, and the chiral angle."""
    angle = math.atan2(math.sqrt(3.0) * lattice.m, 2.0 * lattice.n + lattice.m)
    return math.log(lattice.diameter_nm), math.log(lattice.length_angstrom), angle / (math.pi / 6.0)
