"""The result of `matgym.design`: tubes with predicted and verified quantities, and what is to be said of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matgym.designer.brief import Ask, Brief
from matgym.structures import Nanotube, Species
from matgym.structures.species import SPECIES_DATA
from matgym.typing import FloatArray

OUTSIDE: Final = "outside the domain of the surrogates"


@dataclass(frozen=True)
class Design:
    """A proposed tube.

    Attributes:
        tube: the tube.
        predicted: predicted values by quantity.
        half_width: half the widths of the intervals that hold 90 % of true values; 0 where a prediction is exact, NaN
            where the model has no uncertainty.
        verified: values by physics, of the quantities that were verified.
        failures: why other quantities were not verified.
        outside: whether a surrogate was asked outside its applicability domain.
    """

    tube: Nanotube
    predicted: Mapping[str, float]
    half_width: Mapping[str, float]
    verified: Mapping[str, float]
    failures: Mapping[str, str]
    outside: bool

    @property
    def best_known(self) -> dict[str, float]:
        """Values by quantity: verified ones, or predictions where there are none."""
        return {name: self.verified.get(name, value) for name, value in self.predicted.items()}

    @property
    def is_verified(self) -> bool:
        """Whether all quantities that are asked are verified."""
        return not self.failures

    def excess(self, brief: Brief) -> float:
        """Return the distance from the brief by the best known values, in scales."""
        return float(brief.excess(_rows(self.best_known))[0])

    def loss(self, brief: Brief) -> float:
        """Return the loss by the best known values; see `Brief.loss`."""
        return float(brief.loss(_rows(self.best_known))[0])

    def missed(self, brief: Brief) -> list[str]:
        """Return a phrase for each quantity that is not as asked, by the best known values."""
        return [_missed(ask, value) for ask, value in self._by_ask(brief) if _outside(ask, value)]

    def _by_ask(self, brief: Brief) -> list[tuple[Ask, float]]:
        known = self.best_known
        return [(ask, known[ask.quantity.name]) for ask in brief.asks]

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "tube": str(self.tube),
            "n": self.tube.n,
            "m": self.tube.m,
            "cells": self.tube.cells,
            "placed": {str(site): SPECIES_DATA[Species(code)].label for site, code in _placed(self.tube)},
            "quantities": {
                name: {
                    "predicted": value,
                    "half_width": self.half_width[name],
                    "verified": self.verified.get(name),
                    "not_verified": self.failures.get(name, ""),
                }
                for name, value in self.predicted.items()
            },
            "outside": self.outside,
        }


@dataclass(frozen=True)
class Compared:
    """The best design of a simpler method, by predicted values.

    Attributes:
        method: what it does.
        evaluations: number of designs that were scored.
        met: whether it meets the brief.
        excess: its distance from the brief, in scales.
        values: its values by quantity.
    """

    method: str
    evaluations: int
    met: bool
    excess: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class DesignResult:
    """Tubes for a brief.

    Attributes:
        brief: the brief.
        designs: the designs, the best first.
        levels: levels of the physics that verified, by quantity.
        scored: number of designs that surrogates scored.
        physics: number of values that physics computed.
        seconds: wall seconds of each stage.
        cpu_seconds: CPU seconds of search and verification, in all processes.
        compared: best designs of simpler methods, if they were asked.
    """

    brief: Brief
    designs: tuple[Design, ...]
    levels: Mapping[str, str]
    scored: int
    physics: int
    seconds: Mapping[str, float]
    cpu_seconds: float
    compared: tuple[Compared, ...] = ()

    @property
    def met(self) -> tuple[bool, ...]:
        """Whether each design meets the brief, by verified values and predictions where there are none."""
        return tuple(design.excess(self.brief) == 0.0 for design in self.designs)

    @property
    def sentences(self) -> list[str]:
        """The result in sentences: how many designs meet the brief, and how near the best comes otherwise."""
        count, meeting = len(self.designs), sum(self.met)
        shapes = len({(each.tube.n, each.tube.m) for each in self.designs})
        what = f"{count} designs of {shapes} {'chirality' if shapes == 1 else 'chiralities'}"
        if meeting:
            said = [f"{meeting} of {what} meet the brief ({self.brief})."]
        else:
            first = self.designs[0]
            missed = " and ".join(first.missed(self.brief))
            said = [f"No design meets the brief ({self.brief}); the nearest, {first.tube}, has {missed}."]
        unverified = sum(not each.is_verified for each in self.designs)
        if unverified:
            said.append(f"{unverified} of {count} designs are not verified in all quantities; the table says why.")
        if outside := sum(each.outside for each in self.designs):
            said.append(
                f"{outside} of {count} designs are {OUTSIDE}, where predictions may be wrong; no others meet the brief."
            )
        for each in self.compared:
            verdict = "meets the brief" if each.met else f"misses the brief by {each.excess:.2g} scales"
            values = ", ".join(self._shown(name, value) for name, value in each.values.items())
            said.append(f"{each.method} with {each.evaluations:,} evaluations {verdict}, by predictions: {values}.")
        return said

    def _shown(self, name: str, value: float) -> str:
        ask = self.brief.of_quantity(name)
        return f"{name} {ask.quantity.shown(value) if ask else value}"

    def rows(self) -> list[dict[str, str]]:
        """Return a row for each design and quantity, as people read it."""
        return [
            {
                "design": str(rank) if first else "",
                "tube": str(design.tube) if first else "",
                "quantity": f"{name}{'' if ask.quantity.unit == '1' else ', ' + ask.quantity.unit}",
                "predicted": interval(design.predicted[name], design.half_width[name]),
                "verified": f"{design.verified[name]:.4g}" if name in design.verified else "not verified",
                "as asked": "no" if _outside(ask, design.best_known[name]) else "yes",
            }
            for rank, design in enumerate(self.designs, start=1)
            for first, (name, ask) in zip(
                [True] + [False] * len(self.brief.asks),
                [(each.quantity.name, each) for each in self.brief.asks],
                strict=False,
            )
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "brief": str(self.brief),
            "sentences": self.sentences,
            "met": list(self.met),
            "designs": [each.as_dict() for each in self.designs],
            "levels": dict(self.levels),
            "scored": self.scored,
            "physics": self.physics,
            "seconds": dict(self.seconds),
            "cpu_seconds": self.cpu_seconds,
            "compared": [
                {
                    "method": each.method, "evaluations": each.evaluations, "met": each.met, "excess": each.excess,
                    "values": dict(each.values),
                }
                for each in self.compared
            ],
        }  # fmt: skip


def interval(value: float, half_width: float) -> str:
    """Return a predicted value with half the width of its interval; without one where it is exact or unknown."""
    return f"{value + 0.0:.4g} ± {half_width:.2g}" if half_width > 0.0 else f"{value + 0.0:.4g}"


def _rows(values: Mapping[str, float]) -> dict[str, FloatArray]:
    return {name: np.array([value]) for name, value in values.items()}


def _outside(ask: Ask, value: float) -> bool:
    return bool(ask.excess(np.array([value]))[0] > 0.0)


def _missed(ask: Ask, value: float) -> str:
    quantity = ask.quantity
    low, high = ask.low, ask.high
    if ask.target is not None:
        low, high = ask.target - quantity.tolerance, ask.target + quantity.tolerance
    short, side = (low - value, "too small") if value < low else (value - high, "too large")
    return f"{quantity.name} {quantity.shown(value)}, {quantity.shown(short)} {side}"


def _placed(tube: Nanotube) -> list[tuple[int, int]]:
    """Return the sites that do not hold 12C, with the codes of their species."""
    return [(site, code) for site, code in enumerate(tube.species.tolist()) if code != Species.C12]
