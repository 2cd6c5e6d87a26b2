"""k-fold cross-validation: every tube predicted once by a network that has not seen it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from matgym.data import Dataset
from matgym.data.splits import TEST_SHARE, VALIDATION_SHARE
from matgym.errors import ConfigurationError, DatasetError
from matgym.files import write_json
from matgym.statistics import estimate
from matgym.surrogates.fitting import fit
from matgym.surrogates.informed import with_physics
from matgym.surrogates.recipe import figures
from matgym.surrogates.settings import FitSettings
from matgym.surrogates.store import PropertyMetrics

Folds: TypeAlias = tuple[tuple[PropertyMetrics, ...], ...]
_FIGURES = TypeAdapter(tuple[PropertyMetrics, ...])


def cross_validate(
    data: Dataset,
    settings: FitSettings,
    folds: int = 5,
    *,
    folder: Path | None = None,
    on_epoch: Callable[[int, int, int, float], None] = lambda _fold, _member, _epoch, _error: None,
) -> Folds:
    """Fit anew for every fold, and measure on the fold.

    A tube stands in a data set once, up to symmetry, so that no twin of a fold's tubes is trained on. Validation rows
    for early stopping are drawn from the other folds.

    Args:
        data: all splits but the larger tubes are pooled.
        settings: how to fit.
        folds: k.
        folder: in which finished folds and checkpoints are kept, so that an interrupted run goes on.
        on_epoch: called with fold, member, epoch and validation error.

    Returns:
        Figures of every property, for each fold.

    Raises:
        ConfigurationError: if there are fewer than two folds, or fewer rows than folds.
    """
    pool = data.labelled(settings.properties)
    pool = pool.take(np.flatnonzero(pc.not_equal(pool.table.column("split"), "larger").to_numpy()))
    if not 2 <= folds <= len(pool):
        raise ConfigurationError(f"{folds} folds of {len(pool)} labelled tubes: give at least 2, and a tube a fold")
    pool = with_physics(pool, settings.informed_by)
    identity = {"data": data.digest, "settings": settings.as_dict(), "folds": folds}
    found = []
    for fold in range(folds):
        done = folder / f"fold-{fold}.json" if folder else None
        if done and done.exists():
            found.append(_read(done, identity))
            continue
        part = fold_of(pool, fold, folds, settings.seed)

        def report(member: int, epoch: int, _loss: float, error: float, fold: int = fold) -> None:
            on_epoch(fold, member, epoch, error)

        checkpoints = folder / f"fold-{fold}.checkpoints" if folder else None
        fitted = fit(part, settings, checkpoints=checkpoints, on_epoch=report)
        found.append(figures(fitted, part.split("test")))
        if done:
            write_json(done, _plain(identity) | {"figures": _FIGURES.dump_python(found[-1], mode="json")})
    return tuple(found)


def _plain(identity: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(identity)))


def _read(file: Path, identity: dict[str, Any]) -> tuple[PropertyMetrics, ...]:
    """A finished fold.

    Raises:
        DatasetError: if it belongs to another cross-validation.
    """
    content = json.loads(file.read_text(encoding="utf-8"))
    figures_ = content.pop("figures")
    if content != _plain(identity):
        raise DatasetError(f"{file} belongs to another cross-validation (data or settings differ); remove its folder")
    return _FIGURES.validate_python(figures_)


def fold_of(pool: Dataset, fold: int, folds: int, seed: int) -> Dataset:
    """The data set whose test split is one fold of the rows, and whose validation split comes from the others."""
    rng = np.random.default_rng([seed, folds])
    order = rng.permutation(len(pool))
    test = np.array_split(order, folds)[fold]
    rest = np.setdiff1d(order, test)
    share = VALIDATION_SHARE / (1.0 - TEST_SHARE)
    validation = np.random.default_rng([seed, folds, fold]).permutation(rest)[: max(1, round(share * len(rest)))]
    split = np.full(len(pool), "train", dtype=object)
    split[test], split[validation] = "test", "validation"
    column = pool.table.schema.get_field_index("split")
    return Dataset(pool.table.set_column(column, pool.table.schema.field(column), pa.array(split, pa.string())))


def summary(folds: Folds) -> list[dict[str, float | str]]:
    """A row a property: mean over folds of R², MAE and RMSE, each with the half-width of its 95 % interval."""
    rows = []
    for k, first in enumerate(folds[0]):
        row: dict[str, float | str] = {"property": first.property, "n": sum(fold[k].n for fold in folds)}
        for name in ("r2", "mae", "rmse"):
            found = estimate([getattr(fold[k], name) for fold in folds])
            row |= {name: found.mean, f"{name}_interval": found.half_width}
        rows.append(row)
    return rows
