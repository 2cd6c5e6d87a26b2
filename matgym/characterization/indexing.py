"""Which lattices explain the peaks of a powder pattern, and how well: indexing, without learning.

Q = 1/d² of a line is linear in one to three parameters of a cubic, tetragonal, hexagonal or orthorhombic lattice. A few
peaks are taken for each combination of lines of low indices, and the parameters solved for (semi-exhaustive trial and
error: Werner, Eriksson and Westdahl, J. Appl. Cryst. 18, 367 (1985)). The best lattices are refined together with the
zero of 2θ by least squares.

Lattices are compared by their evidence: the mean over peaks of the logarithm of how much more probable a peak is at
its place if it is one of the lattice's lines than if peaks were as many and anywhere. A lattice with many lines
explains any peak, which is worth little; de Wolff's figure of merit (J. Appl. Cryst. 1, 108 (1968)) weighs the same two
sides. As many peaks as a lattice has parameters say nothing of it, and do not count.

Monoclinic and triclinic lattices are not looked for: their peaks are those that no other lattice explains.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from matgym.characterization.lattices import CENTRED, Family, centrings, families, line_rows, trials
from matgym.characterization.peaks import Peaks, find_peaks
from matgym.frozen import ValueObject
from matgym.typing import Float32Array, FloatArray, IntArray

MOST_PEAKS: Final = 24
"""Peaks that are compared, from the lowest angle on. This constant and all others here are choices of ours."""

SOLVED_PEAKS: Final = (6, 9, 7)
"""Peaks, from the lowest angle on, of which combinations are solved for one, two and three parameters."""

SCREENED_PEAKS: Final = (7, 9)
"""Peaks, from the lowest angle on, by which candidates are screened for the first and for the second time."""

SCREENED_LINES: Final = 60
"""Lines, from the lowest indices on, of the screening of lattices that are not orthorhombic."""

ALIKE: Final = 0.003
"""Difference of the logarithms of parameters below which candidates are taken as one."""

SCREENED: Final = (600, 150)
"""Candidates that the first screening leaves, solved for with lines of a primitive and of each centred lattice."""

KEPT: Final = (8, 16, 40)
"""Candidates of a centring that the second screening leaves, of one, two and three parameters."""

KEPT_REFINED: Final = 8
"""Candidates of a centring that the first step of the refinement leaves."""

LENGTHS_ANGSTROM: Final = (1.8, 40.0)
"""Range of the lengths of cell vectors, Å."""

VOLUMES_ANGSTROM3: Final = (8.0, 4000.0)
"""Range of the volume of the conventional cell, Å³."""

LEAST_WIDTH_DEG: Final = 0.15
"""Width below which angles are not more exact, degrees."""

SPREADS: Final = (0.03, 0.1)
"""Standard deviations of the angles of peaks, relative to their width, each of one half of them. Of peaks of simulated
patterns, the middle one was 0.02 off, and the worst tenth 0.1."""

LOOSE: Final = 0.25
"""The same for peaks that overlap, in the second evidence."""

OUTLIERS: Final = 0.03
"""Share of peaks that are no lines of the right lattice."""

SCREEN: Final = (0.12, 0.03)
"""Standard deviation in the screening, relative to the width and, for the zero, in degrees; they add as squares."""

REFINED: Final = (0.5, 0.25)
"""Distance from a line, relative to the width, up to which peaks refine a lattice, in each of two steps."""

NEAR: Final = (0.2, 0.4)
"""Distances from a line, relative to the width, at which peaks count as explained."""

ZERO_DEG: Final = 0.04
"""Standard deviation of the zero of 2θ before it is refined, degrees."""

NEIGHBOURHOOD_DEG: Final = 6.0
"""Half of the range of angles in which lines are counted for their density, degrees."""

NOTHING: Final = (-4.0, -4.0, 0.0, 0.0, 0.0, -3.0, 6.0)
"""Figures of a centring for which no lattice was found, with evidences relative to the best."""


FIGURES: Final = len(NOTHING)
"""Number of figures of merit of a centring."""


class LatticeFit(NamedTuple):
    """The best lattice of one centring.

    Attributes:
        family: "cubic", "tetragonal", "hexagonal" or "orthorhombic".
        centring: "P", "I", "F", "R" (with hexagonal axes) or "A", "B" or "C".
        parameters: (P,) parameters: 1/a², and 1/b² and 1/c² where they differ; 4/(3 a²) for hexagonal ones, 1/Å².
        volume: volume of the conventional cell, Å³.
        zero_deg: zero of 2θ, degrees.
        evidence: mean evidence of a peak, in units of e.
        loose: the same with larger standard deviations of the angles.
        near: share of the peaks that are near a line.
        explained: share of the peaks that are very near a line.
        heights: share of their heights.
        lines: number of lines up to the last peak.
        peaks: number of peaks.
    """

    family: str
    centring: str
    parameters: FloatArray
    volume: float
    zero_deg: float
    evidence: float
    loose: float
    near: float
    explained: float
    heights: float
    lines: int
    peaks: int

    @property
    def lengths_angstrom(self) -> tuple[float, float, float]:
        """Lengths a, b and c of the conventional cell, Å; of orthorhombic ones, the longest first."""
        lengths = self.parameters**-0.5
        if self.family == "hexagonal":
            lengths = lengths * np.array([np.sqrt(4.0 / 3.0), 1.0])
        return float(lengths[0]), float(lengths[-2 if self.family == "orthorhombic" else 0]), float(lengths[-1])


def lattice_fits(peaks: Peaks, wavelength_angstrom: float) -> dict[tuple[str, str], LatticeFit | None]:
    """Return the best lattice of each family and centring; None where no lattice could be solved for.

    Args:
        peaks: the peaks, measured with one wavelength.
        wavelength_angstrom: the wavelength, Å.
    """
    angles, heights = peaks.two_theta_deg[:MOST_PEAKS], peaks.heights[:MOST_PEAKS]
    seen = _Seen(
        angles,
        heights / max(float(heights.sum()), 1e-300),
        (2.0 * np.sin(np.radians(angles / 2.0)) / wavelength_angstrom) ** 2,
        2.0 * np.sin(np.radians(angles)) / wavelength_angstrom**2 * np.pi / 180.0,
        max(peaks.width_deg, LEAST_WIDTH_DEG),
        wavelength_angstrom,
    )
    found: dict[tuple[str, str], LatticeFit | None] = {}
    for family in families():
        candidates = _solved(family, seen)
        if len(candidates):
            found |= _best(family, seen, *_screened(family, seen, candidates))
        else:
            found |= {(family.name, centring): None for centring in family.centrings}
    return found


def figures_of_merit(counts: FloatArray, two_theta_deg: FloatArray, wavelength_angstrom: float) -> FloatArray:
    """Return (centrings, FIGURES) figures of the best lattice of each centring for a pattern.

    They are the evidence and the loose evidence, both relative to that of the best centring, the shares of peaks near
    and very near a line, that of heights, and the logarithms of peaks per line and of the volume in Å³.

    Args:
        counts: (X,) intensities, in any unit.
        two_theta_deg: (X,) increasing angles 2θ, degrees, nearly evenly spaced.
        wavelength_angstrom: the wavelength, Å.
    """
    fits = lattice_fits(find_peaks(counts, two_theta_deg), wavelength_angstrom)
    found = np.array(NOTHING) + np.zeros((len(centrings()), 1))
    rows = [row for row, fit in enumerate(fits.values()) if fit is not None]
    if rows:
        fitted = [fit for fit in fits.values() if fit is not None]
        evidences = np.array([(fit.evidence, fit.loose) for fit in fitted])
        found[rows, :2] = evidences - evidences.max(axis=0)
        found[rows, 2:5] = [(fit.near, fit.explained, fit.heights) for fit in fitted]
        found[rows, 5:] = [(np.log(fit.peaks / max(fit.lines, 1)), np.log(fit.volume)) for fit in fitted]
    return found


@dataclass(frozen=True, eq=False)
class _Seen(ValueObject):
    """The peaks that are compared.

    Attributes:
        angles: (N,) angles 2θ, degrees.
        shares: (N,) heights, of sum 1.
        q: (N,) 1/d², 1/Å².
        slopes: (N,) dQ/d(2θ), 1/Å² for a degree.
        width: width of peaks, degrees.
        wavelength: wavelength, Å.
    """

    angles: FloatArray
    shares: FloatArray
    q: FloatArray
    slopes: FloatArray
    width: float
    wavelength: float

    @property
    def spread(self) -> float:
        """Standard deviation of the angles of peaks in the screening, degrees."""
        return float(np.hypot(SCREEN[0] * self.width, SCREEN[1]))

    def low(self, count: int) -> tuple[Float32Array, Float32Array]:
        """Return Q of the lowest peaks, and its standard deviation in the screening."""
        return self.q[:count].astype(np.float32), (self.spread * self.slopes[:count]).astype(np.float32)


def _candidates(family: Family, inverses: FloatArray, q: FloatArray) -> FloatArray:
    """Return (K, P) parameters for which the lowest peaks are lines of low indices."""
    count = len(family.powers)
    first = q[: SOLVED_PEAKS[count - 1]]
    if len(first) < count:
        return np.empty((0, count))
    chosen = first[np.array(list(combinations(range(len(first)), count)))]
    found = np.einsum("cij,sj->sci", inverses, chosen).reshape(-1, count)
    shortest, longest = LENGTHS_ANGSTROM
    found = found[((found > longest**-2) & (found < 4.0 / 3.0 * shortest**-2)).all(axis=1)]
    logs = np.log(found)
    volumes = logs @ family.powers + np.log(family.factor)
    fit = (volumes > np.log(VOLUMES_ANGSTROM3[0])) & (volumes < np.log(VOLUMES_ANGSTROM3[1]))
    cells = np.round(logs[fit] / ALIKE).astype(np.int64) @ 100003 ** np.arange(count)
    different: FloatArray = found[fit][np.unique(cells, return_index=True)[1]]
    return different


def _solved(family: Family, seen: _Seen) -> FloatArray:
    """Return (K, P) parameters that some of the lowest peaks give, and that explain the most of them."""
    q, near = seen.low(SCREENED_PEAKS[0])
    found = []
    for number, inverses in trials(family.name):
        candidates = _candidates(family, inverses, seen.q)
        numbers = np.full(len(candidates), number)
        if len(family.powers) == 3:
            order = np.argsort(candidates, axis=1)
            candidates = np.take_along_axis(candidates, order, axis=1)
            if family.centrings[number] == "C":  # the axis that is not in the centred side is another one when sorted
                numbers = family.centrings.index("A") + (order == 2).argmax(axis=1)
        most = SCREENED[min(number, 1)]
        if len(candidates) > most:
            value = -0.9 * np.log(family.volumes(candidates))
            for each in np.unique(numbers):
                mine = np.flatnonzero(numbers == each)
                value[mine] += (_apart(family, each, candidates[mine], q) < 1.5 * near[:, None]).sum(axis=0)
            candidates = candidates[np.argpartition(-value, most)[:most]]
        found.append(candidates)
    return np.concatenate(found)


def _screened(family: Family, seen: _Seen, candidates: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the (K, P) parameters that explain low peaks best, and the number of the centring of each."""
    q, near = seen.low(SCREENED_PEAKS[1])
    slopes = seen.slopes[: len(q)]
    spread = seen.spread
    # points of the reciprocal lattice within a sphere of radius √Q, differentiated: lines for each degree
    dense = 2.0 * np.pi * family.volumes(candidates) / family.equal * (np.sqrt(q) * slopes)[:, None]
    found, numbers = [], []
    for number, centring in enumerate(family.centrings):
        off = _apart(family, number, candidates, q) / near[:, None]
        density = np.maximum(dense / CENTRED[centring], 0.05)
        value = np.log(OUTLIERS + np.exp(-0.5 * off**2) / (spread * np.sqrt(2.0 * np.pi) * density)).sum(axis=0)
        kept = min(KEPT[len(family.powers) - 1], len(candidates))
        found.append(candidates[np.argpartition(-value, kept - 1)[:kept]])
        numbers += [number] * kept
    return np.concatenate(found), np.array(numbers)


def _apart(family: Family, number: int, parameters: FloatArray, q: Float32Array) -> Float32Array:
    """Return the (N, K) distances of Q of N peaks from the nearest line of low indices of K lattices.

    NumPy reduces the first axis much faster than the last one, so that lines come first.
    """
    parameters, found = parameters.astype(np.float32), np.empty((len(q), len(parameters)), dtype=np.float32)
    if len(family.powers) < 3:
        lines = family.squares[:SCREENED_LINES][family.allowed[number, :SCREENED_LINES]]
        places = lines.astype(np.float32) @ parameters.T
        for row, each in zip(found, q, strict=True):
            np.abs(places - each).min(axis=0, out=row)
        return found
    rows = line_rows(family.centrings[number]).astype(np.float32)
    step, first = rows[:, 2:3], rows[:, 3:]
    sides, scale = rows[:, :2] @ parameters[:, 1:].T, 1.0 / (step * step * parameters[:, 0])
    for row, each in zip(found, q, strict=True):
        left = each - sides
        h = left * scale
        np.sqrt(np.maximum(h, 0.0, out=h), out=h)
        h -= first / step
        np.rint(h, out=h)
        h += first / step
        h *= h
        h /= scale
        left -= h
        np.abs(left, out=left).min(axis=0, out=row)
    return found


def _best(
    family: Family, seen: _Seen, parameters: FloatArray, numbers: IntArray
) -> dict[tuple[str, str], LatticeFit | None]:
    """Refine lattices, and return the best one of each centring.

    Args:
        family: the family.
        seen: the peaks.
        parameters: (K, P) parameters.
        numbers: (K,) number of the centring of each.
    """
    zeros, fit = np.zeros(len(parameters)), _Fit.of(family, seen, parameters, numbers, np.zeros(len(parameters)))
    for step, limit in enumerate(REFINED):
        if step == 1:
            kept = np.concatenate([rows[np.argsort(-fit.evidence(seen, SPREADS)[rows])[:KEPT_REFINED]]
                                   for rows in _rows(family, numbers)])  # fmt: skip
            parameters, numbers, zeros, fit = parameters[kept], numbers[kept], zeros[kept], fit.take(kept)
        parameters, zeros = _refined(family, seen, parameters, fit, limit * seen.width)
        fit = _Fit.of(family, seen, parameters, numbers, zeros)
    evidence, loose = fit.evidence(seen, SPREADS), fit.evidence(seen, (LOOSE,))
    near, very_near = (np.abs(fit.off) < limit * seen.width for limit in reversed(NEAR))
    volumes = family.volumes(parameters)
    found: dict[tuple[str, str], LatticeFit | None] = {}
    for centring, rows in zip(family.centrings, _rows(family, numbers), strict=True):
        best = rows[evidence[rows].argmax()]
        found[family.name, centring] = LatticeFit(
            family.name, centring, parameters[best], float(volumes[best]), float(zeros[best]), float(evidence[best]),
            float(loose[rows].max()), float(near[rows].mean(axis=1).max()), float(very_near[best].mean()),
            float(seen.shares[very_near[best]].sum()), int(fit.counts[best]), len(seen.angles),
        )  # fmt: skip
    return found


def _rows(family: Family, numbers: IntArray) -> list[IntArray]:
    """Return the rows of each centring."""
    return [np.flatnonzero(numbers == number) for number in range(len(family.centrings))]


@dataclass(frozen=True, eq=False)
class _Fit(ValueObject):
    """Peaks and the lines that are nearest to them, of K lattices.

    Attributes:
        lines: (K, N) row of `Family.squares` of the line nearest to each peak.
        off: (K, N) angle of the line less that of the peak, degrees.
        density: (K, N) lines for each degree: the mean of those around each peak and of all up to the last peak.
        counts: (K,) lines up to the last peak.
        parameters: number of parameters of a lattice.
    """

    lines: IntArray
    off: FloatArray
    density: FloatArray
    counts: IntArray
    parameters: int

    @classmethod
    def of(cls, family: Family, seen: _Seen, parameters: FloatArray, numbers: IntArray, zeros: FloatArray) -> "_Fit":
        """Compare lattices with peaks; see `_best`.

        Args:
            family: the family.
            seen: the peaks.
            parameters: (K, P) parameters.
            numbers: (K,) number of the centring of each.
            zeros: (K,) zeros of 2θ, degrees.
        """
        last = np.sin(np.radians(min(float(seen.angles[-1]) + NEIGHBOURHOOD_DEG, 179.0) / 2.0))
        most = float((2.0 * last / seen.wavelength) ** 2)
        some = np.flatnonzero(family.squares @ parameters.min(axis=0) <= most)
        some = some if len(some) > 1 else np.arange(2)
        q = np.where(family.allowed[numbers][:, some], parameters @ family.squares[some].T, np.inf)
        inside = max(int((q <= most).sum(axis=1).max()), 2)
        low = np.argpartition(q, min(inside, q.shape[1]) - 1, axis=1)[:, :inside]
        q = np.take_along_axis(q, low, axis=1)
        order = np.argsort(q, axis=1)
        low, q = some[np.take_along_axis(low, order, axis=1)], np.take_along_axis(q, order, axis=1)
        sines = np.minimum(np.sqrt(q) * (seen.wavelength / 2.0), 1.0)
        angles = 2.0 * np.degrees(np.arcsin(sines)) + zeros[:, None]
        rows = np.arange(len(q))[:, None]
        flat = (angles + 1000.0 * rows).ravel()  # increasing, so that all rows are searched at once
        place = np.searchsorted(flat, seen.angles + 1000.0 * rows)
        first, end = rows * q.shape[1], (rows + 1) * q.shape[1] - 1
        below, above = np.maximum(place - 1, first), np.minimum(place, end)
        wanted = seen.angles + 1000.0 * rows
        nearest = np.where(np.abs(flat[below] - wanted) < np.abs(flat[above] - wanted), below, above)
        around = [np.searchsorted(flat, wanted + side) for side in (-NEIGHBOURHOOD_DEG, NEIGHBOURHOOD_DEG)]
        counts = np.maximum((angles < seen.angles[-1] + 0.5).sum(axis=1), 1)
        return cls(
            np.take_along_axis(low, nearest - first, axis=1),
            flat[nearest] - wanted,
            0.5 * (around[1] - around[0]) / (2.0 * NEIGHBOURHOOD_DEG) + 0.5 * counts[:, None] / seen.angles[-1],
            counts,
            parameters.shape[1],
        )

    def take(self, rows: IntArray) -> "_Fit":
        """Return some lattices."""
        return _Fit(self.lines[rows], self.off[rows], self.density[rows], self.counts[rows], self.parameters)

    def evidence(self, seen: _Seen, spreads: tuple[float, ...]) -> FloatArray:
        """Return the (K,) mean evidences, with standard deviations of angles relative to the width."""
        parts = [
            np.exp(-0.5 * (self.off / (each * seen.width)) ** 2) / (each * seen.width * np.sqrt(2.0 * np.pi))
            for each in spreads
        ]
        likely = sum(parts) / (len(spreads) * self.density)
        mean = np.log(OUTLIERS + (1.0 - OUTLIERS) * likely).mean(axis=1)
        return np.asarray(mean * max(1.0 - self.parameters / len(seen.angles), 0.0))


def _refined(
    family: Family, seen: _Seen, parameters: FloatArray, fit: _Fit, limit_deg: float
) -> tuple[FloatArray, FloatArray]:
    """Return the (K, P) parameters and (K,) zeros that fit the peaks near lines best, by linear least squares.

    Args:
        family: the family.
        seen: the peaks.
        parameters: (K, P) parameters.
        fit: lines that are nearest to the peaks.
        limit_deg: distance of a peak from its line up to which it counts, degrees.
    """
    count = parameters.shape[1]
    rows = np.concatenate([family.squares[fit.lines] / seen.slopes[:, None], np.ones((*fit.lines.shape, 1))], axis=2)
    used = rows * (np.abs(fit.off) < limit_deg)[:, :, None]
    normal = used.swapaxes(1, 2) @ rows
    right = (used * (seen.q / seen.slopes)[:, None]).sum(axis=1)
    # a little of the parameters as they are, and what is known of the zero, with angles that are exact to 0.02°
    held = 1e-6 * np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1e-6)
    held[:, count] = (0.02 / ZERO_DEG) ** 2
    normal = normal + held[:, :, None] * np.eye(count + 1)
    right[:, :count] += held[:, :count] * parameters
    found = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    sensible = np.asarray((found[:, :count] > 0.0).all(axis=1))
    return np.where(sensible[:, None], found[:, :count], parameters), np.where(sensible, found[:, count], 0.0)
