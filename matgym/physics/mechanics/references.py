"""Chemical potentials of atoms by the names of the phases that fix them: graphite, h-BN, N₂ and α-B.

A formation energy takes the chemical potential of each element on the energy scale of its own method, so a phase is
computed by that method. The sheet stands for graphite: its layers are held together by 0.05 eV per atom, which the
methods here do not describe.

"h-BN" is the sum μ_B + μ_N = E(BN), from which the potential of the other element is subtracted.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, require_within

if TYPE_CHECKING:
    from ase import Atoms

ENERGIES_EV: Final = (-1e6, 1e6)
"""Lowest and highest chemical potential, eV: all electrons of an atom have less. A choice of ours."""

REFERENCES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"C": ("tube", "graphite"), "B": ("h-BN", "alpha-B"), "N": ("h-BN", "N2")}
)
"""Names of the phases that may fix the chemical potential of an element; "tube" is the pristine tube."""

References: TypeAlias = Mapping[str, float | str]
"""Chemical potentials by element, eV per atom, or the names of phases."""

BONDS_ANGSTROM: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {"graphite": (1.38, 1.50), "h-BN": (1.35, 1.55), "N2": (1.05, 1.15)}
)
"""Range of bond lengths in which the energy of a phase is least, Å."""

_ALPHA_BORON: Final = (5.057, 58.06, ((0.0104, -0.3427), (0.2206, -0.3677)))
"""Edge, Å, angle, degrees, and (x, z) of the two sites of the rhombohedral cell of α-B: Decker and Kasper, Acta Cryst.
12, 503 (1959)."""


def check_references(given: References) -> None:
    """Check chemical potentials.

    Raises:
        ConfigurationError: if an element or a name is unknown, or an energy is out of range.
    """
    for element, value in given.items():
        if element not in REFERENCES:
            raise ConfigurationError(f"chemical_potentials_ev holds {element!r}: give {', '.join(REFERENCES)}")
        if not isinstance(value, str):
            require_within(*ENERGIES_EV, **{f"chemical_potentials_ev[{element!r}]": value})
        elif value not in REFERENCES[element]:
            known = " or ".join(REFERENCES[element])
            raise ConfigurationError(
                f"chemical_potentials_ev[{element!r}]={value!r} is no known phase: give {known}, or an energy in eV"
            )


def potentials_ev(given: References, reference_ev: Callable[[str], float], *, doped: bool) -> dict[str, float]:
    """Return the chemical potentials of the elements for which one was given, eV per atom.

    Args:
        given: energies, or names of phases. "tube" and "h-BN" stand for what is taken by default.
        reference_ev: function that returns the energy of a phase by name, eV per atom.
        doped: whether there is B or N; for carbon alone those of B and N are left out, which its potential may not
            know.
    """
    return {
        element: reference_ev(value) if isinstance(value, str) else value
        for element, value in given.items()
        if value not in {"tube", "h-BN"} and (doped or element == "C")
    }


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
