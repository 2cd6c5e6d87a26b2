"""Physics as an input: what the π tight-binding oracle says of a tube, given to the network beside the raster.

For an expensive property only: a gap takes some 10 ms where a network takes 0.2 and ZT 400.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from matgym.errors import PropertyError
from matgym.oracles import PiElectrons
from matgym.structures import TubeLattice, tubes_on
from matgym.typing import FloatArray, SpeciesArray


@lru_cache(maxsize=1)
def _oracle() -> PiElectrons:
    return PiElectrons()


def check_informed(keys: Sequence[str]) -> None:
    """Refuse what the π oracle does not compute."""
    known = [prop.key for prop in _oracle().provides]
    for key in keys:
        if key not in known:
            raise PropertyError(
                f"physics as an input comes from the π oracle, which gives {', '.join(known)}, not {key!r}"
            )


def informed_values(keys: Sequence[str], lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
    """(B, len(keys)) what the π oracle says of B tubes of one lattice."""
    found = _oracle().evaluate(tubes_on(lattice, species))
    return np.stack([found[key] for key in keys], axis=1)
