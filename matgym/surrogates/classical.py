"""Baselines without a network: ridge regression and boosted trees on descriptors.

Ridge: Hoerl and Kennard, Technometrics 12, 55 (1970), its penalty by leave-one-out errors; on pairs it is a cluster
expansion. Boosted trees: Ke et al., NeurIPS 2017, as scikit-learn has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError, PropertyError
from matgym.models import Cost, Model, Predictions, Property, Space
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.baseline import PristineModel, corrections, groups_of, informed_values, known
from matgym.surrogates.descriptors import Descriptor, composition, pairs
from matgym.surrogates.domain import outside_space, unknown_species, visible
from matgym.typing import FloatArray, SpeciesArray

CLASSICAL: Final[Mapping[str, tuple[Literal["ridge", "trees"], Descriptor]]] = {
    "ridge-composition": ("ridge", composition),
    "ridge-pairs": ("ridge", pairs),
    "trees-composition": ("trees", composition),
    "trees-pairs": ("trees", pairs),
}
"""Name to regressor and what it sees."""

PENALTIES: Final = np.logspace(-4.0, 4.0, 17)
"""From which ridge regression takes its own, for each property."""

MOST_TREES: Final = 1000
"""Reached only if the held-out share of the training rows keeps gaining."""

HELD_OUT: Final = 0.1
"""Share of the training rows by which boosting is stopped."""

PATIENCE: Final = 30
"""Trees without gain on them after which it stops."""


@dataclass(frozen=True, eq=False)
class ClassicalSurrogate(Model):
    """Regressors on descriptors as a model.

    Attributes:
        kind: one of `CLASSICAL`.
        predicted: keys of the properties it predicts, in order.
        species: that it was fitted on, besides carbon; tubes with others are failures.
        regressors: of scikit-learn, one a property, from descriptors to what `baseline.known` leaves to learn.
        informed_by: physics that is computed for each tube where the regressors correct it by a factor; see
            `matgym.surrogates.baseline`.
        baseline: of the π model whose pristine gap is known without learning.
    """

    kind: str
    predicted: tuple[str, ...]
    species: tuple[Species, ...]
    regressors: tuple[Any, ...]
    informed_by: tuple[str, ...] = ()
    baseline: PristineModel = field(default_factory=PristineModel)

    cost = Cost(seconds=5e-5, sites=128, exponent=1.0)
    """Of trees on pairs, the slowest; measured on one core of an AMD EPYC server, in batches of 256."""

    @property
    def properties(self) -> tuple[Property, ...]:
        """The properties it was fitted to."""
        return tuple(PROPERTIES_BY_KEY[key] for key in self.predicted)

    @property
    def name(self) -> str:
        """Of the kind of baseline."""
        return self.kind

    def unsupported(self, space: Space) -> str:
        """Why it cannot serve a design space: turned bonds, strain, or species that it was not fitted to."""
        return outside_space(space, self.species)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Predict every property of each tube.

        Args:
            tubes: B tubes, of any sizes; those of sizes unlike the training set's are extrapolations.

        Returns:
            Predictions of shape (B,); NaN, with the reason in `failures`, for tubes that are deformed or hold a species
            that was not fitted.
        """
        batch = TubeBatch.of(tubes)
        values = np.full((len(batch), len(self.predicted)), np.nan)
        failures, groups = visible(batch, self.species)
        for lattice, rows, species, _ in groups:
            values[rows] = self.values(lattice, species)
        return Predictions.together({key: values[:, k] for k, key in enumerate(self.predicted)}, failures)

    def values(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """(B, properties) predictions for B tubes of one lattice, given as (B, n_sites) codes.

        Raises:
            PropertyError: if a site holds a species that was not fitted.
        """
        if reason := unknown_species(species, self.species):
            raise PropertyError(reason)
        features = CLASSICAL[self.kind][1](lattice, species, self.species)
        learned = np.stack([regressor.predict(features) for regressor in self.regressors], axis=1)
        offset, factor = known(lattice, self.properties, self.baseline)
        physics = informed_values(self.informed_by, lattice, species)
        return np.asarray(offset + factor * corrections(self.predicted, self.informed_by, physics) * learned)


def fit_classical(
    name: str, data: Dataset, keys: Sequence[str], seed: int = 0, informed_by: Sequence[str] = ()
) -> ClassicalSurrogate:
    """Fit a baseline to the training split, on the species that occur there.

    It learns what the networks learn: see `matgym.surrogates.baseline`.

    Args:
        name: one of `CLASSICAL`.
        data: with train rows; no others are looked at: penalties and numbers of trees are chosen among them.
        keys: of the properties.
        seed: of the rows by which trees are stopped.
        informed_by: physics that they correct; see `matgym.surrogates.baseline`.

    Raises:
        ConfigurationError: if there is no such baseline.
        DatasetError: if there are no train rows, or pristine ones only, or deformed or reconstructed ones.
        PropertyError: if the data hold no such property.
    """
    if name not in CLASSICAL:
        raise ConfigurationError(f"there is no baseline {name!r}; there are {', '.join(CLASSICAL)}")
    kind, descriptor = CLASSICAL[name]
    train = data.labelled(keys).split("train")
    if not len(train):
        raise DatasetError(f"the data set has no rows to train on that hold {', '.join(keys)}")
    groups = groups_of(train, keys, informed_by)
    seen = tuple(Species(int(code)) for code in np.unique(train.batch.species) if code != Species.C12)
    if not seen:
        raise DatasetError("the training split holds pristine tubes only: there is nothing to learn")
    features = np.concatenate([descriptor(group.lattice, group.species, seen) for group in groups])
    learned = np.concatenate([group.learned for group in groups])
    regressors = [
        _ridge(features, column) if kind == "ridge" else _trees(features, column, seed) for column in learned.T
    ]
    return ClassicalSurrogate(name, tuple(keys), seen, tuple(regressors), tuple(informed_by))


def _ridge(features: FloatArray, learned: FloatArray) -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features, learned)


def _trees(features: FloatArray, learned: FloatArray, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=MOST_TREES,
        early_stopping=True,  # its default depends on the number of rows
        validation_fraction=HELD_OUT,
        n_iter_no_change=PATIENCE,
        random_state=seed,
    ).fit(features, learned)
