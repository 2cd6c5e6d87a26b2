"""Train a generator by its name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Unpack

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.generative.base import TrainedGenerator
from matgym.generative.config import GanConfig, GeneratorConfig
from matgym.generative.diffusion import DiffusionConfig, train_diffusion
from matgym.generative.gan import train_gan
from matgym.generative.vae import VaeConfig, train_vae
from matgym.learning.config import read_config
from matgym.learning.trainer import Options

TRAININGS: Final[dict[str, tuple[type[GeneratorConfig], Callable[..., TrainedGenerator]]]] = {
    "gan": (GanConfig, train_gan),
    "vae": (VaeConfig, train_vae),
    "diffusion": (DiffusionConfig, train_diffusion),
}
"""Name to the configuration and the training."""


def read_generator_config(
    model: str, file: Path | None = None, changes: Mapping[str, object] | None = None
) -> GeneratorConfig:
    """A model's defaults, then a file's settings, then changes.

    Raises:
        ConfigurationError: if there is no such model or setting, or the file is no mapping.
    """
    if model not in TRAININGS:
        raise ConfigurationError(f"there is no generator {model!r}; there are {', '.join(TRAININGS)}")
    return read_config(TRAININGS[model][0], file, changes=changes)


def train_generator(config: GeneratorConfig, data: Dataset, **options: Unpack[Options]) -> TrainedGenerator:
    """Train as configured; see `train_gan`, `train_vae`, `train_diffusion`."""
    return next(train for kind, train in TRAININGS.values() if isinstance(config, kind))(data, config, **options)
