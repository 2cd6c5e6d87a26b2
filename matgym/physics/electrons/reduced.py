"""Band edges and Fermi level of decorated tubes by the reduced basis of `matgym.physics.electrons.decorations`.

1. All phases of a grid, at E₀ = 0, or where the gap turns out to be. Edges are read at half filling, which needs no
   numbering of bands.
2. Every phase at which an edge may lie is refined: E₀ is the edge, rounded; three phases around the interpolated
   extremum replace the last three, each time closer to each other, until interpolation and value agree.
3. Tubes without a gap: the Fermi level fills the bands on the grid, with E₀ near it.

Between three phases, (E_c - E_v)² and E_c + E_v are interpolated by parabolas, which is exact for two bands that
avoid each other. An edge that does not settle is left to the dense solver.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject, cached_by_bytes
from matgym.physics.electrons.decorations import Decorations
from matgym.physics.electrons.pristine_tables import structure_factor
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.physics.oracles import one_thread, rows_by
from matgym.structures import Nanotube, TubeLattice
from matgym.structures.memory import MAX_DENSE_BYTES
from matgym.typing import BoolArray, FloatArray, IntArray

GRID: Final = np.linspace(0.0, np.pi, 7)
"""Phases θ in multiples of 30°; E(-θ) = E(θ), so half the zone is enough."""

GRID_WEIGHTS: Final = np.array([0.5, 1, 1, 1, 1, 1, 0.5]) / 6.0
"""Trapezoid rule over [0, π]: a 12-point mesh of the whole zone."""

SHORT_ANGSTROM: Final = (12.0, 6.0)
"""Lengths of a tube, Å, below which the grid of the search is twice and four times as fine: bands are steeper."""

COARSE_ANGSTROM: Final = (16.0, 30.0)
"""Lengths of a tube, Å, above which the search begins on every second phase of the grid: of a tube with one electron a
site, whose gap is near the Dirac points, all of them at phases of this grid; and of any tube, whose bands are flat."""

METALLIC_EV: Final = 0.2
"""Least |f|, eV, below which the edges of a decorated tube are searched near the undecorated tube's, too."""

STEP_EV: Final = 0.1
"""E₀ is a multiple of this energy, so that many tubes share their tables."""

FARTHEST_EV: Final = 0.06
"""Largest distance of an edge from E₀ at the end; there, the error of the linear G_Q is about 0.3 meV at most."""

NARROWER: Final = 4
"""Factor by which each refinement brings the three phases closer."""

REFINEMENTS: Final = 8
"""Most refinements of an edge."""

SETTLED_EV: Final = 3e-4
"""Difference of the interpolated extremum from the best value at which an edge is settled, eV."""

HOPELESS_EV: Final = 0.3
"""Energy behind the best one, eV, at which a phase on the grid is dropped; less between closer phases, in proportion to
their distance."""

CANDIDATES: Final = (0.01, 0.4)
"""Energies a + b (E - E₀)², eV, within which other phases of the grid may be the edge: its error is below that."""

RIVALS: Final = 0.2
"""Energy over (E - E₀)², 1/eV, by which errors of two phases of the grid differ at most; measured up to 0.15 1/eV."""

BESIDE: Final = np.pi / 4.0
"""Distance of two phases of the grid up to which they see the same minimum; less on a fine grid."""

TOUCHING_EV: Final = 1e-3
"""Overlap of bands, eV, up to which the Fermi level is where they touch, rather than what fills the mesh."""

FAR_EV: Final = 0.3
"""Distance of the middle of the gap from E₀, eV, above which the grid is computed again with E₀ there."""

SAME_EV: Final = 0.005
"""Difference of interpolated minima, eV, up to which two neighbouring places of the grid are both looked at."""

INSIDE: Final = 0.75
"""Largest distance of a minimum from its place on the grid, in steps: one farther away belongs to the next place."""

MARGIN_EV: Final = 0.2
"""Least distance, eV, of an edge from states outside the basis."""

MOST_DECORATED: Final = 0.5
"""Share of decorated sites up to which the reduced basis is smaller than all sites."""

_BYTES: Final = 160
"""Memory of a reduced Hamiltonian for each of its elements, bytes, intermediate results included."""

_BATCH: Final = 256
"""Most tubes at once."""


@dataclass(frozen=True)
class Edges(ValueObject):
    """Band edges of tubes.

    Attributes:
        valence_ev: (B,) energy of the highest filled band, eV.
        conduction_ev: (B,) energy of the lowest empty band, eV; below that of the filled one if bands overlap.
        fermi_ev: (B,) Fermi level, eV.
        settled: (B,) whether the reduced basis is accurate; where it is not, the values are NaN.
    """

    valence_ev: FloatArray
    conduction_ev: FloatArray
    fermi_ev: FloatArray
    settled: BoolArray


def reduced_edges(tubes: Sequence[Nanotube], parameters: PiParameters) -> Edges:
    """Return the band edges of decorated tubes.

    Args:
        tubes: B tubes, of any lattices.
        parameters: parameters of the π model.
    """
    values, settled = np.full((3, len(tubes)), np.nan), np.zeros(len(tubes), dtype=bool)
    with one_thread():
        for rows in rows_by((tube.lattice, tube.strain, tube.torsion, tube.stone_wales) for tube in tubes):
            decorations = Decorations.of([tubes[row] for row in rows], parameters)
            for part in _parts(decorations):
                of_part = np.array(rows)[part]
                found, good = _Search(decorations, part).run()
                values[:, of_part], settled[of_part] = np.where(good, found, np.nan), good
    valence, conduction, fermi = values
    return Edges(valence, conduction, fermi, settled)


def _parts(decorations: Decorations) -> list[IntArray]:
    """Return rows of tubes that are all neutral or not, with similar numbers of decorated sites, if not too many."""
    counts = decorations.used.sum(axis=1)
    neutral = decorations.electrons == decorations.lattice.n_sites
    return [part for of in (neutral, ~neutral) for part in _similar(decorations, counts, np.flatnonzero(of))]


def _similar(decorations: Decorations, counts: IntArray, rows: IntArray) -> list[IntArray]:
    ascending = rows[np.argsort(counts[rows], kind="stable")]
    ascending = ascending[counts[ascending] <= MOST_DECORATED * decorations.lattice.n_sites]
    parts, start = [], 0
    while start < len(ascending):
        least = counts[ascending[start]]
        most = MAX_DENSE_BYTES // (_BYTES * int(least + 16) ** 2)
        same = np.searchsorted(counts[ascending], 1.25 * least + 2, side="right")
        stop = min(int(same), start + max(1, min(_BATCH, most)))
        parts.append(ascending[start:stop])
        start = stop
    return parts


class _Search:
    """The search for the edges of some rows of decorated tubes."""

    def __init__(self, decorations: Decorations, rows: IntArray) -> None:
        widest = int(decorations.used[rows].sum(axis=1).max(initial=0))
        self.decorations, self.rows = decorations.cut(rows, widest), np.arange(len(rows))
        neutral = not decorations.turned and bool((self.decorations.electrons == decorations.lattice.n_sites).all())
        coarse = decorations.lattice.length_angstrom > COARSE_ANGSTROM[0 if neutral else 1]
        self.grid = search_grid(decorations.lattice)[:: 1 + coarse]

    def run(self) -> tuple[FloatArray, BoolArray]:
        """Return (3, r) valence and conduction edges and Fermi levels, eV, and (r,) whether they are settled."""
        count = len(self.rows)
        is_even = self.decorations.electrons % 2 == 0
        edges, energies, settled = self._on_grid()
        best = np.full((count, 2), np.nan)
        sought = np.flatnonzero(is_even & settled)
        if len(sought):
            best[sought], settled[sought] = self._refined(sought, edges[sought], energies[sought])
        with np.errstate(invalid="ignore"):
            open_gap = is_even & (best[:, 1] > best[:, 0] - TOUCHING_EV)
        fermi = best.mean(axis=1)
        gapless = self.rows[~open_gap & settled]
        if len(gapless):
            fermi[gapless], settled[gapless] = self._filled(gapless)
        best[~is_even] = fermi[~is_even, None]
        return np.stack([best[:, 0], best[:, 1], fermi]), settled

    def _on_grid(self) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return (r, grid, 2) edges on the grid, eV, (r,) E₀ near the middle of the gap, and whether one was found."""
        count, points = len(self.rows), len(self.grid)
        edges, energies, limits = np.zeros((count, points, 2)), np.zeros(count), np.zeros(count)
        todo = self.rows
        for _ in range(REFINEMENTS):
            phases = np.tile(self.grid, len(todo))
            found = self.decorations.bands(np.repeat(todo, points), phases, np.repeat(energies[todo], points))
            edges[todo] = found.edges().reshape(len(todo), points, 2)
            limits[todo] = found.limits_ev.reshape(len(todo), points).min(axis=1)
            middle = np.clip((edges[:, :, 0].max(axis=1) + edges[:, :, 1].min(axis=1)) / 2.0, -MOST_EV, MOST_EV)
            # E₀ = 0 is far from the gap, as where B and N are not balanced; then the first middle is inaccurate, too.
            todo = np.flatnonzero((np.abs(middle - energies) > FAR_EV) & (limits > -np.inf))
            if not len(todo):
                break
            energies[todo] = np.round(middle[todo] / STEP_EV) * STEP_EV + 0.0
        settled = limits > -np.inf
        settled[todo] = False
        return edges, energies, settled

    def _refined(self, rows: IntArray, on_grid: FloatArray, energies_ev: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return (r, 2) edges, eV, and whether both are settled, from (r, grid, 2) values on the grid and their E₀."""
        best = np.full((len(rows), 2), np.inf)  # of -valence and of conduction
        settled = np.ones(len(rows), dtype=bool)
        step = float(self.grid[1])
        task, side, at, nearest = self._candidates(rows, on_grid, energies_ev)
        on_grid_count = len(task)  # those on the grid may be followed anywhere
        dirac = dirac_phase(self.decorations.lattice, self.decorations.strengths)
        if dirac is not None:  # both edges of every tube may lie there, too
            every, number = np.arange(len(rows)), int(np.abs(self.grid - dirac).argmin())
            task = np.concatenate([task, every, every])
            side = np.concatenate([side, np.repeat([0, 1], len(rows))])
            at = np.concatenate([at, np.full(2 * len(rows), dirac)])
            nearest = np.concatenate([nearest, *on_grid[:, number].T])
        steps, factor, start = np.full(len(task), step), np.full(len(task), 1.0 / NARROWER), at
        widest = np.full(len(task), step)  # halved whenever an extremum was inside, so that steps do not alternate
        free = np.arange(len(task)) < on_grid_count
        for _ in range(REFINEMENTS):
            steps = np.clip(steps * factor, np.pi / _TICKS, widest)
            unit = np.where(factor > 1.0, steps / 2.0, steps)
            middle = np.round(at / unit) * unit
            energies = np.round(nearest / STEP_EV) * STEP_EV + 0.0  # no -0.0, which has tables of its own
            stencil, limits = self._stencil(rows[task], middle, steps, energies)
            at, guess, nearest = _extremum(stencil, side, middle, steps)
            outside = np.abs(at - middle) > 0.99 * steps  # the extremum may lie beyond the three phases
            distance = np.abs(nearest - energies)
            sign = 2.0 * side - 1.0
            bad = np.abs(nearest) > limits - MARGIN_EV
            done = (np.abs(guess - nearest) < SETTLED_EV) & (distance < FARTHEST_EV) & ~outside
            close = done & ~bad
            np.minimum.at(best, (task[close], side[close]), (sign * guess)[close])
            settled[task[bad]] = False
            # A phase that cannot be the edge any more is dropped.
            hopeless = np.minimum(sign * guess, sign * nearest) > best[task, side] + steps / step * HOPELESS_EV
            going = ~done & ~bad & ~(hopeless & (distance < FARTHEST_EV))
            walked = np.abs(at - start)
            going &= free | (walked < step)
            # One that slides towards another point of the grid ends at the edge that is settled there.
            going &= ~(outside & (walked > 0.9 * step) & (sign * nearest > best[task, side]))
            factor = np.where(outside, 2.0, np.where(distance < FARTHEST_EV, 1.0 / NARROWER, 1.0))
            widest = np.where(outside, widest, steps / 2.0)
            task, side, at, nearest, steps, factor, start, free, widest = (
                x[going] for x in (task, side, at, nearest, steps, factor, start, free, widest)
            )
            if not len(task):
                break
        settled[task] = False
        return best * [-1.0, 1.0], settled & np.isfinite(best).all(axis=1)

    def _candidates(
        self, rows: IntArray, on_grid: FloatArray, energies_ev: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """Return all minima on the grid that may be an edge.

        Where an edge has several, or rivals, the grid is computed again with E₀ there.

        Returns:
            Numbers in `rows`; sides (0: valence, 1: conduction); phases of the interpolated minima; and energies, eV,
            near them.
        """
        row, side = np.indices((len(rows), 2)).reshape(2, -1)
        edge, at, nearest = self._minima(on_grid[row], side, energies_ev[row], CANDIDATES[0])
        rivals = self._rivals(on_grid[row, :, side], side, energies_ev[row])
        several = np.flatnonzero((np.bincount(edge, minlength=len(row)) > 1) | rivals)
        if not len(several):
            return row[edge], side[edge], at, nearest
        sign, points = 2.0 * side - 1.0, len(self.grid)
        least = np.full(len(row), np.inf)
        np.minimum.at(least, edge, sign[edge] * nearest)
        energies = np.round((sign * least)[several] / STEP_EV) * STEP_EV + 0.0
        again = self.decorations.bands(
            np.repeat(rows[row[several]], points), np.tile(self.grid, len(several)), np.repeat(energies, points)
        )
        curves = again.edges().reshape(len(several), points, 2)
        number, at_again, nearest_again = self._minima(curves, side[several], energies, SAME_EV)
        alone = ~np.isin(edge, several)
        edge = np.concatenate([edge[alone], several[number]])
        at, nearest = np.concatenate([at[alone], at_again]), np.concatenate([nearest[alone], nearest_again])
        return row[edge], side[edge], at, nearest

    def _rivals(self, curves: FloatArray, side: IntArray, energies_ev: FloatArray) -> BoolArray:
        """Return (e,) whether a phase away from the least of a curve may be lower: minima may be hidden by the error.

        Args:
            curves: (e, grid) energies of a band, eV.
            side: (e,) 0 for a filled band, whose highest energy is sought, 1 for an empty one.
            energies_ev: (e,) E₀, eV.
        """
        values = (2.0 * side - 1.0)[:, None] * curves
        least, place = values.min(axis=1), values.argmin(axis=1)
        away = np.abs(self.grid - self.grid[place][:, None]) > min(BESIDE, 1.5 * self.grid[1])
        distance = least - (2.0 * side - 1.0) * energies_ev
        return np.asarray((away & (values <= (least + RIVALS * distance**2)[:, None])).any(axis=1))

    def _minima(
        self, curves: FloatArray, side: IntArray, energies_ev: FloatArray, margin_ev: float
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return the minima of curves that are not higher than the least one by more than their error.

        A place counts with the least energy around it by interpolation, since a minimum may lie between two places.

        Args:
            curves: (e, grid, 2) energies of the filled and of the empty band, eV.
            side: (e,) which of them is sought.
            energies_ev: (e,) E₀, eV.
            margin_ev: least error, eV.

        Returns:
            Numbers of the curves, phases of the minima, and energies, eV, near them.
        """
        count, points, _ = curves.shape
        edge, place = np.indices((count, points)).reshape(2, -1)
        stencil = curves[edge[:, None], self._beside(place)]
        where, guess, lowest = _extremum(stencil, side[edge], self.grid[place], float(self.grid[1]))
        at, value, nearest = (x.reshape(count, points) for x in (where, guess * (2.0 * side[edge] - 1.0), lowest))
        walled = np.pad(value, ((0, 0), (1, 1)), constant_values=np.inf)
        # Two places that see the same minimum are one candidate.
        same = np.abs(np.diff(at, axis=1, prepend=-np.inf)) < self.grid[1] / 3.0
        lower = (value <= walled[:, :-2] + SAME_EV) & (value <= walled[:, 2:] + SAME_EV)
        lower[:, 1:] &= ~(same[:, 1:] & lower[:, :-1])
        lower &= np.abs(at - self.grid) < INSIDE * self.grid[1]
        least = value.min(axis=1)
        distance = least - (2.0 * side - 1.0) * energies_ev
        near = value <= (least + margin_ev + CANDIDATES[1] * distance**2)[:, None]
        chosen = lower & near
        lowest_of_all, every = value.argmin(axis=1), np.arange(count)
        apart = np.abs(at - at[every, lowest_of_all][:, None]) > self.grid[1] / 3.0
        chosen[every, lowest_of_all] |= (apart | ~chosen).all(axis=1)  # the least value is not left out
        edge, place = np.nonzero(chosen)
        return edge, at[edge, place], nearest[edge, place]

    def _beside(self, place: IntArray) -> IntArray:
        """Return the (..., 3) places on the grid around a place; E(-θ) = E(θ), and the same at π."""
        beside = np.abs(place[:, None] + [-1, 0, 1])
        return np.where(beside >= len(self.grid), 2 * (len(self.grid) - 1) - beside, beside)

    def _stencil(
        self, rows: IntArray, middle: FloatArray, step: FloatArray, energies: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the (r, 3, 2) edges at the phases middle - step, middle, middle + step, and the limits of E."""
        phases = np.abs(middle[:, None] + step[:, None] * np.array([-1.0, 0.0, 1.0]))
        phases = np.where(phases > np.pi, 2.0 * np.pi - phases, phases)
        ticks = np.round(phases * _TICKS / np.pi).astype(np.int64)
        levels = np.round(energies / STEP_EV).astype(np.int64)
        asked = np.stack([np.repeat(rows, 3), ticks.ravel(), np.repeat(levels, 3)], axis=1)
        unique, back = np.unique(asked, axis=0, return_inverse=True)
        found = self.decorations.bands(unique[:, 0], unique[:, 1] * np.pi / _TICKS, unique[:, 2] * STEP_EV)
        back = back.reshape(len(rows), 3)
        return found.edges()[back], found.limits_ev[back].min(axis=1)

    def _filled(self, rows: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return (r,) Fermi levels, eV, of tubes without a gap, and whether they are settled."""
        fermi, settled = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
        points = len(GRID)
        for _ in range(REFINEMENTS):
            todo = np.flatnonzero(~settled)
            energies = np.round(fermi[todo] / STEP_EV) * STEP_EV + 0.0
            found = self.decorations.bands(
                np.repeat(rows[todo], points), np.tile(GRID, len(todo)), np.repeat(energies, points)
            )
            shape = (len(todo), points, -1)
            levels = found.energies_ev.reshape(shape)
            share = (found.filled.reshape(len(todo), points) * GRID_WEIGHTS).sum(axis=1)
            weights = np.broadcast_to(GRID_WEIGHTS[:, None], levels.shape[1:]).ravel()
            flat = levels.reshape(len(todo), -1)
            order = flat.argsort(axis=1, kind="stable")
            below = np.cumsum(weights[order], axis=1) - weights[order]
            highest = np.maximum((below < share[:, None] - 1e-12).sum(axis=1) - 1, 0)
            level = np.take_along_axis(flat, order[np.arange(len(todo)), highest][:, None], axis=1)[:, 0]
            settled[todo] = (np.abs(level - energies) < FARTHEST_EV) & (
                np.abs(level) < found.limits_ev.reshape(len(todo), points).min(axis=1) - MARGIN_EV
            )
            fermi[todo] = np.clip(level, -MOST_EV, MOST_EV)
            if settled.all():
                break
        return fermi, settled


def search_grid(lattice: TubeLattice) -> FloatArray:
    """Return the phases on which the search for band edges begins; `GRID` is every first, second or fourth of them."""
    finer = sum(lattice.length_angstrom < length for length in SHORT_ANGSTROM)
    return np.linspace(0.0, np.pi, (len(GRID) - 1) * 2**finer + 1)


def dirac_phase(lattice: TubeLattice, strengths: tuple[float, ...]) -> float | None:
    """Return the phase of the least |f| of the undecorated tube, if it is a metal and the phase is not on the grid."""
    return _dirac_phase(lattice, strengths)[0]


@cached_by_bytes()
def _dirac_phase(lattice: TubeLattice, strengths: tuple[float, ...]) -> tuple[float | None]:
    low, high = 0.0, np.pi
    for _ in range(4):
        phases = np.linspace(low, high, 49)
        least = [float(np.abs(structure_factor(lattice, strengths, theta)).min()) for theta in phases]
        best = int(np.argmin(least))
        low, high = phases[max(best - 1, 0)], phases[min(best + 1, len(phases) - 1)]
    phase = float(phases[best])
    on_grid = float(np.abs(GRID - phase).min()) < np.pi / _TICKS
    return (None if on_grid or least[best] > METALLIC_EV else phase,)


_TICKS: Final = 24 * NARROWER**5
"""Phases are whole numbers of π over this number, so that equal ones are found."""

MOST_EV: Final = 5.0
"""Largest Fermi level that is looked for, eV; the others are left to the dense solver."""


def _extremum(
    stencil: FloatArray, side: IntArray, middle: FloatArray, step: float | FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Interpolate edges between three phases.

    Args:
        stencil: (t, 3, 2) energies of the filled and of the empty band, eV.
        side: (t,) 0 for the maximum of the filled band, 1 for the minimum of the empty one.
        middle: (t,) phase in the middle.
        step: distance of the phases.

    Returns:
        (t,) phase of the extremum, folded into [0, π]; its energy, eV; and the extremal energy of the three.
    """
    x = np.linspace(-1.0, 1.0, 129)
    parabolas = np.stack([x * (x - 1.0) / 2.0, 1.0 - x**2, x * (x + 1.0) / 2.0])  # (3, X)
    total = stencil.sum(axis=2) @ parabolas
    square = np.maximum((stencil[:, :, 1] - stencil[:, :, 0]) ** 2 @ parabolas, 0.0)
    sign = 2.0 * side - 1.0
    curve = (sign[:, None] * total + np.sqrt(square)) / 2.0  # to be minimised
    least = curve.argmin(axis=1)
    at = np.abs(middle + step * x[least])
    at = np.where(at > np.pi, 2.0 * np.pi - at, at)
    values = sign[:, None] * np.take_along_axis(stencil, side[:, None, None], axis=2)[:, :, 0]
    return at, sign * curve[np.arange(len(least)), least], sign * values.min(axis=1)
