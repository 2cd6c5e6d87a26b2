"""What is known of a property before any learning: a network learns the rest.

The gap is learned as its difference from the pristine tube's, which zone folding with curvature gives at once, and
energies as their value a site. A network that pools by the mean can then speak of tubes of other sizes at all.

What a cheaper oracle says of a tube may be given to the network beside the raster (`informed_by`). For an expensive
property only: a gap takes some 10 ms where a network takes 0.2. ZT takes 400 ms, nearly all of them for the phonons.
Its electrons are computed, and the network learns what the tube's own phonons change: ZT over the ZT that the pristine
tube's phonons would give, a number between 1 and the ratio of the two thermal conductances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from matgym.data import Dataset
from matgym.errors import PropertyError
from matgym.models import Model, Predictions, Space
from matgym.physics import GAP_EV, PiElectrons, PiParameters, PristinePhonons, Property, Thermoelectric
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.domain import check_undeformed, outside_space, unknown_species
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
def pristine_value(lattice: TubeLattice, key: str, model: PristineModel = PristineModel()) -> float:  # frozen
    """The property of the undecorated tube where it is known in closed form, otherwise zero."""
    if key == GAP_EV.key:
        return pristine_gap(Nanotube(lattice.n, lattice.m, lattice.cells), model.parameters())
    return 0.0


def known(
    lattice: TubeLattice, keys: Sequence[str], model: PristineModel, informed_by: Sequence[str], physics: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(properties,) offset and (B, properties) factor: value = offset + factor * what is learned.

    `physics` are (B, informed) values of the physics that is given as input.
    """
    offset = np.array([pristine_value(lattice, key, model) for key in keys])
    factor = np.array([float(lattice.n_sites) if PROPERTIES_BY_KEY[key].extensive else 1.0 for key in keys])
    return offset, factor * corrections(keys, informed_by, physics)


class LearnedModel(Model):
    """What models share that learn what is not `known`.

    Attributes:
        predicted: keys of the properties it predicts, in order.
        species: that it was fitted on, besides carbon; tubes with others are failures.
        informed_by: physics that is computed for each tube as further inputs; see `informants`.
        baseline: of the π model whose pristine gap is known without learning.
    """

    predicted: tuple[str, ...]
    species: tuple[Species, ...]
    informed_by: tuple[str, ...]
    baseline: PristineModel

    @property
    def properties(self) -> tuple[Property, ...]:
        """The properties it was fitted to."""
        return tuple(PROPERTIES_BY_KEY[key] for key in self.predicted)

    def unsupported(self, space: Space) -> str:
        """Why it cannot serve a design space: turned bonds, strain, or species that it was not fitted to."""
        return outside_space(space, self.species)

    def physics(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """(B, informed) what physics is given as input of B tubes of one lattice, given as (B, n_sites) codes.

        Raises:
            PropertyError: if a site holds a species that was not fitted.
        """
        if reason := unknown_species(species, self.species):
            raise PropertyError(reason)
        return informed_values(self.informed_by, lattice, species)

    def known(self, lattice: TubeLattice, physics: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(properties,) offset and (B, properties) factor: value = offset + factor * what is learned."""
        return known(lattice, self.predicted, self.baseline, self.informed_by, physics)


# ---- physics as an input


@dataclass(frozen=True)
class Informant:
    """Where an input comes from.

    Attributes:
        oracle: that computes it.
        key: by which the oracle has it.
        corrects: key of the property of which it is an approximation that the network corrects by a factor.
    """

    oracle: Model
    key: str
    corrects: str | None = None


@lru_cache(maxsize=1)
def informants() -> Mapping[str, Informant]:
    """Inputs by name."""
    electrons = PiElectrons()
    found = {prop.key: Informant(electrons, prop.key) for prop in electrons.properties}
    return found | {"zt_pristine_phonons": Informant(Thermoelectric(phonons=PristinePhonons()), "zt", "zt")}


def informed_values(keys: Sequence[str], lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
    """(B, len(keys)) what the informants say of B tubes of one lattice; NaN where an oracle fails."""
    return _informed(keys, TubeBatch.uniform(lattice, species))


def _informed(keys: Sequence[str], tubes: TubeBatch) -> FloatArray:
    values = np.empty((len(tubes), len(keys)))
    found: dict[int, Predictions] = {}  # by oracle, which may give several
    for column, key in enumerate(keys):
        informant = informants()[key]
        if id(informant.oracle) not in found:
            found[id(informant.oracle)] = informant.oracle.predict(tubes)
        values[:, column] = found[id(informant.oracle)][informant.key]
    return values


def with_physics(data: Dataset, keys: Sequence[str]) -> Dataset:
    """A data set that holds its informants' values, so that several fits need not compute them anew."""
    missing = [key for key in keys if key not in data.keys]
    for key, column in zip(missing, _informed(missing, data.batch).T, strict=True):
        data = data.with_column(key, column, informants()[key].oracle.level)
    return data


def physics_of(data: Dataset, keys: Sequence[str]) -> FloatArray:
    """(rows, len(keys)) the informants' values, computed where the data set does not hold them as labels."""
    held = with_physics(data, keys)
    return np.stack([held.values(key) for key in keys], axis=1) if keys else np.empty((len(data), 0))


def corrections(properties: Sequence[str], informed_by: Sequence[str], physics: FloatArray) -> FloatArray:
    """(B, properties) by what the networks' values are multiplied: the approximations that they correct, or 1."""
    factors = np.ones((len(physics), len(properties)))
    for column, name in enumerate(informed_by):
        if (key := informants()[name].corrects) in properties:
            factors[:, properties.index(key)] = np.maximum(physics[:, column], np.finfo(np.float32).tiny)
    return factors


# ---- what is to be learned


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
        offset, factor = known(lattice, keys, PristineModel(), informed_by, physics[rows])
        groups.append(Group(lattice, species, labels[rows], (labels[rows] - offset) / factor, factor, physics[rows]))
    return groups
