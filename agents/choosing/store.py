"""Stored networks that choose: safetensors, and a card that counts the evaluations of the training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from pydantic import Field
from torch import Tensor

from matgym.agents.choosing.network import ChoiceNetwork
from matgym.learning.store import Card, Store, filled


class ChoiceCard(Card):
    """The description of a network and of its training.

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


C = TypeVar("C", bound=ChoiceCard)
N = TypeVar("N", bound=ChoiceNetwork)


@dataclass(frozen=True)
class ChoiceStore(Store[C], Generic[C, N]):
    """Where networks that choose are kept.

    Attributes:
        network: their class.
    """

    network: type[N] = field(kw_only=True)

    def save_network(self, network: N, path: Path | str, **facts: object) -> C:
        """Write a network to `path` (.safetensors) and its card beside it (.json), with further fields of the card."""
        known = {"hidden": network.hidden, "features": network.features}
        return self.save(path, network.state_dict(), known | facts)

    def load_network(self, path: Path | str) -> N:
        """Return a network from a .safetensors file with its card beside it, or the shipped one by its name.

        Raises:
            WeightsError: if a file is missing, damaged, or of a network with other features.
        """

        def build(card: C, tensors: dict[str, Tensor]) -> N:
            here = self.network.features
            if card.features != here:
                raise ValueError(f"its features are {', '.join(card.features)}, and here {', '.join(here)}")
            return filled(lambda: self.network(card.hidden), tensors)

        return self.load(path, build).eval()
