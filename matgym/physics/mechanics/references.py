"""Chemical potentials of atoms by the phases that fix them: graphite, h-BN, N₂ and α-B, computed or from a table.

A formation energy takes the chemical potential of each element on the energy scale of its own method, so a phase is
computed by that method. The sheet stands for graphite: its layers are held together by 0.05 eV per atom, which the
methods here do not describe.

"h-BN" is the sum μ_B + μ_N = E(BN), from which the potential of the other element is subtracted.

`PhaseEnergies` holds energies of phases from a table (`matgym.data.phases`), by the method that computed them. Energies
of two methods have no common zero, so that a model takes only those of its own method.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError, require_within

if TYPE_CHECKING:
    from ase import Atoms

ENERGIES_EV: Final = (-1e6, 1e6)
"""Lowest and highest chemical potential, eV: all electrons of an atom have less. A choice of ours."""

REFERENCES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"C": ("tube", "graphite"), "B": ("h-BN", "alpha-B"), "N": ("h-BN", "N2")}
)
"""Names of the phases that may fix the chemical potential of an element; "tube" is the pristine tube."""

Condition: TypeAlias = Literal["elements", "N-rich", "B-rich", "balanced"]
"""What fixes the chemical potentials of B and N: see `PhaseEnergies`."""

PAIR: Final = "BN"
"""Key of the energy of a formula unit of boron nitride beside those of the elements."""


@dataclass(frozen=True)
class Phase:
    """A phase whose energy is a reference.

    Attributes:
        name: what it is in its table, such as "C2 (mp-48)".
        energy_ev: energy, eV per atom; of boron nitride, per formula unit.
    """

    name: str
    energy_ev: float


@dataclass(frozen=True)
class PhaseEnergies:
    """Reference energies of a table, by the method that computed them.

    Attributes:
        source: name of the table in messages.
        phases: phases by method and element; the phase of `PAIR` is boron nitride.
        condition: what fixes the chemical potentials of B and N. "elements": their own phases; an element without one
            gets what the other one leaves of E(BN), and if neither has one, only their sum is known. "N-rich": N by its
            own phase and B by BN. "B-rich": B by its own phase and N by BN. "balanced": the mean of the last two.

    Raises:
        ConfigurationError: if there is no such condition.
    """

    source: str
    phases: Mapping[str, Mapping[str, Phase]]
    condition: Condition = "elements"

    def __post_init__(self) -> None:
        if self.condition not in get_args(Condition):
            raise ConfigurationError(f"condition={self.condition!r}: choose from {', '.join(get_args(Condition))}")

    def check(self, methods: Collection[str]) -> None:
        """Check that there are energies by one of several methods, with the phases of the condition.

        Raises:
            ConfigurationError: if there are none.
        """
        common = set(methods) & set(self.phases)
        if not common:
            raise ConfigurationError(
                f"the reference energies of {self.source} are by {' and '.join(sorted(self.phases))}, and formation "
                f"energies are computed by {' or '.join(sorted(methods))}: give energies of phases by the same method, "
                "because energies of two methods have no common zero"
            )
        for method in sorted(common):
            self.potentials_ev(method)

    def potentials_ev(self, method: str) -> dict[str, float]:
        """Return the chemical potentials of elements by a method, eV per atom, and the energy of `PAIR` if it is known.

        Raises:
            ConfigurationError: if there are no energies by this method, or a phase of the condition is missing.
        """
        if method not in self.phases:
            self.check([method])
        given = {name: phase.energy_ev for name, phase in self.phases[method].items()}
        needed = {"N-rich": ("N", PAIR), "B-rich": ("B", PAIR), "balanced": ("B", "N", PAIR)}.get(self.condition, ())
        if lacking := [each for each in needed if each not in given]:
            raise ConfigurationError(
                f"the condition {self.condition!r} needs a phase of {' and of '.join(lacking)}, and {self.source} has "
                f"none by {method}, only those of {', '.join(given)}"
            )
        if self.condition == "N-rich":
            given["B"] = given[PAIR] - given["N"]
        elif self.condition == "B-rich":
            given["N"] = given[PAIR] - given["B"]
        elif self.condition == "balanced":
            gain = given[PAIR] - given["B"] - given["N"]
            given["B"], given["N"] = given["B"] + gain / 2.0, given["N"] + gain / 2.0
        return given

    def note(self, method: str) -> str:
        """Return what must be known with a formation energy by these references."""
        how = "" if self.condition == "elements" else f", {self.condition}"
        return f"formation energy from chemical potentials by {method} of {self.source}{how}"


References: TypeAlias = Mapping[str, float | str] | PhaseEnergies
"""Chemical potentials by element, eV per atom, or the names of phases; with the key `PAIR`, the energy of a formula
unit of h-BN. Or energies of phases of a table."""

BONDS_ANGSTROM: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {"graphite": (1.38, 1.50), "h-BN": (1.35, 1.55), "N2": (1.05, 1.15)}
)
"""Range of bond lengths in which the energy of a phase is least, Å."""

_ALPHA_BORON: Final = (5.057, 58.06, ((0.0104, -0.3427), (0.2206, -0.3677)))
"""Edge, Å, angle, degrees, and (x, z) of the two sites of the rhombohedral cell of α-B: Decker and Kasper, Acta Cryst.
12, 503 (1959)."""


def check_references(given: References, methods: Collection[str] = ()) -> None:
    """Check chemical potentials.

    Args:
        given: the chemical potentials.
        methods: methods that may compute the formation energy; those of `PhaseEnergies` must be by one of them. Empty
            if they are not known yet.

    Raises:
        ConfigurationError: if an element or a name is unknown, an energy is out of range, or all are by other methods.
    """
    if isinstance(given, PhaseEnergies):
        if methods:
            given.check(methods)
        return
    for element, value in given.items():
        if element not in REFERENCES and (element != PAIR or isinstance(value, str)):
            raise ConfigurationError(f"chemical_potentials_ev holds {element!r}: give {', '.join(REFERENCES)}")
        if not isinstance(value, str):
            require_within(*ENERGIES_EV, **{f"chemical_potentials_ev[{element!r}]": value})
        elif value not in REFERENCES[element]:
            known = " or ".join(REFERENCES[element])
            raise ConfigurationError(
                f"chemical_potentials_ev[{element!r}]={value!r} is no known phase: give {known}, or an energy in eV"
            )


def potentials_ev(
    given: References, reference_ev: Callable[[str], float], method: str, *, doped: bool
) -> dict[str, float]:
    """Return the chemical potentials of the elements for which one was given, eV per atom, and that of `PAIR`.

    Args:
        given: energies, or names of phases. "tube" and "h-BN" stand for what is taken by default.
        reference_ev: function that returns the energy of a phase by name, eV per atom.
        method: method that computes the tube.
        doped: whether there is B or N; for carbon alone those of B and N are left out, which its potential may not
            know.

    Raises:
        RelaxationError: if the energies are those of a table that has none by this method, or lacks a phase.
    """
    if isinstance(given, PhaseEnergies):
        try:
            given = given.potentials_ev(method)
        except ConfigurationError as error:
            raise RelaxationError(str(error)) from None
    return {
        element: reference_ev(value) if isinstance(value, str) else value
        for element, value in given.items()
        if value not in {"tube", "h-BN"} and (doped or element == "C")
    }


def dopants_ev(boron: float, nitrogen: float, given: Mapping[str, float], pair_ev: Callable[[], float]) -> float | None:
    """Return the energy, eV, of numbers of B and N atoms in their reference phases; None if a reference is missing.

    Args:
        boron: number of B atoms.
        nitrogen: number of N atoms.
        given: chemical potentials, eV, and the energy of `PAIR` if it is given.
        pair_ev: function that returns the energy of `PAIR` if it is not given.
    """
    if (not boron or "B" in given) and (not nitrogen or "N" in given):
        return boron * given.get("B", 0.0) + nitrogen * given.get("N", 0.0)
    pair = given[PAIR] if PAIR in given else pair_ev()
    if "N" in given:
        return boron * (pair - given["N"]) + nitrogen * given["N"]
    if "B" in given:
        return boron * given["B"] + nitrogen * (pair - given["B"])
    return boron * pair if boron == nitrogen else None


def flat_sheet(symbols: str, bond_angstrom: float, vacuum_angstrom: float) -> "Atoms":
    """Return the rectangular cell of four atoms of a flat honeycomb sheet, such as "BNBN"."""
    from ase import Atoms

    width = np.sqrt(3.0) * bond_angstrom
    heights = np.array([0.0, 1.0, 1.5, 2.5]) * bond_angstrom
    places = np.column_stack([[0.0, 0.0, width / 2.0, width / 2.0], heights, np.full(4, vacuum_angstrom / 2.0)])
    return Atoms(symbols, places, cell=[width, 3.0 * bond_angstrom, vacuum_angstrom], pbc=True)


def nitrogen_molecule(bond_angstrom: float, box_angstrom: float) -> "Atoms":
    """Return N₂ in an empty cubic box."""
    from ase import Atoms

    return Atoms("N2", [[0.0, 0.0, 0.0], [0.0, 0.0, bond_angstrom]], cell=[box_angstrom] * 3, pbc=True)


def alpha_boron() -> "Atoms":
    """Return the rhombohedral cell of α-B, one icosahedron, in the measured geometry."""
    from ase import Atoms
    from ase.geometry import cellpar_to_cell

    edge, angle, sites = _ALPHA_BORON
    fractions = [place for x, z in sites for place in ((x, x, z), (x, z, x), (z, x, x))]
    both = np.array([*fractions, *(-np.array(fractions))])
    return Atoms("B12", scaled_positions=np.mod(both, 1.0), cell=cellpar_to_cell([edge] * 3 + [angle] * 3), pbc=True)


def least_ev(energy: Callable[[float], float], name: str, tolerance: float) -> float:
    """Return the least energy of a phase over its bond length.

    Args:
        energy: function of a bond length, Å, that returns an energy, eV.
        name: name of the phase in `BONDS_ANGSTROM`.
        tolerance: error of the bond length, Å.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(energy, bounds=BONDS_ANGSTROM[name], method="bounded", options={"xatol": tolerance})
    return float(found.fun)
