"""Training, cross-validation, 8-bit quantisation and verification of surrogates.

8 bit is static quantisation (Jacob et al., CVPR 2018) of the convolutions alone: quantising every operation costs
accuracy. The engines that run the networks are in `matgym.surrogates.engines`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, Unpack

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError
from scipy.stats import spearmanr

from matgym.data import Dataset
from matgym.data.table import HELD, SPLITS, TEST_SHARE, VALIDATION_SHARE
from matgym.errors import ConfigurationError, DatasetError, FormatError, WeightsError
from matgym.files import read_json, read_yaml, set_aside, write_json
from matgym.frozen import ValueObject
from matgym.learning.config import read_config, validated
from matgym.learning.metrics import PropertyMetrics, property_metrics
from matgym.learning.trainer import CHECKPOINTS, Epoch, Options
from matgym.models import Level, Model
from matgym.statistics import estimate
from matgym.structures import Nanotube
from matgym.surrogates.baseline import with_physics
from matgym.surrogates.distilling import PIECES
from matgym.surrogates.engines import INT8_ENGINES, Calibration, Engine
from matgym.surrogates.fitting import FitConfig, fit
from matgym.surrogates.honeycomb.fitting import HoneycombFit
from matgym.surrogates.honeycomb.fitting import fit as fit_honeycomb
from matgym.surrogates.honeycomb.kinds import KINDS
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate
from matgym.surrogates.learned import NetworkSurrogate
from matgym.surrogates.store import STORE, FittedCard, save
from matgym.typing import BoolArray, FloatArray

AnySurrogate: TypeAlias = NetworkSurrogate | HoneycombSurrogate
AnyFit: TypeAlias = FitConfig | HoneycombFit

Folds: TypeAlias = tuple[tuple[PropertyMetrics, ...], ...]
"""Metrics of every property, for each fold."""

_FIGURES: Final = TypeAdapter(tuple[PropertyMetrics, ...])

INT8_TOLERANCE: Final = 0.02
"""Largest relative increase of the RMSE by 8 bit. A choice of ours."""

CALIBRATION_TUBES: Final = 256
"""Largest number of tubes that determine the ranges of the activations. A choice of ours."""


CONFIGS: Final = Path(__file__).parent / "configs"
"""Folder of the configurations of the shipped surrogates."""


def read_fit(file: Path | None, network: str = "", **changes: object) -> AnyFit:
    """Return the configuration of a fit, of the class that its network has.

    Args:
        file: YAML file; None for the defaults.
        network: network that replaces that of the file; empty for that of the file.
        changes: settings that replace those of the file.

    Raises:
        ConfigurationError: if the file cannot be read, or a setting is unknown or out of range.
    """
    if network:
        changes["network"] = network
    if (network or (_network_of(file) if file else "")) in KINDS:
        return read_config(HoneycombFit, file, changes=changes)
    return read_config(FitConfig, file, changes=changes)


def _network_of(file: Path) -> str:
    """Return what network a file of settings names; empty if it names none, or cannot be read."""
    try:
        content = read_yaml(file)
    except FormatError:
        return ""
    return str(content.get("network", "")) if isinstance(content, dict) else ""


def shipped_config(keys: Sequence[str], dataset: str = "") -> Path | None:
    """Return the first shipped configuration for these properties and, if one is named, for this data set."""
    for file in sorted(CONFIGS.glob("*.yml")):
        config = read_fit(file)
        if set(keys) <= set(config.properties) and dataset in ("", config.dataset):
            return file
    return None


def config_of(card: FittedCard) -> AnyFit:
    """Return the configuration by which the surrogate of a card was fitted.

    Raises:
        ConfigurationError: if the card does not hold it.
    """
    if not card.fit:
        raise ConfigurationError(f"the card of {card.network!r} does not hold its fit configuration: train anew")
    if card.network in KINDS:
        return validated(HoneycombFit, card.fit, "the card")
    return validated(FitConfig, card.fit, "the card")


def train(
    data: Dataset,
    output: Path,
    config: AnyFit,
    *,
    start: AnySurrogate | None = None,
    imitated: Callable[[Path], Dataset] | None = None,
    command: str = "matgym surrogate train",
    folds: int = 0,
    on_fold: Callable[[int, Epoch], None] = lambda _fold, _epoch: None,
    source: str = "",
    force: bool = False,
    inputs: Iterable[Path] = (),
    **options: Unpack[Options],
) -> FittedCard:
    """Cross-validate and fit a surrogate, measure its accuracy on the test splits, and store it.

    Args:
        data: labelled data set.
        output: file of the weights, which ends in .safetensors; see `Store.training` for the folder next to it.
        config: configuration of the fit.
        start: see `fit`.
        imitated: function from the folder of the training to further rows to learn from, labelled by another model;
            see `matgym.surrogates.distilling.answers`.
        command: command that reproduces the surrogate, for the card.
        folds: number of folds of the cross-validation before the fit; 0 for none.
        on_fold: function that is called after every epoch of the cross-validation.
        source: name or file of the data, for the card.
        force: whether files that exist are replaced.
        inputs: files that must not be replaced, whatever `force` says.
        options: see `fit`; checkpoints are in the folder next to the output.
    """
    counts = {split: len(data.split(split)) for split in SPLITS}
    pieces = ["folds/fold-*.json", f"folds/fold-*.checkpoints/{CHECKPOINTS}", PIECES]
    device = options.get("device", "auto")
    with STORE.training(output, force=force, inputs=inputs, pieces=pieces) as work:
        found: Folds = ()
        if folds:
            found = cross_validate(data, config, folds, folder=work.folder / "folds", device=device, on_epoch=on_fold)
        options["checkpoints"] = work.folder / "checkpoints"
        learned = data.with_rows(imitated(work.folder)) if imitated else data
        about: dict[str, Any] = {"name": source or data.provenance["specification"]["name"], "digest": data.digest}
        about |= {"rows": counts} | ({"answers": len(learned) - len(data)} if imitated else {})
        surrogate = fitted(learned, config, start, **options)
        metrics = measure(surrogate, data)
        work.begin_output()
        return save(
            surrogate,
            output,
            data=about,
            fit=config.as_dict(),
            command=command,
            metrics=metrics,
            cross_validation=tuple(summary(found)) if found else (),
            levels={key: level for key in config.properties if (level := data.level(key))},
        )


def fitted(
    data: Dataset, config: AnyFit, start: AnySurrogate | None = None, **options: Unpack[Options]
) -> AnySurrogate:
    """Fit the kind of surrogate that a configuration is of; see there.

    Raises:
        ConfigurationError: if the initial weights are of another kind.
    """
    if isinstance(config, HoneycombFit) and not isinstance(start, NetworkSurrogate):
        return fit_honeycomb(data, config, start, **options)
    if isinstance(config, FitConfig) and not isinstance(start, HoneycombSurrogate):
        return fit(data, config, start=start, **options)
    raise ConfigurationError(
        f"the initial weights are of another kind of network than {config.network!r}: give some of that kind"
    )


def measure(surrogate: AnySurrogate, data: Dataset) -> dict[str, tuple[PropertyMetrics, ...]]:
    """Return the metrics on the splits that no fit uses: of tubes like those of the training, and of `HELD`."""
    parts = {name: data.split(name).labelled(surrogate.keys) for name in ("test", *HELD)}
    # R² is not defined for one row, which has no variance.
    return {name: figures(surrogate, part) for name, part in parts.items() if len(part) > 1}


def figures(surrogate: AnySurrogate, data: Dataset) -> tuple[PropertyMetrics, ...]:
    """Return the metrics of every property on labelled rows."""
    predicted, half_width = surrogate.judged(data)
    truth = np.stack([data.values(key) for key in surrogate.keys], axis=1)
    covered = np.abs(predicted - truth) <= half_width
    chiralities = data.chirality_numbers()
    return tuple(
        property_metrics(key, predicted[:, k], truth[:, k], covered[:, k], chiralities)
        for k, key in enumerate(surrogate.keys)
    )


# ---- k-fold cross-validation: every tube is predicted once by a network that was not trained on it


def cross_validate(
    data: Dataset,
    config: AnyFit,
    folds: int = 5,
    *,
    folder: Path | None = None,
    device: str = "auto",
    on_epoch: Callable[[int, Epoch], None] = lambda _fold, _epoch: None,
) -> Folds:
    """Fit and measure a surrogate for every fold that is not finished yet.

    A data set holds each tube once, up to symmetry, so that no symmetric copy of a fold's tubes is trained on. All
    splits except `HELD` are pooled; validation rows for early stopping are drawn from the other folds. `folder` keeps
    finished folds and checkpoints, so that an interrupted run can be resumed.

    Raises:
        ConfigurationError: if there are fewer than two folds, or fewer rows than folds.
        DatasetError: if the folder holds another cross-validation.
    """
    pool = data.split("seen").labelled(config.properties)
    if not 2 <= folds <= len(pool):
        raise ConfigurationError(f"folds={folds} must be at least 2 and at most the {len(pool)} labelled tubes")
    pool = with_physics(pool, config.informed_by)
    identity = json.loads(json.dumps({"data": data.digest, "config": config.as_dict(), "folds": folds}))
    results = []
    for fold in range(folds):
        done = folder and folder / f"fold-{fold}.json"
        if done and (stored := _stored_fold(done, identity)) is not None:
            results.append(stored)
            continue
        part, checkpoints = fold_of(pool, fold, folds, config.seed), folder and folder / f"fold-{fold}.checkpoints"
        found = fitted(part, config, checkpoints=checkpoints, device=device, on_epoch=partial(on_epoch, fold))
        results.append(figures(found, part.split("test")))
        if done:
            write_json(done, identity | {"figures": _FIGURES.dump_python(results[-1], mode="json")})
    return tuple(results)


def _stored_fold(file: Path, identity: dict[str, Any]) -> tuple[PropertyMetrics, ...] | None:
    """Return the metrics of a finished fold, or None if there is no undamaged file.

    Raises:
        DatasetError: if the file belongs to another cross-validation.
    """
    if not file.exists():
        return None
    try:
        content = read_json(file)
        found = _FIGURES.validate_python(content.pop("figures"))
    except (FormatError, ValidationError, AttributeError, KeyError) as error:
        set_aside(file, f"it holds no figures of a fold: {str(error).partition(chr(10))[0]}")
        return None
    if content != identity:
        raise DatasetError(f"{file} belongs to another cross-validation (data or settings differ): remove its folder")
    return found


def fold_of(pool: Dataset, fold: int, folds: int, seed: int) -> Dataset:
    """Return the rows as a data set whose test split is one fold, and whose validation split is from the others."""
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
    """Return one row per property: means over folds of R², MAE and RMSE with half-widths of their 95 % intervals."""
    rows = []
    for k, first in enumerate(folds[0]):
        row: dict[str, float | str] = {"property": first.property, "n": sum(fold[k].n for fold in folds)}
        for name in ("r2", "mae", "rmse"):
            mean = estimate([getattr(fold[k], name) for fold in folds])
            row |= {name: mean.mean, f"{name}_interval": mean.half_width}
        rows.append(row)
    return rows


# ---- 8 bit


def quantised(surrogate: NetworkSurrogate, data: Dataset, engine: str, threads: int = 1) -> NetworkSurrogate:
    """Return a surrogate whose convolutions run in 8 bit, if its accuracy stays the same.

    Args:
        surrogate: fitted surrogate.
        data: labelled tubes, preferably of the validation split: some calibrate the network, all measure its accuracy.
            Each lattice among them needs an export, which takes some seconds per network.
        engine: one of `INT8_ENGINES`.
        threads: number of threads of a forward pass.

    Raises:
        WeightsError: if the RMSE of a property rises by more than `INT8_TOLERANCE`; the message holds both values. Also
            at a later prediction for a lattice that is not in the data, if 8 bit differs from torch by more than is
            compatible with this tolerance.
        ConfigurationError: if there is no such engine, or the network has no convolutions.
        DatasetError: if no tube has all labels.
        PropertyError: if the data have no labels of a property.
        MissingExtraError: if the engine is not installed.
    """
    if engine not in INT8_ENGINES:
        raise ConfigurationError(f"there is no 8-bit engine {engine!r}; there are {', '.join(INT8_ENGINES)}")
    rows = data.labelled(surrogate.keys)
    if not len(rows):
        raise DatasetError(
            f"no tube of these data has labels of {', '.join(surrogate.keys)}: give labelled tubes to check 8 bit on"
        )
    chosen = np.random.default_rng(0).permutation(len(rows))[:CALIBRATION_TUBES]
    tubes = [tube.species for tube in rows.take(chosen).batch]
    longest = max(len(codes) for codes in tubes)
    codes = np.stack([np.resize(codes, longest) for codes in tubes])
    uncalibrated = Calibration(codes, surrogate.species, np.full(len(surrogate.keys), np.inf))
    int8_engine = Engine(engine, threads, uncalibrated)
    before, standardised = _rmse(surrogate.with_engine("torch", threads), rows)
    after, _ = _rmse(replace(surrogate, engine=int8_engine), rows)
    for key, ours, theirs in zip(surrogate.keys, before, after, strict=True):
        if not theirs <= (1 + INT8_TOLERANCE) * ours:
            raise WeightsError(
                f"{engine} costs accuracy: the RMSE of {key} on {len(rows)} tubes is {theirs:.4g}, without 8 bit "
                f"{ours:.4g}, a change of {theirs / ours - 1:+.1%} where {INT8_TOLERANCE:.0%} is allowed: use "
                f"{engine.removesuffix('-int8')!r}"
            )
    # There are no labels for other lattices. The errors of 8 bit and of the network are independent: squares add up.
    allowed = standardised * np.sqrt((1 + INT8_TOLERANCE) ** 2 - 1)
    return replace(surrogate, engine=replace(int8_engine, calibration=replace(uncalibrated, allowed=allowed)))


def _rmse(surrogate: NetworkSurrogate, rows: Dataset) -> tuple[FloatArray, FloatArray]:
    """Return the (properties,) RMSE, and the same in standard deviations of the learned values."""
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
class Verification(ValueObject):
    """The values of a surrogate and of an oracle for some designs.

    Attributes:
        predicted: (B,) values of the surrogate.
        truth: (B,) values of the oracle; NaN where it failed.
        out_of_distribution: (B,) whether the design is out of distribution by the surrogate's own score.
        failures: number of designs that the oracle could not compute.
        level: level of the oracle.
    """

    predicted: FloatArray
    truth: FloatArray
    out_of_distribution: BoolArray
    failures: int
    level: Level

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
        """Mean of prediction minus truth, in the property's unit."""
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
        """Share of designs that are out of distribution by the surrogate's own score."""
        return float(self.out_of_distribution.mean())

    def exploitation_gap(self, targets: FloatArray) -> float:
        """Return the mean true distance of designs from (B,) targets minus the mean predicted distance."""
        good = np.isfinite(self.truth)
        expected, true = np.abs(self.predicted - targets)[good], np.abs(self.truth - targets)[good]
        return float(true.mean() - expected.mean())

    def as_dict(self) -> dict[str, float | str]:
        """Return a flat dictionary for tables and JSON."""
        return {
            "verified_by": str(self.level),
            "designs": len(self.predicted),
            "mae_ev": self.mae,
            "rmse_ev": self.rmse,
            "bias_ev": self.bias,
            "spearman": self.spearman,
            "out_of_distribution": self.share_out_of_distribution,
            "oracle_failures": self.failures,
        }


def verify(surrogate: Model, oracle: Model, tubes: Sequence[Nanotube], key: str = "gap_ev") -> Verification:
    """Predict one property of designs with a surrogate and with an oracle, and return both."""
    truth, predictions = oracle.predict(tubes), surrogate.predict(tubes)
    failures = len(truth.failures.get(key, {}))
    return Verification(predictions[key], truth[key], predictions.known_distance > 1.0, failures, oracle.level)
