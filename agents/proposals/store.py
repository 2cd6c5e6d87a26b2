"""Stored proposal networks."""

from pathlib import Path
from typing import Final

from matgym.agents.choosing.store import ChoiceCard, ChoiceStore
from matgym.agents.proposals.network import ProposalNetwork

SHIPPED: Final = "annealing"
"""Name of the network that comes with matgym."""


class ProposalCard(ChoiceCard):
    """The description of a proposal network and of its training.

    Attributes:
        temperatures: first and last temperature of the walks of the training, in units of reward.
    """

    temperatures: tuple[float, float]


STORE: Final = ChoiceStore(
    ProposalCard, "a proposal network", Path(__file__).parent / "weights", network=ProposalNetwork
)
