"""The oracle of gap, formation energy, charges and geometry by extended tight binding.

Formation energies are E(tube) - Σ N_s μ_s with all energies from the same method and the same empty space. μ_C is that
of the pristine tube of the same chirality, length and strain; without `chemical_potentials_ev`, nitrogen is in
equilibrium with N₂, μ_N = ½ E(N₂), and boron with h-BN, μ_B = E(BN) - μ_N.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, StructureError, require_counts, require_positive, require_within
from matgym.models import Cost, Level, Model, Predictions
from matgym.physics.electrons.bands import GAP_EV
from matgym.physics.mechanics.formation import ENERGIES_EV, FORMATION_EV
from matgym.physics.oracles import predict_each
from matgym.physics.xtb.relaxation import longer, relaxed_atoms
from matgym.physics.xtb.states import VACUUM_ANGSTROM, XtbMethod, XtbStates, solve
from matgym.structures import Nanotube, Species
from matgym.structures.species import CARBONS
from matgym.typing import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

MOST_ATOMS: Final = 400
"""Most atoms of a calculation, which then takes minutes. A choice of ours."""

_LONG_ANGSTROM: Final = 16.0
"""Period, Å, from which the charges of the Γ point are taken for converged; a choice of ours. (7,0) with one B and one
N has a gap of 0.387 eV with 8.5 Å and 0.348 eV with 17 Å, (10,0) with two of each 0.230 and 0.106 eV (measured)."""

_SHEET: Final = (6, 4)
"""Rectangular cells of the h-BN sheet, which is computed at Γ only: 1 meV per formula unit from (6, 3), measured."""
_BONDS: Final = {"BN": (1.38, 1.50), "NN": (1.05, 1.15)}


@dataclass(frozen=True)
class XtbElectrons(Model):
    """The oracle of gap and formation energy by GFN1-xTB or GFN2-xTB, at the tube's own rest in that method.

    Attributes:
        method: parametrisation.
        force_ev_per_angstrom: largest remaining force on an atom, eV/Å.
        max_steps: largest number of steps of a relaxation.
        chemical_potentials_ev: chemical potentials of "B" and "N", eV per atom on the scale of the method, which
            replace those of N₂ and h-BN.
    """

    method: XtbMethod = XtbMethod.GFN1
    force_ev_per_angstrom: float = 0.03
    max_steps: int = 100
    chemical_potentials_ev: Mapping[str, float] = field(default_factory=dict)

    properties = (GAP_EV, FORMATION_EV)
    level = Level.XTB
    cost = Cost(seconds=15.0, sites=96, exponent=2.5)
    """Cost of a relaxation with GFN1-xTB, measured on one core of an AMD EPYC server."""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "method", XtbMethod(self.method))
        except ValueError:
            known = ", ".join(repr(method.value) for method in XtbMethod)
            raise ConfigurationError(f"method={self.method!r} is not known; give one of {known}") from None
        require_positive(force_ev_per_angstrom=self.force_ev_per_angstrom)
        require_counts(max_steps=self.max_steps)
        for species, energy in self.chemical_potentials_ev.items():
            require_within(*ENERGIES_EV, **{f"chemical_potentials_ev[{species!r}]": energy})

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return gap and formation energy of each tube, eV.

        Returns:
            Predictions with `gap_ev` and `formation_ev`, of shape (B,); NaN, with the reason in `failures`, for tubes
            that are twisted, cut in two, do not come to rest, or lose a bond. Gaps of short doped tubes have a note.

        Raises:
            MissingExtraError: if tblite is not installed.
        """
        predictions = predict_each(tubes, self.properties, self._both)
        short = {
            row: f"charges of the Γ point of {longer(tube).length_angstrom:.1f} Å: the gap of a repeated cell differs "
            "by up to 0.12 eV"
            for row, tube in enumerate(tubes)
            if row not in predictions.reasons and not tube.is_carbon and longer(tube).length_angstrom < _LONG_ANGSTROM
        }
        return replace(predictions, notes={GAP_EV.key: short} if short else {})

    def geometry(self, tube: Nanotube) -> "Atoms":
        """Return the tube at rest, as ASE atoms in the order of its occupied sites, without a calculator.

        A tube whose period is shorter than 8 Å is repeated along z.

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
        carbon = _pristine_ev(self.method, tube.n, tube.m, tube.cells, tube.strain, *self._settings)
        separated = sum(counts[isotope] for isotope in CARBONS) * carbon
        if counts[Species.B] or counts[Species.N]:
            separated += self._dopants(counts[Species.B], counts[Species.N])
        return energy_ev / times - separated

    @property
    def _settings(self) -> tuple[float, int]:
        return self.force_ev_per_angstrom, self.max_steps

    def _both(self, tube: Nanotube) -> tuple[float, float]:
        states = self.states(tube)
        return states.gap_ev(), self.formation_ev(tube, states.energy_ev)

    def _dopants(self, boron: int, nitrogen: int) -> float:
        given = self.chemical_potentials_ev
        of_nitrogen = given["N"] if "N" in given else molecule_ev(self.method) / 2.0
        of_boron = given["B"] if "B" in given else boron_nitride_ev(self.method) - of_nitrogen
        return boron * of_boron + nitrogen * of_nitrogen


@lru_cache(maxsize=256)
def _pristine_ev(method: XtbMethod, n: int, m: int, cells: int, strain: float, force: float, steps: int) -> float:
    """Return the energy of the pristine tube at rest, eV per atom, in a calculation of the same length."""
    atoms = relaxed_atoms(Nanotube(n, m, cells, strain=strain), method, force, steps)
    return solve(atoms, method).energy_ev / len(atoms)


@lru_cache(maxsize=4)
def boron_nitride_ev(method: XtbMethod) -> float:
    """Return the energy of the flat h-BN sheet at its bond length of least energy, eV per formula unit."""
    from ase import Atoms

    columns, rows = _SHEET

    def energy(bond: float) -> float:
        width = np.sqrt(3.0) * bond
        places = np.column_stack([[0.0, 0.0, width / 2.0, width / 2.0], np.array([0.0, 1.0, 1.5, 2.5]) * bond])
        cell = Atoms(
            "BNBN", np.column_stack([places, np.zeros(4)]), cell=[width, 3.0 * bond, VACUUM_ANGSTROM], pbc=True
        )
        return solve(cell.repeat((columns, rows, 1)), method).energy_ev / (2 * columns * rows)

    return _least(energy, *_BONDS["BN"])


@lru_cache(maxsize=4)
def molecule_ev(method: XtbMethod) -> float:
    """Return the energy of the N₂ molecule at its bond length of least energy, eV."""
    from ase import Atoms

    box = VACUUM_ANGSTROM

    def energy(bond: float) -> float:
        return solve(Atoms("N2", [[0.0, 0.0, 0.0], [0.0, 0.0, bond]], cell=[box, box, box], pbc=True), method).energy_ev

    return _least(energy, *_BONDS["NN"])


def _least(energy: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(energy, bounds=(low, high), method="bounded", options={"xatol": 1e-3}).fun)
