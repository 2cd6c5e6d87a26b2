"""Lattices of which 1/d² of all lines is linear in up to three parameters, by the shape of their cell."""

from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Final, TypeAlias

import numpy as np

from matgym.frozen import ValueObject
from matgym.typing import BoolArray, FloatArray, IntArray

Rows: TypeAlias = tuple[tuple[int, ...], ...]

CENTRED: Final = {"P": 1, "I": 2, "F": 4, "A": 2, "B": 2, "C": 2, "R": 3}
"""Lattice points of a conventional cell."""


CUBIC: Final[Rows] = ((1,), (2,), (3,), (4,), (5,), (6,), (8,), (11,), (12,))
TETRAGONAL: Final[Rows] = (
    (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 4), (1, 4), (2, 4), (4, 0), (5, 1), (4, 1), (4, 4), (5, 0), (0, 9),
    (1, 9), (8, 0), (0, 16), (1, 16),
)  # fmt: skip
HEXAGONAL: Final[Rows] = (
    (1, 0), (0, 1), (1, 1), (0, 4), (1, 4), (3, 0), (3, 1), (4, 0), (4, 1), (3, 4), (1, 9), (0, 9), (0, 16), (0, 36),
    (4, 4), (1, 16), (1, 25),
)  # fmt: skip
ORTHORHOMBIC: Final[tuple[tuple[int, Rows], ...]] = (
    (0, ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (4, 0, 0), (0, 4, 0), (0, 0, 4),
         (4, 1, 0), (1, 4, 0), (0, 1, 4), (0, 4, 1), (1, 0, 4), (4, 0, 1))),
    (1, ((1, 1, 0), (1, 0, 1), (0, 1, 1), (4, 0, 0), (0, 4, 0), (0, 0, 4), (4, 1, 1), (1, 4, 1), (1, 1, 4))),
    (2, ((1, 1, 1), (4, 0, 0), (0, 4, 0), (0, 0, 4), (4, 4, 0), (4, 0, 4), (0, 4, 4), (9, 1, 1), (1, 9, 1), (1, 1, 9))),
    (5, ((1, 1, 0), (4, 0, 0), (0, 4, 0), (0, 0, 1), (1, 1, 1), (4, 0, 1), (0, 4, 1), (0, 0, 4), (1, 1, 4), (4, 4, 0))),
)  # fmt: skip
"""Rows of `Family.squares` as which low peaks are tried: those of lines of low indices, for orthorhombic lattices
by the number of the centring. A choice of ours."""


ROWS: Final = tuple((k, l) for k in range(4) for l in range(4) if k * l < 6 and k + l < 5)
"""k and l of the lines by which orthorhombic lattices are screened; a choice of ours."""


@dataclass(frozen=True, eq=False)
class Family(ValueObject):
    """The lattices of one shape of cell.

    Attributes:
        name: its name, as that of a crystal system.
        squares: (L, P) numbers of each line by which the parameters are multiplied for Q.
        centrings: C kinds of centring. A, B and C differ where the parameters are sorted.
        allowed: (C, L) whether a centring has the line.
        powers: (P,) powers of the parameters in the volume.
        factor: factor of the volume.
        equal: lines that coincide.
    """

    name: str
    squares: IntArray
    centrings: tuple[str, ...]
    allowed: BoolArray
    powers: FloatArray
    factor: float
    equal: int

    def volumes(self, parameters: FloatArray) -> FloatArray:
        """Return the (K,) volumes of the conventional cells of (K, P) parameters, Å³."""
        return np.asarray(self.factor * np.exp(np.log(parameters) @ self.powers))


@cache
def line_rows(centring: str) -> IntArray:
    """Return the (R, 4) rows of lines of an orthorhombic lattice: k², l², the step of h and its first value.

    Rows have low k and l, and any h, which is that of the longest axis.
    """
    found = []
    for k, l in ROWS:
        first = {"I": (k + l) % 2, "F": k % 2, "B": l % 2, "C": k % 2}.get(centring, 0)
        if (k + l) % 2 == 0 or centring not in ("A", "F"):
            found.append((k * k, l * l, 1 if centring in ("P", "A") else 2, first))
    rows = np.array(found)
    rows.setflags(write=False)
    return rows


@cache
def families() -> tuple[Family, ...]:
    """Return the families of lattices, the most symmetric one first."""
    h, k, l = _indices(12, 12, 12)
    every, body, face = h >= 0, (h + k + l) % 2 == 0, ((h + k) % 2 == 0) & ((k + l) % 2 == 0)
    obverse = ((-h + k + l) % 3 == 0) | ((h - k + l) % 3 == 0)
    cubic, cubic_allowed = _lines(np.stack([h**2 + k**2 + l**2], axis=1), (every, body, face))
    low = cubic[:, 0] <= 100
    tetragonal = _lines(np.stack([h**2 + k**2, l**2], axis=1), (every, body))
    hexagonal = _lines(np.stack([h**2 + h * k + k**2, l**2], axis=1), (every, obverse))
    h, k, l = _indices(14, 10, 8)  # parameters are sorted, the longest axis first
    every, body, face = h >= 0, (h + k + l) % 2 == 0, ((h + k) % 2 == 0) & ((k + l) % 2 == 0)
    sides = tuple((first + second) % 2 == 0 for first, second in ((k, l), (h, l), (h, k)))
    orthorhombic = _lines(np.stack([h**2, k**2, l**2], axis=1), (every, body, face, *sides))
    return (
        Family("cubic", cubic[low], ("P", "I", "F"), cubic_allowed[:, low], np.array([-1.5]), 1.0, 48),
        Family("tetragonal", tetragonal[0], ("P", "I"), tetragonal[1], np.array([-1.0, -0.5]), 1.0, 16),
        Family("hexagonal", hexagonal[0], ("P", "R"), hexagonal[1], np.array([-1.0, -0.5]), 2.0 / np.sqrt(3.0), 24),
        Family("orthorhombic", orthorhombic[0], tuple("PIFABC"), orthorhombic[1], np.full(3, -0.5), 1.0, 8),
    )


@cache
def trials(family: str) -> tuple[tuple[int, FloatArray], ...]:
    """Return by which centrings low peaks of a family are solved for its parameters.

    Returns:
        For each the number of the centring, and (S, P, P) matrices that give the parameters of Q of P peaks that are
        taken as its lines of low indices.
    """
    rows = {"cubic": ((0, CUBIC),), "tetragonal": ((0, TETRAGONAL),), "hexagonal": ((0, HEXAGONAL),)}
    found = rows.get(family, ORTHORHOMBIC)
    return tuple((number, _inverses(low, interchangeable=family == "orthorhombic")) for number, low in found)


@cache
def centrings() -> tuple[tuple[str, str], ...]:
    """Return family and centring of each row of `figures_of_merit`."""
    return tuple((family.name, centring) for family in families() for centring in family.centrings)


def _indices(*most: int) -> IntArray:
    """Return the (3, L) Miller indices from 0 to `most` of each axis, but for (0, 0, 0)."""
    return np.stack(np.meshgrid(*(np.arange(each + 1) for each in most), indexing="ij")).reshape(3, -1)[:, 1:]


def _lines(squares: IntArray, allowed: tuple[BoolArray, ...]) -> tuple[IntArray, BoolArray]:
    """Return the (L, P) rows that differ, lowest sums first, and the (C, L) lines that some of their indices allow."""
    rows, inverse = np.unique(squares, axis=0, return_inverse=True)
    found = np.zeros((len(allowed), len(rows)), dtype=bool)
    for row, mask in zip(found, allowed, strict=True):
        np.logical_or.at(row, inverse.ravel(), mask)
    order = np.argsort(rows.sum(axis=1), kind="stable")
    return rows[order], found[:, order]


def _inverses(low: Rows, *, interchangeable: bool = False) -> FloatArray:
    """Return the (S, P, P) inverses of all combinations of P rows; of those that only name the axes anew, one."""
    rows = np.array(low)
    count, seen, found = rows.shape[1], set(), []
    for chosen in permutations(range(len(rows)), count):
        matrix = rows[list(chosen)]
        if abs(np.linalg.det(matrix)) < 0.5:
            continue
        if interchangeable:
            key = min(tuple(matrix[:, list(axes)].ravel().tolist()) for axes in permutations(range(count)))
            if key in seen:
                continue
            seen.add(key)
        found.append(matrix)
    inverses: FloatArray = np.linalg.inv(np.array(found, dtype=np.float64))
    inverses.setflags(write=False)
    return inverses
