"""Tersoff's potential for carbon, boron and nitrogen on the known bond graph of a tube, with exact derivatives.

With r_j the length of bond i-j and θ_jk the angle between two bonds of atom i, the energy is Σ_i E_i with

    E_i = ½ Σ_j (A exp(-λ₁ r_j) - b_j B exp(-λ₂ r_j)),   b_j = (1 + (β ζ_j)ⁿ)^(-1/2n),   ζ_j = Σ_{k≠j} g(cos θ_jk),
    g(x) = 1 + c²/d² - c²/(d² + (x - h)²)

(Tersoff, Phys. Rev. B 39, 5566 (1989), eqs. 1 to 3 with λ₃ = 0). The cut-off function is 1 for every bond shorter than
1.80 Å and 0 beyond 2.10 Å, between first neighbours (1.42 Å) and second ones (2.46 Å), so it has no effect;
`matgym.physics.mechanics.relaxation` checks that bonds remain in this range. E_i then depends only on atom i and its
three neighbours, through three lengths and three cosines. Energies, forces and the Hessian are closed expressions,
which are evaluated for all atoms at once.

Time per atom, measured on a (10,10) tube of 400 atoms on one core of an AMD EPYC server: 4 to 5 µs for energy, forces
and Hessian, against 2.8 µs for energy and forces by LAMMPS (which has no Hessian), 1.5 ms for all three by matscipy
1.3, and 0.5 ms for energy and forces by ASE 3; all agree to 1e-12 eV/Å and 2e-12 eV/Å².
"""

from dataclasses import dataclass
from functools import cached_property
from math import exp
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from matgym.errors import StructureError
from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.oracles import atom_bonds
from matgym.structures import Nanotube, Species
from matgym.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import bsr_array, csr_array

C, B, N = 0, 1, 2
"""Element codes: the last two indices of the table of parameters, and the values of `BondGraph.elements`."""

# The first group depends on the central element, the second on the bond.
_AROUND_C: Final = (3.8049e4, 4.3484, -0.93000, 0.72751, 1.5724e-7)
_AROUND_BN: Final = (25000.0, 4.3484, -0.89000, 0.72751, 1.25724e-7)
_BC: Final = (2.2054, 339.068910, 3.5279, 1386.78)
_NC: Final = (2.2054, 387.575152, 3.5279, 1386.78)
_BN: Final = (2.199, 340.00, 3.568, 1380.0)

# Bond lengths of dimers, Å.
_B2: Final = 1.59
_N2: Final = 1.11

# (element of i, element of j): c, d, h, n, β, λ₂ (1/Å), B (eV), λ₁ (1/Å), A (eV)
PARAMETERS: Final = {
    (C, C): (*_AROUND_C, 2.2119, 430.00, 3.4879, 1393.6),
    (C, B): (*_AROUND_C, *_BC),
    (C, N): (*_AROUND_C, *_NC),
    (B, C): (*_AROUND_BN, *_BC),
    (N, C): (*_AROUND_BN, *_NC),
    (B, N): (*_AROUND_BN, *_BN),
    (N, B): (*_AROUND_BN, *_BN),
    (B, B): (
        *(0.52629, 0.001587, 0.5, 3.9929061, 1.6e-6),
        *(2.0774982, 43.132016 * exp(2.0774982 * _B2), 2.2372578, 40.0520156 * exp(2.2372578 * _B2)),
    ),
    (N, N): (
        *(17.7959, 5.9484, 0.0, 0.6184432, 0.019251),
        *(2.6272721, 138.77866 * exp(2.6272721 * _N2), 2.8293093, 128.86866 * exp(2.8293093 * _N2)),
    ),
}
"""C-C: Lindsay and Broido, Phys. Rev. B 81, 205441 (2010). B-N: Sevik, Kinaci, Haskins and Cagin, Phys. Rev. B 84,
085409 (2011). B-C and N-C: Kinaci, Haskins, Sevik and Cagin, Phys. Rev. B 86, 115410 (2012). The values are
those of the file `BNC.tersoff` that LAMMPS ships, in which they depend only on the first two elements.

B-B and N-N: Albe, Möller and Heinig, Radiat. Eff. Defects Solids 141, 85 (1997), whose exponentials are those of r -
r₀, with r₀ the length of the dimer (cited from memory, flag M). `BNC.tersoff` holds their A = D₀/(S-1) and B = S
D₀/(S-1) without the factors exp(λ r₀). That puts the minimum of both dimers at r = 0, and N-N bonds in tubes relax to
0.5 Å. Here the factors are included. With them, A and B of N-N (2978.95 and 2563.56 eV) are equal to those with the
same λ₁ and λ₂ in Los et al., Phys. Rev. B 96, 184108 (2017), the file `BN.extep` of LAMMPS; the B-B dimer of that file
has other parameters, but the same r₀.
"""

_TABLE: Final = np.array([[PARAMETERS[i, j] for j in (C, B, N)] for i in (C, B, N)]).transpose(2, 0, 1).copy()

_ELEMENT: Final = np.array([C, C, C, B, N, -1])
"""Element of each species code."""

# Pair p of the bonds of an atom is the pair without bond p.
_PAIRS: Final = ((1, 2), (2, 0), (0, 1))
_FIRST, _SECOND = np.transpose(_PAIRS)
_IN_PAIR: Final = ~np.eye(3, dtype=bool)[:, :, None]  # (bond, pair, 1)

_MISSING: Final = np.array([[1.5, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 1.5]])[:, :, None]
"""Placeholders of missing bond vectors, Å; any nonzero vectors will do, because their energy has weight zero."""


@dataclass(frozen=True, eq=False)
class BondGraph(ValueObject):
    """The atoms of a tube and their bonds.

    Attributes:
        neighbours: (S, 3) bonded atoms of each atom; -1 where a bond is missing.
        images: (S, 3) axial period (0 or ±1) in which each of them lies.
        elements: (S,) element codes: `C`, `B` or `N`.
        sites: (S,) lattice site of each atom; vacant sites have no atom.
    """

    neighbours: IntArray
    images: IntArray
    elements: IntArray
    sites: IntArray

    @classmethod
    def of(cls, tube: Nanotube) -> Self:
        """Return the bonds of a tube, without those of its vacancies."""
        bonds, sites = atom_bonds(tube), np.flatnonzero(tube.species != Species.VACANCY)
        left, right, image = np.concatenate([bonds, bonds[:, [1, 0, 2]] * [1, 1, -1]]).T
        order = np.argsort(left, kind="stable")
        left, right, image = left[order], right[order], image[order]
        slot = np.arange(len(left)) - np.searchsorted(left, left)  # first, second or third bond of its atom
        neighbours, images = np.full((len(sites), 3), -1), np.zeros((len(sites), 3), dtype=np.int64)
        neighbours[left, slot] = right
        images[left, slot] = image
        return cls(neighbours, images, _ELEMENT[tube.species[sites]], sites)

    def __len__(self) -> int:
        return len(self.elements)

    @cached_property
    @returns_read_only
    def bonded(self) -> BoolArray:
        """Whether each bond exists, (S, 3)."""
        return self.neighbours >= 0

    @cached_property
    @returns_read_only
    def _members(self) -> IntArray:
        """The (S, 4) atoms that E_i depends on: i and its neighbours, or i instead of a missing neighbour."""
        own = np.arange(len(self))[:, None]
        return np.concatenate([own, np.where(self.bonded, self.neighbours, own)], axis=1)

    @cached_property
    def gather(self) -> "csr_array":
        """The (S, 4S) matrix that adds the contributions of each E_i to its four atoms."""
        from scipy.sparse import csr_array

        members = self._members.ravel()
        return csr_array((np.ones(members.size), (members, np.arange(members.size))), shape=(len(self), members.size))

    @cached_property
    def blocks(self) -> "tuple[BlockPattern, BlockPattern]":
        """The patterns of 3 x 3 blocks of the Hessian within one period, and from one period to the next."""
        members = self._members
        images = np.concatenate([np.zeros((len(self), 1), dtype=np.int64), self.images], axis=1)
        rows, columns = (np.broadcast_to(x, (len(self), 4, 4)).ravel() for x in (members[:, :, None], members[:, None]))
        reach = (images[:, None] - images[:, :, None]).ravel()
        if np.abs(reach).max(initial=0) > 1:
            raise StructureError("the period is shorter than the range of the potential; use a tube with more cells")
        return tuple(BlockPattern.of(rows, columns, reach == image, len(self)) for image in (0, 1))  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class BlockPattern(ValueObject):
    """A block-sparse pattern.

    Attributes:
        add: (blocks, 16 S) matrix that adds the blocks of all E_i.
        indices: column of each block.
        indptr: first block of each row.
    """

    add: "csr_array"
    indices: IntArray
    indptr: IntArray

    @classmethod
    def of(cls, rows: IntArray, columns: IntArray, chosen: BoolArray, size: int) -> Self:
        """Return the pattern of the (16 S,) blocks at `rows` and `columns` that are `chosen`."""
        from scipy.sparse import csr_array

        source = np.flatnonzero(chosen)
        place, block = np.unique(rows[source] * size + columns[source], return_inverse=True)
        add = csr_array((np.ones(len(source)), (block, source)), shape=(len(place), len(rows)))
        return cls(add, place % size, np.searchsorted(place, np.arange(size + 1) * size))

    def fill(self, blocks: FloatArray) -> "bsr_array":
        """Return the (3S, 3S) matrix of (16 S, 9) blocks."""
        from scipy.sparse import bsr_array

        size = 3 * (len(self.indptr) - 1)
        data = (self.add @ blocks).reshape(-1, 3, 3)
        return bsr_array((data, self.indices, self.indptr), shape=(size, size))


@dataclass(frozen=True, eq=False)
class Expansion(ValueObject):
    """The energy of a tube to second order in the displacements of its S atoms and in its period.

    Coordinate 3 s + α is that of atom s along axis α. A change of the period L moves each image as a whole and does not
    move the atoms of the period itself.

    Attributes:
        energies: (S,) energy of each atom, eV.
        forces: (S, 3) forces on the atoms of a periodic tube, eV/Å.
        within: (3S, 3S) second derivatives between atoms of one period, sparse, eV/Å².
        onward: (3S, 3S) second derivatives between atoms of one period (rows) and the next (columns), sparse, eV/Å².
        tension: dE/dL, eV/Å.
        tension_slope: (3S,) derivatives of the tension by the coordinates, eV/Å².
        stiffness: d²E/dL² at fixed atoms, eV/Å².
    """

    energies: FloatArray
    forces: FloatArray
    within: "bsr_array"
    onward: "bsr_array"
    tension: float
    tension_slope: FloatArray
    stiffness: float

    @cached_property
    def hessian(self) -> "csr_array":
        """The (3S, 3S) second derivatives for displacements that are the same in every period, eV/Å²."""
        from scipy.sparse import csr_array

        return csr_array(self.within + self.onward + self.onward.T)

    def bloch(self, phase: float) -> "csr_array":
        """Return the (3S, 3S) Hermitian Hessian, eV/Å², for displacements with a phase, rad, between periods."""
        from scipy.sparse import csr_array

        turn = np.exp(1j * phase)
        return csr_array(self.within + turn * self.onward + turn.conjugate() * self.onward.T)


def expand(graph: BondGraph, positions: FloatArray, period: float, twist: float = 0.0) -> Expansion:
    """Return the energy, forces and Hessian of the atoms of a tube.

    Args:
        graph: S atoms of the tube and their bonds.
        positions: (S, 3) positions, Å.
        period: axial period, Å.
        twist: rotation of each period about the z axis relative to the period before, rad. Derivatives of a twisted
            tube refer to axes that turn with its periods.

    Raises:
        StructureError: if the range of the potential is longer than the period.
    """
    vectors, angles = _bond_vectors(graph, positions, period, twist)
    sites = SiteEnergies(graph, vectors)
    slope, curvature = sites.gradient(), sites.curvature()
    pulled = np.einsum("jakS,kS->jaS", curvature[:, :, :, 2], graph.images.T)
    blocks = _atom_blocks(curvature, angles)
    within, onward = (pattern.fill(blocks) for pattern in graph.blocks)
    return Expansion(
        energies=sites.energies,
        forces=-_gathered(graph, slope, angles),
        within=within,
        onward=onward,
        tension=float((graph.images.T * slope[:, 2]).sum()),
        tension_slope=_gathered(graph, pulled, angles).ravel(),
        stiffness=float((graph.images.T * pulled[:, 2]).sum()),
    )


class SiteEnergies:
    """The energy E_i of every atom and its derivatives by its three bond vectors; the last axis is that of the S atoms.

    E_i depends on its three lengths r_j, and on the cosine c_p of the angle between the bonds of each pair p.

    Attributes:
        energies: (S,) energy of each atom, eV.
    """

    def __init__(self, graph: BondGraph, vectors: FloatArray) -> None:
        """Compute energies and first derivatives from bond vectors, (bond, component, atom), (3, 3, S), Å."""
        bonded = graph.bonded.T
        neighbour = np.where(bonded, graph.elements[graph.neighbours.T], C)
        c, d, h, n, beta, lambda2, B_, lambda1, A_ = _TABLE[:, graph.elements, neighbour]  # each (3, S)
        self.r = np.sqrt((vectors**2).sum(axis=1))
        self.u = vectors / self.r[:, None]
        self.cosine = (self.u[_FIRST] * self.u[_SECOND]).sum(axis=1)
        # g_j(c_p) and its derivatives, (j, p, S): zero where bond j is not in pair p, or p lacks a bond
        x = self.cosine - h[:, None]
        c2, d2 = (c**2)[:, None] * (bonded[_FIRST] & bonded[_SECOND] & _IN_PAIR), (d**2)[:, None]
        D = d2 + x**2
        g = (c2 > 0.0) + c2 / d2 * x**2 / D
        self.dg = 2.0 * c2 * x / D**2
        self.ddg = 2.0 * c2 * (d2 - 3.0 * x**2) / D**3
        # b_j(ζ_j) and its derivatives; ζ = 0 only without another bond; each other bond has g >= 1
        zeta = g.sum(axis=1)
        zeta, t = np.maximum(zeta, 1.0), (beta * zeta) ** n
        b = (1.0 + t) ** (-0.5 / n)
        s = t / (1.0 + t) / zeta
        db = -0.5 * b * s
        ddb = -0.5 * (db * s + b * s / zeta * (n / (1.0 + t) - 1.0))
        # the repulsive and the attractive part of the bond energy
        repulsion = 0.5 * bonded * A_ * np.exp(-lambda1 * self.r)
        attraction = -0.5 * bonded * B_ * np.exp(-lambda2 * self.r)
        self.energies = (repulsion + attraction * b).sum(axis=0)
        self.by_r = -lambda1 * repulsion - lambda2 * attraction * b
        self.by_r_twice = lambda1**2 * repulsion + lambda2**2 * attraction * b
        self.by_zeta = attraction * db
        self.by_zeta_twice = attraction * ddb
        self.by_zeta_and_r = -lambda2 * attraction * db
        self.by_cosine = (self.by_zeta[:, None] * self.dg).sum(axis=0)

    @cached_property
    def cosine_slopes(self) -> FloatArray:
        """The (3, 3, 3, S) derivatives of cosines by components of bond vectors, (p, j, component, S), 1/Å."""
        slopes = np.zeros((3, *self.u.shape))
        for p, (j, k) in enumerate(_PAIRS):
            slopes[p, j] = (self.u[k] - self.cosine[p] * self.u[j]) / self.r[j]
            slopes[p, k] = (self.u[j] - self.cosine[p] * self.u[k]) / self.r[k]
        return slopes

    def gradient(self) -> FloatArray:
        """Return the (3, 3, S) derivatives of E_i by its bond vectors, (bond, component, S), eV/Å."""
        of_cosines = (self.by_cosine[:, None, None] * self.cosine_slopes).sum(axis=0)
        return np.asarray(self.by_r[:, None] * self.u + of_cosines)

    def curvature(self) -> FloatArray:
        """Return the (3, 3, 3, 3, S) second derivatives, (bond, component, bond, component, S), eV/Å²."""
        size = self.u.shape[-1]
        r, u, cosine, identity = self.r, self.u, self.cosine, np.eye(3)[:, :, None]
        # derivatives by the six variables q = (r_1, r_2, r_3, c_1, c_2, c_3)
        second = np.zeros((6, 6, size))
        second[[0, 1, 2], [0, 1, 2]] = self.by_r_twice
        second[:3, 3:] = self.by_zeta_and_r[:, None] * self.dg
        second[3:, :3] = second[:3, 3:].swapaxes(0, 1)
        second[3:, 3:] = np.einsum("jS,jpS,jqS->pqS", self.by_zeta_twice, self.dg, self.dg)
        second[[3, 4, 5], [3, 4, 5]] += (self.by_zeta[:, None] * self.ddg).sum(axis=0)
        slopes = np.zeros((6, 3, 3, size))  # dq/dv
        slopes[[0, 1, 2], [0, 1, 2]] = u
        slopes[3:] = self.cosine_slopes
        slopes = slopes.reshape(6, 9, size)
        curvatures = np.einsum("qxS,qyS->xyS", slopes, np.einsum("qrS,ryS->qyS", second, slopes)).reshape(
            3, 3, 3, 3, size
        )
        # contribution of the curvature of the variables: Σ_q dE/dq d²q/dv²
        outer = u[:, None, :, None] * u[None, :, None, :]  # (j, k, component of u_j, component of u_k, S)
        for j in range(3):
            curvatures[j, :, j] += self.by_r[j] / r[j] * (identity - outer[j, j])
        for p, (j, k) in enumerate(_PAIRS):
            weight = self.by_cosine[p]
            for one, other in ((j, k), (k, j)):
                bend = 3.0 * cosine[p] * outer[one, one] - outer[one, other] - outer[other, one] - cosine[p] * identity
                curvatures[one, :, one] += weight / r[one] ** 2 * bend
                cross = identity - outer[one, one] - outer[other, other] + cosine[p] * outer[one, other]
                curvatures[one, :, other] += weight / (r[one] * r[other]) * cross
        return np.asarray(curvatures)


def _bond_vectors(
    graph: BondGraph, positions: FloatArray, period: float, twist: float
) -> tuple[FloatArray, FloatArray | None]:
    """Return the vectors from each atom to its neighbours, and the rotation of the period of each neighbour.

    Returns:
        (bond, component, S) vectors, Å, with a placeholder for each missing bond; and (3, S) angles, rad, or None if
        all are zero.
    """
    images = graph.images.T
    ends = np.moveaxis(positions[graph.neighbours.T], -1, 1)  # (bond, component, S)
    angles = np.asarray(images * twist, dtype=np.float64) if twist else None
    if angles is not None:
        ends = _turned(ends, angles)
    ends[:, 2] += images * period
    vectors: FloatArray = np.where(graph.bonded.T[:, None], ends - positions.T, _MISSING)
    return vectors, angles


def _turned(vectors: FloatArray, angles: FloatArray) -> FloatArray:
    """Return (3, 3, ...) vectors, (bond, component, ...), rotated about z."""
    cos, sin = np.cos(angles), np.sin(angles)
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)


def _gathered(graph: BondGraph, slopes: FloatArray, angles: FloatArray | None) -> FloatArray:
    """Return (S, 3) derivatives by the coordinates of atoms from those by bond vectors, (bond, component, S)."""
    own = -slopes.sum(axis=0)
    if angles is not None:
        slopes = _turned(slopes, -angles)
    received = np.concatenate([own[None], slopes])  # (member, component, S)
    return np.asarray(graph.gather @ received.transpose(2, 0, 1).reshape(-1, 3))


def _atom_blocks(curvature: FloatArray, angles: FloatArray | None) -> FloatArray:
    """Return (16 S, 9) second derivatives of E_i by its atoms from those by its bonds, (bond, axis, bond, axis, S)."""
    size = curvature.shape[-1]
    blocks = np.empty((size, 4, 4, 3, 3))
    blocks[:, 1:, 1:] = curvature.transpose(4, 0, 2, 1, 3)
    blocks[:, 0, 1:] = -blocks[:, 1:, 1:].sum(axis=1)
    blocks[:, :, 0] = -blocks[:, :, 1:].sum(axis=2)
    if angles is not None:
        turns = np.broadcast_to(np.eye(3), (size, 4, 3, 3)).copy()
        turns[:, 1:] = _turned(turns[:, 1:].transpose(1, 2, 3, 0), angles[:, None]).transpose(3, 0, 1, 2)
        blocks = np.einsum("Saji,Sabjk,Sbkl->Sabil", turns, blocks, turns, optimize=True)
    return blocks.reshape(-1, 9)
