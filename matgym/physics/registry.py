"""Properties by name: which oracle computes what, at which conditions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final

from matgym.errors import PropertyError, require_positive
from matgym.models import Model, Predictions, Property
from matgym.physics.cache import Cached, Remembered
from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.mechanics.elastic import Elasticity
from matgym.physics.mechanics.formation import FormationEnergy
from matgym.physics.mechanics.strength import Strength
from matgym.physics.phonons.conductance import PhononTransport
from matgym.physics.phonons.vibrations import Vibrations
from matgym.physics.thermoelectric import Thermoelectric
from matgym.structures import Nanotube


@dataclass(frozen=True)
class Conditions:
    """At which conditions properties are computed.

    Attributes:
        temperature_k: K.
        mu_ev: chemical potential, eV; None takes neutrality for the conductance, and the best one for ZT.
    """

    temperature_k: float = 300.0
    mu_ev: float | None = None

    def __post_init__(self) -> None:
        require_positive(temperature_k=self.temperature_k)


Keep = Callable[[Model], Model]
"""Wraps an oracle in something that remembers its results."""

ORACLES: Final[Mapping[type[Model], Callable[[Conditions, Keep], Model]]] = MappingProxyType(
    {
        PiElectrons: lambda _at, _keep: PiElectrons(),
        PiTransport: lambda at, _keep: PiTransport(temperature_k=at.temperature_k, mu_ev=at.mu_ev or 0.0),
        PhononTransport: lambda at, _keep: PhononTransport(temperature_k=at.temperature_k),
        Thermoelectric: lambda at, keep: Thermoelectric(
            temperature_k=at.temperature_k,
            mu_ev=at.mu_ev,
            phonons=keep(PhononTransport(temperature_k=at.temperature_k)),
        ),
        Vibrations: lambda at, _keep: Vibrations(temperature_k=at.temperature_k),
        Elasticity: lambda _at, _keep: Elasticity(),
        FormationEnergy: lambda _at, _keep: FormationEnergy(),
        Strength: lambda _at, _keep: Strength(),
    }
)
"""Every oracle, and how it is made at given conditions."""

_ORACLE_OF: Final = {prop: oracle for oracle in ORACLES for prop in oracle.properties}  # type: ignore[attr-defined]

PROPERTIES: Final[Mapping[str, Property]] = MappingProxyType({prop.name: prop for prop in _ORACLE_OF})
"""Every property by short name: the key without its unit."""

PROPERTIES_BY_KEY: Final[Mapping[str, Property]] = MappingProxyType({prop.key: prop for prop in _ORACLE_OF})
"""Every property by key."""


def parse_properties(names: Sequence[str]) -> list[Property]:
    """Properties from short names or keys: "gap" or "gap_ev".

    Raises:
        PropertyError: if there is none of that name.
    """
    found = []
    for name in names:
        prop = PROPERTIES.get(name) or PROPERTIES_BY_KEY.get(name)
        if prop is None:
            close = get_close_matches(name, [*PROPERTIES, *PROPERTIES_BY_KEY], n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise PropertyError(f"no oracle computes {name!r}; {hint}known are {', '.join(PROPERTIES)}")
        found.append(prop)
    if not found:
        raise PropertyError(f"no property is named; known are {', '.join(PROPERTIES)}")
    return found


def oracle_of(prop: str, conditions: Conditions | None = None) -> Model:
    """The oracle that computes a property, with its default settings: what verifies a surrogate of it.

    Args:
        prop: short name or key.
        conditions: temperature and chemical potential.

    Raises:
        PropertyError: if the property is unknown.
    """
    return ORACLES[_ORACLE_OF[parse_properties([prop])[0]]](conditions or Conditions(), lambda plain: plain)


def predict(
    tubes: Sequence[Nanotube],
    names: Sequence[str],
    conditions: Conditions | None = None,
    *,
    cache: Path | None = None,
    on_oracle: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Predictions:
    """Compute properties by name, each by its own oracle.

    Args:
        tubes: B tubes.
        names: short names or keys.
        conditions: temperature and chemical potential.
        cache: folder in which results are kept and looked up.
        on_oracle: called before each oracle runs with its name, and how many of them are done, and in all.

    Returns:
        Predictions of the named properties, in that order.

    Raises:
        PropertyError: if a property is unknown.
    """
    properties = parse_properties(names)
    kept: dict[str, Model] = {}  # phonons serve the lattice's heat and ZT alike

    def keep(oracle: Model) -> Model:
        return kept.setdefault(repr(oracle), Cached(oracle, cache) if cache else Remembered(oracle))

    needed = [oracle for oracle in ORACLES if any(_ORACLE_OF[prop] is oracle for prop in properties)]
    parts = []
    for done, oracle in enumerate(needed):
        on_oracle(oracle.__name__, done, len(needed))
        parts.append(keep(ORACLES[oracle](conditions or Conditions(), keep)).predict(tubes))
    return Predictions.joined(parts).only([prop.key for prop in properties])
