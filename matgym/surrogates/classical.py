"""Baselines without a network: ridge regression and boosted trees on descriptors.

Ridge: Hoerl and Kennard, Technometrics 12, 55 (1970), its penalty by leave-one-out errors; on pairs it is a cluster
expansion. Boosted trees: Ke et al., NeurIPS 2017, as scikit-learn has them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.models import Cost, Predictions
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.baseline import LearnedModel, PristineModel, groups_of
from matgym.surrogates.descriptors import Descriptor, composition, pairs
from matgym.surrogates.domain import visible
from matgym.typing import FloatArray, SpeciesArray

PENALTIES: Final = np.logspace(-4.0, 4.0, 17)
"""From which ridge regression takes its own, for each property."""

MOST_TREES: Final = 1000
"""Reached only if the held-out share of the training rows keeps gaining."""

HELD_OUT: Final = 0.1
"""Share of the training rows by which boosting is stopped."""

PATIENCE: Final = 30
"""Trees without gain on them after which it stops."""


def _ridge(features: FloatArray, learned: FloatArray) -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features, learned)


def _trees(features: FloatArray, learned: FloatArray) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=MOST_TREES,
        early_stopping=True,  # its default depends on the number of rows
        validation_fraction=HELD_OUT,
        n_iter_no_change=PATIENCE,
        random_state=0,
    ).fit(features, learned)


CLASSICAL: Final[Mapping[str, tuple[Callable[[FloatArray, FloatArray], Any], Descriptor]]] = {
    "ridge-composition": (_ridge, composition),
    "ridge-pairs": (_ridge, pairs),
    "trees-composition": (_trees, composition),
    "trees-pairs": (_trees, pairs),
}
"""Name to what fits a regressor, and what that sees."""


@dataclass(frozen=True, eq=False)
class ClassicalSurrogate(LearnedModel):
    """Regressors on descriptors as a model.

    Attributes:
        kind: one of `CLASSICAL`.
        predicted: see `LearnedModel`.
        species: see `LearnedModel`.
        regressors: of scikit-learn, one a property, from descriptors to what `baseline.known` leaves to learn.
        informed_by: see `LearnedModel`; the regressors correct it by a factor.
        baseline: see `LearnedModel`.
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
    def name(self) -> str:
        """Of the kind of baseline."""
        return self.kind

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """(B,) predictions; tubes that are deformed or hold a species that was not fitted are failures."""
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
        offset, factor = self.known(lattice, self.physics(lattice, species))
        features = CLASSICAL[self.kind][1](lattice, species, self.species)
        learned = np.stack([regressor.predict(features) for regressor in self.regressors], axis=1)
        return np.asarray(offset + factor * learned)


def fit_classical(name: str, data: Dataset, keys: Sequence[str], informed_by: Sequence[str] = ()) -> ClassicalSurrogate:
    """Fit one of `CLASSICAL` to the training split, on the species that occur there.

    No other rows are looked at: penalties and numbers of trees are chosen among them.

    Raises:
        ConfigurationError: if there is no such baseline.
        DatasetError: if there are no train rows, or pristine ones only, or deformed or reconstructed ones.
        PropertyError: if the data hold no such property.
    """
    if name not in CLASSICAL:
        raise ConfigurationError(f"there is no baseline {name!r}; there are {', '.join(CLASSICAL)}")
    fit, descriptor = CLASSICAL[name]
    train = data.labelled(keys).split("train")
    if not len(train):
        raise DatasetError(f"the data set has no rows to train on that hold {', '.join(keys)}")
    groups = groups_of(train, keys, informed_by)
    seen = tuple(Species(int(code)) for code in np.unique(train.batch.species) if code != Species.C12)
    if not seen:
        raise DatasetError("the training split holds pristine tubes only: there is nothing to learn")
    features = np.concatenate([descriptor(group.lattice, group.species, seen) for group in groups])
    learned = np.concatenate([group.learned for group in groups])
    regressors = tuple(fit(features, column) for column in learned.T)
    return ClassicalSurrogate(name, tuple(keys), seen, regressors, tuple(informed_by))
