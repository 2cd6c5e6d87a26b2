"""Size, shape and bonds of a wall whose lattice is known: what is strain, what is bond length, and what is neither.

The axial and the radial scale are those of the wall relative to the rolled sheet with bonds of 1.42 Å. What they share
is the bond length; their difference is strain. Relaxation also changes their ratio, by up to 2 % in thin tubes: see
`relaxed_ratio`.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.errors import RecognitionError
from matgym.frozen import ValueObject
from matgym.structures.lattice import TubeLattice
from matgym.structures.stone_wales import turned_bonds
from matgym.structures.symmetry import Pairs
from matgym.typing import BoolArray, FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM, POISSON_RATIO

BOND_RANGE_ANGSTROM: Final = (1.0, 2.0)
"""Range of the lengths of bonds. In molecular dynamics at 600 K they are 1.2 to 1.75 Å (measured)."""

BOND_RATIOS: Final = (0.75, 1.35)
"""Range of the lengths of bonds relative to the median of all bonds of their direction."""

SEAM_ANGSTROM: Final = 0.03
"""Smallest error of a period that is told from noise; that of a relaxed tube with dopants is below it."""

EVEN: Final = 0.95
"""Largest ratio of the misfits with and without a jump that shows a wrong period; a choice. Slow waves of a heated tube
also have small ratios, but they move no single ring of bonds."""

IDEAL_ANGSTROM: Final = 1e-4
"""Largest root mean square distance of the atoms of a rolled sheet from their sites, in files with five decimals."""

EXACT: Final = 3e-4
"""Largest relative difference of scales of a tube without strain, if its atoms are at their sites."""

_RATIO: Final = (-0.0610, -0.0284, 0.0262)
"""Coefficients of `relaxed_ratio`, fitted to Tersoff relaxations of (4, 2) to (20, 20) by
`matgym.physics.mechanics.relaxation.relaxed_pristine`; the largest error is 7e-4, in (5, 1)."""

RAYLEIGH: Final = 1.0 / math.sqrt(math.log(2.0))
"""Root mean square over median of the distances of points with normal errors in a plane."""

_CUTS: Final = 32
_BEND_ANGSTROM: Final = 8.0  # of tube for each wave along the axis
_WAVES: Final = 12


@dataclass(frozen=True, eq=False)
class Seated(ValueObject):
    """Atoms on the sites of a lattice.

    Attributes:
        lattice: the lattice.
        sites: (atoms,) site of each atom.
        positions: (atoms, 3) positions, neighbours next to each other, Å.
        period: (3,) vector of the period, Å, in the direction in which heights on the lattice rise.
        pairs: Stone-Wales pairs.
    """

    lattice: TubeLattice
    sites: IntArray
    positions: FloatArray
    period: FloatArray
    pairs: Pairs

    @cached_property
    def length(self) -> float:
        """Length of the period, Å."""
        return float(np.linalg.norm(self.period))

    @cached_property
    def heights(self) -> FloatArray:
        """(atoms,) positions along the axis, Å."""
        return np.asarray(self.positions @ self.period / self.length)

    @property
    def axial_scale(self) -> float:
        """Length of the period relative to that of the rolled sheet."""
        return self.length / self.lattice.length_angstrom

    # ---- bonds

    @cached_property
    def _bonds(self) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        """(M,) first atoms, second atoms, directions (-1 for turned bonds), and (M, 3) vectors, Å."""
        lattice = self.lattice
        atom = np.full(lattice.n_sites, -1)
        atom[self.sites] = np.arange(len(self.sites))
        bonds = turned_bonds(lattice, self.pairs) if self.pairs else lattice.bonds
        direction = np.repeat(np.arange(3), lattice.n_cells)
        direction[np.isin(bonds[:, :2], np.array(self.pairs, dtype=np.int64)).any(axis=1)] = -1
        held = (atom[bonds[:, :2]] >= 0).all(axis=1)
        first, second, direction = atom[bonds[held, 0]], atom[bonds[held, 1]], direction[held]
        rise = np.append(lattice.bond_vectors[:, 1], 0.0)[direction] * self.axial_scale
        vectors = self.positions[second] - self.positions[first]
        vectors -= np.rint((vectors @ self.period / self.length - rise) / self.length)[:, None] * self.period
        return first, second, direction, vectors

    @cached_property
    def bond_lengths(self) -> FloatArray:
        """(M,) lengths of the bonds, Å."""
        return np.asarray(np.linalg.norm(self._bonds[3], axis=1))

    @property
    def has_whole_bonds(self) -> bool:
        """Whether every bond of the lattice between two atoms is one, by its length."""
        lengths, direction = self.bond_lengths, self._bonds[2]
        if ((lengths < BOND_RANGE_ANGSTROM[0]) | (lengths > BOND_RANGE_ANGSTROM[1]))[direction >= 0].any():
            return False
        for k in range(3):
            of_one = lengths[direction == k]
            if len(of_one):
                ratio = of_one / np.median(of_one)
                if ratio.min() < BOND_RATIOS[0] or ratio.max() > BOND_RATIOS[1]:
                    return False
        return True

    # ---- the cell's end

    def check_period(self, common: BoolArray) -> bool:
        """Check that no ring of bonds differs from all others, and return whether bonds connect the ends of the cell.

        Heights are fitted to the lattice within one period that begins at a cut. If the cell is as long as the tube's
        period, cuts do not differ. If it is too long or too short, heights fit for the cut at the cell's end only, and
        there the bonds across the cut are off by what the period is off.

        Args:
            common: (atoms,) whether an atom is of the most frequent element; other bonds may be longer.

        Raises:
            RecognitionError: if the period does not fit; the message says which one fits.
        """
        first, second, direction, vectors = self._bonds
        plain = common[first] & common[second] & (direction >= 0)
        rise = vectors @ self.period / self.length
        expected = np.append(self.lattice.bond_vectors[:, 1], 0.0)[direction]
        cuts = self._cuts(rise - self.axial_scale * expected, expected)
        if cuts is None:
            return False
        even = self._fit(0.0, jump=False)[-1]
        found: list[tuple[float, float, float, IntArray]] = []
        for cut in cuts.tolist():
            scale, shift, rest, sheet, spread = self._fit(cut, jump=True)
            error = self.length - scale * self.lattice.length_angstrom
            if abs(error) < SEAM_ANGSTROM or spread > EVEN * even:
                continue
            crossed = np.rint(expected / self.lattice.length_angstrom - (sheet[second] - sheet[first]))
            across = np.flatnonzero(plain & (crossed != 0.0))
            if len(across) < 2:
                continue
            left = (rise - scale * expected - shift)[across] * crossed[across]
            off = float(np.median(left))
            noise = max(1.48 * float(np.median(np.abs(rest))) / math.sqrt(len(across)), 1e-3)
            if 0.6 < off / error < 1.6 and abs(off) > 6.0 * noise:
                found.append((spread, abs(scale - 1.0) + abs(shift), error, np.flatnonzero(crossed)))
        if not found:
            return True
        best = min(row[0] for row in found)
        # In a cell of few rings several cuts fit. The right one leaves bonds that are about 1.42 Å long.
        _, _, error, across = min((row for row in found if row[0] < 2.0 * best + 0.02), key=lambda row: row[1])
        others = np.setdiff1d(np.flatnonzero(direction >= 0), across)
        raise RecognitionError(
            f"the bonds across the cell's end differ from all others: {np.median(self.bond_lengths[across]):.2f} Å "
            f"instead of {np.median(self.bond_lengths[others]):.2f} Å; the cell is {self.length:.2f} Å long, and the "
            f"period that fits is {self.length - error:.2f} Å"
        )

    def _cuts(self, off: FloatArray, expected: FloatArray) -> FloatArray | None:
        """Return the cuts, as fractions of the lattice's height, across which bonds are off the most.

        Args:
            off: (M,) difference of each bond's height from that on the evenly stretched lattice, Å.
            expected: (M,) height of each bond on the lattice, Å.

        Returns:
            The cuts; None if the tube ends at one, because no bond crosses it and no atom is near.
        """
        first, second, direction, _ = self._bonds
        steps, place = np.unique(self._fractions.round(9), return_inverse=True)
        low, high = np.where(expected >= 0.0, [place[first], place[second]], [place[second], place[first]])
        flat = (np.abs(expected) < 1e-6) | (direction < 0)
        low, high, sign = low[~flat], high[~flat], np.sign(expected[~flat])
        sums = np.zeros((2, len(steps) + 1))
        for row, weight in enumerate((off[~flat] * sign, np.ones(len(low)))):
            np.add.at(sums[row], low, weight)
            np.add.at(sums[row], high, -weight)
            np.add.at(sums[row], 0, (weight * (low >= high)).sum())  # those across the end of the lattice
        total, count = np.cumsum(sums, axis=1)[:, :-1]
        gaps = np.diff(np.append(steps, steps[0] + 1.0))
        free = count < 0.5
        if free.all() or (gaps[free] * self.length > BOND_RANGE_ANGSTROM[1]).any():
            return None
        most = np.argsort(-np.abs(np.where(free, 0.0, total / np.maximum(count, 1.0))), kind="stable")[:_CUTS]
        return np.asarray(steps + gaps / 2.0)[most]

    @cached_property
    def _fractions(self) -> FloatArray:
        return np.asarray(self.lattice.site_fractions[self.sites, 1])

    def _fit(self, cut: float, *, jump: bool) -> tuple[float, float, FloatArray, FloatArray, float]:
        """Fit the heights within a cell that begins at a cut.

        Args:
            cut: where the cell begins, as a fraction of the lattice's height.
            jump: whether the scale is free, so that heights jump at the cut.

        Returns:
            Axial scale, shift of B sites, (atoms,) residuals, (atoms,) heights on the lattice as fractions, and the
            root mean square residual.
        """
        length = self.length
        sheet = np.mod(self._fractions - cut, 1.0)
        place = self.heights / length
        offset = np.angle(np.exp(2j * np.pi * (place - sheet)).mean()) / (2.0 * np.pi)
        heights = length * (place - np.rint(place - sheet - offset))
        columns = [(self.sites >= self.lattice.n_cells).astype(float), np.ones(len(sheet))]
        if jump:
            columns = [sheet * self.lattice.length_angstrom, *columns]
        design = np.stack(columns, axis=1)
        values = heights if jump else heights - sheet * length
        solution = np.linalg.lstsq(design, values, rcond=None)[0]
        rest = values - design @ solution
        scale = float(solution[0]) if jump else self.axial_scale
        return scale, float(solution[-2]), rest, sheet, float(np.sqrt((rest**2).mean()))

    # ---- shape

    @cached_property
    def shape(self) -> "Shape":
        """The smooth surface of the atoms but those of turned bonds, fitted by waves around and along the axis."""
        held = ~np.isin(self.sites, np.array(self.pairs, dtype=np.int64))
        angle, height = self.lattice.site_fractions[self.sites[held]].T
        along, positions = self.period / self.length, self.positions[held]
        waves = min(int(self.length / _BEND_ANGSTROM), _WAVES, (len(angle) // 12 - 1) // 2)
        k, q = (grid.ravel() for grid in np.meshgrid(np.arange(-3, 4), np.arange(-max(waves, 0), max(waves, 0) + 1)))
        basis = np.exp(2j * np.pi * (np.outer(angle, k) + np.outer(height, q)))
        across = np.eye(3)[np.argmin(np.abs(along).round(6))]
        across = across - (across @ along) * along
        across /= np.linalg.norm(across)
        beside = np.cross(along, across)
        plane = positions @ across + 1j * (positions @ beside)
        ridge = np.sqrt(1e-9 * len(angle)) * np.eye(len(k))
        weights = np.linalg.lstsq(
            np.concatenate([basis, ridge]), np.concatenate([plane, np.zeros(len(k))]), rcond=None
        )[0]
        turns = np.arange(72) / 72.0
        around = np.exp(2j * np.pi * np.outer(turns, k))
        grid = np.exp(2j * np.pi * np.outer(np.arange(max(4 * waves, 1)) / max(4 * waves, 1), q))
        tangent = np.abs(np.einsum("tk,hk,k->ht", around, grid, weights * 2j * np.pi * k))
        axis = np.einsum("hk,k->h", grid, weights * (k == 0))
        surface = np.einsum("tk,hk,k->ht", around, grid, weights) - axis[:, None]
        radius = float(tangent.mean()) / (2.0 * np.pi)
        distance = np.abs(plane - basis @ weights)
        return Shape(
            radius,
            float(np.abs(axis - axis.mean()).max()),
            float(np.abs(np.abs(surface) / radius - 1.0).max()),
            float(np.sqrt((distance**2).mean())),
            float(np.median(distance)) * RAYLEIGH,
        )


@dataclass(frozen=True)
class Shape:
    """Shape of a wall.

    Attributes:
        radius_angstrom: circumference over 2π, Å.
        bend_angstrom: largest distance of the axis from a straight line, Å.
        flattening: largest relative difference of the smooth cross-section from a circle.
        rms_angstrom: root mean square distance of atoms from the surface, Å.
        noise_angstrom: the same from the median, which the surroundings of a few defects do not change, Å.
    """

    radius_angstrom: float
    bend_angstrom: float
    flattening: float
    rms_angstrom: float
    noise_angstrom: float

    @property
    def is_round_and_straight(self) -> bool:
        """Whether bend and flattening are those of a rolled sheet, in a file with three decimals."""
        return self.bend_angstrom < 1e-3 and self.flattening < 1e-3


@dataclass(frozen=True)
class Scales:
    """What the axial and the radial scale of a wall mean.

    Attributes:
        strain: axial strain, a fraction.
        bond_angstrom: bond length, Å.
        note: what was assumed; empty if nothing was.
    """

    strain: float
    bond_angstrom: float
    note: str = ""


def relaxed_ratio(n: int, m: int) -> float:
    """Return the ratio of the axial to the radial scale of a relaxed carbon tube under no load.

    Curvature widens a relaxed tube and shortens it; zigzag tubes more than armchair ones.
    """
    radius = math.sqrt(3.0 * (n * n + n * m + m * m)) / (2.0 * math.pi)  # in bond lengths
    angle = math.atan2(math.sqrt(3.0) * m, 2 * n + m)
    even, six, fourth = _RATIO
    return 1.0 + (even + six * math.cos(6.0 * angle)) / radius**2 + fourth / radius**4


def scales(
    n: int,
    m: int,
    *,
    axial: float,
    radial: float,
    is_ideal: bool,
    rms_angstrom: float,
    radial_error: float,
    changed: float,
) -> Scales:
    """Return strain and bond length of a tube.

    Args:
        n: first chiral index.
        m: second chiral index.
        axial: length relative to that of the rolled sheet.
        radial: circumference relative to that of the rolled sheet.
        is_ideal: whether the atoms are on their sites on a straight, round wall.
        rms_angstrom: root mean square distance of the atoms from their sites, Å; waves of a heated wall lengthen its
            way around and along by about half the square of their slope.
        radial_error: standard error of `radial`.
        changed: share of sites with a vacancy, or in a turned bond.
    """
    own, noise = axial - 1.0, 4.0 * radial_error
    ratio, relaxed = axial / radial, relaxed_ratio(n, m)
    misfit = abs(radial / (1.0 - POISSON_RATIO * own) - 1.0)
    if misfit < 1e-5:  # a tube of matgym
        return Scales(own, CARBON_BOND_ANGSTROM)
    if is_ideal:
        return _of_rolled(axial, ratio, relaxed)
    if abs(ratio - 1.0) < noise and abs(own) > EXACT:
        note = f"axial and radial scale agree to {noise:.1%}, the noise of the atoms: read as unstrained"
        return Scales(0.0, CARBON_BOND_ANGSTROM * axial, note)
    tolerance = 0.003 + 0.3 * abs(relaxed - 1.0) + 1.5 * changed + 2.0 * radial_error
    tolerance += (rms_angstrom / CARBON_BOND_ANGSTROM) ** 2
    if misfit < noise and (not changed or (misfit < noise / 2.0 and abs(ratio - 1.0) > 0.6 * tolerance)):
        note = "strain from the period alone, because the radius is that of the model's own bond length"
        return Scales(own, CARBON_BOND_ANGSTROM, note if changed else "")
    low, high = min(relaxed, 1.0) - 1.0 - tolerance, max(relaxed, 1.0) - 1.0 + tolerance
    if low < ratio - 1.0 < high:
        note = ""
        if abs(ratio - 1.0) > EXACT:
            note = (
                f"axial and radial scale differ by {ratio - 1.0:+.1%}, and relaxation without load explains {low:+.1%} "
                f"to {high:+.1%}: read as unstrained"
            )
        return Scales(0.0, CARBON_BOND_ANGSTROM * axial, note)
    strain = (ratio / relaxed - 1.0) / (1.0 + POISSON_RATIO * ratio / relaxed)
    note = (
        f"strain from the ratio of axial and radial scale, of which relaxation without load may explain {low:+.1%} to "
        f"{high:+.1%}"
    )
    return Scales(strain, CARBON_BOND_ANGSTROM * axial / (1.0 + strain), note)


def _of_rolled(axial: float, ratio: float, relaxed: float) -> Scales:
    """Return strain and bond length of a tube whose atoms are on their sites, as those of a rolled sheet are."""
    if min(abs(ratio - 1.0), abs(ratio / relaxed - 1.0)) < EXACT:
        return Scales(0.0, CARBON_BOND_ANGSTROM * axial)
    strain = (ratio - 1.0) / (1.0 + POISSON_RATIO * ratio)
    other = (ratio / relaxed - 1.0) / (1.0 + POISSON_RATIO * ratio / relaxed)
    note = f"strain {strain:+.2%} as that of a rolled sheet; relative to a relaxed tube it is {other:+.2%}"
    return Scales(strain, CARBON_BOND_ANGSTROM * axial / (1.0 + strain), note)
