"""Trainings and files of generators by name; see `matgym.learning.store`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Unpack, cast

import numpy as np
from pydantic import Field, field_validator
from torch import Tensor

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.generative.base import ConditionalGenerator, TrainedGenerator
from matgym.generative.config import GanConfig, GeneratorConfig, LikelihoodConfig
from matgym.generative.diffusion import DiffusionConfig, DiffusionNetwork, MaskedDiffusion
from matgym.generative.examples import ConditionScaling
from matgym.generative.gan import train_gan
from matgym.generative.likelihood import train_likelihood
from matgym.generative.networks import Generator, TubeGenerator
from matgym.generative.vae import VaeConfig, VaeNetwork, VariationalAutoencoder
from matgym.learning.config import read_config
from matgym.learning.store import Card, Store, filled
from matgym.learning.trainer import Options
from matgym.structures.species import SPECIES_DATA, parse_species


class Kind(NamedTuple):
    """The classes of a generator's name: the generator, its network, and the config of its training."""

    model: type[ConditionalGenerator]
    network: Callable[..., Any]
    config: type[GeneratorConfig]


MODELS: Final = {
    "gan": Kind(TubeGenerator, Generator, GanConfig),
    "vae": Kind(VariationalAutoencoder, VaeNetwork, VaeConfig),
    "diffusion": Kind(MaskedDiffusion, DiffusionNetwork, DiffusionConfig),
}


def read_generator_config(
    model: str, file: Path | None = None, changes: Mapping[str, object] | None = None
) -> GeneratorConfig:
    """Return the config of a generator's training: the defaults, replaced by a file's settings, then by changes.

    Raises:
        ConfigurationError: if there is no such generator or setting, or the file holds no mapping.
    """
    if model not in MODELS:
        raise ConfigurationError(f"there is no generator {model!r}: choose among {', '.join(MODELS)}")
    return read_config(MODELS[model].config, file, changes=changes)


def train_generator(config: GeneratorConfig, data: Dataset, **options: Unpack[Options]) -> TrainedGenerator:
    """Train the generator that the config belongs to; see `train_gan` and `train_likelihood`."""
    if isinstance(config, LikelihoodConfig):
        name, kind = next((name, kind) for name, kind in MODELS.items() if isinstance(config, kind.config))
        return train_likelihood(data, config, kind.network, kind.model, name, **options)
    return train_gan(data, cast("GanConfig", config), **options)


class GeneratorCard(Card):
    """The description of a generator: its network, training and validation figures."""

    model: str
    size: dict[str, Any]
    key: str
    species: tuple[str, ...] = Field(min_length=1, max_length=2)
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    validation: dict[str, float] = Field(default_factory=dict)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(f"there is no generator {name!r}: choose among {', '.join(MODELS)}")
        return name


STORE: Final = Store(GeneratorCard, "a generator", Path(__file__).parent / "weights")


def save_generator(generator: ConditionalGenerator, path: Path, **facts: object) -> GeneratorCard:
    """Write a generator to `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    return STORE.save(
        path,
        generator.network.state_dict(),
        {
            "model": next(name for name, kind in MODELS.items() if isinstance(generator, kind.model)),
            "size": asdict(generator.network.size),
            "key": generator.key,
            "species": tuple(SPECIES_DATA[kind].label for kind in generator.kinds),
            "centre": tuple(generator.scaling.centre.tolist()),
            "scale": tuple(generator.scaling.scale.tolist()),
            **facts,
        },
    )


def load_generator(path: Path | str) -> ConditionalGenerator:
    """Return a saved or shipped generator.

    Args:
        path: a .safetensors file with its card beside it, or the name of a shipped generator: "gan", "vae", or
            "diffusion".

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return STORE.load(path, _built)


def _built(card: GeneratorCard, tensors: dict[str, Tensor]) -> ConditionalGenerator:
    kind = MODELS[card.model]
    size = replace(kind.config().size, **card.size)
    net = filled(lambda: kind.network(size, len(card.species)), tensors)
    scaling = ConditionScaling(np.array(card.centre), np.array(card.scale))
    return kind.model(net.eval(), tuple(parse_species(name) for name in card.species), card.key, scaling)
