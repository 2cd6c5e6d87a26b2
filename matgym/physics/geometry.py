"""Diameter and length of a tube, computed exactly from its structure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from typing_extensions import override

from matgym.models import Level, Model, Predictions, Property
from matgym.structures import Nanotube, TubeBatch, TubeLattice, tube_lattice
from matgym.units import ANGSTROM_PER_NM, POISSON_RATIO

DIAMETER_NM: Final = Property("diameter_nm", "nm", "diameter, narrowed by axial strain")
LENGTH_NM: Final = Property("length_nm", "nm", "axial period", extensive=True)


@dataclass(frozen=True)
class Geometry(Model):
    """The oracle of the diameter and the length of the rolled sheet, under strain."""

    properties = (DIAMETER_NM, LENGTH_NM)
    level = Level.GEOMETRY

    @override
    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the diameter and the length of each tube, nm, of shape (B,)."""
        batch = TubeBatch.of(tubes)
        sizes = np.array([_size(lattice) for lattice in batch.lattices]).reshape(-1, 2)[batch.lattice_index]
        diameter, length = sizes.T
        return Predictions(
            {
                DIAMETER_NM.key: diameter * (1.0 - POISSON_RATIO * batch.strain),
                LENGTH_NM.key: length * (1.0 + batch.strain),
            }
        )


@lru_cache(maxsize=16_384)
def _size(lattice: TubeLattice) -> tuple[float, float]:
    """Return the diameter and the length of the unstrained tube, nm."""
    unit = tube_lattice(lattice.n, lattice.m, 1)
    return unit.diameter_nm, unit.length_angstrom / ANGSTROM_PER_NM * lattice.cells
