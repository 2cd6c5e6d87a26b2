"""The task of isotope rings: which rings of a tube to make of a heavy isotope, so that it conducts least heat."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K
from matgym.physics.phonons.ring_isotopes import RingIsotopes, ring_species
from matgym.structures import Nanotube, Species, TubeLattice, parse_species, tube_lattice, tubes_on
from matgym.surrogates import Predictor, as_predictor
from matgym.tasks.base import DesignTask, Goal, Scores, scored, share
from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.tasks.solved import SOLVED, table_of
from matgym.tasks.space import Choices, Designs
from matgym.typing import FloatArray, SpeciesArray


@dataclass(frozen=True, eq=False)
class IsotopeRings(DesignTask):
    """Each ring of a zigzag tube is light or heavy; its thermal conductance between pristine leads is to be small.

    Attributes:
        n: of the (n, 0) tube.
        rings: rings of 2 n atoms, two a cell: see `matgym.physics.phonons.ring_isotopes`.
        heavy: the heavy isotope, "14C" or "13C".
        source: "oracle"; "solved:NAME" or a `Solved`, a table of all designs; or what `as_predictor` takes.
        low: conductance that earns 1, nW/K, below what any design has; or the least target. A range chosen by us.
        high: conductance that earns 0; or the largest target.
        margin: error at which the reward has fallen to a tenth, where the goal is a target.
        goal: "min" or "target".
        frequencies: of the oracle.
        ledger: counts what is spent.
    """

    n: int = 10
    rings: int = 16
    heavy: str = "14C"
    source: Any = "solved:isotope-rings"
    low: float = 2.6
    high: float = 3.4
    margin: float = 0.05
    goal: Goal = "min"
    frequencies: int = 256
    ledger: Ledger = field(default_factory=Ledger)
    space: Choices = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.goal not in {"min", "target"}:
            raise ConfigurationError(f"goal={self.goal!r} must be min or target")
        if not self.low < self.high:
            raise ConfigurationError(f"low={self.low} must be below high={self.high}")
        _ = self.oracle, self.isotopes  # these check what they are given
        if isinstance(self.source, str) and self.source.startswith(SOLVED):
            own = (self.n, self.rings, self.heavy, self.frequencies)
            if own != (10, 16, "14C", 256):
                raise ConfigurationError(f'the table of (10, 0), 16 rings, 14C is none of {own}: give source="oracle"')
        object.__setattr__(self, "space", Choices((2,) * self.rings))

    @cached_property
    def oracle(self) -> RingIsotopes:
        """The exact one, which knows that rings are uniform."""
        return RingIsotopes(n=self.n, rings=self.rings, frequencies=self.frequencies)

    @cached_property
    def isotopes(self) -> SpeciesArray:
        """(2,) codes: light, heavy."""
        heavy = parse_species(self.heavy)
        if heavy not in {Species.C13, Species.C14}:
            raise ConfigurationError(f"heavy={self.heavy!r} must be 13C or 14C")
        return np.array([Species.C12, heavy], dtype=np.uint8)

    @cached_property
    def lattice(self) -> TubeLattice:
        """Of the tube."""
        return tube_lattice(self.n, 0, self.rings // 2)

    @property
    def value_name(self) -> str:
        """The thermal conductance's key."""
        return THERMAL_CONDUCTANCE_NW_K.key

    @property
    def unit(self) -> str:
        """nW/K."""
        return THERMAL_CONDUCTANCE_NW_K.unit

    @property
    def target_names(self) -> tuple[str, ...]:
        """One, where the goal is a target."""
        return ("target_nw_k",) if self.goal == "target" else ()

    @property
    def target_ranges(self) -> FloatArray:
        """One row, or none."""
        return np.array([[self.low, self.high]]) if self.goal == "target" else np.zeros((0, 2))

    @property
    def parts(self) -> tuple[str, ...]:
        """Little heat, and few of the heavy atoms, which are dear."""
        return (self.value_name, "light_share")

    def score(self, designs: Designs, targets: FloatArray) -> Scores:
        """Evaluate designs, and count them.

        Args:
            designs: (B, rings) of 0 (light) and 1 (heavy).
            targets: (B,), nW/K; (B, 0) where the goal is the least.
        """
        table = table_of(self.source)
        if table is not None:
            with self.ledger.charge("oracle", len(designs)):
                return self._scores(table.look_up(self.space, designs)[self.value_name], targets)
        if self.source == "oracle":
            return self.audit(designs, targets)
        with self.ledger.charge(self._predictor.kind, len(designs)):
            return self._scores(self._predictor.predict(self.lattice, self._species(designs)), targets)

    def audit(self, designs: Designs, targets: FloatArray) -> Scores:
        """The same by the exact oracle."""
        with self.ledger.charge("oracle", len(designs)):
            return self._scores(self.oracle.conductance_nw_k(self.isotopes[designs]), targets)

    @cached_property
    def _predictor(self) -> Predictor:
        return as_predictor(self.source, self.value_name)

    def _species(self, designs: Designs) -> Any:
        return ring_species(self.lattice, self.isotopes[designs])

    def _scores(self, value: FloatArray, targets: FloatArray) -> Scores:
        loss = scored(value, self.goal, targets)
        if self.goal == "target":
            return Scores.certain(tolerance(loss, self.margin), value, loss, {"error_nw_k": loss})
        return Scores.certain(share(loss, self.low, self.high, "min"), value, loss)

    def rewards(self, scores: Scores, designs: Designs, targets: FloatArray) -> FloatArray:
        """(B, 2): the reward, and the share of rings that stay light."""
        del targets
        return np.stack([scores.reward, 1.0 - designs.mean(axis=1)], axis=1)

    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """(B,) by the distance of the one from the other."""
        return tolerance(np.abs(achieved[:, 0] - targets[:, 0]), self.margin)

    def tubes(self, designs: Designs) -> list[Nanotube]:
        """Designs as tubes."""
        return tubes_on(self.lattice, self._species(designs))

    def describe(self, design: Designs) -> str:
        """Rings from one end to the other, 1 for a heavy one."""
        return "".join(str(int(ring)) for ring in design)
