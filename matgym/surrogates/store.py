"""Surrogates on disk: weights as safetensors, and a card that says what they are.

No pickle is ever read: a safetensors file holds arrays only, and the card is validated JSON.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from matgym.errors import ConfigurationError, WeightsError
from matgym.files import atomic_path, write_text
from matgym.physics.registry import PROPERTIES, PROPERTIES_BY_KEY
from matgym.structures.species import SPECIES_DATA, parse_species
from matgym.surrogates.baseline import PristineModel
from matgym.surrogates.learned import NetworkSurrogate, Scaling
from matgym.surrogates.networks import make_network, network_settings

FORMAT_VERSION: Final = 2
SHIPPED: Final = Path(__file__).parent / "weights"


class PropertyMetrics(BaseModel):
    """Figures of one property on one split; intervals are 95 % bootstrap intervals over structures."""

    model_config = ConfigDict(extra="forbid")

    property: str
    n: int
    r2: float
    r2_interval: tuple[float, float]
    mae: float
    mae_interval: tuple[float, float]
    rmse: float
    rmse_interval: tuple[float, float] | None = None
    coverage: float | None = None


class Card(BaseModel):
    """What a surrogate is, where it came from, and how good it is.

    Attributes:
        format_version: of this file.
        network: name of the architecture.
        settings: its size.
        members: networks of the ensemble.
        properties: keys it predicts, in order.
        species: that have channels of their own.
        informed_by: physics that is given as input.
        mean: of what is learned of the training labels.
        scale: standard deviation of the same.
        informed_mean: of the physics that is given as input.
        informed_scale: standard deviation of the same.
        lattices: (n, m, cells) it was trained on.
        baseline: the π model whose pristine gap is known without learning.
        data: name and hash of the data set, and rows a split.
        fit: how it was fitted.
        command: reproduces it.
        metrics: split to figures; "test" was seen by neither training nor early stopping.
        cross_validation: a row a property, means over folds with the half-widths of their intervals.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    network: str
    settings: dict[str, Any]
    members: int = Field(default=1, ge=1)
    properties: tuple[str, ...] = Field(min_length=1)
    species: tuple[str, ...] = Field(min_length=1)
    informed_by: tuple[str, ...] = ()
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    informed_mean: tuple[float, ...] = ()
    informed_scale: tuple[float, ...] = ()
    lattices: tuple[tuple[int, int, int], ...]
    baseline: PristineModel
    data: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    command: str = ""
    metrics: dict[str, tuple[PropertyMetrics, ...]] = {}
    cross_validation: tuple[dict[str, Any], ...] = ()


def save(surrogate: NetworkSurrogate, path: Path, **facts: Any) -> Card:
    """Write `path` (.safetensors) and its card beside it (.json).

    Args:
        surrogate: to be stored.
        path: of the weights.
        facts: further fields of the card: data, fit, command, metrics.

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    check_suffix(path)
    scaling = surrogate.scaling
    card = Card(
        network=surrogate.network,
        settings=dict(surrogate.settings),
        members=len(surrogate.networks),
        properties=surrogate.keys,
        species=tuple(SPECIES_DATA[kind].label for kind in surrogate.species),
        informed_by=surrogate.informed_by,
        mean=tuple(scaling.mean.tolist()),
        scale=tuple(scaling.scale.tolist()),
        informed_mean=tuple(scaling.informed_mean.tolist()),
        informed_scale=tuple(scaling.informed_scale.tolist()),
        lattices=surrogate.lattices,
        baseline=surrogate.baseline,
        **facts,
    )
    tensors = member_tensors(surrogate.networks)
    tensors |= {f"calibration.{name}": torch.from_numpy(np.array(v)) for name, v in surrogate.calibration.items()}
    with atomic_path(path) as scratch:
        save_file(tensors, scratch)
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return card


def member_tensors(networks: Sequence[torch.nn.Module]) -> dict[str, torch.Tensor]:
    """Weights of an ensemble by the names under which they are stored."""
    return {
        f"network.{member}.{name}": value.contiguous()
        for member, network in enumerate(networks)
        for name, value in network.state_dict().items()
    }


def member_state(tensors: Mapping[str, torch.Tensor], member: int) -> dict[str, torch.Tensor]:
    """Of stored tensors, one network's weights by its own names."""
    start = f"network.{member}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def check_suffix(path: Path) -> None:
    """Refuse a name that `load` would not take."""
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path.name}: weights are stored as .safetensors")


def load(path: Path | str) -> NetworkSurrogate:
    """Read a surrogate.

    Args:
        path: a .safetensors file with its card beside it, or the name of a shipped one such as "nanotube-doping", or
            of a property that a shipped one predicts, such as "zt".

    Raises:
        WeightsError: if a file is missing, damaged, or of a later format.
    """
    file, card = located(path), load_card(path)
    try:
        with safe_open(file, framework="pt") as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118  # not a mapping
    except SafetensorError as error:
        raise WeightsError(f"{file} does not hold the weights that its card describes: {error}") from None
    tensors = _upgraded_tensors(tensors)
    networks = []
    for member in range(card.members):
        state = member_state(tensors, member)
        try:
            leads = any(PROPERTIES_BY_KEY[key].between_leads for key in card.properties)
            network = make_network(
                card.network,
                card.settings,
                len(card.species) + leads,
                len(card.species) + 1 + len(card.informed_by),
                len(card.properties),
                sums=leads,
            )
            network.load_state_dict(state)
        except (ConfigurationError, RuntimeError) as error:
            raise WeightsError(f"{file} does not hold the weights that its card describes: {error}") from None
        networks.append(network)
    return NetworkSurrogate(
        tuple(networks),
        card.network,
        network_settings(card.network, card.settings),
        card.properties,
        tuple(parse_species(name) for name in card.species),
        card.lattices,
        Scaling(*(np.array(x) for x in (card.mean, card.scale, card.informed_mean, card.informed_scale))),
        card.informed_by,
        {name[12:]: value.numpy() for name, value in tensors.items() if name.startswith("calibration.")},
        card.baseline,
    )


def load_card(path: Path | str) -> Card:
    """Read the card of a surrogate; see `load`."""
    file = located(path).with_suffix(".json")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content.get("format_version", 1) if isinstance(content, dict) else 1
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise WeightsError(f"{file} is of format {version}; this matgym reads up to {FORMAT_VERSION}: upgrade it")
        return Card.model_validate(_upgraded_card(content) if version == 1 else content)
    except FileNotFoundError:
        raise WeightsError(f"{file} is missing: weights are read with their card beside them") from None
    except ValueError as error:  # no JSON, or no card
        raise WeightsError(f"{file} is no card of a surrogate: {error}") from None


def shipped() -> dict[str, tuple[str, ...]]:
    """Shipped surrogates: name to the keys of the properties that each predicts."""
    return {path.stem: load_card(path).properties for path in sorted(SHIPPED.glob("*.safetensors"))}


def located(path: Path | str) -> Path:
    """The file of weights that a path, a shipped name or a property's name stands for.

    Raises:
        WeightsError: if there is none.
    """
    file = Path(path)
    if not file.suffix and not file.is_file():
        file = SHIPPED / f"{path}.safetensors"
        if not file.is_file():
            prop = PROPERTIES.get(str(path))
            holders = [name for name, keys in shipped().items() if (prop.key if prop else path) in keys]
            file = SHIPPED / f"{holders[0]}.safetensors" if holders else file
    if not file.is_file():
        there = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors"))) or "none"
        raise WeightsError(
            f"there are no weights {str(path)!r}: give a .safetensors file, one of {there}, or a property of theirs"
        )
    return file


# ---- earlier formats


def _upgraded_card(card: Any) -> Any:
    """A card of format 1: one plain network that saw B, N and vacancies."""
    if not isinstance(card, dict) or not isinstance(card.get("settings"), dict):
        return card
    size = card["settings"] | {"hidden": [card["settings"].get("hidden", 64)]}
    return card | {
        "format_version": FORMAT_VERSION,
        "network": "plain",
        "settings": size,
        "species": ["B", "N", "vacancy"],
        "baseline": {"curvature": False},
    }


def _upgraded_tensors(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Format 1 had one network, and the same error for every tube."""
    if "calibration.rmse" not in tensors:
        return tensors
    rmse, interval = tensors.pop("calibration.rmse"), tensors.pop("calibration.interval")
    upgraded = {
        f"network.0.{name.removeprefix('network.')}" if name.startswith("network.") else name: value
        for name, value in tensors.items()
    }
    return upgraded | {
        "calibration.floor": rmse,
        "calibration.factor": torch.zeros_like(rmse),
        "calibration.interval": interval / rmse,
    }
