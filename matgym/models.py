"""What an oracle is: a batch of tubes in, a typed batch of properties with units out.

A surrogate has the same face (and adds an uncertainty), so that either stands wherever properties are asked
for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np

from matgym.errors import ConfigurationError, PropertyError
from matgym.structures import Nanotube
from matgym.typing import BoolArray, FloatArray

_SUFFIXES = {
    "1": "",
    "eV": "_ev",
    "GPa": "_gpa",
    "µS": "_us",
    "µV/K": "_uv_k",
    "nW/K": "_nw_k",
    "pW/K²": "_pw_k2",
    "J/(g K)": "_j_g_k",
}
"""How a key ends, by unit."""


@dataclass(frozen=True)
class Property:
    """A scalar property of a tube.

    Attributes:
        key: name in tables and JSON, ending in its unit if it has one: `gap_ev`, `zt`.
        unit: as printed; "1" for a pure number.
        description: one line.
        extensive: whether it grows with the number of atoms.
        between_leads: whether it belongs to the tube between two pristine ones of the same kind, rather than to its
            periodic repetition.

    Raises:
        ConfigurationError: if the key does not end in the unit's suffix.
    """

    key: str
    unit: str
    description: str
    extensive: bool = False
    between_leads: bool = False

    def __post_init__(self) -> None:
        suffix = _SUFFIXES.get(self.unit)
        if suffix is not None and not self.key.endswith(suffix):
            raise ConfigurationError(f"the key {self.key!r} of a property in {self.unit} must end in {suffix!r}")

    def __str__(self) -> str:
        return self.key

    @property
    def name(self) -> str:
        """The key without its unit: what people type."""
        return self.key.removesuffix(_SUFFIXES.get(self.unit, ""))


GAP_EV = Property("gap_ev", "eV", "band gap of the π system, from the highest occupied to the lowest empty band")
FERMI_EV = Property("fermi_ev", "eV", "Fermi level on the scale where carbon's π orbital is at zero")
PI_FORMATION_EV = Property(
    "pi_formation_ev",
    "eV",
    "π energy above that of its atoms' lone orbitals and of as many bound atoms of the pristine tube",
    extensive=True,
)


class Fidelity(IntEnum):
    """How far a value is to be trusted: a surrogate is audited by anything above it."""

    SURROGATE = 0
    MODEL = 1
    """An approximate Hamiltonian or empirical potential."""
    FIRST_PRINCIPLES = 2


@dataclass(frozen=True)
class Cost:
    """What one evaluation takes.

    Attributes:
        seconds: CPU seconds a structure at `sites` sites, one core; measured, an order of magnitude.
        sites: size at which it was measured.
        exponent: growth with the number of sites.
    """

    seconds: float
    sites: int
    exponent: float


@dataclass(frozen=True)
class Properties:
    """Values of a batch of tubes.

    Attributes:
        values: property key to (batch,) values in the property's unit; NaN where it failed.
        failures: row to the reason why it could not be computed.
        uncertainty: property key to (batch,) standard deviations, where the source knows them.
    """

    values: Mapping[str, FloatArray]
    failures: Mapping[int, str] = field(default_factory=dict)
    uncertainty: Mapping[str, FloatArray] = field(default_factory=dict)

    def __getitem__(self, item: Property | str) -> FloatArray:
        """(batch,) values of one property.

        Raises:
            PropertyError: if it was not computed.
        """
        try:
            return self.values[str(item)]
        except KeyError:
            raise PropertyError(f"property {item} was not computed; there are {', '.join(self.values)}") from None

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    @property
    def ok(self) -> BoolArray:
        """(batch,) whether the row was computed."""
        good = np.ones(len(self), dtype=bool)
        good[list(self.failures)] = False
        return good


@runtime_checkable
class Oracle(Protocol):
    """Anything that maps tubes to properties: physics, or a surrogate of it."""

    @property
    def provides(self) -> tuple[Property, ...]:
        """The properties it computes."""
        ...

    @property
    def fidelity(self) -> Fidelity:
        """How far its values are to be trusted."""
        ...

    @property
    def cost(self) -> Cost:
        """What one evaluation takes."""
        ...

    def evaluate(self, tubes: Sequence[Nanotube]) -> Properties:
        """Properties of each tube; what cannot be computed is a recorded failure, never a number."""
        ...
