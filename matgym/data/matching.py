"""Whether two structures are the same one: crystals and layers by pymatgen's StructureMatcher, tubes about their axis.

The matcher compares cells. A tube in its box is another cell after each turn about its axis, and the vacuum around a
tube or a layer counts as a part of the cell. Bonds therefore tell first what a structure is
(`matgym.structures.layers`). A layer gets a vacuum of `VACUUM_ANGSTROM`. A tube, or any other chain, is compared with
another one under all turns and shifts along its axis, and their mirror images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import MissingExtraError, StructureError, require_positive
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures import Crystal
from matgym.structures.crystals import MOST_CRYSTAL_ATOMS
from matgym.structures.layers import find_chain, find_layer
from matgym.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

SAME_ANGSTROM: Final = 0.5
"""Largest distance of the atoms of two structures that are the same; a choice of ours."""

SAME_PERIOD: Final = 0.05
"""Largest relative difference of the periods of two tubes that are the same, atom by atom; a choice of ours."""

VACUUM_ANGSTROM: Final = 15.0
"""Vacuum that layers are compared in; a choice of ours."""

MOST_ATOMS: Final = 20 * MOST_CRYSTAL_ATOMS
"""Most atoms in the common period of two tubes; those of a longer one are taken to differ. A choice of ours."""

_TRIED: Final = 32
"""Atoms that are compared before all others are."""

_APART: Final = 1e3
"""Distance, Å, along a fourth axis by which atoms of consecutive elements are apart, so that only equal ones match."""


def are_same(design: Crystal, others: Sequence[Crystal], tolerance_angstrom: float = SAME_ANGSTROM) -> BoolArray:
    """Return (N,) whether a structure is the same one as others; mirror images are the same.

    Cells, supercells, rotations, shifts and the vacuum do not matter. Lattice lengths of crystals and layers may differ
    by 20 % and angles by 5°, the defaults of the matcher, and periods of tubes by 5 %. A tube of several walls, or
    several chains in a cell, count as a crystal.

    Args:
        design: the structure: a crystal, a layer or a tube in a whole cell.
        others: (N,) structures.
        tolerance_angstrom: largest root mean square distance of the atoms of crystals and layers, Å, and largest
            distance of any two atoms of tubes. The matcher's own is a share of the length of the volume of an atom, and
            therefore grows with the vacuum: in a vacuum of 8 Å it takes the 1T for the 2H phase of a layer of MoS2.

    Raises:
        ConfigurationError: if the tolerance is not positive.
        MissingExtraError: if pymatgen is not installed, and crystals or layers are compared.
        StructureError: if sites are partly occupied.
    """
    require_positive(tolerance_angstrom=tolerance_angstrom)
    for each in (design, *others):
        if (each.occupancies != 1.0).any():
            raise StructureError(f"an occupancy is {each.occupancies.min():g}: give whole atoms to compare structures")
    own = _kind(design)
    found = [_are_same(own, _kind(other), tolerance_angstrom) for other in others]
    return np.array(found, dtype=bool)


@dataclass(frozen=True, eq=False)
class _Chain(ValueObject):
    """A chain along z whose middle is at x = y = 0.

    Attributes:
        positions: (A, 3) positions, Å.
        numbers: (A,) atomic numbers.
        period: period, Å.
    """

    positions: FloatArray
    numbers: IntArray
    period: float

    @classmethod
    def of(cls, crystal: Crystal) -> "_Chain":
        """Return the chain of a crystal.

        Raises:
            StructureError: if it is none.
        """
        vector, positions, numbers = find_chain(crystal)
        period = float(np.linalg.norm(vector))
        axes = np.linalg.svd(vector[None])[2]  # the first one is along the vector, up to its sign
        places = (positions - positions.mean(axis=0)) @ axes[[1, 2, 0]].T
        return cls(places, numbers, period)

    def repeated(self, times: int, period: float) -> "_Chain":
        """Return several periods of the chain, stretched to a period, Å."""
        factor = period / (times * self.period)
        steps = np.repeat(np.arange(times), len(self.numbers)) * self.period
        places = np.tile(self.positions, (times, 1))
        places[:, 2] = np.mod((places[:, 2] + steps) * factor, period)
        places[:, 2][places[:, 2] >= period] = 0.0  # by rounding
        return _Chain(places, np.tile(self.numbers, times), period)

    @cached_property
    def tree(self) -> "cKDTree":
        """Search tree of the atoms, periodic along z, whose fourth axis holds the element."""
        from scipy.spatial import cKDTree

        return cKDTree(
            self._with_elements(self.positions, self.numbers), boxsize=np.array([0.0, 0.0, self.period, 0.0])
        )

    @cached_property
    @returns_read_only
    def radii(self) -> FloatArray:
        """(A,) distances from the axis, Å."""
        return np.asarray(np.hypot(self.positions[:, 0], self.positions[:, 1]))

    @cached_property
    @returns_read_only
    def angles(self) -> FloatArray:
        """(A,) angles about the axis."""
        return np.asarray(np.arctan2(self.positions[:, 1], self.positions[:, 0]))

    def nearest(self, positions: FloatArray, numbers: IntArray, within: float) -> tuple[FloatArray, IntArray]:
        """Return (P,) distances, Å, and (P,) atoms of the same element nearest to places; inf for none within reach."""
        places = positions.copy()
        places[:, 2] = np.mod(places[:, 2], self.period)
        places[:, 2][places[:, 2] >= self.period] = 0.0
        distances, atoms = self.tree.query(self._with_elements(places, numbers), distance_upper_bound=within)
        return np.asarray(distances), np.asarray(atoms, dtype=np.int64)

    @staticmethod
    def _with_elements(positions: FloatArray, numbers: IntArray) -> FloatArray:
        return np.column_stack([positions, _APART * numbers])


def _kind(crystal: Crystal) -> _Chain | tuple[int, Crystal]:
    """Return a chain; or the number of periodic directions and the crystal, with the common vacuum for a layer."""
    try:
        return _Chain.of(crystal)
    except StructureError:
        pass
    try:
        period, positions, numbers = find_layer(crystal)
    except StructureError:
        return 3, crystal
    normal = np.cross(*period)
    normal /= np.linalg.norm(normal)
    cell = np.stack([*period, normal * (float(np.ptp(positions @ normal)) + VACUUM_ANGSTROM)])
    return 2, Crystal(cell, np.linalg.solve(cell.T, positions.T).T, numbers, np.ones(len(numbers)))


def _are_same(one: _Chain | tuple[int, Crystal], other: _Chain | tuple[int, Crystal], tolerance: float) -> bool:
    if isinstance(one, _Chain) and isinstance(other, _Chain):
        return _same_chains(one, other, tolerance)
    if isinstance(one, _Chain) or isinstance(other, _Chain) or one[0] != other[0]:
        return False
    return _same_crystals(one[1], other[1], tolerance)


def _same_crystals(design: Crystal, other: Crystal, tolerance: float) -> bool:
    try:
        from pymatgen.analysis.structure_matcher import StructureMatcher
        from pymatgen.io.ase import AseAtomsAdaptor
    except ImportError:
        raise MissingExtraError("pymatgen", "pymatgen") from None
    share = tolerance / (design.volume / len(design.numbers)) ** (1.0 / 3.0)
    matcher = StructureMatcher(stol=share, scale=False)
    return bool(matcher.fit(*(AseAtomsAdaptor.get_structure(each.to_atoms()) for each in (design, other))))


def _same_chains(one: _Chain, other: _Chain, tolerance: float) -> bool:
    """Return whether a turn and a shift bring each atom of a chain, or of its mirror image, to one of the other's."""
    count = math.lcm(len(one.numbers), len(other.numbers))
    times, other_times = count // len(one.numbers), count // len(other.numbers)
    elements, counts = np.unique(one.numbers, return_counts=True)
    other_elements, other_counts = np.unique(other.numbers, return_counts=True)
    if not np.array_equal(elements, other_elements) or not np.array_equal(counts * times, other_counts * other_times):
        return False
    period = times * one.period
    if count > MOST_ATOMS or abs(other_times * other.period / period - 1.0) > SAME_PERIOD:
        return False
    # All places of one atom of the rarest element are tried. Those in one period of the other chain are enough.
    anchor = int(np.flatnonzero(one.numbers == elements[counts.argmin()])[0])
    long, target = one.repeated(times, period), other.repeated(other_times, period)
    alike = np.arange(count) < len(other.numbers)
    alike &= (target.numbers == long.numbers[anchor]) & (np.abs(target.radii - long.radii[anchor]) <= tolerance)
    return any(
        _fit(long, target, anchor, place, turned, up, tolerance)
        for place, turned, up in product(np.flatnonzero(alike).tolist(), (1.0, -1.0), (1.0, -1.0))
    )


def _fit(  # of one function only
    one: _Chain, other: _Chain, anchor: int, place: int, turned: float, up: float, tolerance: float
) -> bool:
    """Return whether the chains are the same if one atom of the first comes to a place of the second.

    Args:
        one: first chain.
        other: second chain, of the same period.
        anchor: atom of the first.
        place: atom of the second.
        turned: -1 to reverse angles about the axis.
        up: -1 to reverse the axis.
        tolerance: largest distance of atoms, Å.
    """
    angles, heights = turned * one.angles, up * one.positions[:, 2]
    angles = angles + other.angles[place] - angles[anchor]
    heights = heights + other.positions[place, 2] - heights[anchor]
    few = slice(None, None, -(-len(angles) // _TRIED))
    reach = 2.0 * tolerance  # the atom that was brought to its place may be displaced itself
    distances, _ = other.nearest(_around(one.radii[few], angles[few], heights[few]), one.numbers[few], reach)
    if np.isinf(distances).any():
        return False
    distances, atoms = other.nearest(_around(one.radii, angles, heights), one.numbers, reach)
    if np.isinf(distances).any() or len(np.unique(atoms)) < len(atoms):
        return False
    weights = one.radii * other.radii[atoms]
    turn = np.angle((weights * np.exp(1j * (other.angles[atoms] - angles))).sum())
    apart = other.positions[atoms, 2] - heights
    angles = angles + turn
    heights = heights + (apart - other.period * np.rint(apart / other.period)).mean()
    distances, again = other.nearest(_around(one.radii, angles, heights), one.numbers, reach)
    return bool((distances <= tolerance).all() and len(np.unique(again)) == len(again))


def _around(radii: FloatArray, angles: FloatArray, heights: FloatArray) -> FloatArray:
    """Return (P, 3) positions, Å, of cylindrical coordinates."""
    return np.column_stack([radii * np.cos(angles), radii * np.sin(angles), heights])
