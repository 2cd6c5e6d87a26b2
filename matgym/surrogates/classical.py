"""Baselines without a network: ridge regression and boosted trees on descriptors.

Ridge regression: Hoerl and Kennard, Technometrics 12, 55 (1970), with the penalty of the least leave-one-out error; on
pairs it is a cluster expansion. Boosted trees: Ke et al., NeurIPS 2017, as implemented in scikit-learn.
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
from matgym.surrogates.domain import excess_electrons, excess_notes, excess_range, visible
from matgym.typing import FloatArray, SpeciesArray

PENALTIES: Final = np.logspace(-4.0, 4.0, 17)
"""Penalties from which ridge regression chooses one for each property."""

MOST_TREES: Final = 1000
"""Largest number of trees, reached only if the error on the held-out training rows keeps falling."""

HELD_OUT: Final = 0.1
"""Share of the training rows that is held out to decide when boosting stops."""

PATIENCE: Final = 30
"""Number of trees without improvement on the held-out rows after which boosting stops."""


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
"""Name to the function that fits a regressor, and the descriptor that is its input."""


@dataclass(frozen=True, eq=False)
class ClassicalSurrogate(LearnedModel):
    """A model made of regressors on descriptors.

    Attributes:
        kind: one of `CLASSICAL`.
        predicted: see `LearnedModel`.
        species: see `LearnedModel`.
        regressors: scikit-learn regressors, one per property, from descriptors to the values that `baseline.known`
            leaves to learn.
        informed_by: see `LearnedModel`; the regressors correct it by a factor.
        baseline: see `LearnedModel`.
        excess: least and largest number of N minus B atoms in the training data; None if it is unknown.
    """

    kind: str
    predicted: tuple[str, ...]
    species: tuple[Species, ...]
    regressors: tuple[Any, ...]
    informed_by: tuple[str, ...] = ()
    baseline: PristineModel = field(default_factory=PristineModel)
    excess: tuple[int, int] | None = None

    cost = Cost(seconds=5e-5, sites=128, exponent=1.0)
    """Cost of trees on pairs, the slowest kind, measured on one core of an AMD EPYC server in batches of 256."""

    @property
    def name(self) -> str:
        """The kind of baseline."""
        return self.kind

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return (B,) predictions; tubes that are deformed or hold an unknown species count as failures.

        Tubes with other numbers of electrons than in the training data have a note.
        """
        batch = TubeBatch.of(tubes)
        values = np.full((len(batch), len(self.predicted)), np.nan)
        failures, groups = visible(batch, self.species)
        excess = np.zeros(len(batch), dtype=np.int64)
        for lattice, rows, species, _ in groups:
            excess[rows] = excess_electrons(species)
            values[rows] = self.values(lattice, species)
        notes = {row: note for row, note in excess_notes(excess, self.excess).items() if row not in failures}
        return Predictions.together({key: values[:, k] for k, key in enumerate(self.predicted)}, failures, notes)

    def values(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """Return (B, properties) predictions for B tubes of one lattice, given as (B, n_sites) codes.

        Raises:
            PropertyError: if a site holds a species that the model was not fitted on.
        """
        offset, factor = self.known(lattice, self.physics(lattice, species))
        features = CLASSICAL[self.kind][1](lattice, species, self.species)
        learned = np.stack([regressor.predict(features) for regressor in self.regressors], axis=1)
        return np.asarray(offset + factor * learned)


def fit_classical(name: str, data: Dataset, keys: Sequence[str], informed_by: Sequence[str] = ()) -> ClassicalSurrogate:
    """Fit one of `CLASSICAL` to the training split, on the species that occur there.

    Penalties and numbers of trees are chosen on the training rows, too; no other rows are used.

    Raises:
        ConfigurationError: if there is no such baseline.
        DatasetError: if there are no training rows, or all are pristine, or some are deformed or reconstructed.
        PropertyError: if the data have no labels of a property.
    """
    if name not in CLASSICAL:
        raise ConfigurationError(f"there is no baseline {name!r}; there are {', '.join(CLASSICAL)}")
    fit, descriptor = CLASSICAL[name]
    train = data.labelled(keys).split("train")
    if not len(train):
        raise DatasetError(f"the training split has no rows with labels of {', '.join(keys)}: add such rows")
    groups = groups_of(train, keys, informed_by)
    species = tuple(Species(int(code)) for code in np.unique(train.batch.species) if code != Species.C12)
    if not species:
        raise DatasetError("the training split holds pristine tubes only: add decorated tubes to it")
    features = np.concatenate([descriptor(group.lattice, group.species, species) for group in groups])
    learned = np.concatenate([group.learned for group in groups])
    regressors = tuple(fit(features, column) for column in learned.T)
    excess = excess_range(group.species for group in groups)
    return ClassicalSurrogate(name, tuple(keys), species, regressors, tuple(informed_by), excess=excess)
