"""Band gap, Fermi level, π formation energy and density of states of decorated tubes, and the dense solver.

The cell of the tube is repeated periodically along the axis. With N π electrons per cell and spin degeneracy, the gap
is the one between bands N/2 and N/2 + 1 over the whole Brillouin zone; it is zero if they overlap. If N is odd, a band
is half filled, and the gap is exactly zero.

The dense solver computes bands on a grid that contains every phase onto which the Dirac points of a tube fold
(θ = kL = 0 and 2π/3). Each edge is then refined by golden-section search on both sides of the best grid point, because
trigonal warping moves the edges of chiral tubes away from the symmetry points.

The dense solver converges band edges to 1e-7 eV; the reduced basis, which is the default, is measured against it in
docs/results/reduced_basis.json. Energies, and the Fermi level of tubes without a gap, are computed on a
mesh of 12 points: for gapless tubes of one or two cells they are accurate only to about 0.05 eV.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from matgym.errors import ConfigurationError, require_counts, require_within
from matgym.models import Cost, Level, Model, Predictions, Property, Space
from matgym.physics.electrons.reduced import GRID, GRID_WEIGHTS, reduced_edges, search_grid
from matgym.physics.electrons.tight_binding import (
    EMPTY_SITE_EV,
    PI_ELECTRONS,
    SCANNED,
    PiParameters,
    PiSystem,
    dense_bytes,
    pristine_bands,
    stacked,
)
from matgym.physics.oracles import cut_in_two, finite_numbers, one_thread
from matgym.structures import Nanotube, Species
from matgym.structures.memory import check_memory, too_large
from matgym.typing import BoolArray, FloatArray, IntArray

DENSE_SITES = 400
"""Number of sites above which undecorated tubes are computed by helical symmetry also if the dense solver is asked."""

REDUCED_SITES: Final = 20_000
"""Number of sites above which the reduced basis would hold too many states, and the dense solver is asked."""

METHODS: Final = ("reduced", "dense")

EDGE_TOLERANCE_EV: Final = 1e-7
"""Difference of energies across a bracket, eV, below which the search for a band edge ends."""

BROADENINGS_EV: Final = (1e-6, 100.0)
"""Smallest and largest broadening of states, eV. A choice of ours, as is the next number."""

MAX_PHASES: Final = 10_000
"""Most wave vectors of a density of states."""

MAX_REFINEMENTS: Final = 60
_GOLDEN: Final = (5.0**0.5 - 1.0) / 2.0

GAP_EV = Property("gap_ev", "eV", "band gap of the π system, from the highest occupied to the lowest empty band")
FERMI_EV = Property("fermi_ev", "eV", "Fermi level on the scale where carbon's π orbital is at zero")
PI_FORMATION_EV = Property(
    "pi_formation_ev",
    "eV",
    "π energy above that of its atoms' lone orbitals and of as many bound atoms of the pristine tube",
    extensive=True,
)


@dataclass(frozen=True)
class PiElectrons(Model):
    """The oracle of band gap and Fermi level.

    Attributes:
        parameters: parameters of the π model.
        method: "reduced" computes decorated tubes in the reduced basis of `matgym.physics.electrons.reduced`, and asks
            the dense solver where that does not settle; "dense" asks the dense solver only.
    """

    parameters: PiParameters = field(default_factory=PiParameters)
    method: Literal["reduced", "dense"] = "reduced"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigurationError(f'method={self.method!r} is not known: give "reduced" or "dense"')

    properties = (GAP_EV, FERMI_EV)
    level = Level.PI
    validity = (
        "tubes of 0.6 nm and wider, unrelaxed; B and N without their charges, so that it ranks doped tubes poorly"
    )
    cost = Cost(seconds=0.001, sites=128, exponent=2.0)
    """Cost, measured on one core of an AMD EPYC server in batches of 64 with an eighth of the sites decorated."""

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed: all are too thin for the π model; empty if one can."""
        return self.parameters.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the band gap and the Fermi level of each tube.

        Returns:
            Predictions with `gap_ev` and `fermi_ev`, each of shape (B,). Tubes that vacancies cut in two, whose bands
            are all empty or all full, or that are too thin for the model hold NaN and their reason in `failures`.
        """
        values, failures, left = np.full((2, len(tubes)), np.nan), dict[int, str](), list[int]()
        for row, tube in enumerate(tubes):
            if reason := no_band_edge(tube, self.parameters):
                failures[row] = reason
            elif tube.is_carbon and (self.method == "reduced" or tube.n_sites > DENSE_SITES):
                values[:, row] = pristine_gap(tube, self.parameters), 0.0
            else:
                left.append(row)
        if self.method == "reduced":
            few = [row for row in left if tubes[row].n_sites <= REDUCED_SITES]
            edges = reduced_edges([tubes[row] for row in few], self.parameters)
            values[:, few] = np.maximum(edges.conduction_ev - edges.valence_ev, 0.0), edges.fermi_ev
            settled = {row for row, good in zip(few, edges.settled, strict=True) if good}
            left = [row for row in left if row not in settled]

        def solve(system: PiSystem, solved: Sequence[Nanotube]) -> FloatArray:
            return np.stack(dense_edges(system, search_grid(solved[0].lattice)))

        failures |= _solve_dense(tubes, left, self.parameters, solve, values)
        return Predictions.together(dict(zip(self.keys, values, strict=True)), failures)

    def density_of_states(
        self, tube: Nanotube, energies_ev: FloatArray, broadening_ev: float = 0.05, phases: int = 48
    ) -> FloatArray:
        """Return the density of π states, both spins, on the scale where carbon's orbital is at zero.

        Args:
            tube: any tube.
            energies_ev: (E,) energies at which the density is evaluated, eV.
            broadening_ev: standard deviation of the Gaussian that represents each state, eV.
            phases: number of points in half the Brillouin zone.

        Returns:
            (E,) states per eV and cell; their integral is twice the number of atoms.

        Raises:
            ConfigurationError: if the broadening, an energy or the number of phases is out of range.
            StructureError: if the tube is too large for this.
        """
        require_within(*BROADENINGS_EV, broadening_ev=broadening_ev)
        require_counts(MAX_PHASES, phases=phases)
        energies = finite_numbers("energies_ev", energies_ev)
        modes = 16 * energies.size * phases * tube.n_sites
        check_memory(f"{tube}: its density of states", dense_bytes(tube) + modes)
        (system,) = stacked([tube], self.parameters)
        thetas = (np.arange(phases) + 0.5) * np.pi / phases
        states = np.concatenate([np.linalg.eigvalsh(system.bloch(np.array([theta])))[0] for theta in thetas])
        states = states[states < EMPTY_SITE_EV / 2]
        x = (energies[:, None] - states) / broadening_ev
        gaussians = np.exp(-0.5 * x**2) / (broadening_ev * np.sqrt(2 * np.pi))
        return np.asarray(2.0 * gaussians.sum(axis=1) / phases)


@dataclass(frozen=True)
class PiFormation(Model):
    """The oracle of the π formation energy, which needs all bands.

    Attributes:
        parameters: parameters of the π model.
    """

    parameters: PiParameters = field(default_factory=PiParameters)

    properties = (PI_FORMATION_EV,)
    level = Level.PI
    validity = "the π electrons' part only, of unrelaxed tubes of 0.6 nm and wider"
    cost = Cost(seconds=0.02, sites=128, exponent=2.8)
    """Cost, measured on one core of an AMD EPYC server."""

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed: all are too thin for the π model; empty if one can."""
        return self.parameters.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the π formation energy of each tube.

        Returns:
            Predictions with `pi_formation_ev` of shape (B,). Tubes that vacancies cut in two, whose bands are all empty
            or all full, or that are too thin for the model hold NaN and their reason in `failures`.
        """
        values, failures, left = np.full((1, len(tubes)), np.nan), dict[int, str](), list[int]()
        for row, tube in enumerate(tubes):
            if reason := no_band_edge(tube, self.parameters):
                failures[row] = reason
            elif tube.is_carbon and tube.n_sites > DENSE_SITES:
                values[0, row] = 0.0
            else:
                left.append(row)

        def solve(system: PiSystem, solved: Sequence[Nanotube]) -> FloatArray:
            with one_thread():
                _, energy = filling(grid_energies(system, GRID), system.electrons)
            return np.asarray(energy - [self._separated_energy(tube) for tube in solved])[None]

        failures |= _solve_dense(tubes, left, self.parameters, solve, values)
        return Predictions.together({PI_FORMATION_EV.key: values[0]}, failures)

    def _separated_energy(self, tube: Nanotube) -> float:
        """Return the reference of the π formation energy, eV: isolated atoms, plus the binding of pristine carbon.

        The π formation energy is the band energy minus this reference. It describes the π electrons only: it does not
        include σ bonds, relaxation and chemical potentials.
        """
        counts = tube.counts
        atoms = tube.n_sites - counts[Species.VACANCY]
        isolated = 2 * counts[Species.N] * self.parameters.onsite_ev.get(Species.N, 0.0)
        return isolated + atoms * self._carbon_binding(tube)

    def _carbon_binding(self, tube: Nanotube) -> float:
        """Return the π energy per atom of the pristine tube, eV, on the same mesh of the Brillouin zone."""
        cells = tube.cells
        kappa = (GRID[:, None] + 2 * np.pi * np.arange(cells)).ravel() / cells
        bands = pristine_bands(tube, kappa, self.parameters).sum(axis=0)  # (grid * cells,)
        return float(-2.0 * (np.repeat(GRID_WEIGHTS, cells) * bands).sum() / tube.n_sites)


def no_band_edge(tube: Nanotube, parameters: PiParameters) -> str:
    """Return why a tube has no bands: it is outside the domain, cut in two, or without electrons; empty if it has."""
    if reason := parameters.outside(tube) or cut_in_two(tube):
        return reason
    atoms, electrons = tube.n_sites - tube.counts[Species.VACANCY], int(PI_ELECTRONS[tube.species].sum())
    if electrons < 2 or electrons > 2 * atoms - 2:
        return f"{tube}: {electrons} π electrons on {atoms} atoms leave no band edge"
    return ""


def _solve_dense(
    tubes: Sequence[Nanotube],
    rows: Sequence[int],
    parameters: PiParameters,
    solve: Callable[[PiSystem, Sequence[Nanotube]], FloatArray],
    values: FloatArray,
) -> dict[int, str]:
    """Put the (P, b) results of `solve` of some tubes into `values`, (P, B); return the failures of large ones."""
    reasons = {row: too_large(f"{tubes[row]}: its bands", dense_bytes(tubes[row])) for row in rows}
    dense = [row for row in rows if not reasons[row]]
    for system in stacked([tubes[row] for row in dense], parameters):
        of_system = np.array(dense)[system.rows]
        values[:, of_system] = solve(system, [tubes[row] for row in of_system])
    return {row: reason for row, reason in reasons.items() if reason}


def dense_edges(system: PiSystem, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the (b,) gaps and Fermi levels, eV, of tubes by diagonalising their Hamiltonians.

    Args:
        system: Hamiltonians of b tubes.
        grid: phases from `search_grid`.
    """
    empty = system.electrons // 2  # index of the lowest empty band
    with one_thread():
        energies = grid_energies(system, grid)  # (b, grid, N)
        valence = band_edge(system, grid, energies, empty - 1, sign=-1.0)
        conduction = band_edge(system, grid, energies, empty, sign=+1.0)
    gap = np.where(system.electrons % 2 == 0, np.maximum(conduction - valence, 0.0), 0.0)
    filled_to, _ = filling(energies[:, :: (len(grid) - 1) // (len(GRID) - 1)], system.electrons)
    return gap, np.where(gap > 0.0, (conduction + valence) / 2.0, filled_to)


def pristine_gap(tube: Nanotube, parameters: PiParameters) -> float:
    """Return the gap of the undecorated tube, eV: twice the least |f| over all lines of allowed wave vectors."""
    from scipy.optimize import minimize_scalar

    scan = np.linspace(0.0, np.pi, SCANNED)  # contains 0, 2π/3 and π
    bands = pristine_bands(tube, scan, parameters)
    nearest = int(bands.min(axis=0).argmin())
    bracket = scan[max(nearest - 1, 0)], scan[min(nearest + 1, len(scan) - 1)]
    refined = minimize_scalar(
        lambda kappa: pristine_bands(tube, np.array([kappa]), parameters).min(),
        bounds=bracket,
        method="bounded",
        options={"xatol": 1e-10},
    )
    return 2.0 * min(float(bands.min()), float(refined.fun))


# ---- band edges


def grid_energies(system: PiSystem, grid: FloatArray) -> FloatArray:
    """Return the (b, grid, N) band energies at each phase of the grid, eV, ascending."""
    batch = len(system.rows)
    return np.stack([np.linalg.eigvalsh(system.bloch(np.full(batch, theta))) for theta in grid], axis=1)


def band_edge(system: PiSystem, grid: FloatArray, energies: FloatArray, band: IntArray, sign: float) -> FloatArray:
    """Return the lowest or highest energy of one band of each tube.

    Args:
        system: Hamiltonians of b tubes.
        grid: phases of `energies`.
        energies: (b, grid, N) band energies from `grid_energies`, eV.
        band: (b,) index of the band.
        sign: +1 for the lowest energy, -1 for the highest.

    Returns:
        (b,) energies, eV.
    """
    rows = np.arange(len(band))
    on_grid = sign * energies[rows, :, band]  # (b, grid)
    nearest = on_grid.argmin(axis=1)
    best = on_grid[rows, nearest]
    low, high = grid[np.maximum(nearest - 1, 0)], grid[np.minimum(nearest + 1, len(grid) - 1)]

    def value(theta: FloatArray, active: BoolArray) -> FloatArray:
        part = system.subset(active)
        eigenvalues = np.linalg.eigvalsh(part.bloch(theta[active]))
        return np.asarray(sign * eigenvalues[np.arange(len(eigenvalues)), band[active]])

    every = np.ones(len(band), dtype=bool)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left, every), value(right, every)
    for _ in range(MAX_REFINEMENTS):
        best = np.minimum(best, np.minimum(at_left, at_right))
        # A bracket is finished if the function is flat across it, or if the bracket is as narrow as rounding allows.
        active = (np.abs(at_left - at_right) + np.maximum(at_left, at_right) - best > EDGE_TOLERANCE_EV) & (
            high - low > 1e-10
        )
        if not active.any():
            break
        go_left = active & (at_left < at_right)
        go_right = active & ~go_left
        high = np.where(go_left, right, high)
        low = np.where(go_right, left, low)
        new_left, new_right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        # One of the two inner points is already evaluated, so only the other one is.
        theta = np.where(go_left, new_left, new_right)
        fresh = np.zeros(len(band))
        fresh[active] = value(theta, active)
        at_left, at_right = (
            np.where(go_left, fresh, np.where(go_right, at_right, at_left)),
            np.where(go_right, fresh, np.where(go_left, at_left, at_right)),
        )
        left, right = np.where(active, new_left, left), np.where(active, new_right, right)
    return np.asarray(sign * best)


def filling(energies: FloatArray, electrons: IntArray) -> tuple[FloatArray, FloatArray]:
    """Fill bands with electrons, two per state.

    Args:
        energies: (b, grid, N) band energies, eV.
        electrons: (b,) electrons per cell.

    Returns:
        (b,) Fermi level and (b,) band energy per cell, both in eV.
    """
    batch, _, n_bands = energies.shape
    flat = energies.reshape(batch, -1)
    weights = np.repeat(GRID_WEIGHTS, n_bands)
    order = flat.argsort(axis=1, kind="stable")
    ascending, weight = np.take_along_axis(flat, order, axis=1), weights[order]
    below = np.cumsum(weight, axis=1) - weight
    occupied = np.clip(electrons[:, None] / 2 - below, 0.0, weight)
    highest = np.maximum((occupied > 1e-12).sum(axis=1) - 1, 0)
    return ascending[np.arange(batch), highest], 2.0 * (occupied * ascending).sum(axis=1)
