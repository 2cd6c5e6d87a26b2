"""Surrogates on disk: weights as safetensors, and a card that says what they are.

No pickle is ever read: a safetensors file holds arrays only, and the card is validated JSON.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from matgym.errors import WeightsError
from matgym.files import atomic_path, write_text
from matgym.surrogates.cnn import CnnSurrogate
from matgym.surrogates.networks import NetworkSettings, ResidualRaster

FORMAT_VERSION: Final = 1
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


class Card(BaseModel):
    """What a surrogate is, where it came from, and how good it is.

    Attributes:
        format_version: of this file.
        network: name of the architecture.
        settings: its size.
        properties: keys it predicts, in order.
        mean: of the training labels.
        scale: standard deviation of the training labels.
        lattices: (n, m, cells) it was trained on.
        data: name and hash of the data set, and rows a split.
        fit: how it was fitted.
        command: reproduces it.
        metrics: split to figures; "test" was seen by neither training nor early stopping.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    network: str = "residual_raster"
    settings: dict[str, int]
    properties: tuple[str, ...] = Field(min_length=1)
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    lattices: tuple[tuple[int, int, int], ...]
    data: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    command: str = ""
    metrics: dict[str, tuple[PropertyMetrics, ...]] = {}


def save(surrogate: CnnSurrogate, path: Path, **facts: Any) -> Card:
    """Write `path` (.safetensors) and its card beside it (.json).

    Args:
        surrogate: to be stored.
        path: of the weights.
        facts: further fields of the card: data, fit, command, metrics.

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    check_suffix(path)
    card = Card(
        settings=surrogate.settings.as_dict(),
        properties=surrogate.keys,
        mean=tuple(surrogate.mean.tolist()),
        scale=tuple(surrogate.scale.tolist()),
        lattices=surrogate.lattices,
        **facts,
    )
    tensors = {f"network.{name}": value.contiguous() for name, value in surrogate.network.state_dict().items()}
    tensors |= {f"calibration.{name}": torch.from_numpy(np.array(v)) for name, v in surrogate.calibration.items()}
    with atomic_path(path) as scratch:
        save_file(tensors, scratch)
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return card


def check_suffix(path: Path) -> None:
    """Refuse a name that `load` would not take."""
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path.name}: weights are stored as .safetensors")


def load(path: Path | str) -> CnnSurrogate:
    """Read a surrogate.

    Args:
        path: a .safetensors file with its card beside it, or the name of a shipped one such as
            "nanotube-doping".

    Raises:
        WeightsError: if a file is missing, damaged, or of a later format.
    """
    file, card = _located(path), load_card(path)
    settings = NetworkSettings(**card.settings)
    network = ResidualRaster(settings, len(card.properties))
    try:
        with safe_open(file, framework="pt") as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118  # not a mapping
        network.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("network.")})
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{file} does not hold the weights that its card describes: {error}") from None
    return CnnSurrogate(
        network.to(memory_format=torch.channels_last).eval(),  # type: ignore[call-overload]
        settings,
        card.properties,
        np.array(card.mean),
        np.array(card.scale),
        card.lattices,
        {name[12:]: value.numpy() for name, value in tensors.items() if name.startswith("calibration.")},
    )


def load_card(path: Path | str) -> Card:
    """Read the card of a surrogate; see `load`."""
    file = _located(path).with_suffix(".json")
    try:
        card = Card.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{file} is missing: weights are read with their card beside them") from None
    except ValidationError as error:
        raise WeightsError(f"{file} is no card of a surrogate: {error}") from None
    if card.format_version > FORMAT_VERSION:
        raise WeightsError(
            f"{file} is of format {card.format_version}; this matgym reads up to {FORMAT_VERSION}: upgrade it"
        )
    return card


def _located(path: Path | str) -> Path:
    file = Path(path)
    if not file.suffix and not file.is_file():
        file = SHIPPED / f"{path}.safetensors"
    if not file.is_file():
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors"))) or "none"
        raise WeightsError(f"there are no weights {str(path)!r}: give a .safetensors file, or one of {shipped}")
    return file
