"""A second opinion on formation energies: SevenNet-0, a machine-learned potential (extra `sevennet`).

Park et al., J. Chem. Theory Comput. 20, 4857 (2024): an equivariant graph network that was trained on energies, forces
and stresses of the Materials Project's relaxations by the PBE functional. All elements and their phases are on that
scale, so nitrogen and boron have references: μ_N is ½ E(N₂) and μ_B + μ_N that of the h-BN sheet, as in the xTB oracle.

Measured for (10, 0)x3: one N 0.40 eV, where density functionals give 0.3 to 1 eV (flag M), and one B 3.02 eV with
nitrogen from N₂, which is 0.35 eV with boron from α-B.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from matgym.errors import MissingExtraError
from matgym.models import Cost, Level
from matgym.physics.mechanics.calculators import CalculatorFactory, Relaxation
from matgym.physics.mechanics.formation import FORMATION_EV, FormationEnergy
from matgym.physics.mechanics.references import PhaseEnergies, References
from matgym.physics.notes import repeated_note, said, thin_note
from matgym.structures import Nanotube

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


@cache
def sevennet() -> "Calculator":
    """Return the calculator of SevenNet-0 on the processor; a process loads its weights once.

    Raises:
        MissingExtraError: if sevenn is not installed.
    """
    try:
        from sevenn.calculator import SevenNetCalculator
    except ImportError:
        raise MissingExtraError("sevenn", "sevennet") from None
    calculator: Calculator = SevenNetCalculator("7net-0", device="cpu")
    return calculator


@dataclass(frozen=True, eq=False)
class SevenNetFormation(FormationEnergy):
    """The oracle of the formation energy by SevenNet-0.

    Attributes:
        potential: function that returns the calculator; it cannot be given.
        chemical_potentials_ev: as in `FormationEnergy`; where it names none for B and N, nitrogen is that of N₂.
        relaxation: settings of the relaxation.
        method: name of the method, as tables of energies name it; it cannot be given.
    """

    potential: CalculatorFactory | None = field(default_factory=lambda: sevennet, init=False, repr=False)
    relaxation: Relaxation = field(default_factory=lambda: Relaxation(force_ev_per_angstrom=0.01))
    method: str = field(default="SevenNet-0", init=False, repr=False)

    properties = (FORMATION_EV,)
    level = Level.MACHINE_LEARNED
    validity = "as PBE, from relaxations of crystals; not validated for tubes; needs the extra sevennet"
    cost = Cost(seconds=100.0, sites=120, exponent=1.0)
    """Cost, measured for one N in (10, 0)x3 on one core of an Intel Xeon server."""

    @property
    def references(self) -> References:
        """Chemical potentials or phases, with N₂ where neither B nor N has one."""
        given = self.chemical_potentials_ev
        if isinstance(given, PhaseEnergies):
            return given
        return given if {"B", "N"} & set(given) else {"N": "N2", **given}

    def _note(self, tube: Nanotube) -> str:
        given = self.chemical_potentials_ev
        by_table = given.note(self.method) if isinstance(given, PhaseEnergies) else ""
        return said(by_table, thin_note(tube), repeated_note(tube))
