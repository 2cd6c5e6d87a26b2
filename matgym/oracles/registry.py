"""Properties by name: which oracle computes what, at which conditions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, PropertyError
from matgym.oracles.base import Oracle, Properties, Property
from matgym.oracles.cache import Cached
from matgym.oracles.conductance import PiTransport
from matgym.oracles.elastic import Elasticity
from matgym.oracles.electronic import PiElectrons
from matgym.oracles.formation import FormationEnergy
from matgym.oracles.strength import Strength
from matgym.oracles.thermal import PhononTransport
from matgym.oracles.thermoelectric import Thermoelectric
from matgym.oracles.vibrations import Vibrations
from matgym.structures import Nanotube


@dataclass(frozen=True)
class Conditions:
    """What properties are asked for at.

    Attributes:
        temperature_k: K.
        mu_ev: chemical potential, eV; None takes neutrality for the conductance, and the best one for ZT.
    """

    temperature_k: float = 300.0
    mu_ev: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature_k < math.inf:
            raise ConfigurationError(f"temperature_k={self.temperature_k} must be positive and finite")


_MAKERS: Final[tuple[Callable[[Conditions], Oracle], ...]] = (
    lambda _: PiElectrons(),
    lambda at: PiTransport(temperature_k=at.temperature_k, mu_ev=at.mu_ev or 0.0),
    lambda at: PhononTransport(temperature_k=at.temperature_k),
    lambda at: Thermoelectric(temperature_k=at.temperature_k, mu_ev=at.mu_ev),
    lambda at: Vibrations(temperature_k=at.temperature_k),
    lambda _: Elasticity(),
    lambda _: FormationEnergy(),
    lambda _: Strength(),
)


def properties() -> dict[str, Property]:
    """All properties by short name: the key without its unit."""
    return {prop.name: prop for make in _MAKERS for prop in make(Conditions()).provides}


def parse_properties(names: Sequence[str]) -> list[Property]:
    """Properties from short names or keys: "gap" or "gap_ev".

    Raises:
        PropertyError: if there is none of that name.
    """
    known = properties()
    by_key = {prop.key: prop for prop in known.values()}
    found = []
    for name in names:
        prop = known.get(name) or by_key.get(name)
        if prop is None:
            close = get_close_matches(name, [*known, *by_key], n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise PropertyError(f"no oracle computes {name!r}; {hint}known are {', '.join(known)}")
        found.append(prop)
    if not found:
        raise PropertyError(f"no property was asked for; known are {', '.join(known)}")
    return found


def evaluate(
    tubes: Sequence[Nanotube],
    names: Sequence[str],
    conditions: Conditions | None = None,
    *,
    cache: Path | None = None,
    on_oracle: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> tuple[Properties, Mapping[str, Mapping[int, str]]]:
    """Compute properties by name, each by its own oracle.

    Args:
        tubes: B tubes.
        names: short names or keys.
        conditions: temperature and chemical potential.
        cache: folder in which results are kept and looked up.
        on_oracle: called before each oracle runs with its name, and how many of them are done, and in all.

    Returns:
        Properties in the order asked for, whose `failures` join all reasons of a row; and the reasons by property key.

    Raises:
        PropertyError: if a property is unknown.
    """
    wanted = parse_properties(names)
    conditions = conditions or Conditions()
    oracles = [make(conditions) for make in _MAKERS]
    needed = [oracle for oracle in oracles if any(prop in wanted for prop in oracle.provides)]
    values: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    reasons: dict[str, Mapping[int, str]] = {}
    failures: dict[int, str] = {}
    for done, oracle in enumerate(needed):
        on_oracle(type(oracle).__name__, done, len(needed))
        found = (Cached(oracle, cache) if cache else oracle).evaluate(tubes)
        asked = [prop.key for prop in oracle.provides if prop in wanted]
        values |= {key: found[key] for key in asked}
        reasons |= dict.fromkeys(asked, found.failures)
        for row, reason in found.failures.items():
            if reason not in failures.get(row, ""):  # a tube cut in two fails every oracle
                failures[row] = f"{failures[row]}; {reason}" if row in failures else reason
    return Properties({prop.key: values[prop.key] for prop in wanted}, failures), reasons
