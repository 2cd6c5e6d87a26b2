"""Properties by name: which oracle computes what, at which conditions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from matgym.errors import ConfigurationError, PropertyError
from matgym.models import Oracle, Properties, Property
from matgym.physics.cache import Cached, Remembered, oracle_name
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


def _oracles(at: Conditions, keep: Callable[[Oracle], Oracle] = Remembered) -> tuple[Oracle, ...]:
    """All oracles, wrapped by `keep` in something that remembers: phonons serve the lattice's heat and ZT alike."""
    phonons = keep(PhononTransport(temperature_k=at.temperature_k))
    return (
        keep(PiElectrons()),
        keep(PiTransport(temperature_k=at.temperature_k, mu_ev=at.mu_ev or 0.0)),
        phonons,
        keep(Thermoelectric(temperature_k=at.temperature_k, mu_ev=at.mu_ev, phonons=phonons)),
        keep(Vibrations(temperature_k=at.temperature_k)),
        keep(Elasticity()),
        keep(FormationEnergy()),
        keep(Strength()),
    )


def properties() -> dict[str, Property]:
    """All properties by short name: the key without its unit."""
    return {prop.name: prop for oracle in _oracles(Conditions()) for prop in oracle.provides}


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
    oracles = _oracles(conditions or Conditions(), (lambda oracle: Cached(oracle, cache)) if cache else Remembered)
    needed = [oracle for oracle in oracles if any(prop in wanted for prop in oracle.provides)]
    values: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    reasons: dict[str, Mapping[int, str]] = {}
    failures: dict[int, str] = {}
    for done, oracle in enumerate(needed):
        on_oracle(oracle_name(oracle), done, len(needed))
        found = oracle.evaluate(tubes)
        asked = [prop.key for prop in oracle.provides if prop in wanted]
        values |= {key: found[key] for key in asked}
        reasons |= dict.fromkeys(asked, found.failures)
        for row, reason in found.failures.items():
            if reason not in failures.get(row, ""):  # a tube cut in two fails every oracle
                failures[row] = f"{failures[row]}; {reason}" if row in failures else reason
    return Properties({prop.key: values[prop.key] for prop in wanted}, failures), reasons


def oracle_of(prop: str, conditions: Conditions | None = None) -> Oracle:
    """The oracle that computes a property, with its default settings: what audits a surrogate of it.

    Args:
        prop: short name or key.
        conditions: temperature and chemical potential.

    Raises:
        PropertyError: if the property is unknown.
    """
    wanted = parse_properties([prop])[0]
    return next(
        oracle for oracle in _oracles(conditions or Conditions(), lambda plain: plain) if wanted in oracle.provides
    )
