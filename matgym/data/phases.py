"""Reference energies in fetched tables, and formation energies of the rows of such a table.

The chemical potential of an element is the lowest energy per atom of the phases of this element in the table, which may
be a crystal, a sheet or a molecule in a box. Energies of two methods are never combined: rows are compared within the
method that the table names for each energy (`NAME.method`), letter by letter.

Energies above the hull are those of pymatgen's `PhaseDiagram`, of the rows of the table only. A phase that the table
lacks makes them too low.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np

from matgym.data.sources import Fetched
from matgym.errors import DatasetError, MissingExtraError
from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.mechanics.references import PAIR, Condition, Phase, PhaseEnergies, dopants_ev
from matgym.typing import FloatArray

UNIT: Final = "eV/atom"

FORMATION: Final = "formation_energy"
"""Column of the source's own formation energies."""

GROWS: Final = 1.5
"""Least ratio of numbers of atoms by which energies of cells are told from those of atoms. A choice of ours."""

GROWN: Final = 0.02
"""Relative difference of energies of two cells up to which they grow with the cell: that of polymorphs. Ours."""

MOST_ELEMENTS: Final = 8
"""Most elements of a chemical system whose hull is computed, which takes exponentially long. A choice of ours."""


@dataclass(frozen=True, eq=False)
class EnergyTable(ValueObject):
    """Energies of structures with their compositions, by method.

    Attributes:
        source: name of the table in messages.
        ids: (N,) identifiers of the rows.
        formulas: (N,) compositions of the cells.
        counts: (N,) number of atoms by element.
        energies_ev: (N,) energy per atom, eV; NaN for none.
        methods: (N,) method of each energy.
        source_formation_ev: (N,) formation energy per atom that the source gives by the same method, eV; NaN for none.
    """

    source: str
    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    counts: tuple[Mapping[str, float], ...]
    energies_ev: FloatArray
    methods: tuple[str, ...]
    source_formation_ev: FloatArray

    @classmethod
    def of(cls, fetched: Fetched, column: str = "energy", *, method: str = "", source: str = "the table") -> Self:
        """Return the energies of a fetched table.

        Args:
            fetched: the table.
            column: property that holds total energies, eV per atom. Materials Project's own `energy` has corrections
                that an engine of one's own has not; its `thermo.uncorrected_energy_per_atom` has none.
            method: method of all energies, for a table that names none; with one that does, it has no effect.
            source: name of the table in messages.

        Raises:
            DatasetError: if there is no such column, it has another unit, the method of an energy is not known, or
                energies grow with the cell.
        """
        energies = fetched.values(column)
        unit = next(each.unit for each in fetched.properties if each.name == column)
        if unit not in {UNIT, ""}:
            raise DatasetError(f"{column} of {source} is in {unit}: give total energies in {UNIT}")
        named = [each or method for each in fetched.table.column(f"{column}.method").to_pylist()]
        held = np.flatnonzero(~np.isnan(energies)).tolist()
        if not held:
            raise DatasetError(f"{source} has no value of {column}: fetch it with --properties {column}")
        if nameless := [row for row in held if not named[row]]:
            raise DatasetError(
                f"{len(nameless):,} energies of {source} name no method, so that nothing can be compared with them: "
                'name it when you fetch files (--method), or give method="PBE" or the like'
            )
        counts = tuple(_counts(entry.crystal.numbers, entry.crystal.occupancies) for entry in fetched.entries())
        for small, large in _growing(held, counts, energies, named):
            raise DatasetError(
                f"{column} of {fetched.ids[large]} and of {fetched.ids[small]} in {source} are {energies[large]:g} and "
                f"{energies[small]:g}, in the ratio of their numbers of atoms: these look like energies of cells; give "
                f"total energies in {UNIT}"
            )
        formulas = tuple(fetched.table.column("formula").to_pylist())
        given = np.full(len(energies), np.nan)
        if FORMATION in {each.name for each in fetched.properties}:
            same = np.array(fetched.table.column(f"{FORMATION}.method").to_pylist()) == np.array(named)
            given[same] = fetched.values(FORMATION)[same]
        return cls(source, tuple(fetched.ids), formulas, counts, energies, tuple(named), given)

    def references(self, condition: Condition = "elements") -> PhaseEnergies:
        """Return the phase of least energy of each element and of boron nitride, by method.

        Args:
            condition: what fixes the chemical potentials of B and N: see `PhaseEnergies`.

        Raises:
            DatasetError: if there is no phase of an element, nor one of boron nitride.
        """
        phases: defaultdict[str, dict[str, Phase]] = defaultdict(dict)
        for row in np.argsort(self.energies_ev, kind="stable").tolist():  # NaN comes last
            element = _reference_of(self.counts[row])
            if element and not math.isnan(self.energies_ev[row]):
                phase = Phase(f"{self.formulas[row]} ({self.ids[row]})", self._reference_ev(row, element))
                phases[self.methods[row]].setdefault(element, phase)
        if not phases:
            raise DatasetError(f"{self.source} has no energy of a phase of one element: fetch some, such as C, B and N")
        return PhaseEnergies(
            self.source, {method: dict(sorted(found.items())) for method, found in sorted(phases.items())}, condition
        )

    def _reference_ev(self, row: int, element: str) -> float:
        return float(self.energies_ev[row]) * (2.0 if element == PAIR else 1.0)

    def formation_ev(self, references: PhaseEnergies) -> FloatArray:
        """Return the (N,) formation energies, eV per atom; NaN for rows without an energy, or without a reference.

        Args:
            references: energies of phases, of this table or of another one. Each row takes those of its own method.

        Raises:
            ConfigurationError: if a phase of the condition is missing for the method of a row.
        """
        known = {method: references.potentials_ev(method) for method in set(self.methods) & set(references.phases)}
        found = np.full(len(self.ids), np.nan)
        for row, (counts, method) in enumerate(zip(self.counts, self.methods, strict=True)):
            if (separated := _separated_ev(counts, known.get(method, {}))) is not None:
                found[row] = self.energies_ev[row] - separated / sum(counts.values())
        return found

    @cached_property
    @returns_read_only
    def above_hull_ev(self) -> FloatArray:
        """(N,) energies above the convex hull of the rows of the same method, eV per atom.

        NaN for rows without an energy, with an element without a phase of its own, or with more than `MOST_ELEMENTS`.

        Raises:
            MissingExtraError: if pymatgen is not installed.
        """
        try:
            from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
            from pymatgen.core import Composition
        except ImportError:
            raise MissingExtraError("pymatgen", "pymatgen") from None
        found = np.full(len(self.ids), np.nan)
        for rows, members in self._systems():
            entries = {
                row: PDEntry(Composition(counts), float(self.energies_ev[row]) * sum(counts.values()))
                for row in members
                for counts in [dict(self.counts[row])]
            }
            diagram = PhaseDiagram(list(entries.values()))
            for row in rows:
                found[row] = diagram.get_e_above_hull(entries[row])
        return found

    def _systems(self) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the rows of each chemical system and method, and all rows of its elements, which decide its hull."""
        groups: defaultdict[tuple[str, frozenset[str]], list[int]] = defaultdict(list)
        for row in np.flatnonzero(~np.isnan(self.energies_ev)).tolist():
            groups[self.methods[row], frozenset(self.counts[row])].append(row)
        for (method, elements), rows in groups.items():
            if len(elements) <= MOST_ELEMENTS and all((method, frozenset([each])) in groups for each in elements):
                parts = (held for (name, system), held in groups.items() if name == method and system <= elements)
                yield rows, [row for part in parts for row in part]


def read_energies(path: Path | str, column: str = "energy", *, method: str = "") -> EnergyTable:
    """Return the energies of a table of `matgym data fetch`; for arguments and errors see `EnergyTable.of`.

    Raises:
        DatasetError: if the file is missing, damaged, or no fetched table.
    """
    return EnergyTable.of(Fetched.load(path), column, method=method, source=Path(path).name)


def _counts(numbers: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Return the number of atoms of each element, in the order of atomic numbers."""
    from ase.data import chemical_symbols

    found = np.bincount(numbers, shares)
    return {chemical_symbols[number]: float(found[number]) for number in np.flatnonzero(found).tolist()}


def _growing(
    rows: Sequence[int], counts: Sequence[Mapping[str, float]], energies: FloatArray, methods: Sequence[str]
) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows of one composition and method whose energies are in the ratio of their numbers of atoms."""
    smallest: dict[tuple[str, frozenset[tuple[str, float]]], int] = {}
    for row in sorted(rows, key=lambda each: sum(counts[each].values())):
        atoms = sum(counts[row].values())
        shares = frozenset((element, round(count / atoms, 6)) for element, count in counts[row].items())
        first = smallest.setdefault((methods[row], shares), row)
        ratio = atoms / sum(counts[first].values())
        if ratio >= GROWS and abs(energies[row] - ratio * energies[first]) < GROWN * abs(energies[row]):
            yield first, row


def _reference_of(counts: Mapping[str, float]) -> str:
    """Return the element, or `PAIR`, that a composition is a phase of; empty for any other."""
    if len(counts) == 1:
        return next(iter(counts))
    return PAIR if set(counts) == {"B", "N"} and counts["B"] == counts["N"] else ""


def _separated_ev(counts: Mapping[str, float], given: Mapping[str, float]) -> float | None:
    """Return the energy of atoms in their reference phases, eV; None if a reference is missing."""
    others = {element: count for element, count in counts.items() if element not in {"B", "N"}}
    if any(element not in given for element in others):
        return None
    boron, nitrogen = counts.get("B", 0.0), counts.get("N", 0.0)
    dopants = dopants_ev(boron, nitrogen, given, lambda: math.nan)  # without BN, NaN
    return None if dopants is None else dopants + sum(count * given[element] for element, count in others.items())
