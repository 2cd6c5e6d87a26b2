"""Entries: one structure of a source with its values, validated; what is wrong raises one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from matgym.errors import RowError, StructureError
from matgym.files import MAX_NUMBER
from matgym.frozen import ValueObject
from matgym.structures import Crystal
from matgym.structures.crystals import LAST_ELEMENT
from matgym.typing import BoolArray, FloatArray

VACUUM_ANGSTROM: Final = 15.0
"""Empty space along a direction that is not periodic and for which a source gives no cell vector. A choice of ours."""

FARTHEST_ANGSTROM: Final = 1e6
"""Largest coordinate that can be meant. A choice of ours."""


@dataclass(frozen=True, eq=False)
class Entry(ValueObject, copies=True):
    """A structure of a source.

    Attributes:
        id: the source's identifier.
        crystal: the structure. Its cell has three vectors; along those that are not periodic is vacuum.
        periodic: (3,) whether the structure is periodic along each vector.
        values: values by property, in the units of the table; properties without a value are absent.
        methods: how each value was obtained, by property.
        url: address of the source's page or record; may be empty.
        modified: time of the last change, as the source gives it; may be empty.

    Raises:
        RowError: if it is no structure of known elements with finite values.
    """

    id: str
    crystal: Crystal
    periodic: BoolArray = field(default_factory=lambda: np.ones(3, dtype=bool))
    values: Mapping[str, float] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    modified: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.id, str) or not self.id:
            raise RowError(f"its identifier is {self.id!r:.40}: an entry has a text")
        if self.periodic.shape != (3,) or self.periodic.dtype != bool:
            raise RowError(f"its periodicity has shape {self.periodic.shape}: an entry has 3 booleans")
        if not self.periodic.any():
            raise RowError("it is periodic in no direction: matgym takes crystals, sheets and chains")
        numbers, shares = self.crystal.numbers, self.crystal.occupancies
        if not ((numbers >= 1) & (numbers <= LAST_ELEMENT)).all():
            raise RowError(
                f"it has an atomic number of {numbers.min()} to {numbers.max()}: elements have 1 to {LAST_ELEMENT}"
            )
        if not ((shares > 0.0) & (shares <= 1.0 + 1e-6)).all():
            raise RowError(f"its occupancies are {shares.min():g} to {shares.max():g}: they lie above 0, up to 1")
        for name, value in self.values.items():
            if not abs(value) <= MAX_NUMBER:  # NaN compares as false
                raise RowError(f"its {name} is {value}, which is not finite")

    @property
    def formula(self) -> str:
        """Composition of the cell, in alphabetical order: "B2N2"; with occupancies to three digits."""
        from ase.data import chemical_symbols

        counts: dict[str, float] = {}
        for number, share in zip(self.crystal.numbers.tolist(), self.crystal.occupancies.tolist(), strict=True):
            symbol = chemical_symbols[number]
            counts[symbol] = counts.get(symbol, 0.0) + share
        return "".join(f"{symbol}{'' if count == 1 else f'{count:.3g}'}" for symbol, count in sorted(counts.items()))


def crystal_of(
    cell: Any, cartesian: Any, numbers: Sequence[int], occupancies: Sequence[float], periodic: BoolArray
) -> Crystal:
    """Return a crystal of what a source gave.

    Args:
        cell: (3, 3) cell vectors in rows, Å; a vector of a direction that is not periodic may be null.
        cartesian: (A, 3) coordinates, Å.
        numbers: (A,) atomic numbers.
        occupancies: (A,) occupancies.
        periodic: (3,) whether the structure is periodic along each vector.

    Raises:
        RowError: if they are no structure.
    """
    positions = array(cartesian, (len(numbers), 3), "coordinates")
    if not isinstance(cell, list | tuple | np.ndarray) or len(cell) != 3:
        raise RowError(f"its cell is {cell!r:.40}, not three vectors")
    vectors = [_vector(vector, bool(along)) for vector, along in zip(cell, periodic, strict=True)]
    filled = _filled(vectors, positions)
    try:
        with np.errstate(all="ignore"):
            fractional = positions @ np.linalg.inv(filled)
        return Crystal(filled, fractional, np.array(numbers, dtype=np.int64), np.array(occupancies, dtype=np.float64))
    except (StructureError, np.linalg.LinAlgError) as error:
        raise RowError(f"it is no structure: {error}") from None


def array(values: Any, shape: tuple[int, ...], name: str) -> FloatArray:
    """Return an array of finite numbers that a source gave.

    Raises:
        RowError: if they are not finite numbers, or of another shape.
    """
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.full(1, np.nan)
    if found.shape != shape or not (np.abs(found) <= FARTHEST_ANGSTROM).all():
        raise RowError(f"its {name} are {'missing' if values is None else f'not {shape} finite numbers'}")
    return found


def _vector(vector: Any, periodic: bool) -> FloatArray | None:
    """Return a cell vector; None for a direction that is not periodic and has none."""
    components = vector if isinstance(vector, list | tuple | np.ndarray) else [vector]
    empty = all(each is None for each in components) or not np.any(components)
    if empty and not periodic:
        return None
    return array(vector, (3,), "cell vectors")


def _filled(vectors: Sequence[FloatArray | None], positions: FloatArray) -> FloatArray:
    """Return (3, 3) cell vectors, with orthogonal ones that leave vacuum in the places of those that are missing."""
    known = [vector for vector in vectors if vector is not None]
    # The right singular vectors beyond those of the known ones are orthogonal to them.
    free = list(np.linalg.svd(np.array(known).reshape(-1, 3))[2][len(known) :])
    return np.array([_across(free.pop(0), positions) if vector is None else vector for vector in vectors])


def _across(direction: FloatArray, positions: FloatArray) -> FloatArray:
    heights = positions @ direction
    return np.asarray(direction * (np.ptp(heights) + VACUUM_ANGSTROM))
