"""Compare surrogates of tubes of any chirality: ridge regression, trees, networks on rasters, graphs and the honeycomb.

Each model learns from the same rows of the shipped data sets and is measured on tubes of chiralities that it knows, on
those of others, on wider and on longer ones: R² pooled and within a chirality. Networks on rasters see neither strain
nor turned bonds, so that there is a second comparison of all models on tubes without them.

`python -m scripts.studies.surrogates.networks` (hours on two cores) writes docs/results/networks.json and prints the
tables of docs/surrogates.md. `--quick` takes a minute.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingRegressor

from matgym.data import Dataset
from matgym.data.builder import random_codoped
from matgym.data.table import table_of, tube_columns
from matgym.learning.metrics import property_metrics
from matgym.statistics import estimate
from matgym.structures import TubeBatch
from matgym.surrogates.baseline import physics_of, with_physics
from matgym.surrogates.fitting import FitConfig
from matgym.surrogates.honeycomb.fitting import Examples, HoneycombFit
from matgym.surrogates.honeycomb.fitting import fit as fit_honeycomb
from matgym.surrogates.honeycomb.targets import Targets
from matgym.surrogates.training import fitted
from scripts.studies.common import Study, StudyJob, print_markdown

RASTERS = ("lenet", "alexnet", "vgg", "resnet", "graph")
SEEDLESS = ("ridge",)  # the same for every seed
FIGURES = "R², within, MAE"
ABOUT = ("labels", "weights", "seconds", "tubes/s")
SPLITS = ("test", "unseen", "wider", "longer")


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison.

    Attributes:
        tasks: property, data set, and physics that all networks and trees have as input.
        models: the models on all tubes.
        plain: the models on tubes without strain and turned bonds.
        seeds: seeds of every model that has one.
        epochs: passes over the training rows, of networks on the honeycomb and on rasters.
        rows: most training rows.
        speed_batch: tubes in a batch of the measurement of speed.
    """

    tasks: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("gap_ev", "nanotubes", ("pi_gap_ev", "pi_fermi_ev")),
        ("young_gpa", "nanotubes", ()),
        ("formation_ev", "nanotubes", ()),
        ("thermal_conductance_nw_k", "nanotube-heat", ()),
    )
    models: tuple[str, ...] = ("ridge", "trees", "honeycomb", "hamiltonian")
    plain: tuple[str, ...] = ("ridge", "trees", *RASTERS, "honeycomb")
    seeds: int = 3
    epochs: int = 40
    rows: int = 1_000_000
    speed_batch: int = 256


QUICK = Settings(
    tasks=(("young_gpa", "nanotubes", ()),), models=("ridge", "trees"), plain=("honeycomb", "lenet"), seeds=2,
    epochs=1, rows=60, speed_batch=4,
)  # fmt: skip


@dataclass(frozen=True)
class Compare(StudyJob):
    """The job of one model and one seed on one property.

    Attributes:
        settings: the settings of the study.
        key_: key of the property.
        rows: "all" tubes, or "plain" ones.
        model: name of the model.
        seed: its seed.
    """

    settings: Settings = field(repr=False)
    property: str
    rows: str
    model: str
    seed: int

    def run(self):
        """Return a row for each split."""
        source, informed_by = next(
            (data, physics) for key, data, physics in self.settings.tasks if key == self.property
        )
        data = with_physics(chosen(Dataset.load(source), self.property, self.rows, self.settings.rows), informed_by)
        start = time.perf_counter()
        predict, parameters = self.fitted(data, informed_by)
        seconds = time.perf_counter() - start
        about = {
            "property": self.property, "rows": self.rows, "model": self.model, "seed": self.seed,
            "labels": len(data.split("train")), "parameters": parameters, "seconds": seconds,
            "samples_per_second": speed(predict, self.settings.speed_batch),
        }  # fmt: skip
        found = []
        for split in SPLITS:
            part = data.split(split)
            if len(part) < 2:
                continue
            values = predict(part)
            kept = np.isfinite(values)
            metrics = property_metrics(
                self.property, values[kept], part.values(self.property)[kept],
                groups=part.chirality_numbers()[kept],
            )  # fmt: skip
            found.append(about | {"split": split} | metrics.model_dump())
        return pa.Table.from_pylist(found)

    def fitted(self, data, informed_by):
        """Return a function from rows to values, and the number of weights."""
        if self.model == "trees":
            return of_trees(data, self.property, informed_by, self.seed)
        if self.model in RASTERS:
            config = FitConfig(
                (self.property,), network=self.model, informed_by=informed_by, epochs=self.settings.epochs,
                species=("B", "N", "vacancy", "13C", "14C"),
                batch_size=32, seed=self.seed,
            )  # fmt: skip
        elif self.model == "ridge":
            config = HoneycombFit((self.property,), network="pairs", seed=self.seed)
        elif self.model == "hamiltonian":
            config = HoneycombFit(
                (self.property,), network="hamiltonian", epochs=self.settings.epochs, batch_size=16,
                learning_rate=4e-3, seed=self.seed,
            )  # fmt: skip
        else:
            config = HoneycombFit((self.property,), informed_by, epochs=self.settings.epochs, seed=self.seed)
        surrogate = fitted(data, config)
        parameters = sum(weight.numel() for weight in surrogate.networks[0].parameters())
        return lambda part: surrogate.judged(part)[0][:, 0], parameters


def chosen(data, key, rows, most):
    """Return the labelled rows, of plain tubes only where that is asked for, with a limited number to train on."""
    data = data.labelled([key])
    if rows == "plain":
        data = data.take(np.flatnonzero(~data.batch.deformed & ~data.batch.reconstructed))
    split = np.array(data.table.column("split").to_pylist())
    train = np.random.default_rng(0).permutation(np.flatnonzero(split == "train"))[:most]
    return data.take(np.sort(np.concatenate([train, np.flatnonzero(split != "train")])))


def of_trees(data, key, informed_by, seed):
    """Return boosted trees on features of tubes, pairs by shell, and the cheap physics."""
    pairs = fit_honeycomb(data, HoneycombFit((key,), informed_by, network="pairs"))
    config = HoneycombFit((key,), informed_by)

    train = Examples.of(data.split("train"), config)
    trees = HistGradientBoostingRegressor(max_iter=400, learning_rate=0.06, random_state=seed)
    trees.fit(pairs.pooled(train.batch, train.physics), train.learned[:, 0])

    def predict(part):
        batch, physics = part.batch, physics_of(part, informed_by)
        targets = Targets.of((key,), batch, informed_by, physics)
        values = targets.values(trees.predict(pairs.pooled(batch, physics))[:, None])[:, 0]
        return np.where(np.isfinite(physics).all(axis=1), values, np.nan)

    return predict, None


def speed(predict, batch):
    """Return samples per second on one thread of tubes of 132 sites in one batch, with their physics; of three."""
    rng, seconds = np.random.default_rng(0), []
    tubes = TubeBatch.of(random_codoped(11, 0, 3, 0.15, rng) for _ in range(batch))
    columns = tube_columns(tubes, range(batch)) | {"split": ["test"] * batch}
    rows = Dataset(table_of(columns, (), {b"matgym": b"{}"}))
    for _ in range(3):
        start = time.perf_counter()
        predict(rows)
        seconds.append(time.perf_counter() - start)
    return batch / float(np.median(seconds))


def jobs(settings):
    """Return the jobs of a study, all models with the first seed before the second one."""
    for seed in range(settings.seeds):
        for key, _, _ in settings.tasks:
            for rows, models in (("all", settings.models), ("plain", settings.plain)):
                for model in models:
                    if (model != "hamiltonian" or key == "gap_ev") and (model not in SEEDLESS or seed == 0):
                        yield Compare(settings, key, rows, model, seed)


def main():
    study = Study.from_command_line("networks", __doc__, Settings(), QUICK)
    rows = study.rows(jobs(study.settings))
    study.write({"rows": rows})
    for kind in ("all", "plain"):
        named = dict.fromkeys((row["property"], row["model"]) for row in rows if row["rows"] == kind)
        print_markdown(
            ("property", "model", *(f"{split}: {FIGURES}" for split in SPLITS), *ABOUT),
            (
                (
                    *name,
                    *(of_split([row for row in mine if row["split"] == split]) for split in SPLITS),
                    mine[0]["labels"], mine[0]["parameters"],
                    f"{np.median([row['seconds'] for row in mine]):.0f}",
                    f"{np.median([row['samples_per_second'] for row in mine]):,.0f}",
                )
                for name in named
                if (mine := [r for r in rows if (r["property"], r["model"]) == name and r["rows"] == kind])
            ),
        )  # fmt: skip


def of_split(rows):
    """Return the text of a split: means over seeds, and half the width of their 95 % interval of R² within."""
    if not rows:
        return "–"
    pooled, within, mae = (np.array([row[name] for row in rows]) for name in ("r2", "r2_within", "mae"))
    half = ""
    if len(rows) > 1:
        found = estimate(within)
        half = f" ± {(found.high - found.low) / 2:.3f}"
    return f"{pooled.mean():.3f}, {within.mean():.3f}{half}, {mae.mean():.3g}"


if __name__ == "__main__":
    main()
