"""The oracle of gap, formation energy, charges and geometry by extended tight binding.

Formation energies are E(tube) - Σ N_s μ_s with all energies from the same method and the same empty space. μ_C is that
of the pristine tube of the same chirality, length and strain; without `chemical_potentials_ev`, nitrogen is in
equilibrium with N₂, μ_N = ½ E(N₂), and boron with h-BN, μ_B = E(BN) - μ_N.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError, StructureError, require_counts, require_positive
from matgym.models import Cost, Level, Model, Predictions
from matgym.physics.electrons.bands import GAP_EV
from matgym.physics.mechanics.formation import FORMATION_EV
from matgym.physics.mechanics.references import (
    PhaseEnergies,
    References,
    alpha_boron,
    check_references,
    dopants_ev,
    flat_sheet,
    least_ev,
    nitrogen_molecule,
    potentials_ev,
)
from matgym.physics.notes import said
from matgym.physics.oracles import predict_each
from matgym.physics.xtb.relaxation import in_empty_cell, longer, relaxed_atoms
from matgym.physics.xtb.states import VACUUM_ANGSTROM, XtbMethod, XtbStates, repeats, solve
from matgym.structures import Nanotube, Species
from matgym.structures.species import CARBONS
from matgym.typing import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

MOST_ATOMS: Final = 400
"""Most atoms of a calculation, which then takes minutes. A choice of ours."""

_SHEET: Final = (6, 4)
"""Rectangular cells of a flat sheet, which is computed at Γ only: h-BN is 1 meV per formula unit from (6, 3), measured.
The sheet of carbon has its states at K in this cell, too, because 6 is a multiple of 3."""

OWN_COORDINATES: Final = "at the file's own coordinates, which are not relaxed: distortion costs energy"

_CRYSTAL: Final = 2
"""Rhombohedral cells of α-B in each direction, which is computed at Γ only."""

_BOND_ANGSTROM: Final = 1e-3
"""Error of the bond lengths of phases, Å."""


@dataclass(frozen=True)
class XtbElectrons(Model):
    """The oracle of gap and formation energy by GFN1-xTB or GFN2-xTB, at the tube's own rest in that method.

    Attributes:
        method: parametrisation.
        force_ev_per_angstrom: largest remaining force on an atom, eV/Å.
        max_steps: largest number of steps of a relaxation.
        chemical_potentials_ev: chemical potentials of "C", "B" and "N", eV per atom on the scale of the method, or
            names of phases, which replace those of the pristine tube, N₂ and h-BN; or energies of phases of a table,
            by the same method: see `matgym.physics.mechanics.references`.
    """

    method: XtbMethod = XtbMethod.GFN1
    force_ev_per_angstrom: float = 0.03
    max_steps: int = 100
    chemical_potentials_ev: References = field(default_factory=dict)

    properties = (GAP_EV, FORMATION_EV)
    level = Level.XTB
    validity = "relaxed tubes of up to 400 atoms, without torsion; charges of the Γ point; needs the extra xtb"
    cost = Cost(seconds=15.0, sites=96, exponent=2.5)
    """Cost of a relaxation of so many atoms with GFN1-xTB, measured on one core of an AMD EPYC server; short tubes are
    computed as several periods."""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "method", XtbMethod(self.method))
        except ValueError:
            known = ", ".join(repr(method.value) for method in XtbMethod)
            raise ConfigurationError(f"method={self.method!r} is not known; give one of {known}") from None
        require_positive(force_ev_per_angstrom=self.force_ev_per_angstrom)
        require_counts(max_steps=self.max_steps)
        check_references(self.chemical_potentials_ev, [str(self.method)])

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return gap and formation energy of each tube, eV.

        Returns:
            Predictions with `gap_ev` and `formation_ev`, of shape (B,); NaN, with the reason in `failures`, for tubes
            that are twisted, cut in two, do not come to rest, or lose a bond.

        Raises:
            MissingExtraError: if tblite is not installed.
        """
        return predict_each(tubes, self.properties, self._both, lambda _tube: self._by_table)

    def predict_atoms(self, tubes: Sequence[Nanotube], atoms: Sequence["Atoms"]) -> Predictions:
        """Return gap and formation energy of each tube, eV, at coordinates of its own: see `TakesCoordinates`."""
        pending = iter(atoms)
        return predict_each(
            tubes,
            self.properties,
            lambda tube: self._at(tube, next(pending)),
            lambda _tube: said(OWN_COORDINATES, self._by_table),
        )

    def _at(self, tube: Nanotube, atoms: "Atoms") -> tuple[float, float]:
        """Return gap and formation energy of a tube at coordinates, eV."""
        times = repeats(float(atoms.cell[2, 2]))
        if times * len(atoms) > MOST_ATOMS:
            raise StructureError(f"{tube} is too large for xTB: give a tube of at most {MOST_ATOMS} sites")
        states = solve(in_empty_cell(atoms.repeat((1, 1, times))), self.method)
        periods = longer(tube).cells // tube.cells
        return states.gap_ev(), self.formation_ev(tube, states.energy_ev / times * periods)

    def geometry(self, tube: Nanotube) -> "Atoms":
        """Return the tube at rest, as ASE atoms in the order of its occupied sites, without a calculator.

        A tube whose period is shorter than `SHORTEST_ANGSTROM` is repeated along z.

        Raises:
            StructureError: if the tube is twisted or too large.
            RelaxationError: if it does not come to rest or loses a bond.
            MissingExtraError: if tblite is not installed.
        """
        if longer(tube).n_sites > MOST_ATOMS:
            raise StructureError(f"{tube} is too large for xTB: give a tube of at most {MOST_ATOMS} sites")
        atoms = relaxed_atoms(tube, self.method, self.force_ev_per_angstrom, self.max_steps)
        atoms.calc = None
        return atoms

    def states(self, tube: Nanotube) -> XtbStates:
        """Return the self-consistent states of the tube at rest: see `geometry`, also for the errors."""
        return solve(self.geometry(tube), self.method)

    def charges(self, tube: Nanotube) -> FloatArray:
        """Return (n_sites,) Mulliken charges, e, positive where electrons are missing; NaN at vacant sites.

        For the errors see `geometry`.
        """
        computed = longer(tube)
        every = np.full(computed.n_sites, np.nan)
        every[computed.species != Species.VACANCY] = self.states(tube).charges
        sublattice = np.repeat([0, 1], computed.lattice.n_cells)
        charges = np.full(tube.n_sites, np.nan)
        charges[tube.lattice.sites_at(computed.lattice.site_cells, sublattice)] = every  # one of the equal periods
        return charges

    def formation_ev(self, tube: Nanotube, energy_ev: float) -> float:
        """Return the formation energy of one period of a tube, eV, from the energy of its calculation.

        Args:
            tube: tube.
            energy_ev: total energy of the tube at rest, eV, of all periods that the calculation takes.
        """
        counts, times = tube.counts, longer(tube).cells // tube.cells
        doped = bool(counts[Species.B] or counts[Species.N])
        references, method = self.chemical_potentials_ev, str(self.method)
        given = potentials_ev(references, lambda name: phase_ev(name, self.method), method, doped=doped)
        carbon = given.get("C")
        if carbon is None:
            carbon = _pristine_ev(self.method, tube.n, tube.m, tube.cells, tube.strain, *self._settings)
        separated = sum(counts[isotope] for isotope in CARBONS) * carbon
        if doped:
            separated += self._dopants(counts[Species.B], counts[Species.N], given)
        return energy_ev / times - separated

    @property
    def _by_table(self) -> str:
        given = self.chemical_potentials_ev
        return given.note(str(self.method)) if isinstance(given, PhaseEnergies) else ""

    @property
    def _settings(self) -> tuple[float, int]:
        return self.force_ev_per_angstrom, self.max_steps

    def _both(self, tube: Nanotube) -> tuple[float, float]:
        states = self.states(tube)
        return states.gap_ev(), self.formation_ev(tube, states.energy_ev)

    def _dopants(self, boron: int, nitrogen: int, given: Mapping[str, float]) -> float:
        """Return the energy, eV, of numbers of B and N atoms in their reference phases.

        Raises:
            RelaxationError: if a table of energies of phases has none of them.
        """
        if not {"B", "N"} & set(given) and not isinstance(self.chemical_potentials_ev, PhaseEnergies):
            given = {"N": phase_ev("N2", self.method), **given}
        separated = dopants_ev(boron, nitrogen, given, lambda: boron_nitride_ev(self.method))
        if separated is None:
            raise RelaxationError(f"no reference for {boron} B and {nitrogen} N: BN gives μ_B + μ_N only")
        return separated


@lru_cache(maxsize=256)
def _pristine_ev(method: XtbMethod, n: int, m: int, cells: int, strain: float, force: float, steps: int) -> float:
    """Return the energy of the pristine tube at rest, eV per atom, in a calculation of the same length."""
    atoms = relaxed_atoms(Nanotube(n, m, cells, strain=strain), method, force, steps)
    return solve(atoms, method).energy_ev / len(atoms)


@lru_cache(maxsize=4)
def boron_nitride_ev(method: XtbMethod) -> float:
    """Return the energy of the flat h-BN sheet at its bond length of least energy, eV per formula unit."""
    return least_ev(lambda bond: 2.0 * _sheet_ev("BNBN", bond, method), "h-BN", _BOND_ANGSTROM)


@lru_cache(maxsize=16)
def phase_ev(name: str, method: XtbMethod) -> float:
    """Return the energy of a phase, eV per atom: "graphite" (a flat sheet), "N2", or "alpha-B" as it is measured."""
    if name == "graphite":
        return least_ev(lambda bond: _sheet_ev("CCCC", bond, method), name, _BOND_ANGSTROM)
    if name == "N2":
        return least_ev(
            lambda bond: solve(nitrogen_molecule(bond, VACUUM_ANGSTROM), method).energy_ev / 2.0, name, _BOND_ANGSTROM
        )
    solid = alpha_boron().repeat(_CRYSTAL)
    return solve(solid, method).energy_ev / len(solid)


def _sheet_ev(symbols: str, bond: float, method: XtbMethod) -> float:
    """Return the energy of a flat sheet, eV per atom."""
    cell = flat_sheet(symbols, bond, VACUUM_ANGSTROM).repeat((*_SHEET, 1))
    return solve(cell, method).energy_ev / len(cell)
