"""Relaxation of tubes in Tersoff's potential: pristine tubes by helical symmetry, decorated tubes by Newton's method.

Axial strain is relative to the length of the pristine tube under no tension or, if the length is free, to the length of
the tube itself under no tension. Torsion turns each period by the angle that it has in `Nanotube`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError
from matgym.frozen import ValueObject
from matgym.physics.mechanics.tersoff import BondGraph, C, Expansion, SiteEnergies, expand
from matgym.physics.oracles import RELAXED_BYTES_PER_SITE, atom_bonds, check_one_piece
from matgym.physics.transport.slabs import deformation
from matgym.structures import Nanotube, tube_lattice
from matgym.structures.memory import check_memory
from matgym.structures.stone_wales import sheet_moves
from matgym.structures.symmetry import Pairs
from matgym.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array
    from scipy.sparse.linalg import SuperLU

FORCE_EV_PER_ANGSTROM: Final = 1e-8
"""Largest remaining component of a force on an atom, eV/Å. Newton's method converges quadratically, so this bound costs
only one step more than phonons need."""

BOND_RANGE_ANGSTROM: Final = (1.25, 1.80)
"""Range of bond lengths, Å, in which `matgym.physics.mechanics.tersoff` is exact: the cut-off begins at 1.80 Å.
The lower bound is chosen."""

CONTACT_ANGSTROM: Final = 2.10
"""Distance, Å, below which atoms without a bond would interact: the end of the cut-off."""

_MOST_STEPS: Final = 200
_LONGEST_STEP_ANGSTROM: Final = 0.2
_SMALLEST_SHIFT: Final = 1e-6  # eV/Å²: far below any vibration, far above rounding errors of free motions
_FIRST_SHIFT: Final = 1e-2
_PRISTINE_FORCE: Final = 1e-11  # eV/Å and eV/rad, in four variables
_ROUNDING: Final = 1e-13  # relative rounding error of an energy
_SADDLES: Final = 5
_SADDLE_STEP_ANGSTROM: Final = 0.05
_BELOW_ALL: Final = -30.0  # eV/Å², below the curvature at all saddles that occurred


@dataclass(frozen=True)
class PristineTube:
    """A pristine carbon tube at rest: two atoms, A and B, and screw operations.

    Attributes:
        n: first chiral index.
        m: second chiral index.
        radius_angstrom: distance of all atoms from the axis, Å.
        period_angstrom: length of one translational cell, Å.
        shift_rad: rotation of B atoms about the axis, relative to the rolled sheet, rad.
        shift_angstrom: shift of B atoms along the axis, relative to the rolled sheet, Å.
        twist_rad: rotation of each cell relative to the cell before, rad.
        energy_ev: energy per atom, eV.
        tension_ev_per_angstrom: dE/dL of one cell with its period L, at rest, eV/Å.
        stiffness_ev_per_square_angstrom: d²E/dL² of one cell, at rest, eV/Å².
        radius_slope: derivative of the radius by L, dimensionless.
    """

    n: int
    m: int
    radius_angstrom: float
    period_angstrom: float
    shift_rad: float
    shift_angstrom: float
    twist_rad: float
    energy_ev: float
    tension_ev_per_angstrom: float
    stiffness_ev_per_square_angstrom: float
    radius_slope: float

    def positions(self, cells: int, stone_wales: Pairs = ()) -> FloatArray:
        """Return the (n_sites, 3) positions of atoms of `cells` cells, Å, in the order of `TubeLattice`.

        Each bond of `stone_wales` is turned as a rigid rod.
        """
        lattice = tube_lattice(self.n, self.m, cells)
        angle, axial = lattice.site_fractions.T
        is_b = np.repeat([0.0, 1.0], lattice.n_cells)
        phi = 2.0 * np.pi * angle + self.twist_rad * cells * axial + self.shift_rad * is_b
        z = self.period_angstrom * cells * axial + self.shift_angstrom * is_b
        if stone_wales:
            size = np.array([2.0 * np.pi * self.radius_angstrom, self.period_angstrom * cells])
            scale = size / [lattice.circumference_angstrom, lattice.length_angstrom]
            around, along = sheet_moves(lattice, stone_wales, scale).T
            phi, z = phi + (around / self.radius_angstrom), z + along
        return np.stack([self.radius_angstrom * np.cos(phi), self.radius_angstrom * np.sin(phi), z], axis=1)


@lru_cache(maxsize=1024)
def relaxed_pristine(n: int, m: int, strain: float = 0.0, torsion: float = 0.0) -> PristineTube:
    """Return the pristine carbon tube at rest.

    All atoms are equivalent, by screws and by the two-fold rotation that exchanges A and B. It is therefore sufficient
    to minimise the energy of one atom as a function of radius, period and position of B.

    Args:
        n: first chiral index.
        m: second chiral index.
        strain: axial strain, relative to the tube under no tension.
        torsion: shear strain, as in `Nanotube`.

    Raises:
        RelaxationError: if it does not come to rest, or its bonds or distances leave the range of the potential.
    """
    tube = Nanotube(n, m, strain=strain, torsion=torsion)
    if strain or torsion:
        free = relaxed_pristine(n, m)
        start = [free.radius_angstrom, free.period_angstrom * (1.0 + strain), free.shift_rad, free.shift_angstrom]
        pristine = _rest_of_one(tube, np.array(start), free_length=False)
    else:
        pristine = _rest_of_one(
            tube, np.array([tube.diameter_nm * 5.0, tube.length_angstrom, 0.0, 0.0]), free_length=True
        )
    graph = BondGraph.of(tube)
    check_distances(graph, pristine.positions(1), pristine.period_angstrom, pristine.twist_rad)
    return pristine


def _rest_of_one(tube: Nanotube, start: FloatArray, *, free_length: bool) -> PristineTube:
    """Minimise the energy of one cell over (radius, period, shift_rad, shift_angstrom) by Newton's method."""
    lattice, twist = tube.lattice, period_twist(tube)
    turns, axial = (lattice.bond_vectors / [lattice.circumference_angstrom, lattice.length_angstrom]).T
    atom = BondGraph(np.zeros((1, 3), dtype=np.int64), np.zeros((1, 3), dtype=np.int64), np.array([C]), np.array([0]))
    chosen = np.array([0, 1, 2, 3] if free_length else [0, 2, 3])
    variables, none, every = start.copy(), np.zeros(3), np.ones(3)
    for _ in range(_MOST_STEPS):
        radius, period, shift_rad, shift = variables.tolist()
        phi = 2.0 * np.pi * turns + twist * axial + shift_rad
        cos, sin = np.cos(phi), np.sin(phi)
        vectors = np.stack([radius * (cos - 1.0), radius * sin, period * axial + shift])  # (component, bond)
        first = np.array(  # (variable, component, bond)
            [[cos - 1.0, sin, none], [none, none, axial], [-radius * sin, radius * cos, none], [none, none, every]]
        )
        second = np.zeros((4, 4, 3, 3))
        second[0, 2] = second[2, 0] = [-sin, cos, none]
        second[2, 2] = [-radius * cos, -radius * sin, none]
        site = SiteEnergies(atom, vectors.T[:, :, None])
        slope, curvature = site.gradient()[..., 0], site.curvature()[..., 0]
        gradient = np.einsum("qaj,ja->q", first, slope)
        hessian = np.einsum("qaj,jakb,rbk->qr", first, curvature, first) + np.einsum("qraj,ja->qr", second, slope)
        if np.abs(gradient[chosen]).max() < _PRISTINE_FORCE:
            inner = [0, 2, 3]
            response = -np.linalg.solve(hessian[np.ix_(inner, inner)], hessian[inner, 1])  # to the period
            stiffness = hessian[1, 1] + hessian[1, inner] @ response
            tension, stiffness = lattice.n_sites * np.array([gradient[1], stiffness])
            energy, radius_slope = float(site.energies[0]), float(response[0])
            return PristineTube(
                *(tube.n, tube.m, radius, period, shift_rad, shift, twist),
                *(energy, float(tension), float(stiffness), radius_slope),
            )
        variables[chosen] -= np.linalg.solve(hessian[np.ix_(chosen, chosen)], gradient[chosen])
    raise RelaxationError(f"unconverged: {tube} does not come to rest in {_MOST_STEPS} steps")


@dataclass(frozen=True, eq=False)
class RelaxedTube(ValueObject):
    """A tube at rest.

    Attributes:
        tube: tube that was relaxed.
        graph: S atoms of the tube and their bonds.
        positions: (S, 3) positions, Å.
        period_angstrom: length of all cells of the tube, Å.
        twist_rad: rotation of each period relative to the period before, rad.
        expansion: energy, forces and second derivatives at rest.
    """

    tube: Nanotube
    graph: BondGraph
    positions: FloatArray
    period_angstrom: float
    twist_rad: float
    expansion: Expansion

    @property
    def energy_ev(self) -> float:
        """The energy of all atoms, eV."""
        return float(self.expansion.energies.sum())


def relax(tube: Nanotube, *, fixed: BoolArray | None = None, free_length: bool = False) -> RelaxedTube:
    """Relax a tube, starting from the positions of the pristine tube.

    A twisted tube of fixed length is under compression. Without fixed atoms it winds off its axis into a helix, because
    the straight tube is a saddle of the energy (measured: curvatures of -1e-6 to -1e-4 eV/Å² at 2 to 7 % torsion);
    `relaxed_pristine` computes the straight tube.

    Args:
        tube: any tube; its vacant sites hold no atoms.
        fixed: (n_sites,) whether each site is fixed at its position in the pristine tube, as for the leads of a device.
        free_length: whether strain is relative to the length of the tube itself under no tension; if false, it is
            relative to that of the pristine tube.

    Raises:
        ConfigurationError: if the length is free although atoms are fixed.
        RelaxationError: if vacancies cut the tube in two, the atoms do not come to rest, a bond leaves its range, or
            atoms without a bond are within the cut-off.
        StructureError: if the tube is too large to be relaxed.
    """
    if free_length and fixed is not None:
        raise ConfigurationError("free_length=True needs a tube without fixed atoms; pass fixed=None")
    check_memory(f"{tube}: its relaxation", RELAXED_BYTES_PER_SITE * tube.n_sites)
    graph = BondGraph.of(tube)
    check_one_piece(len(graph), atom_bonds(tube))
    pristine = relaxed_pristine(tube.n, tube.m) if free_length else relaxed_pristine(*deformation(tube))
    period, twist = pristine.period_angstrom * tube.cells, pristine.twist_rad * tube.cells
    positions = pristine.positions(tube.cells, tube.stone_wales)[graph.sites]
    movable = np.ones(tube.n_sites, dtype=bool) if fixed is None else ~np.asarray(fixed, dtype=bool)
    coordinates = np.flatnonzero(np.repeat(movable[graph.sites], 3))
    search = Search(graph, coordinates, free_length=free_length)
    state = search.rest(State(positions, period, twist))
    if free_length and (tube.strain or tube.torsion):
        search = Search(graph, coordinates, free_length=False)
        state = search.rest(state.deformed(tube.strain, period_twist(tube)))
    check_distances(graph, state.positions, state.period, state.twist)
    expansion = expand(graph, state.positions, state.period, state.twist)
    return RelaxedTube(tube, graph, state.positions, state.period, state.twist, expansion)


def period_twist(tube: Nanotube) -> float:
    """Return the rotation of each period of the tube relative to the period before, rad."""
    return 2.0 * tube.torsion * tube.length_angstrom / (10.0 * tube.diameter_nm)


def check_distances(graph: BondGraph, positions: FloatArray, period: float, twist: float) -> None:
    """Check that the potential's cut-off function is 1 at every bond, and 0 between all other atoms.

    Raises:
        RelaxationError: if two atoms are too near or too far; the error names them.
    """
    from scipy.spatial import cKDTree

    size = len(graph)
    cos, sin = np.cos(twist), np.sin(twist)
    onward = positions @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]) + [0.0, 0.0, period]
    both = np.concatenate([positions, onward])
    atom, slot = np.nonzero(graph.bonded & (graph.images >= 0))
    bonds = np.stack([atom, graph.neighbours[atom, slot] + size * graph.images[atom, slot]])
    lengths = np.linalg.norm(both[bonds[1]] - both[bonds[0]], axis=1)
    shortest, longest = BOND_RANGE_ANGSTROM
    off = np.flatnonzero((lengths < shortest) | (lengths >= longest))
    if len(off):
        a, b = graph.sites[bonds[:, off[0]] % size]
        raise RelaxationError(
            f"broken bond: sites {a} and {b} are {lengths[off[0]]:.3f} Å apart (range: {shortest} to {longest} Å)"
        )
    near = cKDTree(both).query_pairs(CONTACT_ANGSTROM, output_type="ndarray")
    near = near[near[:, 0] < size]
    near = near[~np.isin(near @ [2 * size, 1], np.array([2 * size, 1]) @ bonds)]
    if len(near):
        distance = float(np.linalg.norm(both[near[0, 1]] - both[near[0, 0]]))
        a, b = graph.sites[near[0] % size]
        raise RelaxationError(
            f"new bond: sites {a} and {b}, which are not bonded, are {distance:.3f} Å apart, "
            f"nearer than {CONTACT_ANGSTROM} Å"
        )


# ---- Newton's method


@dataclass(frozen=True, eq=False)
class State(ValueObject):
    """The positions, (S, 3), and the period, Å, and the twist, rad, of a tube."""

    positions: FloatArray
    period: float
    twist: float

    def deformed(self, strain: float, twist: float) -> "State":
        """Return the state after a strain, and a twist by an angle per period, rad."""
        phi = twist * self.positions[:, 2] / self.period
        x, y, z = self.positions.T
        turned = np.stack([x * np.cos(phi) - y * np.sin(phi), x * np.sin(phi) + y * np.cos(phi), z * (1.0 + strain)], 1)
        return State(turned, self.period * (1.0 + strain), self.twist + twist)


@dataclass(frozen=True, eq=False)
class Search(ValueObject):
    """Newton's method with a shift of the Hessian that keeps it positive (Levenberg, Q. Appl. Math. 2, 164 (1944)).

    The variables are the free coordinates and, if it is free, the period as the last variable; all atoms are stretched
    with it.

    Attributes:
        graph: S atoms and their bonds.
        coordinates: indices of the free coordinates among all 3S.
        free_length: whether the period is free.
        force: largest remaining component of a force, eV/Å.
        most_steps: largest number of steps.
    """

    graph: BondGraph
    coordinates: IntArray
    free_length: bool
    force: float = FORCE_EV_PER_ANGSTROM
    most_steps: int = _MOST_STEPS

    def rest(self, state: State) -> State:
        """Return the state at rest.

        Raises:
            RelaxationError: if the search does not converge.
        """
        shift, saddles = _SMALLEST_SHIFT, 0
        energy, gradient, hessian = self._derivatives(state)
        for _ in range(self.most_steps):
            if np.abs(gradient).max(initial=0.0) < self.force:
                if positive_factors(hessian, _SMALLEST_SHIFT) is not None:
                    return state
                if saddles == _SADDLES:
                    raise RelaxationError(
                        f"unconverged: the tube is at a saddle of the energy after {_SADDLES} attempts to leave it"
                    )
                saddles += 1
                state = self._moved(state, _SADDLE_STEP_ANGSTROM * _downhill(hessian))
                energy, gradient, hessian = self._derivatives(state)
                continue
            factors = positive_factors(hessian, shift)
            if factors is None:
                shift = max(10.0 * shift, _FIRST_SHIFT)
                continue
            step = -factors.solve(gradient)
            trial = self._moved(state, step * min(1.0, _LONGEST_STEP_ANGSTROM / np.abs(step).max()))
            derivatives = self._derivatives(trial)
            if derivatives[0] <= energy + _ROUNDING * abs(energy):
                state, (energy, gradient, hessian) = trial, derivatives
                shift = max(0.1 * shift, _SMALLEST_SHIFT)
            else:
                shift = max(10.0 * shift, _FIRST_SHIFT)
        left = np.abs(gradient).max()
        raise RelaxationError(
            f"unconverged: the largest force component is {left:.2g} eV/Å after {self.most_steps} steps"
        )

    def _derivatives(self, state: State) -> "tuple[float, FloatArray, csc_array]":
        """Return the energy, eV, and its first and second derivatives by the variables, in eV and Å."""
        from scipy.sparse import csc_array, csr_array, hstack, vstack

        expansion = expand(self.graph, state.positions, state.period, state.twist)
        energy, gradient, hessian = float(expansion.energies.sum()), -expansion.forces.ravel(), expansion.hessian
        if not self.free_length:
            free = self.coordinates
            return energy, gradient[free], csc_array(hessian[free][:, free])
        stretch = stretch_of(state.positions, state.period)
        column = expansion.tension_slope + hessian @ stretch
        corner = expansion.stiffness + stretch @ (expansion.tension_slope + column)
        border = csr_array(np.append(column, corner)[None])
        bordered = vstack([hstack([hessian, csr_array(column[:, None])]), border])
        return energy, np.append(gradient, expansion.tension + gradient @ stretch), csc_array(bordered)

    def _moved(self, state: State, step: FloatArray) -> State:
        """Return the state after a step of the variables."""
        if not self.free_length:
            moves = np.zeros(state.positions.size)
            moves[self.coordinates] = step
            return State(state.positions + moves.reshape(-1, 3), state.period, state.twist)
        moves = step[:-1] + stretch_of(state.positions, state.period) * step[-1]
        return State(state.positions + moves.reshape(-1, 3), state.period + float(step[-1]), state.twist)


def stretch_of(positions: FloatArray, period: float) -> FloatArray:
    """Return the (3S,) derivatives of the coordinates by the period under a uniform stretch."""
    return np.asarray((positions * [0.0, 0.0, 1.0 / period]).ravel())


def positive_factors(matrix: "csr_array | csc_array", shift: float) -> "SuperLU | None":
    """Return the factors of the matrix plus `shift` times the identity, or None if it is not positive definite.

    Without exchanges of rows, L U is the LDLᵀ factorisation, and D has as many negative elements as the matrix has
    negative eigenvalues (Sylvester's law of inertia).
    """
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import splu

    shifted = csc_array(matrix + shift * eye_array(matrix.shape[0]))
    try:
        factors = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:  # exactly singular
        return None
    positive = np.array_equal(factors.perm_r, factors.perm_c) and bool((factors.U.diagonal() > 0.0).all())
    return factors if positive else None


def _downhill(matrix: "csc_array") -> FloatArray:
    """Return the direction of the most negative curvature, scaled to a largest component of 1."""
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    _, vectors = eigsh(matrix, k=1, sigma=_BELOW_ALL, v0=start)
    return np.asarray(vectors[:, 0] / np.abs(vectors[:, 0]).max())
