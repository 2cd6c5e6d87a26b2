"""The kinds of surrogates of tubes of any lattice, by the names that cards and configurations give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from matgym.surrogates.honeycomb.hamiltonian import HamiltonianSurrogate
from matgym.surrogates.honeycomb.network import (
    HoneycombNetwork,
    HoneycombSettings,
    PotentialNetwork,
    PotentialSettings,
)
from matgym.surrogates.honeycomb.pairs import PairNetwork, PairSettings
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate

AnyNetwork: TypeAlias = HoneycombNetwork | PairNetwork | PotentialNetwork
AnySettings: TypeAlias = HoneycombSettings | PairSettings | PotentialSettings


@dataclass(frozen=True)
class Kind:
    """A kind of surrogate.

    Attributes:
        network: function that returns a new network, from settings, number of outputs and of physics inputs, and
            whether sums over tubes replace means.
        settings: class of the settings of its networks.
        surrogate: class of the surrogate.
    """

    network: Callable[[Any, int, int, bool], AnyNetwork]
    settings: type[AnySettings]
    surrogate: type[HoneycombSurrogate] = HoneycombSurrogate


KINDS: Final[Mapping[str, Kind]] = {
    "honeycomb": Kind(
        lambda settings, outputs, informed, sums: HoneycombNetwork(settings, outputs, informed=informed, sums=sums),
        HoneycombSettings,
    ),
    "pairs": Kind(
        lambda settings, outputs, informed, sums: PairNetwork(settings, outputs, informed=informed, sums=sums),
        PairSettings,
    ),
    "hamiltonian": Kind(lambda settings, *_: PotentialNetwork(settings), PotentialSettings, HamiltonianSurrogate),
}
"""Kinds by name: a network on the honeycomb, a ridge regression on pairs, and a network that writes a Hamiltonian."""
