"""k-fold cross-validation: every row predicted once by a network that has not seen it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from pydantic import TypeAdapter

from matgym.errors import DatasetError
from matgym.files import write_json
from matgym.learning.metrics import PropertyMetrics
from matgym.statistics import estimate
from matgym.typing import IntArray

Folds: TypeAlias = tuple[tuple[PropertyMetrics, ...], ...]
_FIGURES = TypeAdapter(tuple[PropertyMetrics, ...])


def fold_rows(count: int, fold: int, folds: int, seed: int, share: float) -> tuple[IntArray, IntArray]:
    """Return the rows of a fold, and the rows of the others that validate.

    Args:
        count: rows in all.
        fold: which, from 0.
        folds: k.
        seed: of order and choice.
        share: of the other folds' rows that validates.
    """
    order = np.random.default_rng([seed, folds]).permutation(count)
    test = np.array_split(order, folds)[fold]
    rest = np.setdiff1d(order, test)
    chosen = np.random.default_rng([seed, folds, fold]).permutation(rest)
    return test, chosen[: max(1, round(share * len(rest)))]


def run_folds(
    run: Callable[[int, Path | None], tuple[PropertyMetrics, ...]],
    folds: int,
    identity: Mapping[str, object],
    folder: Path | None,
) -> Folds:
    """Run every fold that is not done yet.

    Args:
        run: from a fold and a folder for its checkpoints to its figures.
        folds: k.
        identity: what the figures depend on besides.
        folder: in which finished folds are kept, so that an interrupted run goes on.

    Raises:
        DatasetError: if the folder holds another cross-validation.
    """
    plain = json.loads(json.dumps({**identity, "folds": folds}))
    found = []
    for fold in range(folds):
        done = folder and folder / f"fold-{fold}.json"
        if done and done.exists():
            content = json.loads(done.read_text(encoding="utf-8"))
            found.append(_FIGURES.validate_python(content.pop("figures")))
            if content != plain:
                raise DatasetError(
                    f"{done} belongs to another cross-validation (data or settings differ); remove its folder"
                )
            continue
        found.append(run(fold, folder and folder / f"fold-{fold}.checkpoints"))
        if done:
            write_json(done, plain | {"figures": _FIGURES.dump_python(found[-1], mode="json")})
    return tuple(found)


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
