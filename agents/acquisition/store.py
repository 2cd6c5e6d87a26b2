"""Stored acquisition functions: safetensors, and a card that counts the evaluations of the training."""

from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from matgym.agents.acquisition.network import FEATURES, AcquisitionNetwork
from matgym.learning.store import Card, Store, filled

SHIPPED: Final = "acquisition"
"""Name of the network that comes with matgym."""


class AcquisitionCard(Card):
    """The description of a learned acquisition function and of its training.

    Attributes:
        hidden: width of the network's hidden layers.
        features: what the network knows of each candidate, in order.
        evaluations: number of designs that the training evaluated.
        problems: descriptions of the problems of the training.
        seed: random seed.
    """

    OLDEST: ClassVar[int] = 3

    hidden: int = Field(ge=1, le=4096)
    features: tuple[str, ...]
    evaluations: int = Field(ge=0)
    problems: tuple[str, ...]
    seed: int


STORE: Final = Store(AcquisitionCard, "an acquisition function", Path(__file__).parent / "weights")


def save_acquisition(
    network: AcquisitionNetwork,
    path: Path | str,
    *,
    evaluations: int,
    problems: tuple[str, ...],
    seed: int,
    seconds: float = 0.0,
    command: str = "",
) -> AcquisitionCard:
    """Write a network to `path` (.safetensors) and its card beside it (.json); see `AcquisitionCard`."""
    facts = {
        "hidden": network.hidden, "features": FEATURES, "evaluations": evaluations, "problems": problems, "seed": seed,
        "seconds": seconds, "command": command,
    }  # fmt: skip
    return STORE.save(path, network.state_dict(), facts)


def load_acquisition(path: Path | str = SHIPPED) -> AcquisitionNetwork:
    """Return a network from a .safetensors file with its card beside it, or the shipped one by its name.

    Raises:
        WeightsError: if a file is missing, damaged, or of a network with other features.
    """

    def build(card: AcquisitionCard, tensors: dict[str, object]) -> AcquisitionNetwork:
        if card.features != FEATURES:
            raise ValueError(f"its features are {', '.join(card.features)}, and here {', '.join(FEATURES)}")
        return filled(lambda: AcquisitionNetwork(card.hidden), tensors)  # type: ignore[arg-type]

    return STORE.load(path, build).eval()  # type: ignore[arg-type]
