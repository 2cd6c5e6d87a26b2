"""What is asked of a source: compositions, sizes, periodicity, properties."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from matgym.errors import ConfigurationError, is_whole
from matgym.structures.crystals import MOST_CRYSTAL_ATOMS

MOST_NAMES: Final = 1000
"""Most formulas, elements, ids or properties in a query. This limit and the next one are our choice."""

LONGEST_NAME: Final = 200
"""Most characters of a name."""

MOST_ATOMS: Final = MOST_CRYSTAL_ATOMS
"""Largest number of atoms that can be asked for: the most that a `Crystal` holds."""


@dataclass(frozen=True)
class Query:
    """A question to a source. Structures must meet all conditions; an empty condition is met by all.

    Attributes:
        formulas: compositions, of which a structure has one. "B2N2", "NB" and "BN" are the same composition; they are
            stored as "BN", reduced and in alphabetical order.
        elements: symbols of elements, all of which a structure contains, among others.
        ids: identifiers of the source, of which a structure has one.
        properties: names of `PROPERTIES`, or of fields of the source.
        atoms: smallest and largest number of atoms in the cell; None for any.
        periodic: number of periodic directions, 1 to 3; None for any.
        limit: most rows that are fetched; None for all.

    Raises:
        ConfigurationError: if a condition is impossible.
    """

    formulas: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    atoms: tuple[int, int] | None = None
    periodic: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("formulas", "elements", "ids", "properties"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        object.__setattr__(self, "formulas", _unique(map(reduced_formula, self.formulas)))
        for symbol in self.elements:
            if not is_element(symbol):
                raise ConfigurationError(f"elements has {symbol!r}: give symbols of elements, such as C or B")
        if self.atoms is not None:
            low, high = self.atoms
            if not (is_whole(low) and is_whole(high) and 1 <= low <= high <= MOST_ATOMS):
                raise ConfigurationError(f"atoms={self.atoms} must be two whole numbers from 1 to {MOST_ATOMS:,}")
        if self.periodic is not None and self.periodic not in {1, 2, 3}:
            raise ConfigurationError(f"periodic={self.periodic!r} must be 1, 2 or 3 periodic directions")
        if self.limit is not None and not (is_whole(self.limit) and self.limit >= 1):
            raise ConfigurationError(f"limit={self.limit!r} must be a whole number of 1 or more")

    @property
    def settings(self) -> dict[str, Any]:
        """The conditions, as JSON takes them; without those that are empty."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items() if value
        }

    def selects(self, symbols: Sequence[str], formula: Callable[[], str]) -> bool:
        """Return whether a structure meets the conditions on its atoms: their number, elements and composition.

        Args:
            symbols: symbol of each atom of the cell.
            formula: function that returns the composition as `reduced_formula` does; it is called if it is needed.
        """
        low, high = self.atoms or (1, len(symbols))
        return (
            low <= len(symbols) <= high
            and set(self.elements) <= set(symbols)
            and (not self.formulas or formula() in self.formulas)
        )

    def digest(self, **context: Any) -> str:
        """Return a hash of the query and of what else its answer depends on, as JSON takes it."""
        text = json.dumps({"query": self.settings, **context}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def reduced_formula(formula: str) -> str:
    """Return a composition in reduced form, in alphabetical order: "BN" for "N2B2".

    Raises:
        ConfigurationError: if it is no formula.
    """
    from ase.formula import Formula

    try:
        counts = Formula(formula).reduce()[0].count()
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, AssertionError, ZeroDivisionError):
        counts = {}  # ASE's parser raises what a wrong formula provokes
    if not counts or not all(map(is_element, counts)):
        raise ConfigurationError(f"{formula!r} is no chemical formula: give one such as C, BN or BC2N")
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in sorted(counts.items()))


def is_element(symbol: object) -> bool:
    """Return whether a text is the symbol of an element."""
    from ase.data import atomic_numbers

    return symbol in atomic_numbers and symbol != "X"  # ASE's name for an unknown atom


def _names(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str):
        raise ConfigurationError(f"{name}={values!r} must be several names: give ({values!r},)")
    found = _unique(values)
    if len(found) > MOST_NAMES:
        raise ConfigurationError(f"{name} has {len(found):,} names: give at most {MOST_NAMES:,}")
    for value in found:
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_NAME or not value.isprintable():
            raise ConfigurationError(
                f"{name} has {value!r:.60}: give printable names of 1 to {LONGEST_NAME} characters"
            )
    return found


def _unique(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
