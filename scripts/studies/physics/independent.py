"""Compute the transmission of a tube between leads by an independent π tight-binding model and sisl.

Nothing of matgym's physics or bond lists is used: bonds are found by distance on the unrolled sheet, and the curvature
factor from normals and chords of the rolled tube, so that an agreement of both is an independent test. sisl is imported
where it is called. tests/physics/test_transmission.py compares with this module, and kwant's references use its
devices.

The model has one π orbital per atom. An ordinary bond has the hopping V [n_i·n_j - 2 (n_i·u)(n_j·u)] (d₀/d)², with
outward normals n and the chord u of the rolled tube, and d on the strained sheet: a p–p transfer integral (Slater and
Koster, Phys. Rev. 94, 1498 (1954)) with V_σ = -V_π, both scaled as 1/d² (Harrison). A bond of an atom of a Stone–Wales
pair has the hopping V. V, the on-site energies and Poisson's ratio are matgym's defaults, whose sources matgym states.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matgym.errors import StructureError
from matgym.structures import Nanotube
from matgym.typing import BoolArray, FloatArray, IntArray

V_EV: Final = -2.7
BOND_ANGSTROM: Final = 1.42
CUTOFF_ANGSTROM: Final = 1.7
POISSON: Final = 0.149
ONSITE_EV: Final = np.array([0.0, 0.0, 0.0, 1.3 * 2.7, -1.3 * 2.7, np.nan])  # 12C, 13C, 14C, B, N, vacancy
VACANCY: Final = 5


@dataclass(frozen=True)
class Sheet:
    """Atoms on the unrolled, strained sheet: (N,) `around` and `along`, Å; `around` has period `circumference`."""

    around: FloatArray
    along: FloatArray
    circumference: float
    turned: BoolArray  # (N,) whether the atom belongs to a Stone–Wales pair

    def step(self, i: Any, j: Any) -> FloatArray:
        """Return the (2, ...) shortest vectors from atoms i to atoms j."""
        across = self.around[j] - self.around[i]
        return np.stack(
            [across - self.circumference * np.round(across / self.circumference), self.along[j] - self.along[i]]
        )

    def bonds(self) -> tuple[IntArray, FloatArray]:
        """Return the (n_bonds, 2) pairs i < j within the cutoff and their (n_bonds,) hopping, eV."""
        every = np.arange(self.around.size)
        distance = np.hypot(*self.step(every[:, None], every))
        i, j = np.nonzero(np.triu(distance < CUTOFF_ANGSTROM, 1))
        phi = 2.0 * np.pi * self.around / self.circumference
        normal = np.stack([np.cos(phi), np.sin(phi), np.zeros_like(phi)], axis=1)
        place = normal * self.circumference / (2.0 * np.pi) + np.outer(self.along, [0.0, 0.0, 1.0])
        chord = place[j] - place[i]
        chord /= np.linalg.norm(chord, axis=1, keepdims=True)
        tilt_i, tilt_j = (normal[i] * chord).sum(1), (normal[j] * chord).sum(1)
        hopping = V_EV * ((normal[i] * normal[j]).sum(1) - 2.0 * tilt_i * tilt_j)
        hopping *= (BOND_ANGSTROM / distance[i, j]) ** 2
        hopping[self.turned[i] | self.turned[j]] = V_EV
        return np.stack([i, j], axis=1), hopping


@dataclass(frozen=True)
class Device:
    """A tube with a pristine cell on either side, to be placed between leads of such cells.

    Attributes:
        onsite: (N,) on-site energies, eV; the first and the last `cell` atoms are the pristine cells.
        bonds: (n_bonds, 2) bonded atoms, i < j.
        hopping: (n_bonds,) hopping of the bonds, eV.
        cell: the number of atoms of a lead cell.
        lead: (cell, cell) Hamiltonian of a lead cell, eV.
        coupling: (cell, cell) coupling from a lead cell (rows) to the next one up (columns), eV.
    """

    onsite: FloatArray
    bonds: IntArray
    hopping: FloatArray
    cell: int
    lead: FloatArray
    coupling: FloatArray


def dense(onsite: FloatArray, bonds: IntArray, hopping: FloatArray) -> FloatArray:
    """Return the dense Hamiltonian of on-site energies and bonds."""
    matrix = np.diag(onsite)
    matrix[bonds[:, 0], bonds[:, 1]] = hopping
    matrix[bonds[:, 1], bonds[:, 0]] = hopping
    return matrix


def pristine_cell(fractions: FloatArray, cells: int) -> IntArray:
    """Return the rows of the sites in the lowest of a tube's cells, with axial fractions in [0, 1/cells)."""
    rows = np.flatnonzero(fractions[:, 1] * cells < 1.0 - 1e-6)
    if rows.size * cells != len(fractions):
        raise StructureError(f"{rows.size} sites in the first of {cells} cells, of {len(fractions)} sites")
    return rows


def sheet(tube: Nanotube) -> Sheet:
    """Return the sheet of a pristine cell, the tube with its turned bonds, and another pristine cell, in this order.

    Raises:
        StructureError: if a turned bond crosses the end of the cell.
    """
    angle, axial = tube.lattice.site_fractions.T
    first = pristine_cell(tube.lattice.site_fractions, tube.cells)
    circumference = tube.lattice.circumference_angstrom * (1.0 - POISSON * tube.strain)
    length = tube.lattice.length_angstrom * (1.0 + tube.strain)
    around = np.concatenate([angle[first], angle, angle[first]]) * circumference
    along = np.concatenate([axial[first] - 1.0 / tube.cells, axial, axial[first] + 1.0]) * length
    made = Sheet(around, along, circumference, np.zeros(around.size, dtype=bool))
    for a, b in np.asarray(tube.stone_wales, dtype=int).reshape(-1, 2) + first.size:
        x, z = made.step(a, b)
        if np.hypot(x, z) > CUTOFF_ANGSTROM:
            raise StructureError(
                f"the turned bond ({a}, {b}) is {np.hypot(x, z):.2f} Å long: it crosses the end of the cell"
            )
        middle = np.array([around[a] + x / 2.0, along[a] + z / 2.0])
        # Turned by +90°, seen from outside with z up and the angle growing to the right: (x, z) -> (-z, x).
        half = np.array([-z, x]) / 2.0
        around[[a, b]], along[[a, b]] = np.stack([middle - half, middle + half], axis=1)
        made.turned[[a, b]] = True
    return made


def lead_sheet(tube: Nanotube) -> Sheet:
    """Return the sheet of two pristine cells of the tube's lattice, one above the other, at the tube's strain."""
    fractions = tube.lattice.site_fractions
    angle, axial = fractions[pristine_cell(fractions, tube.cells)].T
    circumference = tube.lattice.circumference_angstrom * (1.0 - POISSON * tube.strain)
    along = np.concatenate([axial, axial + 1.0 / tube.cells]) * tube.lattice.length_angstrom * (1.0 + tube.strain)
    return Sheet(np.tile(angle, 2) * circumference, along, circumference, np.zeros(along.size, dtype=bool))


def lead_blocks(tube: Nanotube) -> tuple[FloatArray, FloatArray]:
    """Return the Hamiltonian of a pristine cell and its coupling to the next one up, both (cell, cell), eV."""
    two = lead_sheet(tube)
    cell = two.around.size // 2
    whole = dense(np.zeros(2 * cell), *two.bonds())
    return whole[:cell, :cell], whole[:cell, cell:]


def device(tube: Nanotube) -> Device:
    """Return the device of a tube, without its vacancies."""
    lead, coupling = lead_blocks(tube)
    cell = len(lead)
    bonds, hopping = sheet(tube).bonds()
    species = np.concatenate([np.zeros(cell, dtype=np.uint8), tube.species, np.zeros(cell, dtype=np.uint8)])
    present = species != VACANCY
    number = np.cumsum(present) - 1
    kept = present[bonds].all(axis=1)
    return Device(ONSITE_EV[species[present]], number[bonds[kept]], hopping[kept], cell, lead, coupling)


def band_edges(tube: Nanotube, points: int = 4001) -> FloatArray:
    """Return energies >= 0, eV, at which a subband of the pristine lead starts, ends or is zero; others mirror them."""
    two = lead_sheet(tube)
    bonds, hopping = two.bonds()
    cell = two.around.size // 2
    atom = next(i for i in range(cell) if (bonds == i).any(axis=1).sum() == 3)  # all of its bonds within the two cells
    its = (bonds == atom).any(axis=1)
    x, z = two.step(atom, bonds[its].sum(axis=1) - atom)
    period = two.along[cell] - two.along[0]
    k = np.linspace(-1.01, 1.01, points) * np.pi / period
    turns = np.arange(cell // 2)[:, None, None]
    phase = 2.0 * np.pi * turns * x / two.circumference + k[:, None] * z
    square = np.abs((hopping[its] * np.exp(1j * phase)).sum(axis=2)) ** 2
    low, mid, high = square[:, :-2], square[:, 1:-1], square[:, 2:]
    at = (mid - low) * (high - mid) <= 0.0
    bend = (low - 2.0 * mid + high)[at]
    slope = (high - low)[at]
    vertex = mid[at] - np.divide(slope**2, 8.0 * bend, out=np.zeros_like(bend), where=np.abs(bend) > 1e-15)
    return np.unique(np.round(np.sqrt(np.maximum(vertex, 0.0)), 7))


# ---- sisl


def sisl_hamiltonians(made: Device) -> tuple[Any, Any]:
    """Return device and lead cell as `sisl.Hamiltonian`s; the axis is C, and the positions of atoms have no effect."""
    import sisl

    atom = sisl.Atom(6, R=CUTOFF_ANGSTROM)
    geometry = sisl.Geometry(
        np.arange(made.cell)[:, None] * [0.1, 0.0, 0.0], atom, lattice=sisl.Lattice([200, 200, 9], nsc=[1, 1, 3])
    )
    lead = sisl.Hamiltonian(geometry)
    for i, j in zip(*np.nonzero(made.lead), strict=True):
        lead[i, j] = made.lead[i, j]
    for i, j in zip(*np.nonzero(made.coupling), strict=True):
        lead[i, j, (0, 0, 1)] = made.coupling[i, j]
        lead[j, i, (0, 0, -1)] = made.coupling[i, j]
    geometry = sisl.Geometry(
        np.arange(made.onsite.size)[:, None] * [0.1, 0.0, 0.0],
        atom,
        lattice=sisl.Lattice([2000, 200, 9], nsc=[1, 1, 1]),
    )
    whole = sisl.Hamiltonian(geometry)
    for i, energy in enumerate(made.onsite):
        whole[i, i] = energy
    for (i, j), hopping in zip(made.bonds, made.hopping, strict=True):
        whole[i, j] = whole[j, i] = hopping
    return whole, lead


def sisl_transmission(tube: Nanotube, energies: FloatArray, eta: float = 1e-10) -> FloatArray:
    """Return (E,) transmission by sisl, with self-energies of `RecursiveSI` and dense inversion of the device."""
    import sisl

    made = device(tube)
    whole, lead = sisl_hamiltonians(made)
    ends = [sisl.RecursiveSI(lead, side, eta=eta) for side in ("-C", "+C")]
    hamiltonian = whole.Hk(format="array")
    return np.array([landauer(hamiltonian, energy, [end.self_energy(energy) for end in ends]) for energy in energies])


def landauer(matrix: FloatArray, energy: float, sigma: Sequence[Any]) -> float:
    """Return the transmission tr(Γ₂ G Γ₁ G†) by inverting the whole device."""
    cell = len(sigma[0])
    left, right = slice(None, cell), slice(-cell, None)
    inverse = energy * np.eye(len(matrix), dtype=complex) - matrix
    inverse[left, left] -= sigma[0]
    inverse[right, right] -= sigma[1]
    across = np.linalg.inv(inverse)[right, left]
    gamma = [1j * (s - s.conj().T) for s in sigma]
    return float(np.trace(gamma[1] @ across @ gamma[0] @ across.conj().T).real)
