"""Random crystals drawn by symmetry only: a space group, a cell that it allows, and atoms on its positions.

No structure type is copied, so that a network trained on them has not seen any real one (Schopmans et al., Digital
Discovery 2, 1414 (2023), for the idea). Operations and the check of every crystal come from spglib.
"""

from functools import cache
from itertools import count
from typing import Final

import numpy as np

from matgym.characterization.symmetry import LAST_GROUPS, crystal_system, symmetry_finder, systems_of_lattices
from matgym.structures.crystals import Crystal
from matgym.typing import FloatArray, IntArray

SPECIAL: Final = np.array([0.0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4])
"""Coordinates at which special positions lie."""

MOST_SPECIES: Final = 4
"""Most species. This number and the next ten are choices of ours."""

ATOMS: Final = (1.5, 40.0)
"""Range of the number of atoms that the primitive cell is to have, even in its logarithm and the same for all
symmetries: as in known structure types, the size of a cell says little about its symmetry."""

SPARE: Final = 1.3
"""Largest ratio of the number of atoms and that number, or of that number and the number of atoms."""

MOST_ATOMS: Final = 96
"""Most atoms of the primitive cell."""

VOLUME_PER_ATOM: Final = (9.0, 28.0)
"""Range of the volume for each atom, Å³."""

NEAREST: Final = 0.55
"""Smallest distance of atoms, relative to the third root of the volume for each atom."""

CANDIDATES: Final = 24
"""Number of places among which an orbit is chosen."""

TRIES: Final = 6
"""Number of these that are tried until one is far enough from all other atoms."""

PREFERENCE: Final = 1.5
"""Orbits are chosen in inverse proportion to this power of their number of atoms: real crystals prefer special ones."""

HIGHER: Final = {0: (1, 2, 3, 4, 6), 1: (2, 3, 6), 2: (3, 6), 3: (6,)}
"""Systems whose cells, in the standard setting, also fit the operations of a system of lower symmetry."""

PATIENCE: Final = 20
"""Number of rejected crystals after which the choice of orbits is relaxed, or after `RELAXATIONS` begins anew."""

RELAXATIONS: Final = 3

HEAVIEST: Final = 83
TOLERANCE: Final = 1e-3
"""Largest difference of coordinates of the same place, and the precision of spglib, Å."""


def groups_of(system: int) -> range:
    """Return the numbers of the space groups of a crystal system."""
    return range(LAST_GROUPS[system - 1] + 1 if system else 1, LAST_GROUPS[system] + 1)


@cache
def group_symbols() -> tuple[str, ...]:
    """Return the symbols (Hermann-Mauguin, short) of the 230 space groups in the order of their numbers.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    spglib = symmetry_finder()
    return tuple(spglib.get_spacegroup_type(hall).international_short for _, hall in sorted(_halls().items()))


def random_crystal(rng: np.random.Generator, groups: range, pseudosymmetric: float = 0.0) -> Crystal:
    """Draw a crystal of one of several space groups in its primitive cell; spglib confirms that it is of one of them.

    Args:
        rng: random number generator.
        groups: numbers of space groups of one crystal system: all of them (`groups_of`), or a single one.
        pseudosymmetric: probability of a cell that fits a crystal system of higher symmetry by chance.

    Raises:
        MissingExtraError: if spglib is not installed.
    """
    spglib, system = symmetry_finder(), crystal_system(groups[0])
    for rejected in count():
        operations = _operations(int(rng.integers(groups.start, groups.stop)))
        higher = HIGHER.get(system, ()) if pseudosymmetric and rng.uniform() < pseudosymmetric else ()
        shape = _cell(rng, int(rng.choice(higher)) if higher else system)
        atoms = _atoms(rng, *operations, shape, relaxed=rejected // PATIENCE % RELAXATIONS)
        if atoms is None:
            continue
        places, numbers = atoms
        cell = _scaled(shape, len(places) * rng.uniform(*VOLUME_PER_ATOM))
        found = spglib.get_symmetry_dataset((cell, places, numbers), symprec=TOLERANCE)
        if found is None or found.number not in groups:  # a higher symmetry by chance
            continue
        primitive = spglib.find_primitive((cell, places, numbers), symprec=TOLERANCE)
        if primitive is None or len(primitive[2]) > MOST_ATOMS:
            continue
        cell, places, numbers = primitive
        drawn = Crystal(np.asarray(cell), np.asarray(places), np.asarray(numbers, np.int64), np.ones(len(numbers)))
        if higher and systems_of_lattices([drawn], TOLERANCE)[0] <= system:  # such as an A-centred one with a = b
            continue
        return drawn
    raise AssertionError  # it counts without end


def _atoms(
    rng: np.random.Generator, rotations: FloatArray, shifts: FloatArray, shape: FloatArray, relaxed: int = 0
) -> tuple[FloatArray, IntArray] | None:
    """Return (A, 3) places and (A,) atomic numbers in a conventional cell; None if too few fit.

    Orbits are added until the number of atoms is reached, or no place is far enough from all atoms.

    Args:
        rng: random number generator.
        rotations: (N, 3, 3) rotations of the operations.
        shifts: (N, 3) their shifts.
        shape: (3, 3) cell vectors, of any volume.
        relaxed: how often the number of atoms is doubled, and special positions preferred half as much: some groups of
            many operations, such as F23, need large orbits, since special ones alone have a higher symmetry.
    """
    points = (rotations == np.eye(3)).all(axis=(1, 2)).sum()  # of the lattice in the conventional cell
    wanted = points * np.exp(rng.uniform(*np.log(ATOMS))) * 2.0**relaxed
    cell, preference = _scaled(shape, wanted), PREFERENCE * 0.5**relaxed
    places, numbers = np.empty((0, 3)), np.empty(0, dtype=np.int64)
    species, site = rng.integers(1, HEAVIEST + 1, rng.integers(1, MOST_SPECIES + 1)), 0
    while len(places) < wanted:
        orbit = _orbit(rng, rotations, shifts, cell, places, preference, max(SPARE * wanted, points) - len(places))
        if orbit is None:
            break
        places = np.concatenate([places, orbit])
        numbers = np.append(numbers, np.full(len(orbit), species[site % len(species)]))
        site += 1
    return (places, numbers) if len(places) >= wanted / SPARE else None


def _orbit(
    rng: np.random.Generator,
    rotations: FloatArray,
    shifts: FloatArray,
    cell: FloatArray,
    places: FloatArray,
    preference: float,
    room: float,
) -> FloatArray | None:
    """Return the (N, 3) places of an orbit that is far enough from itself and from atoms; None if none was found.

    Args:
        rng: random number generator.
        rotations: see `_atoms`.
        shifts: see `_atoms`.
        cell: (3, 3) cell vectors with a volume of 1 for each atom.
        places: (A, 3) places of the atoms.
        preference: orbits are chosen in inverse proportion to this power of their number of atoms.
        room: most atoms of the orbit.
    """
    candidates = rng.uniform(size=(CANDIDATES, 3))
    special = rng.uniform(size=(CANDIDATES, 3)) < rng.uniform(0.2, 1.0, (CANDIDATES, 1))
    candidates = np.where(special, rng.choice(SPECIAL, (CANDIDATES, 3)), candidates)
    tie = rng.integers(4, size=CANDIDATES)  # some have x = y, some x = -y, some x = y = z
    candidates[tie == 1, 1] = candidates[tie == 1, 0]
    candidates[tie == 2, 1] = -candidates[tie == 2, 0]
    candidates[tie == 3] = candidates[tie == 3, :1]
    images = (np.einsum("oij,cj->coi", rotations, candidates) + shifts) % 1.0  # (candidates, operations, 3)
    grid = round(1.0 / TOLERANCE)
    keys = (np.round(images / TOLERANCE).astype(np.int64) % grid) @ np.array([grid**2, grid, 1])
    multiplicities = 1.0 + (np.diff(np.sort(keys, axis=1), axis=1) != 0).sum(axis=1)
    # the largest of these numbers are a draw without replacement in proportion to the weights
    order = np.argsort(preference * np.log(multiplicities) - rng.gumbel(size=CANDIDATES))
    for chosen in order[multiplicities[order] <= room][:TRIES].tolist():
        orbit = images[chosen, np.unique(keys[chosen], return_index=True)[1]]
        if _nearest(cell, np.concatenate([orbit, places])) >= NEAREST:
            return np.asarray(orbit)
    return None


def _scaled(shape: FloatArray, volume: float) -> FloatArray:
    """Return cell vectors of a volume."""
    return np.asarray(shape * (volume / abs(np.linalg.det(shape))) ** (1.0 / 3.0))


def _cell(rng: np.random.Generator, system: int) -> FloatArray:
    """Return (3, 3) cell vectors in rows, of any volume, in the standard setting of a system."""
    a, b, c = np.exp(rng.normal(0.0, 0.35, 3))
    alpha, beta, gamma = rng.uniform(60.0, 120.0, 3) if system == 0 else (90.0, 90.0, 90.0)
    if system == 1:
        beta = rng.uniform(91.0, 125.0)
    if system >= 3:
        b = a
    if system in {4, 5}:
        gamma = 120.0
    if system == 6:
        c = a
    cosines = np.cos(np.radians([alpha, beta, gamma]))
    sine = np.sin(np.radians(gamma))
    third = (cosines[0] - cosines[1] * cosines[2]) / sine
    height = np.sqrt(max(1.0 - cosines[1] ** 2 - third**2, 1e-2))
    return np.array([[a, 0.0, 0.0], [b * cosines[2], b * sine, 0.0], [c * cosines[1], c * third, c * height]])


def _nearest(cell: FloatArray, places: FloatArray) -> float:
    """Return the smallest distance of the first of (A, 3) atoms from others, or from its own images."""
    apart = places[0] - places
    apart -= np.round(apart)
    images = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    lengths = np.square((apart + images) @ cell).sum(axis=-1)  # (images, atoms)
    lengths[len(images) // 2, 0] = np.inf  # of the atom from itself
    return float(np.sqrt(lengths.min()))


@cache
def _operations(group: int) -> tuple[FloatArray, FloatArray]:
    """Return the (N, 3, 3) rotations and (N, 3) shifts of a space group in its first setting of hexagonal axes."""
    found = symmetry_finder().get_symmetry_from_database(_halls()[group])
    return np.asarray(found["rotations"], dtype=np.float64), np.asarray(found["translations"], dtype=np.float64)


@cache
def _halls() -> dict[int, int]:
    """Return the number of the first setting in the list of Hall of each space group, with the axis b unique."""
    first: dict[int, int] = {}
    for hall in range(1, 531):
        first.setdefault(symmetry_finder().get_spacegroup_type(hall).number, hall)
    return first
