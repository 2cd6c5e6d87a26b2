"""Formation energy of defects and dopants: vacancies, Stone-Wales defects, boron and nitrogen.

E_f = E(tube) - Σ N_s μ_s, of the tube at rest, with the chemical potentials
- μ_C: energy an atom of the pristine tube of the same chirality, length and strain, at rest;
- μ_B + μ_N: energy of a formula unit of the flat h-BN sheet, which a tube with as many B as N needs only.
A tube with more of one than of the other needs an elemental reference, and gets none by default: the elements of
`TERSOFF_BNC` are on scales of their own. Its N₂ is right (measured: 9.91 eV and 1.11 Å), but with μ_N = ½ E(N₂) and
μ_B = E(BN) - μ_N one N in a (10, 0) tube gets -3.1 eV and one B 6.6 eV (measured; the sum of the two is what it
should be). Carbon that takes nitrogen up from the air of itself is the wrong sign: density functionals give 0.3 to
1 eV (flag M). Boron is no better, whose flat triangular sheet binds by 8.1 eV an atom (measured; the solid: 5.8 eV,
flag M). Pass chemical potentials of your own, then.

The tube is unloaded before it is stretched by its own strain, and broken bonds around vacancies are closed in pairs
where that lowers the energy: formation energies are those of the reconstructed vacancy, which carry on without end
along the tube, once a period.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np

from matgym.errors import RelaxationError
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
from matgym.physics.oracles import predict_each
from matgym.structures import Nanotube, Species
from matgym.structures.species import CARBONS

FORMATION_EV = Property(
    "formation_ev",
    "eV",
    "formation energy of all defects and dopants of a period, from the pristine tube and the h-BN sheet",
    extensive=True,
)


@dataclass(frozen=True, eq=False)
class FormationEnergy(Model):
    """The formation energy oracle.

    Attributes:
        potential: gives ASE calculators; None takes `REBO` for carbon and `TERSOFF_BNC` where there is B or N.
        chemical_potentials_ev: of "B" and "N", eV an atom on the potential's own scale, in place of those of the
            h-BN sheet.
    """

    potential: CalculatorFactory | None = None
    chemical_potentials_ev: Mapping[str, float] = field(default_factory=dict)
    relaxation: Relaxation = field(default_factory=Relaxation)

    properties = (FORMATION_EV,)
    level = Level.CLASSICAL
    cost = Cost(seconds=1.3, sites=160, exponent=0.8)
    """Measured with REBO and one vacancy on one core of an AMD EPYC server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Formation energy of each tube, which must be without torsion.

        Returns:
            Predictions with `formation_ev`, of shape (B,); NaN, with the reason in `failures`, for tubes that are
            cut in two, do not come to rest or lose a bond, and for those whose potential does not support an element,
            cannot do vacancies, or lacks a chemical potential.
        """
        energy = cache(self._energy)
        return predict_each(tubes, self.properties, lambda tube: [self._formation(tube, energy)])

    def _formation(self, tube: Nanotube, energy: Callable[[Nanotube, CalculatorFactory], float]) -> float:
        """Formation energy, eV, from energies of tubes."""
        counts = tube.counts
        doped = counts[Species.B] or counts[Species.N]
        potential = self.potential or (TERSOFF_BNC if doped else REBO)
        check_elements(tube, potential)
        reason = getattr(potential, "no_vacancies", "")
        if counts[Species.VACANCY] and reason:
            name = getattr(potential, "name", potential)
            raise RelaxationError(f"no vacancies with {name}: {reason}")
        separated = self._dopants(counts[Species.B], counts[Species.N], potential)
        pristine = Nanotube(tube.n, tube.m, tube.cells, strain=tube.strain)
        an_atom = energy(pristine, potential) / pristine.n_sites
        separated += sum(counts[carbon] for carbon in CARBONS) * an_atom
        return energy(canonical(tube), potential) - separated

    def _energy(self, tube: Nanotube, potential: CalculatorFactory) -> float:
        with running(potential) as calculator:
            return float(relaxed(tube, calculator, self.relaxation).get_potential_energy())

    def _dopants(self, boron: int, nitrogen: int, potential: CalculatorFactory) -> float:
        """Energy of so many B and N in their reference phases, eV.

        Raises:
            RelaxationError: if a chemical potential is missing.
        """
        given = self.chemical_potentials_ev
        if (not boron or "B" in given) and (not nitrogen or "N" in given):
            return boron * given.get("B", 0.0) + nitrogen * given.get("N", 0.0)
        pair = boron_nitride_ev(potential)
        if "N" in given:
            return boron * (pair - given["N"]) + nitrogen * given["N"]
        if "B" in given:
            return boron * given["B"] + nitrogen * (pair - given["B"])
        if boron != nitrogen:
            raise RelaxationError(
                f"no reference for {boron} B and {nitrogen} N: the h-BN sheet gives μ_B + μ_N only; "
                'pass chemical_potentials_ev, such as {"N": ...}'
            )
        return boron * pair


@lru_cache(maxsize=8)
def boron_nitride_ev(potential: CalculatorFactory) -> float:
    """Energy of the flat h-BN sheet at its best bond length, eV a formula unit."""
    from scipy.optimize import minimize_scalar

    with running(potential) as calculator:

        def energy(bond: float) -> float:
            from ase import Atoms

            width = np.sqrt(3.0) * bond
            heights = np.array([0.0, 1.0, 1.5, 2.5]) * bond
            places = np.column_stack([[0.0, 0.0, width / 2.0, width / 2.0], heights, np.full(4, 10.0)])
            sheet = Atoms(
                "BNBN", places, cell=[width, 3.0 * bond, 20.0], pbc=(True, True, False), calculator=calculator
            )
            return float(sheet.get_potential_energy()) / 2.0

        found = minimize_scalar(energy, bounds=(1.35, 1.55), method="bounded", options={"xatol": 1e-7})
    return float(found.fun)
