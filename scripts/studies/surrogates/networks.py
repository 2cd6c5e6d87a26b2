"""Compare every network and the classical baselines for each property, on equal rows and by cross-validation.

`python -m scripts.studies.surrogates.networks` (hours on two cores) writes docs/results/networks.json and prints the
table of docs/surrogates.md.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data import Dataset
from matgym.files import atomic_path
from matgym.learning.config import read_config
from matgym.learning.metrics import property_metrics
from matgym.surrogates import FitConfig, fit
from matgym.surrogates.baseline import with_physics
from matgym.surrogates.classical import fit_classical
from matgym.surrogates.training import CONFIGS, cross_validate, figures, fold_of, summary
from scripts.studies.common import Study, StudyJob, interval, print_markdown

CLASSICAL = ("ridge-composition", "ridge-pairs", "trees-composition", "trees-pairs")


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    rows: int = 3000  # training rows of every model, if there are as many
    cv_rows: int = 1200  # rows of the pool of the cross-validation
    folds: int = 5
    epochs: int = 16
    speed_batch: int = 256
    configs: tuple[str, ...] = (
        "nanotube-doping", "nanotube-transport", "nanotube-heat", "nanotube-zt", "nanotube-mechanics",
    )  # fmt: skip
    networks: tuple[str, ...] = ("lenet", "alexnet", "vgg", "plain", "resnet", "graph")


QUICK = Settings(rows=60, cv_rows=40, folds=2, epochs=1, configs=("nanotube-doping",), networks=("lenet",))


@dataclass(frozen=True)
class Compare(StudyJob):
    """The job of one model on the properties of one training config.

    Attributes:
        settings: the settings of the study.
        config: the name of the training config.
        model: the network or classical baseline.
        data: the name or file of the data set, with the cheap physics that is an input of some networks.
    """

    settings: Settings
    config: str
    model: str
    data: str = field(repr=False)

    def run(self):
        """Return a row for each property."""
        config = read_config(FitConfig, CONFIGS / f"{self.config}.yml")
        data, pool = self.prepared(config)
        start = time.perf_counter()
        if self.model in CLASSICAL:
            fitted = fit_classical(self.model, data, config.properties, informed_by=config.informed_by)
            seconds, predict, parameters = time.perf_counter() - start, fitted.values, None
            test, folds = of_classical(fitted, data.split("test")), []
            for fold in range(self.settings.folds):
                part = fold_of(pool, fold, self.settings.folds, 0)
                again = fit_classical(self.model, part, config.properties, informed_by=config.informed_by)
                folds.append(of_classical(again, part.split("test")))
        else:
            chosen = FitConfig(
                config.properties, config.weights, network=self.model, informed_by=config.informed_by,
                epochs=self.settings.epochs, batch_size=64,
            )  # fmt: skip
            fitted = fit(data, chosen)
            seconds, predict = time.perf_counter() - start, fitted.mean
            parameters = sum(p.numel() for p in fitted.networks[0].parameters())
            test, folds = figures(fitted, data.split("test")), cross_validate(pool, chosen, self.settings.folds)
        about = {"config": self.config, "model": self.model, "parameters": parameters, "seconds": seconds}
        about["samples_per_second"] = speed(predict, data, self.settings.speed_batch)
        return pa.Table.from_pylist(
            [
                about | {"test": metrics.model_dump(), "cross_validation": folded}
                for metrics, folded in zip(test, summary(tuple(folds)), strict=True)
            ]
        )

    def prepared(self, config):
        """Return the data with a limited number of training rows, and the pool of the cross-validation."""
        data = Dataset.load(self.data).labelled(config.properties)
        split = np.array(data.table.column("split").to_pylist())
        rng = np.random.default_rng(0)
        train = rng.permutation(np.flatnonzero(split == "train"))[: self.settings.rows]
        kept = data.take(np.sort(np.concatenate([train, np.flatnonzero(split != "train")])))
        pool = data.split("seen")
        return kept, pool.take(np.sort(rng.permutation(len(pool))[: self.settings.cv_rows]))


def of_classical(fitted, part):
    predictions = fitted.predict(part.batch)
    return tuple(property_metrics(key, predictions[key], part.values(key)) for key in fitted.keys)


def speed(predict, data, batch):
    """Return samples per second on one thread in batches of one lattice, the median of five measurements."""
    lattice, _, species, *_ = next(data.split("test").batch.by_lattice())
    species, seconds = np.resize(species, (batch, species.shape[1])), []
    for _ in range(6):
        start = time.perf_counter()
        predict(lattice, species)
        seconds.append(time.perf_counter() - start)
    return batch / float(np.median(seconds[1:]))


def data_of(name, folder: Path):
    """Return the data set of a config, with the cheap physics that some networks take, computed once for all models."""
    config, file = read_config(FitConfig, CONFIGS / f"{name}.yml"), folder / f"{name}.parquet"
    if not config.informed_by:
        return config.dataset
    if not file.exists():
        with atomic_path(file) as scratch:
            pq.write_table(with_physics(Dataset.load(config.dataset), config.informed_by).table, scratch)
    return str(file)


def main():
    study = Study.from_command_line("networks", __doc__, Settings(), QUICK)
    settings = study.settings
    data = {config: data_of(config, study.folder) for config in settings.configs}
    models = (*CLASSICAL, *settings.networks)
    rows = study.rows(Compare(settings, config, model, data[config]) for config in settings.configs for model in models)
    study.write({"rows": rows})
    properties = dict.fromkeys((row["config"], row["test"]["property"]) for row in rows)
    print_markdown(
        ("property", "model", "R² test", "MAE", "RMSE", "R² folds", "MAE folds", "weights", "training, s", "samples/s"),
        (
            (
                row["test"]["property"], row["model"],
                *(interval(row["test"][name], *row["test"][f"{name}_interval"]) for name in ("r2", "mae", "rmse")),
                *(f"{row['cross_validation'][name]:.3g} ± {row['cross_validation'][f'{name}_interval']:.1g}"
                  for name in ("r2", "mae")),
                row["parameters"], f"{row['seconds']:.0f}", f"{row['samples_per_second']:,.0f}",
            )
            for config, key in properties for row in rows if (row["config"], row["test"]["property"]) == (config, key)
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
