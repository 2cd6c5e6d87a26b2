"""Describe how the value of a row of the published table is computed."""

from collections.abc import Callable
from typing import NamedTuple

from matgym.models import Level


class Computed(NamedTuple):
    """How the value of a row is computed.

    Attributes:
        settings: description of the tubes and settings, which the table of docs/physics.md shows.
        value: function that computes the value, in the unit of the row.
        level: level of physics by which it is computed.
        stored: whether the table takes the value from `stored.json`, since it takes minutes or an extra to compute.
    """

    settings: str
    value: Callable[[], float]
    level: Level = Level.PI
    stored: bool = False
