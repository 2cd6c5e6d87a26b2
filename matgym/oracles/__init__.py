"""Physics: batches of tubes in, typed batches of properties with units out."""

from matgym.oracles.base import (
    FERMI_EV,
    GAP_EV,
    PI_FORMATION_EV,
    Cost,
    Fidelity,
    Oracle,
    Properties,
    Property,
)
from matgym.oracles.electronic import PiElectrons
from matgym.oracles.tight_binding import PiParameters

__all__ = [
    "FERMI_EV",
    "GAP_EV",
    "PI_FORMATION_EV",
    "Cost",
    "Fidelity",
    "Oracle",
    "PiElectrons",
    "PiParameters",
    "Properties",
    "Property",
]
