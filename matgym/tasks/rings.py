"""The task of isotope rings: choose the rings of a tube that are a heavy isotope, for the least thermal conductance."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.frozen import returns_read_only
from matgym.models import Level, Property
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K
from matgym.physics.phonons.ring_isotopes import RingIsotopes, ring_of_site, ring_species
from matgym.structures import SPECIES_DATA, Species, TubeBatch, TubeDomain, TubeLattice, parse_species, tube_lattice
from matgym.surrogates.adapters import FunctionModel
from matgym.surrogates.sources import as_model
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.decoration import known_oracle
from matgym.tasks.objective import Direction, Objective, Scale, scaled
from matgym.tasks.pairs import PairOrbits
from matgym.tasks.solved import table_of
from matgym.tasks.space import Choices, Designs
from matgym.tasks.variables import Variable
from matgym.typing import FloatArray, SpeciesArray

LIGHT_SHARE: Final = Property("light_share", "1", "share of sites that hold 12C: heavy isotopes are expensive")


@dataclass(frozen=True, eq=False)
class RingSpace(Choices):
    """Tubes whose rings are light (0) or heavy (1), from one end of a zigzag tube to the other.

    Make a space by `of`.

    Attributes:
        lattice: the lattice of all tubes.
        heavy: the heavy isotope.
    """

    lattice: TubeLattice = field(kw_only=True)
    heavy: Species = field(kw_only=True)

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, n: int, rings: int, heavy: str) -> "RingSpace":
        """Return the space of the rings of a (n, 0) tube.

        Raises:
            ConfigurationError: if the isotope is not 13C or 14C.
        """
        isotope = parse_species(heavy)
        if isotope not in {Species.C13, Species.C14}:
            raise ConfigurationError(f"heavy={heavy!r} must be 13C or 14C")
        return cls((2,) * rings, lattice=tube_lattice(n, 0, rings // 2), heavy=isotope)

    @cached_property
    @returns_read_only
    def isotopes(self) -> SpeciesArray:
        """(2,) species codes of the light and the heavy isotope."""
        return np.array([Species.C12, self.heavy], dtype=np.uint8)

    @property
    @override
    def variables(self) -> tuple[Variable, ...]:
        """The isotope of each ring."""
        names = tuple(SPECIES_DATA[Species(int(code))].label for code in self.isotopes)
        return tuple(Variable.of(f"ring {ring}", names) for ring in range(self.width))

    @override
    def decode(self, designs: Designs) -> TubeBatch:
        """Return designs as tubes of one lattice."""
        return TubeBatch.uniform(self.lattice, ring_species(self.lattice, self.isotopes[designs]))

    @override
    def encode(self, batch: TubeBatch) -> Designs:
        """Return tubes of uniform rings as designs, read from the first site of each ring.

        Raises:
            ConfigurationError: if a ring holds other species, or more than one.
        """
        first = [int(np.flatnonzero(ring_of_site(self.lattice) == ring)[0]) for ring in range(self.width)]
        rows: Designs = (batch.species.reshape(len(batch), -1)[:, first] == self.heavy).astype(np.int64)
        if (self.decode(rows).species != batch.species).any():
            raise ConfigurationError(f"{batch} holds a tube whose rings are not all {self.heavy.name} or all 12C")
        return np.asarray(rows)

    @cached_property
    def _pairs(self) -> PairOrbits:
        """The orbits of rings between leads: a tube that is turned round is the same tube."""
        places = np.arange(self.width)
        return PairOrbits(np.stack([places, places[::-1]]), np.array([1]))

    @override
    def features(self, designs: Designs) -> FloatArray:
        """Return (B, F) counts of heavy rings and of pairs of heavy rings, by orbit: see `PairOrbits`."""
        return self._pairs.counts(np.asarray(designs, dtype=np.uint8))

    @cached_property
    @override
    def domain(self) -> TubeDomain:
        return TubeDomain((self.lattice,), frozenset({Species.C12, self.heavy}))

    @override
    def describe(self, design: Designs) -> str:
        """Return the rings from one end to the other, 1 for a heavy one."""
        return "".join(str(int(ring)) for ring in design)


def light_share(tubes: TubeBatch) -> FloatArray:
    """Return the (B,) share of sites of each tube that hold 12C."""
    shares = np.empty(len(tubes))
    for group in tubes.by_lattice():
        shares[group.rows] = 1.0 - (group.species != Species.C12).mean(axis=1)
    return shares


_LIGHT_SHARE: Final = FunctionModel(light_share, LIGHT_SHARE, level=Level.GEOMETRY)
_LIGHT: Final = Objective(LIGHT_SHARE, _LIGHT_SHARE, "maximize", 0.0, 1.0, oracle=_LIGHT_SHARE, weight=0.0)


SCALE: Final = Scale((2.6, 3.4), (2.6, 3.4), 0.05)
"""Scale of the thermal conductance of the default tube, nW/K; all designs lie within it. A choice of ours."""


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
    """Return the task of choosing light and heavy rings of a zigzag tube between pristine leads.

    By default its thermal conductance is to be as small as possible.

    Args:
        n: chiral index n of the (n, 0) tube.
        rings: number of rings of 2 n atoms, two per cell: see `matgym.physics.phonons.ring_isotopes`.
        heavy: the heavy isotope, "14C" or "13C".
        model: "oracle"; "solved:NAME" or a `Solved`, a table of all designs; or any source that `as_model` takes.
        direction: "minimize", "target" or "maximize".
        low: smallest target; or the value with reward 1 if the property is minimized, 0 if it is maximized. The default
            is that of the scale; so are those of `high` and `margin`.
        high: largest target; or the value with reward 0 if the property is minimized, 1 if it is maximized.
        margin: error at which the reward of a target has fallen to a tenth.
        scale: scale of the thermal conductance. A property of the model's own has none: give low and high.
        frequencies: number of frequencies of the oracle.
        reward: a function of predictions and targets instead of the reward that these settings define.

    Raises:
        ConfigurationError: if a setting is out of range, the range of a property of the model's own is missing, or the
            table is one of another tube.
    """
    oracle = RingIsotopes(n=n, rings=rings, frequencies=frequencies)
    table = table_of(model)
    settings = (n, rings, heavy, frequencies)
    if table is not None and settings != (10, 16, "14C", 256):
        raise ConfigurationError(
            f"the table is for (n, rings, heavy, frequencies) = (10, 16, '14C', 256), not {settings}: give "
            'model="oracle"'
        )
    heat = THERMAL_CONDUCTANCE_NW_K
    predictor: Any = oracle if isinstance(model, str) and model == "oracle" else table or as_model(model, heat)
    prop = heat if heat.key in predictor.keys or len(predictor.properties) != 1 else predictor.properties[0]
    predictor.property_of(prop.key)  # raises an error if the model does not predict it
    if prop.key == heat.key:
        limits = scaled(prop, direction, low, high, margin, scale)
        objective = Objective(prop, predictor, direction, *limits, oracle)
    else:
        limits = scaled(prop, direction, low, high, margin, None)
        verifier = known_oracle(prop) or (predictor if predictor.is_oracle else None)
        objective = Objective(prop, predictor, direction, *limits, verifier)
    return DesignTask(RingSpace.of(n, rings, heavy), (objective, _LIGHT), reward=reward)
