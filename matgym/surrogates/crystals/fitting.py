"""Training of surrogates of crystals, and what they are worth.

Cross-validation leaves out whole compositions, or whatever groups are given: that error is the one of a new material.
Beside it stands the error with crystals left out at random, which is smaller where the data hold several crystals of
one composition. The mean of the values and the ridge regression are measured on the same folds as the graph networks.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import numpy as np

from matgym.errors import DatasetError
from matgym.frozen import ValueObject
from matgym.learning.crystal_network import LatticeInputs
from matgym.learning.metrics import (
    PropertyMetrics,
    distance_model,
    interval_factor,
    judge,
    member_spread,
    property_metrics,
    spread_model,
    standard_deviation,
)
from matgym.learning.trainer import Options
from matgym.surrogates.crystals.models import CrystalFit, CrystalModel, CrystalRows, Network, fit_model
from matgym.surrogates.crystals.surrogate import CrystalSurrogate, distance_features
from matgym.surrogates.crystals.table import FEWEST, CrystalTable, Grouping
from matgym.surrogates.own.ridge import choose, folds_of
from matgym.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matgym.surrogates.crystals.store import CrystalCard

FOLDS: Final = 5
"""Folds of the cross-validation. A choice of ours, as is the next one."""

QUANTILE: Final = 0.99
"""Share of crystals left out within the threshold of the distance."""

GROUPED: Final = "other groups"
RANDOM: Final = "random"

OnStage = Callable[[str, int, int], None]
"""Function that is called with a stage, and the numbers of its steps that are done, and of all."""


@dataclass(frozen=True, eq=False)
class Validated(ValueObject):
    """Predictions of one model for crystals that were left out.

    Attributes:
        members: (members, B) predictions; NaN for crystals with elements that the other folds lack.
        half_width: (B,) half the widths of 90 % intervals, calibrated on the other folds.
        metrics: errors on the crystals that were predicted.
    """

    members: FloatArray
    half_width: FloatArray
    metrics: PropertyMetrics


@dataclass(frozen=True, eq=False)
class CrystalResult(ValueObject):
    """A surrogate of crystals, and how good it is.

    Attributes:
        surrogate: the surrogate, fitted to all crystals.
        table: the crystals.
        fit: the settings.
        grouping: what was left out together, in words.
        validated: by the split and the kind of the model, predictions of crystals that were left out.
        not_predicted: by the split, crystals with elements that the other folds lack, which no metric counts.
        notes: what the user should know.
    """

    surrogate: CrystalSurrogate
    table: CrystalTable
    fit: CrystalFit
    grouping: str
    validated: Mapping[str, Mapping[Network, Validated]]
    not_predicted: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def metrics(self) -> list[dict[str, object]]:
        """Return a row of metrics for each split and model."""
        return [
            {"surrogate": name, "split": split} | found.metrics.model_dump()
            for split, models in self.validated.items()
            for name, found in models.items()
        ]

    def save(self, path: Path | str, *, source: str = "", command: str = "matgym.surrogates.crystals") -> "CrystalCard":
        """Write the surrogate to `path` (.safetensors) and its card next to it (.json).

        Args:
            path: the file.
            source: name of the data.
            command: command that reproduces the surrogate.

        Raises:
            WeightsError: if `path` does not end in .safetensors.
        """
        from matgym.surrogates.crystals.store import save

        return save(self, path, source=source, command=command)


@dataclass(frozen=True, eq=False)
class _Study(ValueObject):
    """What all fits of a training share."""

    table: CrystalTable
    rows: CrystalRows
    fit: CrystalFit
    groups: IntArray
    contains: BoolArray  # (B, elements of the table)
    options: Options = field(repr=False)

    @property
    def lattice(self) -> LatticeInputs:
        return "volume" if self.table.is_periodic else "none"

    def fitted(self, name: Network, kept: IntArray, stage: str) -> CrystalModel:
        """Return a model that is fitted to some rows."""
        return fit_model(
            name, self.rows.take(kept), self.table.values[kept], self.groups[kept], self.fit, self.lattice, stage,
            **self.options,
        )  # fmt: skip

    def known(self, folds: IntArray) -> BoolArray:
        """Return (B,) whether the other folds have all elements of a crystal."""
        found = np.ones(len(folds), dtype=bool)
        for fold in range(int(folds.max()) + 1):
            left = folds == fold
            found[left] = ~(self.contains[left] & ~self.contains[~left].any(axis=0)).any(axis=1)
        return found

    def validated(self, name: Network, folds: IntArray, split: str, on_stage: OnStage) -> Validated:
        """Return predictions for each crystal by models that were fitted without its fold."""
        values, count, told = self.table.values, int(folds.max()) + 1, list[FloatArray]()
        for fold in range(count):
            kept, left = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            told.append(self.fitted(name, kept, f"{split}-{fold}".replace(" ", "-")).members(self.rows.take(left)))
            on_stage(f"{name}, {split}", fold + 1, count)
        members, half_width = np.empty((max(map(len, told)), len(folds))), np.full(len(folds), np.nan)
        for fold, found in enumerate(told):
            left = np.flatnonzero(folds == fold)
            members[:, left] = found.mean(axis=0)  # where a fold has fewer members, which few groups can make
            members[: len(found), left] = found
        known = self.known(folds)
        members[:, ~known] = np.nan
        for fold in range(count):
            own, others = known & (folds == fold), known & (folds != fold)
            judged = judge(members[:, own, None], intervals(members[:, others], values[others]))
            half_width[own] = judged[2][:, 0]
        mean = members.mean(axis=0)
        covered = (np.abs(mean - values) <= half_width)[known]
        metrics = property_metrics(self.table.prop.name, mean[known], values[known], covered)
        return Validated(members, half_width, metrics)


def fit_crystals(
    table: CrystalTable,
    fit: CrystalFit | None = None,
    groups: Grouping | Sequence[int] | IntArray = "composition",
    *,
    on_stage: OnStage = lambda *_: None,
    **options: Unpack[Options],
) -> CrystalResult:
    """Learn a property of crystals.

    Args:
        table: B crystals with a value each. Values must not grow with the cell: energies per atom, gaps, moduli.
        fit: the settings.
        groups: what cross-validation leaves out together: "composition", "anonymous" for all compositions of an
            anonymous formula such as AB2, or (B,) numbers of groups, for example of structure types.
        on_stage: see `OnStage`.
        options: see `Options`. With checkpoints, an interrupted training continues with the same results to the bit.

    Raises:
        DatasetError: if all crystals have elements that no others have.
        ConfigurationError: if a setting is out of range.
        StructureError: if a crystal has too many pairs of neighbours for a graph.
    """
    fit = fit or CrystalFit()
    numbers = table.groups(groups) if isinstance(groups, str) else np.asarray(groups, dtype=np.int64)
    if numbers.shape != (len(table),):
        raise DatasetError(f"groups have shape {numbers.shape}: give one number for each of {len(table)} crystals")
    size = fit.size if "graph" in fit.networks else None
    rows = CrystalRows.of(table.crystals, size, has_volume=table.is_periodic)
    contains = np.array([np.isin(table.elements, crystal.numbers) for crystal in table.crystals])
    study = _Study(table, rows, fit, numbers, contains, options)
    words = groups if isinstance(groups, str) else "given groups"
    splits, note = _splits(study, words)
    notes: tuple[str, ...] = (note,) if note else ()
    not_predicted = {split: int((~study.known(folds)).sum()) for split, folds in splits.items()}
    validated = {
        split: {name: study.validated(name, folds, split, on_stage) for name in fit.networks}
        for split, folds in splits.items()
    }
    first = next(iter(splits))
    errors = {name: each.metrics.rmse for name, each in validated[first].items()}
    chosen = choose(errors) if fit.network == "auto" else fit.networks[-1]
    if fit.network == "auto" and chosen == "mean":
        notes += ("no model is better than the mean of the values, which the surrogate answers for every crystal",)
    model = study.fitted(chosen, np.arange(len(table)), "all")
    on_stage(f"{chosen}, all crystals", 1, 1)
    members = validated[first][chosen].members
    known = np.isfinite(members[0])
    features = distance_features(rows.descriptors)
    calibration = intervals(members[:, known], table.values[known]) | _distances(features, splits[first])
    surrogate = CrystalSurrogate(table.prop, chosen, model, table.elements, fit.size, table.is_periodic, calibration)
    return CrystalResult(surrogate, table, fit, words, validated, not_predicted, notes)


def _splits(study: _Study, words: str) -> tuple[dict[str, IntArray], str]:
    """Return the (B,) folds of each split, and why whole groups are not left out; empty if they are.

    Raises:
        DatasetError: if hardly any crystal has elements that others have.
    """
    rng = [study.fit.seed, 0]
    folds = folds_of(np.arange(len(study.table)), FOLDS, np.random.default_rng(rng))
    if (known := int(study.known(folds).sum())) < FEWEST:
        raise DatasetError(
            f"{len(folds) - known} of {len(folds)} crystals have an element that no other part of the data has, and "
            f"{FEWEST} others are the fewest to measure errors on: give more crystals of the same elements"
        )
    grouped = folds_of(study.groups, FOLDS, np.random.default_rng(rng))
    count, known = len(np.unique(study.groups)), int(study.known(grouped).sum())
    if count >= FOLDS and known >= FEWEST:
        return {GROUPED: grouped, RANDOM: folds}, ""
    there = "is 1 group" if count == 1 else f"are {count} groups"
    lack = (
        f"there {there} ({words}), and {FOLDS} are needed to leave whole ones out"
        if count < FOLDS
        else f"without whole groups ({words}) the data lack elements of all but {known} crystals"
    )
    return {RANDOM: folds}, f"{lack}: the errors are those of crystals like the training data, not of new ones"


def intervals(members: FloatArray, values: FloatArray) -> dict[str, FloatArray]:
    """Return `floor`, `factor` and `interval`, (1,) each, from (members, B) predictions of crystals left out."""
    spread, residuals = member_spread(members[..., None])[:, 0], values - members.mean(axis=0)
    floor, factor = (np.array([each]) for each in spread_model(residuals, spread))
    sd = standard_deviation(members[..., None], floor, factor)[:, 0]
    return {"floor": floor, "factor": factor, "interval": np.array([interval_factor(residuals, sd)])}


def _distances(features: FloatArray, folds: IntArray) -> dict[str, FloatArray]:
    """Return the model of distances by (B, F) features, whose threshold is that of crystals that were left out."""
    lengths = np.empty(len(features))
    for fold in range(int(folds.max()) + 1):
        left = folds == fold
        model = distance_model(features[~left], features[~left])
        lengths[left] = np.linalg.norm((features[left] - model["centre"]) @ model["whitening"], axis=1)
    found = distance_model(features, features)
    return found | {"threshold": np.array([max(float(np.quantile(lengths, QUANTILE)), math.ulp(1.0))])}
