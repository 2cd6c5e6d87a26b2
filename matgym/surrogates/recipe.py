"""From a data set to stored weights with a card: what `matgym surrogate train` does."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.data import Dataset
from matgym.data.splits import SPLITS
from matgym.errors import ConfigurationError
from matgym.surrogates.fitting import OnEpoch, fit
from matgym.surrogates.informed import physics_of
from matgym.surrogates.learned import NetworkSurrogate
from matgym.surrogates.metrics import property_metrics
from matgym.surrogates.settings import FitSettings
from matgym.surrogates.store import Card, PropertyMetrics, check_suffix, save

RECIPES: Final = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Recipe:
    """What a surrogate is made of.

    Attributes:
        dataset: name or file of its data; empty if it is left open.
        settings: of the fit.
    """

    dataset: str
    settings: FitSettings


def read_recipe(file: Path, **changes: Any) -> Recipe:
    """A recipe from a YAML file.

    Args:
        file: with `dataset` and fields of `FitSettings`; what is missing has its default.
        changes: fields that are to have other values.

    Raises:
        ConfigurationError: if the file cannot be read, has an unknown field, or a value out of range.
    """
    import yaml
    from pydantic import TypeAdapter, ValidationError

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file} cannot be read as settings of a fit: {error}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} is no list of settings such as `network: resnet`")
    dataset = str(content.pop("dataset", ""))
    known = [setting.name for setting in fields(FitSettings)]
    for name in content:
        if name not in known:
            raise ConfigurationError(f"{file} sets {name!r}, which a fit does not have; it has {', '.join(known)}")
    try:
        return Recipe(dataset, TypeAdapter(FitSettings).validate_python(content | changes))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{file}: {place}{': ' if place else ''}{first['msg']}") from None


def shipped_recipe(keys: Sequence[str], dataset: str = "") -> Path | None:
    """The first shipped recipe for these properties, and for this data set if one is named."""
    for file in sorted(RECIPES.glob("*.yml")):
        recipe = read_recipe(file)
        if set(keys) <= set(recipe.settings.properties) and dataset in ("", recipe.dataset):
            return file
    return None


def settings_of(card: Card) -> FitSettings:
    """How the surrogate of a card was fitted.

    Raises:
        ConfigurationError: if the card does not tell.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(FitSettings).validate_python(card.fit)
    except ValidationError:
        raise ConfigurationError("the card does not tell how its weights were fitted: train anew") from None


def train(
    data: Dataset,
    output: Path,
    settings: FitSettings,
    *,
    start: NetworkSurrogate | None = None,
    log: Path | None = None,
    on_epoch: OnEpoch = lambda _member, _epoch, _loss, _error: None,
    command: str = "matgym surrogate train",
    cross_validation: Sequence[dict[str, Any]] = (),
    source: str = "",
) -> Card:
    """Fit a surrogate, measure it on every split that holds rows, and store it.

    Args:
        data: with its splits.
        output: path of the weights, ending in .safetensors; `OUTPUT.checkpoints/` beside it lets an interrupted
            training go on, and is removed at the end.
        settings: how to fit.
        start: see `fit`.
        log: see `fit`.
        on_epoch: see `fit`.
        command: that reproduces it, for the card.
        cross_validation: for the card.
        source: name or file of the data, for the card.
    """
    from shutil import rmtree

    check_suffix(output)  # before the work, not after it
    checkpoints = output.with_name(output.name + ".checkpoints")
    surrogate = fit(data, settings, start=start, checkpoints=checkpoints, log=log, on_epoch=on_epoch)
    counts = {split: len(data.split(split)) for split in SPLITS}
    card = save(
        surrogate,
        output,
        data={"name": source or data.provenance["specification"]["name"], "digest": data.digest, "rows": counts},
        fit=settings.as_dict(),
        command=command,
        metrics=measure(surrogate, data),
        cross_validation=tuple(cross_validation),
    )
    rmtree(checkpoints)
    return card


def measure(surrogate: NetworkSurrogate, data: Dataset) -> dict[str, tuple[PropertyMetrics, ...]]:
    """Figures on the splits that no training saw, and apart for each kind of tube among the larger ones."""
    larger = data.split("larger").labelled(surrogate.keys)
    parts = {"test": data.split("test").labelled(surrogate.keys)} | {
        f"({lattice.n},{lattice.m})x{lattice.cells}": larger.take(rows) for lattice, rows, _ in larger.by_lattice()
    }
    # One row has no variance and so no R².
    return {name: figures(surrogate, part) for name, part in parts.items() if len(part) > 1}


def figures(surrogate: NetworkSurrogate, data: Dataset) -> tuple[PropertyMetrics, ...]:
    """Figures of every property on labelled rows."""
    shape = (len(data), len(surrogate.keys))
    predicted, half_width = np.full(shape, np.nan), np.full(shape, np.nan)
    physics = physics_of(data, surrogate.informed_by)
    for lattice, rows, species in data.by_lattice():
        predicted[rows], half_width[rows] = surrogate.intervals(lattice, species, physics[rows])
    truth = np.stack([data.values(key) for key in surrogate.keys], axis=1)
    covered = np.abs(predicted - truth) <= half_width
    return tuple(
        property_metrics(key, predicted[:, k], truth[:, k], covered[:, k]) for k, key in enumerate(surrogate.keys)
    )
