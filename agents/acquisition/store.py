"""Stored acquisition functions."""

from pathlib import Path
from typing import Final

from matgym.agents.acquisition.network import AcquisitionNetwork
from matgym.agents.choosing.store import ChoiceCard, ChoiceStore

SHIPPED: Final = "acquisition"
"""Name of the network that comes with matgym."""

STORE: Final = ChoiceStore(
    ChoiceCard, "an acquisition function", Path(__file__).parent / "weights", network=AcquisitionNetwork
)
