"""What is known of a property before any learning: a network learns the rest.

The gap is learned as its difference from the pristine tube's, which zone folding with curvature gives at once, and
energies as their value a site. A network that pools by the mean can then speak of tubes of other sizes at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from matgym.data import Dataset
from matgym.physics import GAP_EV, PiParameters, Property
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, TubeLattice
from matgym.surrogates.domain import check_undeformed
from matgym.surrogates.informed import corrections, physics_of
from matgym.typing import FloatArray, SpeciesArray


@dataclass(frozen=True)
class PristineModel:
    """The π model of the undecorated tube: what a stored network's values are differences from.

    Attributes:
        hopping_ev: between neighbours, eV.
        curvature: whether bent bonds count.
    """

    hopping_ev: float = PiParameters().hopping_ev
    curvature: bool = True

    def parameters(self) -> PiParameters:
        """As the oracle takes them."""
        return PiParameters(hopping_ev=self.hopping_ev, curvature=self.curvature)


@lru_cache(maxsize=4096)
def pristine_value(lattice: TubeLattice, prop: Property, model: PristineModel) -> float:
    """The property of the undecorated tube where it is known in closed form, otherwise zero."""
    if prop == GAP_EV:
        return pristine_gap(Nanotube(lattice.n, lattice.m, lattice.cells), model.parameters())
    return 0.0


def known(
    lattice: TubeLattice, properties: tuple[Property, ...], model: PristineModel
) -> tuple[FloatArray, FloatArray]:
    """(properties,) offset and (properties,) factor: value = offset + factor * what is learned."""
    offset = np.array([pristine_value(lattice, prop, model) for prop in properties])
    factor = np.array([float(lattice.n_sites) if prop.extensive else 1.0 for prop in properties])
    return offset, factor


@dataclass(frozen=True)
class Group:
    """Labelled tubes of one lattice.

    Attributes:
        lattice: theirs.
        species: (k, n_sites) codes.
        labels: (k, properties).
        learned: (k, properties) labels less what is known without learning.
        factor: (k, properties) of what is learned, in the label.
        informed: (k, informed) physics that is given as input.
    """

    lattice: TubeLattice
    species: SpeciesArray
    labels: FloatArray
    learned: FloatArray
    factor: FloatArray
    informed: FloatArray


def groups_of(data: Dataset, keys: Sequence[str], informed_by: Sequence[str]) -> list[Group]:
    """The rows of a data set by lattice, with all that is to be learned of them.

    Raises:
        DatasetError: if a tube is deformed or reconstructed.
        PropertyError: if the data hold no such property.
    """
    labels = np.stack([data.values(key) for key in keys], axis=1)
    check_undeformed(data.batch)
    physics = physics_of(data, informed_by)
    groups = []
    for lattice, rows, species, _ in data.by_lattice():
        offset, factor = known(lattice, tuple(PROPERTIES_BY_KEY[key] for key in keys), PristineModel())
        factor = factor * corrections(keys, informed_by, physics[rows])
        groups.append(Group(lattice, species, labels[rows], (labels[rows] - offset) / factor, factor, physics[rows]))
    return groups
