"""Surrogates over time on disk: safetensors and a JSON card, as `matgym.surrogates.store` has them."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from matgym.errors import ConfigurationError, WeightsError
from matgym.files import atomic_path, write_text
from matgym.processes.sequences.learned import SequenceScaling, SequenceSurrogate
from matgym.processes.sequences.networks import make_sequence_network
from matgym.surrogates.store import check_suffix, member_state, member_tensors

FORMAT_VERSION: Final = 1
SHIPPED: Final = Path(__file__).parent / "weights"


class SequenceCard(BaseModel):
    """What a surrogate over time is, where it came from, and how good it is."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    network: str
    width: int
    depth: int
    members: int = Field(ge=1)
    controls: tuple[str, ...] = Field(min_length=1)
    start: tuple[str, ...]
    outcomes: tuple[str, ...] = Field(min_length=1)
    data: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    command: str = ""
    metrics: tuple[dict[str, Any], ...] = ()


def save_sequences(surrogate: SequenceSurrogate, path: Path, **facts: Any) -> SequenceCard:
    """Write `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    check_suffix(path)
    card = SequenceCard(
        network=surrogate.network,
        width=surrogate.width,
        depth=surrogate.depth,
        members=len(surrogate.networks),
        controls=surrogate.control_names,
        start=surrogate.start_names,
        outcomes=surrogate.outcome_names,
        **facts,
    )
    tensors = member_tensors(surrogate.networks)
    tensors |= {f"scaling.{name}": torch.from_numpy(np.array(v)) for name, v in vars(surrogate.scaling).items()}
    with atomic_path(path) as scratch:
        save_file(tensors, scratch)
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return card


def load_sequences(path: Path | str) -> SequenceSurrogate:
    """Read a surrogate over time: a .safetensors file with its card beside it, or the name of a shipped one.

    Raises:
        WeightsError: if a file is missing, damaged, or of a later format.
    """
    file = Path(path)
    if not file.suffix:
        file = SHIPPED / f"{path}.safetensors"
    if not file.is_file():
        there = ", ".join(sorted(found.stem for found in SHIPPED.glob("*.safetensors"))) or "none"
        raise WeightsError(f"there are no weights {str(path)!r}: give a .safetensors file, or one of {there}")
    try:
        content = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        version = content.get("format_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise WeightsError(f"{file} is of format {version}; this matgym reads up to {FORMAT_VERSION}: upgrade it")
        card = SequenceCard.model_validate(content)
        tensors = load_file(file)
        networks = []
        for member in range(card.members):
            inputs = len(card.controls) + len(card.start)
            net = make_sequence_network(card.network, inputs, len(card.outcomes), card.width, card.depth)
            net.load_state_dict(member_state(tensors, member))
            networks.append(net.eval())
        scaling = SequenceScaling(**{k[8:]: v.numpy() for k, v in tensors.items() if k.startswith("scaling.")})
    except FileNotFoundError:
        raise WeightsError(f"{file.with_suffix('.json')} is missing: weights are read with their card") from None
    except (ValueError, TypeError, RuntimeError, SafetensorError, ConfigurationError) as error:
        raise WeightsError(f"{file} does not hold a surrogate over time: {error}") from None
    return SequenceSurrogate(
        tuple(networks), card.network, card.width, card.depth, card.controls, card.start, card.outcomes, scaling
    )
