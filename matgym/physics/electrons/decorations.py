"""The reduced Hamiltonian of decorated tubes: states near the Fermi level and the decorated sites.

H = H₀ + V, where V acts on D sites: on-site energies U of substituted atoms, infinite ones of vacancies, and changed
hopping around turned bonds. In the eigenvectors of V with eigenvalues λ, the exact equations for the amplitudes c of
the states P near E₀ and y = Vψ on the sites are, with the Green's function G_Q of all other states Q,

    [[ε, Ψ†], [Ψ, G_Q(E) - 1/λ]] (c, y) = E (c, 0)

With G_Q(E) = G_Q(E₀) - (E - E₀) M this becomes a Hermitian eigenvalue problem with the metric diag(1, M). Its error is
of second order in (E - E₀) over the distance of Q.

The number of its negative eigenvalues at E counts the bands of the tube below E (Haynsworth's inertia theorem): those
below E minus the lower half of Q, plus the positive λ. So bands are numbered without computing any far from E.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy.linalg.lapack import ztrtri

from matgym.frozen import ValueObject
from matgym.physics.electrons.pristine_tables import PristineTables, offsets, pristine_tables
from matgym.physics.electrons.tight_binding import PI_ELECTRONS, PiParameters, hoppings
from matgym.structures import Nanotube, Species, TubeLattice
from matgym.typing import BoolArray, ComplexArray, FloatArray, IntArray

ABSENT_EV: Final = 1e4
"""Energy of the rows that fill up a batch, eV, above every band."""

EMPTY_TURNED_EV: Final = 1e7
"""On-site energy of vacancies beside turned bonds, eV: the hopping to them is kept, and shifts states by 1e-6 eV."""

LEAST_EV: Final = 1e-6
"""Least |λ| of changed hopping, eV: smaller ones do not change V, and have no inverse."""

LEAST_METRIC: Final = 1e-12
"""Least ratio of the eigenvalues of M with which it is positive definite in spite of rounding."""


@dataclass(frozen=True)
class Decorations(ValueObject):
    """Tubes of the same lattice, deformation and turned bonds, as changes of the undecorated tube.

    Attributes:
        lattice: lattice of the tubes.
        strengths: (3,) hopping matrix elements of the undecorated tube, eV.
        sites: (b, D) sites on which V acts; rows are filled up with site 0.
        used: (b, D) whether a place holds a site of the tube.
        onsite_ev: (b, D) on-site energies; infinite for vacancies.
        electrons: (b,) π electrons in the cell.
        bonds: (K, 2) first and second place, in the first T places, of changed hopping around turned bonds.
        change_ev: (K,) change of the hopping, eV.
        rise: (K,) axial length of these bonds as fractions of the tube.
        turned: T, the number of places, the same in all tubes, on which changed hopping acts.
    """

    lattice: TubeLattice
    strengths: tuple[float, ...]
    sites: IntArray
    used: BoolArray
    onsite_ev: FloatArray
    electrons: IntArray
    bonds: IntArray
    change_ev: FloatArray
    rise: FloatArray
    turned: int

    @classmethod
    def of(cls, tubes: Sequence[Nanotube], parameters: PiParameters) -> Self:
        """Return tubes that share lattice, deformation and turned bonds."""
        first = tubes[0]
        strengths = hoppings(first, parameters)
        bonds, change, rise = _changed_bonds(first, strengths, -parameters.hopping_ev)
        species = np.stack([tube.species for tube in tubes])
        energies = parameters.onsite_table()[species]
        energies[species == Species.VACANCY] = np.inf
        common = np.unique(bonds)
        acts = energies != 0.0
        acts[:, common] = False
        order = np.argsort(~acts, axis=1, kind="stable")[:, : int(acts.sum(axis=1).max(initial=0))]
        sites = np.concatenate([np.broadcast_to(common, (len(tubes), len(common))), order], axis=1)
        rows = np.arange(len(tubes))[:, None]
        used = acts[rows, sites]
        used[:, : len(common)] = True
        return cls(
            first.lattice,
            tuple(strengths.tolist()),
            np.where(used, sites, 0),
            used,
            energies[rows, sites],
            np.asarray(PI_ELECTRONS[species].sum(axis=1), dtype=np.int64),
            np.searchsorted(common, bonds),
            change,
            rise,
            len(common),
        )

    def cut(self, rows: IntArray, widest: int) -> Self:
        """Return some of the tubes, with room for `widest` sites in each."""
        return replace(
            self,
            sites=self.sites[rows, :widest],
            used=self.used[rows, :widest],
            onsite_ev=self.onsite_ev[rows, :widest],
            electrons=self.electrons[rows],
        )

    def bands(self, rows: IntArray, thetas: FloatArray, energies_ev: FloatArray) -> "Bands":
        """Return the energies near E₀ of some tubes, each at its own phase and with its own E₀.

        Args:
            rows: (r,) rows of tubes.
            thetas: (r,) phases.
            energies_ev: (r,) E₀, eV.

        Returns:
            The energies; they are meaningless, with limits of minus infinity, in rows whose M is not positive definite,
            since too many sites of the tube are decorated.
        """
        matrix, _, filled, limits = self._pencil(rows, thetas, energies_ev)
        return Bands(np.linalg.eigvalsh(matrix) + energies_ev[:, None], filled, limits)

    def states(self, row: int, theta: float, energy_ev: float) -> tuple[FloatArray, FloatArray, float]:
        """Return the states near E₀ of one tube.

        Returns:
            (S,) energies, eV; (S, n_sites) weights on the sites, which sum to 1; and how many bands are filled.
        """
        one, theta_of, energy = np.array([row]), np.array([theta]), np.array([energy_ev])
        matrix, root, filled, _ = self._pencil(one, theta_of, energy)
        values, vectors = np.linalg.eigh(matrix[0])
        table = pristine_tables(self.lattice, self.strengths, theta, energy_ev)
        everywhere = np.arange(self.lattice.n_sites)
        levels = 2 * len(table.sizes_ev)
        on_sites = root[0] @ vectors[levels:]  # y in the basis of sites
        kept = self.used[row]
        places = offsets(self.lattice, everywhere, self.sites[row, kept])
        green = table.green[places][:, None] - values[:, None] * table.slope[places][:, None]
        far = np.einsum("nsd,ds->ns", green, on_sites[kept])
        amplitudes = _waves(self.lattice, table, everywhere) @ vectors[:levels] + far
        weights = np.abs(amplitudes.T) ** 2
        return values + energy_ev, weights / weights.sum(axis=1, keepdims=True), float(filled[0])

    def _pencil(
        self, rows: IntArray, thetas: FloatArray, energies_ev: FloatArray
    ) -> tuple[ComplexArray, ComplexArray, FloatArray, FloatArray]:
        """Return the reduced Hamiltonians minus E₀ in an orthonormal basis.

        Returns:
            (r, 2L + D, 2L + D) Hamiltonians; (r, D, D) matrices from this basis to y on the sites; (r,) how many of
            their states are filled, half a state for an odd electron; and (r,) least |energy| of Q, eV, or minus
            infinity where M is not positive definite.
        """
        keys = list(zip(thetas.tolist(), energies_ev.tolist(), strict=True))
        unique = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        tables = [pristine_tables(self.lattice, self.strengths, *key) for key in unique]
        which = np.array([unique[key] for key in keys])
        sites, used = self.sites[rows], self.used[rows]
        different, of_row = np.unique(rows, return_inverse=True)
        both = used[:, :, None] & used[:, None, :]
        places = offsets(self.lattice, self.sites[different], self.sites[different])[of_row]
        places += (which * len(tables[0].green))[:, None, None]  # in the tables one after another
        green = np.concatenate([table.green for table in tables]).take(places)
        slope = np.concatenate([table.slope for table in tables]).take(places)
        green *= both
        slope *= both
        most = max(len(table.sizes_ev) for table in tables)
        levels = np.stack([_padded(table, most) for table in tables])[which]
        waves = np.stack([_wave_factors(table, most) for table in tables], axis=1)[:, which]
        amplitudes = _amplitudes(self.lattice, sites, waves) * used[..., None]
        basis, inverse, positive = self._eigenvectors(rows, thetas)
        if basis is not None:
            adjoint = basis.conj().swapaxes(1, 2)
            green, slope, amplitudes = adjoint @ green @ basis, adjoint @ slope @ basis, adjoint @ amplitudes
        diagonal = np.arange(sites.shape[1])
        green[:, diagonal, diagonal] -= inverse
        slope[:, diagonal, diagonal] += ~used
        factor, definite = _cholesky(slope)
        root = _inverse(factor)
        back = root.conj().swapaxes(1, 2)
        amplitudes = root @ amplitudes
        size = 2 * most + len(diagonal)
        matrix = np.zeros((len(rows), size, size), dtype=np.complex128)
        level = np.arange(2 * most)
        matrix[:, level, level] = levels - energies_ev[:, None]
        matrix[:, 2 * most :, 2 * most :] = root @ green @ back
        matrix[:, 2 * most :, : 2 * most] = amplitudes
        matrix[:, : 2 * most, 2 * most :] = amplitudes.conj().swapaxes(1, 2)
        filled: FloatArray = self.electrons[rows] / 2.0 - (self.lattice.n_cells - most) + positive
        to_sites: ComplexArray = np.asarray(back if basis is None else basis @ back, dtype=np.complex128)
        limits = np.array([table.limit_ev for table in tables])[which]
        return matrix, to_sites, filled, np.where(definite, limits, -np.inf)

    def _eigenvectors(self, rows: IntArray, thetas: FloatArray) -> tuple[ComplexArray | None, FloatArray, IntArray]:
        """Return eigenvectors of V (None: the sites themselves), (r, D) 1/λ, and (r,) how many λ are positive."""
        onsite, used = self.onsite_ev[rows], self.used[rows]
        inverse = np.where(used, 1.0 / np.where(onsite == 0.0, 1.0, onsite), -ABSENT_EV)
        positive = used & (onsite > 0.0)
        if not self.turned:
            return None, inverse, positive.sum(axis=1)
        few = np.minimum(onsite[:, : self.turned], EMPTY_TURNED_EV)
        change = np.zeros((len(rows), self.turned, self.turned), dtype=np.complex128)
        one, other = self.bonds.T
        hop = self.change_ev * np.exp(1j * thetas[:, None] * self.rise)
        every = np.arange(len(rows))[:, None]
        np.add.at(change, (every, one, other), hop)
        np.add.at(change, (every, other, one), hop.conj())
        place = np.arange(self.turned)
        change[:, place, place] += few
        values, vectors = np.linalg.eigh(change)
        basis = np.zeros((len(rows), onsite.shape[1], onsite.shape[1]), dtype=np.complex128)
        rest = np.arange(self.turned, onsite.shape[1])
        basis[:, rest, rest] = 1.0
        basis[:, : self.turned, : self.turned] = vectors
        values = np.where(np.abs(values) < LEAST_EV, LEAST_EV, values)
        inverse[:, : self.turned] = 1.0 / values
        return basis, inverse, (values > 0.0).sum(axis=1) + positive[:, self.turned :].sum(axis=1)


@dataclass(frozen=True)
class Bands(ValueObject):
    """Energies of r tubes at one phase each, near their E₀.

    Attributes:
        energies_ev: (r, S) energies, eV, ascending.
        filled: (r,) how many of them are filled; half a number if the cell has an odd number of electrons.
        limits_ev: (r,) energy, eV, of the nearest states outside the basis: energies with a larger size are wrong.
            Minus infinity where all are.
    """

    energies_ev: FloatArray
    filled: FloatArray
    limits_ev: FloatArray

    def edges(self) -> FloatArray:
        """Return the (r, 2) energies of the highest filled and of the lowest empty band, eV."""
        first = np.clip(self.filled.astype(np.int64) - 1, 0, self.energies_ev.shape[1] - 2)
        return np.take_along_axis(self.energies_ev, first[:, None] + np.arange(2), axis=1)


def _cholesky(metric: ComplexArray) -> tuple[ComplexArray, BoolArray]:
    """Return the (r, D, D) lower triangular factors of metrics, and whether they are positive definite.

    The factor of a metric that is not is the unit matrix.
    """
    every = np.ones(len(metric), dtype=bool)
    try:
        return np.asarray(np.linalg.cholesky(metric), dtype=np.complex128), every
    except np.linalg.LinAlgError:  # numpy does not tell which
        eigenvalues = np.linalg.eigvalsh(metric)
        definite = eigenvalues[:, 0] > LEAST_METRIC * eigenvalues[:, -1]
        kept = np.where(definite[:, None, None], metric, np.eye(metric.shape[1]))
        return np.asarray(np.linalg.cholesky(kept), dtype=np.complex128), np.asarray(definite)


def _inverse(factors: ComplexArray) -> ComplexArray:
    """Return the inverses of (r, D, D) lower triangular matrices; numpy's needs three times as long for any matrix."""
    found = np.empty_like(factors)
    for place, factor in enumerate(factors):
        # The transpose, which is upper triangular, is what LAPACK sees without a copy.
        found[place] = ztrtri(factor.T)[0].T
    return found


def _padded(table: PristineTables, most: int) -> FloatArray:
    """Return (2 most,) energies of P, filled up with pairs far away from zero."""
    size = np.concatenate([table.sizes_ev, np.full(most - len(table.sizes_ev), ABSENT_EV)])
    return np.concatenate([-size, size])


def _wave_factors(table: PristineTables, most: int) -> ComplexArray:
    """Return (4, most): phases from row to row and from column to column, f*/|f|, and whether a state is there."""
    missing = most - len(table.sizes_ev)
    factors = np.stack([*table.wave_phases.T, table.turns, np.ones(len(table.turns))])
    return np.pad(factors, ((0, 0), (0, missing)))


def _amplitudes(lattice: TubeLattice, sites: IntArray, factors: ComplexArray) -> ComplexArray:
    """Return (r, D, 2L) amplitudes of states on (r, D) sites from (4, r, L) factors."""
    sublattice, cell = np.divmod(sites, lattice.n_cells)
    row, column = np.divmod(cell, lattice.raster_shape[1])
    row_phase, column_phase, turns, present = factors[:, :, None]
    phase = row[..., None] * row_phase.real + column[..., None] * column_phase.real
    wave = present * np.exp(1j * phase) / np.sqrt(2 * lattice.n_cells)
    on_b = sublattice[..., None] == 1
    return np.concatenate([np.where(on_b, -turns, 1.0) * wave, np.where(on_b, turns, 1.0) * wave], axis=2)


def _waves(lattice: TubeLattice, table: PristineTables, sites: IntArray) -> ComplexArray:
    amplitudes: ComplexArray = _amplitudes(lattice, sites[None], _wave_factors(table, len(table.sizes_ev))[:, None])[0]
    return amplitudes


def _changed_bonds(tube: Nanotube, strengths: FloatArray, turned_ev: float) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the (K, 2) sites, (K,) changes of the hopping, eV, and (K,) rises of the bonds around turned bonds."""
    if not tube.stone_wales:
        return np.empty((0, 2), dtype=np.int64), np.empty(0), np.empty(0)
    parts = []
    for bonds, sign, values in (
        (tube.lattice.bonds, -1.0, np.repeat(strengths, tube.lattice.n_cells)),
        (tube.bonds, 1.0, np.full(len(tube.bonds), turned_ev)),
    ):
        touching = np.isin(bonds[:, :2], tube.stone_wales).any(axis=1)
        parts.append((bonds[touching], sign * values[touching]))
    bonds = np.concatenate([part[0] for part in parts])
    height = tube.lattice.site_fractions[:, 1]
    rise = height[bonds[:, 1]] + bonds[:, 2] - height[bonds[:, 0]]
    return bonds[:, :2], np.concatenate([part[1] for part in parts]), rise
