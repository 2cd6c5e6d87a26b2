"""From a data set to stored weights with a card, to cross-validated figures, to networks in 8 bit; verified designs.

8 bit is static quantisation (Jacob et al., CVPR 2018) of the convolutions alone: quantising every operation costs
accuracy. For what runs the networks see `matgym.surrogates.engines`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter
from scipy.stats import spearmanr

from matgym.data import Dataset
from matgym.data.table import SPLITS, TEST_SHARE, VALIDATION_SHARE
from matgym.errors import ConfigurationError, DatasetError, WeightsError
from matgym.files import write_json
from matgym.learning.config import validated
from matgym.learning.metrics import PropertyMetrics, property_metrics
from matgym.learning.trainer import Epoch, Options
from matgym.models import Model
from matgym.statistics import estimate
from matgym.structures import Nanotube
from matgym.surrogates.baseline import physics_of, with_physics
from matgym.surrogates.domain import check_undeformed
from matgym.surrogates.engines import INT8_ENGINES, Calibration, Engine
from matgym.surrogates.fitting import FitConfig, fit
from matgym.surrogates.learned import NetworkSurrogate
from matgym.surrogates.store import STORE, SurrogateCard, save
from matgym.typing import BoolArray, FloatArray

Folds: TypeAlias = tuple[tuple[PropertyMetrics, ...], ...]
"""Figures of every property, for each fold."""

_FIGURES: Final = TypeAdapter(tuple[PropertyMetrics, ...])

INT8_TOLERANCE: Final = 0.02
"""Share by which 8 bit may raise the RMSE. A choice of ours."""

CALIBRATION_TUBES: Final = 256
"""Tubes from which the ranges of the activations are taken, at most. A choice of ours."""


def config_of(card: SurrogateCard) -> FitConfig:
    """Return how the surrogate of a card was fitted.

    Raises:
        ConfigurationError: if the card does not tell.
    """
    if not card.fit:
        raise ConfigurationError("the card does not tell how its weights were fitted: train anew")
    return validated(FitConfig, card.fit, "the card")


def train(
    data: Dataset,
    output: Path,
    config: FitConfig,
    *,
    start: NetworkSurrogate | None = None,
    command: str = "matgym surrogate train",
    cross_validation: Sequence[dict[str, Any]] = (),
    source: str = "",
    **options: Unpack[Options],
) -> SurrogateCard:
    """Fit a surrogate, measure it on every split that holds rows, and store it.

    The card holds the command that reproduces it, the name or file of the data, and the cross-validation; see `fit` for
    `start` and `options`, and `Store.checkpoints` for what lies beside `output`, which ends in .safetensors.
    """
    counts = {split: len(data.split(split)) for split in SPLITS}
    with STORE.checkpoints(output) as options["checkpoints"]:
        surrogate = fit(data, config, start=start, **options)
        return save(
            surrogate,
            output,
            data={"name": source or data.provenance["specification"]["name"], "digest": data.digest, "rows": counts},
            fit=config.as_dict(),
            command=command,
            metrics=measure(surrogate, data),
            cross_validation=tuple(cross_validation),
        )


def measure(surrogate: NetworkSurrogate, data: Dataset) -> dict[str, tuple[PropertyMetrics, ...]]:
    """Figures on the splits that no training saw, and apart for each kind of tube among the larger ones."""
    larger = data.split("larger").labelled(surrogate.keys)
    parts = {"test": data.split("test").labelled(surrogate.keys)} | {
        f"({lattice.n},{lattice.m})x{lattice.cells}": larger.take(rows) for lattice, rows, _, _ in larger.by_lattice()
    }
    # One row has no variance and so no R².
    return {name: figures(surrogate, part) for name, part in parts.items() if len(part) > 1}


def figures(surrogate: NetworkSurrogate, data: Dataset) -> tuple[PropertyMetrics, ...]:
    """Figures of every property on labelled rows."""
    shape = (len(data), len(surrogate.keys))
    predicted, half_width = np.full(shape, np.nan), np.full(shape, np.nan)
    check_undeformed(data.batch)
    physics = physics_of(data, surrogate.informed_by)
    for lattice, rows, species, _ in data.by_lattice():
        predicted[rows], half_width[rows] = surrogate.intervals(lattice, species, physics[rows])
    truth = np.stack([data.values(key) for key in surrogate.keys], axis=1)
    covered = np.abs(predicted - truth) <= half_width
    return tuple(
        property_metrics(key, predicted[:, k], truth[:, k], covered[:, k]) for k, key in enumerate(surrogate.keys)
    )


# ---- k-fold cross-validation: every tube predicted once by a network that has not seen it


def cross_validate(
    data: Dataset,
    config: FitConfig,
    folds: int = 5,
    *,
    folder: Path | None = None,
    device: str = "auto",
    on_epoch: Callable[[int, Epoch], None] = lambda _fold, _epoch: None,
) -> Folds:
    """Fit anew for every fold that is not done yet, and measure on the fold.

    A tube stands in a data set once, up to symmetry, so that no twin of a fold's tubes is trained on. All splits but
    the larger tubes are pooled; validation rows for early stopping are drawn from the other folds. In `folder`,
    finished folds and checkpoints are kept, so that an interrupted run goes on.

    Raises:
        ConfigurationError: if there are fewer than two folds, or fewer rows than folds.
        DatasetError: if the folder holds another cross-validation.
    """
    pool = data.labelled(config.properties)
    pool = pool.take(np.flatnonzero(pc.not_equal(pool.table.column("split"), "larger").to_numpy()))
    if not 2 <= folds <= len(pool):
        raise ConfigurationError(f"{folds} folds of {len(pool)} labelled tubes: give at least 2, and a tube a fold")
    pool = with_physics(pool, config.informed_by)
    identity = json.loads(json.dumps({"data": data.digest, "config": config.as_dict(), "folds": folds}))
    found = []
    for fold in range(folds):
        done = folder and folder / f"fold-{fold}.json"
        if done and done.exists():
            content = json.loads(done.read_text(encoding="utf-8"))
            found.append(_FIGURES.validate_python(content.pop("figures")))
            if content != identity:
                raise DatasetError(
                    f"{done} belongs to another cross-validation (data or settings differ); remove its folder"
                )
            continue
        part, checkpoints = fold_of(pool, fold, folds, config.seed), folder and folder / f"fold-{fold}.checkpoints"
        fitted = fit(part, config, checkpoints=checkpoints, device=device, on_epoch=partial(on_epoch, fold))
        found.append(figures(fitted, part.split("test")))
        if done:
            write_json(done, identity | {"figures": _FIGURES.dump_python(found[-1], mode="json")})
    return tuple(found)


def fold_of(pool: Dataset, fold: int, folds: int, seed: int) -> Dataset:
    """The data set whose test split is one fold of the rows, and whose validation split comes from the others."""
    order = np.random.default_rng([seed, folds]).permutation(len(pool))
    test = np.array_split(order, folds)[fold]
    rest = np.setdiff1d(order, test)
    share = VALIDATION_SHARE / (1.0 - TEST_SHARE)
    chosen = np.random.default_rng([seed, folds, fold]).permutation(rest)
    split = np.full(len(pool), "train", dtype=object)
    split[test], split[chosen[: max(1, round(share * len(rest)))]] = "test", "validation"
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


# ---- 8 bit


def quantised(surrogate: NetworkSurrogate, data: Dataset, engine: str, threads: int = 1) -> NetworkSurrogate:
    """A surrogate whose convolutions run in 8 bit, if that costs no accuracy.

    Args:
        surrogate: fitted.
        data: labelled tubes, best of the validation split: some calibrate, all judge. Each lattice among them takes
            an export, some seconds a network.
        engine: one of `INT8_ENGINES`.
        threads: of a pass.

    Raises:
        WeightsError: if the RMSE of a property rises by more than `INT8_TOLERANCE`, with both figures; also later, at
            a lattice that is not among the data, if 8 bit differs from torch there by more than would raise it so.
        ConfigurationError: if there is no such engine, or the network has no convolutions.
        DatasetError: if no tube has all labels.
        PropertyError: if the data hold no labels of a property.
        MissingExtraError: if the engine is not installed.
    """
    if engine not in INT8_ENGINES:
        raise ConfigurationError(f"there is no 8-bit engine {engine!r}; there are {', '.join(INT8_ENGINES)}")
    rows = data.labelled(surrogate.keys)
    if not len(rows):
        raise DatasetError("no tube of these data has labels of all properties: 8 bit cannot be judged")
    chosen = np.random.default_rng(0).permutation(len(rows))[:CALIBRATION_TUBES]
    tubes = [tube.species for tube in rows.take(chosen).batch]
    longest = max(len(codes) for codes in tubes)
    codes = np.stack([np.resize(codes, longest) for codes in tubes])
    unjudged = Calibration(codes, surrogate.species, np.full(len(surrogate.keys), np.inf))
    made = Engine(engine, threads, unjudged)
    before, standardised = _rmse(surrogate.with_engine("torch", threads), rows)
    after, _ = _rmse(replace(surrogate, engine=made), rows)
    for key, ours, theirs in zip(surrogate.keys, before, after, strict=True):
        if not theirs <= (1 + INT8_TOLERANCE) * ours:
            raise WeightsError(
                f"{engine} costs accuracy: RMSE of {key} on {len(rows)} tubes {theirs:.4g}, without 8 bit {ours:.4g}, "
                f"{theirs / ours - 1:+.1%} where {INT8_TOLERANCE:.0%} is allowed: use {engine.removesuffix('-int8')!r}"
            )
    # On other lattices there are no labels; an error that is independent of the network's own adds in squares.
    allowed = standardised * np.sqrt((1 + INT8_TOLERANCE) ** 2 - 1)
    return replace(surrogate, engine=replace(made, calibration=replace(unjudged, allowed=allowed)))


def _rmse(surrogate: NetworkSurrogate, rows: Dataset) -> tuple[FloatArray, FloatArray]:
    """(properties,) RMSE, and the same in standard deviations of what is learned."""
    labels = np.stack([rows.values(key) for key in surrogate.keys], axis=1)
    off, scaled = np.empty_like(labels), np.empty_like(labels)
    for lattice, where, species, _ in rows.by_lattice():
        physics = surrogate.physics(lattice, species)
        _, factor = surrogate.known(lattice, physics)
        off[where] = surrogate.mean(lattice, species, physics) - labels[where]
        scaled[where] = off[where] / (factor * surrogate.scaling.scale)
    return np.sqrt((off**2).mean(axis=0)), np.sqrt((scaled**2).mean(axis=0))


# ---- verification: the same designs through a surrogate and an oracle


@dataclass(frozen=True)
class Verification:
    """What a surrogate predicted for some designs, and what physics says.

    Attributes:
        predicted: (B,) surrogate's values.
        truth: (B,) oracle's values; NaN where it failed.
        out_of_distribution: (B,) whether the surrogate's own score calls the design far out.
        failures: designs that the oracle could not compute.
    """

    predicted: FloatArray
    truth: FloatArray
    out_of_distribution: BoolArray
    failures: int

    @property
    def mae(self) -> float:
        """Mean absolute error, in the property's unit."""
        return float(np.nanmean(np.abs(self.predicted - self.truth)))

    @property
    def rmse(self) -> float:
        """Root mean square error, in the property's unit."""
        return float(np.sqrt(np.nanmean((self.predicted - self.truth) ** 2)))

    @property
    def bias(self) -> float:
        """Mean of prediction less truth, in the property's unit."""
        return float(np.nanmean(self.predicted - self.truth))

    @property
    def spearman(self) -> float:
        """Rank correlation of prediction and truth; NaN where either is constant."""
        good = np.isfinite(self.truth)
        if min(np.ptp(self.predicted[good]), np.ptp(self.truth[good])) == 0.0:
            return float("nan")
        return float(spearmanr(self.predicted[good], self.truth[good]).statistic)

    @property
    def share_out_of_distribution(self) -> float:
        """Share of designs that the surrogate's own score calls far out."""
        return float(self.out_of_distribution.mean())

    def exploitation_gap(self, targets: FloatArray) -> float:
        """How much further designs are from (B,) targets than was predicted: mean true less mean predicted error."""
        good = np.isfinite(self.truth)
        expected, true = np.abs(self.predicted - targets)[good], np.abs(self.truth - targets)[good]
        return float(true.mean() - expected.mean())

    def as_dict(self) -> dict[str, float]:
        """Flat form for tables and JSON."""
        return {
            "designs": len(self.predicted),
            "mae_ev": self.mae,
            "rmse_ev": self.rmse,
            "bias_ev": self.bias,
            "spearman": self.spearman,
            "out_of_distribution": self.share_out_of_distribution,
            "oracle_failures": self.failures,
        }


def verify(surrogate: Model, oracle: Model, tubes: Sequence[Nanotube], key: str = "gap_ev") -> Verification:
    """Put designs through surrogate and oracle, and compare one property."""
    truth, found = oracle.predict(tubes), surrogate.predict(tubes)
    return Verification(found[key], truth[key], found.known_distance > 1.0, len(truth.failures.get(key, {})))
