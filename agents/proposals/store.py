"""Stored proposal networks: safetensors, and a card that counts the evaluations of the training."""

from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from matgym.agents.proposals.network import FEATURES, ProposalNetwork
from matgym.learning.store import Card, Store, filled

SHIPPED: Final = "annealing"
"""Name of the network that comes with matgym."""


class ProposalCard(Card):
    """The description of a proposal network and of its training.

    Attributes:
        hidden: width of the network's hidden layers.
        features: what the network knows of each mutant, in order.
        temperatures: first and last temperature of the walks of the training, in units of reward.
        evaluations: number of designs that the training evaluated.
        problems: descriptions of the problems of the training.
        seed: random seed.
    """

    OLDEST: ClassVar[int] = 3

    hidden: int = Field(ge=1, le=4096)
    features: tuple[str, ...]
    temperatures: tuple[float, float]
    evaluations: int = Field(ge=0)
    problems: tuple[str, ...]
    seed: int


STORE: Final = Store(ProposalCard, "a proposal network", Path(__file__).parent / "weights")


def save_proposals(
    network: ProposalNetwork,
    path: Path | str,
    *,
    temperatures: tuple[float, float],
    evaluations: int,
    problems: tuple[str, ...],
    seed: int,
    seconds: float = 0.0,
    command: str = "",
) -> ProposalCard:
    """Write a network to `path` (.safetensors) and its card beside it (.json); see `ProposalCard`."""
    facts = {
        "hidden": network.hidden, "features": FEATURES, "temperatures": temperatures, "evaluations": evaluations,
        "problems": problems, "seed": seed, "seconds": seconds, "command": command,
    }  # fmt: skip
    return STORE.save(path, network.state_dict(), facts)


def load_proposals(path: Path | str = SHIPPED) -> ProposalNetwork:
    """Return a network from a .safetensors file with its card beside it, or the shipped one by its name.

    Raises:
        WeightsError: if a file is missing, damaged, or of a network with other features.
    """

    def build(card: ProposalCard, tensors: dict[str, object]) -> ProposalNetwork:
        if card.features != FEATURES:
            raise ValueError(f"its features are {', '.join(card.features)}, and here {', '.join(FEATURES)}")
        return filled(lambda: ProposalNetwork(card.hidden), tensors)  # type: ignore[arg-type]

    return STORE.load(path, build).eval()  # type: ignore[arg-type]
