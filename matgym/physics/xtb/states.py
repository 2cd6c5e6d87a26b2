"""One self-consistent xTB calculation of a periodic tube, and its bands at any wave vector.

tblite computes at the Γ point of its cell only, which folds the bands: at Γ of three cells, (5,5) has a gap of 0.24 eV,
although it is a metal. Here the Hamiltonian is taken from the converged orbitals, F = S C ε Cᵀ S, and each of its
elements and of the overlaps S is attributed to the nearest periodic image of the second atom. Then

    F(θ) = Σ_T F_T exp(iθT),   S(θ) = Σ_T S_T exp(iθT),   F(θ) c = E S(θ) c

give the bands at each phase θ = kL. The attribution is unique if overlaps end within half a period; half of
8 Å, the shortest period of the studies, is 4 Å, where the largest overlap of carbon is 0.004. Only the charges remain
those of the Γ point, which does not matter to pristine tubes and changes gaps of doped ones by 0.01 to 0.12 eV in
periods of 8 to 11 Å.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.errors import MissingExtraError, RelaxationError
from matgym.frozen import ValueObject
from matgym.typing import ComplexArray, FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

SHORTEST_ANGSTROM: Final = 16.0
"""Shortest period of a calculation, Å; shorter cells are repeated. Charges and forces are those of the Γ point."""

VACUUM_ANGSTROM: Final = 40.0
"""Distance of the axes of periodic images beyond the diameter, Å. tblite sums Coulomb interactions over all three
directions, and formation energies converge as the inverse of the area: for (8,0) with two B and two N, 0.05 eV too low
at 10 Å, 0.015 eV at 20 Å (measured)."""

GUESS: Final = 2
"""tblite's number of the start from charges that equalise electronegativity by bonds, "eeqbc": a fifth fewer iterations
than from neutral atoms (17 for 21 on (10,0) with B and N, measured)."""

PHASES: Final = np.linspace(0.0, np.pi, 7)
"""Phases at which bands are computed before their edges are refined; E(-θ) = E(θ)."""

_PHASE_TOLERANCE: Final = 1e-3  # rad; below 1 meV even where bands cross, with 5 eV Å and periods of 8 Å
_NORMALISATION: Final = 1e-6


class XtbMethod(StrEnum):
    """A parametrisation of extended tight binding.

    GFN1: Grimme, Bannwarth and Shushkov, J. Chem. Theory Comput. 13, 1989 (2017). GFN2: Bannwarth, Ehlert and Grimme,
    J. Chem. Theory Comput. 15, 1652 (2019).
    """

    GFN1 = "GFN1-xTB"
    GFN2 = "GFN2-xTB"


@dataclass(frozen=True, eq=False)
class XtbStates(ValueObject):
    """The self-consistent one-electron states of a periodic tube.

    Attributes:
        energy_ev: total energy of the cell, eV.
        charges: (atoms,) Mulliken charges, e; positive where electrons are missing.
        hamiltonian: (orbitals, orbitals) self-consistent Hamiltonian at Γ, eV.
        overlap: (orbitals, orbitals) overlap at Γ.
        images: (orbitals, orbitals) period in which the nearest image of the second orbital's atom is.
        electrons: number of valence electrons of the cell.
    """

    energy_ev: float
    charges: FloatArray
    hamiltonian: FloatArray
    overlap: FloatArray
    images: IntArray
    electrons: int

    def at(self, theta: float) -> tuple[ComplexArray, ComplexArray]:
        """Return Hamiltonian, eV, and overlap at the phase `theta` = kL."""
        phase = np.exp(1j * theta * self.images)
        return self.hamiltonian * phase, self.overlap * phase

    def bands(self, theta: float) -> FloatArray:
        """Return the (orbitals,) band energies at the phase `theta` = kL, eV, ascending."""
        from scipy.linalg import eigvalsh

        return np.asarray(eigvalsh(*self.at(theta)))

    @property
    def gap_at_gamma_ev(self) -> float:
        """The gap between occupied and empty states of the Γ point alone, eV: folded, and so not that of the tube."""
        levels = self.bands(0.0)
        return float(levels[self.electrons // 2] - levels[self.electrons // 2 - 1]) * (self.electrons % 2 == 0)

    def gap_ev(self) -> float:
        """Return the gap over all wave vectors, eV; zero if bands overlap or the number of electrons is odd."""
        from scipy.optimize import minimize_scalar

        if self.electrons % 2:
            return 0.0
        empty = self.electrons // 2
        on_grid = np.array([self.bands(theta)[[empty - 1, empty]] for theta in PHASES]) * [-1.0, 1.0]  # (phase, edge)
        edges = on_grid.min(axis=0)
        for edge, (band, sign) in enumerate(((empty - 1, -1.0), (empty, 1.0))):
            nearest = int(on_grid[:, edge].argmin())
            low, high = PHASES[max(nearest - 1, 0)], PHASES[min(nearest + 1, len(PHASES) - 1)]

            def value(theta: float, band: int = band, sign: float = sign) -> float:
                return float(sign * self.bands(theta)[band])

            # At 0 and π bands are symmetric: an edge there needs no search, unless it is lower halfway.
            if high - low > 1.5 * PHASES[1] or value((low + high) / 2.0) < edges[edge]:
                found = minimize_scalar(
                    value, bounds=(low, high), method="bounded", options={"xatol": _PHASE_TOLERANCE}
                )
                edges[edge] = min(edges[edge], float(found.fun))
        return max(0.0, float(edges.sum()))


def solve(atoms: "Atoms", method: XtbMethod) -> XtbStates:
    """Return the self-consistent states of atoms, which are periodic along z.

    Raises:
        RelaxationError: if the charges do not converge.
        MissingExtraError: if tblite is not installed.
    """
    from ase.units import Bohr, Hartree

    interface = tblite().interface
    positions, period = atoms.positions / Bohr, atoms.cell[2, 2] / Bohr
    try:
        calculator = interface.Calculator(
            method.value, atoms.numbers, positions, lattice=atoms.cell.array / Bohr, periodic=np.ones(3, dtype=bool)
        )
        calculator.set("verbosity", 0)
        calculator.set("save-integrals", 1)
        calculator.set("guess", GUESS)
        found = calculator.singlepoint()
    except RuntimeError as error:
        raise RelaxationError(f"{method.value} failed: {error}") from error
    overlap, orbitals = found["overlap-matrix"], found["orbital-coefficients"]
    if np.abs(orbitals.T @ overlap @ orbitals - np.eye(len(overlap))).max() > _NORMALISATION:
        orbitals = orbitals.T
    weighted = overlap @ orbitals
    if np.abs(orbitals.T @ weighted - np.eye(len(overlap))).max() > _NORMALISATION:
        raise RelaxationError(f"{method.value} gave orbitals that are not orthonormal")
    hamiltonian = (weighted * found["orbital-energies"]) @ weighted.T * Hartree
    height = positions[calculator.get("shell-map")[calculator.get("orbital-map")], 2]
    images = -np.round((height[None, :] - height[:, None]) / period).astype(np.int64)
    electrons = round(float(found["orbital-occupations"].sum()))
    return XtbStates(
        float(found["energy"]) * Hartree, np.asarray(found["charges"]), hamiltonian, overlap, images, electrons
    )


def repeats(period_angstrom: float, shortest_angstrom: float = SHORTEST_ANGSTROM) -> int:
    """Return how many periods of a tube one calculation takes."""
    return max(1, ceil(shortest_angstrom / period_angstrom))


def tblite() -> Any:
    """Return the package tblite with its modules `interface` and `ase`.

    Raises:
        MissingExtraError: if tblite is not installed.
    """
    try:
        import tblite
        import tblite.ase
        import tblite.interface
    except ImportError:
        raise MissingExtraError("tblite", "xtb") from None
    return tblite
