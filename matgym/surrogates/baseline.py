"""The part of a property that is computed without learning; a network learns the rest.

The network learns the gap as its difference from the gap of the pristine tube, which zone folding with curvature gives
in closed form, and energies as the energy per site. Only so can a network that pools by the mean predict tubes of other
sizes.

The values of a cheaper oracle may be inputs of the network in addition to the raster (`informed_by`). This pays for an
expensive property only: a gap takes some 10 ms, a network 0.2 ms. ZT takes 400 ms, nearly all of them for the phonons.
For ZT the electrons are computed, and the network learns the effect of the tube's own phonons: ZT divided by the ZT
with the phonons of the pristine tube, a number between 1 and the ratio of the two thermal conductances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np

from matgym.data import Dataset
from matgym.errors import DatasetError, PropertyError
from matgym.frozen import ValueObject
from matgym.models import Cost, Level, Model, Predictions, Space
from matgym.physics import GAP_EV, ZT, PiElectrons, PiParameters, PristinePhonons, Property, Thermoelectric
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.electrons.self_consistent_transport import SelfConsistentTransport
from matgym.physics.mechanics.bonded import BondedStrength
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.domain import check_undeformed, outside_space, unknown_species
from matgym.typing import FloatArray, SpeciesArray

STEPS: Final = 4
"""Steps of the potentials for ZT, which hangs on the edges of bands: R² within unseen chiralities is 0.67 without,
0.85 with two and 0.97 with four of them (22 tubes)."""

UNINFORMED: Final = "the physics that this surrogate needs as input could not be computed"
"""Reason of a failure."""


@dataclass(frozen=True)
class PristineModel:
    """The π-electron model of the undecorated tube; a stored network predicts differences from its values.

    Attributes:
        hopping_ev: hopping energy between neighbours, eV.
        curvature: whether the curvature of the tube tilts the orbitals.
    """

    hopping_ev: float = PiParameters().hopping_ev
    curvature: bool = True

    def parameters(self) -> PiParameters:
        """Return the parameters in the form that the oracle takes."""
        return PiParameters(hopping_ev=self.hopping_ev, curvature=self.curvature)


@lru_cache(maxsize=4096)
def pristine_value(lattice: TubeLattice, key: str, model: PristineModel = PristineModel()) -> float:  # frozen
    """Return the property of the undecorated tube if it is known in closed form, otherwise zero."""
    if key == GAP_EV.key:
        return pristine_gap(Nanotube(lattice.n, lattice.m, lattice.cells), model.parameters())
    return 0.0


def known(
    lattice: TubeLattice, keys: Sequence[str], model: PristineModel, informed_by: Sequence[str], physics: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return (properties,) offsets and (B, properties) factors: value = offset + factor * learned value.

    `physics` are (B, informed) values of the physics that is an input of the network.
    """
    offset = np.array([pristine_value(lattice, key, model) for key in keys])
    factor = np.array([float(lattice.n_sites) if PROPERTIES_BY_KEY[key].extensive else 1.0 for key in keys])
    return offset, factor * corrections(keys, informed_by, physics)


class LearnedModel(Model):
    """The common base of models that learn the part of a property that is not `known`.

    Attributes:
        predicted: keys of the predicted properties, in order.
        species: species that the model was fitted on, besides carbon; tubes with other species count as failures.
        informed_by: physics that is computed for each tube as further inputs; see `informants`.
        baseline: the π-electron model that gives the gap of the pristine tube.
    """

    predicted: tuple[str, ...]
    species: tuple[Species, ...]
    informed_by: tuple[str, ...]
    baseline: PristineModel

    @property
    def properties(self) -> tuple[Property, ...]:
        """The properties that the model was fitted to."""
        return tuple(PROPERTIES_BY_KEY[key] for key in self.predicted)

    def unsupported(self, space: Space) -> str:
        """Return why the model cannot predict a design space: turned bonds, strain, or species it was not fitted on."""
        return outside_space(space, self.species)

    def physics(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """Return the (B, informed) physics inputs of B tubes of one lattice, given as (B, n_sites) codes.

        Raises:
            PropertyError: if a site holds a species that the model was not fitted on.
        """
        if reason := unknown_species(species, self.species):
            raise PropertyError(reason)
        return informed_values(self.informed_by, lattice, species)

    def known(self, lattice: TubeLattice, physics: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (properties,) offsets and (B, properties) factors: value = offset + factor * learned value."""
        return known(lattice, self.predicted, self.baseline, self.informed_by, physics)


# ---- physics as an input


@dataclass(frozen=True)
class Informant:
    """The source of a physics input.

    Attributes:
        oracle: the oracle that computes the input.
        key: the oracle's key of the input.
        corrects: key of the property that the input approximates; the network then learns a factor of correction.
    """

    oracle: Model
    key: str
    corrects: str | None = None


@lru_cache(maxsize=1)
def informants() -> Mapping[str, Informant]:
    """Return the physics inputs by name."""
    electrons = PiElectrons()
    of_electrons = {prop.key: Informant(electrons, prop.key) for prop in electrons.properties}
    # The same by names that labels of a higher level cannot have.
    of_electrons |= {f"pi_{prop.key}": Informant(electrons, prop.key) for prop in electrons.properties}
    charged, bonded = SelfConsistentElectrons(), BondedStrength()
    of_charged = {f"scc_{prop.key}": Informant(charged, prop.key) for prop in charged.properties}
    of_bonds = {prop.key: Informant(bonded, prop.key) for prop in bonded.properties}
    of_heat = {
        "zt_pristine_phonons": Informant(Thermoelectric(phonons=PristinePhonons()), "zt", "zt"),
        "zt_of_surrogates": Informant(_OfSurrogates(), "zt", "zt"),
    }
    return of_electrons | of_charged | of_bonds | of_heat


class _OfSurrogates(Model):
    """ZT from the transmission in the potentials of the shipped surrogate of the gap, and the shipped one of heat."""

    properties = (ZT,)
    level = Level.SCC_PI
    validity = "tubes in the domains of both surrogates"
    cost = Cost(seconds=1.0, sites=88, exponent=2.0)
    """Cost, estimated on one core of an Intel Xeon server."""

    @cached_property
    def parts(self) -> Model:
        """The two together; loaded when they are first needed."""
        from matgym.surrogates.store import load  # imports this module

        gap: Any = load("nanotube-gap")
        charges = replace(gap, settings={**gap.settings, "steps": STEPS})
        return Thermoelectric(electrons=SelfConsistentTransport(charges=charges), phonons=load("nanotube-heat"))

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the ZT of each tube."""
        return self.parts.predict(tubes).only([ZT.key])


def check_informants(keys: Sequence[str]) -> None:
    """Check names of physics inputs.

    Raises:
        PropertyError: if there is no such input.
    """
    for key in keys:
        if key not in informants():
            raise PropertyError(f"there is no physics {key!r} to give as input; there is {', '.join(informants())}")


def informed_values(keys: Sequence[str], lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
    """Return the (B, len(keys)) physics inputs of B tubes of one lattice; NaN where an oracle fails."""
    return physics_inputs(keys, TubeBatch.uniform(lattice, species))


def physics_inputs(keys: Sequence[str], tubes: TubeBatch) -> FloatArray:
    """Return the (B, len(keys)) physics inputs of B tubes of any lattices; NaN where an oracle fails."""
    values = np.empty((len(tubes), len(keys)))
    predictions: dict[int, Predictions] = {}  # by oracle, which may compute several inputs
    for column, key in enumerate(keys):
        informant = informants()[key]
        if id(informant.oracle) not in predictions:
            predictions[id(informant.oracle)] = informant.oracle.predict(tubes)
        values[:, column] = predictions[id(informant.oracle)][informant.key]
    return values


def with_physics(data: Dataset, keys: Sequence[str]) -> Dataset:
    """Return a data set with its physics inputs as columns, so that several fits need not compute them anew.

    Raises:
        DatasetError: if a column of the same name holds labels of another level.
    """
    for key in set(keys) & set(data.keys):
        level = informants()[key].oracle.level
        if others := sorted({str(found) for found in data.levels(key) if found not in {level, None}}):
            raise DatasetError(
                f"the labels {key!r} are by {', '.join(others)}, and the input of that name is by {level}: give "
                f"'pi_{key}' in informed_by, or leave it out"
            )
    missing = [key for key in keys if key not in data.keys]
    for key, column in zip(missing, physics_inputs(missing, data.batch).T, strict=True):
        data = data.with_column(key, column, informants()[key].oracle.level)
    return data


def physics_of(data: Dataset, keys: Sequence[str]) -> FloatArray:
    """Return (rows, len(keys)) physics inputs, computed where the data set does not hold them as labels."""
    complete = with_physics(data, keys)
    return np.stack([complete.values(key) for key in keys], axis=1) if keys else np.empty((len(data), 0))


def corrections(properties: Sequence[str], informed_by: Sequence[str], physics: FloatArray) -> FloatArray:
    """Return (B, properties) factors of the networks' values: the approximations that they correct, or 1."""
    factors = np.ones((len(physics), len(properties)))
    for column, name in enumerate(informed_by):
        if (key := informants()[name].corrects) in properties:
            factors[:, properties.index(key)] = np.maximum(physics[:, column], np.finfo(np.float32).tiny)
    return factors


# ---- what is to be learned


@dataclass(frozen=True)
class Group(ValueObject):
    """Labelled tubes of one lattice.

    Attributes:
        lattice: lattice of the tubes.
        species: (k, n_sites) codes.
        labels: (k, properties) labels.
        learned: (k, properties) values to learn: labels without the part that is known without learning.
        factor: (k, properties) factors of the learned values in the labels.
        informed: (k, informed) physics inputs.
    """

    lattice: TubeLattice
    species: SpeciesArray
    labels: FloatArray
    learned: FloatArray
    factor: FloatArray
    informed: FloatArray


def groups_of(data: Dataset, keys: Sequence[str], informed_by: Sequence[str]) -> list[Group]:
    """Return the rows of a data set by lattice, with the values to learn.

    Raises:
        DatasetError: if a tube is deformed or reconstructed.
        PropertyError: if the data have no labels of a property.
    """
    labels = np.stack([data.values(key) for key in keys], axis=1)
    check_undeformed(data.batch)
    physics = physics_of(data, informed_by)
    groups = []
    for lattice, rows, species, _ in data.by_lattice():
        offset, factor = known(lattice, keys, PristineModel(), informed_by, physics[rows])
        groups.append(Group(lattice, species, labels[rows], (labels[rows] - offset) / factor, factor, physics[rows]))
    return groups
