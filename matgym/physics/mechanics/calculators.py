"""Functions for oracles on any ASE calculator: relaxation, checks of bonds, and axial force.

The code here works with any calculator: LAMMPS (`matgym.physics.mechanics.lammps`), one of ASE's, or the user's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from matgym.errors import MatgymError, RelaxationError, one_line, require_counts, require_positive
from matgym.physics.oracles import atom_bonds, check_one_piece
from matgym.structures import Nanotube, Species
from matgym.structures.io.convert import to_atoms
from matgym.structures.species import CARBONS, SPECIES_DATA
from matgym.structures.symmetry import canonical_form
from matgym.typing import FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

CalculatorFactory: TypeAlias = Callable[[], "Calculator"]
"""Function that returns a new ASE calculator at each call.

If it has an attribute `elements`, tubes with other elements fail. If it has an attribute `no_vacancies`, formation
energies of vacancies fail, and the attribute is the reason."""

BOND_RANGE_ANGSTROM: Final = (1.25, 1.8)
"""Range of bond lengths that counts as intact, Å; a chosen bound.

Bonds of an unloaded tube are 1.40 to 1.45 Å long; at defects with pentagons, up to 1.75 Å with REBO (measured)."""

NEIGHBOUR_ANGSTROM: Final = 2.0
"""Distance below which atoms are neighbours, Å: the range of REBO; next neighbours are at least 2.2 Å apart."""

AXIAL_FORCE_EV_PER_ANGSTROM: Final = 1e-3
"""Largest axial force of an unloaded tube, eV/Å; for a (10,0) tube it is a stress of 2 MPa. A chosen bound."""

CLOSED_ANGSTROM: Final = 1.6
"""Distance at which two atoms with broken bonds start the relaxation in which they may bond, Å."""

_STRAIN_STEP: Final = 1e-3
_MOST_LENGTHS: Final = 12
_DIFFERENCE: Final = 1e-5


@dataclass(frozen=True)
class Relaxation:
    """Settings of the relaxation of atoms by the L-BFGS algorithm.

    Attributes:
        force_ev_per_angstrom: largest remaining force on an atom, eV/Å.
        max_steps: largest number of steps.
        reconstruct: whether bonds between pairs of atoms around a vacancy are tried: see `relaxed`.

    Raises:
        ConfigurationError: if a setting is not positive.
    """

    force_ev_per_angstrom: float = 1e-3
    max_steps: int = 3000
    reconstruct: bool = True

    def __post_init__(self) -> None:
        require_positive(force_ev_per_angstrom=self.force_ev_per_angstrom)
        require_counts(max_steps=self.max_steps)

    def rest(self, atoms: "Atoms") -> None:
        """Relax the positions of the atoms, in place and in a fixed cell.

        Raises:
            RelaxationError: if they do not come to rest, or the calculator fails.
        """
        from ase.optimize import LBFGS

        try:
            converged = LBFGS(atoms, logfile=None).run(fmax=self.force_ev_per_angstrom, steps=self.max_steps)
        except MatgymError:
            raise
        except Exception as error:  # a calculator may raise anything; LAMMPS raises bare Exceptions
            raise RelaxationError(f"the calculator failed: {one_line(error)}") from error
        if not converged:
            largest = np.linalg.norm(atoms.get_forces(), axis=1).max()
            raise RelaxationError(
                f"unconverged: the largest force is {largest:.2g} eV/Å after {self.max_steps} steps "
                f"(bound: {self.force_ev_per_angstrom:g} eV/Å); increase max_steps"
            )

    def unload(self, atoms: "Atoms") -> None:
        """Relax the atoms and the axial period of the tube, in place, until it is under no tension.

        Raises:
            RelaxationError: if no such period is found.
        """
        self.rest(atoms)
        force, length, rate = axial_force(atoms), atoms.cell[2, 2], 0.0
        for _ in range(_MOST_LENGTHS):
            if abs(force) <= AXIAL_FORCE_EV_PER_ANGSTROM:
                return
            strain = -force / rate if rate > 0.0 else -np.sign(force) * _STRAIN_STEP
            stretch(atoms, length * (1.0 + float(np.clip(strain, -0.03, 0.03))))
            self.rest(atoms)
            new_force, new_length = axial_force(atoms), atoms.cell[2, 2]
            rate = (new_force - force) / (new_length / length - 1.0)
            force, length = new_force, new_length
        raise RelaxationError(f"unconverged: the axial tension is {force:.2g} eV/Å after {_MOST_LENGTHS} lengths")


def relaxed(tube: Nanotube, calculator: "Calculator", settings: Relaxation, start: "Atoms | None" = None) -> "Atoms":
    """Return the tube at rest: unloaded, its vacancies reconstructed, and then stretched by its strain.

    Symmetric copies give the same atoms.

    Args:
        tube: tube without torsion. Its strain is relative to its own unloaded length.
        calculator: calculator of energies and forces; it remains attached to the atoms.
        settings: settings of the relaxation.
        start: coordinates at which it starts, with the vacancies as they are there, as `ReadTube.upright` returns
            them; None for those of the ideal lattice.

    Returns:
        ASE atoms, Å, in the order of the sites of the tube's canonical copy, or of `start`.

    Raises:
        StructureError: if the tube is twisted.
        RelaxationError: if the tube is cut in two, does not come to rest, or loses a bond.
    """
    tube = canonical(tube) if start is None else tube
    atoms, bonds = to_atoms(tube.strained(0.0)) if start is None else start.copy(), atom_bonds(tube)
    check_one_piece(len(atoms), bonds)
    if tube.stone_wales and start is None:
        spread(atoms, bonds)
    atoms.calc = calculator
    settings.unload(atoms)
    if settings.reconstruct and start is None:
        atoms = _reconstructed(tube, atoms, settings)
    if tube.strain:
        stretch(atoms, atoms.cell[2, 2] * (1.0 + tube.strain))
        settings.rest(atoms)
    check_bonds(atoms, bonds)
    return atoms


def _reconstructed(tube: Nanotube, atoms: "Atoms", settings: Relaxation) -> "Atoms":
    """Return the atoms with pairs of broken bonds closed where that lowers the energy, one vacancy after another.

    A vacancy leaves three atoms with a broken bond each; two of them can bond across it, which makes a pentagon:
    El-Barbary et al., Phys. Rev. B 68, 144107 (2003). An energy barrier prevents relaxation from closing this bond by
    itself.
    """
    atom = np.cumsum(tube.species != Species.VACANCY) - 1
    bonds, intact = tube.bonds, atom_bonds(tube)
    energy = atoms.get_potential_energy()
    for site in np.flatnonzero(tube.species == Species.VACANCY):
        around = np.concatenate([bonds[bonds[:, 0] == site, 1], bonds[bonds[:, 1] == site, 0]])
        around = atom[around[tube.species[around] != Species.VACANCY]]
        best = atoms
        for i, j in combinations(around.tolist(), 2):
            trial = atoms.copy()
            trial.calc = atoms.calc
            trial.set_distance(i, j, CLOSED_ANGSTROM, mic=True)
            try:
                settings.unload(trial)
                check_lengths(trial, intact)
            except RelaxationError:
                continue
            if trial.get_potential_energy() < energy:
                best, energy = trial, trial.get_potential_energy()
        atoms = best
    return atoms


@contextmanager
def running(potential: CalculatorFactory) -> Iterator["Calculator"]:
    """Yield a calculator, and call its `clean` afterwards if it has one: LAMMPS keeps its memory otherwise."""
    calculator = potential()
    try:
        yield calculator
    finally:
        if hasattr(calculator, "clean"):
            calculator.clean()


def check_elements(tube: Nanotube, potential: CalculatorFactory) -> None:
    """Check that the potential supports the elements of a tube, if it lists its elements.

    Raises:
        RelaxationError: if it does not support one of them.
    """
    known = getattr(potential, "elements", None)
    symbols = {SPECIES_DATA[species].symbol for species, count in tube.counts.items() if count} - {""}
    unknown = sorted(symbols - set(known)) if known is not None else []
    if unknown:
        name = getattr(potential, "name", potential)
        raise RelaxationError(f"{name} does not support {', '.join(unknown)}, only {', '.join(known or ())}")


def canonical(tube: Nanotube) -> Nanotube:
    """Return the symmetric copy of a tube that is computed instead of all copies, with 12C for every isotope.

    Energies do not depend on masses. The energies of all copies are then equal to the last digit, with any calculator.
    """
    species = np.where(np.isin(tube.species, CARBONS), Species.C12, tube.species).astype(np.uint8)
    species, pairs = canonical_form(tube.lattice, species, tube.stone_wales, mirrors=not tube.torsion)
    return replace(tube, species=species, stone_wales=pairs)


# ---- tension


def stretch(atoms: "Atoms", length_angstrom: float) -> None:
    """Set the axial period of the tube, in place, and scale the positions of its atoms with it."""
    cell = atoms.cell.copy()
    cell[2, 2] = length_angstrom
    atoms.set_cell(cell, scale_atoms=True)


def axial_force(atoms: "Atoms") -> float:
    """Return the tension F = dE/dL of the tube, eV/Å; a positive tension pulls its ends together.

    The tension is computed from the stress, σ_zz V/L, or from two energies if the calculator has no stress.
    """
    from ase.calculators.calculator import PropertyNotImplementedError

    length = float(atoms.cell[2, 2])
    try:
        return float(atoms.get_stress()[2] * atoms.get_volume() / length)
    except PropertyNotImplementedError:
        energies = []
        for sign in (1.0, -1.0):
            moved = atoms.copy()
            moved.calc = atoms.calc
            stretch(moved, length * (1.0 + sign * _DIFFERENCE))
            energies.append(moved.get_potential_energy())
        return float(energies[0] - energies[1]) / (2.0 * _DIFFERENCE * length)


# ---- bonds


def neighbours(atoms: "Atoms") -> IntArray:
    """Return (n_bonds, 3) atom, atom and periodic image of the second, of all pairs within the range of a bond."""
    from ase.neighborlist import neighbor_list

    a, b, shift = neighbor_list("ijS", atoms, NEIGHBOUR_ANGSTROM)
    once = (a < b) | ((a == b) & (shift[:, 2] > 0))
    return np.asarray(np.column_stack([a, b, shift[:, 2]])[once], dtype=np.int64)


def bond_lengths(atoms: "Atoms", bonds: IntArray) -> FloatArray:
    """Return the (n_bonds,) lengths of bonds, Å."""
    a, b, image = bonds.T
    vectors = atoms.positions[b] - atoms.positions[a]
    vectors[:, 2] += image * atoms.cell[2, 2]
    return np.asarray(np.linalg.norm(vectors, axis=1))


def spread(atoms: "Atoms", bonds: IntArray) -> None:
    """Spread the crowded atoms of turned bonds, in place, by springs between neighbours and next neighbours.

    The springs are at rest at bonds of 1.42 Å and next neighbours √3 times as far apart. The result is only a start for
    relaxation: from crowded atoms some potentials relax to minima with other bonds (measured: 6 of 12 tubes with
    `REBO_FRACTURE`).
    """
    from scipy.optimize import minimize

    pairs, rest = _springs(bonds)
    stiffness = np.where(rest > CARBON_BOND_ANGSTROM, 0.2, 1.0)  # weak for next neighbours: pentagons, heptagons
    period = np.array([0.0, 0.0, atoms.cell[2, 2]])

    def energy(flat: FloatArray) -> tuple[float, FloatArray]:
        positions = flat.reshape(-1, 3)
        vectors = positions[pairs[:, 1]] - positions[pairs[:, 0]] + pairs[:, 2:] * period
        lengths = np.linalg.norm(vectors, axis=1)
        pull = (stiffness * (lengths - rest) / lengths)[:, None] * vectors
        gradient = np.zeros_like(positions)
        np.add.at(gradient, pairs[:, 1], pull)
        np.add.at(gradient, pairs[:, 0], -pull)
        return float(0.5 * (stiffness * (lengths - rest) ** 2).sum()), gradient.ravel()

    result = minimize(energy, atoms.positions.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    atoms.positions = result.x.reshape(-1, 3)


def _springs(bonds: IntArray) -> tuple[IntArray, FloatArray]:
    """Return pairs (atom, atom, image) of neighbours and next neighbours, and their rest lengths, Å."""
    both = np.concatenate([bonds, bonds[:, [1, 0, 2]] * [1, 1, -1]])  # each bond from both ends
    pair_lists = [bonds]
    for atom in range(int(bonds[:, :2].max()) + 1):
        ends = both[both[:, 0] == atom][:, 1:]
        i, j = np.triu_indices(len(ends), 1)
        pair_lists.append(np.column_stack([ends[i, 0], ends[j, 0], ends[j, 1] - ends[i, 1]]))
    pairs = np.concatenate(pair_lists)
    rest = np.full(len(pairs), np.sqrt(3.0) * CARBON_BOND_ANGSTROM)
    rest[: len(bonds)] = CARBON_BOND_ANGSTROM
    return pairs, rest


def check_lengths(atoms: "Atoms", bonds: IntArray) -> None:
    """Check that no bond of the tube is broken.

    Raises:
        RelaxationError: if the length of a bond is out of range.
    """
    lengths = bond_lengths(atoms, bonds)
    shortest, longest = BOND_RANGE_ANGSTROM
    off = np.flatnonzero((lengths < shortest) | (lengths > longest))
    if len(off):
        a, b, _ = bonds[off[0]]
        raise RelaxationError(
            f"broken bond: atoms {a} and {b} are {lengths[off[0]]:.3f} Å apart (range: {shortest} to {longest} Å)"
        )


def check_bonds(atoms: "Atoms", bonds: IntArray) -> None:
    """Check that relaxed atoms have the bonds of the tube, and new bonds only at vacancies.

    Raises:
        RelaxationError: if the length of a bond is out of range, or an atom has lost a neighbour or has other than
            2 or 3 neighbours.
    """
    check_lengths(atoms, bonds)
    before, after = (np.bincount(found[:, :2].ravel(), minlength=len(atoms)) for found in (bonds, neighbours(atoms)))
    off = np.flatnonzero((after < 2) | (after > 3) | (after < before))
    if len(off):
        atom = off[0]
        raise RelaxationError(
            f"bond graph changed: atom {atom} has {after[atom]} neighbours, but {before[atom]} in the lattice"
        )
