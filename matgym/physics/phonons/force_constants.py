"""Force constants of tubes in the frame of each atom; those of pristine tubes by helical symmetry.

In the frame (radial, tangential, axial) of each atom, a screw operation does not change the force constants of a
pristine tube: those of one A and one B atom determine all others. Potential and geometry are those of
`matgym.physics.mechanics.tersoff` and `matgym.physics.mechanics.relaxation`.
"""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import RelaxationError
from matgym.frozen import ValueObject, cached_by_bytes
from matgym.physics.mechanics.relaxation import RelaxedTube, relax, relaxed_pristine
from matgym.physics.mechanics.tersoff import Expansion
from matgym.physics.transport.greens import Lead
from matgym.physics.transport.slabs import Slabs, slabs_of
from matgym.structures import SPECIES_DATA, Nanotube, Species, tube_lattice
from matgym.typing import ComplexArray, FloatArray, IntArray, SpeciesArray
from matgym.units import ATOMIC_MASS_KG, CHARGE_C

if TYPE_CHECKING:
    from scipy.sparse import bsr_array

FREQUENCY2_PER_EV_ANGSTROM2_AMU: Final = 1e-24 * CHARGE_C / (1e-20 * ATOMIC_MASS_KG)
"""1 eV/(Å² u) in (rad/ps)²."""

REACH_ANGSTROM: Final = 10.0
"""Least length of the pristine supercell, Å, since the potential has a range of two bonds."""

HOPS: Final = (2, 3)
"""Range of force constants in bonds of the intact lattice, without and with turned bonds.

The range is two bonds because two neighbours of the same atom interact; it is three across a turned bond."""

OMEGA_CM: Final = 5.308837458876145
"""1 rad/ps in cm⁻¹: 10¹²/(2π c · 100)."""

MOST_IMAGINARY_RAD_PS: Final = 1.0 / OMEGA_CM
"""Largest imaginary frequency, 1 cm⁻¹, that is attributed to rounding errors of a mode without energy."""

MASSES_AMU: Final = np.array([SPECIES_DATA[species].mass_amu or np.inf for species in Species])
"""Masses by species code, u; infinite for a vacancy, which does not move."""


@dataclass(frozen=True, eq=False)
class HelicalForceConstants(ValueObject):
    """Force constants of a pristine tube.

    Attributes:
        slabs: slabs of the lattice, which define rings and places.
        bonds: (F, 4) sublattice of an atom in cell (ring 0, place 0); ring, place and sublattice of another atom.
        values: (F, 3, 3) force constants, eV/Å², in the frames (radial, tangential, axial) of both atoms.
    """

    slabs: Slabs
    bonds: IntArray
    values: FloatArray

    def dynamical(self, momenta: IntArray, phases: FloatArray) -> ComplexArray:
        """Return the dynamical matrices of 12C for each line of wave vectors and each screw phase.

        Args:
            momenta: (L,) angular momenta about the rotation axis, 0 to d - 1.
            phases: (K,) phases from a ring to the next one, rad, or (L, K) if they differ between lines.

        Returns:
            (L, K, 6, 6) dynamical matrices, (rad/ps)².
        """
        start, ring, place, stop = self.bonds.T
        turns = 2.0 * np.pi * momenta[:, None, None] * place / self.slabs.folds
        waves = np.exp(1j * (turns + np.asarray(phases)[..., None] * ring))  # (L, K, F)
        onto = np.zeros((len(self.bonds), 6, 6))
        for f, (i, j) in enumerate(zip(start, stop, strict=True)):
            onto[f, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3] = self.values[f]
        scale = FREQUENCY2_PER_EV_ANGSTROM2_AMU / MASSES_AMU[Species.C12]
        return np.asarray(np.tensordot(waves, onto, axes=1) * scale)

    def spectrum(self, phases: int = 33) -> FloatArray:
        """Return the (d, phases, 6) squared frequencies of 12C, (rad/ps)², for screw phases from 0 to π."""
        momenta = np.arange(self.slabs.folds)
        return np.asarray(
            np.linalg.eigvalsh(self.dynamical(momenta, np.linspace(0.0, np.pi, phases))), dtype=np.float64
        )

    def lead(self, slabs: Slabs) -> Lead:
        """Return the force constants of slabs, eV/Å²: three coordinates an atom, not divided by masses."""
        size = 3 * slabs.n_sites
        inner, up = np.zeros((2, size, size))
        coordinates = np.arange(3)
        for ring in range(slabs.width):
            for around in range(slabs.folds):
                start_sublattice, rings, places, stop_sublattice = self.bonds.T
                here = slabs.cell(np.full(len(rings), ring), np.full(len(rings), around))
                there = slabs.cell(ring + rings, around + places)
                slab, i = slabs.place(here, start_sublattice)
                other, j = slabs.place(there, stop_sublattice)
                rows, columns = (3 * index[:, None, None] for index in (i, j))
                rows = rows + coordinates[:, None]
                columns = columns + coordinates
                same, above = other == slab, other == slab + 1
                np.add.at(inner, (rows[same], columns[same]), self.values[same])
                np.add.at(up, (rows[above], columns[above]), self.values[above])
        return Lead((inner + inner.T) / 2.0, up, slabs.folds)


@cached_by_bytes()
def pristine_force_constants(n: int, m: int, strain: float = 0.0, torsion: float = 0.0) -> HelicalForceConstants:
    """Return the force constants of the pristine tube at rest.

    Raises:
        RelaxationError: if it does not come to rest, or buckles.
    """
    rest = relaxed_pristine(n, m, strain, torsion)
    cells = ceil(REACH_ANGSTROM / rest.period_angstrom)
    relaxed = relax(Nanotube(n, m, cells, strain=strain, torsion=torsion))
    slabs = slabs_of(tube_lattice(n, m, cells), HOPS[0])
    blocks = atom_blocks(relaxed)
    origin = slabs.lattice.home_cells[[0, slabs.lattice.n_cells]]  # one A and one B atom
    chosen = np.isin(blocks.start, [0, slabs.lattice.n_cells])
    start, stop, image = blocks.start[chosen], blocks.stop[chosen], blocks.image[chosen]
    sublattice = (start >= slabs.lattice.n_cells).astype(np.int64)
    away = (
        slabs.lattice.home_cells[stop]
        + image[:, None] * cells * np.array(slabs.lattice.translation)
        - origin[sublattice]
    )
    ring, around = slabs.ring(away)
    bonds = np.stack([sublattice, ring, around, (stop >= slabs.lattice.n_cells).astype(np.int64)], axis=1)
    constants = HelicalForceConstants(slabs, bonds, blocks.values[chosen])
    lowest = float(constants.spectrum().min())
    if lowest < -(MOST_IMAGINARY_RAD_PS**2):
        raise RelaxationError(
            f"imaginary mode of {OMEGA_CM * (-lowest) ** 0.5:.1f} cm⁻¹: the pristine {relaxed.tube} buckles"
        )
    return constants


@dataclass(frozen=True, eq=False)
class AtomBlocks(ValueObject):
    """All force constants of one period of a tube, in one block for each pair of atoms.

    Attributes:
        start: (F,) site of the first atom.
        stop: (F,) site of the second atom, which may be the first one.
        image: (F,) period of the second atom.
        values: (F, 3, 3) force constants, eV/Å², in the frames of both atoms.
    """

    start: IntArray
    stop: IntArray
    image: IntArray
    values: FloatArray


def atom_blocks(relaxed: RelaxedTube) -> AtomBlocks:
    """Return the Hessian of a tube at rest, cut into blocks and turned into the atoms' frames."""
    return blocks_in_frames(relaxed.expansion, atom_frames(relaxed.positions), relaxed.graph.sites)


def blocks_in_frames(expansion: Expansion, frames: FloatArray, sites: IntArray) -> AtomBlocks:
    """Return a Hessian, cut into blocks and turned into frames.

    Args:
        expansion: energy of S atoms to second order.
        frames: (S, 3, 3) unit vectors of the frame of each atom as rows.
        sites: (S,) site of each atom.
    """
    within, onward = (_block_rows(matrix) for matrix in (expansion.within, expansion.onward))
    start = np.concatenate([within[0], onward[0], onward[1]])
    stop = np.concatenate([within[1], onward[1], onward[0]])
    values = np.concatenate([within[2], onward[2], onward[2].swapaxes(1, 2)])
    image = np.repeat([0, 1, -1], [len(within[0]), len(onward[0]), len(onward[0])])
    values = np.einsum("fax,fxy,fby->fab", frames[start], values, frames[stop])
    return AtomBlocks(sites[start], sites[stop], image, values)


def atom_frames(positions: FloatArray) -> FloatArray:
    """Return (S, 3, 3) unit vectors (radial, tangential, axial) of each atom as rows; the axis of the tube is z."""
    phi = np.arctan2(positions[:, 1], positions[:, 0])
    frames = np.zeros((len(phi), 3, 3))
    frames[:, 0, 0] = frames[:, 1, 1] = np.cos(phi)
    frames[:, 0, 1], frames[:, 1, 0] = np.sin(phi), -np.sin(phi)
    frames[:, 2, 2] = 1.0
    return frames


def _block_rows(matrix: "bsr_array") -> tuple[IntArray, IntArray, FloatArray]:
    """Return the row, column and (F, 3, 3) values of the blocks of a block-sparse matrix."""
    rows = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    return rows, matrix.indices.astype(np.int64), np.asarray(matrix.data)


def by_root_masses(matrix: FloatArray, rows: SpeciesArray, columns: SpeciesArray) -> FloatArray:
    """Divide force constants by the square roots of the masses of both atoms.

    Args:
        matrix: (..., 3R, 3C) force constants, eV/Å².
        rows: (..., R) species codes of the atoms of the rows.
        columns: (..., C) species codes of the atoms of the columns.

    Returns:
        (..., 3R, 3C) dynamical matrices, (rad/ps)².
    """
    left, right = (np.repeat(1.0 / np.sqrt(MASSES_AMU[codes]), 3, axis=-1) for codes in (rows, columns))
    return np.asarray(matrix * left[..., :, None] * right[..., None, :] * FREQUENCY2_PER_EV_ANGSTROM2_AMU)


def slab_blocks(relaxed: RelaxedTube, slabs: Slabs, lead: Lead) -> tuple[FloatArray, FloatArray]:
    """Return the force constants of the slabs and of the couplings of a tube whose ends are pristine.

    Vacant sites have no coupling. Sites of the last slab beyond the tube, and couplings to the leads, are pristine.

    Args:
        relaxed: tube at rest.
        slabs: slabs of its lattice.
        lead: force constants of the leads, eV/Å².

    Returns:
        (S, 3M, 3M) slabs and (S + 1, 3M, 3M) couplings, eV/Å².
    """
    count, size = slabs.count, 3 * slabs.n_sites
    inner = np.repeat(lead.inner[None], count + 2, axis=0).reshape(count + 2, slabs.n_sites, 3, slabs.n_sites, 3)
    couplings = np.repeat(lead.up[None], count + 1, axis=0).reshape(count + 1, slabs.n_sites, 3, slabs.n_sites, 3)
    # Force constants between two sites of the tube are replaced; those between a site and a lead are kept.
    own = np.zeros((count + 2, slabs.n_sites), dtype=bool)
    slab, index = slabs.sites
    own[slab + 1, index] = True
    inner *= 1.0 - (own[:, :, None] & own[:, None, :])[:, :, None, :, None]
    couplings *= 1.0 - (own[:-1, :, None] & own[1:, None, :])[:, :, None, :, None]
    blocks = atom_blocks(relaxed)
    here = blocks.image == 0
    s, i = slab[blocks.start[here]] + 1, index[blocks.start[here]]
    t, j = slab[blocks.stop[here]] + 1, index[blocks.stop[here]]
    values = blocks.values[here]
    same, above = s == t, t == s + 1
    inner[s[same], i[same], :, j[same], :] += values[same]
    couplings[s[above], i[above], :, j[above], :] += values[above]
    return inner.reshape(count + 2, size, size)[1:-1], couplings.reshape(count + 1, size, size)
