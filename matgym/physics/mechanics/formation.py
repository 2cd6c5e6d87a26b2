"""Formation energy of defects and dopants: vacancies, Stone-Wales defects, boron and nitrogen.

E_f = E(tube) - Σ N_s μ_s, of the tube at rest, with the chemical potentials - μ_C: energy per atom of the pristine tube
of the same chirality, length and strain, at rest; - μ_B + μ_N: energy of a formula unit of the flat h-BN sheet, which
is sufficient for a tube with as many B as N. A tube with more of one than of the other needs an elemental reference,
and has none by default, because the energies of the elements in `TERSOFF_BNC` are not on a common scale. Its N₂ is
right (measured: 9.91 eV and 1.11 Å), but with μ_N = ½ E(N₂) and μ_B = E(BN) - μ_N one N in a (10, 0) tube gets -3.1 eV
and one B 6.6 eV (measured; the sum of the two is right). The negative sign, by which carbon would take up nitrogen from
the air spontaneously, is wrong: density functionals give 0.3 to 1 eV (flag M). Boron has the same problem: its flat
triangular sheet binds by 8.1 eV per atom (measured; the solid: 5.8 eV, flag M). For such tubes, pass
`chemical_potentials_ev`.

The tube is unloaded before it is stretched by its own strain, and broken bonds around vacancies are closed in pairs if
that lowers the energy. Formation energies are therefore those of reconstructed vacancies, which are repeated
periodically along the tube.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final

import numpy as np

from matgym.errors import RelaxationError, require_within
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
from matgym.physics.notes import rebo_note, repeated_note, said, thin_note
from matgym.physics.oracles import predict_each
from matgym.structures import Nanotube, Species
from matgym.structures.species import CARBONS

FORMATION_EV = Property(
    "formation_ev",
    "eV",
    "formation energy of all defects and dopants of a period, from the pristine tube and the h-BN sheet",
    extensive=True,
)


ENERGIES_EV: Final = (-1e6, 1e6)
"""Lowest and highest chemical potential, eV: all electrons of an atom have less. A choice of ours."""


@dataclass(frozen=True, eq=False)
class FormationEnergy(Model):
    """The oracle of the formation energy.

    Attributes:
        potential: function that returns ASE calculators; None means `TERSOFF_BNC` for tubes with B or N, and `REBO` for
            all others.
        chemical_potentials_ev: chemical potentials of "B" and "N", eV per atom on the scale of the potential, which
            replace those of the h-BN sheet.
        relaxation: settings of the relaxation.
    """

    potential: CalculatorFactory | None = None
    chemical_potentials_ev: Mapping[str, float] = field(default_factory=dict)
    relaxation: Relaxation = field(default_factory=Relaxation)

    def __post_init__(self) -> None:
        for species, energy in self.chemical_potentials_ev.items():
            require_within(*ENERGIES_EV, **{f"chemical_potentials_ev[{species!r}]": energy})

    properties = (FORMATION_EV,)
    level = Level.CLASSICAL
    cost = Cost(seconds=1.3, sites=160, exponent=0.8)
    """Cost, measured with REBO and one vacancy on one core of an AMD EPYC server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the formation energy of each tube, eV; tubes must be without torsion.

        Returns:
            Predictions with `formation_ev`, of shape (B,); NaN, with the reason in `failures`, for tubes that are
            cut in two, do not come to rest or lose a bond, and for those with an element that the potential does not
            support, with vacancies that it does not describe, or without a chemical potential.
        """
        energy = cache(self._energy)
        return predict_each(tubes, self.properties, lambda tube: [self._formation(tube, energy)], self._note)

    def _note(self, tube: Nanotube) -> str:
        by_rebo = self._potential_for(tube) is REBO
        return rebo_note(tube) if by_rebo else said(thin_note(tube), repeated_note(tube))

    def _potential_for(self, tube: Nanotube) -> CalculatorFactory:
        doped = tube.counts[Species.B] or tube.counts[Species.N]
        return self.potential or (TERSOFF_BNC if doped else REBO)

    def _formation(self, tube: Nanotube, energy: Callable[[Nanotube, CalculatorFactory], float]) -> float:
        """Return the formation energy, eV, from energies of tubes."""
        counts = tube.counts
        potential = self._potential_for(tube)
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
        """Return the energy, eV, of numbers of B and N atoms in their reference phases.

        Raises:
            RelaxationError: if a chemical potential is missing.
        """
        potentials = self.chemical_potentials_ev
        if (not boron or "B" in potentials) and (not nitrogen or "N" in potentials):
            return boron * potentials.get("B", 0.0) + nitrogen * potentials.get("N", 0.0)
        pair = boron_nitride_ev(potential)
        if "N" in potentials:
            return boron * (pair - potentials["N"]) + nitrogen * potentials["N"]
        if "B" in potentials:
            return boron * potentials["B"] + nitrogen * (pair - potentials["B"])
        if boron != nitrogen:
            raise RelaxationError(
                f"no reference for {boron} B and {nitrogen} N: the h-BN sheet gives μ_B + μ_N only; "
                'pass chemical_potentials_ev, such as {"N": ...}'
            )
        return boron * pair


@lru_cache(maxsize=8)
def boron_nitride_ev(potential: CalculatorFactory) -> float:
    """Return the energy of the flat h-BN sheet at its bond length of least energy, eV per formula unit."""
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

        minimum = minimize_scalar(energy, bounds=(1.35, 1.55), method="bounded", options={"xatol": 1e-7})
    return float(minimum.fun)
