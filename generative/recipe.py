"""Train a generator by its name."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.generative.diffusion import DiffusionSettings, train_diffusion
from matgym.generative.settings import GanSettings
from matgym.generative.training import train_gan
from matgym.generative.vae import VaeSettings, train_vae

Settings: TypeAlias = GanSettings | VaeSettings | DiffusionSettings

TRAININGS: Final[dict[str, tuple[Any, Any]]] = {
    "gan": (GanSettings, train_gan),
    "vae": (VaeSettings, train_vae),
    "diffusion": (DiffusionSettings, train_diffusion),
}
"""Name to the settings and the training."""


def read_settings(model: str, file: Path | None = None, changes: Mapping[str, Any] | None = None) -> Settings:
    """A model's defaults, then a file's settings, then changes.

    Raises:
        ConfigurationError: if there is no such model or setting, or the file is no mapping.
    """
    if model not in TRAININGS:
        raise ConfigurationError(f"there is no generator {model!r}; there are {', '.join(TRAININGS)}")
    kind = TRAININGS[model][0]
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    if not isinstance(given, dict):
        raise ConfigurationError(f"{file} must be a mapping of settings to values")
    given |= changes or {}
    known = [setting.name for setting in fields(kind)]
    for name in given:
        if name not in known:
            raise ConfigurationError(f"{model} has no setting {name!r}; it has {', '.join(known)}")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if isinstance(given.get("size"), dict):
        try:
            given["size"] = replace(kind().size, **given["size"])
        except TypeError as error:
            raise ConfigurationError(f"{model}: size has no such setting: {error}") from None
    settings: Settings = kind(**given)
    return settings


def train_model(settings: Settings, data: Dataset, **how: Any) -> Any:
    """Train with settings; see `train_gan`, `train_vae`, `train_diffusion`."""
    return next(train for kind, train in TRAININGS.values() if isinstance(settings, kind))(data, settings, **how)
