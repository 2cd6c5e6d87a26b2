"""From a data set to stored weights with a card: what `matgym surrogate train` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from matgym.data import Dataset
from matgym.data.splits import SPLITS
from matgym.errors import ConfigurationError
from matgym.learning.config import validated
from matgym.learning.metrics import PropertyMetrics, property_metrics
from matgym.learning.trainer import Options
from matgym.surrogates.config import FitConfig
from matgym.surrogates.domain import check_undeformed
from matgym.surrogates.fitting import fit
from matgym.surrogates.informed import physics_of
from matgym.surrogates.learned import NetworkSurrogate
from matgym.surrogates.store import STORE, SurrogateCard, save


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

    Args:
        data: with its splits.
        output: path of the weights, ending in .safetensors; see `Store.checkpoints`.
        config: how to fit.
        start: see `fit`.
        command: that reproduces it, for the card.
        cross_validation: for the card.
        source: name or file of the data, for the card.
        options: see `fit`.
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
