"""What makes a design valid: the composition asked for, and no bond between two atoms of the same dopant.

Boron and nitrogen in graphene mix as B-N pairs and domains; bonds between like dopants cost energy (Ci et al.,
*Nat. Mater.* 9, 430 (2010), on domains; remembered, not re-read). To forbid them outright is a rule of ours: half of
the data set's structures, drawn without regard to it, break it.
"""

from typing import Final

import numpy as np

from matgym.structures import Species, SubstitutionEdits, TubeLattice
from matgym.typing import BoolArray, IntArray, SpeciesArray

DOPANTS: Final = (Species.B, Species.N)


def like_bonds(lattice: TubeLattice, species: SpeciesArray) -> IntArray:
    """(B,) bonds between two atoms of boron, or two of nitrogen; isotopes and vacancies may lie as they like.

    Args:
        lattice: shared by all tubes.
        species: (B, n_sites) codes.
    """
    first, second = species[:, lattice.bonds[:, 0]], species[:, lattice.bonds[:, 1]]
    return np.asarray(((first == second) & np.isin(first, DOPANTS)).sum(axis=1), dtype=np.int64)


def valid(lattice: TubeLattice, species: SpeciesArray, edits: SubstitutionEdits) -> BoolArray:
    """(B,) whether the composition is exactly that of `edits`, and no two like dopants are bonded."""
    return np.asarray(edits.complete(species) & (like_bonds(lattice, species) == 0))
