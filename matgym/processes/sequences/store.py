"""Surrogates over time on disk; see `matgym.learning.store`."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import Field

from matgym.learning.metrics import PropertyMetrics
from matgym.learning.store import Card, Store, ensemble_tensors, part
from matgym.processes.sequences.learned import SequenceScaling, SequenceSurrogate
from matgym.processes.sequences.networks import make_sequence_network


class SequenceCard(Card):
    """What a surrogate over time is, where it came from, and how good it is at the last step of test runs."""

    network: str
    width: int
    depth: int
    members: int = Field(ge=1)
    controls: tuple[str, ...] = Field(min_length=1)
    start: tuple[str, ...]
    outcomes: tuple[str, ...] = Field(min_length=1)
    metrics: tuple[PropertyMetrics, ...] = ()

    @classmethod
    def upgraded(cls, content: dict[str, Any], version: int) -> dict[str, Any]:
        """Format 1 called an outcome so in its figures, which had no intervals."""
        if version > 1:
            return content
        rows = [{"property" if k == "outcome" else k: v for k, v in row.items()} for row in content.get("metrics", ())]
        return content | {"metrics": rows}


STORE: Final = Store(SequenceCard, "a surrogate over time", Path(__file__).parent / "weights")


def save_sequences(surrogate: SequenceSurrogate, path: Path, **facts: object) -> SequenceCard:
    """Write `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    scaling = {f"scaling.{name}": torch.from_numpy(np.array(v)) for name, v in vars(surrogate.scaling).items()}
    return STORE.save(
        path,
        ensemble_tensors(surrogate.networks) | scaling,
        {
            "network": surrogate.network,
            "width": surrogate.width,
            "depth": surrogate.depth,
            "members": len(surrogate.networks),
            "controls": surrogate.control_names,
            "start": surrogate.start_names,
            "outcomes": surrogate.outcome_names,
            **facts,
        },
    )


def load_sequences(path: Path | str) -> SequenceSurrogate:
    """Read a surrogate over time: a .safetensors file with its card beside it, or the name of a shipped one.

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or not what its card describes.
    """
    return STORE.load(path, _built)


def _built(card: SequenceCard, tensors: dict[str, torch.Tensor]) -> SequenceSurrogate:
    networks = []
    for member in range(card.members):
        inputs = len(card.controls) + len(card.start)
        net = make_sequence_network(card.network, inputs, len(card.outcomes), card.width, card.depth)
        net.load_state_dict(part(tensors, f"network.{member}"))
        networks.append(net.eval())
    scaling = SequenceScaling(**{name: value.numpy() for name, value in part(tensors, "scaling").items()})
    return SequenceSurrogate(
        tuple(networks), card.network, card.width, card.depth, card.controls, card.start, card.outcomes, scaling
    )
