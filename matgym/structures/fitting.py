"""Fit of a straight, round wall to the lattices of about its size.

The unrolled tube is a honeycomb sheet. On it, an atom with an angle and a height, as fractions of a turn and of the
axial period, is at

    (p, q) = angle (n, m) + height cells (t₁, t₂)

in units of a₁ and a₂: whole numbers on A sites, whole numbers plus 1/3 on B sites, up to one offset for all
atoms. A chirality fits if an offset puts every atom on a site of its own. The remaining atoms must be the two ends of
Stone-Wales bonds: around the middle of a bond whose sites are empty, and turned by 90° from it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.structures.lattice import TubeLattice, tube_lattice, unit_sites
from matgym.structures.nanotube import MAX_STRAIN
from matgym.structures.symmetry import Pairs
from matgym.typing import FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM, POISSON_RATIO

SITE_TOLERANCE_ANGSTROM: Final = 0.4
"""Largest distance of an atom from its site, along the wall; two sites are 1.42 Å apart."""

TURNED_ANGSTROM: Final = 0.65
"""Largest distance from their sites of atoms next to a turned bond. After a relaxation by LAMMPS (REBO) the neighbours
of a turned bond are up to 0.47 Å from their sites (0.6 Å in a (4, 2) tube), and the turned atoms 0.93 to 1.03 Å."""

TURNED_TOLERANCE_ANGSTROM: Final = 0.5
"""Largest distance of the middle and of the vector of a turned bond from those of a Stone-Wales pair; two pairs differ
by 1.2 Å."""

ROUNDNESS_ANGSTROM: Final = 0.5
"""Largest distance of an atom from the mean wall, inside or outside it."""

RADIUS_TOLERANCE: Final = 0.12
"""Largest relative deviation of the radius: relaxation widens the thinnest tubes by 6 %, and B-N bonds are 2 % longer
than C-C bonds."""

MIN_DENSITY_PER_ANGSTROM2: Final = 0.12
"""Smallest number of atoms per area of the wall; graphene has 0.38."""

MAX_RADIUS_ANGSTROM: Final = 400.0
"""Largest radius of a recognised wall: single-walled tubes wider than 5 nm collapse, and the number of candidates grows
with the square of the radius. This limit is our choice. It does not apply to tubes that matgym recorded in a file."""

_LATTICE_CONSTANT: Final = math.sqrt(3.0) * CARBON_BOND_ANGSTROM


@dataclass(frozen=True)
class Wall(ValueObject):
    """Atoms on a cylinder.

    Attributes:
        angle: (atoms,) angles, as fractions of a turn.
        height: (atoms,) heights, as fractions of the period.
        radius: mean radius, Å.
        length: axial period, Å.
    """

    angle: FloatArray
    height: FloatArray
    radius: float
    length: float


@dataclass(frozen=True)
class Fit(ValueObject):
    """A lattice that fits the atoms.

    Attributes:
        lattice: the lattice.
        strain: axial strain, a fraction.
        sites: (atoms,) site of each atom, before bonds are turned.
        rms_angstrom: root mean square distance of atoms from their sites, without turned atoms, Å.
        pairs: Stone-Wales pairs.
    """

    lattice: TubeLattice
    strain: float
    sites: IntArray
    rms_angstrom: float
    pairs: Pairs

    @property
    def n_empty(self) -> int:
        """Number of sites without an atom."""
        return self.lattice.n_sites - len(self.sites)


def round_wall(positions: FloatArray, period: FloatArray) -> Wall | None:
    """Return the cylinder along a (3,) cell vector on which all atoms are; None if there is none."""
    length = float(np.linalg.norm(period))
    along = period / length
    across = np.eye(3)[np.argmin(np.abs(along).round(6))]  # x for a tube along z: angles start there
    across = across - (across @ along) * along
    across /= np.linalg.norm(across)
    plane = np.stack([across, np.cross(along, across)], axis=1)  # (3, 2)
    circle = _circle(positions @ plane)
    if circle is None:
        return None
    centre, radius = circle
    x, y = (positions @ plane - centre).T
    if radius > MAX_RADIUS_ANGSTROM or np.abs(np.hypot(x, y) - radius).max() > ROUNDNESS_ANGSTROM:
        return None
    if len(positions) < MIN_DENSITY_PER_ANGSTROM2 * 2.0 * math.pi * radius * length:
        return None
    return Wall(np.arctan2(y, x) / (2.0 * np.pi), positions @ along / length, radius, length)


def _circle(points: FloatArray) -> tuple[FloatArray, float] | None:
    """Return (2,) centre and radius of the least-squares circle (Kåsa 1976) through (atoms, 2) points; None if none."""
    if len(points) < 3:
        return None
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    design = np.stack([2.0 * x, 2.0 * y, np.ones(len(x))], axis=1)
    (u, v, rest), _, rank, _ = np.linalg.lstsq(design, x * x + y * y, rcond=1e-9)
    return (middle + np.array([u, v]), math.sqrt(u * u + v * v + rest)) if rank == 3 else None


def lattice_fits(wall: Wall) -> Iterator[Fit]:
    """Yield the lattices on which every atom of the wall has a site of its own."""
    for lattice in _candidates(wall):
        cells = np.outer(wall.angle, [lattice.n, lattice.m])
        cells += np.outer(wall.height * lattice.cells, lattice.translation)
        # A sites have phase 0 and B sites 1/3, on average 1/6; the offset of tubes that matgym made is therefore 0.
        offset = np.angle(np.exp(2j * np.pi * cells).mean(axis=0)) / (2.0 * np.pi) - 1.0 / 6.0
        offset += _nearest_sites(lattice, cells - offset)[1].mean(axis=0)
        sites, residual = _nearest_sites(lattice, cells - offset)
        distance = _sheet_angstrom(residual)
        pairs: Pairs = ()
        astray = distance > TURNED_ANGSTROM
        if distance.max() > SITE_TOLERANCE_ANGSTROM:
            if not 0 < astray.sum() <= len(sites) / 3:  # each turned bond has four neighbours of its own
                continue
            offset += residual[~astray].mean(axis=0)  # without the turned atoms, which shifted the mean
            sites, residual = _nearest_sites(lattice, cells - offset)
            distance = _sheet_angstrom(residual)
            pairs = _seat_turned(lattice, wall, cells - offset, np.flatnonzero(astray), sites)
            if not pairs:
                continue
        if len(np.unique(sites)) == len(sites):
            strain = wall.length / lattice.length_angstrom - 1.0
            yield Fit(lattice, strain, sites, float(np.sqrt((distance[~astray] ** 2).mean())), pairs)


def _seat_turned(lattice: TubeLattice, wall: Wall, cells: FloatArray, astray: IntArray, sites: IntArray) -> Pairs:
    """Return the Stone-Wales pairs that atoms far from their sites form; none if an atom is not in exactly one pair.

    Args:
        lattice: the lattice.
        wall: the atoms.
        cells: (atoms, 2) coordinates of the atoms in units of a₁ and a₂.
        astray: (S,) indices of the atoms that are far from their sites.
        sites: (atoms,) site of each atom; set in place to the sites of the pairs.
    """
    step = np.stack([wall.angle[astray], wall.height[astray]], axis=1)
    step = step - step[:, None]  # (S, S, 2), from the first to the second atom, as fractions
    step -= np.rint(step)
    bond = np.outer(step[..., 0], [lattice.n, lattice.m]) + np.outer(step[..., 1] * lattice.cells, lattice.translation)
    bond = bond.reshape(*step.shape)
    middle = cells[astray][:, None] + bond / 2.0
    found, seated = [], []
    for towards in lattice.bond_steps:
        p, q = towards + 1.0 / 3.0  # of the bond from A to B; turned by 90° it is (p + 2 q, -2 p - q)/√3
        turned = np.array([p + 2.0 * q, -2.0 * p - q]) / math.sqrt(3.0)
        corner = np.rint(middle - np.array([p, q]) / 2.0)  # the cell of the A site
        aside = _sheet_angstrom(middle - np.array([p, q]) / 2.0 - corner)
        fits = np.maximum(aside, _sheet_angstrom(bond - turned)) < TURNED_TOLERANCE_ANGSTROM
        for i, j in np.argwhere(fits):
            cell = corner[i, j].astype(np.int64)
            a, b = lattice.sites_at(np.stack([cell, cell + towards]), np.array([0, 1])).tolist()
            sites[astray[[i, j]]] = a, b
            found.append((a, b))
            seated += [i, j]
    return tuple(found) if sorted(seated) == list(range(len(astray))) else ()


def _sheet_angstrom(cells: FloatArray) -> FloatArray:
    """Return the (...) lengths, Å, of (..., 2) vectors in units of a₁ and a₂."""
    return np.asarray(_LATTICE_CONSTANT * np.sqrt((cells**2).sum(axis=-1) + cells.prod(axis=-1)))


def _candidates(wall: Wall) -> Iterator[TubeLattice]:
    """Yield the lattices with about the radius and length of the wall, and with atoms on at least half of the sites."""
    n_atoms = len(wall.angle)
    circumference = 2.0 * math.pi * wall.radius / _LATTICE_CONSTANT
    n, m = np.tril_indices(math.ceil(1.2 * circumference) + 2)
    ratio = circumference / np.sqrt(np.maximum(n * n + n * m + m * m, 1))
    near = (n > 0) & (np.abs(ratio - 1.0) < RADIUS_TOLERANCE + POISSON_RATIO * MAX_STRAIN)
    for i in np.flatnonzero(near):
        shape = int(n[i]), int(m[i])
        if unit_sites(*shape) > 2 * n_atoms:
            continue
        unit = tube_lattice(*shape, 1)
        for cells in range(math.ceil(n_atoms / unit.n_sites), 2 * n_atoms // unit.n_sites + 1):
            strain = wall.length / (cells * unit.length_angstrom) - 1.0
            widening = ratio[i] / (1.0 - POISSON_RATIO * strain) - 1.0
            if abs(strain) <= MAX_STRAIN and abs(widening) <= RADIUS_TOLERANCE:
                yield tube_lattice(unit.n, unit.m, cells)


def _nearest_sites(lattice: TubeLattice, cells: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return (atoms,) nearest sites, and (atoms, 2) distances from them in units of a₁ and a₂."""
    shifted = cells - np.array([0.0, 1.0 / 3.0])[:, None, None]  # (2, atoms, 2), from A and from B sites
    whole = np.rint(shifted)
    residual = shifted - whole
    sublattice = np.argmin((residual**2).sum(axis=2) + residual.prod(axis=2), axis=0)
    rows = np.arange(len(cells))
    return lattice.sites_at(whole[sublattice, rows].astype(np.int64), sublattice), residual[sublattice, rows]
