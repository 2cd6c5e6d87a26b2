"""Generators on disk; see `matgym.learning.store`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import Field, field_validator
from torch import Tensor

from matgym.generative.base import ConditionalGenerator
from matgym.generative.conditions import ConditionScaling
from matgym.generative.diffusion import DiffusionNetwork, DiffusionSize, MaskedDiffusion
from matgym.generative.model import TubeGenerator
from matgym.generative.networks import Generator, NetworkSize
from matgym.generative.vae import VaeNetwork, VaeSize, VariationalAutoencoder
from matgym.learning.store import Card, Store
from matgym.structures.species import SPECIES_DATA, parse_species

MODELS: Final[dict[str, tuple[Any, Any, Any]]] = {
    "gan": (TubeGenerator, Generator, NetworkSize),
    "vae": (VariationalAutoencoder, VaeNetwork, VaeSize),
    "diffusion": (MaskedDiffusion, DiffusionNetwork, DiffusionSize),
}
"""Name to the model, its network, and the network's size."""


class GeneratorCard(Card):
    """What a generator is, where it came from, and how good it is."""

    model: str
    size: dict[str, Any]
    key: str
    species: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    validation: dict[str, float] = Field(default_factory=dict)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(f"there is no model {name!r}; there are {', '.join(MODELS)}")
        return name


STORE: Final = Store(GeneratorCard, "a generator", Path(__file__).parent / "weights")


def save_generator(generator: ConditionalGenerator, path: Path, **facts: object) -> GeneratorCard:
    """Write `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    return STORE.save(
        path,
        generator.network.state_dict(),
        {
            "model": next(name for name, (kind, _, _) in MODELS.items() if isinstance(generator, kind)),
            "size": asdict(generator.network.size),
            "key": generator.key,
            "species": tuple(SPECIES_DATA[kind].label for kind in generator.kinds),
            "centre": tuple(generator.scaling.centre.tolist()),
            "scale": tuple(generator.scaling.scale.tolist()),
            **facts,
        },
    )


def load_generator(path: Path | str) -> ConditionalGenerator:
    """Read a generator.

    Args:
        path: a .safetensors file with its card beside it, or the name of a shipped one: "gan", "vae", "diffusion".

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or not what its card describes.
    """
    return STORE.load(path, _built)


def _built(card: GeneratorCard, tensors: dict[str, Tensor]) -> ConditionalGenerator:
    model, network, size = MODELS[card.model]
    net = network(size(**card.size), len(card.species))
    net.load_state_dict(tensors)
    scaling = ConditionScaling(np.array(card.centre), np.array(card.scale))
    found: ConditionalGenerator = model(
        net.eval(), tuple(parse_species(name) for name in card.species), card.key, scaling
    )
    return found
