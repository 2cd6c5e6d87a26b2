"""Generators on disk: weights as safetensors, and a card that says what they are. No pickle is ever read."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from matgym.errors import WeightsError
from matgym.files import atomic_path, write_text
from matgym.generative.base import ConditionalSeeder
from matgym.generative.conditions import ConditionScaling
from matgym.generative.diffusion import DiffusionNetwork, DiffusionSize, MaskedDiffusion
from matgym.generative.model import TubeGenerator
from matgym.generative.networks import Generator, NetworkSize
from matgym.generative.vae import VaeNetwork, VaeSize, VariationalAutoencoder
from matgym.structures.species import SPECIES_DATA, parse_species
from matgym.surrogates.store import check_suffix

FORMAT_VERSION: Final = 1
SHIPPED: Final = Path(__file__).parent / "weights"

MODELS: Final[dict[str, tuple[Any, Any, Any]]] = {
    "gan": (TubeGenerator, Generator, NetworkSize),
    "vae": (VariationalAutoencoder, VaeNetwork, VaeSize),
    "diffusion": (MaskedDiffusion, DiffusionNetwork, DiffusionSize),
}
"""Name to the model, its network, and the network's size."""


class GeneratorCard(BaseModel):
    """What a generator is, where it came from, and how good it is."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    model: str
    size: dict[str, Any]
    key: str
    species: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    data: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    command: str = ""
    validation: dict[str, float] = {}
    seconds: float = 0.0


def save_generator(generator: ConditionalSeeder, path: Path, **facts: Any) -> GeneratorCard:
    """Write `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    check_suffix(path)
    name = next(name for name, (kind, _, _) in MODELS.items() if isinstance(generator, kind))
    card = GeneratorCard(
        model=name,
        size=asdict(generator.network.size),
        key=generator.key,
        species=tuple(SPECIES_DATA[kind].label for kind in generator.kinds),
        centre=tuple(generator.scaling.centre.tolist()),
        scale=tuple(generator.scaling.scale.tolist()),
        **facts,
    )
    with atomic_path(path) as scratch:
        save_file({name: value.contiguous() for name, value in generator.network.state_dict().items()}, scratch)
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return card


def load_generator(path: Path | str) -> ConditionalSeeder:
    """Read a generator.

    Args:
        path: a .safetensors file with its card beside it, or the name of a shipped one: "gan", "vae", "diffusion".

    Raises:
        WeightsError: if a file is missing, damaged, or of a later format.
    """
    file, card = _located(path), load_generator_card(path)
    model, network, size = MODELS[card.model]
    try:
        net = network(size(**card.size), len(card.species))
        net.load_state_dict(load_file(file))
    except (TypeError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{file} does not hold the weights that its card describes: {error}") from None
    scaling = ConditionScaling(np.array(card.centre), np.array(card.scale))
    found: ConditionalSeeder = model(net.eval(), tuple(parse_species(name) for name in card.species), card.key, scaling)
    return found


def load_generator_card(path: Path | str) -> GeneratorCard:
    """Read the card of a generator; see `load_generator`."""
    file = _located(path).with_suffix(".json")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content.get("format_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise WeightsError(f"{file} is of format {version}; this matgym reads up to {FORMAT_VERSION}: upgrade it")
        card = GeneratorCard.model_validate(content)
    except FileNotFoundError:
        raise WeightsError(f"{file} is missing: weights are read with their card beside them") from None
    except ValueError as error:
        raise WeightsError(f"{file} is no card of a generator: {error}") from None
    if card.model not in MODELS:
        raise WeightsError(f"{file}: there is no model {card.model!r}; there are {', '.join(MODELS)}")
    return card


def _located(path: Path | str) -> Path:
    file = Path(path)
    if not file.suffix:
        file = SHIPPED / f"{path}.safetensors"
    if not file.is_file():
        there = ", ".join(sorted(found.stem for found in SHIPPED.glob("*.safetensors"))) or "none"
        raise WeightsError(f"there is no generator {str(path)!r}: give a .safetensors file, or one of {there}")
    return file
