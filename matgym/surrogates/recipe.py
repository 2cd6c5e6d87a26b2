"""From a data set to stored weights with a card: what `matgym surrogate train` does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from matgym.datasets import Dataset
from matgym.datasets.splits import SPLITS
from matgym.surrogates.cnn import CnnSurrogate
from matgym.surrogates.fit import FitSettings, fit
from matgym.surrogates.metrics import property_metrics
from matgym.surrogates.store import Card, PropertyMetrics, check_suffix, save


def train(
    data: Dataset,
    output: Path,
    settings: FitSettings,
    on_epoch: Callable[[int, float, float], None] = lambda _epoch, _train, _validation: None,
    command: str = "matgym surrogate train",
) -> Card:
    """Fit a surrogate, measure it on every split that holds rows, and store it.

    Args:
        data: with its splits.
        output: path of the weights, ending in .safetensors.
        settings: how to fit.
        on_epoch: see `fit`.
        command: that reproduces it, for the card.
    """
    check_suffix(output)  # before the work, not after it
    surrogate = fit(data, settings, on_epoch)
    counts = {split: len(data.split(split)) for split in SPLITS}
    return save(
        surrogate,
        output,
        data={"name": data.provenance["specification"]["name"], "digest": data.digest, "rows": counts},
        fit=settings.as_dict(),
        command=command,
        metrics=measure(surrogate, data),
    )


def measure(surrogate: CnnSurrogate, data: Dataset) -> dict[str, tuple[PropertyMetrics, ...]]:
    """Figures on the splits that no training saw, and apart for each kind of tube among the larger ones."""
    larger = data.split("larger").labelled()
    parts = {"test": data.split("test").labelled()} | {
        f"({lattice.n},{lattice.m})x{lattice.cells}": Dataset(larger.table.take(rows))
        for lattice, rows, _ in larger.by_lattice()
    }
    # One row has no variance and so no R².
    return {name: _figures(surrogate, part) for name, part in parts.items() if len(part) > 1}


def _figures(surrogate: CnnSurrogate, data: Dataset) -> tuple[PropertyMetrics, ...]:
    predicted = np.full((len(data), len(surrogate.keys)), np.nan)
    for lattice, rows, species in data.by_lattice():
        predicted[rows] = surrogate.predict(lattice, species)
    return tuple(property_metrics(key, predicted[:, k], data.values(key)) for k, key in enumerate(surrogate.keys))
