"""The applicability domain of a surrogate: the tubes that it cannot predict, and the distance of others to the data."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from matgym.errors import DatasetError
from matgym.frozen import returns_read_only
from matgym.models import Space
from matgym.structures import Species, TubeBatch, TubeLattice, tube_lattice
from matgym.structures.batch import LatticeGroup
from matgym.structures.species import CARBONS, SPECIES_DATA
from matgym.typing import BoolArray, IntArray, SpeciesArray

SEEN_SPECIES: Final = (Species.B, Species.N, Species.VACANCY)
"""Species with a channel of their own on each sublattice, unless a network is fitted on others. On carbon sites, of any
isotope without a channel, all channels are zero."""

SHAPE_TOLERANCE: Final = 1e-6
"""Difference of two shapes that rounding explains."""

_UNKNOWN: Final = "which this surrogate was not trained on"


def outside(batch: TubeBatch, known: Sequence[Species]) -> dict[int, str]:
    """Return, by row, why a surrogate of undeformed tubes with these species cannot predict it; empty if it can."""
    deformations = (
        ("strained", batch.strain != 0.0),
        ("twisted", batch.torsion != 0.0),
        ("reconstructed", batch.reconstructed),
    )
    reasons: dict[int, str] = {}
    for deformation, rows in deformations:
        for row in np.flatnonzero(rows).tolist():
            reasons.setdefault(row, f"{batch[row]} is {deformation}, {_UNKNOWN}: use the oracle")
    if unknown_species(batch.species, known):
        for row, tube in enumerate(batch):
            if reason := unknown_species(tube.species, known):
                reasons.setdefault(row, reason)
    return reasons


def visible(batch: TubeBatch, known: Sequence[Species]) -> tuple[dict[int, str], Iterable[LatticeGroup]]:
    """Return the result of `outside`, and all other tubes by lattice; their rows are those of the whole batch."""
    failures = outside(batch, known)
    if not failures:
        return failures, batch.by_lattice()
    sound = np.setdiff1d(np.arange(len(batch)), list(failures))
    return failures, [group._replace(rows=sound[group.rows]) for group in batch.take(sound).by_lattice()]


def check_undeformed(batch: TubeBatch) -> None:
    """Raise an error if the training data of a surrogate of undeformed tubes hold deformed ones.

    The surrogate's input does not hold the deformation, so that it could not tell these tubes apart.

    Raises:
        DatasetError: if a tube is strained, twisted or reconstructed.
    """
    for row in np.flatnonzero(batch.deformed | batch.reconstructed)[:1].tolist():
        raise DatasetError(
            f"row {row} of the training data is strained, twisted or reconstructed ({batch[row]}), which is not an "
            "input of this surrogate: leave such rows out"
        )


def unknown_species(species: SpeciesArray, known: Sequence[Species]) -> str:
    """Return which species a surrogate was not trained on; empty if all are known or carbon of any isotope."""
    unseen = ~_table((*CARBONS, *known))[species]
    return _unknown(Species(int(species[unseen][0])), known) if unseen.any() else ""


@lru_cache(maxsize=64)
@returns_read_only
def _table(known: tuple[Species, ...]) -> BoolArray:
    """Return (codes,) whether each code is among the known ones."""
    return np.isin(np.arange(256), known)


def outside_space(space: Space, known: Sequence[Species]) -> str:
    """Return why a surrogate of undeformed tubes with these species cannot predict a design space; empty if it can."""
    domain = space.domain
    if domain is None:
        return "its designs are not tubes"
    for feature, holds in (("turned bonds", domain.turned), ("strain", domain.strained), ("torsion", domain.twisted)):
        if holds:
            return f'it was not trained on {feature}: give model="oracle" or a function of tubes'
    unknown = sorted(domain.species - {*CARBONS, *known})
    return _unknown(unknown[0], known) if unknown else ""


def _unknown(species: Species, known: Sequence[Species]) -> str:
    names = ", ".join(SPECIES_DATA[kind].label for kind in known)
    return f"a site holds {SPECIES_DATA[species].label}, {_UNKNOWN}: its species are carbon, {names}"


def excess_electrons(species: SpeciesArray) -> IntArray:
    """Return by how many electrons tubes of (B, n_sites) codes exceed carbon: their N minus their B atoms, (B,)."""
    return np.asarray((species == Species.N).sum(axis=-1) - (species == Species.B).sum(axis=-1), dtype=np.int64)


def excess_range(species: Iterable[SpeciesArray]) -> tuple[int, int]:
    """Return the least and the largest of `excess_electrons` in the training data, given as arrays of codes."""
    found = np.concatenate([excess_electrons(codes) for codes in species])
    return int(found.min()), int(found.max())


def excess_notes(excess: IntArray, trained: tuple[int, int] | None) -> dict[int, str]:
    """Return a note, by row, on tubes whose electrons differ from all of the training data.

    The Fermi level of such a tube lies in another place, often in a band, so that a value of the training data's kind
    is no estimate: in an undecorated semiconductor one N more than B makes the gap zero.

    Args:
        excess: (B,) electrons more than carbon.
        trained: least and largest number in the training data; None if it is unknown.
    """
    if trained is None:
        return {}
    low, high = trained
    data = _balance(low) if low == high else f"{_balance(low)} to {_balance(high)}"
    return {
        row: f"out of distribution: {_balance(int(excess[row]))}, and {data} in the training data: use the oracle"
        for row in np.flatnonzero((excess < low) | (excess > high)).tolist()
    }


def _balance(excess: int) -> str:
    if not excess:
        return "as many B as N"
    return f"{abs(excess)} more {'N than B' if excess > 0 else 'B than N'}"


@lru_cache(maxsize=1024)
def shape_distance(lattice: TubeLattice, trained: tuple[tuple[int, int, int], ...]) -> float:
    """Return how far a tube's shape lies outside those of the training data, given as (n, m, cells).

    The inputs of a network hold the neighbourhoods in a tube but not its width, so that features alone do not measure
    this. The formula is a choice of ours.

    Returns:
        0 if diameter, chiral angle and length lie within the ranges of the training data; otherwise 1 plus the largest
        excess, of the logarithms of diameter and length, and of the angle in units of 30 degrees.
    """
    training_shapes = np.array([_shape(tube_lattice(*shape)) for shape in trained])
    shape_of_tube = np.array(_shape(lattice))
    lowest, highest = training_shapes.min(axis=0), training_shapes.max(axis=0)
    excess = np.maximum(lowest - shape_of_tube, shape_of_tube - highest).max()
    return float(1.0 + excess) if excess > SHAPE_TOLERANCE else 0.0


def _shape(lattice: TubeLattice) -> tuple[float, float, float]:
    """Return the logarithms of diameter and length, and the chiral angle in units of 30 degrees."""
    angle = math.atan2(math.sqrt(3.0) * lattice.m, 2.0 * lattice.n + lattice.m)
    return math.log(lattice.diameter_nm), math.log(lattice.length_angstrom), angle / (math.pi / 6.0)
