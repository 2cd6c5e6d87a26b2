"""Whether the numbers that describe atoms are finite and those of atoms, checked before all else."""

from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.structures.lattice import MAX_SITES

if TYPE_CHECKING:
    from ase import Atoms

MAX_COORDINATE_ANGSTROM: Final = 1e8
"""Largest coordinate and cell length that is read: a centimetre. This limit is our choice."""

SHORTEST_PERIOD_ANGSTROM: Final = 1.0
"""Shortest period that is read; an armchair tube's is 2.46 Å, and within a shorter one atoms would have thousands of
neighbours. This limit is our choice."""

DENSEST: Final = 24
"""Most atoms in a cube of 3 Å; diamond has five. This limit is our choice."""


def check_numbers(atoms: "Atoms") -> None:
    """Check that a structure's numbers are finite and those of atoms; with others, a neighbour search may not end.

    Raises:
        ValueError: if they are not; the message is the end of a sentence.
    """
    from ase.data import chemical_symbols

    if len(atoms) > MAX_SITES:
        raise ValueError(f"it holds {len(atoms):,} atoms; matgym reads {MAX_SITES:,} or fewer")
    if not len(atoms):
        raise ValueError("it holds no atoms")
    if not 0 <= atoms.numbers.min() <= atoms.numbers.max() < len(chemical_symbols):
        raise ValueError(f"its atomic numbers, {atoms.numbers.min()} to {atoms.numbers.max()}, are not all of elements")
    cell = np.asarray(atoms.cell.array)
    for label, values in (("coordinates", atoms.positions), ("cell lengths", cell), ("masses", atoms.get_masses())):
        if not (np.abs(values) <= MAX_COORDINATE_ANGSTROM).all():  # NaN compares as false
            raise ValueError(f"its {label} are not all finite and below {MAX_COORDINATE_ANGSTROM:.0e}")
    periodic = np.flatnonzero(atoms.pbc & cell.any(axis=1))
    whole = np.asarray(atoms.cell.complete())
    areas = np.array([np.linalg.norm(np.cross(whole[axis - 2], whole[axis - 1])) for axis in periodic])
    if (abs(np.linalg.det(whole)) < SHORTEST_PERIOD_ANGSTROM * areas).any():
        raise ValueError(f"its cell is flat, or repeats within {SHORTEST_PERIOD_ANGSTROM} Å")
    corner = np.floor(atoms.get_positions(wrap=bool(len(periodic))) / 3.0).astype(np.int64)
    if np.unique(corner, axis=0, return_counts=True)[1].max() > DENSEST:
        raise ValueError(f"more than {DENSEST} of its atoms are within 3 Å of each other")
