"""k-fold cross-validation: every tube predicted once by a network that has not seen it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matgym.data import Dataset
from matgym.data.splits import TEST_SHARE, VALIDATION_SHARE
from matgym.errors import ConfigurationError
from matgym.learning.cross_validation import Folds, fold_rows, run_folds
from matgym.learning.metrics import PropertyMetrics
from matgym.learning.trainer import Epoch
from matgym.surrogates.config import FitConfig
from matgym.surrogates.fitting import fit
from matgym.surrogates.informed import with_physics
from matgym.surrogates.training import figures


def cross_validate(
    data: Dataset,
    config: FitConfig,
    folds: int = 5,
    *,
    folder: Path | None = None,
    device: str = "auto",
    on_epoch: Callable[[int, Epoch], None] = lambda _fold, _epoch: None,
) -> Folds:
    """Fit anew for every fold, and measure on the fold.

    A tube stands in a data set once, up to symmetry, so that no twin of a fold's tubes is trained on. Validation rows
    for early stopping are drawn from the other folds.

    Args:
        data: all splits but the larger tubes are pooled.
        config: how to fit.
        folds: k.
        folder: in which finished folds and checkpoints are kept, so that an interrupted run goes on.
        device: that trains.
        on_epoch: called with the fold and the epoch.

    Returns:
        Figures of every property, for each fold.

    Raises:
        ConfigurationError: if there are fewer than two folds, or fewer rows than folds.
    """
    pool = data.labelled(config.properties)
    pool = pool.take(np.flatnonzero(pc.not_equal(pool.table.column("split"), "larger").to_numpy()))
    if not 2 <= folds <= len(pool):
        raise ConfigurationError(f"{folds} folds of {len(pool)} labelled tubes: give at least 2, and a tube a fold")
    pool = with_physics(pool, config.informed_by)

    def run(fold: int, checkpoints: Path | None) -> tuple[PropertyMetrics, ...]:
        part = fold_of(pool, fold, folds, config.seed)
        told = partial(on_epoch, fold)
        return figures(fit(part, config, checkpoints=checkpoints, device=device, on_epoch=told), part.split("test"))

    return run_folds(run, folds, {"data": data.digest, "config": config.as_dict()}, folder)


def fold_of(pool: Dataset, fold: int, folds: int, seed: int) -> Dataset:
    """The data set whose test split is one fold of the rows, and whose validation split comes from the others."""
    test, validation = fold_rows(len(pool), fold, folds, seed, VALIDATION_SHARE / (1.0 - TEST_SHARE))
    split = np.full(len(pool), "train", dtype=object)
    split[test], split[validation] = "test", "validation"
    column = pool.table.schema.get_field_index("split")
    return Dataset(pool.table.set_column(column, pool.table.schema.field(column), pa.array(split, pa.string())))
