"""The most similar crystals of a table: is a structure new?

A crystal is described by two fingerprints:

- composition: the share of each element. The distance of two is the share of atoms whose element differs, from 0 to 1.
- structure: for each pair of elements, how many atoms of the second are at a distance r of an atom of the first, as a
  smooth function of r up to `REACH_ANGSTROM`, divided by r². The distance of two is 1 minus the cosine of the angle
  between them, from 0 to 1. These are the partial radial distributions of Oganov and Valle, J. Chem. Phys. 130, 104504
  (2009), but counted for each atom and not by volume, so that the vacuum around a tube or a sheet does not matter.

Neither depends on the choice of the cell, on rotations or on the order of atoms. Mirror images have the same
fingerprints. The distance is the mean of both. It ranks structures; `matgym.data.matching` says whether two are the
same one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, require_counts
from matgym.frozen import ValueObject
from matgym.structures import Crystal
from matgym.structures.crystals import LAST_ELEMENT
from matgym.structures.neighbours import find_neighbours
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

REACH_ANGSTROM: Final = 7.0
BIN_ANGSTROM: Final = 0.1
WIDTH_ANGSTROM: Final = 0.2
"""Largest distance, width of the bins, and standard deviation of the smoothing of radial distributions; choices of
ours. Bonds that differ by less than the smoothing, as those of two functionals do, overlap."""

_ELEMENTS: Final = LAST_ELEMENT + 1
_BINS: Final = round(REACH_ANGSTROM / BIN_ANGSTROM)


@dataclass(frozen=True, eq=False)
class Fingerprints(ValueObject):
    """Fingerprints of crystals.

    Attributes:
        compositions: (N, 119) share of each element, by its atomic number.
        structures: (N, 119² bins) radial distributions by pairs of elements, each row of length 1; sparse.
    """

    compositions: FloatArray
    structures: "csr_array"

    def __len__(self) -> int:
        return len(self.compositions)

    @classmethod
    def of(cls, crystals: Iterable[Crystal]) -> "Fingerprints":
        """Return the fingerprints of crystals.

        Raises:
            ConfigurationError: if there are none.
        """
        from scipy.sparse import csr_array, vstack

        compositions, rows = [], []
        for crystal in crystals:
            compositions.append(np.bincount(crystal.numbers, crystal.occupancies, minlength=_ELEMENTS))
            columns, values = _radial(crystal)
            start = np.array([0, len(columns)])
            rows.append(csr_array((values, columns, start), shape=(1, _ELEMENTS**2 * _BINS)))
        if not rows:
            raise ConfigurationError("there are no crystals: give one or more")
        shares = np.array(compositions)
        return cls(shares / shares.sum(axis=1, keepdims=True), csr_array(vstack(rows)))


@dataclass(frozen=True, eq=False)
class Similar(ValueObject):
    """The most similar crystals of a table, the nearest first.

    Attributes:
        indices: (Q, K) indices into the table.
        distances: (Q, K) distances, 0 to 1: the mean of the next two.
        compositions: (Q, K) shares of atoms whose element differs.
        structures: (Q, K) distances of the radial distributions.
    """

    indices: IntArray
    distances: FloatArray
    compositions: FloatArray
    structures: FloatArray


def most_similar(designs: Fingerprints, table: Fingerprints, count: int = 5) -> Similar:
    """Return the crystals of a table that are most similar to each of (Q,) designs.

    Args:
        designs: fingerprints of the designs.
        table: fingerprints of the crystals that are searched.
        count: number of crystals for each design; all of a smaller table.

    Raises:
        ConfigurationError: if `count` is below 1.
    """
    require_counts(count=count)
    cosine = (designs.structures @ table.structures.T).toarray()
    structures = np.clip(1.0 - cosine, 0.0, 1.0)
    compositions = np.empty_like(structures)
    for row, shares in enumerate(designs.compositions):  # one at a time: all would take Q N 119 numbers
        compositions[row] = np.abs(table.compositions - shares).sum(axis=1) / 2.0
    distances = (compositions + structures) / 2.0
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    taken = [np.take_along_axis(values, order, axis=1) for values in (distances, compositions, structures)]
    return Similar(order, *taken)


def _radial(crystal: Crystal) -> tuple[IntArray, FloatArray]:
    """Return (F,) columns and (F,) values, of length 1, of the radial distributions of a crystal."""
    from scipy.ndimage import gaussian_filter1d

    positions = crystal.fractional @ crystal.cell
    i, j, vectors = find_neighbours(positions, crystal.cell, np.ones(3, dtype=bool), REACH_ANGSTROM)
    distance = np.linalg.norm(vectors, axis=1)
    apart = distance > BIN_ANGSTROM  # atoms that share a site of mixed occupancy are no neighbours
    i, j, distance = i[apart], j[apart], distance[apart]
    kinds, kind = np.unique(crystal.numbers[i] * _ELEMENTS + crystal.numbers[j], return_inverse=True)
    # Neighbours fade out at the largest distance, where one that moves in or out must not change much.
    weight = (1.0 + np.cos(math.pi * distance / REACH_ANGSTROM)) / distance**2
    weight *= crystal.occupancies[i] * crystal.occupancies[j]
    place = distance / BIN_ANGSTROM
    below = np.minimum(place.astype(np.int64), _BINS - 1)
    above = np.minimum(below + 1, _BINS - 1)
    share = weight * (place - below)  # each distance counts in the two bins beside it, so that it may move smoothly
    counted = np.zeros((len(kinds), _BINS))
    np.add.at(counted, (kind, below), weight - share)
    np.add.at(counted, (kind, above), share)
    smooth = gaussian_filter1d(counted, WIDTH_ANGSTROM / BIN_ANGSTROM, axis=1, mode="constant")
    length = float(np.linalg.norm(smooth))
    columns = (kinds[:, None] * _BINS + np.arange(_BINS)).ravel()
    held = smooth.ravel() > 0.0
    return columns[held], smooth.ravel()[held] / (length or 1.0)
