"""Sheets of any material, and the tubes that they are rolled into.

The chiral vector C = n a₁ + m a₂ becomes the circumference of the tube, so that its radius is |C|/2π. An atom at
height h above the middle of the sheet is at radius |C|/2π + h. Seen from the outside, the turn from a₁ to a₂ is
clockwise, and C turned by 90° counter-clockwise is the axis. This is as in `matgym.structures.lattice`: an (n, m) tube
of graphene has the handedness of `TubeLattice(n, m, …)`.

The period of a tube is the shortest lattice vector T at a right angle to C. In hexagonal and square sheets there is
one, not longer than √3 |C|. In other sheets there often is none. A lattice vector that is nearly at a right angle then
becomes the period of a tube that is twisted by the difference, which is a shear strain of the sheet. It changes neither
the radius nor the area of an atom, and bond lengths by up to half of its value.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures.arguments import number, whole
from matgym.structures.crystals import MOST_CRYSTAL_ATOMS, Crystal
from matgym.structures.layers import bonds, find_layer
from matgym.structures.neighbours import find_neighbours
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

MAX_TORSION: Final = 0.01
"""Largest shear strain that makes a tube periodic; a choice of ours. It changes bond lengths by up to half a percent.
The shortest period within it is at most about √(area of the cell / strain): 38 Å in phosphorene."""

VACUUM_ANGSTROM: Final = 10.0
"""Width of the empty space on every side of a tube."""

CLOSEST: Final = 0.7
"""Smallest distance of two atoms of a tube, relative to that in the sheet; a choice of ours."""

_EXACT: Final = 1e-4
"""Shear strains below this are rounding of the file."""

_HEXAGONAL: Final = 0.02
"""Largest relative difference of the lengths, and largest difference of the cosine from -1/2, of hexagonal cells."""

_EDGE: Final = 1e-9
"""Atoms within this fraction of a period below its end count as atoms at its start."""


@dataclass(frozen=True)
class Translation:
    """The period of a tube: a lattice vector of the sheet.

    Attributes:
        p: coefficient of a₁.
        q: coefficient of a₂.
        length_angstrom: period of the tube, Å.
        torsion: shear strain R dφ/dz of the twist that makes it the period, a fraction; that of rounding if T is at
            a right angle to C.
    """

    p: int
    q: int
    length_angstrom: float
    torsion: float


@dataclass(frozen=True, eq=False)
class Sheet(ValueObject, copies=True):
    """One layer of any material.

    Attributes:
        cell: (2, 2) lattice vectors a₁ and a₂ in rows, Å, seen from the side that becomes the outside of tubes.
        fractional: (A, 2) coordinates in units of a₁ and a₂.
        heights_angstrom: (A,) heights, positive towards the outside, Å.
        numbers: (A,) atomic numbers.

    Raises:
        StructureError: if shapes differ, numbers are not finite, or the cell is too small.
    """

    cell: FloatArray
    fractional: FloatArray
    heights_angstrom: FloatArray
    numbers: IntArray

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.numbers)
        shapes = (self.cell.shape, self.fractional.shape, self.heights_angstrom.shape)
        if shapes != ((2, 2), (count, 2), (count,)) or not count:
            raise StructureError(f"cell, fractional and heights have shapes {shapes}: give {count} atoms in a layer")
        finite = all(np.isfinite(part).all() for part in (self.cell, self.fractional, self.heights_angstrom))
        if not (finite and self.area_angstrom2 > 1.0):
            raise StructureError(
                f"a cell of {self.area_angstrom2:g} Å²: give finite coordinates and vectors of more than 1 Å²"
            )

    @classmethod
    def of(cls, structure: "Sheet | Crystal | Atoms | Structure") -> "Sheet":
        """Return the sheet that a crystal, ASE atoms or a pymatgen structure hold, with the mean height 0.

        The plane is found by the bonds, wherever the layer is in the cell. a₁ and a₂ are the cell vectors in it. If
        they are those of a hexagon at 120°, a₂ is replaced by a₁ + a₂ at 60°, as is usual for carbon tubes. The side
        to which -a₁ × a₂ points becomes the outside: see `flipped`.

        Args:
            structure: one layer; periodic in two or in three directions.

        Raises:
            StructureError: if it is not one layer, or sites are partly occupied; the message says why.
        """
        if isinstance(structure, Sheet):
            return structure
        period, positions, numbers = find_layer(structure)
        along = period[0] / np.linalg.norm(period[0])
        normal = np.cross(*period)
        normal /= np.linalg.norm(normal)
        frame = np.stack([along, -np.cross(normal, along), -normal], axis=1)  # as seen against the normal
        cell, places = (period @ frame)[:, :2], positions @ frame
        fractional = np.linalg.solve(cell.T, places[:, :2].T).T
        first, second = np.linalg.norm(cell, axis=1)
        if abs(second / first - 1.0) < _HEXAGONAL and abs(cell[0] @ cell[1] / (first * second) + 0.5) < _HEXAGONAL:
            cell = np.stack([cell[0], cell[0] + cell[1]])
            fractional = np.stack([fractional[:, 0] - fractional[:, 1], fractional[:, 1]], axis=1)
        return cls(cell, fractional, places[:, 2] - places[:, 2].mean(), numbers)

    @property
    def area_angstrom2(self) -> float:
        """Area of the cell, Å²."""
        return abs(float(np.linalg.det(self.cell)))

    @property
    def thickness_angstrom(self) -> float:
        """Height of the highest above the lowest atom, Å."""
        return float(np.ptp(self.heights_angstrom))

    @property
    def shortest_bond_angstrom(self) -> float:
        """Smallest distance of two bonded atoms, Å."""
        return float(np.linalg.norm(self.bonds[2], axis=1).min())

    @cached_property
    @returns_read_only
    def bonds(self) -> tuple[IntArray, IntArray, FloatArray]:
        """(P,) atoms i, (P,) atoms j, and (P, 3) vectors from i to j, Å, of bonds by covalent radii, in both ways."""
        cell = np.eye(3)
        cell[:2, :2] = self.cell
        positions = np.column_stack([self.fractional @ self.cell, self.heights_angstrom])
        return bonds(positions, cell, np.array([True, True, False]), self.numbers)

    def flipped(self) -> Self:
        """Return the sheet whose other side becomes the outside of tubes.

        a₁ and a₂ stay the same vectors. A tube of a flat sheet therefore becomes its mirror image.
        """
        return replace(self, cell=self.cell * np.array([1.0, -1.0]), heights_angstrom=-self.heights_angstrom)

    def circumference_angstrom(self, n: int, m: int) -> float:
        """Return the length |C| of the chiral vector n a₁ + m a₂, Å."""
        return float(np.linalg.norm(np.array([n, m]) @ self.cell))

    def radius_angstrom(self, n: int, m: int) -> float:
        """Return the radius |C|/2π of the middle of the (n, m) tube, Å."""
        return self.circumference_angstrom(n, m) / (2.0 * math.pi)

    def translation(self, n: int, m: int, *, max_torsion: float = MAX_TORSION, cells: int = 1) -> Translation:
        """Return the period of the (n, m) tube.

        The vector at a right angle to C is taken if there is one of less than 2 |C|, and else the shortest one that
        a shear strain of at most `max_torsion` turns to a right angle.

        Args:
            n: first chiral index, any whole number.
            m: second chiral index, any whole number.
            max_torsion: largest shear strain, a fraction.
            cells: number of periods of the tube, all of which have at most `MOST_CRYSTAL_ATOMS` atoms.

        Raises:
            StructureError: if n and m are 0, or no such vector gives a tube of so few atoms.
        """
        n, m = whole("n", n), whole("m", m)
        cells, max_torsion = whole("cells", cells), number("max_torsion", max_torsion)
        if not (n or m) or cells < 1 or not 0.0 <= max_torsion <= 1.0:
            raise StructureError(
                f"n={n}, m={m}, cells={cells}, max_torsion={max_torsion:g}: give n and m that are not both 0, 1 cell "
                "or more, and a torsion from 0 to 1"
            )
        # Lattice vectors modulo C are k times one step (p, q) up the tube, plus multiples of C / gcd(n, m) around it.
        folds = math.gcd(n, m)
        ring = np.array([n, m]) // folds
        step = _step(int(ring[0]), int(ring[1]), upward=bool(np.linalg.det(self.cell) > 0.0))
        around = ring @ self.cell
        width = float(np.linalg.norm(around))
        height = self.area_angstrom2 / width
        most = MOST_CRYSTAL_ATOMS // (folds * len(self.numbers) * cells)
        k = np.arange(1, most + 1)
        shift = k * float(step @ self.cell @ around) / width
        turns = -np.rint(shift / width).astype(np.int64)
        torsion = (shift + turns * width) / (k * height)
        exact = (np.abs(torsion) <= _EXACT) & (k * height <= 2.0 * folds * width)
        fits = np.flatnonzero(exact) if exact.any() else np.flatnonzero(np.abs(torsion) <= max_torsion)
        if not len(fits):
            raise StructureError(self._why_none(n, m, cells, max_torsion, torsion))
        place = fits[0]
        p, q = (k[place] * step + turns[place] * ring).tolist()
        return Translation(p, q, float(k[place] * height), float(torsion[place]))

    def _why_none(self, n: int, m: int, cells: int, max_torsion: float, torsion: FloatArray) -> str:
        tube = f"{cells} cells of a ({n}, {m}) tube" if cells > 1 else f"a ({n}, {m}) tube"
        if not len(torsion):
            return (
                f"{tube} of this sheet would have more than {MOST_CRYSTAL_ATOMS:,} atoms: give a thinner or shorter one"
            )
        return (
            f"no period of {tube} with {MOST_CRYSTAL_ATOMS:,} atoms or fewer is at a right angle to its chiral vector: "
            f"the smallest misfit is a torsion of {np.abs(torsion).min():.2%}, and max_torsion is {max_torsion:.2%}; "
            "give a larger one, or another (n, m)"
        )

    def rolled(
        self,
        n: int,
        m: int,
        cells: int = 1,
        *,
        max_torsion: float = MAX_TORSION,
        vacuum_angstrom: float = VACUUM_ANGSTROM,
    ) -> Crystal:
        """Return the sheet rolled into an (n, m) tube.

        Args:
            n: first chiral index, any whole number.
            m: second chiral index, any whole number.
            cells: number of periods along the axis.
            max_torsion: largest shear strain that makes the tube periodic, a fraction: see `translation`.
            vacuum_angstrom: width of the empty space on every side, Å.

        Returns:
            The tube. Its axis is the third cell vector, through the middle of the cell. The atoms of one cell of the
            sheet follow each other.

        Raises:
            StructureError: if the tube has no period within `max_torsion`, too many atoms, or too small a radius.
        """
        period = self.translation(n, m, max_torsion=max_torsion, cells=cells)
        circumference = self.circumference_angstrom(n, m)
        axes = np.array([n, m]) @ self.cell / circumference  # the direction of C
        axes = np.stack([axes, [-axes[1], axes[0]]], axis=1)
        corners = _cells_between((n, m), (cells * period.p, cells * period.q))
        around, along = ((corners[:, None] + self.fractional).reshape(-1, 2) @ self.cell @ axes).T
        around = around - period.torsion * along
        length = cells * period.length_angstrom
        fraction = along / length
        angle = 2.0 * np.pi * around / circumference
        radius = np.tile(self.radius_angstrom(n, m) + self.heights_angstrom, len(corners))
        if radius.min() <= 0.0:
            raise StructureError(
                f"a ({n}, {m}) tube has a radius of {self.radius_angstrom(n, m):.2f} Å, and atoms of this sheet "
                f"reach {-self.heights_angstrom.min():.2f} Å inwards: give a larger (n, m)"
            )
        vacuum = number("vacuum_angstrom", vacuum_angstrom)
        side = 2.0 * (float(radius.max()) + vacuum)
        places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) / side + 0.5
        tube = Crystal(
            np.diag([side, side, length]),
            np.column_stack([places, fraction - np.floor(fraction + _EDGE)]),
            np.tile(self.numbers, len(corners)),
            np.ones(len(radius)),
        )
        self._check_distances(tube, n, m)
        return tube

    def _check_distances(self, tube: Crystal, n: int, m: int) -> None:
        """Check that no two atoms of a tube are much closer than in the sheet.

        Raises:
            StructureError: if two are.
        """
        shortest = self.shortest_bond_angstrom
        periodic = np.array([False, False, True])
        _, _, vectors = find_neighbours(tube.fractional @ tube.cell, tube.cell, periodic, CLOSEST * shortest)
        if len(vectors):
            raise StructureError(
                f"atoms of a ({n}, {m}) tube of this sheet are {np.linalg.norm(vectors, axis=1).min():.2f} Å apart, "
                f"and {shortest:.2f} Å in the sheet: give a larger (n, m)"
            )


def _step(n: int, m: int, *, upward: bool) -> IntArray:
    """Return (2,) a lattice vector (p, q) on the next line of lattice points beside the line along (n, m).

    Args:
        n: first coordinate, without a common divisor with `m`.
        m: second coordinate.
        upward: whether n q - m p is 1; otherwise it is -1.
    """
    sign = 1 if upward else -1
    if n == 0:
        return np.array([-sign * m, 0])
    p = -sign * pow(m, -1, abs(n)) % abs(n)
    return np.array([p, (sign + m * p) // n])


def _cells_between(first: tuple[int, int], second: tuple[int, int]) -> IntArray:
    """Return (N, 2) one cell of each of the N cells that the lattice of two vectors distinguishes.

    In Hermite normal form the lattice is spanned by (columns, …) and (0, rows).
    """
    columns = math.gcd(first[0], second[0])
    rows = abs(first[0] * second[1] - first[1] * second[0]) // columns
    return np.indices((columns, rows)).reshape(2, -1).T
