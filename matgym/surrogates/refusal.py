"""What a surrogate cannot see at all, and says so rather than guess."""

from collections.abc import Sequence

import numpy as np

from matgym.structures import Nanotube, Species
from matgym.structures.species import CARBONS, SPECIES_DATA
from matgym.typing import SpeciesArray


def refusal(tube: Nanotube, known: Sequence[Species]) -> str:
    """Why a tube is none that a surrogate of undeformed tubes with these species can see; empty if it is one."""
    for deed, done in (("strained", tube.strain), ("twisted", tube.torsion), ("reconstructed", tube.stone_wales)):
        if done:
            return f"{tube} is {deed}, which this surrogate does not know: ask the oracle"
    return unknown_species(tube.species, known)


def unknown_species(species: SpeciesArray, known: Sequence[Species]) -> str:
    """Which species a surrogate was not trained on; empty if it knows all of them, and carbon of any isotope."""
    unseen = ~np.isin(species, [*CARBONS, *known])
    if not unseen.any():
        return ""
    odd = SPECIES_DATA[Species(int(species[unseen][0]))].label
    names = ", ".join(SPECIES_DATA[kind].label for kind in known)
    return f"a site holds {odd}, which this surrogate does not know: it was trained on carbon, {names}"
