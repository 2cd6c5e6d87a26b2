"""Compare surrogates of two properties with few labels: strength by REBO, and gaps by GFN1-xTB.

For the table of all surrogates: ridge regression on pairs, boosted trees and a network on the honeycomb, each with and
without cheap physics as input, measured on chiralities that the training data do not have. A learning curve of trees
says what more labels would give, and labels of a smaller step of the strain say how far those of the strength agree.

`python -m scripts.studies.surrogates.scarce` (half an hour of one core) writes docs/results/scarce.json and prints the
tables of docs/surrogates.md. Physics and labels of small steps are stored, so that a second run takes minutes.
"""

from dataclasses import dataclass, field
from time import process_time

import numpy as np
import pyarrow as pa

from matgym.data import Dataset
from matgym.learning.metrics import property_metrics
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.mechanics.strength import TENSILE_STRENGTH_GPA, Strength
from matgym.surrogates import load
from matgym.surrogates.baseline import informants, physics_inputs
from matgym.surrogates.honeycomb.fitting import HoneycombFit
from matgym.surrogates.training import fitted
from scripts.studies.common import Study, StudyJob, print_markdown
from scripts.studies.levels.reference import reference_rows
from scripts.studies.levels.tubes import entries
from scripts.studies.surrogates.networks import FIGURES, of_split, of_trees

SPLITS = ("unseen", "wider", "longer")


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison.

    Attributes:
        tasks: property, data set and cheap physics.
        models: names of models; those that end in "+" have the physics as input.
        seeds: seeds of models that have one, and of the choice of labels.
        epochs: passes over the training rows of the honeycomb network.
        rows: most rows of a data set.
        shares: shares of the training rows of the learning curve.
        fine_step: step of the strain of the labels that are compared with those of the data set.
        fine: number of tubes whose labels are compared.
    """

    tasks: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("gap_ev", "nanotube-xtb", ("scc_gap_ev", "scc_fermi_ev")),
        ("tensile_strength_gpa", "nanotube-strength", ("bonded_strength_gpa", "bonded_strain", "bonded_slope_gpa")),
    )
    models: tuple[str, ...] = ("ridge", "ridge+", "trees", "trees+", "honeycomb", "honeycomb+")
    seeds: int = 3
    epochs: int = 40
    rows: int = 1000
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    fine_step: float = 0.005
    fine: int = 14


QUICK = Settings(models=("ridge+", "trees+"), seeds=1, epochs=1, rows=24, shares=(1.0,), fine_step=0.02, fine=1)


def labelled(source: str, key: str, rows: int) -> Dataset:
    """Return the rows with labels, of every split alike if only some are taken."""
    data = Dataset.load(source).labelled([key])
    return data.take(np.arange(0, len(data), max(1, len(data) // rows)))


@dataclass(frozen=True)
class Physics(StudyJob):
    """The job of the physics inputs of one task."""

    source: str
    property: str
    informed_by: tuple[str, ...] = field(repr=False)
    rows: int = 1000

    def run(self):
        """Return a column for each input, and the seconds of a tube."""
        data, start = labelled(self.source, self.property, self.rows), process_time()
        held = [key for key in self.informed_by if key in data.keys]
        computed = [key for key in self.informed_by if key not in held]
        values = dict(zip(computed, physics_inputs(computed, data.batch).T, strict=True))
        values |= {key: data.values(key) for key in held}
        return pa.table(values | {"seconds": np.full(len(data), (process_time() - start) / len(data))})


@dataclass(frozen=True)
class Fit(StudyJob):
    """The job of one model, one seed and one share of the labels."""

    settings: Settings = field(repr=False)
    physics: tuple[tuple[float, ...], ...] = field(repr=False)
    property: str
    model: str
    seed: int
    share: float = 1.0

    def run(self):
        """Return a row for each split."""
        _, source, informed_by = next(task for task in self.settings.tasks if task[0] == self.property)
        data = labelled(source, self.property, self.settings.rows)
        for key, column in zip(informed_by, np.array(self.physics), strict=True):
            if key not in data.keys:
                data = data.with_column(key, column, informants()[key].oracle.level)
        split = np.array(data.table.column("split").to_pylist())
        train = np.random.default_rng(self.seed).permutation(np.flatnonzero(split == "train"))
        train = train[: max(1, round(self.share * len(train)))]
        data = data.take(np.sort(np.concatenate([train, np.flatnonzero(split != "train")])))
        kind = self.model.removesuffix("+")
        inputs = informed_by if self.model.endswith("+") else ()
        if kind == "trees":
            predict, _ = of_trees(data, self.property, inputs, self.seed)
        else:
            network = "pairs" if kind == "ridge" else "honeycomb"
            size = {"shells": 2, "directed": 0, "products": True} if self.model == "ridge+" else {}
            config = HoneycombFit(
                (self.property,), inputs, size, network=network, epochs=self.settings.epochs, seed=self.seed
            )
            surrogate = fitted(data, config)
            predict = lambda part: surrogate.judged(part)[0][:, 0]  # noqa: E731
        found = []
        for name in SPLITS:
            part = data.split(name)
            if len(part) > 1:
                metrics = property_metrics(
                    self.property, predict(part), part.values(self.property), groups=part.chirality_numbers()
                )
                about = {"property": self.property, "model": self.model, "seed": self.seed, "labels": len(train)}
                found.append(about | {"split": name} | metrics.model_dump())
        return pa.Table.from_pylist(found)


@dataclass(frozen=True)
class FineLabel(StudyJob):
    """The job of the strength of one tube with a smaller step of the strain."""

    row: int
    step: float

    def run(self):
        """Return both labels."""
        data = labelled("nanotube-strength", TENSILE_STRENGTH_GPA.key, 1_000_000)
        start = process_time()
        found = Strength(step=self.step).predict([data.batch[self.row]])[TENSILE_STRENGTH_GPA][0]
        label = data.values(TENSILE_STRENGTH_GPA.key)[self.row]
        return pa.table({"label": [label], "fine": [found], "seconds": [process_time() - start]})


@dataclass(frozen=True)
class LongCells(StudyJob):
    """The job of the shipped surrogate of GFN1-xTB's gap on labels of long cells, which are nearly infinite tubes."""

    rows: int

    def run(self):
        """Return labels, gaps of the self-consistent π model, and predictions."""
        by_name = {entry.name: entry.tube for entry in entries()}
        rows = [row for row in reference_rows() if row["long_gap_ev"] is not None][: self.rows]
        tubes = [by_name[row["name"]] for row in rows]
        columns = {name: [row[name] for row in rows] for name in ("n", "m", "long_gap_ev")}
        charged, learned = SelfConsistentElectrons().predict(tubes), load("nanotube-xtb").predict(tubes)
        return pa.table(columns | {"scc": charged["gap_ev"], "learned": learned["gap_ev"]})


def main() -> None:
    """Compute, write and print."""
    study = Study.from_command_line("scarce", __doc__, Settings(), QUICK)
    settings, rows, seconds = study.settings, [], {}
    for key, source, informed_by in settings.tasks:
        physics = study.rows([Physics(source, key, informed_by, settings.rows)], "physics")
        seconds[key] = physics[0]["seconds"]
        columns = tuple(tuple(row[name] for row in physics) for name in informed_by)
        jobs = [
            Fit(settings, columns, key, model, seed)
            for model in settings.models
            for seed in range(1 if model.startswith("ridge") else settings.seeds)
        ]
        jobs += [
            Fit(settings, columns, key, "trees+", seed, share)
            for share in settings.shares[:-1]
            for seed in range(settings.seeds)
        ]
        rows += study.rows(jobs, "fits")
    strength = labelled("nanotube-strength", TENSILE_STRENGTH_GPA.key, 1_000_000)
    chosen = np.random.default_rng(0).permutation(len(strength))[: settings.fine].tolist()
    fine = study.rows([FineLabel(row, settings.fine_step) for row in chosen], "fine")
    difference = np.array([row["fine"] - row["label"] for row in fine])
    values, numbers = strength.values(TENSILE_STRENGTH_GPA.key), strength.chirality_numbers()
    means = (np.bincount(numbers, values) / np.bincount(numbers))[numbers]
    noise = {
        "differences_gpa": difference.tolist(),
        "sd_within_gpa": float((values - means).std()),
        "root_mean_square_gpa": float(np.sqrt((difference**2).mean())),
        "without_the_largest_gpa": float(np.sqrt((np.sort(np.abs(difference))[:-1] ** 2).mean()))
        if len(fine) > 1
        else 0.0,
    }
    long = study.rows([LongCells(settings.rows)], "long")
    truth, groups = (
        np.array([row["long_gap_ev"] for row in long]),
        np.array([100 * row["n"] + row["m"] for row in long]),
    )
    on_long = {
        model: property_metrics("gap_ev", np.array([row[model] for row in long]), truth, groups=groups).model_dump()
        for model in ("scc", "learned")
    }
    both = [row for row in reference_rows() if row["gfn2_gap_ev"] is not None]
    second = property_metrics(
        "gap_ev",
        np.array([row["gfn2_gap_ev"] for row in both]),
        np.array([row["gap_ev"] for row in both]),
        groups=np.array([100 * row["n"] + row["m"] for row in both]),
    ).model_dump()
    study.write(
        {"rows": rows, "physics_seconds": seconds, "noise": noise, "long_cells": on_long, "gfn2_for_gfn1": second}
    )
    named = dict.fromkeys((row["property"], row["model"], row["labels"]) for row in rows)
    print_markdown(
        ("property", "model", "labels", *(f"{split}: {FIGURES}" for split in SPLITS)),
        [
            (
                *name,
                *(of_split([row for row in rows if row["split"] == split and _name(row) == name]) for split in SPLITS),
            )
            for name in named
        ],
    )
    print(noise, on_long, second)


def _name(row):
    return row["property"], row["model"], row["labels"]


if __name__ == "__main__":
    main()
