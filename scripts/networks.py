"""Which network for which property: every network and the classical baselines on equal rows, and by cross-validation.

One JSON file a cell, so that a killed run goes on where it was: `python scripts/networks.py` (hours on two cores),
`--report` only prints the table and writes docs/results/networks.json.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "networks"
REPORT = ROOT / "docs" / "results" / "networks.json"


@dataclass(frozen=True)
class Settings:
    """What is compared."""

    rows: int = 3000  # training rows of every model, or all there are
    cv_rows: int = 1200  # pooled rows of the cross-validation
    folds: int = 5
    epochs: int = 16
    speed_batch: int = 256


SETTINGS = Settings()
RECIPES = ("nanotube-doping", "nanotube-transport", "nanotube-heat", "nanotube-zt", "nanotube-mechanics")
NETWORKS = ("lenet", "alexnet", "vgg", "plain", "resnet", "graph")
CLASSICAL = ("ridge-composition", "ridge-pairs", "trees-composition", "trees-pairs")


def prepared(recipe):
    """Data of a recipe with at most so many training rows, its pool for cross-validation, and the properties."""
    import pyarrow.compute as pc

    from matgym.data import Dataset
    from matgym.surrogates.recipe import RECIPES as FOLDER
    from matgym.surrogates.recipe import read_recipe

    found = read_recipe(FOLDER / f"{recipe}.yml")
    informed_by = found.settings.informed_by
    data = Dataset.load(told(recipe) if informed_by else found.dataset).labelled(found.settings.properties)
    split = np.array(data.table.column("split").to_pylist())
    rng = np.random.default_rng(0)
    train = rng.permutation(np.flatnonzero(split == "train"))[: SETTINGS.rows]
    kept = data.take(np.sort(np.concatenate([train, np.flatnonzero(split != "train")])))
    pool = data.take(np.flatnonzero(pc.not_equal(data.table.column("split"), "larger").to_numpy()))
    pool = pool.take(np.sort(rng.permutation(len(pool))[: SETTINGS.cv_rows]))
    return kept, pool, found.settings


def told(recipe):
    """The file of a recipe's data with the physics that its networks are told, computed once for all models."""
    import pyarrow.parquet as pq

    from matgym.data import Dataset
    from matgym.files import atomic_path
    from matgym.surrogates.informed import with_physics
    from matgym.surrogates.recipe import RECIPES as FOLDER
    from matgym.surrogates.recipe import read_recipe

    file, found = RUNS / f"{recipe}.parquet", read_recipe(FOLDER / f"{recipe}.yml")
    if not file.exists() and found.settings.informed_by:
        with atomic_path(file) as scratch:
            pq.write_table(with_physics(Dataset.load(found.dataset), found.settings.informed_by).table, scratch)
    return file


def run_cell(recipe, model):
    """One model on one recipe's properties."""
    import torch

    torch.set_num_threads(1)
    from matgym.files import write_json

    file = RUNS / f"{recipe}.{model}.json"
    if file.exists():
        return
    data, pool, settings = prepared(recipe)
    cell = classical(model, data, pool, settings) if model in CLASSICAL else network(model, data, pool, settings, file)
    write_json(file, {"recipe": recipe, "model": model} | cell)


def network(name, data, pool, settings, file):
    from matgym.surrogates.cross_validation import cross_validate, summary
    from matgym.surrogates.fitting import FitSettings, fit
    from matgym.surrogates.recipe import figures

    chosen = FitSettings(
        settings.properties, settings.weights, network=name, informed_by=settings.informed_by,
        epochs=SETTINGS.epochs, batch_size=64,
    )  # fmt: skip
    start = time.perf_counter()
    fitted = fit(data, chosen, checkpoints=file.with_suffix(".fit"))
    seconds = time.perf_counter() - start  # of an unbroken run
    folds = cross_validate(pool, chosen, SETTINGS.folds, folder=file.with_suffix(".cv"))
    return {
        "test": [m.model_dump() for m in figures(fitted, data.split("test"))],
        "cross_validation": summary(folds),
        "parameters": sum(p.numel() for p in fitted.networks[0].parameters()),
        "seconds": seconds,
        "samples_per_second": speed(fitted.predict, data),
    }


def classical(name, data, pool, settings):
    from matgym.surrogates.classical import fit_classical
    from matgym.surrogates.cross_validation import fold_of, summary
    from matgym.surrogates.metrics import property_metrics

    def measured(fitted, part):
        predicted = np.empty((len(part), len(settings.properties)))
        for lattice, rows, species in part.by_lattice():
            predicted[rows] = fitted.predict(lattice, species)
        return tuple(
            property_metrics(key, predicted[:, k], part.values(key)) for k, key in enumerate(settings.properties)
        )

    start = time.perf_counter()
    fitted = fit_classical(name, data, settings.properties, informed_by=settings.informed_by)
    seconds = time.perf_counter() - start
    folds = []
    for fold in range(SETTINGS.folds):
        part = fold_of(pool, fold, SETTINGS.folds, 0)
        folds.append(
            measured(
                fit_classical(name, part, settings.properties, informed_by=settings.informed_by), part.split("test")
            )
        )
    return {
        "test": [m.model_dump() for m in measured(fitted, data.split("test"))],
        "cross_validation": summary(tuple(folds)),
        "parameters": None,
        "seconds": seconds,
        "samples_per_second": speed(fitted.predict, data),
    }


def speed(predict, data):
    """Samples a second, one thread, batches of one lattice: the median of five."""
    lattice, _, species = next(data.split("test").by_lattice())
    species = np.resize(species, (SETTINGS.speed_batch, species.shape[1]))
    taken = []
    for _ in range(6):
        start = time.perf_counter()
        predict(lattice, species)
        taken.append(time.perf_counter() - start)
    return SETTINGS.speed_batch / float(np.median(taken[1:]))


def report():
    from matgym.files import write_json

    cells = [json.loads(file.read_text()) for file in sorted(RUNS.glob("*.json"))]
    write_json(REPORT, {"settings": SETTINGS.__dict__, "cells": cells})
    order = {model: place for place, model in enumerate((*CLASSICAL, *NETWORKS))}
    print("| property | model | R² test | MAE | RMSE | R² 5-fold | MAE 5-fold | parameters | training, s | samples/s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for recipe in RECIPES:
        mine = sorted((c for c in cells if c["recipe"] == recipe), key=lambda c: order[c["model"]])
        for k in range(len(mine[0]["test"]) if mine else 0):
            for cell in mine:
                m, cv = cell["test"][k], cell["cross_validation"][k]
                print(f"| {m['property']} | {cell['model']} | {row_of(cell, m, cv)} |")


def row_of(cell, m, cv):
    texts = [interval(m, name, digits) for name, digits in (("r2", ".3f"), ("mae", ".3g"), ("rmse", ".3g"))]
    texts += [f"{cv['r2']:.3f} ± {cv['r2_interval']:.3f}", f"{cv['mae']:.3g} ± {cv['mae_interval']:.1g}"]
    texts += [str(cell["parameters"] or "–"), f"{cell['seconds']:.0f}", f"{cell['samples_per_second']:,.0f}"]
    return " | ".join(texts)


def interval(figures, name, digits):
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:{digits}} [{low:{digits}}, {high:{digits}}]"


def main():
    if "--report" not in sys.argv:
        from rich.progress import track

        RUNS.mkdir(parents=True, exist_ok=True)
        for recipe in RECIPES:
            told(recipe)
        jobs = [(recipe, model) for model in (*CLASSICAL, *NETWORKS) for recipe in RECIPES]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(run_cell, *job) for job in jobs]
            for future in track(futures, "models"):
                future.result()
    report()


if __name__ == "__main__":
    main()
