"""The task of isotope rings: which rings of a tube to make of a heavy isotope, so that it conducts least heat."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.models import Level, Property
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K
from matgym.physics.phonons.ring_isotopes import RingIsotopes, ring_of_site, ring_species
from matgym.structures import Species, TubeBatch, TubeDomain, TubeLattice, parse_species, tube_lattice
from matgym.surrogates.adapters import FunctionModel, as_model
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.decoration import known_oracle
from matgym.tasks.objective import Direction, Objective, Scale, scaled
from matgym.tasks.solved import table_of
from matgym.tasks.space import Choices, Designs
from matgym.typing import FloatArray, SpeciesArray

LIGHT_SHARE: Final = Property("light_share", "1", "share of sites that hold 12C: heavy isotopes are dear")


@dataclass(frozen=True, eq=False)
class RingSpace(Choices):
    """Each ring of a zigzag tube is light (0) or heavy (1), from one end to the other. Make one by `of`."""

    lattice: TubeLattice = field(kw_only=True)
    heavy: Species = field(kw_only=True)

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, n: int, rings: int, heavy: str) -> "RingSpace":
        """The rings of a (n, 0) tube.

        Raises:
            ConfigurationError: if the isotope is not 13C or 14C.
        """
        isotope = parse_species(heavy)
        if isotope not in {Species.C13, Species.C14}:
            raise ConfigurationError(f"heavy={heavy!r} must be 13C or 14C")
        return cls((2,) * rings, lattice=tube_lattice(n, 0, rings // 2), heavy=isotope)

    @cached_property
    def isotopes(self) -> SpeciesArray:
        """(2,) codes: light, heavy."""
        return np.array([Species.C12, self.heavy], dtype=np.uint8)

    @override
    def decode(self, designs: Designs) -> TubeBatch:
        """Designs as tubes, of one lattice."""
        return TubeBatch.uniform(self.lattice, ring_species(self.lattice, self.isotopes[designs]))

    @override
    def encode(self, batch: TubeBatch) -> Designs:
        """Tubes of uniform rings as designs: by the first site of each ring."""
        first = [int(np.flatnonzero(ring_of_site(self.lattice) == ring)[0]) for ring in range(self.width)]
        rows: Designs = (batch.species.reshape(len(batch), -1)[:, first] == self.heavy).astype(np.int64)
        if (self.decode(rows).species != batch.species).any():
            raise ConfigurationError(f"{batch} holds a tube whose rings are not of {self.heavy.name} or 12C alone")
        return np.asarray(rows)

    @cached_property
    @override
    def domain(self) -> TubeDomain:
        return TubeDomain((self.lattice,), frozenset({Species.C12, self.heavy}))

    @override
    def describe(self, design: Designs) -> str:
        """Rings from one end to the other, 1 for a heavy one."""
        return "".join(str(int(ring)) for ring in design)


def light_share(tubes: TubeBatch) -> FloatArray:
    """(B,) share of the sites of each tube that hold 12C."""
    shares = np.empty(len(tubes))
    for group in tubes.by_lattice():
        shares[group.rows] = 1.0 - (group.species != Species.C12).mean(axis=1)
    return shares


_LIGHT_SHARE: Final = FunctionModel(light_share, LIGHT_SHARE, level=Level.GEOMETRY)
_LIGHT: Final = Objective(LIGHT_SHARE, _LIGHT_SHARE, "maximize", 0.0, 1.0, oracle=_LIGHT_SHARE, weight=0.0)


SCALE: Final = Scale((2.6, 3.4), (2.6, 3.4), 0.05)
"""Of the thermal conductance of the default tube, nW/K: no design has less or more. Chosen by us."""


def rings_task(
    *,
    n: int = 10,
    rings: int = 16,
    heavy: str = "14C",
    model: Any = "solved:isotope-rings",
    direction: Direction = "minimize",
    low: float | None = None,
    high: float | None = None,
    margin: float | None = None,
    scale: Scale = SCALE,
    frequencies: int = 256,
    reward: RewardFunction | None = None,
) -> DesignTask:
    """Make rings of a zigzag tube light or heavy so that its thermal conductance between pristine leads is small.

    Args:
        n: of the (n, 0) tube.
        rings: rings of 2 n atoms, two a cell: see `matgym.physics.phonons.ring_isotopes`.
        heavy: the heavy isotope, "14C" or "13C".
        model: "oracle"; "solved:NAME" or a `Solved`, a table of all designs; or whatever `as_model` takes.
        direction: "minimize", "target" or "maximize".
        low: smallest target; or the value that earns 1 where it is to be small, 0 where it is to be large. By default
            that of the scale, as the next two.
        high: largest target; or the value that earns 0 where it is to be small, 1 where it is to be large.
        margin: error at which the reward of a target has fallen to a tenth.
        scale: of the thermal conductance. A property of the model's own has none: give low and high.
        frequencies: of the oracle.
        reward: a function of predictions and targets in place of the reward that these settings make.

    Raises:
        ConfigurationError: if a setting is out of its range, the range of a property of the model's own is not given,
            or the table is of another tube.
    """
    oracle = RingIsotopes(n=n, rings=rings, frequencies=frequencies)
    table = table_of(model)
    own = (n, rings, heavy, frequencies)
    if table is not None and own != (10, 16, "14C", 256):
        raise ConfigurationError(f'the table of (10, 0), 16 rings, 14C is none of {own}: give model="oracle"')
    heat = THERMAL_CONDUCTANCE_NW_K
    made: Any = oracle if isinstance(model, str) and model == "oracle" else table or as_model(model, heat)
    prop = heat if heat.key in made.keys or len(made.properties) != 1 else made.properties[0]
    made.property_of(prop.key)  # raises if there is none
    if prop.key == heat.key:
        limits = scaled(prop, direction, low, high, margin, scale)
        objective = Objective(prop, made, direction, *limits, oracle)
    else:
        limits = scaled(prop, direction, low, high, margin, None)
        objective = Objective(prop, made, direction, *limits, known_oracle(prop) or (made if made.is_oracle else None))
    return DesignTask(RingSpace.of(n, rings, heavy), (objective, _LIGHT), reward=reward)
