"""Physical constants and conversions of units, with their sources.

The names of quantities end in their unit: `gap_ev`, `diameter_nm`, `length_angstrom`, `strain` (dimensionless).
"""

from typing import Final

ANGSTROM_PER_NM: Final = 10.0
"""Ångströms in a nanometre."""

CARBON_BOND_ANGSTROM: Final = 1.42
"""Carbon-carbon bond length of graphene, Å: Saito, Dresselhaus and Dresselhaus, *Physical Properties of
Carbon Nanotubes* (1998), 1.42 Å in graphite; also the default of ASE's nanotube builder."""

POISSON_RATIO: Final = 0.149
"""In-plane Poisson ratio of a carbon shell: Kudin, Scuseria and Yakobson, Phys. Rev. B 64, 235406 (2001).
Cited from memory, not verified yet (flag M)."""

BOLTZMANN_J_K: Final = 1.380649e-23
"""Boltzmann constant k_B, J/K, exact in the SI of 2019, as are the charge e = 1.602176634e-19 C and
h = 6.62607015e-34 J s."""

CHARGE_C: Final = 1.602176634e-19
"""Elementary charge, C."""

BOLTZMANN_EV_K: Final = 8.617333262145179e-5
"""Boltzmann constant k_B, eV/K."""

HBAR_J_S: Final = 1.0545718176461565e-34
"""Reduced Planck constant h/2π, J s."""

CONDUCTANCE_QUANTUM_US: Final = 77.48091729863649
"""Conductance quantum 2e²/h, µS."""

WALL_THICKNESS_NM: Final = 0.34
"""Conventional thickness of a wall for volumes and cross-sections, nm: the distance of layers in graphite (Robertson,
Brenner and Mintmire, Phys. Rev. B 45, 12592 (1992), flag M). Yakobson, Brabec and Bernholc, Phys. Rev. Lett. 76, 2511
(1996) discuss it (flag M)."""

GPA_NM2_PER_EV_PER_ANGSTROM: Final = 1.602176634
"""Conversion from eV/Å per nm² to GPa: 1 eV/Å is 1.602176634 nN, and 1 nN/nm² is 1 GPa (exact, by the
definition of the electronvolt)."""

ATOMIC_MASS_KG: Final = 1.66053906892e-27
"""Atomic mass unit u, kg: CODATA 2022."""

ROOM_K: Final = 298.15
"""Room temperature, 25 °C, in K."""

JOULE_KWH: Final = 3.6e6
"""Joules in a kilowatt-hour."""

CELSIUS_K: Final = 273.15
"""Temperature of 0 °C in K, exact by definition of the Celsius scale."""
