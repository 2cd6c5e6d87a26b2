"""Units and constants, each with its source.

Names of quantities end in their unit: `gap_ev`, `diameter_nm`, `length_angstrom`, `strain` (dimensionless).
"""

from typing import Final

ANGSTROM_PER_NM: Final = 10.0

CARBON_BOND_ANGSTROM: Final = 1.42
"""Carbon-carbon bond length of graphene, Å: Saito, Dresselhaus and Dresselhaus, *Physical Properties of
Carbon Nanotubes* (1998), 1.42 Å in graphite; also the default of ASE's nanotube builder."""

POISSON_RATIO: Final = 0.149
"""In-plane Poisson ratio of a carbon shell: Kudin, Scuseria and Yakobson, Phys. Rev. B 64, 235406 (2001).
Cited from memory, as yet unverified (flag M)."""
