"""Formation energy of defects and dopants: vacancies, Stone-Wales defects, boron and nitrogen.

E_f = E(tube) - Σ N_s μ_s, of the tube at rest, with the chemical potentials - μ_C: energy per atom of the pristine tube
of the same chirality, length and strain, at rest; - μ_B + μ_N: energy of a formula unit of the flat h-BN sheet, which
is sufficient for a tube with as many B as N. A tube with more of one than of the other needs an elemental reference,
and has none by default, because the energies of the elements in `TERSOFF_BNC` are not on a common scale. Its N₂ is
right (measured: 9.91 eV and 1.11 Å), but with μ_N = ½ E(N₂) and μ_B = E(BN) - μ_N one N in a (10, 0) tube gets -3.1 eV
and one B 6.6 eV (measured; the sum of the two is right). The negative sign, by which carbon would take up nitrogen from
the air spontaneously, is wrong: density functionals give 0.3 to 1 eV (flag M). Boron has the same problem: its flat
triangular sheet binds by 8.1 eV per atom (measured; the solid: 5.8 eV, flag M). For such tubes, pass
`chemical_potentials_ev`, energies or the names of phases (`matgym.physics.mechanics.references`); with "N2" or
"alpha-B" the result has a note. xTB has all phases on one scale: `matgym.physics.xtb.oracle`. An ASE calculator of
one's own may take the energies of phases by its own method from a table: `matgym.data.phases`.

The tube is unloaded before it is stretched by its own strain, and broken bonds around vacancies are closed in pairs if
that lowers the energy. Formation energies are therefore those of reconstructed vacancies, which are repeated
periodically along the tube.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from matgym.errors import ConfigurationError, RelaxationError
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.mechanics.calculators import (
    CalculatorFactory,
    Relaxation,
    canonical,
    check_elements,
    relaxed,
    running,
)
from matgym.physics.mechanics.lammps import REBO, TERSOFF_BNC
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
from matgym.physics.notes import rebo_note, repeated_note, said, thin_note
from matgym.physics.oracles import predict_each
from matgym.structures import Nanotube, Species
from matgym.structures.species import CARBONS

if TYPE_CHECKING:
    from ase import Atoms

FORMATION_EV = Property(
    "formation_ev",
    "eV",
    "formation energy of all defects and dopants of a period, from the pristine tube and the h-BN sheet",
    extensive=True,
)


ELEMENTAL: Final = (
    "N₂ and α-B are not on one scale with dopants in carbon by this potential: one N in (10, 0) gets -3.1 eV where "
    "density functionals give 0.3 to 1 eV"
)

_VACUUM_ANGSTROM: Final = 20.0


@dataclass(frozen=True, eq=False)
class FormationEnergy(Model):
    """The oracle of the formation energy.

    Attributes:
        potential: function that returns ASE calculators; None means `TERSOFF_BNC` for tubes with B or N, and `REBO` for
            all others.
        method: name of the method of `potential`, such as "PBE", as tables of energies name it; empty for the name of
            the potential, if it has one.
        chemical_potentials_ev: chemical potentials of "C", "B" and "N", eV per atom on the scale of the potential, or
            names of phases, which replace those of the pristine tube and the h-BN sheet; or energies of phases of a
            table, by the same method: see `matgym.physics.mechanics.references`.
        relaxation: settings of the relaxation.

    Raises:
        ConfigurationError: if `method` is given without `potential`, or chemical potentials are unknown, out of range,
            or by another method.
    """

    potential: CalculatorFactory | None = None
    chemical_potentials_ev: References = field(default_factory=dict)
    relaxation: Relaxation = field(default_factory=Relaxation)
    method: str = field(default="", repr=False)  # it decides about errors of construction only

    def __post_init__(self) -> None:
        if self.method and self.potential is None:
            raise ConfigurationError(f"method={self.method!r} is that of a potential of your own: give potential, too")
        check_references(self.chemical_potentials_ev, self.methods)

    properties = (FORMATION_EV,)
    level = Level.CLASSICAL
    validity = "REBO for carbon, Tersoff for B and N (no vacancies there); elements need a reference on the same scale"
    cost = Cost(seconds=1.3, sites=160, exponent=0.8)
    """Cost, measured with REBO and one vacancy on one core of an AMD EPYC server."""

    @property
    def references(self) -> References:
        """Chemical potentials or phases that are taken."""
        return self.chemical_potentials_ev

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods by which tubes are computed, as tables of energies name them."""
        potentials = (REBO, TERSOFF_BNC) if self.potential is None else (self.potential,)
        return tuple(map(self._method, potentials))

    def _method(self, potential: CalculatorFactory) -> str:
        return self.method or str(getattr(potential, "name", "a potential without a name (method)"))

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the formation energy of each tube, eV; tubes must be without torsion.

        Returns:
            Predictions with `formation_ev`, of shape (B,); NaN, with the reason in `failures`, for tubes that are
            cut in two, do not come to rest or lose a bond, and for those with an element that the potential does not
            support, with vacancies that it does not describe, or without a chemical potential.
        """
        energy = cache(self._energy)
        return predict_each(tubes, self.properties, lambda tube: [self._formation(tube, energy)], self._note)

    def predict_atoms(self, tubes: Sequence[Nanotube], atoms: Sequence["Atoms"]) -> Predictions:
        """Return the formation energy of each tube, eV, relaxed from coordinates of its own: see `TakesCoordinates`."""
        energy, pending = cache(self._energy), iter(atoms)
        return predict_each(
            tubes,
            self.properties,
            lambda tube: [self._formation(tube, energy, next(pending))],
            lambda tube: said("relaxed from the file's own coordinates", self._note(tube)),
        )

    def _note(self, tube: Nanotube) -> str:
        by_rebo = self._potential_for(tube) is REBO
        given = self.chemical_potentials_ev
        if isinstance(given, PhaseEnergies):
            by_table = given.note(self._method(self._potential_for(tube)))
            return said(by_table, rebo_note(tube) if by_rebo else said(thin_note(tube), repeated_note(tube)))
        if by_rebo:
            return rebo_note(tube)
        elemental = any(tube.counts[Species[key]] for key in ("B", "N") if given.get(key) in {"N2", "alpha-B"})
        return said(ELEMENTAL if elemental else "", thin_note(tube), repeated_note(tube))

    def _potential_for(self, tube: Nanotube) -> CalculatorFactory:
        doped = tube.counts[Species.B] or tube.counts[Species.N]
        return self.potential or (TERSOFF_BNC if doped else REBO)

    def _formation(
        self, tube: Nanotube, energy: Callable[[Nanotube, CalculatorFactory], float], start: "Atoms | None" = None
    ) -> float:
        """Return the formation energy, eV, from energies of tubes."""
        counts = tube.counts
        potential = self._potential_for(tube)
        check_elements(tube, potential)
        reason = getattr(potential, "no_vacancies", "")
        if counts[Species.VACANCY] and reason:
            name = getattr(potential, "name", potential)
            raise RelaxationError(f"no vacancies with {name}: {reason}")
        doped = bool(counts[Species.B] or counts[Species.N])
        references, method = self.references, self._method(potential)
        given = potentials_ev(references, lambda name: phase_ev(name, potential), method, doped=doped)
        separated = _dopants(counts[Species.B], counts[Species.N], given, potential)
        pristine = Nanotube(tube.n, tube.m, tube.cells, strain=tube.strain)
        an_atom = given["C"] if "C" in given else energy(pristine, potential) / pristine.n_sites
        separated += sum(counts[carbon] for carbon in CARBONS) * an_atom
        at_rest = energy(canonical(tube), potential) if start is None else self._energy(tube, potential, start)
        return at_rest - separated

    def _energy(self, tube: Nanotube, potential: CalculatorFactory, start: "Atoms | None" = None) -> float:
        with running(potential) as calculator:
            return float(relaxed(tube, calculator, self.relaxation, start).get_potential_energy())


def _dopants(boron: int, nitrogen: int, given: Mapping[str, float], potential: CalculatorFactory) -> float:
    """Return the energy, eV, of numbers of B and N atoms in their reference phases.

    Args:
        boron: number of B atoms.
        nitrogen: number of N atoms.
        given: chemical potentials, eV.
        potential: function that returns ASE calculators.

    Raises:
        RelaxationError: if a chemical potential is missing.
    """
    separated = dopants_ev(boron, nitrogen, given, lambda: boron_nitride_ev(potential))
    if separated is None:
        raise RelaxationError(
            f"no reference for {boron} B and {nitrogen} N: the h-BN sheet gives μ_B + μ_N only; pass "
            'chemical_potentials_ev, such as {"N": ...} (--chemical-potential N=N2), or take xTB (--level xtb), which '
            "has N₂ on the same scale"
        )
    return separated


@lru_cache(maxsize=32)
def phase_ev(name: str, potential: CalculatorFactory) -> float:
    """Return the energy of a phase, eV per atom: "graphite" (a flat sheet), "N2" or "alpha-B", at its least energy.

    α-B is scaled as a whole, with the measured positions of its atoms.
    """
    from scipy.optimize import minimize_scalar

    with running(potential) as calculator:

        def energy(atoms: "Atoms") -> float:
            atoms.calc = calculator
            return float(atoms.get_potential_energy()) / len(atoms)

        if name == "graphite":
            return least_ev(lambda bond: energy(flat_sheet("CCCC", bond, _VACUUM_ANGSTROM)), name, 1e-7)
        if name == "N2":
            return least_ev(lambda bond: energy(nitrogen_molecule(bond, _VACUUM_ANGSTROM)), name, 1e-7)
        solid = alpha_boron().repeat(2)

        def scaled(scale: float) -> float:
            atoms = solid.copy()
            atoms.set_cell(solid.cell * scale, scale_atoms=True)
            return energy(atoms)

        return float(minimize_scalar(scaled, bounds=(0.9, 1.2), method="bounded", options={"xatol": 1e-6}).fun)


@lru_cache(maxsize=8)
def boron_nitride_ev(potential: CalculatorFactory) -> float:
    """Return the energy of the flat h-BN sheet at its bond length of least energy, eV per formula unit."""
    with running(potential) as calculator:

        def energy(bond: float) -> float:
            sheet = flat_sheet("BNBN", bond, _VACUUM_ANGSTROM)
            sheet.pbc, sheet.calc = (True, True, False), calculator
            return float(sheet.get_potential_energy()) / 2.0

        return least_ev(energy, "h-BN", 1e-7)
